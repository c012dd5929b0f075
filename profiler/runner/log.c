#include "log.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "checksum.h"
#include "system.h"

static const char TAG[] = "AutoCoMET";

bool line_add(struct line *line, const char *text) {
    size_t length = strlen(text);
    if (line->length + length + 2 > sizeof line->text) return false; /* room for the newline and the NUL */
    memcpy(line->text + line->length, text, length + 1);
    line->length += length;
    return true;
}

void line_begin(struct line *line, struct log *log, const char *record) {
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    int header = snprintf(line->text, sizeof line->text, "%02d-%02d %02d:%02d:%02d.%03d %5d %5d I %-8s: ",
                          local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                          (int)(now.tv_nsec / 1000000), (int)getpid(), (int)syscall(SYS_gettid), TAG);
    line->message = (size_t)header;
    log->outcome->lines++; /* first, so that a line that never reaches the file is missed */
    int message = snprintf(line->text + header, sizeof line->text - (size_t)header, "%u %s %lld %s",
                           log->outcome->lines, log->job, log->run, record);
    line->length = (size_t)(header + message);
}

void line_whole(struct line *line, const char *key, long long value) {
    char text[64];
    snprintf(text, sizeof text, " %s=%lld", key, value);
    line_add(line, text);
}

void line_real(struct line *line, const char *key, double value) {
    char text[64];
    snprintf(text, sizeof text, " %s=%.6g", key, value);
    line_add(line, text);
}

void line_text(struct line *line, const char *key, const char *value) {
    line_add(line, " ");
    line_add(line, key);
    line_add(line, "=");
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        char escaped[4];
        bool plain = *c > ' ' && *c < 0x7f && *c != '%';
        snprintf(escaped, sizeof escaped, plain ? "%c" : "%%%02X", *c);
        if (!line_add(line, escaped)) return;
    }
}

/* logcat drops what comes faster than this; so do some of its readers. Waited for between records, of which none is
 * written while something is timed. */
enum { ANDROID_LINES_PER_S = 200 };

static void await_room(struct outcome *outcome) {
    long long left_ns = outcome->next_line_ns - now_ns(CLOCK_MONOTONIC);
    struct timespec wait = {.tv_nsec = left_ns < 0 ? 0 : left_ns}; /* never as much as a second */
    nanosleep(&wait, NULL);
    outcome->next_line_ns = now_ns(CLOCK_MONOTONIC) + 1000000000 / ANDROID_LINES_PER_S;
}

/* Android's logger, where the process has one. Looked up once per process: parent and child each find their own. */
static void log_to_android(struct outcome *outcome, const char *message) {
    typedef int print_function(int priority, const char *tag, const char *format, ...);
    static print_function *print;
    static bool searched;
    if (!searched) {
        searched = true;
        void *symbol = dlsym(RTLD_DEFAULT, "__android_log_print");
        void *library = symbol ? NULL : dlopen("liblog.so", RTLD_NOW);
        if (library) symbol = dlsym(library, "__android_log_print");
        memcpy(&print, &symbol, sizeof print);
    }
    enum { INFO = 4 };
    if (print == NULL) return;
    await_room(outcome);
    print(INFO, TAG, "%s", message);
}

/* Take the record's message into the log's checksum. */
static uint32_t checksum_with(const struct line *line, const struct log *log) {
    return checksum(log->outcome->crc, line->text + line->message, line->length - line->message);
}

bool line_end(struct line *line, struct log *log) {
    log_to_android(log->outcome, line->text + line->message);
    log->outcome->crc = checksum_with(line, log);
    line->text[line->length++] = '\n';
    ssize_t written = write(log->fd, line->text, line->length);
    if (written >= 0 && written < (ssize_t)line->length) errno = ENOSPC; /* a file takes less for no other reason */
    return written == (ssize_t)line->length;
}

bool line_end_with_checksum(struct line *line, struct log *log) {
    char text[16];
    snprintf(text, sizeof text, " crc=%08x", (unsigned)checksum_with(line, log));
    return line_add(line, text) && line_end(line, log);
}
