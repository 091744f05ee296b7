/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A library that the attacker asks to be preloaded: writes down into whom it was loaded. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
        char line[256], status[4096] = "", *seccomp;
        int fd = open("/proc/self/status", O_RDONLY), n;

        if (fd >= 0) {
                (void) !read(fd, status, sizeof(status) - 1);
                (void) close(fd);
        }
        seccomp = strstr(status, "Seccomp:");
        n = snprintf(line, sizeof(line), "uid %u seccomp %d program %s\n", getuid(),
                        seccomp ? atoi(seccomp + 8) : -1, program_invocation_short_name);
        fd = open("/home/alice/ws/evil.trace", O_WRONLY | O_CREAT | O_APPEND, 0666);
        if (fd >= 0 && n > 0)
                (void) !write(fd, line, (size_t) n);
}
