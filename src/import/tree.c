/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing a layer. Every step goes from a descriptor: the parent is resolved beneath the layer's root (openat2 with
 * RESOLVE_IN_ROOT: ".." and absolute links end at that root), the entry itself is made in it by its last name with O_EXCL or a call that
 * follows nothing.
 *
 * Whiteouts are character devices 0:0. Anybody may make those since Linux 5.8 (vfs_mknod() knows them), every overlayfs takes them;
 * the extended attribute form (overlay.whiteout) came with 6.7. Opaque directories have "user.overlay.opaque". */

#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

#define MODE_MASK (S_IRWXU | S_IRWXG | S_IRWXO)

void tree_init(Tree *t, Job *job, int root, bool chown) {
        *t = (Tree) { .job = job, .root = root, .chown = chown, .cached_fd = -EBADF };
}

static void drop_cache(Tree *t) {
        t->cached_fd = fd_close(t->cached_fd);
}

void tree_done(Tree *t) {
        drop_cache(t);
        t->root = fd_close(t->root);
        for (size_t i = 0; i < t->n_times; i++)
                free(t->times[i].path);
        free(t->times);
        t->times = NULL;
        t->n_times = 0;
}

/* ---- names ---- */

int tree_path(Job *job, const char *name, char ret[static TREE_PATH_MAX + 1]) {
        size_t len = 0;

        for (const char *p = name; *p;) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return reason_set(&job->reason, -EBADMSG, "\"%s\" has a \"..\" in its name", name);
                if (n > TREE_NAME_MAX || len + n + 1 > TREE_PATH_MAX)
                        return reason_set(&job->reason, -EBADMSG, "\"%s\" is too long a name", name);
                if (n > 0 && !(n == 1 && p[0] == '.')) {
                        if (len > 0)
                                ret[len++] = '/';
                        memcpy(ret + len, p, n);
                        len += n;
                }
                p += n + strspn(p + n, "/");
        }
        ret[len] = 0;
        return 0;
}

static int open_in_root(Tree *t, const char *path, int flags) {
        struct open_how how = { .flags = (uint64_t) (flags | O_CLOEXEC),
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
        long r = syscall(SYS_openat2, t->root, *path ? path : ".", &how, sizeof(how));

        return r < 0 ? -errno : (int) r;
}

static int failed(Tree *t, int error, const char *what, const char *path) {
        if (error == -ENOTDIR)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" lies beneath something that is no directory", path);
        if (error == -ENOLINK)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" lies beneath a link that leads nowhere", path);
        if (error == -ELOOP)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" lies beneath too many links, or links in a circle", path);
        return job_failed(t->job, error, what, path);
}

/* One after the other: what is there, a link included, is used; what is not is made as root's, 0755. */
static int make_directories(Tree *t, char *path) {
        _cleanup_close_ int parent = open_in_root(t, "", O_PATH | O_DIRECTORY);
        char *p = path;

        if (parent < 0)
                return parent;
        for (;;) {
                char *end = p + strcspn(p, "/"), saved = *end;
                int fd, r;

                *end = 0;
                fd = open_in_root(t, path, O_PATH | O_DIRECTORY);
                if (fd == -ENOENT) {
                        r = job_take_entry(t->job);
                        if (r >= 0 && mkdirat(parent, p, 0755) < 0)
                                /* There, but not to be opened: a link that leads nowhere. Nobody meant that; tar refuses it, too. */
                                r = errno == EEXIST ? -ENOLINK : -errno;
                        if (r >= 0 && t->chown && fchownat(parent, p, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
                                r = -errno;
                        fd = r < 0 ? r : openat(parent, p, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                        if (fd < 0 && r >= 0)
                                fd = -errno;
                }
                *end = saved;
                if (fd < 0)
                        return fd;
                fd_close(parent);
                parent = fd;
                if (!saved)
                        return TAKE_FD(parent);
                p = end + 1;
        }
}

/* The directory that path is in (borrowed, until the next call) and its last component. */
static int open_parent(Tree *t, const char *path, const char **ret_leaf) {
        char dir[TREE_PATH_MAX + 1];
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t) (slash - path) : 0;
        int fd;

        *ret_leaf = slash ? slash + 1 : path;
        if (t->cached_fd >= 0 && strncmp(t->cached, path, n) == 0 && t->cached[n] == 0)
                return t->cached_fd;
        drop_cache(t);
        memcpy(dir, path, n);
        dir[n] = 0;
        fd = open_in_root(t, dir, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT)
                fd = make_directories(t, dir);
        if (fd < 0)
                return failed(t, fd, "cannot open the directory of", path);
        memcpy(t->cached, dir, n + 1);
        return t->cached_fd = fd;
}

/* ---- making ---- */

static bool is_whiteout(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Makes room for another entry of that name. *ret_hidden: a whiteout was there, what is made now hides a lower directory, too. */
static int make_room(Tree *t, int parent, const char *leaf, bool *ret_hidden) {
        struct stat st;

        if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (ret_hidden)
                *ret_hidden = is_whiteout(&st);
        /* Paths may lead elsewhere from now on. The caller still holds parent by the cache's descriptor: only the name goes. */
        strcpy(t->cached, "/");
        if (!S_ISDIR(st.st_mode))
                return unlinkat(parent, leaf, 0) < 0 ? -errno : 0;
        return tree_remove(parent, leaf);
}

static mode_t permissions(Tree *t, const TreeMeta *m, mode_t mask) {
        if (m->mode & (S_ISUID | S_ISGID))
                t->job->setuid++;
        return m->mode & mask;
}

static int check_owner(Tree *t, const TreeMeta *m, const char *path) {
        if (m->uid > TREE_ID_MAX || m->gid > TREE_ID_MAX)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" belongs to the id %u:%u, over %u, which a sandbox does not have", path, m->uid,
                                m->gid, TREE_ID_MAX);
        return 0;
}

static int begin(Tree *t, const char *path, const TreeMeta *m, const char **ret_leaf) {
        int r = job_take_entry(t->job);

        if (r >= 0 && m)
                r = check_owner(t, m, path);
        if (r < 0)
                return r;
        if (!*path)
                return reason_set(&t->job->reason, -EBADMSG, "the top of the tree has to be a directory");
        return open_parent(t, path, ret_leaf);
}

static int set_owner(Tree *t, int parent, const char *leaf, const TreeMeta *m) {
        return t->chown && fchownat(parent, leaf, m->uid, m->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int remember_time(Tree *t, const char *path, struct timespec mtime) {
        if (t->n_times == t->n_times_allocated) {
                size_t n = t->n_times_allocated ? t->n_times_allocated * 2 : 64;
                TreeTime *p = reallocarray(t->times, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                t->times = p;
                t->n_times_allocated = n;
        }
        t->times[t->n_times] = (TreeTime) { .path = strdup(path), .mtime = mtime };
        return t->times[t->n_times++].path ? 0 : -ENOMEM;
}

static int set_opaque(int parent, const char *leaf) {
        _cleanup_close_ int fd = openat(parent, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 || fsetxattr(fd, TREE_OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
}

static int top_directory(Tree *t, const TreeMeta *m) {
        int r = check_owner(t, m, "/");

        if (r < 0)
                return r;
        r = set_owner(t, t->root, "", m);
        if (r >= 0 && fchmod(t->root, permissions(t, m, MODE_MASK | S_ISVTX)) < 0)
                r = -errno;
        return r < 0 ? failed(t, r, "cannot set the owner of", "/") : remember_time(t, "", m->mtime);
}

int tree_directory(Tree *t, const char *path, const TreeMeta *m) {
        mode_t mode;
        const char *leaf;
        bool hidden = false;
        struct stat st;
        int parent, r;

        if (!*path)
                return top_directory(t, m);
        parent = begin(t, path, m, &leaf);
        if (parent < 0)
                return parent;
        mode = permissions(t, m, MODE_MASK | S_ISVTX);
        r = mkdirat(parent, leaf, mode) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        r = -errno;
                else if (S_ISDIR(st.st_mode))
                        r = 0;
                else
                        r = make_room(t, parent, leaf, &hidden);
                if (r >= 0 && !S_ISDIR(st.st_mode) && mkdirat(parent, leaf, mode) < 0)
                        r = -errno;
                if (r >= 0 && hidden)
                        r = set_opaque(parent, leaf);
        }
        if (r >= 0)
                r = set_owner(t, parent, leaf, m);
        /* Whatever the umask, and for one that was there. */
        if (r >= 0 && fchmodat(parent, leaf, mode, 0) < 0)
                r = -errno;
        if (r < 0)
                return failed(t, r, "cannot make the directory", path);
        return remember_time(t, path, m->mtime);
}

int tree_file(Tree *t, const char *path, const TreeMeta *m, int *ret_fd) {
        const char *leaf;
        int parent = begin(t, path, m, &leaf), fd, r;

        if (parent < 0)
                return parent;
        for (int attempt = 0;; attempt++) {
                fd = openat(parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
                if (fd >= 0 || errno != EEXIST || attempt > 0)
                        break;
                r = make_room(t, parent, leaf, NULL);
                if (r < 0)
                        return failed(t, r, "cannot replace", path);
        }
        if (fd < 0)
                return failed(t, -errno, "cannot make the file", path);
        *ret_fd = fd;
        return 0;
}

int tree_file_end(Tree *t, int fd, const TreeMeta *m) {
        struct timespec times[2] = { m->mtime, m->mtime };
        int r = set_owner(t, fd, "", m);

        if (r >= 0 && fchmod(fd, permissions(t, m, MODE_MASK)) < 0)
                r = -errno;
        if (r >= 0 && futimens(fd, times) < 0)
                r = -errno;
        return r;
}

int tree_symlink(Tree *t, const char *path, const char *target, const TreeMeta *m) {
        struct timespec times[2] = { m->mtime, m->mtime };
        const char *leaf;
        int parent, r;

        if (!*target || strlen(target) > TREE_PATH_MAX)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" is a link to nothing, or to too long a name", path);
        parent = begin(t, path, m, &leaf);
        if (parent < 0)
                return parent;
        r = make_room(t, parent, leaf, NULL);
        if (r >= 0 && symlinkat(target, parent, leaf) < 0)
                r = -errno;
        if (r >= 0)
                r = set_owner(t, parent, leaf, m);
        if (r >= 0 && utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        return r < 0 ? failed(t, r, "cannot make the link", path) : 0;
}

int tree_hardlink(Tree *t, const char *path, const char *target) {
        _cleanup_close_ int from = -EBADF;
        const char *leaf, *target_leaf;
        struct stat st;
        int parent, r;

        if (streq(path, target))
                return 0; /* some tools write that; it is there already, or missing below */
        parent = open_parent(t, target, &target_leaf);
        if (parent < 0)
                return parent;
        from = fd_dup(parent);
        if (from < 0)
                return from;
        if (!*target || fstatat(from, target_leaf, &st, AT_SYMLINK_NOFOLLOW) < 0 || (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)))
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" is a hard link to \"%s\", which is no file of the same layer", path, target);
        parent = begin(t, path, NULL, &leaf);
        if (parent < 0)
                return parent;
        r = make_room(t, parent, leaf, NULL);
        if (r >= 0 && linkat(from, target_leaf, parent, leaf, 0) < 0)
                r = -errno;
        return r < 0 ? failed(t, r, "cannot make the hard link", path) : 0;
}

int tree_whiteout(Tree *t, const char *path) {
        const char *leaf;
        struct stat st;
        int parent = begin(t, path, NULL, &leaf), r;

        if (parent < 0)
                return parent;
        /* It hides what lower layers have, not what this one has brought. */
        if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                r = S_ISDIR(st.st_mode) ? set_opaque(parent, leaf) : 0;
        else
                r = mknodat(parent, leaf, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
        return r < 0 ? failed(t, r, "cannot mark as removed", path) : 0;
}

int tree_opaque(Tree *t, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        char inside[TREE_PATH_MAX + 3];
        const char *leaf;
        int r = job_take_entry(t->job);

        if (r < 0)
                return r;
        /* Its own directory is the "parent" of any name in it, and so made when it is missing. */
        if ((size_t) snprintf(inside, sizeof(inside), "%s%sx", path, *path ? "/" : "") > TREE_PATH_MAX)
                return -ENAMETOOLONG;
        r = open_parent(t, inside, &leaf);
        if (r < 0)
                return r;
        fd = openat(r, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsetxattr(fd, TREE_OPAQUE, "y", 1, 0) < 0)
                return failed(t, -errno, "cannot mark as opaque", path);
        return 0;
}

int tree_xattr(Tree *t, const char *path, const char *name, const void *value, size_t n) {
        _cleanup_close_ int fd = -EBADF;
        const char *leaf;
        int parent;

        if (!str_has_prefix(name, "user.") || str_has_prefix(name, "user.overlay.")) {
                t->job->xattrs++;
                return 0;
        }
        parent = *path ? open_parent(t, path, &leaf) : t->root;
        if (parent < 0)
                return parent;
        fd = openat(parent, *path ? leaf : ".", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        /* No place, no support, or too long for this file system (ext4 says the disk is full then): it is left out like others. */
        if (fd < 0 || fsetxattr(fd, name, value, n, 0) < 0)
                t->job->xattrs++;
        return 0;
}

int tree_finish(Tree *t) {
        for (size_t i = 0; i < t->n_times; i++) {
                struct timespec times[2] = { t->times[i].mtime, t->times[i].mtime };
                _cleanup_close_ int fd = open_in_root(t, t->times[i].path, O_PATH | O_DIRECTORY | O_NOFOLLOW);

                /* Replaced by another entry since: nothing to do. */
                if (fd < 0)
                        continue;
                if (utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
                        return failed(t, -errno, "cannot set the time of", t->times[i].path);
        }
        return 0;
}

/* ---- removing ---- */

/* The first entry that is a directory with something in it, all others are removed. *ret: opened, or -ENOENT when none is left. */
static int empty_directory(int fd, int *ret) {
        _cleanup_close_ int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *e;
        DIR *d;
        int r = 0;

        *ret = -ENOENT;
        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d)
                return -errno;
        (void) TAKE_FD(copy);
        while (r == 0 && *ret < 0) {
                errno = 0;
                e = readdir(d);
                if (!e) {
                        r = -errno;
                        break;
                }
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (e->d_type != DT_DIR && unlinkat(fd, e->d_name, 0) >= 0)
                        continue;
                if (unlinkat(fd, e->d_name, AT_REMOVEDIR) >= 0)
                        continue;
                if (errno != ENOTEMPTY && errno != EEXIST)
                        r = -errno;
                else {
                        *ret = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                        r = *ret < 0 ? -errno : 0;
                }
        }
        closedir(d);
        return r;
}

int tree_remove(int dir_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        size_t depth = 0;
        int below, r;

        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0)
                return 0;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* Down into what is not empty, up again by "..": nobody else moves anything in here, and what is empty goes on the way. */
        for (;;) {
                r = empty_directory(fd, &below);
                if (r < 0)
                        return r;
                if (below < 0) {
                        if (depth == 0)
                                break;
                        below = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (below < 0)
                                return -errno;
                        depth--;
                } else
                        depth++;
                fd_close(fd);
                fd = below;
        }
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
