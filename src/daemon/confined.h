/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a process runs inside one of our sandboxes. The agent in a sandbox and the gateway outside share a
 * uid, so that nothing but this tells them apart; confined.c says what each mark is worth. */

#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* What the daemon knows about its own sandboxes. */
typedef struct ConfinedMarks {
        /* A cgroup path (below the cgroup2 mount) of a live session. */
        bool (*is_session_cgroup)(const char *path, void *userdata);
        /* The process of a live session outside of it, the parent of its PID 1. */
        bool (*is_monitor)(pid_t pid, void *userdata);
        void *userdata;
} ConfinedMarks;

typedef enum ConfinedResult {
        CONFINED_OUTSIDE,
        CONFINED_INSIDE,
        CONFINED_UNKNOWN, /* gone, unreadable or not the one that connected: to be refused as if it were
                             inside */
} ConfinedResult;

/* pid as the kernel told it of the connection; pidfd of the same process when the kernel or the bus gave
 * one, else -EBADF (borrowed); uid as of the connection. *ret_why is static text unless the result is
 * CONFINED_OUTSIDE. *ret_pidfd, when wanted, is a pidfd of the process that was looked at, to ask later
 * whether it is still there; set with CONFINED_OUTSIDE only, -EBADF for uid 0. */
ConfinedResult confined_check(pid_t pid, int pidfd, uid_t uid, const ConfinedMarks *marks, int *ret_pidfd,
                const char **ret_why);

/* Whether the process of a pidfd has not exited. */
bool pidfd_is_alive(int pidfd);

/* The parts that only look at text; exported for the tests. */

typedef struct ProcStatus {
        pid_t parent;
        uid_t uid; /* effective */
        unsigned pid_levels; /* entries of NSpid: 1 in the reader's own pid namespace */
} ProcStatus;
/* -EBADMSG when a field is missing. */
int proc_status_parse(const char *text, ProcStatus *ret);

/* /proc/PID/uid_map: whether a part of the subordinate range of our sandboxes is mapped. -EBADMSG. */
int uid_map_has_sub_range(const char *text);

/* /proc/PID/cgroup: whether the process is in a session's cgroup, by the table of sessions or by name. */
bool cgroup_text_is_session(const char *text, const ConfinedMarks *marks);
