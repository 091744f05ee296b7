/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Raw mode is global state of somebody else's terminal, so there is one of it, and every way out of the
 * process but SIGKILL takes it back. */

#include "terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

static struct termios saved;
static int raw_fd = -EBADF;

void terminal_restore(void) {
        if (raw_fd < 0)
                return;
        (void) tcsetattr(raw_fd, TCSADRAIN, &saved);
        raw_fd = -EBADF;
}

int terminal_raw(int fd) {
        static bool registered = false;
        struct termios raw;

        if (raw_fd >= 0 || !isatty(fd))
                return 0;
        if (tcgetattr(fd, &saved) < 0)
                return -errno;
        if (!registered && atexit(terminal_restore) != 0)
                return -ENOMEM;
        registered = true;
        raw = saved;
        cfmakeraw(&raw);
        raw_fd = fd;
        if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
                raw_fd = -EBADF;
                return -errno;
        }
        return 0;
}

void terminal_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols) {
        struct winsize ws = {};

        if (ioctl(fd, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
                ws = (struct winsize) { .ws_row = 24, .ws_col = 80 };
        *ret_rows = ws.ws_row;
        *ret_cols = ws.ws_col;
}

int terminal_reopen(int fd, int flags) {
        _cleanup_close_ int again = -EBADF;
        char path[32];
        struct stat a, b;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        again = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (again < 0)
                return -errno;
        /* The number of a pts of another devpts would be a stranger's terminal. */
        if (fstat(fd, &a) < 0 || fstat(again, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
                return -ENXIO;
        return TAKE_FD(again);
}
