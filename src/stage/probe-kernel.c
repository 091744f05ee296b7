/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attempts on entry points of the kernel that no sandbox needs: mounting, namespaces, and the interfaces in
 * which most local privilege escalations were found. Where a call needs an argument that is harmless when it
 * is let through, it is one that the kernel refuses only after it asked for the privilege. */

#include "probe-private.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif

#include "base/fd.h"

/* <sys/mount.h> and <sched.h> of glibc 2.36 can't be included together with <linux/mount.h> and
 * <linux/sched.h>. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                const void *data);
extern int umount2(const char *target, int flags);
extern int unshare(int flags);
extern int setns(int fd, int kind);
#define UMOUNT_EXPIRE 4

static void try_mount(Probe *p) {
        struct mount_attr attr = {};
        int e;

        e = ERRNO_OF(mount("tmpfs", "/tmp", "tmpfs", 0, "size=4k"));
        if (e == 0)
                (void) umount2("/tmp", 0);
        probe_expect(p, REFUSED_DOOR, e, "mount");
        e = ERRNO_OF(mount("/usr", "/tmp", NULL, 4096 /* MS_BIND */, NULL));
        if (e == 0)
                (void) umount2("/tmp", 0);
        probe_expect(p, REFUSED_DOOR, e, "bind");
        /* The first such call only marks the mount (EAGAIN). */
        probe_expect(p, REFUSED_DOOR, umount2("/proc", UMOUNT_EXPIRE) < 0 && errno != EAGAIN ? errno : 0,
                        "umount2");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_pivot_root, "/proc/self", "/proc/self")),
                        "pivot_root");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(chroot("/")), "chroot");
        probe_expect(p, REFUSED_DOOR, probe_fd_error((int) syscall(SYS_fsopen, "tmpfs", 1u)), "fsopen");
        probe_expect(p, REFUSED_DOOR, probe_fd_error((int) syscall(SYS_fspick, AT_FDCWD, "/", 1u)),
                        "fspick");
        probe_expect(p, REFUSED_DOOR,
                        probe_fd_error((int) syscall(
                                        SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)),
                        "open_tree");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_move_mount, -1, "", -1, "", 0)), "move_mount");
        probe_expect(p, REFUSED_DOOR,
                        ERRNO_OF(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr))),
                        "mount_setattr");
}

/* A child that is made in a new namespace ends at once: the probe itself stays where it is. */
static int try_clone(unsigned long flags) {
        long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

        if (pid < 0)
                return errno;
        if (pid == 0)
                _exit(0);
        (void) waitpid((pid_t) pid, NULL, 0);
        return 0;
}

static int try_clone3(uint64_t flags) {
        struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
        long pid = syscall(SYS_clone3, &args, sizeof(args));

        if (pid < 0)
                return errno;
        if (pid == 0)
                _exit(0);
        (void) waitpid((pid_t) pid, NULL, 0);
        return 0;
}

#define REFUSED_CLONE (REFUSED_DOOR | REFUSED_QUOTA)

static int child_unshare_user(Probe *p) {
        p->shared[0] = ERRNO_OF(unshare(CLONE_NEWUSER));
        return 0;
}

static void try_user_namespace(Probe *p) {
        int r;

        probe_expect(p, REFUSED_CLONE, try_clone(CLONE_NEWUSER), "clone");
        probe_expect(p, REFUSED_CLONE, try_clone3(CLONE_NEWUSER), "clone3");
        r = probe_in_child(p, child_unshare_user);
        if (r >= 0)
                probe_expect(p, REFUSED_CLONE, p->shared[0], "unshare");
}

static void try_namespaces(Probe *p) {
        static const struct {
                unsigned long flag;
                const char *name;
        } kinds[] = {{CLONE_NEWNS, "mnt"}, {CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "net"},
                        {CLONE_NEWIPC, "ipc"}, {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"}};
        int fd;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                probe_expect(p, REFUSED_CLONE, try_clone(kinds[i].flag), "%s", kinds[i].name);
        /* Our own: entering it again changes nothing. */
        fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                probe_expect(p, REFUSED_DOOR | REFUSED_ABSENT, errno, "open ns/uts");
        else {
                probe_expect(p, REFUSED_DOOR, ERRNO_OF(setns(fd, 0)), "setns");
                fd_close(fd);
        }
}

static void try_keyring(Probe *p) {
        probe_expect(p, REFUSED_DOOR,
                        ERRNO_OF(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)),
                        "keyctl");
        probe_expect(p, REFUSED_DOOR,
                        ERRNO_OF(syscall(SYS_add_key, "user", "ocsb-probe", "x", 1,
                                        KEY_SPEC_PROCESS_KEYRING)),
                        "add_key");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_request_key, "user", "ocsb-probe", NULL, 0)),
                        "request_key");
}

static void try_bpf(Probe *p) {
        union bpf_attr map = {
                        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

        probe_expect(p, REFUSED_DOOR,
                        probe_fd_error((int) syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map))),
                        "BPF_MAP_CREATE");
}

static void try_perf(Probe *p) {
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                        .size = sizeof(attr),
                        .config = PERF_COUNT_SW_CPU_CLOCK,
                        .exclude_kernel = 1,
                        .exclude_hv = 1};

        probe_expect(p, REFUSED_DOOR | REFUSED_ABSENT,
                        probe_fd_error((int) syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0)),
                        "of this process");
}

static void try_io_uring(Probe *p) {
        struct io_uring_params params = {};

        probe_expect(p, REFUSED_DOOR, probe_fd_error((int) syscall(SYS_io_uring_setup, 1, &params)),
                        "io_uring_setup");
}

static void try_userfaultfd(Probe *p) {
        probe_expect(p, REFUSED_DOOR,
                        probe_fd_error((int) syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* USER_MODE_ONLY */)),
                        "userfaultfd");
}

static void try_kernel_log(Probe *p) {
        char text[64];

        probe_expect(p, REFUSED_DOOR, ERRNO_OF(klogctl(3, text, sizeof(text))), "read");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(klogctl(10, NULL, 0)), "size");
}

/* EFAULT, EBADF and ENOENT are given only to who may load modules and kernels. */
static void try_modules(Probe *p) {
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_init_module, NULL, 0, "")), "init_module");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_finit_module, -1, "", 0)), "finit_module");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_delete_module, "ocsb_probe", O_NONBLOCK)),
                        "delete_module");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, ~0ul)),
                        "kexec_file_load");
}

static void try_machine(Probe *p) {
        struct timex tick = {.modes = ADJ_TICK}; /* of 0: out of range */
        struct utsname u;

        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_reboot, 0, 0, 0, NULL)), "reboot");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tick)),
                        "clock_adjtime");
        if (uname(&u) == 0)
                probe_expect(p, REFUSED_DOOR, ERRNO_OF(sethostname(u.nodename, strlen(u.nodename))),
                                "sethostname");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(swapon("/proc/self/none", 0)), "swapon");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(acct("/proc/self/none")), "acct");
#if defined(__x86_64__)
        {
                int e = ERRNO_OF(iopl(3));

                if (e == 0)
                        (void) iopl(0);
                probe_expect(p, REFUSED_DOOR, e, "iopl");
        }
#endif
}

/* Opens by inode number whatever lies on the file system of the root, beside every mount and mask. */
static void try_file_handles(Probe *p) {
        struct {
                struct file_handle head;
                unsigned char data[MAX_HANDLE_SZ];
        } handle = {.head = {.handle_bytes = 8, .handle_type = 1}};

        probe_expect(p, REFUSED_DOOR,
                        probe_fd_error((int) syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY)),
                        "open_by_handle_at");
}

const ProbeAttempt probe_kernel_attempts[] = {
                {"mount", try_mount},
                {"user-namespace", try_user_namespace},
                {"namespaces", try_namespaces},
                {"keyring", try_keyring},
                {"bpf", try_bpf},
                {"perf", try_perf},
                {"io-uring", try_io_uring},
                {"userfaultfd", try_userfaultfd},
                {"kernel-log", try_kernel_log},
                {"modules", try_modules},
                {"machine", try_machine},
                {"file-handles", try_file_handles},
                {},
};
