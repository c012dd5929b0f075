/* The phone's CPU numbers. Phone CPU i is one of the machine's, always the same; several may be the same one.
 *
 * What a process bound itself to is remembered here, as the machine's own answer could not be turned back, and handed through
 * exec in AUTOCOMET_CPUS. /proc/PID/status shows the machine's numbers.
 */
#include "parameters.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "next.h"

static const char VARIABLE[] = "AUTOCOMET_CPUS";

static uint64_t process_cpus; /* bit i: phone CPU i; 0: all */
static __thread uint64_t thread_cpus;

__attribute__((constructor)) static void inherit(void) {
    const char *text = getenv(VARIABLE);
    if (text) process_cpus = strtoull(text, NULL, 16);
}

static uint64_t all_cpus(void) {
    return shared->cpus < 64 ? (UINT64_C(1) << shared->cpus) - 1 : UINT64_MAX;
}

static uint64_t current_cpus(void) {
    uint64_t cpus = thread_cpus ? thread_cpus : process_cpus;
    return cpus ? cpus : all_cpus();
}

static unsigned machine_cpu(unsigned cpu) {
    return shared->machine_cpu[cpu % shared->machine_cpus];
}

/* The phone CPUs of a set as bits, and the machine's CPUs that they are. */
static uint64_t translate(size_t size, const cpu_set_t *set, cpu_set_t *machine) {
    uint64_t cpus = 0;
    CPU_ZERO(machine);
    for (unsigned cpu = 0; cpu < shared->cpus && cpu < size * 8; cpu++) {
        if (!CPU_ISSET_S(cpu, size, set)) continue;
        cpus |= UINT64_C(1) << cpu;
        CPU_SET(machine_cpu(cpu), machine);
    }
    return cpus;
}

int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *set) {
    if (!shared) return NEXT(sched_setaffinity)(process, size, set);
    cpu_set_t machine;
    uint64_t cpus = translate(size, set, &machine);
    if (cpus == 0) {
        errno = EINVAL;
        return -1;
    }
    int result = NEXT(sched_setaffinity)(process, sizeof machine, &machine);
    pid_t self = (pid_t)syscall(SYS_gettid);
    if (result < 0 || (process != 0 && process != self)) return result;
    thread_cpus = cpus;
    if (self == getpid()) {
        char text[24];
        snprintf(text, sizeof text, "%llx", (unsigned long long)cpus);
        setenv(VARIABLE, text, 1);
        process_cpus = cpus;
    }
    return 0;
}

int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set) {
    if (!shared) return NEXT(pthread_setaffinity_np)(thread, size, set);
    cpu_set_t machine;
    uint64_t cpus = translate(size, set, &machine);
    if (cpus == 0) return EINVAL;
    int result = NEXT(pthread_setaffinity_np)(thread, sizeof machine, &machine);
    if (result == 0 && pthread_equal(thread, pthread_self())) thread_cpus = cpus;
    return result;
}

static void fill(uint64_t cpus, size_t size, cpu_set_t *set) {
    CPU_ZERO_S(size, set);
    for (unsigned cpu = 0; cpu < shared->cpus && cpu < size * 8; cpu++)
        if (cpus >> cpu & 1) CPU_SET_S(cpu, size, set);
}

int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
    if (!shared) return NEXT(sched_getaffinity)(process, size, set);
    bool own = process == 0 || process == getpid();
    fill(own ? current_cpus() : all_cpus(), size, set);
    return 0;
}

int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set) {
    if (!shared) return NEXT(pthread_getaffinity_np)(thread, size, set);
    fill(pthread_equal(thread, pthread_self()) ? current_cpus() : all_cpus(), size, set);
    return 0;
}

/* Of the phone CPUs that the thread may use, the first that is the machine's CPU on which it runs. */
int sched_getcpu(void) {
    int machine = NEXT(sched_getcpu)();
    if (!shared || machine < 0) return machine;
    uint64_t cpus = current_cpus();
    for (unsigned cpu = 0; cpu < shared->cpus; cpu++)
        if (cpus >> cpu & 1 && machine_cpu(cpu) == (unsigned)machine) return (int)cpu;
    return __builtin_ctzll(cpus);
}

int get_nprocs(void) {
    return shared ? (int)shared->cpus : NEXT(get_nprocs)();
}

int get_nprocs_conf(void) {
    return get_nprocs();
}

long sysconf(int name) {
    if (shared && (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF)) return shared->cpus;
    return NEXT(sysconf)(name);
}
