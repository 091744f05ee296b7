/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* The variables of who started us, not of who started him. */
static bool is_for_us(const char *name) {
        const char *pid = getenv(name);
        uint32_t v;

        return pid && parse_u32(pid, &v) >= 0 && (pid_t) v == getpid();
}

int service_socket(void) {
        const char *n = getenv("LISTEN_FDS");

        if (!n || !streq(n, "1") || !is_for_us("LISTEN_PID"))
                return -ENOENT;
        if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        if (fd_set_nonblock(FIRST_FD, true) < 0)
                return -errno;
        return FIRST_FD;
}

int service_notify(const char *text) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        socklen_t len;

        if (!path || !*path || strlen(path) >= sizeof(sa.sun_path))
                return 0;
        strcpy(sa.sun_path, path);
        if (sa.sun_path[0] == '@')
                sa.sun_path[0] = 0; /* abstract */
        len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path));
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        return sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *) &sa, len) < 0 ? -errno : 0;
}

uint64_t service_watchdog(void) {
        const char *usec = getenv("WATCHDOG_USEC");
        uint64_t v;

        if (!usec || parse_u64(usec, &v) < 0 || (getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID")))
                return 0;
        return v;
}

void service_raise_files(uint64_t wanted) {
        struct rlimit limit = { .rlim_cur = wanted, .rlim_max = wanted };

        if (setrlimit(RLIMIT_NOFILE, &limit) >= 0)
                return;
        if (getrlimit(RLIMIT_NOFILE, &limit) >= 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}
