#include "gateway/owner.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void owner_follow_folder(int fd, const char *path)
{
    char *copy = geteuid() == 0 ? strdup(path) : NULL;
    struct stat folder;

    if (copy != NULL && stat(dirname(copy), &folder) == 0 && folder.st_uid != 0)
        (void)!fchown(fd, folder.st_uid, folder.st_gid);
    free(copy);
}
