/* What Linux says of time, memory, CPUs and clocks. */
#ifndef AUTOCOMET_SYSTEM_H
#define AUTOCOMET_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "log.h"
#include "plan.h"

/* Read a small file whole, as a C string. False where there is nothing. */
bool read_text(const char *path, char *text, size_t size);

/* Nanoseconds of one of the kernel's clocks. */
long long now_ns(clockid_t clock);

/* Add MONOTONIC, BOOTTIME and REALTIME, read at one moment, to a record. Where the first two part, the device slept. */
void line_clocks(struct line *line);

/* A kB line of /proc/self/status (`VmRSS`, `VmHWM`) or /proc/meminfo (`MemAvailable`); -1 where there is none. */
long long memory_kb(const char *file, const char *key);

/* Lower VmHWM, the peak resident size, to what is resident now. False where the kernel refuses. */
bool reset_memory_peak(void);

/* Bind the calling thread, and the threads it will start, to these CPUs. False with errno set where refused. */
bool bind_to_cpus(const struct plan_list *cpus);

/* Write the CPUs that the thread may use as `0-3,6`. */
void describe_affinity(char *text, size_t size);

/* Offer this process first when memory runs out. Returns the resulting oom_score_adj; -1001 where unknown. */
long long raise_oom_score(void);

/* What tells that others took the CPU: for how long the process's threads have waited for one, or, where the kernel
 * does not count that, how often they lost one. */
struct preemption {
    int waits[64]; /* open files, one per thread */
    int count;     /* 0: the kernel does not count */
};

/* Begin to watch the threads that there are now. The files stay open until the process ends. */
void preemption_watch(struct preemption *preemption);

/* Nanoseconds waited so far by all threads; -1 where the kernel does not count. */
long long preemption_waited_ns(const struct preemption *preemption);

/* Involuntary context switches so far, of all threads. */
long preemption_switches(void);

/* A CPU's clock between two moments: from the kernel's residency counters, or else as it stands now. */
struct cpu_clock {
    int cpu;
    unsigned long long ticks;     /* time spent at any frequency */
    unsigned long long ticks_khz; /* sum of time times frequency */
};

struct clock_rate {
    long long khz;      /* 0 where the kernel tells nothing */
    const char *source; /* the file that told: `time_in_state` gives an average, `scaling_cur_freq` a reading */
};

void clock_start(struct cpu_clock *clock, const struct plan_list *cpus);

/* The clock since clock_start. */
struct clock_rate clock_rate(const struct cpu_clock *start);

#endif
