/*
 * gateway/hardening_seccomp.c, secret_locked.c: the filter of system calls in a child, and what a child that
 * stands behind it can do and what not; memory for keys. Never built with sanitizers, which the files that
 * are tested here are not made for.
 */
#include "gateway/hardening.h"
#include "gateway/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <setjmp.h> /* last: cmocka has a macro fail() */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct log quiet = {.level = LOG_LEVEL_ERROR};
static struct hardening hardening = {.sandbox = true, .log = &quiet};

/* What a child tries behind the filter: 0 it worked, or an errno. */
typedef int attempt(void);

#define WORKED 0
#define NEEDED 201 /* in a table where 0 says nothing: it worked */
#define OTHER  200 /* exit status of a child whose filter could not be installed */

static int in_child(attempt *try)
{
    struct failure failure;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || hardening_enter_sandbox(&hardening, &failure) != 0)
            _exit(OTHER);
        _exit(try());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int result(long value)
{
    return value >= 0 ? WORKED : errno;
}

/* ---- what is refused ---- */

static int run_program(void)
{
    char *const nothing[] = {NULL};

    return result(execve("/bin/true", nothing, nothing));
}

static int run_program_at(void)
{
    return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0));
}

static int make_process(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return result(child);
}

#ifdef SYS_fork
#define FORK_CALL SYS_fork
#else
#define FORK_CALL SYS_clone /* its flags 0 are a fork's */
#endif

static int make_process_old(void)
{
    long child = syscall(FORK_CALL, 0, 0, 0, 0, 0);

    if (child == 0)
        _exit(0);
    return result(child);
}

static int make_process_new(void)
{
    return result(syscall(SYS_clone3, NULL, 0));
}

static int make_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int trace_itself(void)
{
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_a_process(void)
{
    return result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int map_a_program(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? errno : WORKED;
}

static int make_memory_a_program(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? WORKED : result(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}

static int hide_a_program(void)
{
    return result(syscall(SYS_memfd_create, "x", 0));
}

static int open_ipv4(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_ipv6(void)
{
    return result(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int call_somebody(void)
{
    return result(connect(-1, NULL, 0));
}

static int take_a_port(void)
{
    return result(bind(-1, NULL, 0));
}

static int let_others_call(void)
{
    return result(listen(-1, 1));
}

static int open_netlink(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int open_packet(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_vsock(void)
{
    return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int signal_another(void)
{
    return result(kill(getppid(), 0));
}

static int signal_anothers_thread(void)
{
    return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int become_another(void)
{
    return result(syscall(SYS_setuid, 65534));
}

static int make_root_folder(void)
{
    return result(chroot("/"));
}

static int mount_something(void)
{
    return result(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL)); /* nothing comes of it without the filter */
}

static int load_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int load_module(void)
{
    return result(syscall(SYS_finit_module, -1, "", 0));
}

static int open_ring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int type_for_somebody(void)
{
    return result(syscall(SYS_ioctl, 2, 0x5412 /* TIOCSTI */, "x"));
}

static int show_itself(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_limit(void)
{
    const struct rlimit limit = {4096, 4096};

    return result(setrlimit(RLIMIT_CORE, &limit));
}

static int change_personality(void)
{
    return result(personality(ADDR_NO_RANDOMIZE));
}

static int set_the_clock(void)
{
    return result(syscall(SYS_clock_settime, CLOCK_REALTIME, NULL));
}

static void what_no_gateway_needs_is_refused(void **state)
{
    static const struct {
        const char *name;
        attempt *try;
        int error;
        int caller; /* what comes of it in a gateway that calls brokers, if that is something else */
    } cases[] = {
        {"execve", run_program, EPERM, 0},
        {"execveat", run_program_at, EPERM, 0},
        {"fork", make_process, EPERM, 0},
        {"the old fork", make_process_old, EPERM, 0},
        {"clone3", make_process_new, ENOSYS, 0},
        {"unshare", make_namespace, EPERM, 0},
        {"ptrace", trace_itself, EPERM, 0},
        {"process_vm_readv", read_a_process, EPERM, 0},
        {"mmap of a program", map_a_program, EPERM, 0},
        {"mprotect into a program", make_memory_a_program, EPERM, 0},
        {"memfd_create", hide_a_program, EPERM, 0},
        {"AF_INET", open_ipv4, EPERM, NEEDED},
        {"AF_INET6", open_ipv6, EPERM, NEEDED},
        {"connect", call_somebody, EPERM, EBADF},
        {"bind", take_a_port, EPERM, 0},
        {"listen", let_others_call, EPERM, 0},
        {"AF_NETLINK", open_netlink, EPERM, 0},
        {"AF_PACKET", open_packet, EPERM, 0},
        {"AF_VSOCK", open_vsock, EPERM, 0},
        {"kill", signal_another, EPERM, 0},
        {"tgkill", signal_anothers_thread, EPERM, 0},
        {"setuid", become_another, EPERM, 0},
        {"chroot", make_root_folder, EPERM, 0},
        {"mount", mount_something, EPERM, 0},
        {"bpf", load_bpf, EPERM, 0},
        {"finit_module", load_module, EPERM, 0},
        {"io_uring_setup", open_ring, EPERM, 0},
        {"TIOCSTI", type_for_somebody, EPERM, 0},
        {"PR_SET_DUMPABLE", show_itself, EPERM, 0},
        {"setrlimit", raise_limit, EPERM, 0},
        {"personality", change_personality, EPERM, 0},
        {"clock_settime", set_the_clock, EPERM, 0},
    };

    (void)state;
    for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
        int expected = cases[i / 2].error;
        int got;
        hardening.calls = i % 2 == 1;
        got = in_child(cases[i / 2].try);
        if (hardening.calls && cases[i / 2].caller != 0)
            expected = cases[i / 2].caller == NEEDED ? WORKED : cases[i / 2].caller;
        if (got != expected)
            fail_msg("%s%s: %d (%s)", cases[i / 2].name, hardening.calls ? " of one that calls" : "", got,
                     got > 0 ? strerror(got) : "worked");
    }
    hardening.calls = false;
}

/* ---- what is needed ---- */

static int use_files(void)
{
    char path[] = "/tmp/bulla-sandbox-XXXXXX";
    int fd = mkstemp(path);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct stat status;
    void *shared;
    bool worked;

    if (fd < 0)
        return errno;
    worked = pwrite(fd, "x", 1, 9) == 1 && fcntl(fd, F_SETLK, &lock) == 0 && fdatasync(fd) == 0 &&
             fstat(fd, &status) == 0 && ftruncate(fd, 4096) == 0 && fchmod(fd, 0600) == 0;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    worked = worked && shared != MAP_FAILED && stat(path, &status) == 0 && unlink(path) == 0;
    return worked ? WORKED : errno;
}

/* As libuv does, in a thread of its own: names of /etc/hosts, and the order of addresses. */
static void *look_up(void *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    *(int *)error = getaddrinfo("localhost", "1883", &hints, &found);
    if (*(int *)error == 0)
        freeaddrinfo(found);
    return NULL;
}

static int look_up_a_name(void)
{
    pthread_t thread;
    int error = -1;

    if (pthread_create(&thread, NULL, look_up, &error) != 0)
        return errno;
    pthread_join(thread, NULL);
    return error == 0 ? WORKED : EHOSTUNREACH;
}

static void who_calls_looks_up_names(void **state)
{
    (void)state;
    hardening.calls = true;
    assert_int_equal(in_child(look_up_a_name), WORKED);
    hardening.calls = false;
}

static void *nothing(void *argument)
{
    return argument;
}

static int use_threads(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);

    return error != 0 ? error : pthread_join(thread, NULL);
}

/* As the service manager is told, and as the loop waits. */
static int use_sockets(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    close(fd);
    return epoll_create1(EPOLL_CLOEXEC) < 0 ? errno : WORKED;
}

static int use_chance_and_time(void)
{
    char bytes[16];
    time_t now = time(NULL);
    struct tm local;

    setenv("TZ", "Europe/Zurich", 1);
    return getrandom(bytes, 16, 0) == 16 && localtime_r(&now, &local) ? WORKED : errno;
}

static int use_much_memory(void)
{
    char *large = malloc(50000000);

    if (large == NULL)
        return errno;
    memset(large, 1, 50000000);
    large = realloc(large, 100000000);
    free(large);
    return large != NULL ? WORKED : errno;
}

static void what_a_gateway_needs_works(void **state)
{
    static const struct {
        const char *name;
        attempt *try;
    } cases[] = {
        {"files", use_files},        {"threads", use_threads},
        {"sockets", use_sockets},    {"chance and time", use_chance_and_time},
        {"memory", use_much_memory},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = in_child(cases[i].try);
        if (got != WORKED)
            fail_msg("%s: %d (%s)", cases[i].name, got, strerror(got));
    }
}

static int end_badly(void)
{
    abort();
}

static void *open_netlink_in_thread(void *argument)
{
    *(int *)argument = open_netlink();
    return NULL;
}

static int refuse_in_threads(void)
{
    pthread_t thread;
    int seen = OTHER;

    if (pthread_create(&thread, NULL, open_netlink_in_thread, &seen) != 0)
        return OTHER;
    pthread_join(thread, NULL);
    return seen;
}

static void abort_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(in_child(end_badly), -SIGABRT);
}

static void threads_stand_behind_it_too(void **state)
{
    (void)state;
    assert_int_equal(in_child(refuse_in_threads), EPERM);
}

/* ---- memory for keys ---- */

#define PIECE 72

/* Whether the kernel's flags of the mapping at `address` have this word. */
static bool has_flag(const void *address, const char *word)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long from, to;
    bool ours = false, found = false;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && strchr(line, ':') != NULL &&
            strchr(line, '-') < strchr(line, ' '))
            ours = from <= (unsigned long)address && (unsigned long)address < to;
        if (ours && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line + 8, word) != NULL;
    }
    fclose(maps);
    return found;
}

static void keys_are_locked_and_not_dumped(void **state)
{
    bool locked = true;
    uint8_t *memory = secret_alloc(5000, &locked);

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(memory[i], 0);
    assert_true(locked);
    assert_true(has_flag(memory, " lo")); /* VM_LOCKED */
    assert_true(has_flag(memory, " dd")); /* MADV_DONTDUMP */
    secret_free(memory, 5000);
    secret_free(NULL, 5000);
}

static void pieces_are_wiped_and_used_again(void **state)
{
    static const uint8_t zeros[PIECE];
    static uint8_t *pieces[3000];
    struct secret_pool pool;

    (void)state;
    secret_pool_init(&pool, PIECE);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3000; i++) {
            pieces[i] = secret_take(&pool);
            assert_memory_equal(pieces[i], zeros, PIECE);
            memset(pieces[i], (int)i | 1, PIECE); /* they do not overlap: see below */
        }
        for (size_t i = 0; i < 3000; i++) {
            for (size_t j = 0; j < PIECE; j++)
                assert_int_equal(pieces[i][j], (uint8_t)(i | 1));
        }
        assert_true(has_flag(pieces[2999], " lo"));
        for (size_t i = 0; i < 3000; i++) {
            secret_give(&pool, pieces[i]);
            assert_memory_equal(pieces[i] + sizeof(void *), zeros, PIECE - sizeof(void *));
        }
    }
    assert_true(pool.locked);
    secret_pool_wipe(&pool);
}

/* Root may lock what it wants, and a limit does not bind it. */
static int lock_too_much(void)
{
    const struct rlimit none = {0, 0};
    bool locked = true;
    uint8_t *memory;

    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        return errno;
    memory = secret_alloc(5000, &locked);
    if (memory == NULL || locked)
        return OTHER;
    memory[4999] = 1; /* it is there all the same */
    return WORKED;
}

static void what_cannot_be_locked_is_told(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(lock_too_much());
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WORKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_gateway_needs_is_refused), cmocka_unit_test(what_a_gateway_needs_works),
        cmocka_unit_test(abort_ends_the_process),           cmocka_unit_test(threads_stand_behind_it_too),
        cmocka_unit_test(keys_are_locked_and_not_dumped),   cmocka_unit_test(pieces_are_wiped_and_used_again),
        cmocka_unit_test(what_cannot_be_locked_is_told),    cmocka_unit_test(who_calls_looks_up_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
