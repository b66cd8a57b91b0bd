/*
 * Files that say where somebody is reached, because what belongs to that is secret: a URL in the first line,
 * KEY = VALUE in the others. Blank lines and those that begin with # are skipped.
 */
#ifndef URL_FILE_H
#define URL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/failure.h"

#define URL_FILE_MAX 16384 /* bytes */

struct url_file {
    char text[URL_FILE_MAX + 1]; /* wiped by url_file_wipe() */
    char *rest;                  /* what url_file_line() has not given yet */
    unsigned number;             /* of the line given last, from 1 */
    unsigned mode;               /* the file's: permission bits */
};

/* Reads a file. Returns 0, or -1 with the failure. The caller wipes `file`, whatever is returned. */
MUST_CHECK int url_file_read(struct url_file *file, const char *path, struct failure *failure);

/* The next line that says something, without blanks around it; NULL: there are no more. */
char *url_file_line(struct url_file *file);

/* Parts "KEY = VALUE" into its halves, in place. Returns 0, or -1 if it is not that. */
MUST_CHECK int url_file_part(char *line, char **key, char **value, struct failure *failure);

/* A service's group may read its settings; everybody else is too many: 0, or -1 where the file is open to
 * others. `holds` says what in it is nobody's business: "a password". */
MUST_CHECK int url_file_check_mode(const struct url_file *file, const char *path, const char *holds,
                                   struct failure *failure);

void url_file_wipe(struct url_file *file);

#endif
