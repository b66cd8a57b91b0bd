/*
 * A folder of credential files: many are made so that a crash leaves all of them, or none, in their places.
 *
 * They are first written to a folder of their own inside it, then the devices are entered in the registry,
 * then the files are moved to their places. A run that is cut between the last two leaves files of devices
 * that are entered: the next run in that folder moves them. One that is cut before leaves files of devices
 * that never were: they are left alone, and told.
 */
#ifndef PROVISION_FILES_H
#define PROVISION_FILES_H

#include "cli/provision.h"

struct provision_files {
    const char *path; /* of the folder */
    int folder;       /* descriptors, locked against another run; -1: not open */
    int staging;
    char staging_name[32];
};

/* Opens the folder, which is made (mode 0700) if it is not there. */
MUST_CHECK int provision_files_open(struct provision_files *files, const char *path, struct failure *failure);

/* Opens it if it is there, to look only: 1, 0 it is not there, -1. */
MUST_CHECK int provision_files_look(struct provision_files *files, const char *path, struct failure *failure);

/* Closes it; what is staged and not published is removed. */
void provision_files_close(struct provision_files *files);

/*
 * Ends what an earlier run left: moves the credentials of devices that are in the registry to their places,
 * and marks their rows as done. Returns how many, or -1.
 */
MUST_CHECK int provision_files_recover(struct provision_files *files, struct provision *provision,
                                       struct store *store, struct failure *failure);

/* Tells the rows whose file is there already. */
void provision_files_check(const struct provision_files *files, struct provision *provision);

/* Writes the files of all rows that are not done, mode 0600, durably, but not yet to their places. */
MUST_CHECK int provision_files_stage(struct provision_files *files, const struct provision *provision,
                                     struct failure *failure);

/* Moves them to their places. Nothing is written over. */
MUST_CHECK int provision_files_publish(struct provision_files *files, struct failure *failure);

#define PROVISION_FILE_SIZE 256 /* bytes of the longest name, with the terminating zero */

/* The name of a device's file: NAME.credential, with what no file's name can have percent-encoded. */
void provision_file_name(char out[PROVISION_FILE_SIZE], const char *name);

#endif
