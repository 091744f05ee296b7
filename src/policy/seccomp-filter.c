/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* System call filters. The list of numbers is compiled by libseccomp (architecture check, binary tree); calls whose
 * arguments decide are checked by a hand-written part in front of it, because libseccomp compares 64 bits where the
 * kernel looks at the low 32 (CVE-2019-10063) and has no "else" for a call whose comparisons all failed.
 *
 * Everything that is in no group fails with ENOSYS, as on an older kernel, so that libraries take their fallback
 * and a call that a later kernel brings is closed until somebody has looked at it (CVE-2021-41133). */

#include "seccomp-filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "wire/plan.h"

#define RET_ALLOW SECCOMP_RET_ALLOW
#define RET_KILL SECCOMP_RET_KILL_PROCESS
#define RET_ERRNO(e) (SECCOMP_RET_ERRNO | (uint32_t) (e))

/* clone(2) has the exit signal in its low byte, so CLONE_NEWTIME (0x80) exists for unshare() only. */
#define CLONE_NEW_ALL                                                                                       \
        ((uint32_t) (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |          \
                        CLONE_NEWPID | CLONE_NEWNET))

const SyscallGroup seccomp_groups[] = {
        { 0, "files and directories",
          "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
          "fadvise64 fallocate fchdir fchmod fchmodat fchmodat2:452 fchown fchownat fcntl fdatasync fgetxattr "
          "flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents "
          "getdents64 getxattr getxattrat:464 lchown lgetxattr link linkat listxattr listxattrat:465 llistxattr "
          "lremovexattr lseek lsetxattr lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 "
          "pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat:466 rename "
          "renameat rmdir sendfile setxattr setxattrat:463 splice stat statfs statx symlink symlinkat sync "
          "sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev" },
        { 0, "waiting and events",
          "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 inotify_add_watch "
          "inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup "
          "io_submit pipe pipe2 poll ppoll pselect6 select signalfd signalfd4" },
        { 0, "memory",
          "brk cachestat:451 madvise map_shadow_stack:453 membarrier memfd_create mincore mlock mlock2 mlockall mmap "
          "mprotect mremap mseal:462 msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
          "remap_file_pages" },
        { 0, "processes and threads; clone3 is for PID 1, each exec closes it for itself",
          "arch_prctl capget clone3 execve execveat exit exit_group fork futex futex_requeue:456 "
          "futex_wait:455 futex_waitv futex_wake:454 get_robust_list get_thread_area getcpu getegid geteuid getgid "
          "getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid "
          "getuid ioprio_get ioprio_set kill pause pidfd_open pidfd_send_signal prlimit64 process_mrelease "
          "restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
          "rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity "
          "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
          "sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address setpgid "
          "setpriority setrlimit setsid sigaltstack tgkill tkill vfork wait4 waitid" },
        { 0, "giving up rights: PID 1 uses them, a payload has none to gain",
          "capset landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp setfsgid setfsuid setgid "
          "setgroups setregid setresgid setresuid setreuid setuid" },
        { 0, "time",
          "alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time "
          "timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime "
          "timerfd_settime times" },
        { 0, "sockets that exist, and System V and POSIX IPC of the sandbox's own namespace",
          "accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify mq_open "
          "mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd recvfrom recvmmsg recvmsg semctl "
          "semget semop semtimedop shmat shmctl shmdt shmget shutdown" },
        { 0, "asking the system", "getrandom sysinfo uname" },

        /* Arguments decide; see argument_checks(). libseccomp's part lets them pass. */
        { 0, "decided by arguments",
          "clone ioctl mknod mknodat personality prctl renameat2 sendmmsg sendmsg sendto setsockopt socket socketpair "
          "unshare" },

        { EPERM, "changes what is mounted", "chroot mount pivot_root umount2" },
        { ENOSYS, "the new mount interface; a sandboxed container tool falls back and fails clearly (CVE-2021-41133)",
          "fsconfig fsmount fsopen fspick listmount:458 mount_setattr move_mount open_tree open_tree_attr:467 "
          "statmount:457" },
        { EPERM, "enters other namespaces", "setns" },
        { EPERM, "reads or controls other processes",
          "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace" },
        { EPERM, "loads code into the kernel or replaces it",
          "bpf delete_module finit_module init_module kexec_file_load kexec_load" },
        { EPERM, "large, often broken kernel interfaces that seccomp and Landlock do not see into",
          "io_uring_enter io_uring_register io_uring_setup perf_event_open userfaultfd" },
        { EPERM, "keyrings are not part of any namespace", "add_key keyctl request_key" },
        { EPERM, "opens files past path lookup, or watches whole file systems",
          "fanotify_init fanotify_mark lookup_dcookie name_to_handle_at open_by_handle_at" },
        { EPERM, "sets the clock or other state of the whole machine",
          "acct adjtimex clock_adjtime clock_settime quotactl quotactl_fd reboot setdomainname sethostname "
          "settimeofday swapoff swapon syslog vhangup" },
        { EPERM, "input and output ports, segment descriptors", "ioperm iopl modify_ldt" },
        { EPERM, "moves pages between the machine's memory nodes",
          "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node:450" },
};
const size_t seccomp_n_groups = ELEMENTSOF(seccomp_groups);

int seccomp_next_syscall(const char **names, char ret_name[static 32]) {
        const char *s = *names + strspn(*names, " ");
        size_t n = strcspn(s, " ");
        char *colon;
        uint32_t v;
        int nr;

        if (n == 0)
                return -ENODATA;
        assert(n < 32);
        memcpy(ret_name, s, n);
        ret_name[n] = 0;
        *names = s + n;
        colon = strchr(ret_name, ':');
        if (colon) {
                *colon = 0;
                assert(parse_u32(colon + 1, &v) == 0);
                return (int) v;
        }
        nr = seccomp_syscall_resolve_name(ret_name);
        return nr >= 0 ? nr : -1; /* negative: an old name that this architecture never had */
}

/* The hand-written part: a program is built front to back. A block (when … done) runs for one value of the
 * accumulator and always ends in a return, so that behind it the accumulator is what it was before. */

typedef struct Program {
        struct sock_filter code[512];
        size_t n;
} Program;

static void emit(Program *p, uint32_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        assert(p->n < ELEMENTSOF(p->code));
        p->code[p->n++] = (struct sock_filter) { .code = (uint16_t) code, .jt = jt, .jf = jf, .k = k };
}

static void load(Program *p, size_t offset) {
        emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t) offset, 0, 0);
}

/* The low half alone: int arguments have only that, and the kernel ignores what is above (little-endian). */
static void load_argument(Program *p, unsigned i) {
        load(p, offsetof(struct seccomp_data, args) + i * sizeof(uint64_t));
}

static void and_with(Program *p, uint32_t mask) {
        emit(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
}

static void ret(Program *p, uint32_t action) {
        emit(p, BPF_RET | BPF_K, action, 0, 0);
}

static void ret_if_equal(Program *p, uint32_t value, uint32_t action) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        ret(p, action);
}

static void ret_if_any_bit(Program *p, uint32_t mask, uint32_t action) {
        emit(p, BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
        ret(p, action);
}

static size_t when(Program *p, uint32_t value) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0 /* done() fills it in */);
        return p->n - 1;
}

static void done(Program *p, size_t block) {
        size_t distance = p->n - block - 1;

        assert(distance <= UINT8_MAX);
        p->code[block].jf = (uint8_t) distance;
}

/* when() for a system call; one that the architecture does not have gets a block for a number that no call has. */
static size_t when_syscall(Program *p, const char *name) {
        int nr = seccomp_syscall_resolve_name(name);

        return when(p, nr >= 0 ? (uint32_t) nr : UINT32_C(0x3fffffff));
}

static void internet_socket_checks(Program *p) {
        size_t b;

        load_argument(p, 1);
        and_with(p, 0xf); /* SOCK_TYPE_MASK: without SOCK_CLOEXEC and SOCK_NONBLOCK */
        b = when(p, SOCK_STREAM);
        load_argument(p, 2);
        ret_if_equal(p, 0, RET_ALLOW);
        ret_if_equal(p, IPPROTO_TCP, RET_ALLOW);
        /* MPTCP and SMC connect where rules for TCP do not look (landlock-lsm#54). */
        ret(p, RET_ERRNO(EPROTONOSUPPORT));
        done(p, b);
        b = when(p, SOCK_DGRAM);
        load_argument(p, 2);
        ret_if_equal(p, 0, RET_ALLOW);
        ret_if_equal(p, IPPROTO_UDP, RET_ALLOW);
        ret(p, RET_ERRNO(EPROTONOSUPPORT));
        done(p, b);
        ret_if_equal(p, SOCK_RAW, RET_ERRNO(EPERM));
        ret_if_equal(p, SOCK_PACKET, RET_ERRNO(EPERM));
        ret(p, RET_ERRNO(ESOCKTNOSUPPORT));
}

static void socket_checks(Program *p) {
        static const uint32_t internet[] = { AF_INET, AF_INET6 };
        size_t b, f;

        b = when_syscall(p, "socket");
        load_argument(p, 0);
        ret_if_equal(p, AF_UNIX, RET_ALLOW);
        for (size_t i = 0; i < ELEMENTSOF(internet); i++) {
                f = when(p, internet[i]);
                internet_socket_checks(p);
                done(p, f);
        }
        f = when(p, AF_NETLINK);
        load_argument(p, 2);
        ret_if_equal(p, NETLINK_ROUTE, RET_ALLOW); /* getifaddrs() */
        ret(p, RET_ERRNO(EPROTONOSUPPORT));
        done(p, f);
        ret(p, RET_ERRNO(EAFNOSUPPORT));
        done(p, b);

        b = when_syscall(p, "socketpair");
        load_argument(p, 0);
        ret_if_equal(p, AF_UNIX, RET_ALLOW);
        ret(p, RET_ERRNO(EAFNOSUPPORT));
        done(p, b);
}

/* TCP Fast Open connects without connect() (landlock-lsm#41). */
static void fast_open_checks(Program *p) {
        static const struct {
                const char *name;
                unsigned flags; /* argument */
        } senders[] = { { "sendto", 3 }, { "sendmsg", 2 }, { "sendmmsg", 3 } };
        size_t b, f;

        for (size_t i = 0; i < ELEMENTSOF(senders); i++) {
                b = when_syscall(p, senders[i].name);
                load_argument(p, senders[i].flags);
                ret_if_any_bit(p, MSG_FASTOPEN, RET_ERRNO(EOPNOTSUPP));
                ret(p, RET_ALLOW);
                done(p, b);
        }
        b = when_syscall(p, "setsockopt");
        load_argument(p, 1);
        f = when(p, IPPROTO_TCP);
        load_argument(p, 2);
        ret_if_equal(p, TCP_FASTOPEN, RET_ERRNO(ENOPROTOOPT));
        ret_if_equal(p, TCP_FASTOPEN_CONNECT, RET_ERRNO(ENOPROTOOPT));
        ret(p, RET_ALLOW);
        done(p, f);
        ret(p, RET_ALLOW);
        done(p, b);
}

static void process_checks(Program *p) {
        /* 0 and PER_LINUX32 with and without UNAME26 as Docker has it, ADDR_NO_RANDOMIZE for debuggers and Lisps, and
         * the question. */
        static const uint32_t personalities[] = { 0, 0x8, 0x20000, 0x20008, 0x40000, UINT32_MAX };
        size_t b;

        b = when_syscall(p, "clone");
        load_argument(p, 0);
        ret_if_any_bit(p, CLONE_NEW_ALL, RET_ERRNO(EPERM));
        ret(p, RET_ALLOW);
        done(p, b);

        b = when_syscall(p, "unshare");
        load_argument(p, 0);
        ret_if_any_bit(p, CLONE_NEW_ALL | CLONE_NEWTIME, RET_ERRNO(EPERM));
        ret(p, RET_ALLOW);
        done(p, b);

        b = when_syscall(p, "prctl");
        load_argument(p, 0);
        ret_if_equal(p, PR_SET_MM, RET_ERRNO(EPERM)); /* forges /proc/PID/exe and cmdline */
        ret(p, RET_ALLOW);
        done(p, b);

        b = when_syscall(p, "personality");
        load_argument(p, 0);
        for (size_t i = 0; i < ELEMENTSOF(personalities); i++)
                ret_if_equal(p, personalities[i], RET_ALLOW);
        ret(p, RET_ERRNO(EPERM));
        done(p, b);
}

static void file_checks(Program *p) {
        static const struct {
                const char *name;
                unsigned mode; /* argument */
        } makers[] = { { "mknod", 1 }, { "mknodat", 2 } };
        /* Typing into, taking over or reconfiguring a terminal (CVE-2017-5226, CVE-2023-28100). */
        static const uint32_t requests[] = { TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD };
        size_t b;

        b = when_syscall(p, "ioctl");
        load_argument(p, 1);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                ret_if_equal(p, requests[i], RET_ERRNO(EPERM));
        ret(p, RET_ALLOW);
        done(p, b);

        /* Devices, and the whiteouts of overlayfs, which need no privilege (landlock-lsm#63). */
        for (size_t i = 0; i < ELEMENTSOF(makers); i++) {
                b = when_syscall(p, makers[i].name);
                load_argument(p, makers[i].mode);
                and_with(p, S_IFMT);
                ret_if_equal(p, S_IFCHR, RET_ERRNO(EPERM));
                ret_if_equal(p, S_IFBLK, RET_ERRNO(EPERM));
                ret(p, RET_ALLOW);
                done(p, b);
        }
        b = when_syscall(p, "renameat2");
        load_argument(p, 4);
        ret_if_any_bit(p, RENAME_WHITEOUT, RET_ERRNO(EINVAL));
        ret(p, RET_ALLOW);
        done(p, b);
}

/* Another architecture's numbers mean other calls: int 0x80 on x86-64, AArch32 on AArch64. x32 has the same
 * architecture and is refused by libseccomp's part by its bit in the number. */
static void architecture_check(Program *p) {
        load(p, offsetof(struct seccomp_data, arch));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0);
        ret(p, RET_KILL);
        load(p, offsetof(struct seccomp_data, nr));
}

static void argument_checks(Program *p) {
        architecture_check(p);
        process_checks(p);
        socket_checks(p);
        fast_open_checks(p);
        file_checks(p);
        /* What is left goes on into libseccomp's part, which begins with loads of its own. */
}

static int add_group(scmp_filter_ctx ctx, const SyscallGroup *g) {
        const char *names = g->names;
        char name[32];
        int nr, r;

        if (g->error == ENOSYS)
                return 0; /* the default already */
        while ((nr = seccomp_next_syscall(&names, name)) != -ENODATA) {
                if (nr < 0)
                        continue;
                r = seccomp_rule_add(ctx, g->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(g->error), nr, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compile_numbers(scmp_filter_ctx ctx, uint8_t **ret_code, size_t *ret_len) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r < 0)
                return r;
        /* A binary tree: without it the kernel runs through the list for every number when it builds its cache of
         * constant answers, and loading takes more than twice as long. */
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r < 0)
                return r;
        for (size_t i = 0; i < seccomp_n_groups; i++) {
                r = add_group(ctx, seccomp_groups + i);
                if (r < 0)
                        return r;
        }
        fd = memfd_create("seccomp", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = seccomp_export_bpf(ctx, fd);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return fd_read_file(fd, PLAN_BPF_BYTES_MAX, (char **) ret_code, ret_len);
}

static int compile_session(uint8_t **ret_code, size_t *ret_len) {
        _cleanup_free_ uint8_t *numbers = NULL, *code = NULL;
        Program front = {};
        size_t n, len;
        scmp_filter_ctx ctx;
        int r;

        ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
        if (!ctx)
                return -ENOMEM;
        r = compile_numbers(ctx, &numbers, &n);
        seccomp_release(ctx);
        if (r < 0)
                return r;
        argument_checks(&front);
        len = front.n * sizeof(struct sock_filter) + n;
        if (len > PLAN_BPF_BYTES_MAX)
                return -E2BIG;
        code = malloc(len);
        if (!code)
                return -ENOMEM;
        memcpy(code, front.code, front.n * sizeof(struct sock_filter));
        memcpy(code + front.n * sizeof(struct sock_filter), numbers, n);
        *ret_code = TAKE_PTR(code);
        *ret_len = len;
        return 0;
}

/* clone3() has its flags in memory, where no filter can look: PID 1 needs it to fork into a cgroup, a payload gets
 * the answer of an old kernel and uses clone(). */
static void compile_exec(Program *p) {
        architecture_check(p);
        ret_if_equal(p, (uint32_t) seccomp_syscall_resolve_name("clone3"), RET_ERRNO(ENOSYS));
        ret(p, RET_ALLOW);
}

int seccomp_compile(const char *name, const uint8_t **ret_session, size_t *ret_session_len,
                const uint8_t **ret_exec, size_t *ret_exec_len) {
        static uint8_t *session;
        static size_t session_len;
        static Program exec;
        int r;

        if (!streq(name, SECCOMP_FILTER_DEFAULT))
                return -ENOENT;
        if (seccomp_arch_native() != SCMP_ARCH_X86_64 && seccomp_arch_native() != SCMP_ARCH_AARCH64)
                return -EOPNOTSUPP;
        if (!session) {
                exec.n = 0;
                compile_exec(&exec);
                r = compile_session(&session, &session_len);
                if (r < 0)
                        return r;
        }
        *ret_session = session;
        *ret_session_len = session_len;
        *ret_exec = (const uint8_t *) exec.code;
        *ret_exec_len = exec.n * sizeof(struct sock_filter);
        return 0;
}
