/* The run's folder: worked in as `<out>.part`, renamed to `<out>` when it is whole. */
#ifndef AUTOCOMET_FOLDER_H
#define AUTOCOMET_FOLDER_H

#include <stdbool.h>

#include "plan.h"

enum { FOLDER_PATH_SIZE = PLAN_PATH_SIZE + 64 };

struct folder {
    char out[PLAN_PATH_SIZE];
    char part[PLAN_PATH_SIZE + sizeof ".part"];
};

/* Make `<out>.part`, and the folders above it. A left-over one is emptied. False with errno set; EEXIST where <out> is
 * there already. */
bool folder_create(struct folder *folder, const char *out);

/* The path of a file in the unfinished folder. */
void folder_path(const struct folder *folder, const char *file, char *path);

/* Bring the files to the disk, then rename. False with errno set. */
bool folder_finish(const struct folder *folder);

/* Remove the unfinished folder with its files. */
void folder_discard(const struct folder *folder);

#endif
