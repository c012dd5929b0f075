/* liblog's entrances, found by whoever looks for them with dlsym: lines in `threadtime` form, in the file that is the phone's
 * main buffer. A stated part of them, chosen by a seed, is lost without a trace, as logd loses them. */
#include "parameters.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 4000 }; /* as much as logd takes of one message */

/* Does this line go? The lines of all processes are counted together. */
static int is_lost(void) {
    uint64_t number = __atomic_add_fetch(&shared->log_lines, 1, __ATOMIC_RELAXED);
    uint64_t bits = (number + ((uint64_t)shared->log_seed << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ bits >> 31) * UINT64_C(0xBF58476D1CE4E5B9);
    return (bits >> 20) % 1000000 < shared->log_lost_ppm;
}

int __android_log_write(int priority, const char *tag, const char *text) {
    if (!shared || is_lost()) return 1;
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    char line[MESSAGE_BYTES + 256];
    int length = snprintf(line, sizeof line, "%02d-%02d %02d:%02d:%02d.%03d %5d %5d %c %-8.100s: %.*s\n", local.tm_mon + 1,
                          local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, (int)(now.tv_nsec / 1000000),
                          (int)getpid(), (int)syscall(SYS_gettid), "??VDIWEFS"[priority & 7], tag ? tag : "", MESSAGE_BYTES,
                          text);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, LOG_PATH, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return -1;
    long written = syscall(SYS_write, fd, line, (size_t)length); /* not libc's: the log is no part of the storage */
    close(fd);
    return written == length ? 1 : -1;
}

__attribute__((format(printf, 3, 4))) int __android_log_print(int priority, const char *tag, const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return __android_log_write(priority, tag, text);
}
