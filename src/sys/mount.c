/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mounts by descriptor. */

#include "mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

int path_open_in_root(int root_fd, const char *path, int flags, uint64_t extra) {
        struct open_how how = {
                .flags = (uint64_t) flags | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra,
        };

        for (int i = 0; i < 64; i++) {
                long r = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

                if (r >= 0)
                        return (int) r;
                /* A rename somewhere raced with the lookup of "..": the manual says to try again. */
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
        return -EAGAIN;
}

int path_open(const char *path, int flags) {
        struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
        long r = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

        return r < 0 ? -errno : (int) r;
}

int mount_new(const char *type, uint64_t attr, const char *const *options) {
        _cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
        int r;

        if (fs < 0)
                return -errno;
        for (; options && options[0]; options += 2) {
                r = options[1] ? fsconfig(fs, FSCONFIG_SET_STRING, options[0], options[1], 0)
                               : fsconfig(fs, FSCONFIG_SET_FLAG, options[0], NULL, 0);
                if (r < 0)
                        return -errno;
        }
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        r = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned) attr);
        return r < 0 ? -errno : r;
}

static int clone_tree(int fd, uint64_t attr, unsigned recursive) {
        /* A clone of a shared mount, as every mount is under systemd, is its peer until told otherwise. */
        struct mount_attr a = { .attr_set = attr, .propagation = MS_PRIVATE };
        _cleanup_close_ int m = open_tree(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE |
                                                OPEN_TREE_CLOEXEC | recursive);

        if (m < 0)
                return -errno;
        if (mount_setattr(m, "", AT_EMPTY_PATH | recursive, &a, sizeof(a)) < 0)
                return -errno;
        return TAKE_FD(m);
}

int mount_clone(int fd, uint64_t attr) {
        return clone_tree(fd, attr, AT_RECURSIVE);
}

int mount_clone_single(int fd, uint64_t attr) {
        return clone_tree(fd, attr, 0);
}

int mount_attach(int mount_fd, int target_fd) {
        return move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                        ? -errno
                        : 0;
}

int mounts_make_private(void) {
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

int root_pivot(int root_fd) {
        if (fchdir(root_fd) < 0)
                return -errno;
        /* pivot_root(2): with both arguments "." the old root ends up on top of the new one at "/", where it can be
         * detached, and no directory for it has to exist. */
        if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}

/* Calls open_by_handle_at() on every mount of the device in turn; the first that yields the same inode wins. */
static int reopen_by_handle(struct file_handle *h, const struct stat *want) {
        _cleanup_free_ char *text = NULL;
        char *line, *save = NULL;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/mountinfo", 4u << 20, &text, NULL);
        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                _cleanup_close_ int mount_fd = -EBADF, fd = -EBADF;
                unsigned maj, min;
                char where[4096];
                struct stat st;

                if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &maj, &min, where) != 3 ||
                                makedev(maj, min) != want->st_dev || strchr(where, '\\'))
                        continue;
                mount_fd = open(where, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK);
                if (mount_fd < 0)
                        continue;
                fd = open_by_handle_at(mount_fd, h, O_PATH | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0)
                        continue;
                if (st.st_dev == want->st_dev && st.st_ino == want->st_ino)
                        return TAKE_FD(fd);
        }
        return -EXDEV;
}

int path_reopen_here(int fd) {
        union {
                struct file_handle h;
                char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } u = { .h.handle_bytes = MAX_HANDLE_SZ };
        struct stat st;
        int mount_id;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
                return -EXDEV;
        return reopen_by_handle(&u.h, &st);
}
