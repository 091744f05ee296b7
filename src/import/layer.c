/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries of a tar archive, one after the other, into a tree. Nothing that an entry says is trusted; what cannot be in a sandbox
 * (devices, setuid bits, file capabilities) is left out and counted, what makes no sense ends the import. */

#include "layer.h"

#include <archive_entry.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

static int failed(Tree *t, int error, const char *path) {
        return job_failed(t->job, error, "cannot write", path);
}

static int write_block(int fd, const void *p, size_t n, int64_t offset, int64_t *position) {
        if (offset != *position && lseek(fd, offset, SEEK_SET) < 0)
                return -errno;
        *position = offset + (int64_t) n;
        return fd_write_all(fd, p, n);
}

/* Sparse files stay sparse, but count in full: they are no way around a limit. */
static int write_data(Tree *t, struct archive *a, int fd, int64_t size, const char *path) {
        int64_t position = 0, offset;
        const void *p;
        size_t n;
        int r;

        for (;;) {
                r = archive_read_data_block(a, &p, &n, &offset);
                if (r == ARCHIVE_EOF)
                        break;
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return stream_archive_failed(t->job, a, path);
                if (offset < position || offset > size || (int64_t) n > size - offset)
                        return reason_set(&t->job->reason, -EBADMSG, "\"%s\" has more data than it says", path);
                r = write_block(fd, p, n, offset, &position);
                if (r < 0)
                        return failed(t, r, path);
                r = job_tick(t->job);
                if (r < 0)
                        return r;
        }
        if (position < size && ftruncate(fd, size) < 0)
                return failed(t, -errno, path);
        return 0;
}

static TreeMeta meta_of(struct archive_entry *e) {
        int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
        long nsec = archive_entry_mtime_is_set(e) ? archive_entry_mtime_nsec(e) : 0;

        return (TreeMeta) {
                .mode = archive_entry_perm(e),
                .uid = uid < 0 || uid > UINT32_MAX ? UINT32_MAX : (uid_t) uid,
                .gid = gid < 0 || gid > UINT32_MAX ? UINT32_MAX : (gid_t) gid,
                .mtime = { .tv_sec = archive_entry_mtime(e), .tv_nsec = nsec >= 0 && nsec < 1000000000 ? nsec : 0 },
        };
}

static int unpack_file(Tree *t, struct archive *a, struct archive_entry *e, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        TreeMeta m = meta_of(e);
        int64_t size = archive_entry_size(e);
        int r;

        if (size < 0)
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" has a negative size", path);
        r = job_take_out(t->job, (uint64_t) size);
        if (r >= 0)
                r = tree_file(t, path, &m, &fd);
        if (r >= 0)
                r = write_data(t, a, fd, size, path);
        if (r < 0)
                return r;
        r = tree_file_end(t, fd, &m);
        return r < 0 ? failed(t, r, path) : 0;
}

static int unpack_xattrs(Tree *t, struct archive_entry *e, const char *path) {
        const char *name;
        const void *value;
        size_t n;

        if (archive_entry_xattr_reset(e) == 0)
                return 0;
        while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
                int r = name ? tree_xattr(t, path, name, value, n) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int unpack_hardlink(Tree *t, struct archive_entry *e, const char *path) {
        const char *target = archive_entry_hardlink(e);
        char to[TREE_PATH_MAX + 1];
        int r = target ? tree_path(t->job, target, to) : -EBADMSG;

        if (r < 0)
                return reason_set(&t->job->reason, r, "\"%s\" is a hard link to what is no name", path);
        return tree_hardlink(t, path, to);
}

/* "x/.wh.y" removes y of x, "x/.wh..wh..opq" all that lower layers have in x; other .wh..wh. names are of aufs. */
static int unpack_whiteout(Tree *t, const char *path, char *leaf) {
        char target[TREE_PATH_MAX + 1];
        size_t dir = (size_t) (leaf - path);

        memcpy(target, path, dir);
        if (streq(leaf, WHITEOUT_OPAQUE)) {
                target[dir > 0 ? dir - 1 : 0] = 0;
                return tree_opaque(t, target);
        }
        if (str_has_prefix(leaf, WHITEOUT_META))
                return 0;
        leaf += strlen(WHITEOUT);
        if (!*leaf || streq(leaf, ".") || streq(leaf, ".."))
                return reason_set(&t->job->reason, -EBADMSG, "\"%s\" removes what is no name", path);
        strcpy(target + dir, leaf);
        return tree_whiteout(t, target);
}

static int unpack_entry(Tree *t, struct archive *a, struct archive_entry *e) {
        const char *name = archive_entry_pathname(e), *target;
        char path[TREE_PATH_MAX + 1], *leaf;
        TreeMeta m = meta_of(e);
        int r;

        if (!name || !*name)
                return reason_set(&t->job->reason, -EBADMSG, "an entry has no name, or one that is no text");
        r = tree_path(t->job, name, path);
        if (r < 0)
                return r;
        leaf = strrchr(path, '/');
        leaf = leaf ? leaf + 1 : path;
        if (str_has_prefix(leaf, WHITEOUT))
                return unpack_whiteout(t, path, leaf);
        if (archive_entry_hardlink(e))
                return unpack_hardlink(t, e, path);
        switch (archive_entry_filetype(e)) {
        case AE_IFREG:
                r = unpack_file(t, a, e, path);
                return r < 0 ? r : unpack_xattrs(t, e, path);
        case AE_IFDIR:
                r = tree_directory(t, path, &m);
                return r < 0 ? r : unpack_xattrs(t, e, path);
        case AE_IFLNK:
                target = archive_entry_symlink(e);
                return tree_symlink(t, path, target ? target : "", &m);
        default:
                /* Devices, fifos, sockets: nothing in a sandbox could open the first, and the others are made by those who use them. */
                t->job->devices++;
                return job_take_entry(t->job);
        }
}

int layer_from_tar(Tree *t, Stream *tar) {
        _cleanup_archive_ struct archive *a = NULL;
        int r = stream_open_tar(tar, &a);

        if (r < 0)
                return r;
        for (;;) {
                struct archive_entry *e;

                r = archive_read_next_header(a, &e);
                if (r == ARCHIVE_EOF)
                        return tree_finish(t);
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return stream_archive_failed(t->job, a, "the archive");
                r = unpack_entry(t, a, e);
                if (r < 0)
                        return r;
        }
}
