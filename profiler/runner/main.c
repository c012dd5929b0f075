/* AutoCoMET's runner: measures ONNX models on the device that it runs on.
 *
 *     runner --runtime LIBONNXRUNTIME --plan FILE [--parent PID] [--gate SCRIPT] [--beat FILE]
 *     runner --providers LIBONNXRUNTIME
 *     runner --version
 *
 * Works through a plan (plan.h), one forked child per run, and leaves a folder with a log (log.h) and a profile for
 * each. Prints `run <job> <run> <status>` as each is done and `end <count>` at the end. Ends when its parent does; with
 * --parent it also notices that the parent was gone before it began.
 *
 * With --gate a script decides when it measures (gate.h): `phone <state>` and `wait <reason>` are printed. With --beat
 * it gives signs of life (await.h). Where AUTOCOMET_TURN in the environment names a file, a run waits until it can lock
 * it.
 *
 * Exit codes: 0; 2 (plan, runtime or folder cannot be used; stderr says why); 3 (the gate says stop; stderr says why);
 * 128 + signal.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "await.h"
#include "console.h"
#include "gate.h"
#include "outcome.h"
#include "plan.h"
#include "provider.h"
#include "supervise.h"

static const char VERSION[] = "autocomet-runner 1 protocol 1 plan 1\n";
static const char USAGE[] = "usage: runner --runtime LIBONNXRUNTIME --plan FILE [--parent PID] [--gate SCRIPT]\n"
                            "              [--beat FILE] | --providers LIBONNXRUNTIME | --version\n";

struct arguments {
    const char *runtime, *plan, *gate, *beat;
    pid_t parent; /* 0: not told */
};

static int refuse(const char *subject, const char *reason) {
    complain("runner: %s: %s\n", subject, reason);
    return EXIT_REFUSED;
}

static int parse_arguments(int count, char **words, struct arguments *arguments) {
    memset(arguments, 0, sizeof *arguments);
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--runtime") == 0) arguments->runtime = words[i + 1];
        else if (strcmp(words[i], "--plan") == 0) arguments->plan = words[i + 1];
        else if (strcmp(words[i], "--gate") == 0) arguments->gate = words[i + 1];
        else if (strcmp(words[i], "--beat") == 0) arguments->beat = words[i + 1];
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

static int work_through(struct plan *plan, const char *runtime, struct gate *gate, struct outcome *outcome) {
    struct plan_run run;
    unsigned done = 0;
    beat_now(gate->beat);
    while (plan_next(plan, &run) > 0) {
        int result = gate_pass(gate);
        if (result == EXIT_GATED) complain("runner: the gate: %s\n", gate->reason);
        if (result != 0) return result;
        result = supervise(&run, runtime, gate, outcome);
        if (result == EXIT_REFUSED) complain("runner: %s: %s\n", run.job, outcome->detail);
        if (result != 0) return result;
        beat_now(gate->beat);
        if (!say("run %s %lld %s\n", run.job, run.run, status_name(outcome->status))) return 128 + SIGPIPE;
        done++;
        int stop = stop_signal();
        if (stop) return 128 + stop;
    }
    gate_last_look(gate);
    return say("end %u\n", done) ? 0 : 128 + SIGPIPE;
}

int main(int count, char **words) {
    struct arguments arguments;
    struct plan plan;
    if (count == 2 && strcmp(words[1], "--version") == 0) return !say("%s", VERSION);
    if (count == 3 && strcmp(words[1], "--providers") == 0) {
        const char *error = provider_print(words[2]);
        return error ? refuse(words[2], error) : 0;
    }
    if (parse_arguments(count, words, &arguments) < 0) {
        complain("%s", USAGE);
        return EXIT_REFUSED;
    }
    pid_t parent = arguments.parent ? arguments.parent : getppid();
    await_prepare();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) return 128 + SIGTERM;
    if (access(arguments.runtime, R_OK) < 0) return refuse(arguments.runtime, "no such runtime library");
    if (plan_open(&plan, arguments.plan) < 0 || check_plan(&plan) < 0) return refuse(arguments.plan, plan.error);
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) return refuse("runner", "no memory");
    struct beat beat = {.file = arguments.beat};
    struct gate gate = {.script = arguments.gate, .beat = &beat};
    return work_through(&plan, arguments.runtime, &gate, outcome);
}
