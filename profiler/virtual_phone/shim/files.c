/* Files of the phone that are more than bytes on a disk: those that change with time, a full storage, a bit that flips.
 *
 * /proc/uptime and cpufreq's time_in_state are made when they are opened for reading by their full path; a program that finds
 * them otherwise reads the copy in the phone's folder, which is renewed about once a second. The storage is full for writing
 * through libc's open, write and mkdir; what stdio buffers for a file that is already open still gets through.
 */
#include "parameters.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "next.h"

static int text_file(const char *text, size_t length) {
    int fd = memfd_create("virtual", MFD_CLOEXEC);
    if (fd >= 0 && (syscall(SYS_write, fd, text, length) != (long)length || lseek(fd, 0, SEEK_SET) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_uptime(void) {
    char text[64];
    double uptime_s = (double)phone_uptime_ns() / 1e9;
    return text_file(text, (size_t)snprintf(text, sizeof text, "%.2f %.2f\n", uptime_s, uptime_s * shared->cpus));
}

static int open_residency(const struct policy *policy) {
    char text[MOST_FREQUENCIES * 32];
    size_t length = 0;
    double ticks = (double)(phone_uptime_ns() - policy->since_ns) / 1e7;
    for (unsigned i = 0; i < policy->frequencies; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%u %llu\n", policy->khz[i],
                                   (unsigned long long)(policy->ticks[i] + policy->share[i] * ticks));
    return text_file(text, length);
}

/* Open a file that is made of the moment. -2: it is none. */
static int open_living(const char *path) {
    unsigned cpu;
    int end = 0;
    if (!shared || !path) return -2;
    if (strcmp(path, "/proc/uptime") == 0) return open_uptime();
    if (strncmp(path, "/sys/devices/system/cpu/cpu", 27) != 0) return -2;
    if (sscanf(path, "/sys/devices/system/cpu/cpu%u/cpufreq/stats/time_in_state%n", &cpu, &end) < 1 || path[end] || !end) {
        end = 0;
        if (sscanf(path, "/sys/devices/system/cpu/cpufreq/policy%u/stats/time_in_state%n", &cpu, &end) < 1) return -2;
        if (!end || path[end]) return -2;
    }
    for (unsigned i = 0; i < shared->policies; i++)
        if (cpu - shared->policy[i].first_cpu < shared->policy[i].cpus) return open_residency(&shared->policy[i]);
    return -2;
}

static bool refuse(bool full) {
    if (full) errno = ENOSPC;
    return full;
}

static bool is_regular(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

static bool cannot_make(int folder, const char *path) {
    struct stat about;
    return refuse(shared && shared->storage_full && fstatat(folder, path, &about, 0) < 0);
}

static bool cannot_write(int fd) {
    return refuse(shared && shared->storage_full && is_regular(fd));
}

/* A process that measures resets its memory's peak first: that is where the order to kill one finds it. */
static void kill_where_ordered(const char *path) {
    if (!shared || !shared->kill_child || strcmp(path, "/proc/self/clear_refs") != 0) return;
    if (__atomic_exchange_n(&shared->kill_child, 0, __ATOMIC_ACQ_REL)) kill(getpid(), SIGKILL);
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    int living = (flags & O_ACCMODE) == O_RDONLY ? open_living(path) : -2;
    if (living != -2) return living;
    kill_where_ordered(path);
    if (flags & O_CREAT && cannot_make(folder, path)) return -1;
    return (int)syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                             \
    int name(const char *path, int flags, ...) {               \
        va_list arguments;                                     \
        va_start(arguments, flags);                            \
        mode_t mode = mode_of(flags, arguments);               \
        va_end(arguments);                                     \
        return open_any(AT_FDCWD, path, flags, mode);          \
    }

#define OPEN_AT(name)                                          \
    int name(int folder, const char *path, int flags, ...) {   \
        va_list arguments;                                     \
        va_start(arguments, flags);                            \
        mode_t mode = mode_of(flags, arguments);               \
        va_end(arguments);                                     \
        return open_any(folder, path, flags, mode);            \
    }

OPEN(open)
OPEN(open64)
OPEN(__open_2) /* what a program built with _FORTIFY_SOURCE calls */
OPEN(__open64_2)
OPEN_AT(openat)
OPEN_AT(openat64)
OPEN_AT(__openat_2)
OPEN_AT(__openat64_2)

int creat(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define FOPEN(name)                                                                      \
    FILE *name(const char *restrict path, const char *restrict mode) {                   \
        int living = mode[0] == 'r' && !strchr(mode, '+') ? open_living(path) : -2;      \
        if (living != -2) return living < 0 ? NULL : fdopen(living, mode);               \
        return mode[0] != 'r' && cannot_make(AT_FDCWD, path) ? NULL : NEXT(name)(path, mode); \
    }

FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t count) {
    return cannot_write(fd) ? -1 : NEXT(write)(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return cannot_write(fd) ? -1 : NEXT(writev)(fd, parts, count);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    return cannot_write(to) ? -1 : NEXT(copy_file_range)(from, from_at, to, to_at, count, flags);
}

int mkdir(const char *path, mode_t mode) {
    return cannot_make(AT_FDCWD, path) ? -1 : NEXT(mkdir)(path, mode);
}

/* Flip a bit of FOLDER/NAME; which one follows from the seed. */
static bool flip_bit(const char *folder, const char *name, uint32_t seed) {
    char path[4096];
    struct stat about;
    unsigned char byte = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = fstat(fd, &about) == 0 && about.st_size > 0;
    off_t at = done ? (off_t)(seed * UINT64_C(0x9E3779B97F4A7C15) >> 8) % about.st_size : 0;
    done = done && pread(fd, &byte, 1, at) == 1;
    byte ^= (unsigned char)(1u << (seed >> 1 & 7));
    done = done && pwrite(fd, &byte, 1, at) == 1;
    close(fd);
    return done;
}

/* A run is finished when the runner takes `.part` off its folder's name. */
static bool finishes_run(const char *from, const char *to) {
    size_t length = strlen(to);
    const char *name = strrchr(to, '/');
    return strncmp(name ? name + 1 : to, "run-", 4) == 0 && strncmp(from, to, length) == 0 &&
           strcmp(from + length, ".part") == 0;
}

int rename(const char *from, const char *to) {
    int result = NEXT(rename)(from, to);
    if (!shared || result < 0 || !shared->flip_seed || !finishes_run(from, to)) return result;
    uint32_t seed = __atomic_exchange_n(&shared->flip_seed, 0, __ATOMIC_ACQ_REL);
    if (!seed || (seed & 1 && flip_bit(to, "profile.json", seed))) return result;
    flip_bit(to, "runner.log", seed);
    return result;
}
