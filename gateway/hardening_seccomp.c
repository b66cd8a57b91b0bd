#include "gateway/hardening.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

int hardening_hide(const struct hardening *hardening, struct failure *failure)
{
    (void)hardening;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
        return 0;
    return fail(failure, "cannot hide this process from others (PR_SET_DUMPABLE): %s", strerror(errno));
}

/* ---- the list ---- */

/* Calls that are carried out whatever their arguments are. Those that an architecture lacks are left out. */
static const int plain[] = {
    /* files: the database, its log and index, the configuration, time zones */
    SCMP_SYS(access),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchown),
    SCMP_SYS(fcntl),
    SCMP_SYS(fcntl64),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(fstatat64),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(ftruncate64),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(_llseek),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(lstat64),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(read),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(readv),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(rmdir),
    SCMP_SYS(sendfile),
    SCMP_SYS(sendfile64),
    SCMP_SYS(stat),
    SCMP_SYS(stat64),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(umask),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(utimensat),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* the loop and its sockets: those that listen do so already, and it calls nobody (but see allow_calls())
     */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pselect6),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(select),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(mremap),
    SCMP_SYS(msync),
    SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    /* threads, signals, time, chance, and who this is */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(membarrier),
    SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sigreturn),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
};

/* Calls that are carried out only where (argument & mask) == wanted. */
static const struct narrow {
    int call;
    unsigned argument;
    uint64_t mask;
    uint64_t wanted;
} narrow[] = {
    /* nothing in memory becomes a program */
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0},
    {SCMP_SYS(mmap2), 2, PROT_EXEC, 0},
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
    /* threads, and no processes: glibc takes clone() where clone3() is not there */
    {SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD},
    {SCMP_SYS(socket), 0, UINT32_MAX, AF_UNIX}, /* to the service manager */
    {SCMP_SYS(ioctl), 1, UINT32_MAX, FIONBIO},
    {SCMP_SYS(ioctl), 1, UINT32_MAX, FIONREAD},
    {SCMP_SYS(ioctl), 1, UINT32_MAX, 0x5401}, /* TCGETS: whether stderr is a terminal */
    {SCMP_SYS(prctl), 0, UINT32_MAX, PR_SET_NAME},
    {SCMP_SYS(prctl), 0, UINT32_MAX, PR_GET_NAME},
};

/* Who calls brokers, or a database on a server, opens sockets and looks up names; it still cannot be called
 * on new ones. */
static int allow_calls(scmp_filter_ctx filter)
{
    static const unsigned families[] = {AF_INET, AF_INET6};
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);

    if (error == 0) /* libcurl's thread that looks up a name tells so */
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX));

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, families[i]));
    return error;
}

/* Limits may be looked at. */
static int allow_reading_limits(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0));
}

/* abort() and the loop send signals to this process, and nobody else. */
static int allow_own_signals(scmp_filter_ctx filter)
{
    scmp_datum_t own = (scmp_datum_t)getpid();
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, own));

    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, own));
    return error;
}

static int add_rules(scmp_filter_ctx filter, bool calls)
{
    int error = 0;

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain[i], 0);
    for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]) && error == 0; i++)
        error = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, narrow[i].call, 1,
            SCMP_CMP(narrow[i].argument, SCMP_CMP_MASKED_EQ, narrow[i].mask, narrow[i].wanted));
    if (error == 0) /* its arguments are in memory, where a filter cannot look */
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (error == 0 && calls)
        error = allow_calls(filter);
    if (error == 0)
        error = allow_reading_limits(filter);
    return error == 0 ? allow_own_signals(filter) : error;
}

/* ---- entering ---- */

static int load(scmp_filter_ctx filter, bool calls)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (error == 0)
        error =
            seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* in every thread that there is already */
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1); /* the kernel names what it refuses */
    if (error == 0)
        error =
            seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: calls are found in few steps */
    if (error == 0)
        error = add_rules(filter, calls);
    return error == 0 ? seccomp_load(filter) : error;
}

int hardening_enter_sandbox(const struct hardening *hardening, struct failure *failure)
{
    scmp_filter_ctx filter;
    struct failure why;
    int error;

    (void)failure;
    if (!hardening->sandbox) {
        hardening_warn(hardening, "sandbox", "off, as --sandbox asks for");
        return 0;
    }
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    error = filter != NULL ? load(filter, hardening->calls) : -ENOMEM;
    seccomp_release(filter);
    if (error == 0)
        return 0;
    fail(&why, "left out: this kernel takes no filter of system calls (seccomp): %s", strerror(-error));
    hardening_warn(hardening, "sandbox", why.text);
    return 0;
}
