/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program in a user namespace of its own, as ocsb-import is started.
 *
 * Whoever calls is root. The program gets: new user, network, mount, ipc, uts and pid namespaces; ids 0 … count-1 inside that are sub_id … on the
 * disk, and one more, USERNS_SELF, which is uid:gid outside and the program's own: so that it is no id of any image, and may neither signal nor
 * trace what runs as one. The capabilities of the mask, over nothing but what those ids own. One descriptor, the socket, as number 3; stdin and
 * stdout are /dev/null, stderr stays. No environment but what is given, no process group or session of ours, and SIGKILL when its parent
 * (the calling thread) ends. The caller puts it into a cgroup, waits for it (pidfd), and owns its end of the socket; to cancel is to close that. */

#include "base/macro.h"

#include <sys/types.h>

#define USERNS_SOCKET 3

typedef struct UsernsProgram {
        int program;         /* an fd of the executable (O_PATH will do) */
        char *const *argv;   /* NULL-terminated */
        char *const *env;
        int socket;          /* borrowed */
        uid_t uid;           /* of its own user: never 0 */
        gid_t gid;
        uint32_t sub_id, sub_count; /* OCSB_SUB_ID, OCSB_SUB_COUNT */
        uint64_t capabilities;
        int cgroup_fd;       /* < 0: the caller's */
} UsernsProgram;

/* Returns the pid with *ret_pidfd, or -errno when it was not executed. */
pid_t userns_start(const UsernsProgram *p, int *ret_pidfd);
