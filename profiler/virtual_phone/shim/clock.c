/* Preloaded into every process of a virtual phone: its clocks, and the waits that are counted in them.
 *
 * Uptime runs `rate` times as fast as the machine's CLOCK_MONOTONIC, the wall clock is uptime plus `epoch_ns`. Waits are divided
 * by the rate when they begin. Not covered: setitimer, timerfd and futexes used without libc; file times and the start times in
 * /proc/PID/stat are the machine's.
 */
#include "parameters.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "next.h"

enum { NS = 1000000000 };

struct parameters *shared;

__attribute__((constructor(101))) static void attach(void) {
    if (shared) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, PARAMETERS_PATH, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    struct stat about;
    void *memory = MAP_FAILED;
    if (fstat(fd, &about) == 0 && about.st_size >= (off_t)sizeof *shared)
        memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED && ((struct parameters *)memory)->size == sizeof *shared) shared = memory;
}

static struct timespec from_ns(int64_t ns) {
    if (ns < 0) ns = 0;
    return (struct timespec){.tv_sec = ns / NS, .tv_nsec = ns % NS};
}

static int64_t to_ns(const struct timespec *time) {
    return (int64_t)time->tv_sec * NS + time->tv_nsec;
}

struct moment {
    double rate;
    int64_t machine_ns, uptime_ns, epoch_ns;
};

static struct moment reference(void) {
    struct moment moment;
    uint32_t before;
    do {
        while ((before = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE)) & 1) continue;
        moment = (struct moment){shared->rate, shared->machine_ns, shared->uptime_ns, shared->epoch_ns};
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (before != __atomic_load_n(&shared->sequence, __ATOMIC_RELAXED));
    return moment;
}

static int64_t machine_now_ns(void) {
    struct timespec now;
    NEXT(clock_gettime)(CLOCK_MONOTONIC, &now);
    return to_ns(&now);
}

int64_t phone_uptime_ns(void) {
    struct moment then = reference();
    return then.uptime_ns + (int64_t)((double)(machine_now_ns() - then.machine_ns) * then.rate);
}

static bool is_wall_clock(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

static bool is_uptime(clockid_t clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE ||
           clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

/* When the phone's clock shows `time`, what does the machine's CLOCK_MONOTONIC show? */
static struct timespec machine_time(clockid_t clock, const struct timespec *time) {
    struct moment then = reference();
    int64_t uptime_ns = to_ns(time) - (is_wall_clock(clock) ? then.epoch_ns : 0);
    return from_ns(then.machine_ns + (int64_t)((double)(uptime_ns - then.uptime_ns) / then.rate));
}

static struct timespec scaled(const struct timespec *time, double factor) {
    return from_ns((int64_t)((double)to_ns(time) * factor));
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    attach();
    if (shared && is_uptime(clock)) {
        *time = from_ns(phone_uptime_ns());
        return 0;
    }
    if (shared && is_wall_clock(clock)) {
        *time = from_ns(phone_uptime_ns() + reference().epoch_ns);
        return 0;
    }
    int result = NEXT(clock_gettime)(clock, time);
    if (shared && result == 0) *time = scaled(time, shared->slow); /* processor time */
    return result;
}

int timespec_get(struct timespec *time, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0) return -1;
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    if (!shared || !(is_uptime(clock) || is_wall_clock(clock))) return NEXT(clock_nanosleep)(clock, flags, time, left);
    if (flags & TIMER_ABSTIME) {
        struct timespec machine = machine_time(clock, time);
        return NEXT(clock_nanosleep)(CLOCK_MONOTONIC, TIMER_ABSTIME, &machine, NULL);
    }
    double rate = reference().rate;
    struct timespec machine = scaled(time, 1 / rate);
    int result = NEXT(clock_nanosleep)(CLOCK_MONOTONIC, 0, &machine, left);
    if (result == EINTR && left) *left = scaled(left, rate);
    return result;
}

int nanosleep(const struct timespec *time, struct timespec *left) {
    errno = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    return errno ? -1 : 0;
}

int usleep(useconds_t microseconds) {
    struct timespec time = from_ns((int64_t)microseconds * 1000);
    return nanosleep(&time, NULL);
}

unsigned sleep(unsigned seconds) {
    struct timespec time = {.tv_sec = seconds}, left = {0};
    return nanosleep(&time, &left) < 0 ? (unsigned)left.tv_sec + (left.tv_nsec > 0) : 0;
}

/* A wait in phone time, as a wait of the machine; NULL stays "for ever". */
static const struct timespec *shorter(const struct timespec *time, struct timespec *space) {
    if (!shared || !time) return time;
    *space = scaled(time, 1 / reference().rate);
    return space;
}

static int shorter_ms(int milliseconds) {
    if (!shared || milliseconds <= 0) return milliseconds;
    double machine = milliseconds / reference().rate;
    return machine < 1 ? 1 : (int)machine;
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
    struct timespec space;
    return NEXT(sigtimedwait)(set, info, shorter(timeout, &space));
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    return NEXT(poll)(fds, count, shorter_ms(timeout_ms));
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *signals) {
    struct timespec space;
    return NEXT(ppoll)(fds, count, shorter(timeout, &space), signals);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms) {
    return NEXT(epoll_wait)(fd, events, most, shorter_ms(timeout_ms));
}

int pselect(int count, fd_set *readers, fd_set *writers, fd_set *errors, const struct timespec *timeout,
            const sigset_t *signals) {
    struct timespec space;
    return NEXT(pselect)(count, readers, writers, errors, shorter(timeout, &space), signals);
}

int select(int count, fd_set *readers, fd_set *writers, fd_set *errors, struct timeval *timeout) {
    if (!timeout) return pselect(count, readers, writers, errors, NULL, NULL);
    struct timespec time = {.tv_sec = timeout->tv_sec, .tv_nsec = timeout->tv_usec * 1000};
    return pselect(count, readers, writers, errors, &time, NULL);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline) {
    if (!shared) return NEXT(pthread_cond_clockwait)(condition, mutex, clock, deadline);
    struct timespec machine = machine_time(clock, deadline);
    return NEXT(pthread_cond_clockwait)(condition, mutex, CLOCK_MONOTONIC, &machine);
}

/* The condition knows whether its deadlines are uptime or wall clock; the deadline tells it by its size, too: years, or days. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    if (!shared) return NEXT(pthread_cond_timedwait)(condition, mutex, deadline);
    bool wall_clock = to_ns(deadline) > reference().epoch_ns / 2;
    return pthread_cond_clockwait(condition, mutex, wall_clock ? CLOCK_REALTIME : CLOCK_MONOTONIC, deadline);
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *new, struct itimerspec *old) {
    if (!shared || flags & TIMER_ABSTIME) return NEXT(timer_settime)(timer, flags, new, old);
    double rate = reference().rate;
    struct itimerspec machine = {scaled(&new->it_interval, 1 / rate), scaled(&new->it_value, 1 / rate)};
    return NEXT(timer_settime)(timer, flags, &machine, old);
}
