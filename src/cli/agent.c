/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As systemd's spawn-polkit-agent.c, but for one thing: in a caller without a login session (su, cron, a
 * container) an agent registered with --fallback is never asked by polkit 122 to 127; there it registers as
 * a full one. */

#include "agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define AGENT_PATH "/usr/bin/pkttyagent"
#define REGISTER_TIMEOUT_MSEC 10000

void agent_stop(Agent *a) {
        if (a->pid <= 0)
                return;
        (void) kill(a->pid, SIGTERM);
        /* It restores the terminal's echo on SIGTERM: not before it has ended is the terminal ours again. */
        while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        a->pid = 0;
}

bool agent_possible(bool no_ask_password) {
        return !no_ask_password && geteuid() != 0 && isatty(STDIN_FILENO);
}

int agent_start(Agent *a) {
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        const char *session = getenv("XDG_SESSION_ID");
        struct pollfd p;
        int fds[2];

        if (a->pid > 0)
                return 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        reader = fds[0];
        writer = fds[1];
        a->pid = fork();
        if (a->pid < 0) {
                a->pid = 0;
                return -errno;
        }
        if (a->pid == 0) {
                char number[16];
                int fd = dup(writer); /* without O_CLOEXEC */
                sigset_t none;

                (void) snprintf(number, sizeof(number), "%d", fd);
                (void) signal(SIGPIPE, SIG_DFL);
                sigemptyset(&none);
                (void) sigprocmask(SIG_SETMASK, &none, NULL);
                (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
                execl(AGENT_PATH, AGENT_PATH, "--notify-fd", number,
                                session && *session ? "--fallback" : NULL, NULL);
                _exit(127);
        }
        writer = fd_close(writer);

        /* The agent closes its end when it has registered; so does its death. */
        p = (struct pollfd) { .fd = reader, .events = 0 };
        while (poll(&p, 1, REGISTER_TIMEOUT_MSEC) < 0 && errno == EINTR)
                ;
        return 0;
}
