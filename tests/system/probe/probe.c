/*
 * An intruder, for test_hardening.py: preloaded into the gateway, a thread of it waits until the filter of
 * system calls stands, and tries what an intruder would. Writes a line "NAME ERRNO" for each call into the
 * file BULLA_PROBE; 0: it was carried out. What the arguments ask for does no harm where it is carried out,
 * and where it fails without a filter, it fails with another error than EPERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define PAGE   4096
#define NOBODY (-1)

static _Alignas(PAGE) char page[PAGE];
static char nowhere[] = "/nonexistent";
static int pair[2];
static struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

static const struct attempt {
    const char *name;
    long call;
    long arguments[6];
} attempts[] = {
    /* what a gateway does itself: if these fail, the others say nothing */
    {"allowed: getppid", SYS_getppid, {0}},
    {"allowed: socket AF_UNIX", SYS_socket, {AF_UNIX, SOCK_DGRAM, 0}},
    {"allowed: mprotect", SYS_mprotect, {(long)page, PAGE, PROT_READ | PROT_WRITE}},
    /* other programs */
    {"execve", SYS_execve, {(long)nowhere}},
    {"execveat", SYS_execveat, {AT_FDCWD, (long)nowhere}},
    {"clone", SYS_clone, {SIGCHLD}},
#ifdef SYS_fork
    {"fork", SYS_fork, {0}},
#endif
    {"ptrace", SYS_ptrace, {2, NOBODY}},
    {"process_vm_readv", SYS_process_vm_readv, {1}},
    {"process_vm_writev", SYS_process_vm_writev, {1}},
    {"pidfd_open", SYS_pidfd_open, {1}},
    {"pidfd_getfd", SYS_pidfd_getfd, {NOBODY}},
    {"kill", SYS_kill, {1, 0}},
    {"kill all", SYS_kill, {NOBODY, 0}},
    {"tgkill", SYS_tgkill, {1, 1, 0}},
    {"tkill", SYS_tkill, {1, 0}},
    /* code in memory */
    {"mprotect executable", SYS_mprotect, {(long)page, PAGE, PROT_READ | PROT_EXEC}},
    {"pkey_mprotect", SYS_pkey_mprotect, {(long)page, PAGE, PROT_READ | PROT_EXEC, -1}},
    {"mmap executable", SYS_mmap, {0, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"memfd_create", SYS_memfd_create, {(long)"x"}},
    {"personality", SYS_personality, {0xffffffff}},
    /* calls by another way than calls, and what looks at calls */
    {"io_uring_setup", SYS_io_uring_setup, {1}},
    {"io_uring_enter", SYS_io_uring_enter, {NOBODY}},
    {"io_uring_register", SYS_io_uring_register, {NOBODY}},
    {"bpf", SYS_bpf, {NOBODY}},
    {"userfaultfd", SYS_userfaultfd, {NOBODY}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"seccomp", SYS_seccomp, {NOBODY}},
    {"prctl dumpable", SYS_prctl, {PR_SET_DUMPABLE, 0}},
    /* the network: it can neither call nor be called, but on what was opened before */
    {"socket AF_INET", SYS_socket, {AF_INET, SOCK_STREAM}},
    {"socket AF_INET6", SYS_socket, {AF_INET6, SOCK_STREAM}},
    {"socket AF_NETLINK", SYS_socket, {AF_NETLINK, SOCK_RAW}},
    {"socket AF_PACKET", SYS_socket, {AF_PACKET, SOCK_RAW}},
    {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, (long)pair}},
    {"connect", SYS_connect, {NOBODY}},
    {"bind", SYS_bind, {NOBODY}},
    {"listen", SYS_listen, {NOBODY}},
    /* rights, and the system */
    {"setresuid", SYS_setresuid, {NOBODY, NOBODY, NOBODY}},
    {"setresgid", SYS_setresgid, {NOBODY, NOBODY, NOBODY}},
    {"capset", SYS_capset, {0}},
    {"setrlimit", SYS_prlimit64, {0, RLIMIT_CORE, (long)&limit}},
    {"unshare", SYS_unshare, {0}},
    {"setns", SYS_setns, {NOBODY}},
    {"chroot", SYS_chroot, {(long)nowhere}},
    {"mount", SYS_mount, {0}},
    {"ioctl TIOCSTI", SYS_ioctl, {NOBODY, 0x5412}},
    {"keyctl", SYS_keyctl, {NOBODY}},
    {"clock_settime", SYS_clock_settime, {CLOCK_REALTIME, 0}},
    {"finit_module", SYS_finit_module, {NOBODY}},
    {"open_by_handle_at", SYS_open_by_handle_at, {NOBODY}},
};

static int attempt(const struct attempt *what)
{
    const long *a = what->arguments;
    pid_t self = getpid();
    long result = syscall(what->call, a[0], a[1], a[2], a[3], a[4], a[5]);

    if (getpid() != self)
        _exit(0); /* a child, which there should not be */
    return result < 0 ? errno : 0;
}

/* Without a filter this process may ask what it gave up; behind it, it may not even ask. */
static void wait_for_filter(void)
{
    const struct timespec moment = {.tv_nsec = 5000000};

    while (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0)
        nanosleep(&moment, NULL);
}

static void *intrude(void *path)
{
    char made[4096];
    FILE *out;

    wait_for_filter();
    snprintf(made, sizeof(made), "%s.part", (const char *)path);
    out = fopen(made, "we");
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        fprintf(out, "%s %d\n", attempts[i].name, attempt(&attempts[i]));
        fflush(out);
    }
    fclose(out);
    rename(made, path);
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    static char path[4000];
    pthread_t thread;

    if (getenv("BULLA_PROBE") == NULL)
        return;
    snprintf(path, sizeof(path), "%s", getenv("BULLA_PROBE"));
    if (pthread_create(&thread, NULL, intrude, path) == 0)
        pthread_detach(thread);
}
