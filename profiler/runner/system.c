#include "system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef SYSFS_CPU /* a test builds the runner on a tree of its own */
#define SYSFS_CPU "/sys/devices/system/cpu"
#endif

bool read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

long long now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

void line_clocks(struct line *line) {
    enum { CLOSE_ENOUGH_NS = 100000, MOST_TRIES = 1000 };
    long long monotonic, boottime, realtime, gap;
    int tries = 0;
    do { /* a process that loses the CPU between two readings would seem to have slept */
        monotonic = now_ns(CLOCK_MONOTONIC);
        boottime = now_ns(CLOCK_BOOTTIME);
        realtime = now_ns(CLOCK_REALTIME);
        gap = now_ns(CLOCK_MONOTONIC) - monotonic;
    } while (gap > CLOSE_ENOUGH_NS && ++tries < MOST_TRIES);
    line_whole(line, "monotonic_ns", monotonic);
    line_whole(line, "boottime_ns", boottime);
    line_whole(line, "realtime_ns", realtime);
}

long long memory_kb(const char *file, const char *key) {
    char text[4096];
    if (!read_text(file, text, sizeof text)) return -1;
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ':') return atoll(line + length + 1);
    }
    return -1;
}

bool reset_memory_peak(void) {
    return write_text("/proc/self/clear_refs", "5");
}

bool bind_to_cpus(const struct plan_list *cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < cpus->count; i++) CPU_SET((size_t)cpus->values[i], &set);
    return cpus->count == 0 || sched_setaffinity(0, sizeof set, &set) == 0;
}

void describe_affinity(char *text, size_t size) {
    cpu_set_t set;
    CPU_ZERO(&set);
    text[0] = '\0';
    if (sched_getaffinity(0, sizeof set, &set) < 0) return;
    size_t length = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && length + 16 < size; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &set)) continue;
        int last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET((size_t)last + 1, &set)) last++;
        const char *comma = length ? "," : "";
        length += (size_t)(last > cpu ? snprintf(text + length, size - length, "%s%d-%d", comma, cpu, last)
                                      : snprintf(text + length, size - length, "%s%d", comma, cpu));
        cpu = last;
    }
}

long long raise_oom_score(void) {
    char text[32];
    write_text("/proc/self/oom_score_adj", "900");
    return read_text("/proc/self/oom_score_adj", text, sizeof text) ? atoll(text) : -1001;
}

void preemption_watch(struct preemption *preemption) {
    enum { MOST = sizeof preemption->waits / sizeof preemption->waits[0] };
    char text[96];
    preemption->count = 0;
    bool counts = read_text("/proc/self/schedstat", text, sizeof text) && atoll(text) > 0; /* time on CPU */
    DIR *tasks = counts ? opendir("/proc/self/task") : NULL;
    if (tasks == NULL) return;
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[sizeof "/proc/self/task//schedstat" + sizeof task->d_name];
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
        int fd = preemption->count < MOST ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) { /* a sum over some of the threads would mislead */
            preemption->count = 0;
            break;
        }
        preemption->waits[preemption->count++] = fd;
    }
    closedir(tasks);
}

long long preemption_waited_ns(const struct preemption *preemption) {
    long long sum = 0;
    for (int i = 0; i < preemption->count; i++) {
        char text[96]; /* `time-on-cpu time-waiting timeslices` */
        ssize_t got = pread(preemption->waits[i], text, sizeof text - 1, 0);
        if (got <= 0) return -1;
        text[got] = '\0';
        char *waiting = strchr(text, ' ');
        if (waiting == NULL) return -1;
        sum += atoll(waiting);
    }
    return preemption->count ? sum : -1;
}

long preemption_switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

/* Read a CPU's residency counters: one line `kHz ticks` per frequency. */
static bool read_residency(struct cpu_clock *clock) {
    char path[128], text[4096];
    snprintf(path, sizeof path, SYSFS_CPU "/cpu%d/cpufreq/stats/time_in_state", clock->cpu);
    clock->ticks = clock->ticks_khz = 0;
    if (!read_text(path, text, sizeof text)) return false;
    for (char *at = text, *end; *at; at = end) {
        unsigned long long khz = strtoull(at, &end, 10);
        if (end == at) break;
        unsigned long long ticks = strtoull(end, &end, 10);
        clock->ticks += ticks;
        clock->ticks_khz += ticks * khz;
    }
    return true;
}

void clock_start(struct cpu_clock *clock, const struct plan_list *cpus) {
    clock->cpu = cpus->count ? (int)cpus->values[0] : sched_getcpu();
    read_residency(clock);
}

struct clock_rate clock_rate(const struct cpu_clock *start) {
    struct cpu_clock end = {.cpu = start->cpu};
    if (read_residency(&end) && end.ticks > start->ticks) {
        long long khz = (long long)((end.ticks_khz - start->ticks_khz) / (end.ticks - start->ticks));
        return (struct clock_rate){khz, "time_in_state"};
    }
    char path[128], text[32];
    snprintf(path, sizeof path, SYSFS_CPU "/cpu%d/cpufreq/scaling_cur_freq", start->cpu);
    return (struct clock_rate){read_text(path, text, sizeof text) ? atoll(text) : 0, "scaling_cur_freq"};
}
