#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_path(const struct folder *folder, const char *file, char *path) {
    snprintf(path, FOLDER_PATH_SIZE, "%s/%s", folder->part, file);
}

/* Call visit on every file of the unfinished folder, which holds files only. */
static bool each_file(const struct folder *folder, bool (*visit)(const char *path)) {
    DIR *listing = opendir(folder->part);
    if (listing == NULL) return false;
    bool good = true;
    for (const struct dirent *entry; good && (entry = readdir(listing)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char path[FOLDER_PATH_SIZE];
        int length = snprintf(path, sizeof path, "%s/%s", folder->part, entry->d_name);
        good = length < (int)sizeof path && visit(path);
    }
    closedir(listing);
    return good;
}

static bool remove_file(const char *path) {
    return unlink(path) == 0;
}

static bool to_disk(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool synced = fsync(fd) == 0;
    close(fd);
    return synced;
}

static bool make_parents(const char *path) {
    char above[PLAN_PATH_SIZE];
    snprintf(above, sizeof above, "%s", path);
    for (char *slash = strchr(above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(above, 0777) < 0 && errno != EEXIST) return false;
        *slash = '/';
    }
    return true;
}

bool folder_create(struct folder *folder, const char *out) {
    snprintf(folder->out, sizeof folder->out, "%s", out);
    snprintf(folder->part, sizeof folder->part, "%s.part", out);
    struct stat about;
    if (lstat(out, &about) == 0) {
        errno = EEXIST;
        return false;
    }
    folder_discard(folder);
    return make_parents(out) && mkdir(folder->part, 0777) == 0;
}

bool folder_finish(const struct folder *folder) {
    char parent[PLAN_PATH_SIZE];
    snprintf(parent, sizeof parent, "%s", folder->out);
    char *slash = strrchr(parent, '/');
    if (slash) slash[slash == parent] = '\0'; /* the root keeps its slash */
    return each_file(folder, to_disk) && to_disk(folder->part) && rename(folder->part, folder->out) == 0 &&
           to_disk(slash ? parent : ".");
}

void folder_discard(const struct folder *folder) {
    each_file(folder, remove_file);
    rmdir(folder->part);
}
