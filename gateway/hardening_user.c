#include "gateway/hardening.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define CAPABILITY_SETS 2 /* of 32 bits each, since version 3 */

/*
 * Leaves these capabilities (a mask of the lower 32), of those that there are. One thread's. Where there are
 * none the kernel is not asked: a service manager's own filter may refuse that.
 */
static int keep_capabilities(uint32_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[CAPABILITY_SETS] = {0};

    if (syscall(SYS_capget, &header, sets) != 0)
        return -1;
    if ((sets[0].permitted | sets[0].inheritable | sets[1].permitted | sets[1].inheritable) == 0)
        return 0;
    sets[0].permitted &= mask;
    sets[0].effective = sets[0].permitted;
    sets[0].inheritable = 0;
    memset(&sets[1], 0, sizeof(sets[1]));
    return (int)syscall(SYS_capset, &header, sets);
}

/* The order matters: a user that is not root any more could change neither groups nor group. */
static int change_user(const struct passwd *user)
{
    if (initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0)
        return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return -1;
    return keep_capabilities(1u << CAP_NET_BIND_SERVICE) != 0 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 ? -1
                                                                                                         : 0;
}

/* There is no way back. */
static int check_user(const struct passwd *user, struct failure *failure)
{
    uid_t uids[3];
    gid_t gids[3];

    getresuid(&uids[0], &uids[1], &uids[2]);
    getresgid(&gids[0], &gids[1], &gids[2]);
    for (int i = 0; i < 3; i++) {
        if (uids[i] != user->pw_uid || gids[i] != user->pw_gid)
            return fail(failure, "--user %s: this process is still somebody else; nothing was opened",
                        user->pw_name);
    }
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
        return fail(failure, "--user %s: root could be had back; nothing was opened", user->pw_name);
    return 0;
}

static int stay(const struct hardening *hardening)
{
    if (geteuid() == 0)
        hardening_warn(hardening, "user", "this runs as root; --user NAME gives that up");
    return 0;
}

int hardening_become_user(const struct hardening *hardening, struct failure *failure)
{
    const struct passwd *user;

    if (hardening->user == NULL)
        return stay(hardening);
    errno = 0;
    user = getpwnam(hardening->user);
    if (user == NULL)
        return fail(failure, "--user %s: there is no such user%s%s; 'useradd --system %s' makes one",
                    hardening->user, errno ? ": " : "", errno ? strerror(errno) : "", hardening->user);
    if (user->pw_uid == 0)
        return fail(failure, "--user %s: that is root, and gives nothing up", hardening->user);
    if (geteuid() != 0)
        return user->pw_uid == geteuid() ? 0
                                         : fail(failure,
                                                "--user %s: only root can become somebody else; start it as "
                                                "root, or as that user without this option",
                                                hardening->user);
    if (change_user(user) < 0)
        return fail(failure, "--user %s: cannot become this user: %s", hardening->user, strerror(errno));
    return check_user(user, failure);
}

int hardening_drop_capabilities(const struct hardening *hardening, struct failure *failure)
{
    struct failure why;

    if (geteuid() == 0) /* root's files may need them; it was warned of */
        return 0;
    if (keep_capabilities(0) == 0)
        return 0;
    if (hardening->user != NULL)
        return fail(failure, "--user %s: cannot give up the last capabilities: %s", hardening->user,
                    strerror(errno));
    fail(&why, "it keeps what capabilities it was started with: %s", strerror(errno));
    hardening_warn(hardening, "capabilities", why.text);
    return 0;
}
