/*
 * Names of hosts, where system calls will be filtered later (hardening.h).
 */
#ifndef LOOKUP_H
#define LOOKUP_H

/*
 * Looks a host up, before anything is given up: glibc loads what nsswitch.conf(5) names when the first name
 * is looked up, and could not afterwards. Whether the host is found does not matter. NULL, "" and paths are
 * nothing.
 */
void lookup_load(const char *host);

/* Likewise, and glibc is told not to wait for its nameservers as long as it would, unless somebody told it
 * otherwise. */
void lookup_prepare(const char *host);

#endif
