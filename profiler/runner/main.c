/* AutoCoMET's runner: measures ONNX models on the device that it runs on.
 *
 *     runner --runtime LIBONNXRUNTIME --plan FILE [--parent PID]
 *     runner --version
 *
 * Works through a plan (plan.h), one forked child per run, and leaves a folder with a log (log.h) and a profile for
 * each. Prints `run <job> <run> <status>` as each is done and `end <count>` at the end. Ends when its parent does; with
 * --parent it also notices that the parent was gone before it began. Exit codes: 0, 2 (plan, runtime or folder cannot be
 * used; stderr says why), 128 + signal.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ort.h"
#include "outcome.h"
#include "plan.h"
#include "supervise.h"

static const char VERSION[] = "autocomet-runner 1 protocol 1 plan 1\n";
static const char USAGE[] = "usage: runner --runtime LIBONNXRUNTIME --plan FILE [--parent PID] | --version\n";

struct arguments {
    const char *runtime, *plan;
    pid_t parent; /* 0: not told */
};

/* Write to a descriptor in one piece; 0 or -1. Plain write: stdio would be the parent's largest part. */
static int put(int fd, const char *text) {
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int complain(const char *subject, const char *reason) {
    char text[2048];
    snprintf(text, sizeof text, "runner: %s: %s\n", subject, reason);
    put(STDERR_FILENO, text);
    return EXIT_REFUSED;
}

static int parse_arguments(int count, char **words, struct arguments *arguments) {
    memset(arguments, 0, sizeof *arguments);
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--runtime") == 0) arguments->runtime = words[i + 1];
        else if (strcmp(words[i], "--plan") == 0) arguments->plan = words[i + 1];
        else if (strcmp(words[i], "--parent") == 0) arguments->parent = (pid_t)atoi(words[i + 1]);
        else return -1;
    }
    return count % 2 == 1 && arguments->runtime && arguments->plan ? 0 : -1;
}

/* Check every line before the first run, so that a bad plan costs nothing. */
static int check_plan(struct plan *plan) {
    struct plan_run run;
    int got;
    while ((got = plan_next(plan, &run)) > 0) continue;
    plan_rewind(plan);
    return got;
}

static int work_through(struct plan *plan, const char *runtime, struct outcome *outcome) {
    struct plan_run run;
    unsigned done = 0;
    char text[256];
    while (plan_next(plan, &run) > 0) {
        int result = supervise(&run, runtime, outcome);
        if (result == EXIT_REFUSED) return complain(run.job, outcome->detail);
        if (result != 0) return result;
        snprintf(text, sizeof text, "run %s %lld %s\n", run.job, run.run, status_name(outcome->status));
        if (put(STDOUT_FILENO, text) < 0) return 128 + SIGPIPE;
        done++;
        int stop = stop_signal();
        if (stop) return 128 + stop;
    }
    snprintf(text, sizeof text, "end %u\n", done);
    return put(STDOUT_FILENO, text) < 0 ? 128 + SIGPIPE : 0;
}

int main(int count, char **words) {
    struct arguments arguments;
    struct plan plan;
    if (count == 2 && strcmp(words[1], "--version") == 0) return put(STDOUT_FILENO, VERSION) < 0;
    if (parse_arguments(count, words, &arguments) < 0) {
        put(STDERR_FILENO, USAGE);
        return EXIT_REFUSED;
    }
    pid_t parent = arguments.parent ? arguments.parent : getppid();
    supervise_prepare();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) return 128 + SIGTERM;
    if (access(arguments.runtime, R_OK) < 0) return complain(arguments.runtime, "no such runtime library");
    if (plan_open(&plan, arguments.plan) < 0 || check_plan(&plan) < 0) return complain(arguments.plan, plan.error);
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) return complain("runner", "no memory");
    return work_through(&plan, arguments.runtime, outcome);
}
