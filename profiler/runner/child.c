#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "measure.h"
#include "power.h"
#include "provider.h"
#include "session.h"
#include "system.h"

struct memory {
    long long baseline, load_peak, resident, run_peak; /* kB; -1 where the kernel does not tell */
};

static void set_detail(struct outcome *outcome, const char *format, va_list arguments) {
    vsnprintf(outcome->detail, sizeof outcome->detail, format, arguments);
}

_Noreturn void child_end(struct outcome *outcome, enum status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_detail(outcome, format, arguments);
    va_end(arguments);
    outcome->status = status;
    _exit(0); /* no destructors: a runtime in trouble may hang in them */
}

_Noreturn void child_refuse(struct outcome *outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_detail(outcome, format, arguments);
    va_end(arguments);
    _exit(EXIT_REFUSED);
}

/* What the runtime prints would fill the host's pipe; it goes into a file beside the log. */
static void redirect_output(const struct folder *folder) {
    char path[FOLDER_PATH_SIZE];
    folder_path(folder, "output.txt", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0) return;
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void finish_line(struct line *line, struct log *log) {
    if (!line_end(line, log)) child_refuse(log->outcome, "cannot write the log: %s", strerror(errno));
}

static void log_environment(struct log *log, struct session *session, long long oom_score) {
    struct line line;
    char affinity[512], providers[256];
    describe_affinity(affinity, sizeof affinity);
    provider_list(session, providers, sizeof providers);
    line_begin(&line, log, "env");
    line_text(&line, "runtime", session->ort.version);
    line_text(&line, "providers", providers);
    line_text(&line, "affinity", affinity);
    if (oom_score > -1001) line_whole(&line, "oom_score_adj", oom_score);
    finish_line(&line, log);
}

static void log_memory(struct log *log, const struct memory *memory) {
    struct line line;
    line_begin(&line, log, "memory");
    if (memory->baseline >= 0) line_whole(&line, "baseline_kb", memory->baseline);
    if (memory->load_peak >= 0) line_whole(&line, "load_peak_kb", memory->load_peak);
    if (memory->resident >= 0) line_whole(&line, "resident_kb", memory->resident);
    if (memory->run_peak >= 0) line_whole(&line, "run_peak_kb", memory->run_peak);
    finish_line(&line, log);
}

/* Microseconds with three decimals, a dropped one marked `!`; as many to a line as fit. */
static void log_samples(struct log *log, const struct samples *samples) {
    for (unsigned i = 0; i < samples->count;) {
        struct line line;
        line_begin(&line, log, "samples");
        line_whole(&line, "first", i);
        for (const char *before = " us="; i < samples->count; before = ",", i++) {
            char text[40];
            long long ns = samples->ns[i];
            snprintf(text, sizeof text, "%s%lld.%03lld%s", before, ns / 1000, ns % 1000,
                     samples->dropped[i] ? "!" : "");
            if (!line_add(&line, text)) break;
        }
        finish_line(&line, log);
    }
    log->outcome->samples = samples->count;
    log->outcome->dropped = samples->dropped_count;
}

/* The clock over the timed loop, and at its start: over the warm-up, or as it stood where that was too short. */
static void log_clock(struct log *log, int cpu, const struct clock_rate *warmup, const struct clock_rate *timed) {
    if (timed->khz == 0) return;
    struct line line;
    line_begin(&line, log, "clock");
    line_whole(&line, "cpu", cpu);
    line_whole(&line, "khz", timed->khz);
    line_text(&line, "source", timed->source);
    if (warmup->khz > 0) {
        line_whole(&line, "start_khz", warmup->khz);
        line_text(&line, "start_source", warmup->source);
    }
    finish_line(&line, log);
}

/* Load, warm up and time the model; log memory, samples and clock. Leaves the model loaded. */
static void measured_pass(struct session *session, struct evictor *evictor, struct log *log) {
    struct samples samples;
    const struct plan_list *checkpoints = &session->plan->checkpoints;
    if (!samples_create(&samples, checkpoints->values[checkpoints->count - 1]) ||
        !evictor_create(evictor, session->plan->evict_kb))
        child_end(log->outcome, STATUS_OUT_OF_MEMORY, "no memory for samples and eviction buffer");

    struct memory memory;
    reset_memory_peak(); /* where refused, the load's peak may include the runtime's own start */
    memory.baseline = memory_kb("/proc/self/status", "VmRSS");
    session_load(session, NULL);
    memory.load_peak = memory_kb("/proc/self/status", "VmHWM");
    session_allocate(session);
    session_bind(session);
    struct cpu_clock clock;
    clock_start(&clock, &session->plan->cpus);
    run_untimed(session, evictor, session->plan->warmup);
    struct clock_rate warmup = clock_rate(&clock);
    memory.resident = memory_kb("/proc/self/status", "VmRSS");
    bool reset = reset_memory_peak();

    clock_start(&clock, &session->plan->cpus);
    run_timed(session, evictor, &samples);
    struct clock_rate timed = clock_rate(&clock);
    memory.run_peak = reset ? memory_kb("/proc/self/status", "VmHWM") : -1;

    log_memory(log, &memory);
    log_samples(log, &samples);
    log_clock(log, clock.cpu, &warmup, &timed);
}

/* What the profile's file must be to be believed, and one digit per profiled iteration: 1 where others took the CPU. */
static void log_profile(struct log *log, const struct plan_run *plan, const char *path, const struct samples *samples) {
    struct line line;
    long long bytes;
    uint32_t crc;
    char text[16];
    if (!checksum_file(path, &bytes, &crc)) child_refuse(log->outcome, "cannot read the profile: %s", strerror(errno));
    snprintf(text, sizeof text, "%08x", (unsigned)crc);
    line_begin(&line, log, "profile");
    line_text(&line, "file", "profile.json");
    line_whole(&line, "bytes", bytes);
    line_text(&line, "crc", text);
    line_whole(&line, "warmup", plan->warmup);
    line_whole(&line, "iterations", samples->count);
    line_add(&line, " preempted=");
    for (unsigned i = 0; i < samples->count; i++) line_add(&line, samples->dropped[i] ? "1" : "0");
    finish_line(&line, log);
}

/* Whether a file ends as a JSON array does. The runtime does not say when it could not write its profile. */
static bool is_whole_array(const char *path) {
    char end[2] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read_end = fd >= 0 && lseek(fd, -(off_t)sizeof end, SEEK_END) >= 0 && read(fd, end, sizeof end) == sizeof end;
    if (fd >= 0) close(fd);
    return read_end && memchr(end, ']', sizeof end) != NULL;
}

/* Load the model again with the runtime's profiler on; the file becomes profile.json. */
static void profiled_pass(struct session *session, const struct evictor *evictor, const struct folder *folder,
                          struct log *log) {
    char prefix[FOLDER_PATH_SIZE], path[FOLDER_PATH_SIZE];
    folder_path(folder, "ort", prefix);
    folder_path(folder, "profile.json", path);
    struct samples samples;
    if (!samples_create(&samples, session->plan->profile_iterations))
        child_end(log->outcome, STATUS_OUT_OF_MEMORY, "no memory for samples");
    session_load(session, prefix);
    session_bind(session);
    run_untimed(session, evictor, session->plan->warmup);
    while (samples.count < session->plan->profile_iterations) run_timed_once(session, evictor, &samples);
    if (rename(session_end_profile(session), path) < 0)
        child_refuse(log->outcome, "cannot rename the profile: %s", strerror(errno));
    if (!is_whole_array(path)) child_refuse(log->outcome, "cannot write the profile: %s", strerror(ENOSPC));
    log_profile(log, session->plan, path, &samples);
}

_Noreturn void child_run(const struct plan_run *plan, const char *runtime, const struct folder *folder,
                         struct log *log) {
    struct session session;
    struct evictor evictor;
    struct sampler sampler;
    redirect_output(folder);
    if (!power_source_is_known(plan->power_source))
        child_refuse(log->outcome, "no such power source: %s", plan->power_source);
    if (!sampler_prepare(&sampler, plan, folder))
        child_refuse(log->outcome, "cannot start the power sampler: %s", strerror(errno));
    long long oom_score = raise_oom_score();
    if (!bind_to_cpus(&plan->cpus)) child_refuse(log->outcome, "cannot bind to the CPUs: %s", strerror(errno));
    session_prepare(&session, runtime, plan, log->outcome);
    log_environment(log, &session, oom_score);
    measured_pass(&session, &evictor, log);
    if (power_is_wanted(plan)) power_pass(&sampler, &session, &evictor, log);
    if (plan->profile_iterations > 0) {
        session_unload(&session);
        profiled_pass(&session, &evictor, folder, log);
    }
    child_end(log->outcome, STATUS_OK, "%s", "");
}
