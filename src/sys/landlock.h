/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Landlock (landlock(7)): no library exists, and the headers of Debian 12 know ABI 2 only, so the constants are our
 * own up to ABI 7 (Linux 6.15). */

#include <stdint.h>

#include "base/macro.h"

/* The kernel's ABI, 0 when there is none. OCSB_TEST_LANDLOCK_ABI lowers it in builds with fault points. */
unsigned landlock_abi(void);

typedef enum LandlockAccess {
        LANDLOCK_READ = 1 << 0,
        LANDLOCK_WRITE = 1 << 1,
        LANDLOCK_EXEC = 1 << 2,
        LANDLOCK_DEVICE = 1 << 3, /* ioctl on devices */
        LANDLOCK_CHAR = 1 << 4,   /* make character devices: overlayfs's whiteouts. Never for a sandbox */
} LandlockAccess;

/* A ruleset that handles every file system right of the ABI, and from ABI 6 on keeps abstract sockets and signals
 * within the domain. Returns an fd or -errno. */
int landlock_ruleset(unsigned abi);
/* Allows access beneath what path_fd (O_PATH will do) refers to; for a file, the rights that files have. */
int landlock_allow(int ruleset_fd, unsigned abi, int path_fd, unsigned access);
/* Puts the calling thread and its future children under it. no_new_privs must be set. */
int landlock_enforce(int ruleset_fd);
