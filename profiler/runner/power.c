#include "power.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checksum.h"
#include "child.h"
#include "system.h"

#ifndef SYSFS_POWER /* a test builds the runner on a tree of its own */
#define SYSFS_POWER "/sys/class/power_supply"
#endif

#define BATTERY "dumpsys battery"

static const struct source {
    const char *name;
    const char *file;
    const char *command; /* NULL: the battery's nodes are read */
} SOURCES[] = {
    {"none", NULL, NULL},
    {"sysfs", "power.csv", NULL},
    {"cmd", "power.txt", BATTERY "; echo \"current now: $(cmd battery get -f current_now)\""},
    {"odpm", "power.txt", "dumpsys android.hardware.power.stats.IPowerStats/default | grep -e mWs -e ====; " BATTERY},
};
enum { SOURCE_COUNT = sizeof SOURCES / sizeof SOURCES[0], OUTPUT_SIZE = 64 * 1024, NODE_SIZE = 64 };

static const char HEADER[] = "boottime_ns,current_now,voltage_now,charge_counter,status\n";
static const char *const NODES[] = {"current_now", "voltage_now", "charge_counter", "status"};
enum { NODE_COUNT = sizeof NODES / sizeof NODES[0] };

struct windows {
    long long idle_from, loop_from, loop_to, idle_to; /* CLOCK_BOOTTIME, ns */
    long long iterations;
};

static const struct source *find_source(const char *name) {
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (strcmp(SOURCES[i].name, name) == 0) return &SOURCES[i];
    return NULL;
}

bool power_is_wanted(const struct plan_run *plan) {
    return plan->power_loop_ms > 0;
}

bool power_source_is_known(const char *source) {
    return find_source(source) != NULL;
}

/* Read a node of the first power supply that has it, cut at its first line, fit for a CSV cell. */
static bool read_node(const char *node, char *text, size_t size) {
    static const char *const SUPPLIES[] = {"battery", "bms", "maxfg"};
    for (size_t i = 0; i < sizeof SUPPLIES / sizeof SUPPLIES[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, SYSFS_POWER "/%s/%s", SUPPLIES[i], node);
        if (!read_text(path, text, size)) continue;
        text[strcspn(text, ",\r\n")] = '\0';
        return true;
    }
    text[0] = '\0';
    return false;
}

/* Run a shell command and take what it prints, as a C string. Returns its length; -1 where it could not be started. */
static ssize_t capture(const char *command, char *text, size_t size) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(nothing, STDERR_FILENO);
        execlp("sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got = 0;
    while (child > 0 && length + 1 < size && (got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]); /* a command that prints more than this ends by SIGPIPE */
    text[length] = '\0';
    if (child > 0) waitpid(child, NULL, 0);
    return child > 0 ? (ssize_t)length : -1;
}

static void take_battery_sample(int fd) {
    char row[512];
    size_t length = (size_t)snprintf(row, sizeof row, "%lld", now_ns(CLOCK_BOOTTIME));
    for (int i = 0; i < NODE_COUNT; i++) {
        char text[NODE_SIZE];
        read_node(NODES[i], text, sizeof text);
        length += (size_t)snprintf(row + length, sizeof row - length, ",%s", text);
    }
    row[length++] = '\n';
    if (write(fd, row, length) < 0) _exit(EXIT_REFUSED);
}

static void take_command_sample(int fd, const char *command) {
    static char text[OUTPUT_SIZE];
    char head[40];
    int head_length = snprintf(head, sizeof head, "@ %lld\n", now_ns(CLOCK_BOOTTIME));
    ssize_t length = capture(command, text, sizeof text - 1);
    if (length > 0 && text[length - 1] != '\n') text[length++] = '\n';
    if (write(fd, head, (size_t)head_length) < 0 || (length > 0 && write(fd, text, (size_t)length) < 0))
        _exit(EXIT_REFUSED);
}

/* Leave the model's CPUs to it, where there are others. */
static void bind_elsewhere(const struct plan_list *cpus) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return;
    for (int i = 0; i < cpus->count; i++) CPU_CLR((size_t)cpus->values[i], &set);
    if (cpus->count > 0) sched_setaffinity(0, sizeof set, &set); /* refused where none are left */
}

/* Sample at a steady pace from the first byte on `control` until it is closed. */
_Noreturn static void sample(const struct source *source, long long period_ms, const char *file, int control) {
    char go;
    if (read(control, &go, 1) != 1) _exit(0);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) _exit(EXIT_REFUSED);
    if (source->command == NULL && write(fd, HEADER, sizeof HEADER - 1) < 0) _exit(EXIT_REFUSED);
    struct pollfd closed = {.fd = control, .events = POLLIN};
    long long next = now_ns(CLOCK_MONOTONIC), left_ms;
    do {
        if (source->command) take_command_sample(fd, source->command);
        else take_battery_sample(fd);
        next += period_ms * 1000000;
        left_ms = (next - now_ns(CLOCK_MONOTONIC)) / 1000000;
        if (left_ms < 0) { /* the sample took longer than the period: the next one begins now */
            next = now_ns(CLOCK_MONOTONIC);
            left_ms = 0;
        }
    } while (poll(&closed, 1, (int)left_ms) == 0);
    _exit(0);
}

bool sampler_prepare(struct sampler *sampler, const struct plan_run *plan, const struct folder *folder) {
    const struct source *source = find_source(plan->power_source);
    memset(sampler, 0, sizeof *sampler);
    if (!power_is_wanted(plan) || source == NULL || source->file == NULL) return true;
    folder_path(folder, source->file, sampler->file);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    sampler->process = fork();
    if (sampler->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        bind_elsewhere(&plan->cpus);
        sample(source, plan->power_sample_ms, sampler->file, ends[0]);
    }
    close(ends[0]);
    sampler->control = ends[1];
    return sampler->process > 0;
}

/* Does the battery discharge? The node where it can be read, else Android's own word for it. */
static bool is_discharging(void) {
    static char text[OUTPUT_SIZE];
    if (read_node("status", text, NODE_SIZE)) return strcmp(text, "Discharging") == 0;
    capture(BATTERY, text, sizeof text);
    const char *status = strstr(text, "status: "); /* 3 is BatteryManager.BATTERY_STATUS_DISCHARGING */
    return status != NULL && atoi(status + strlen("status: ")) == 3;
}

static void pause_until(long long moment_ns) {
    for (long long left; (left = moment_ns - now_ns(CLOCK_BOOTTIME)) > 0;) {
        struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        nanosleep(&wait, NULL);
    }
}

/* Wait for somebody to pull the cable. */
static bool await_discharging(long long patience_ms) {
    long long deadline = now_ns(CLOCK_BOOTTIME) + patience_ms * 1000000;
    while (!is_discharging()) {
        if (now_ns(CLOCK_BOOTTIME) >= deadline) return false;
        pause_until(now_ns(CLOCK_BOOTTIME) + 1000000000);
    }
    return true;
}

static void work_windows(struct session *session, const struct evictor *evictor, struct windows *windows) {
    const struct plan_run *plan = session->plan;
    windows->idle_from = now_ns(CLOCK_BOOTTIME);
    pause_until(windows->idle_from + plan->power_idle_ms * 1000000);
    windows->loop_from = windows->loop_to = now_ns(CLOCK_BOOTTIME);
    while (windows->loop_to < windows->loop_from + plan->power_loop_ms * 1000000) {
        run_untimed(session, evictor, 1);
        windows->iterations++;
        windows->loop_to = now_ns(CLOCK_BOOTTIME);
    }
    pause_until(windows->loop_to + plan->power_idle_ms * 1000000);
    windows->idle_to = now_ns(CLOCK_BOOTTIME);
}

static void log_windows(struct log *log, const char *source, const struct sampler *sampler,
                        const struct windows *windows, long long brightness) {
    struct line line;
    line_begin(&line, log, "power");
    line_text(&line, "source", source);
    line_whole(&line, "idle_from_ns", windows->idle_from);
    line_whole(&line, "loop_from_ns", windows->loop_from);
    line_whole(&line, "loop_to_ns", windows->loop_to);
    line_whole(&line, "idle_to_ns", windows->idle_to);
    line_whole(&line, "iterations", windows->iterations);
    if (brightness >= 0) line_whole(&line, "brightness", brightness);
    if (sampler->process) {
        long long bytes;
        uint32_t crc;
        char text[16];
        if (!checksum_file(sampler->file, &bytes, &crc))
            child_refuse(log->outcome, "cannot read the power samples: %s", strerror(errno));
        snprintf(text, sizeof text, "%08x", (unsigned)crc);
        line_text(&line, "file", strrchr(sampler->file, '/') + 1);
        line_whole(&line, "bytes", bytes);
        line_text(&line, "crc", text);
    }
    if (!line_end(&line, log)) child_refuse(log->outcome, "cannot write the log: %s", strerror(errno));
}

static void log_refusal(struct log *log, const char *source, long long waited_ms) {
    struct line line;
    char reason[80];
    snprintf(reason, sizeof reason, "the battery did not discharge within %lld ms", waited_ms);
    line_begin(&line, log, "power");
    line_text(&line, "source", source);
    line_text(&line, "refused", reason);
    if (!line_end(&line, log)) child_refuse(log->outcome, "cannot write the log: %s", strerror(errno));
}

static long long screen_brightness(void) {
    char text[32];
    capture("settings get system screen_brightness", text, sizeof text);
    return text[0] >= '0' && text[0] <= '9' ? atoll(text) : -1;
}

void power_pass(struct sampler *sampler, struct session *session, const struct evictor *evictor, struct log *log) {
    const struct plan_run *plan = session->plan;
    struct windows windows = {0};
    int status;
    if (sampler->process && !await_discharging(plan->power_wait_ms)) {
        log_refusal(log, plan->power_source, plan->power_wait_ms);
        return;
    }
    long long brightness = screen_brightness();
    if (sampler->process && write(sampler->control, "", 1) != 1)
        child_refuse(log->outcome, "cannot start the power sampler: %s", strerror(errno));
    work_windows(session, evictor, &windows);
    if (sampler->process) {
        close(sampler->control);
        waitpid(sampler->process, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            child_refuse(log->outcome, "cannot write the power samples into %s", sampler->file);
    }
    log_windows(log, plan->power_source, sampler, &windows, brightness);
}
