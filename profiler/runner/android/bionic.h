/* What the runner knows of bionic, Android's C library, where there is no NDK to tell.
 *
 * Stands in for every system header that the sources include. Constants and structures that go through to the kernel are
 * taken from the kernel's own headers, as bionic does, so each processor has its own; what bionic decides is written
 * out here, with the places where it is neither POSIX nor glibc. On 32 bits bionic has a 32-bit time_t, off_t and
 * sigset_t, and its own numbers for dlopen. Functions: what API 24 has (profiler/bionic_symbols.py).
 */
#ifndef AUTOCOMET_BIONIC_H
#define AUTOCOMET_BIONIC_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/types.h>

/* struct stat is the kernel's: on 32 bits the one that the kernel calls stat64, as bionic does its function. */
#ifdef __LP64__
#include <asm/stat.h>
#else
#define stat kernel_stat32
#include <asm/stat.h>
#undef stat
#define stat stat64
#endif

typedef __kernel_clockid_t clockid_t;
typedef __kernel_mode_t mode_t;
typedef __kernel_off_t off_t;
typedef __kernel_pid_t pid_t;
typedef __kernel_ssize_t ssize_t;
typedef __kernel_old_time_t time_t;

#define AUTOCOMET_PRINTF(at, values) __attribute__((format(printf, at, values)))

/* ctype.h, string.h */
int isalnum(int);
int isalpha(int);
int iscntrl(int);
int isdigit(int);
int isprint(int);
int isspace(int);
int isxdigit(int);
int tolower(int);
int toupper(int);
void *memchr(const void *, int, size_t);
int memcmp(const void *, const void *, size_t);
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
char *strchr(const char *, int);
int strcmp(const char *, const char *);
char *strcpy(char *, const char *);
size_t strcspn(const char *, const char *);
char *strerror(int);
size_t strlen(const char *);
int strncmp(const char *, const char *, size_t);
char *strrchr(const char *, int);
char *strsignal(int);
size_t strspn(const char *, const char *);
char *strstr(const char *, const char *);

/* stdlib.h, stdio.h */
extern char **environ;
int atoi(const char *);
long long atoll(const char *);
void *calloc(size_t, size_t);
_Noreturn void exit(int);
void free(void *);
char *getenv(const char *);
void *malloc(size_t);
int posix_memalign(void **, size_t, size_t);
void *realloc(void *, size_t);
int rename(const char *, const char *);
int snprintf(char *, size_t, const char *, ...) AUTOCOMET_PRINTF(3, 4);
double strtod(const char *, char **);
long strtol(const char *, char **, int);
long long strtoll(const char *, char **, int);
unsigned long long strtoull(const char *, char **, int);
int vsnprintf(char *, size_t, const char *, va_list) AUTOCOMET_PRINTF(3, 0);

/* errno.h */
int *__errno(void);
#define errno (*__errno())

/* dlfcn.h: the flags and the handle differ between 32 and 64 bits, for historical reasons */
#define RTLD_LOCAL 0
#define RTLD_LAZY 1
#ifdef __LP64__
#define RTLD_NOW 2
#define RTLD_DEFAULT ((void *)0)
#else
#define RTLD_NOW 0
#define RTLD_DEFAULT ((void *)0xffffffff)
#endif
char *dlerror(void);
void *dlopen(const char *, int);
void *dlsym(void *, const char *);

/* unistd.h, sys/syscall.h */
#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SYS_gettid __NR_gettid
int access(const char *, int);
int chdir(const char *);
int close(int);
int dup2(int, int);
int execl(const char *, const char *, ...) __attribute__((sentinel));
int execlp(const char *, const char *, ...) __attribute__((sentinel));
int execv(const char *, char *const *);
int execve(const char *, char *const *, char *const *);
int execvp(const char *, char *const *);
_Noreturn void _exit(int);
pid_t fork(void);
int fsync(int);
int ftruncate(int, off_t);
pid_t getpid(void);
pid_t getppid(void);
pid_t gettid(void);
off_t lseek(int, off_t, int);
int pipe(int *);
int pipe2(int *, int);
ssize_t pread(int, void *, size_t, off_t);
ssize_t pwrite(int, const void *, size_t, off_t);
ssize_t read(int, void *, size_t);
int rmdir(const char *);
int setpgid(pid_t, pid_t);
pid_t setsid(void);
unsigned sleep(unsigned);
long syscall(long, ...);
int unlink(const char *);
ssize_t write(int, const void *, size_t);

/* fcntl.h, sys/file.h, sys/stat.h */
#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8
int fcntl(int, int, ...);
int flock(int, int);
int fstat(int, struct stat *);
int lstat(const char *, struct stat *);
int mkdir(const char *, mode_t);
int open(const char *, int, ...);
int stat(const char *, struct stat *);

/* dirent.h: on 32 bits, too, what getdents64 gives */
typedef struct DIR DIR;
struct dirent {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};
int closedir(DIR *);
DIR *opendir(const char *);
struct dirent *readdir(DIR *);

/* poll.h */
#define POLLIN 1
#define POLLHUP 16
struct pollfd {
    int fd;
    short events, revents;
};
int poll(struct pollfd *, unsigned, int);

/* signal.h: a set is one word, so on 32 bits it holds the signals up to 32 */
enum { SIGHUP = 1, SIGINT = 2, SIGABRT = 6, SIGKILL = 9, SIGSEGV = 11, SIGPIPE = 13, SIGALRM = 14, SIGTERM = 15,
       SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19 };
enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
typedef unsigned long sigset_t;
typedef struct siginfo siginfo_t;
typedef void signal_handler(int);
#define SIG_DFL ((signal_handler *)0)
#define SIG_IGN ((signal_handler *)1)
int kill(pid_t, int);
int raise(int);
int sigaddset(sigset_t *, int);
int sigemptyset(sigset_t *);
signal_handler *signal(int, signal_handler *);
int sigprocmask(int, const sigset_t *, sigset_t *);
int sigtimedwait(const sigset_t *, siginfo_t *, const struct timespec *);

/* sched.h: the kernel takes a set of any size; bionic's own has but 32 CPUs on 32 bits */
enum { CPU_SETSIZE = 1024, CPU_WORD = 8 * sizeof(long) };
typedef struct {
    unsigned long words[CPU_SETSIZE / CPU_WORD];
} cpu_set_t;
#define CPU_ZERO(set) memset((set), 0, sizeof(cpu_set_t))
#define CPU_SET(cpu, set) ((void)((set)->words[(cpu) / CPU_WORD] |= 1UL << (cpu) % CPU_WORD))
#define CPU_CLR(cpu, set) ((void)((set)->words[(cpu) / CPU_WORD] &= ~(1UL << (cpu) % CPU_WORD)))
#define CPU_ISSET(cpu, set) ((set)->words[(cpu) / CPU_WORD] >> (cpu) % CPU_WORD & 1)
int sched_getaffinity(pid_t, size_t, cpu_set_t *);
int sched_getcpu(void);
int sched_setaffinity(pid_t, size_t, const cpu_set_t *);

/* sys/mman.h, sys/prctl.h, sys/resource.h, sys/wait.h */
#define MAP_FAILED ((void *)-1)
#define WEXITSTATUS(status) ((status) >> 8 & 0xff)
#define WTERMSIG(status) ((status) & 0x7f)
#define WIFEXITED(status) (WTERMSIG(status) == 0)
#define WIFSIGNALED(status) (WTERMSIG(status) != 0 && WTERMSIG(status) != 0x7f)
#define WNOHANG 1
int getrusage(int, struct rusage *);
void *mmap(void *, size_t, int, int, int, off_t);
int munmap(void *, size_t);
int prctl(int, ...);
pid_t waitpid(pid_t, int *, int);

/* time.h */
struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
    long tm_gmtoff;
    const char *tm_zone;
};
int clock_gettime(clockid_t, struct timespec *);
int clock_nanosleep(clockid_t, int, const struct timespec *, struct timespec *);
struct tm *localtime_r(const time_t *, struct tm *);
int nanosleep(const struct timespec *, struct timespec *);
time_t time(time_t *);

/* What all this must come to, as bionic's own headers do. */
#if defined __aarch64__
enum { STAT_BYTES = 128, SIZE_IN_STAT = 48 };
#elif defined __arm__
enum { STAT_BYTES = 104, SIZE_IN_STAT = 48 };
#elif defined __x86_64__
enum { STAT_BYTES = 144, SIZE_IN_STAT = 48 };
#else
enum { STAT_BYTES = 96, SIZE_IN_STAT = 44 };
#endif
_Static_assert(sizeof(struct stat) == STAT_BYTES && offsetof(struct stat, st_size) == SIZE_IN_STAT, "struct stat");
_Static_assert(sizeof(off_t) == sizeof(long) && sizeof(time_t) == sizeof(long) && sizeof(sigset_t) == sizeof(long) &&
                   sizeof(pid_t) == 4 && sizeof(clockid_t) == 4,
               "widths");
_Static_assert(sizeof(struct timespec) == 2 * sizeof(long), "struct timespec");
_Static_assert(sizeof(struct rusage) == 18 * sizeof(long) && offsetof(struct rusage, ru_nivcsw) == 17 * sizeof(long),
               "struct rusage");
_Static_assert(sizeof(struct tm) == (sizeof(long) == 8 ? 56 : 44), "struct tm");
_Static_assert(offsetof(struct dirent, d_type) == 18 && offsetof(struct dirent, d_name) == 19, "struct dirent");

#endif
