/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What musl lacks of the GNU library. The two static programs, ocsb-init and ocsbctl, are linked with musl where it is there:
 * the GNU library's static start-up asks CPUID some 80 times, each a trap in a virtual machine, 0.3 ms together. */

#include <stdlib.h>

#if !defined(__GLIBC__)
#include <linux/close_range.h>
#include <linux/fs.h> /* RENAME_* */
#include <sys/syscall.h>
#include <unistd.h>

static inline int close_range(unsigned first, unsigned last, unsigned flags) {
        return (int) syscall(SYS_close_range, first, last, flags);
}

static inline int renameat2(int old_dir, const char *old, int new_dir, const char *new, unsigned flags) {
        return (int) syscall(SYS_renameat2, old_dir, old, new_dir, new, flags);
}

/* NULL for those that no caller here meets. */
const char *strerrorname_np(int error);
const char *sigabbrev_np(int sig);
#endif
