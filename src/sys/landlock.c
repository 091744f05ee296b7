/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Landlock rulesets. Rights that the kernel does not know are masked out here and nowhere else, and the ABI that
 * held is reported with the session. */

#include "landlock.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR (UINT64_C(1) << 6)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_MAKE_SOCK (UINT64_C(1) << 9)
#define FS_MAKE_FIFO (UINT64_C(1) << 10)
#define FS_MAKE_BLOCK (UINT64_C(1) << 11)
#define FS_MAKE_SYM (UINT64_C(1) << 12)
#define FS_REFER (UINT64_C(1) << 13)     /* ABI 2, Linux 5.19 */
#define FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3, Linux 6.2 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5, Linux 6.10 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* ABI 6, Linux 6.12 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

struct ruleset_attr {
        uint64_t fs, net, scoped;
};

struct path_beneath_attr {
        uint64_t allowed;
        int32_t parent_fd;
} __attribute__((packed));

unsigned landlock_abi(void) {
        long r = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
        unsigned abi = r > 0 ? (unsigned) r : 0;
#ifdef OCSB_FAULT_POINTS
        const char *low = getenv("OCSB_TEST_LANDLOCK_ABI");
        uint32_t v;

        if (low && parse_u32(low, &v) >= 0)
                abi = MIN(abi, v);
#endif
        return abi;
}

static uint64_t known_rights(unsigned abi) {
        uint64_t v = FS_REFER - 1;

        if (abi >= 2)
                v |= FS_REFER;
        if (abi >= 3)
                v |= FS_TRUNCATE;
        if (abi >= 5)
                v |= FS_IOCTL_DEV;
        return v;
}

int landlock_ruleset(unsigned abi) {
        struct ruleset_attr attr = {
                .fs = known_rights(abi),
                .scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
        };
        /* Older kernels refuse bytes that they do not know only when they are not zero. */
        long r = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

        return r < 0 ? -errno : (int) r;
}

int landlock_allow(int ruleset_fd, unsigned abi, int path_fd, unsigned access) {
        struct path_beneath_attr attr = { .parent_fd = path_fd };
        struct stat st;

        if (fstat(path_fd, &st) < 0)
                return -errno;
        if (access & LANDLOCK_READ)
                attr.allowed |= FS_READ_FILE | FS_READ_DIR;
        if (access & LANDLOCK_EXEC)
                attr.allowed |= FS_EXECUTE;
        if (access & LANDLOCK_WRITE)
                /* Never MAKE_CHAR or MAKE_BLOCK. */
                attr.allowed |= FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |
                                FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE;
        if (access & LANDLOCK_CHAR)
                attr.allowed |= FS_MAKE_CHAR;
        if (access & LANDLOCK_DEVICE)
                attr.allowed |= FS_IOCTL_DEV | FS_WRITE_FILE;
        if (!S_ISDIR(st.st_mode))
                attr.allowed &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
        attr.allowed &= known_rights(abi);
        if (attr.allowed == 0)
                return 0;
        return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &attr, 0) < 0 ? -errno : 0;
}

int landlock_enforce(int ruleset_fd) {
        return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0 ? -errno : 0;
}
