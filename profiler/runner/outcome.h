/* What a run came to. Lives in memory that the parent shares with its child, so that it outlives a crash. */
#ifndef AUTOCOMET_OUTCOME_H
#define AUTOCOMET_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

enum status { STATUS_NONE, STATUS_OK, STATUS_UNSUPPORTED, STATUS_OUT_OF_MEMORY, STATUS_CRASHED, STATUS_TIMED_OUT };

struct outcome {
    enum status status;     /* STATUS_NONE until somebody knows */
    char detail[200];       /* one sentence; escaped threefold it still fits into a log line */
    volatile bool begun;    /* it has its turn, so its time counts */
    unsigned lines;         /* log lines begun */
    uint32_t crc;           /* of their messages, by which a reader knows that nothing was altered */
    long long next_line_ns; /* CLOCK_MONOTONIC until which Android's log is to be left alone */
    unsigned samples;       /* measured iterations logged, the dropped ones too */
    unsigned dropped;       /* those during which others took the CPU */
};

/* Exit codes of the runner; its child uses 0 (outcome->status says how it went) and EXIT_REFUSED. */
enum {
    EXIT_REFUSED = 2, /* plan, runtime, CPU list or folder cannot be used: outcome->detail or stderr says why */
    EXIT_GATED = 3,   /* the gate says that nothing is to be measured now: stderr says why */
};

#endif
