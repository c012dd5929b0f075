#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "await.h"
#include "child.h"
#include "folder.h"
#include "log.h"
#include "system.h"

enum { PROTOCOL = 1, RUNTIME_KB = 64 * 1024 };

const char *status_name(enum status status) {
    static const char *const NAMES[] = {
        [STATUS_NONE] = "none",       [STATUS_OK] = "ok",         [STATUS_UNSUPPORTED] = "unsupported",
        [STATUS_CRASHED] = "crashed", [STATUS_TIMED_OUT] = "timed_out", [STATUS_OUT_OF_MEMORY] = "out_of_memory",
    };
    return NAMES[status];
}

__attribute__((format(printf, 3, 4))) static void judge(struct outcome *outcome, enum status status,
                                                        const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(outcome->detail, sizeof outcome->detail, format, arguments);
    va_end(arguments);
    outcome->status = status;
}

static bool log_start(struct log *log, const struct plan_run *plan) {
    struct line line;
    const char *slash = strrchr(plan->model, '/');
    line_begin(&line, log, "start");
    line_whole(&line, "protocol", PROTOCOL);
    line_clocks(&line);
    line_text(&line, "provider", plan->provider);
    line_whole(&line, "threads", plan->threads);
    line_whole(&line, "spin", plan->spin);
    line_whole(&line, "warmup", plan->warmup);
    for (int i = 0; i < plan->checkpoints.count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%lld", i ? "," : " checkpoints=", plan->checkpoints.values[i]);
        line_add(&line, text);
    }
    line_real(&line, "target", plan->target);
    line_whole(&line, "budget_ms", plan->budget_ms);
    line_whole(&line, "min_iterations", plan->min_iterations);
    line_whole(&line, "profile_iterations", plan->profile_iterations);
    line_whole(&line, "evict_kb", plan->evict_kb);
    line_whole(&line, "timeout_s", plan->timeout_s);
    line_whole(&line, "seed", plan->seed);
    line_text(&line, "model", slash ? slash + 1 : plan->model);
    return line_end(&line, log);
}

/* What the gate told of the device, word for word. */
static bool log_phone(struct log *log, const struct gate *gate, const char *moment) {
    struct line line;
    if (gate->phone[0] == '\0') return true;
    line_begin(&line, log, "phone");
    line_text(&line, "moment", moment);
    line_add(&line, " ");
    line_add(&line, gate->phone);
    return line_end(&line, log);
}

/* The last record. It carries the counts by which a reader knows that nothing is missing. */
static bool log_end(struct log *log) {
    struct line line;
    const struct outcome *outcome = log->outcome;
    line_begin(&line, log, "end");
    line_text(&line, "status", status_name(outcome->status));
    line_whole(&line, "lines", outcome->lines);
    line_whole(&line, "samples", outcome->samples);
    line_whole(&line, "dropped", outcome->dropped);
    line_clocks(&line);
    if (outcome->detail[0]) line_text(&line, "detail", outcome->detail);
    return line_end_with_checksum(&line, log);
}

/* Judge what can be judged without trying: a model that is not there, or one that cannot fit. */
static void check_before(const struct plan_run *plan, struct outcome *outcome) {
    struct stat about;
    if (stat(plan->model, &about) < 0 || access(plan->model, R_OK) < 0) {
        judge(outcome, STATUS_CRASHED, "cannot read the model %s: %s", plan->model, strerror(errno));
        return;
    }
    long long needed_kb = about.st_size / 1024 * 3 + plan->evict_kb + RUNTIME_KB;
    long long available_kb = memory_kb("/proc/meminfo", "MemAvailable");
    if (available_kb >= 0 && needed_kb > available_kb)
        judge(outcome, STATUS_OUT_OF_MEMORY, "not tried: about %lld MB needed, %lld MB available", needed_kb / 1024,
              available_kb / 1024);
}

/* Judge a child that has ended. Returns 0, or EXIT_REFUSED. */
static int judge_end(int wait_status, bool overdue, const struct plan_run *plan, struct outcome *outcome) {
    outcome->detail[sizeof outcome->detail - 1] = '\0';
    if (overdue && WIFSIGNALED(wait_status)) {
        judge(outcome, STATUS_TIMED_OUT, "killed after %lld s", plan->timeout_s);
    } else if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL) {
        judge(outcome, STATUS_OUT_OF_MEMORY,
              "killed by a SIGKILL that the runner did not send: most likely the kernel, short of memory");
    } else if (WIFSIGNALED(wait_status)) {
        judge(outcome, STATUS_CRASHED, "killed by signal %d (%s)", WTERMSIG(wait_status),
              strsignal(WTERMSIG(wait_status)));
    } else if (WEXITSTATUS(wait_status) == EXIT_REFUSED && outcome->status == STATUS_NONE && outcome->detail[0]) {
        return EXIT_REFUSED;
    } else if (WEXITSTATUS(wait_status) != 0 || outcome->status == STATUS_NONE) {
        judge(outcome, STATUS_CRASHED, "the runtime ended the process with exit code %d", WEXITSTATUS(wait_status));
    }
    return 0;
}

/* Wait for the child to end; kill it when it is overdue or the runner is to stop. Same results as supervise. */
static int watch(pid_t child, const struct plan_run *plan, struct beat *beat, struct outcome *outcome) {
    long long seen_ns = now_ns(CLOCK_MONOTONIC);
    for (;;) {
        bool begun = outcome->begun;
        int wait_status;
        int stopped = await_child(child, seen_ns + (begun ? plan->timeout_s : 1) * 1000000000, beat, &wait_status);
        if (stopped == 0) return judge_end(wait_status, false, plan, outcome);
        if (stopped < 0 && !begun) { /* it may have to wait long for its turn; that is looked at every second */
            seen_ns = now_ns(CLOCK_MONOTONIC);
            continue;
        }
        kill(child, SIGKILL);
        waitpid(child, &wait_status, 0);
        return stopped > 0 ? 128 + stopped : judge_end(wait_status, true, plan, outcome);
    }
}

/* Where several devices share one processor they take turns, by a lock on a file that all of them see. It is held until
 * the process ends. */
static void take_turn(const char *file, struct outcome *outcome) {
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) child_refuse(outcome, "cannot open %s: %s", file, strerror(errno));
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) child_refuse(outcome, "cannot lock %s: %s", file, strerror(errno));
    outcome->begun = true;
}

static int run_child(const struct plan_run *plan, const char *runtime, struct beat *beat, const struct folder *folder,
                     struct log *log) {
    const char *turn = getenv("AUTOCOMET_TURN");
    log->outcome->begun = turn == NULL;
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        judge(log->outcome, STATUS_OUT_OF_MEMORY, "cannot start a process: %s", strerror(errno));
        return 0;
    }
    if (child > 0) return watch(child, plan, beat, log->outcome);
    await_release(parent);
    if (turn) take_turn(turn, log->outcome);
    child_run(plan, runtime, folder, log);
}

/* Remove the file of what the runtime printed where it printed nothing. */
static void tidy(const struct folder *folder) {
    char path[FOLDER_PATH_SIZE];
    struct stat about;
    folder_path(folder, "output.txt", path);
    if (stat(path, &about) == 0 && about.st_size == 0) unlink(path);
}

static int refuse(struct outcome *outcome, const char *what, const char *path) {
    judge(outcome, STATUS_NONE, "%s %s: %s", what, path, strerror(errno));
    return EXIT_REFUSED;
}

int supervise(const struct plan_run *plan, const char *runtime, struct gate *gate, struct outcome *outcome) {
    struct folder folder;
    char path[FOLDER_PATH_SIZE];
    memset(outcome, 0, sizeof *outcome);
    if (!folder_create(&folder, plan->out)) return refuse(outcome, "cannot make the folder", plan->out);
    folder_path(&folder, "runner.log", path);
    struct log log = {.job = plan->job, .run = plan->run, .outcome = outcome};
    log.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    int result = 0;
    if (log.fd < 0 || !log_start(&log, plan) || !log_phone(&log, gate, "before"))
        result = refuse(outcome, "cannot write", path);
    if (result == 0) check_before(plan, outcome);
    if (result == 0 && outcome->status == STATUS_NONE) result = run_child(plan, runtime, gate->beat, &folder, &log);
    if (result == 0) {
        tidy(&folder);
        bool written = (!gate_look(gate) || log_phone(&log, gate, "after")) && log_end(&log);
        if (!written || !folder_finish(&folder)) result = refuse(outcome, "cannot finish", plan->out);
    }
    if (log.fd >= 0) close(log.fd);
    if (result != 0) folder_discard(&folder);
    return result;
}
