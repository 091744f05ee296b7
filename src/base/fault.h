/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Fault points: in a test build (-Dfault-points=true) FAULT("daemon.create.before-state") kills the process
 * with SIGKILL when the environment names that point, so that the tests can end a daemon between any two
 * steps. In every other build it is nothing and the environment is not looked at.
 *
 *   OCSB_FAULT=NAME      at the first passage of that point; "NAME:3" at the third
 *   OCSB_FAULT_ONCE=PATH only for him who manages to create that file: a daemon that is started again lives
 * on */

#if defined(OCSB_FAULT_POINTS) && OCSB_FAULT_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* hits: counts the passages of this point in this process, one counter per use. */
static inline void fault_point(const char *name, unsigned *hits) {
        const char *wanted = getenv("OCSB_FAULT"), *once = getenv("OCSB_FAULT_ONCE");
        size_t n = strlen(name);
        unsigned long nth = 1;

        if (!wanted || strncmp(wanted, name, n) != 0)
                return;
        if (wanted[n] == ':')
                nth = strtoul(wanted + n + 1, NULL, 10);
        else if (wanted[n] != '\0')
                return;

        if (++*hits != nth)
                return;

        if (once) {
                int fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

                if (fd < 0)
                        return;
                (void) close(fd);
        }

        (void) kill(getpid(), SIGKILL);
        _exit(128 + SIGKILL); /* PID 1 of a namespace does not die of its own signals */
}

#define FAULT(name)                                                                                         \
        do {                                                                                                \
                static unsigned _fault_hits_;                                                               \
                fault_point((name), &_fault_hits_);                                                         \
        } while (0)

#else

#define FAULT(name)                                                                                         \
        do {                                                                                                \
        } while (0)

#endif
