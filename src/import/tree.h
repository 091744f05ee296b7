/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A tree being written beneath one directory, by descriptors only: whatever its names and links say, nothing outside is seen or
 * touched. The form is that of an overlayfs layer. */

#include <sys/types.h>
#include <time.h>

#include "import/job.h"

#define TREE_PATH_MAX 4095u
#define TREE_NAME_MAX 255u
/* Mounted with "userxattr": the trusted.* form needs CAP_SYS_ADMIN in the first user namespace. */
#define TREE_OPAQUE "user.overlay.opaque"
/* Ids of an image are 0 … 65535, as those of a sandbox are. */
#define TREE_ID_MAX 65535u

typedef struct TreeMeta {
        mode_t mode; /* permissions; setuid and setgid bits are dropped and counted */
        uid_t uid;
        gid_t gid;
        struct timespec mtime;
} TreeMeta;

typedef struct TreeTime {
        char *path;
        struct timespec mtime;
} TreeTime;

typedef struct Tree {
        Job *job;
        int root;   /* owned */
        bool chown; /* false: whose test this is owns everything */
        char cached[TREE_PATH_MAX + 1];
        int cached_fd; /* the directory of that path; -EBADF: none */
        TreeTime *times; /* of directories: set last, because making entries changes them */
        size_t n_times, n_times_allocated;
} Tree;

/* Takes root, an empty directory. */
void tree_init(Tree *t, Job *job, int root, bool chown);
void tree_done(Tree *t);
#define _cleanup_tree_ _cleanup_(tree_done)
/* The last step. */
int tree_finish(Tree *t);

/* "/a//b/./c" is "a/b/c", "." is ""; a component ".." and names that are too long are refused with a reason. */
int tree_path(Job *job, const char *name, char ret[static TREE_PATH_MAX + 1]);

/* path: from tree_path(). What is there under that name already goes, as with tar: the last one counts. Directories that are missing
 * on the way are made; symlinks on the way are followed inside the tree (an image's own /lib -> usr/lib), never the last
 * component. */
int tree_directory(Tree *t, const char *path, const TreeMeta *m);
int tree_file(Tree *t, const char *path, const TreeMeta *m, int *ret_fd); /* to be written, then: */
int tree_file_end(Tree *t, int fd, const TreeMeta *m);
int tree_symlink(Tree *t, const char *path, const char *target, const TreeMeta *m);
int tree_hardlink(Tree *t, const char *path, const char *target_path);
int tree_whiteout(Tree *t, const char *path);
int tree_opaque(Tree *t, const char *path);
/* Only user.* but overlayfs's own is kept, the rest counted. path: of a file or directory that has been made. */
int tree_xattr(Tree *t, const char *path, const char *name, const void *value, size_t n);

/* Removes name beneath dir_fd and all below it, in constant memory and with two descriptors however deep it is. -ENOENT is no error. */
int tree_remove(int dir_fd, const char *name);
