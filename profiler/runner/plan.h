/* The plan file: what the host asks for, one line per run. */
#ifndef AUTOCOMET_PLAN_H
#define AUTOCOMET_PLAN_H

#include <stddef.h>

enum { PLAN_NAME_SIZE = 101, PLAN_PATH_SIZE = 1024, PLAN_LIST_SIZE = 128, PLAN_ERROR_SIZE = 256 };

struct plan_list {
    int count;
    long long values[PLAN_LIST_SIZE];
};

/* One run: one process of one job. Units end the names. */
struct plan_run {
    char job[PLAN_NAME_SIZE];
    long long run;
    char model[PLAN_PATH_SIZE];
    char out[PLAN_PATH_SIZE];
    char provider[PLAN_NAME_SIZE];
    long long threads;
    struct plan_list cpus; /* empty: leave the affinity as it is */
    long long spin;
    long long warmup;
    struct plan_list checkpoints; /* rising iteration counts; the last one is the most that is measured */
    double target;                /* relative half-width of the mean that is good enough at a check point */
    long long budget_ms;
    long long min_iterations;
    long long profile_iterations;
    long long evict_kb;
    long long timeout_s;
    char power_source[PLAN_NAME_SIZE]; /* power.h has them */
    long long power_loop_ms;           /* 0: power is not measured */
    long long power_idle_ms;           /* length of each of the two idle windows */
    long long power_sample_ms;
    long long power_wait_ms; /* how long a phone that charges is waited for */
    long long seed;
};

/* A plan file in memory. Lines are read one at a time, so that a long plan keeps the parent small. */
struct plan {
    char *text;
    size_t size;
    size_t at;
    int line;
    char error[PLAN_ERROR_SIZE];
};

/* Read the file and check its first line. Returns 0, or -1 with plan->error set. */
int plan_open(struct plan *plan, const char *path);

/* Read the next run. Returns 1, 0 at the end, or -1 with plan->error set. */
int plan_next(struct plan *plan, struct plan_run *run);

/* Start again at the first run. */
void plan_rewind(struct plan *plan);

#endif
