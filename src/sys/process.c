/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Thin wrappers around the calls by which a process starts, is named, and loses its rights. */

#include "process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP UINT64_C(0x200000000)
#endif

pid_t process_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd) {
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = flags | (ret_pidfd ? (uint64_t) CLONE_PIDFD : 0) |
                                (cgroup_fd >= 0 ? (uint64_t) CLONE_INTO_CGROUP : 0),
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = cgroup_fd >= 0 ? (uint64_t) cgroup_fd : 0,
        };
        long r = syscall(SYS_clone3, &args, sizeof(args));

        if (r < 0)
                return -errno;
        if (r > 0 && ret_pidfd)
                *ret_pidfd = pidfd;
        return (pid_t) r;
}

int pidfd_of(pid_t pid) {
        long r = syscall(SYS_pidfd_open, pid, 0);

        return r < 0 ? -errno : (int) r;
}

int pidfd_signal(int pidfd, int sig) {
        return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int process_starttime(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[32], *p;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        r = file_read(AT_FDCWD, path, 4096, &text, NULL);
        if (r < 0)
                return r;
        /* The name in parentheses may hold anything: start behind the last one. Field 3 follows it. */
        p = strrchr(text, ')');
        for (int field = 2; p && field < 22; field++) {
                p = strchr(p, ' ');
                if (p)
                        p++;
        }
        if (!p)
                return -EBADMSG;
        p[strcspn(p, " ")] = 0;
        return parse_u64(p, ret);
}

int capabilities_bound(uint64_t keep_mask) {
        /* The first number that the kernel does not know ends the loop. */
        for (unsigned long c = 0; c < 64; c++) {
                int set;

                if ((keep_mask >> c) & 1 || prctl(PR_CAPBSET_DROP, c, 0, 0, 0) >= 0)
                        continue;
                if (errno == EINVAL)
                        return 0;
                /* Without CAP_SETPCAP what is gone already is fine; only reading knows the last number then. */
                set = errno == EPERM ? prctl(PR_CAPBSET_READ, c, 0, 0, 0) : 1;
                if (set < 0)
                        return errno == EINVAL ? 0 : -errno;
                if (set > 0)
                        return -EPERM;
        }
        return 0;
}

/* Effective, permitted and inheritable; the ambient set is never more than the last two have in common (capabilities(7)). */
static int verify_no_capability(void) {
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct d[2] = {};

        if (syscall(SYS_capget, &h, d) < 0)
                return -errno;
        for (int i = 0; i < 2; i++)
                if (d[i].permitted || d[i].effective || d[i].inheritable)
                        return -EPERM;
        return 0;
}

static int set_capabilities(uint64_t mask) {
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct d[2] = {};

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        for (int i = 0; i < 2; i++)
                d[i].permitted = d[i].effective = (uint32_t) (mask >> (32 * i));
        if (syscall(SYS_capset, &h, d) < 0)
                return -errno;
        return mask == 0 ? verify_no_capability() : 0;
}

int capabilities_clear(void) {
        return set_capabilities(0);
}

int capabilities_drop(uint64_t keep_mask) {
        int r = capabilities_bound(keep_mask);

        return r < 0 ? r : set_capabilities(keep_mask);
}

int identity_drop(uid_t uid, gid_t gid) {
        int r = capabilities_bound(0);

        if (r >= 0)
                r = identity_become(uid, gid);
        return r < 0 ? r : set_capabilities(0);
}

int identity_become(uid_t uid, gid_t gid) {
        uid_t r, e, s;
        gid_t rg, eg, sg;

        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        /* A call that "worked" but did not take has made more than one CVE (CVE-2026-30892 in crun). */
        if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
                return -errno;
        if (r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid || getgroups(0, NULL) != 0)
                return -EPERM;
        return 0;
}

int identity_become_with(uid_t uid, gid_t gid, uint64_t capabilities) {
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct d[2] = {};
        int r;

        r = capabilities_bound(capabilities);
        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        r = identity_become(uid, gid);
        if (r < 0)
                return r;
        for (int i = 0; i < 2; i++)
                d[i].permitted = d[i].effective = d[i].inheritable = (uint32_t) (capabilities >> (32 * i));
        if (syscall(SYS_capset, &h, d) < 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        for (unsigned long c = 0; c < 64; c++)
                if ((capabilities >> c) & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
                        return -errno;
        return 0;
}

int identity_fs_enter(uid_t uid, gid_t gid, const gid_t *groups, size_t n) {
        if (setgroups(n, groups) < 0)
                return -errno;
        (void) setfsgid(gid);
        (void) setfsuid(uid);
        /* These calls return the previous id and no error: ask again with an invalid id to learn what holds. */
        if ((gid_t) setfsgid((gid_t) -1) != gid || (uid_t) setfsuid((uid_t) -1) != uid)
                return -EPERM;
        return 0;
}

int identity_fs_leave(void) {
        (void) setfsuid(0);
        (void) setfsgid(0);
        if ((uid_t) setfsuid((uid_t) -1) != 0 || (gid_t) setfsgid((gid_t) -1) != 0)
                return -EPERM;
        return setgroups(0, NULL) < 0 ? -errno : 0;
}

void signals_reset(void) {
        for (int i = 1; i < NSIG; i++)
                if (i != SIGKILL && i != SIGSTOP)
                        (void) signal(i, SIG_DFL);
        signals_unblock();
}

void signals_unblock(void) {
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}
