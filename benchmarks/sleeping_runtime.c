/* A runtime that sleeps: what the bench's own speed is measured with, and what a soak can check to the last digit.
 *
 * It has ONNX Runtime's C API as far as the runner uses it, so the runner opens it as it opens the real one
 * (`profile collect --runtime`). A model runs for 1 to 8 ms, told by the size of its file, and the profile that it leaves
 * says exactly that. Its rows are of no use to anybody but a benchmark.
 *
 *     cc -shared -fPIC -O2 -o libsleeping.so sleeping_runtime.c
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SLOTS = 512, MOST_RUNS = 4096 };

typedef void slot(void);
typedef struct OrtStatus OrtStatus; /* NULL: it went well */

static int thing; /* what every handle points to */
static char profile_prefix[1024];
static struct {
    long long sleep_us, start_us[MOST_RUNS];
    int runs;
} session;

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static OrtStatus *succeed(void) {
    return NULL;
}

static int get_error_code(const OrtStatus *status) {
    (void)status;
    return 0;
}

static const char *get_error_message(const OrtStatus *status) {
    (void)status;
    return "";
}

static OrtStatus *make_first(void **out) { /* CreateSessionOptions(out), GetAllocatorWithDefaultOptions(out) */
    *out = &thing;
    return NULL;
}

static OrtStatus *make_second(const void *from, void **out) { /* CreateIoBinding(session, out) */
    (void)from;
    *out = &thing;
    return NULL;
}

static OrtStatus *make_third(int first, const void *second, void **out) { /* CreateEnv(level, name, out) */
    (void)first, (void)second;
    *out = &thing;
    return NULL;
}

static OrtStatus *create_memory_info(int allocator, int memory, void **out) {
    (void)allocator, (void)memory;
    *out = &thing;
    return NULL;
}

static OrtStatus *create_session(const void *env, const char *path, const void *options, void **out) {
    struct stat about;
    (void)env, (void)options;
    memset(&session, 0, sizeof session);
    session.sleep_us = stat(path, &about) == 0 ? 1000 * (1 + about.st_size % 8) : 1000;
    *out = &thing;
    return NULL;
}

static OrtStatus *create_session_from_array(const void *env, const void *model, size_t bytes, const void *options,
                                            void **out) {
    (void)env, (void)model, (void)bytes, (void)options;
    *out = &thing;
    return NULL;
}

static OrtStatus *count_none(const void *from, size_t *count) { /* SessionGetInputCount, SessionGetOutputCount */
    (void)from;
    *count = 0;
    return NULL;
}

static OrtStatus *enable_profiling(void *options, const char *prefix) {
    (void)options;
    snprintf(profile_prefix, sizeof profile_prefix, "%s", prefix);
    return NULL;
}

static OrtStatus *run(void) {
    if (session.runs < MOST_RUNS) session.start_us[session.runs++] = now_us();
    struct timespec wait = {.tv_nsec = session.sleep_us * 1000};
    nanosleep(&wait, NULL);
    return NULL;
}

static OrtStatus *end_profiling(void *handle, void *allocator, char **path) {
    static char name[sizeof profile_prefix + 8];
    (void)handle, (void)allocator;
    snprintf(name, sizeof name, "%s.json", profile_prefix);
    FILE *file = fopen(name, "w");
    if (file) {
        fputs("[", file);
        for (int i = 0; i < session.runs; i++) {
            const char *form = "%s\n{\"cat\":\"Node\",\"pid\":1,\"tid\":1,\"dur\":%lld,\"ts\":%lld,\"ph\":\"X\","
                               "\"name\":\"sleep_kernel_time\",\"args\":{\"op_name\":\"Sleep\",\"provider\":"
                               "\"CPUExecutionProvider\",\"node_index\":\"0\"}},\n{\"cat\":\"Session\",\"pid\":1,"
                               "\"tid\":1,\"dur\":%lld,\"ts\":%lld,\"ph\":\"X\",\"name\":\"model_run\",\"args\":{}}";
            fprintf(file, form, i ? "," : "", session.sleep_us, session.start_us[i], session.sleep_us,
                    session.start_us[i]);
        }
        fputs("\n]\n", file);
        fclose(file);
    }
    *path = name;
    return NULL;
}

static OrtStatus *list_providers(char ***providers, int *count) {
    static char *names[] = {"CPUExecutionProvider"};
    *providers = names;
    *count = 1;
    return NULL;
}

static slot *const *get_api(uint32_t version) {
    static slot *table[SLOTS];
    (void)version;
    for (int i = 0; i < SLOTS; i++) table[i] = (slot *)succeed;
    table[1] = (slot *)get_error_code;
    table[2] = (slot *)get_error_message;
    table[3] = (slot *)make_third;                  /* CreateEnv */
    table[7] = (slot *)create_session;              /* CreateSession */
    table[8] = (slot *)create_session_from_array;   /* CreateSessionFromArray */
    table[10] = (slot *)make_first;                 /* CreateSessionOptions */
    table[14] = (slot *)enable_profiling;           /* EnableProfiling */
    table[30] = (slot *)count_none;                 /* SessionGetInputCount */
    table[31] = (slot *)count_none;                 /* SessionGetOutputCount */
    table[69] = (slot *)create_memory_info;         /* CreateCpuMemoryInfo */
    table[78] = (slot *)make_first;                 /* GetAllocatorWithDefaultOptions */
    table[110] = (slot *)end_profiling;             /* SessionEndProfiling */
    table[125] = (slot *)list_providers;            /* GetAvailableProviders */
    table[133] = (slot *)run;                       /* RunWithBinding */
    table[134] = (slot *)make_second;               /* CreateIoBinding */
    return table;
}

static const char *get_version(void) {
    return "1.0.0-sleeping";
}

struct api_base {
    slot *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

const struct api_base *OrtGetApiBase(void) {
    static const struct api_base base = {get_api, get_version};
    return &base;
}
