#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char HEADER[] = "autocomet-plan 1\n";

enum kind { NAME, PATH, WHOLE, FRACTION, LIST };

struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    long long least, most; /* of a WHOLE, or of each value of a LIST */
};

#define FIELD(member, kind, least, most) {#member, kind, offsetof(struct plan_run, member), least, most}

static const struct field FIELDS[] = {
    FIELD(job, NAME, 0, 0),
    FIELD(run, WHOLE, 0, 1000000),
    FIELD(model, PATH, 0, 0),
    FIELD(out, PATH, 0, 0),
    FIELD(provider, NAME, 0, 0),
    FIELD(threads, WHOLE, 1, 1024),
    FIELD(cpus, LIST, 0, 1023),
    FIELD(spin, WHOLE, 0, 1),
    FIELD(warmup, WHOLE, 0, 1000000),
    FIELD(checkpoints, LIST, 1, 100000),
    FIELD(target, FRACTION, 0, 0),
    FIELD(budget_ms, WHOLE, 1, 86400000),
    FIELD(min_iterations, WHOLE, 1, 100000),
    FIELD(profile_iterations, WHOLE, 0, 500),
    FIELD(evict_kb, WHOLE, 0, 1LL << 40),
    FIELD(timeout_s, WHOLE, 1, 86400),
    FIELD(power_source, NAME, 0, 0),
    FIELD(power_loop_ms, WHOLE, 0, 86400000),
    FIELD(power_idle_ms, WHOLE, 0, 86400000),
    FIELD(power_sample_ms, WHOLE, 10, 60000),
    FIELD(power_wait_ms, WHOLE, 0, 86400000),
    FIELD(seed, WHOLE, 0, INT64_MAX),
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

__attribute__((format(printf, 2, 3))) static int refuse(struct plan *plan, const char *format, ...) {
    int length = plan->line ? snprintf(plan->error, sizeof plan->error, "line %d: ", plan->line) : 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(plan->error + length, sizeof plan->error - (size_t)length, format, arguments);
    va_end(arguments);
    return -1;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Undo the %XX escapes into a C string; false where they are malformed, hide a NUL or do not fit. */
static bool unescape(const char *from, size_t length, char *to, size_t size) {
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '%') {
            if (i + 2 >= length) return false;
            int high = hex_digit(from[i + 1]), low = hex_digit(from[i + 2]);
            if (high < 0 || low < 0) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || written + 1 >= size) return false;
        to[written++] = c;
    }
    to[written] = '\0';
    return written > 0;
}

/* A name becomes part of folder names and of log lines, so it is kept plain. */
static bool is_name(const char *text) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[strspn(text, ALLOWED)] == '\0' && text[0] != '.';
}

static bool parse_whole(const char *text, char **end, const struct field *field, long long *value) {
    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    *value = strtoll(text, end, 10);
    return errno == 0 && *value >= field->least && *value <= field->most;
}

static bool parse_list(const char *text, const struct field *field, struct plan_list *list) {
    list->count = 0;
    if (strcmp(text, "-") == 0) return field->least == 0;
    for (char *end; list->count < PLAN_LIST_SIZE; text = end + 1) {
        if (!parse_whole(text, &end, field, &list->values[list->count])) return false;
        if (list->count > 0 && list->values[list->count] <= list->values[list->count - 1]) return false;
        list->count++;
        if (*end == '\0') return true;
        if (*end != ',') return false;
    }
    return false;
}

static bool parse_value(const char *text, const struct field *field, struct plan_run *run) {
    void *target = (char *)run + field->offset;
    char *end = NULL;
    switch (field->kind) {
    case NAME:
        if (!is_name(text) || strlen(text) >= PLAN_NAME_SIZE) return false;
        strcpy(target, text);
        return true;
    case PATH:
        strcpy(target, text); /* the caller's buffer is no larger than the field */
        return true;
    case WHOLE:
        return parse_whole(text, &end, field, target) && *end == '\0';
    case FRACTION:
        *(double *)target = strtod(text, &end);
        return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *(double *)target <= 1;
    case LIST:
        return parse_list(text, field, target);
    }
    return false;
}

static int parse_pair(struct plan *plan, const char *pair, size_t length, struct plan_run *run, unsigned *seen) {
    const char *equals = memchr(pair, '=', length);
    if (equals == NULL) return refuse(plan, "'%.*s' is not key=value", (int)length, pair);
    size_t name_length = (size_t)(equals - pair);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (strlen(FIELDS[i].name) != name_length || memcmp(FIELDS[i].name, pair, name_length) != 0) continue;
        char value[PLAN_PATH_SIZE];
        if (*seen & 1u << i) return refuse(plan, "%s stands twice", FIELDS[i].name);
        *seen |= 1u << i;
        if (!unescape(equals + 1, length - name_length - 1, value, sizeof value) ||
            !parse_value(value, &FIELDS[i], run))
            return refuse(plan, "%.*s is out of range or malformed", (int)length, pair);
        return 0;
    }
    return refuse(plan, "unknown key %.*s", (int)name_length, pair);
}

int plan_next(struct plan *plan, struct plan_run *run) {
    if (plan->at == plan->size) return 0;
    plan->line++;
    const char *start = plan->text + plan->at;
    const char *newline = memchr(start, '\n', plan->size - plan->at);
    if (newline == NULL) return refuse(plan, "the last line has no end, so the file is cut");
    plan->at = (size_t)(newline + 1 - plan->text);
    memset(run, 0, sizeof *run);
    unsigned seen = 0;
    while (start <= newline) {
        const char *tab = memchr(start, '\t', (size_t)(newline - start));
        const char *end = tab ? tab : newline;
        if (parse_pair(plan, start, (size_t)(end - start), run, &seen) < 0) return -1;
        start = end + 1;
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (!(seen & 1u << i)) return refuse(plan, "%s is missing", FIELDS[i].name);
    return 1;
}

void plan_rewind(struct plan *plan) {
    plan->at = sizeof HEADER - 1;
    plan->line = 1;
}

int plan_open(struct plan *plan, const char *path) {
    memset(plan, 0, sizeof *plan);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) return refuse(plan, "cannot be read: %s", strerror(errno));
    plan->text = malloc((size_t)about.st_size + 1);
    if (plan->text == NULL) return refuse(plan, "does not fit into memory");
    while (plan->size < (size_t)about.st_size) {
        ssize_t got = read(fd, plan->text + plan->size, (size_t)about.st_size - plan->size);
        if (got <= 0) return refuse(plan, "cannot be read to its end");
        plan->size += (size_t)got;
    }
    close(fd);
    if (plan->size < sizeof HEADER - 1 || memcmp(plan->text, HEADER, sizeof HEADER - 1) != 0)
        return refuse(plan, "does not begin with 'autocomet-plan 1'");
    plan_rewind(plan);
    return 0;
}
