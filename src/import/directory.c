/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A root file system that lies in a directory. We hold a descriptor of the caller's and our own rights, which are less: what others
 * cannot read is refused with the way out (tar it as its owner). No link is followed and no mount is entered; whoever changes the
 * tree meanwhile gets a wrong image of his own tree, and nothing else's. */

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "import/layer.h"

#define DEPTH_MAX 128u
#define COPY ((size_t) 256 << 10)
#define OVERFLOW_ID 65534u

typedef struct Level {
        int fd;
        char **names;
        size_t n, next, path_len; /* of the directory itself */
} Level;

/* A file that has more than one name, and the first of them that was met. */
typedef struct Known {
        dev_t dev;
        ino_t ino;
        char *path; /* NULL: a free place */
} Known;

typedef struct Walk {
        Tree *tree;
        Digest *digest;
        char path[TREE_PATH_MAX + 1];
        Level levels[DEPTH_MAX];
        size_t depth;
        uint8_t *buffer;
        Known *known; /* a hash table with open addressing, half full at most */
        size_t n_known, n_places;
} Walk;

static Known *find_place(Known *table, size_t n_places, dev_t dev, ino_t ino) {
        size_t i = (size_t) (((uint64_t) ino ^ (uint64_t) dev << 32) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (n_places - 1);

        while (table[i].path && (table[i].ino != ino || table[i].dev != dev))
                i = (i + 1) & (n_places - 1);
        return table + i;
}

static int grow_known(Walk *w) {
        size_t n = w->n_places ? w->n_places * 2 : 256;
        Known *table;

        if (w->n_known < w->n_places / 2)
                return 0;
        table = calloc(n, sizeof(*table));
        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_places; i++)
                if (w->known[i].path)
                        *find_place(table, n, w->known[i].dev, w->known[i].ino) = w->known[i];
        free(w->known);
        w->known = table;
        w->n_places = n;
        return 0;
}

/* *ret: the name that the file has already, or NULL: it has this one from now on. */
static int known_as(Walk *w, const struct stat *st, const char **ret) {
        Known *k;
        int r = grow_known(w);

        if (r < 0)
                return r;
        k = find_place(w->known, w->n_places, st->st_dev, st->st_ino);
        *ret = k->path;
        if (k->path)
                return 0;
        *k = (Known) { .dev = st->st_dev, .ino = st->st_ino, .path = strdup(w->path) };
        w->n_known++;
        return k->path ? 0 : -ENOMEM;
}

static void level_done(Level *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->names[i]);
        free(l->names);
        fd_close(l->fd);
        *l = (Level) { .fd = -EBADF };
}

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int cannot_read(Walk *w, int error) {
        if (error == -EACCES || error == -EPERM)
                return reason_set(&w->tree->job->reason, error, "\"%s\" cannot be read by the importer; instead of the directory give "
                                                                "\"tar -C DIRECTORY -c .\", made as its owner", w->path);
        return job_failed(w->tree->job, error, "cannot read", w->path);
}

/* In the order of names: the same tree gives the same digest. */
static int read_names(Walk *w, Level *l) {
        _cleanup_close_ int copy = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t allocated = 0;
        struct dirent *e;
        int r = 0;
        DIR *d;

        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d)
                return cannot_read(w, -errno);
        (void) TAKE_FD(copy);
        while (r >= 0) {
                errno = 0;
                e = readdir(d);
                if (!e) {
                        r = errno ? cannot_read(w, -errno) : 0;
                        break;
                }
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (l->n == allocated) {
                        char **p = reallocarray(l->names, allocated = allocated ? allocated * 2 : 64, sizeof(char *));

                        if (!p) {
                                r = -ENOMEM;
                                break;
                        }
                        l->names = p;
                }
                l->names[l->n] = strdup(e->d_name);
                r = !l->names[l->n] ? -ENOMEM : l->n++ >= w->tree->job->limits.entries ? job_take_entry(w->tree->job) : 0;
        }
        closedir(d);
        if (r >= 0 && l->n > 1)
                qsort(l->names, l->n, sizeof(char *), by_name);
        return r;
}

static int push(Walk *w, int fd) {
        Level *l;

        if (w->depth == DEPTH_MAX) {
                fd_close(fd);
                return reason_set(&w->tree->job->reason, -ELOOP, "\"%s\" lies deeper than %u directories", w->path, DEPTH_MAX);
        }
        l = w->levels + w->depth++;
        *l = (Level) { .fd = fd, .path_len = strlen(w->path) };
        return read_names(w, l);
}

static uid_t known_id(uint32_t id) {
        return id > TREE_ID_MAX || id == OVERFLOW_ID ? 0 : id;
}

static void describe(Walk *w, char type, const TreeMeta *m, uint64_t size, const char *target) {
        char text[128];
        int n = snprintf(text, sizeof(text), "%c %o %u %u %llu %lld %ld ", type, (unsigned) m->mode, m->uid, m->gid, (unsigned long long) size,
                        (long long) m->mtime.tv_sec, m->mtime.tv_nsec);

        digest_add(w->digest, text, (size_t) n);
        digest_add(w->digest, w->path, strlen(w->path) + 1);
        digest_add(w->digest, target, strlen(target) + 1);
}

static int copy_file(Walk *w, int from, const struct stat *st, const TreeMeta *m) {
        _cleanup_close_ int to = -EBADF;
        uint64_t left = (uint64_t) st->st_size;
        int r = job_take_out(w->tree->job, left);

        if (r >= 0)
                r = tree_file(w->tree, w->path, m, &to);
        if (r < 0)
                return r;
        /* As long as it said: one that grows or shrinks meanwhile is the caller's own mistake. */
        while (left > 0) {
                ssize_t n = fd_read_full(from, w->buffer, MIN(left, (uint64_t) COPY));

                if (n < 0)
                        return cannot_read(w, (int) n);
                if (n == 0)
                        return reason_set(&w->tree->job->reason, -EBADMSG, "\"%s\" changes while it is read", w->path);
                digest_add(w->digest, w->buffer, (size_t) n);
                r = fd_write_all(to, w->buffer, (size_t) n);
                if (r < 0)
                        return job_failed(w->tree->job, r, "cannot write", w->path);
                left -= (uint64_t) n;
                r = job_take_in(w->tree->job, (uint64_t) n);
                if (r < 0)
                        return r;
        }
        r = tree_file_end(w->tree, to, m);
        return r < 0 ? job_failed(w->tree->job, r, "cannot write", w->path) : 0;
}

static int open_entry(int dir, const char *name, int flags) {
        struct open_how how = { .flags = (uint64_t) (flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
        long r = syscall(SYS_openat2, dir, name, &how, sizeof(how));

        return r < 0 ? -errno : (int) r;
}

static int take_link(Walk *w, int dir, const char *name, const TreeMeta *m) {
        char target[TREE_PATH_MAX + 2];
        ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

        if (n < 0)
                return cannot_read(w, -errno);
        target[n] = 0;
        describe(w, 'l', m, 0, target);
        return tree_symlink(w->tree, w->path, target, m);
}

static int take_entry(Walk *w, int dir, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        const char *first;
        struct stat st;
        TreeMeta m;
        int r;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : cannot_read(w, -errno);
        if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
                fd = open_entry(dir, name, S_ISDIR(st.st_mode) ? O_DIRECTORY : 0);
                if (fd == -EXDEV && S_ISREG(st.st_mode))
                        return reason_set(&w->tree->job->reason, -EXDEV, "\"%s\" is a mount of its own", w->path);
                if (fd < 0 && fd != -EXDEV)
                        return cannot_read(w, fd);
                /* What is open counts, not what was there a moment ago. A mount is taken as the empty directory that it hides. */
                if (fd >= 0 && fstat(fd, &st) < 0)
                        return -errno;
        }
        m = (TreeMeta) { .mode = st.st_mode & 07777, .uid = known_id(st.st_uid), .gid = known_id(st.st_gid), .mtime = st.st_mtim };
        switch (st.st_mode & S_IFMT) {
        case S_IFDIR:
                describe(w, 'd', &m, 0, "");
                r = tree_directory(w->tree, w->path, &m);
                return r < 0 || fd < 0 ? r : push(w, TAKE_FD(fd));
        case S_IFREG:
                if (fd < 0)
                        return cannot_read(w, -ESTALE);
                if (st.st_nlink > 1) {
                        r = known_as(w, &st, &first);
                        if (r < 0)
                                return r;
                        if (first) {
                                describe(w, 'h', &m, 0, first);
                                return tree_hardlink(w->tree, w->path, first);
                        }
                }
                describe(w, 'f', &m, (uint64_t) st.st_size, "");
                return copy_file(w, fd, &st, &m);
        case S_IFLNK:
                return take_link(w, dir, name, &m);
        default:
                w->tree->job->devices++;
                return job_take_entry(w->tree->job);
        }
}

static int walk(Walk *w) {
        while (w->depth > 0) {
                Level *l = w->levels + w->depth - 1;
                const char *name;
                int n, r;

                if (l->next == l->n) {
                        level_done(l);
                        w->depth--;
                        continue;
                }
                name = l->names[l->next++];
                n = snprintf(w->path + l->path_len, sizeof(w->path) - l->path_len, "%s%s", l->path_len > 0 ? "/" : "", name);
                if ((size_t) n >= sizeof(w->path) - l->path_len)
                        return reason_set(&w->tree->job->reason, -ENAMETOOLONG, "\"%s\" is too long a name", w->path);
                r = take_entry(w, l->fd, name);
                if (r < 0)
                        return r;
        }
        return tree_finish(w->tree);
}

int layer_from_directory(Tree *t, int fd, Digest *digest) {
        _cleanup_free_ Walk *w = calloc(1, sizeof(*w)); /* 10 KiB */
        _cleanup_free_ uint8_t *buffer = malloc(COPY);
        struct stat st;
        TreeMeta m;
        int r;

        if (!w || !buffer)
                return -ENOMEM;
        *w = (Walk) { .tree = t, .digest = digest, .buffer = buffer };
        if (fd_is_kernel_fs(fd))
                return reason_set(&t->job->reason, -ENOTSUP, "the directory is of one of the kernel's own file systems");
        if (fstat(fd, &st) < 0)
                return -errno;
        m = (TreeMeta) { .mode = st.st_mode & 07777, .uid = known_id(st.st_uid), .gid = known_id(st.st_gid), .mtime = st.st_mtim };
        describe(w, 'd', &m, 0, "");
        r = tree_directory(t, "", &m);
        if (r >= 0) {
                int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                r = top < 0 ? cannot_read(w, -errno) : push(w, top);
        }
        if (r >= 0)
                r = walk(w);
        while (w->depth > 0)
                level_done(w->levels + --w->depth);
        for (size_t i = 0; i < w->n_places; i++)
                free(w->known[i].path);
        free(w->known);
        return r;
}
