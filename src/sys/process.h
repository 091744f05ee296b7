/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processes: clone3, pidfds, identity that survives pid reuse, and dropping privileges. */

#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* fork() with namespace flags and, when cgroup_fd >= 0, a start inside that cgroup (Linux 5.7): moving a process
 * afterwards by cgroup.procs would cost milliseconds and leave a window outside. ret_pidfd may be NULL. Returns
 * the pid, 0 in the child, or -errno. The child is a copy of the calling thread. */
pid_t process_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd);

int pidfd_of(pid_t pid);
int pidfd_signal(int pidfd, int sig);

/* Field 22 of /proc/PID/stat: with the pid it names a process for good. */
int process_starttime(pid_t pid, uint64_t *ret);

/* Drops all five capability sets but what keep_mask names (bits of <linux/capability.h>; kept ones stay in
 * permitted and effective only), bounding set included. What is dropped is read back, but for the bounding set, of which
 * prctl(PR_CAPBSET_DROP) itself says whether it is gone: 41 calls more on the path of every exec. Raw system
 * calls: libcap-ng reads /proc for each (195 us on the start path). */
int capabilities_drop(uint64_t keep_mask);
/* The bounding set alone: needs CAP_SETPCAP, so it comes before a change of uid. */
int capabilities_bound(uint64_t keep_mask);
/* All sets but the bounding set, which has to be empty already. */
int capabilities_clear(void);
/* Both for good: becomes uid:gid without any capability. */
int identity_drop(uid_t uid, gid_t gid);

/* setgroups(none), then real, effective and saved ids, then verifies by reading them back. */
int identity_become(uid_t uid, gid_t gid);
/* Becomes uid:gid with the capabilities of the mask in every set, ambient and bounding included, so that the program
 * that is executed next has these and can get no other. */
int identity_become_with(uid_t uid, gid_t gid, uint64_t capabilities);
/* Takes on a user's rights to files only (fsuid, fsgid, groups); the kernel drops the file capabilities meanwhile. */
int identity_fs_enter(uid_t uid, gid_t gid, const gid_t *groups, size_t n);
int identity_fs_leave(void);

/* Resets every signal to its default and unblocks all: for the child of a process with a signalfd. */
void signals_reset(void);
/* The mask alone: for a child of a process that never set a handler. */
void signals_unblock(void);
