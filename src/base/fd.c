/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* File descriptor helpers: the only place of the project that loops over short reads and writes. */

#include "fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                /* EINTR from close() still closes on Linux: never retried. */
                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

void fd_close_many(int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                fds[i] = fd_close(fds[i]);
}

int fd_dup(int fd) {
        int r = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        return r < 0 ? -errno : r;
}

int fd_set_nonblock(int fd, bool nonblock) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        flags = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_write_all(int fd, const void *data, size_t n) {
        const uint8_t *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t n) {
        uint8_t *p = data;
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(fd, p + done, n - done);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        break;
                done += (size_t) k;
        }
        return (ssize_t) done;
}

int fd_read_file(int fd, size_t max, char **ret, size_t *ret_len) {
        _cleanup_free_ char *buf = NULL;
        struct stat st;
        ssize_t k;
        size_t size;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENOTSUP;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;

        /* procfs and cgroupfs files report a size of 0: always read up to the limit, and one byte more to see
         * a file that grew. */
        size = st.st_size > 0 ? (size_t) st.st_size : MIN(max, (size_t) 4 << 20);
        buf = malloc(size + 2);
        if (!buf)
                return -ENOMEM;
        k = fd_read_full(fd, buf, size + 1);
        if (k < 0)
                return (int) k;
        if ((size_t) k > size || (size_t) k > max)
                return -EFBIG;
        buf[k] = 0;
        if (ret_len)
                *ret_len = (size_t) k;
        *ret = TAKE_PTR(buf);
        return 0;
}

int file_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        return fd_read_file(fd, max, ret, ret_len);
}

int file_write_atomic(int dir_fd, const char *name, const void *data, size_t n, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        char tmp[300];
        int r;

        r = snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
        if (r < 0 || (size_t) r >= sizeof(tmp))
                return -ENAMETOOLONG;
        (void) unlinkat(dir_fd, tmp, 0);
        fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        r = fchmod(fd, mode) < 0 ? -errno : fd_write_all(fd, data, n); /* whatever the umask */
        if (r >= 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, tmp, 0);
        return r;
}

int file_write_at(int dir_fd, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        size_t n = strlen(text);
        ssize_t k;

        if (fd < 0)
                return -errno;
        /* Kernel control files take the whole value in one write(). */
        k = write(fd, text, n);
        if (k < 0)
                return -errno;
        return (size_t) k == n ? 0 : -EIO;
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int memfd_sealed(const char *name, const void *data, size_t n) {
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, n);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int memfd_check_sealed(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & SEALS) == SEALS ? 0 : -EPERM;
}

bool fd_is_kernel_fs(int fd) {
        struct statfs s;

        if (fstatfs(fd, &s) < 0)
                return true;
        switch ((unsigned long) s.f_type) {
        case PROC_SUPER_MAGIC:
        case SYSFS_MAGIC:
        case CGROUP_SUPER_MAGIC:
        case CGROUP2_SUPER_MAGIC:
        case DEBUGFS_MAGIC:
        case TRACEFS_MAGIC:
        case SECURITYFS_MAGIC:
        case SELINUX_MAGIC:
        case BPF_FS_MAGIC:
        case DEVPTS_SUPER_MAGIC:
        case NSFS_MAGIC:
        case EFIVARFS_MAGIC:
        case 0x62656570UL: /* configfs */
        case 0x50495045UL: /* pipefs */
        case 0x50494446UL: /* pidfs */
                return true;
        default:
                return false;
        }
}

FdKind fd_kind(int fd) {
        struct stat st;
        int flags;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fstat(fd, &st) < 0)
                return (FdKind) -errno;
        if (flags & O_PATH)
                return FD_KIND_PATH;
        switch (st.st_mode & S_IFMT) {
        case S_IFIFO:
                return FD_KIND_PIPE;
        case S_IFREG:
                return fd_is_kernel_fs(fd) ? FD_KIND_OTHER : FD_KIND_FILE;
        case S_IFDIR:
                return FD_KIND_DIRECTORY;
        case S_IFSOCK:
                return FD_KIND_SOCKET;
        case S_IFCHR:
                if (major(st.st_rdev) == 1) {
                        unsigned m = minor(st.st_rdev);

                        return m == 3 || m == 5 || m == 7 || m == 8 || m == 9 ? FD_KIND_NULLISH : FD_KIND_OTHER;
                }
                /* 4 tty/ttyS, 5 tty/console/ptmx, 136-143 pts, 188 ttyUSB, 204 ttyAMA; isatty() asks the driver for
                 * the ones with dynamic numbers. */
                return major(st.st_rdev) == 4 || major(st.st_rdev) == 5 ||
                                                (major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143) ||
                                                isatty(fd)
                                ? FD_KIND_TTY
                                : FD_KIND_OTHER;
        default:
                return FD_KIND_OTHER;
        }
}

const char *fd_kind_to_string(FdKind k) {
        static const char *const names[_FD_KIND_MAX] = {
                [FD_KIND_PIPE] = "pipe",     [FD_KIND_FILE] = "file",     [FD_KIND_DIRECTORY] = "directory",
                [FD_KIND_NULLISH] = "null",  [FD_KIND_TTY] = "terminal",  [FD_KIND_SOCKET] = "socket",
                [FD_KIND_PATH] = "O_PATH",   [FD_KIND_OTHER] = "device",
        };

        return k >= 0 && k < _FD_KIND_MAX ? names[k] : "invalid";
}

bool fd_kind_is_stdio(FdKind k) {
        return k == FD_KIND_PIPE || k == FD_KIND_FILE || k == FD_KIND_NULLISH;
}
