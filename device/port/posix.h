/*
 * A port for POSIX hosts: the kernel's random source, a clock that goes on in suspend, and a state file as
 * the store.
 *
 *     struct posix_port host;
 *
 *     if (posix_port_open(&host, "kitchen.state", POSIX_PORT_CREATE) != 0) // posix_port_init(): no store
 *         stop();
 *     if (bulla_wake(&device, &credential, &host.port) < 0) // 1: a session that slept, 0: a new one
 *         stop();
 *     …
 *     posix_port_close(&host);
 *
 * The file holds the three slots a page apart, so that a cut while one is written leaves the others alone. It
 * is locked while it is open: no two processes ever use one state. It holds no secret, but whoever can change
 * it can break the device's safety.
 *
 * Run: on Linux. Not run: elsewhere; it needs getrandom() and flock().
 */
#ifndef BULLA_POSIX_H
#define BULLA_POSIX_H

#include "../bulla.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is until it is
 * closed.
 */
struct posix_port {
    struct bulla_port port;
    int fd;
};

enum posix_port_mode {
    POSIX_PORT_EXISTING, /* the file must be there */
    POSIX_PORT_CREATE,   /* it is made if it is not there */
    POSIX_PORT_NEW,      /* it must not be there yet */
};

/* A port without a store. */
void posix_port_init(struct posix_port *posix);

/*
 * Opens and locks the state file. Returns 0 or an errno: ENOENT, EEXIST, EWOULDBLOCK (another process has
 * it), EINVAL (not a state file), or what the system says.
 */
BULLA_MUST_CHECK int posix_port_open(struct posix_port *posix, const char *path, enum posix_port_mode mode);

/* Unlocks and closes the file, if there is one. */
void posix_port_close(struct posix_port *posix);

#ifdef __cplusplus
}
#endif

#endif
