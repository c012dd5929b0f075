/* The gate: a script that says whether the device is fit to measure, and what state it is in.
 *
 * It is run by `sh`. Its last line on stdout tells the state, as `key=value ...`; its exit code says go (0), wait (75,
 * EX_TEMPFAIL of sysexits.h; the first line on stderr says for what) or stop (any other). It prints 4 KiB at most, and
 * is given a minute.
 */
#ifndef AUTOCOMET_GATE_H
#define AUTOCOMET_GATE_H

#include <stdbool.h>

#include "await.h"

enum { GATE_LINE_SIZE = 400 };

struct gate {
    const char *script; /* NULL: there is no gate */
    struct beat *beat;
    bool open;                  /* it said go when it was last asked */
    long long asked_ns;         /* when that was (CLOCK_BOOTTIME) */
    char phone[GATE_LINE_SIZE]; /* the state that it told; empty where it told none */
    char reason[GATE_LINE_SIZE];
};

/* Before a run: ask where the last answer is 10 s old or was no go; wait until it is. Prints `phone <state>` for every
 * answer and `wait <reason>` for every wait. Returns 0 to go on; EXIT_GATED with the reason in gate->reason where it
 * says stop; 128 + signal where the runner is told to stop. */
int gate_pass(struct gate *gate);

/* After a run: ask where the last answer is 10 s old. True where it told the state; what it says of going on is the
 * business of the next gate_pass. */
bool gate_look(struct gate *gate);

/* When the plan is done: ask once more, for the state alone. */
void gate_last_look(struct gate *gate);

#endif
