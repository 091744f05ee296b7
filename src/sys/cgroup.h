/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* cgroup v2 (Documentation/admin-guide/cgroup-v2.rst): where it is mounted, making and removing, limits, kill,
 * freeze. All work is relative to directory fds. */

#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* The mount point of the cgroup2 file system that this process sees ("/sys/fs/cgroup", or …/unified beside v1).
 * -ENOENT when none is mounted. */
int cgroup_mount_point(char *buf, size_t size);
/* The calling process's (pid 0) or another's path below it, from the "0::" line of /proc/PID/cgroup. */
int cgroup_of(pid_t pid, char *buf, size_t size);

/* Where the supervisor of --standalone and its daemons sit, below the cgroup in which it was started and beside
 * ocsb.slice. */
#define CGROUP_DAEMONS "/ocsb-daemons"

/* Makes (when missing) and opens name beneath dir_fd. */
int cgroup_make(int dir_fd, const char *name);
/* Whether controller is in cgroup.controllers of the directory, and in its cgroup.subtree_control after an attempt
 * to put it there. 0, -ENOTSUP when the kernel or the parent does not offer it, -EBUSY when processes in the
 * directory forbid it (the "no internal processes" rule). */
int cgroup_enable(int dir_fd, const char *controller);
/* Space separated list of the directory's cgroup.controllers. */
int cgroup_controllers(int dir_fd, char *buf, size_t size);

int cgroup_set(int dir_fd, const char *file, uint64_t value); /* UINT64_MAX writes "max" */
/* Hands the directory and the files that a delegate needs (cgroups(7), "Cgroup delegation") to uid:gid. */
int cgroup_delegate(int dir_fd, uid_t uid, gid_t gid);

/* Kills every process beneath, with one write (Linux 5.14). */
int cgroup_kill(int dir_fd);
/* Writes cgroup.freeze and waits until cgroup.events says so, at most timeout_ms. */
int cgroup_freeze(int dir_fd, bool freeze, int timeout_ms);
/* Counter of a "name value" file, as memory.events "oom_kill". */
int cgroup_counter(int dir_fd, const char *file, const char *key, uint64_t *ret);

/* Kills all beneath parent_fd/name and removes the whole subtree; waits for the last exits at most timeout_ms.
 * 0 also when it does not exist. */
int cgroup_destroy(int parent_fd, const char *name, int timeout_ms);
