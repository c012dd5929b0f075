/* Waiting: for a process, or for a moment, while the signals that ask the runner to stop are heard and signs of life
 * are given. */
#ifndef AUTOCOMET_AWAIT_H
#define AUTOCOMET_AWAIT_H

#include <sys/types.h>

/* Signs of life: seconds of uptime (CLOCK_BOOTTIME) in a file, by which a watchdog knows that the runner is at work. By
 * uptime, because the wall clock may be set meanwhile. */
struct beat {
    const char *file; /* NULL: nobody watches */
    long long next_ns;
};

/* Give a sign of life. One that cannot be written is none: the watchdog then does what it is there for. */
void beat_now(struct beat *beat);

/* Block the signals that are waited for. Call once, before the first process is started. */
void await_prepare(void);

/* In a new process: make it end with the runner, and hear signals as programs do. `parent` is the runner's pid. */
void await_release(pid_t parent);

/* The signal that asks the runner to stop, if one has come; 0 otherwise. */
int stop_signal(void);

/* Wait for a child to end, until the deadline (CLOCK_MONOTONIC). Returns 0 when it ended, with its wait status; -1 when
 * the time is up; or the signal that asks the runner to stop. */
int await_child(pid_t child, long long deadline_ns, struct beat *beat, int *wait_status);

/* Wait until a moment (CLOCK_MONOTONIC). Returns 0, or the signal that asks the runner to stop. */
int await_moment(long long moment_ns, struct beat *beat);

#endif
