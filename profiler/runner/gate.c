#include "gate.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console.h"
#include "outcome.h"
#include "system.h"

#ifndef GATE_PERIOD_MS /* a test does not wait for seconds */
#define GATE_PERIOD_MS 10000
#endif
#ifndef GATE_PATIENCE_MS
#define GATE_PATIENCE_MS 60000
#endif

enum verdict { GO, WAIT, STOP, INTERRUPTED };
enum { EXIT_WAIT = 75, OUTPUT_SIZE = 4096 + 1 };

struct answer {
    char output[OUTPUT_SIZE], complaint[OUTPUT_SIZE];
};

__attribute__((format(printf, 2, 3))) static enum verdict stop_because(struct gate *gate, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(gate->reason, sizeof gate->reason, format, arguments);
    va_end(arguments);
    return STOP;
}

/* Become the script, in a process group of its own, so that what it started can be ended with it. */
_Noreturn static void become_script(const char *script, int output, int complaint, pid_t parent) {
    setpgid(0, 0);
    await_release(parent);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(complaint, STDERR_FILENO);
    execlp("sh", "sh", script, (char *)NULL);
    _exit(127);
}

/* Take what lies in a pipe, as a C string; whoever still holds its other end is not waited for. */
static void drain(int fd, char *text) {
    size_t length = 0;
    ssize_t got;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (length < OUTPUT_SIZE - 1 && (got = read(fd, text + length, OUTPUT_SIZE - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(fd);
}

/* Wait for the script. Returns the verdict of its exit code. */
static enum verdict await_script(struct gate *gate, pid_t child) {
    long long deadline = now_ns(CLOCK_MONOTONIC) + GATE_PATIENCE_MS * 1000000LL;
    int wait_status, stopped = await_child(child, deadline, gate->beat, &wait_status);
    if (stopped != 0) {
        kill(-child, SIGKILL);
        kill(child, SIGKILL); /* it may not have its group yet */
        waitpid(child, &wait_status, 0);
        if (stopped < 0) return stop_because(gate, "no answer in %d ms", GATE_PATIENCE_MS);
        kill(getpid(), stopped); /* blocked, so it stays for stop_signal to find */
        return INTERRUPTED;
    }
    if (WIFSIGNALED(wait_status)) return stop_because(gate, "killed by signal %d", WTERMSIG(wait_status));
    if (WEXITSTATUS(wait_status) == 0) return GO;
    if (WEXITSTATUS(wait_status) == EXIT_WAIT) return WAIT;
    return stop_because(gate, "exit code %d", WEXITSTATUS(wait_status));
}

static enum verdict run_script(struct gate *gate, struct answer *answer) {
    int output[2], complaint[2];
    if (pipe2(output, O_CLOEXEC) < 0) return stop_because(gate, "no pipe: %s", strerror(errno));
    if (pipe2(complaint, O_CLOEXEC) < 0) {
        close(output[0]);
        close(output[1]);
        return stop_because(gate, "no pipe: %s", strerror(errno));
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0) become_script(gate->script, output[1], complaint[1], parent);
    enum verdict verdict =
        child < 0 ? stop_because(gate, "cannot start a process: %s", strerror(errno)) : await_script(gate, child);
    close(output[1]);
    close(complaint[1]);
    drain(output[0], answer->output);
    drain(complaint[0], answer->complaint);
    return verdict;
}

/* A state goes into logs and to whoever reads the console, so it is plain words, each with one `=`. */
static bool is_state(const char *line) {
    if (strlen(line) >= GATE_LINE_SIZE) return false;
    for (const char *word = line; *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " "), key = strspn(word, "abcdefghijklmnopqrstuvwxyz_");
        if (key == 0 || word[key] != '=') return false;
        for (size_t i = key + 1; i < length; i++)
            if (!isalnum((unsigned char)word[i]) && strchr("._:,+-", word[i]) == NULL) return false;
        word += length;
    }
    return true;
}

/* The last line of a text, in place. */
static char *last_line(char *text) {
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* The script's own words on why not: its first line on stderr, made fit to print. */
static void give_reason(struct gate *gate, char *complaint) {
    complaint[strcspn(complaint, "\r\n")] = '\0';
    for (char *c = complaint; *c; c++)
        if (iscntrl((unsigned char)*c)) *c = '?';
    if (complaint[0]) snprintf(gate->reason, sizeof gate->reason, "%s", complaint);
}

static enum verdict ask(struct gate *gate) {
    static struct answer answer; /* too large for a comfortable stack */
    snprintf(gate->reason, sizeof gate->reason, "no reason given");
    memset(&answer, 0, sizeof answer);
    enum verdict verdict = run_script(gate, &answer);
    if (verdict != GO) give_reason(gate, answer.complaint);
    const char *state = last_line(answer.output);
    bool told = is_state(state);
    if (verdict == GO && !told) verdict = stop_because(gate, "it says '%.60s', which is not key=value ...", state);
    snprintf(gate->phone, sizeof gate->phone, "%s", told ? state : "");
    gate->open = verdict == GO;
    gate->asked_ns = now_ns(CLOCK_BOOTTIME);
    return verdict;
}

static bool is_due(const struct gate *gate) {
    return !gate->open || now_ns(CLOCK_BOOTTIME) - gate->asked_ns >= GATE_PERIOD_MS * 1000000LL;
}

static bool say_state(const struct gate *gate) {
    return gate->phone[0] == '\0' || say("phone %s\n", gate->phone);
}

int gate_pass(struct gate *gate) {
    while (gate->script && is_due(gate)) {
        enum verdict verdict = ask(gate);
        int stopped = stop_signal();
        if (stopped) return 128 + stopped;
        if (!say_state(gate)) return 128 + SIGPIPE;
        if (verdict == STOP) return EXIT_GATED;
        if (verdict == GO) break;
        if (!say("wait %s\n", gate->reason)) return 128 + SIGPIPE;
        stopped = await_moment(now_ns(CLOCK_MONOTONIC) + GATE_PERIOD_MS * 1000000LL, gate->beat);
        if (stopped) return 128 + stopped;
    }
    return 0;
}

bool gate_look(struct gate *gate) {
    if (gate->script == NULL || !is_due(gate)) return false;
    ask(gate);
    say_state(gate); /* where nobody reads any more, the next line finds it out */
    return gate->phone[0] != '\0';
}

void gate_last_look(struct gate *gate) {
    if (gate->script == NULL) return;
    ask(gate);
    say_state(gate);
}
