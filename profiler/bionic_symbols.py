"""What the runner may call on Android: names that the C library of API 24 (Android 7.0) has on all four ABIs.

Each was looked up in bionic's ``libc/libc.map.txt`` and ``libdl/libdl.map.txt``: it stands there without a mark, or with
``introduced=`` 24 or less. A phone refuses a program that asks for one symbol more, before its first line runs; so the
stub libraries that the runner is linked against offer these and no others, and a build that needs another one fails here.
"""

from __future__ import annotations

_LIBC = """
    __cxa_atexit __cxa_finalize __errno __libc_init __register_atfork __stack_chk_fail _exit abort access atoi atol
    atoll calloc chdir clock_gettime clock_nanosleep close closedir dup dup2 environ execl execle execlp execv execve
    execvp exit fchmod fcntl fdopendir flock fork free fstat fsync ftruncate getenv getpgid getpid getppid getrusage
    gettid gettimeofday getuid ioctl isalnum isalpha iscntrl isdigit isprint isspace isxdigit kill killpg link
    localtime_r lseek lseek64 lstat madvise malloc memchr memcmp memcpy memmove memset mkdir mkdirat mkdtemp mkstemp
    mlock mmap mprotect munlock munmap nanosleep nice open openat opendir pause pipe pipe2 poll posix_memalign ppoll
    prctl pread pread64 pwrite pwrite64 qsort raise read readdir readlink readv realloc realpath rename renameat rmdir
    sched_getaffinity sched_getcpu sched_setaffinity sched_setscheduler sched_yield select setenv setpgid setpriority
    setrlimit setsid sigaction sigaddset sigaltstack sigdelset sigemptyset sigfillset sigismember signal signalfd
    sigprocmask sigsuspend sigtimedwait sigwait sigwaitinfo sleep snprintf sscanf stat stat64 statfs statvfs
    strcasecmp strcat strchr strcmp strcpy strcspn strdup strerror strftime strlcat strlcpy strlen strncat strncmp
    strncpy strndup strnlen strpbrk strrchr strsep strsignal strspn strstr strtod strtok_r strtol strtoll strtoul
    strtoull symlink sync syscall sysconf time timerfd_create timerfd_settime tolower toupper umask uname unlink
    unlinkat unsetenv usleep utimensat vsnprintf wait wait4 waitid waitpid write writev
"""

LIBC = frozenset(_LIBC.split())
"""Of ``libc.so``."""

ARM_LIBC = frozenset(
    f"__aeabi_{name}{alignment}" for name in ("memclr", "memcpy", "memmove", "memset") for alignment in ("", "4", "8")
)
"""What compilers for 32-bit ARM call in place of ``memcpy`` and its like; also of ``libc.so``, there only."""

LIBDL = frozenset({"dladdr", "dlclose", "dlerror", "dlopen", "dlsym"})
"""Of ``libdl.so``."""
