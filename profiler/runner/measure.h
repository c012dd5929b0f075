/* Iterations of a loaded model: a cache as the network leaves it, the timed loop, and when to stop. */
#ifndef AUTOCOMET_MEASURE_H
#define AUTOCOMET_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

#include "plan.h"
#include "session.h"
#include "system.h"

/* A buffer that is walked over before every iteration. In a network the other layers' data pass through the cache
 * between two visits to a layer; alone, a layer would find all its data there. */
struct evictor {
    unsigned char *buffer;
    size_t bytes;
};

struct samples {
    long long *ns;          /* duration of each iteration */
    unsigned char *dropped; /* 1 where others took the CPU for more than a hundredth of it */
    unsigned count, dropped_count;
    struct preemption preemption;
};

/* Allocate and touch the buffer. False where memory does not suffice. */
bool evictor_create(struct evictor *evictor, long long kilobytes);

/* Run the model so many times, not timed. */
void run_untimed(struct session *session, const struct evictor *evictor, long long iterations);

/* Room for so many iterations. False where memory does not suffice. Watches the threads that there are when the first
 * iteration is timed. */
bool samples_create(struct samples *samples, long long most);

/* Time one iteration. */
void run_timed_once(struct session *session, const struct evictor *evictor, struct samples *samples);

/* Time iterations until the mean is settled at a check point, the budget is spent, or the last check point is met. */
void run_timed(struct session *session, const struct evictor *evictor, struct samples *samples);

#endif
