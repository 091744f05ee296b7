/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors: closing, complete reads and writes, sealed memfds, atomic files, and what kind of thing an
 * untrusted fd is. Every fd made here is O_CLOEXEC. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "macro.h"

void fd_closep(int *fd);
#define _cleanup_close_ _cleanup_(fd_closep)

/* Closes fd when it is >= 0, keeps errno, returns -EBADF so that `x = fd_close(x)` invalidates the variable. */
int fd_close(int fd);
void fd_close_many(int *fds, size_t n);

/* Duplicates to a number >= 3 with O_CLOEXEC; the original stays with the caller. Returns the fd or -errno. */
int fd_dup(int fd);
int fd_set_nonblock(int fd, bool nonblock);

/* Loops over EINTR and short counts. fd_read_full() returns the bytes read (less than n only at end of file). */
int fd_write_all(int fd, const void *data, size_t n);
ssize_t fd_read_full(int fd, void *data, size_t n);

/* Reads a whole regular file of at most max bytes; *ret is NUL-terminated (the NUL is not counted) and owned by
 * the caller. -EFBIG when longer, -ENOTSUP when not a regular file. */
int fd_read_file(int fd, size_t max, char **ret, size_t *ret_len);
int file_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_len);

/* Writes name beneath dir_fd by temporary file and rename, mode as given. No fsync: /run only. */
int file_write_atomic(int dir_fd, const char *name, const void *data, size_t n, mode_t mode);

/* For proc and cgroup files: one open, one write, errors from either. */
int file_write_at(int dir_fd, const char *name, const char *text);

/* A memfd with all of data, sealed against shrink, grow, write and further seals. Returns the fd. */
int memfd_sealed(const char *name, const void *data, size_t n);
/* 0 when fd is a memfd with exactly those seals set (more allowed), -EPERM when not. */
int memfd_check_sealed(int fd);

typedef enum FdKind {
        FD_KIND_PIPE,
        FD_KIND_FILE,
        FD_KIND_DIRECTORY,
        FD_KIND_NULLISH,  /* /dev/null, zero, full, random, urandom by device number */
        FD_KIND_TTY,
        FD_KIND_SOCKET,
        FD_KIND_PATH,     /* opened with O_PATH, whatever it points to */
        FD_KIND_OTHER,    /* block and other character devices, anonymous inodes, files of the kernel's file systems */
        _FD_KIND_MAX,
        _FD_KIND_INVALID = -EINVAL,
} FdKind;

/* Whether fd is on a file system that is an interface of the kernel, or cannot be asked. Namespaces, /proc/PID/mem,
 * cgroup and sysfs files call themselves regular: for a sandbox they are not, whatever path leads to them. */
bool fd_is_kernel_fs(int fd);

/* What an fd from outside is, by fstat() and F_GETFL only: nothing is opened, nothing is resolved. -errno on error. */
FdKind fd_kind(int fd);
const char *fd_kind_to_string(FdKind k);

/* Whether an fd may become the stdio of an exec: pipes, regular files, the null-like devices. A terminal would
 * allow TIOCSTI into the caller's shell (CVE-2017-5226), a socket would let descriptors pass into the sandbox. */
bool fd_kind_is_stdio(FdKind k);
