/*
 * Whose the files are that root makes: what root types before the gateway's own user ever ran, or a restore,
 * must not leave files that this user cannot open.
 */
#ifndef OWNER_H
#define OWNER_H

/*
 * Gives a file that root has just made, and holds open as `fd`, to the owner of the folder that `path` lies
 * in. For others than root nothing changes. Where it cannot be done the file stays root's, and whoever cannot
 * open it is told so.
 */
void owner_follow_folder(int fd, const char *path);

#endif
