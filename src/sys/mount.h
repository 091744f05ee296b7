/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount interfaces of Linux 5.2 to 5.12, by descriptor only: a mount is made detached, gets its attributes, and
 * is then attached to a target that was opened before. No function here takes a path that is resolved twice. */

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/macro.h"

/* Resolves path in the tree of root_fd as if it were "/": ".." and symlinks stay inside, magic links are refused.
 * extra: further RESOLVE_* flags. Returns an fd or -errno. */
int path_open_in_root(int root_fd, const char *path, int flags, uint64_t extra);
/* Resolves on the host with the current fs credentials, refusing magic links (/proc/PID/fd and the like). */
int path_open(const char *path, int flags);

/* A new file system, mounted nowhere. options: "key", "value" pairs (value NULL: a flag), ended by NULL. attr:
 * MOUNT_ATTR_*. Returns a mount fd or -errno. */
int mount_new(const char *type, uint64_t attr, const char *const *options);

/* A detached copy of what fd shows, submounts included, with attr set on every mount of it. */
int mount_clone(int fd, uint64_t attr);
/* The same for the single mount, and for symlinks themselves. */
int mount_clone_single(int fd, uint64_t attr);

/* Attaches a detached mount on top of what target_fd refers to (a symlink too: the link itself is covered). */
int mount_attach(int mount_fd, int target_fd);

/* Makes the mount namespace's tree private, so that nothing propagates either way. */
int mounts_make_private(void);
/* Makes root_fd (a mount) the root of the namespace and drops the old one. cwd is "/" afterwards. */
int root_pivot(int root_fd);

/* For an fd that lives in another mount namespace (a gateway with PrivateTmp=): the same inode by way of a mount
 * of this namespace. -EXDEV when there is none. */
int path_reopen_here(int fd);
