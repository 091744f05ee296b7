/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The system calls of a sandbox, as two BPF programs: one for PID 1 and all that it starts, and a small one that
 * each exec adds. */

#include <stddef.h>
#include <stdint.h>

#define SECCOMP_FILTER_DEFAULT "default"

/* Arrays of struct sock_filter, lengths in bytes; compiled at the first call (libseccomp takes milliseconds for it),
 * then kept for the life of the process: borrowed, never freed. -ENOENT for a name that is not known,
 * -EOPNOTSUPP on an architecture without a table. Not for use by several threads. */
int seccomp_compile(const char *name, const uint8_t **ret_session, size_t *ret_session_len,
                const uint8_t **ret_exec, size_t *ret_exec_len);

/* The table, for tests and documentation. */
typedef struct SyscallGroup {
        int error;          /* what the calls fail with; 0: allowed */
        const char *reason; /* why they are refused; for allowed ones what they are for */
        const char *names;  /* separated by spaces; "name:number" for those newer than libseccomp */
} SyscallGroup;
extern const SyscallGroup seccomp_groups[];
extern const size_t seccomp_n_groups;

/* The number of the next name in a group's names on this architecture; *names moves on. -1 when the architecture has
 * no such call, -ENODATA at the end. */
int seccomp_next_syscall(const char **names, char ret_name[static 32]);
