#include "await.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.h"

#ifndef BEAT_PERIOD_MS /* a test does not wait for seconds */
#define BEAT_PERIOD_MS 10000
#endif

void beat_now(struct beat *beat) {
    beat->next_ns = now_ns(CLOCK_MONOTONIC) + BEAT_PERIOD_MS * 1000000LL;
    int fd = beat->file ? open(beat->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%lld\n", now_ns(CLOCK_BOOTTIME) / 1000000000);
    /* Written over, then cut: the file is never empty, so a reader never meets a runner without a beat. */
    if (write(fd, text, (size_t)length) == length && ftruncate(fd, length) < 0) unlink(beat->file);
    close(fd);
}

static sigset_t awaited_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void await_prepare(void) {
    sigset_t set = awaited_signals();
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone shows as EPIPE */
}

void await_release(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0); /* the parent died before the line above */
    sigset_t set = awaited_signals();
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* Wait for a signal until the deadline. Returns it, or 0 when the time is up. */
static int await_signal(long long deadline_ns) {
    sigset_t set = awaited_signals();
    for (;;) {
        long long left = deadline_ns - now_ns(CLOCK_MONOTONIC);
        if (left < 0) left = 0;
        struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        int signal_number = sigtimedwait(&set, NULL, &wait);
        if (signal_number > 0) return signal_number;
        if (errno == EAGAIN) return 0;
    }
}

int stop_signal(void) {
    int signal_number;
    do signal_number = await_signal(0);
    while (signal_number == SIGCHLD);
    return signal_number;
}

/* Wait for a signal until the deadline, with signs of life. */
static int await_signal_alive(long long deadline_ns, struct beat *beat) {
    for (;;) {
        bool beats_first = beat->file && beat->next_ns < deadline_ns;
        int signal_number = await_signal(beats_first ? beat->next_ns : deadline_ns);
        if (signal_number != 0 || !beats_first) return signal_number;
        beat_now(beat);
    }
}

int await_child(pid_t child, long long deadline_ns, struct beat *beat, int *wait_status) {
    for (;;) {
        /* Looked at first: a SIGCHLD may have been taken by an earlier wait. */
        if (waitpid(child, wait_status, WNOHANG) == child) return 0;
        int signal_number = await_signal_alive(deadline_ns, beat);
        if (signal_number == 0) return -1;
        if (signal_number != SIGCHLD) return signal_number;
    }
}

int await_moment(long long moment_ns, struct beat *beat) {
    int signal_number;
    do signal_number = await_signal_alive(moment_ns, beat);
    while (signal_number == SIGCHLD);
    return signal_number;
}
