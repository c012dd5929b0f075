/* What the phone's processes share with the program outside that plays the phone. parameters.py has the same fields. */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <stdint.h>

#define PARAMETERS_PATH "/system/etc/virtual_phone"
#define LOG_PATH "/data/misc/logd/main"

enum { MOST_CPUS = 64, MOST_POLICIES = 4, MOST_FREQUENCIES = 32 };

/* One cluster's clock: time_in_state grows by `share` of the time since `since_ns`. */
struct policy {
    uint32_t first_cpu, cpus, frequencies, unused;
    uint32_t khz[MOST_FREQUENCIES];
    double ticks[MOST_FREQUENCIES]; /* of 10 ms */
    double share[MOST_FREQUENCIES];
    int64_t since_ns;
};

struct parameters {
    uint32_t size;     /* of this struct, so that two builds cannot misread each other */
    uint32_t sequence; /* odd while the four lines below, or a policy, are being changed */
    double rate;       /* phone nanoseconds per machine nanosecond */
    int64_t machine_ns, uptime_ns; /* the machine's CLOCK_MONOTONIC and the phone's uptime at the same moment */
    int64_t epoch_ns;  /* the phone's wall clock less its uptime */
    double slow;       /* what processor time is multiplied by: it must not jump when the rate does */
    uint32_t cpus, machine_cpus;
    uint32_t machine_cpu[MOST_CPUS]; /* those that the phone may use; phone CPU i is number i modulo their count */
    uint64_t log_lines;              /* written so far, lost ones included */
    uint32_t log_seed, log_lost_ppm;
    uint32_t storage_full, flip_seed; /* a seed other than 0: flip a bit of the next finished run, once */
    uint32_t policies, kill_child; /* 1: kill the next process that measures, once */
    struct policy policy[MOST_POLICIES];
};

extern struct parameters *shared; /* NULL where the process is not in a virtual phone */

/* The phone's clocks. */
int64_t phone_uptime_ns(void);

#endif
