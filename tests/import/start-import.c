/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* start-import PROGRAM UID FD: starts ocsb-import as ocsb-stage does, with FD as its socket, and ends as it ends. */

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "sys/userns.h"
#include "wire/plan.h"

int main(int argc, char *argv[]) {
        char *args[] = { (char *) "ocsb-import", NULL }, *env[3] = {};
        UsernsProgram p = { .argv = args, .env = env, .sub_id = OCSB_SUB_ID, .sub_count = OCSB_SUB_COUNT, .cgroup_fd = -1,
                .capabilities = UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_FOWNER };
        int pidfd, status, n = 0;
        uint32_t uid, sock;
        pid_t pid;

        if (argc != 4 || parse_u32(argv[2], &uid) < 0 || parse_u32(argv[3], &sock) < 0)
                return 2;
        p.program = open(argv[1], O_PATH | O_CLOEXEC);
        p.uid = uid;
        p.gid = uid;
        p.socket = (int) sock;
        for (char **e = environ; *e && n < 2; e++)
                if (str_has_prefix(*e, "OCSB_FAULT=") || str_has_prefix(*e, "ASAN_OPTIONS="))
                        env[n++] = *e;
        pid = userns_start(&p, &pidfd);
        if (pid < 0) {
                fprintf(stderr, "start-import: %s\n", strerror(-pid));
                return 125;
        }
        fd_close(p.socket);
        /* The test kills the importer by this number. */
        printf("%d\n", (int) pid);
        (void) fflush(stdout);
        if (waitpid(pid, &status, 0) < 0)
                return 125;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
