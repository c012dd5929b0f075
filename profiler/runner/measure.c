#include "measure.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64 };

/* Read and write one word of every cache line, leaving the contents as they are. */
static void touch(void *data, size_t bytes) {
    volatile unsigned char *byte = data;
    for (size_t at = 0; at < bytes; at += CACHE_LINE) byte[at] = byte[at];
}

bool evictor_create(struct evictor *evictor, long long kilobytes) {
    evictor->bytes = (size_t)kilobytes * 1024;
    evictor->buffer = evictor->bytes ? malloc(evictor->bytes) : NULL;
    if (evictor->buffer) memset(evictor->buffer, 1, evictor->bytes);
    return evictor->buffer || evictor->bytes == 0;
}

/* Bring the cache to what the layer would meet: other data, then its inputs, which their producer has just written. */
static void arrange_cache(const struct session *session, const struct evictor *evictor) {
    if (evictor->bytes == 0) return;
    touch(evictor->buffer, evictor->bytes);
    for (size_t i = 0; i < session->input_count; i++) touch(session->inputs[i].data, session->inputs[i].bytes);
}

void run_untimed(struct session *session, const struct evictor *evictor, long long iterations) {
    for (long long i = 0; i < iterations; i++) {
        arrange_cache(session, evictor);
        session_run(session);
    }
}

bool samples_create(struct samples *samples, long long most) {
    memset(samples, 0, sizeof *samples);
    samples->ns = calloc((size_t)most, sizeof *samples->ns);
    samples->dropped = calloc((size_t)most, sizeof *samples->dropped);
    return samples->ns && samples->dropped;
}

/* Is the mean of the kept samples known to the target? The half-width of its 95 % interval is 2 s / sqrt(n), squared on
 * both sides. Good enough to stop; the error that is reported comes from the spread between processes. */
static bool settled(const struct samples *samples, const struct plan_run *plan) {
    double sum = 0, squares = 0;
    unsigned kept = samples->count - samples->dropped_count;
    if (kept < 2 || kept < plan->min_iterations) return false;
    for (unsigned i = 0; i < samples->count; i++)
        if (!samples->dropped[i]) sum += (double)samples->ns[i];
    double mean = sum / kept;
    for (unsigned i = 0; i < samples->count; i++) {
        double off = samples->dropped[i] ? 0 : (double)samples->ns[i] - mean;
        squares += off * off;
    }
    double variance = squares / (kept - 1);
    return 4 * variance / kept <= plan->target * plan->target * mean * mean;
}

/* Was the CPU taken away for so long that the iteration tells more of the others than of the model? A switch to a short
 * kernel task is no reason to drop a long iteration. Where waiting is not counted, any lost CPU is taken for one. */
static bool was_preempted(long long waited_ns, long switches, long long duration_ns) {
    return waited_ns >= 0 ? waited_ns * 100 > duration_ns : switches > 0;
}

void run_timed_once(struct session *session, const struct evictor *evictor, struct samples *samples) {
    if (samples->count == 0) preemption_watch(&samples->preemption);
    arrange_cache(session, evictor);
    long switches = preemption_switches();
    long long waited = preemption_waited_ns(&samples->preemption);
    long long start = now_ns(CLOCK_MONOTONIC);
    session_run(session);
    long long duration = now_ns(CLOCK_MONOTONIC) - start;
    if (waited >= 0) waited = preemption_waited_ns(&samples->preemption) - waited;
    bool dropped = was_preempted(waited, preemption_switches() - switches, duration);
    samples->ns[samples->count] = duration;
    samples->dropped[samples->count] = dropped;
    samples->dropped_count += dropped;
    samples->count++;
}

void run_timed(struct session *session, const struct evictor *evictor, struct samples *samples) {
    const struct plan_run *plan = session->plan;
    long long deadline = now_ns(CLOCK_MONOTONIC) + plan->budget_ms * 1000000;
    for (int i = 0; i < plan->checkpoints.count; i++) {
        while (samples->count < plan->checkpoints.values[i]) {
            if (samples->count >= plan->min_iterations && now_ns(CLOCK_MONOTONIC) > deadline) return;
            run_timed_once(session, evictor, samples);
        }
        if (settled(samples, plan)) return;
    }
}
