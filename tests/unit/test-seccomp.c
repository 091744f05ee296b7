/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The filters, asked of the kernel: a child loads them as PID 1 and an exec would and makes the call. What the kernel
 * would do without the filter is not the question, only who answers: calls have arguments that the kernel would refuse
 * in another way, or that it would carry out harmlessly. */

#include "unit.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy/seccomp-filter.h"

#define HIGH (UINT64_C(1) << 32)

static const uint8_t *session, *exec_;
static size_t session_len, exec_len;

static int setup(_unused_ void **state) {
        return seccomp_compile(SECCOMP_FILTER_DEFAULT, &session, &session_len, &exec_, &exec_len);
}

static bool load(const uint8_t *code, size_t len) {
        struct sock_fprog program = { .len = (unsigned short) (len / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *) code };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

enum { SESSION_ONLY, BOTH };
enum { POSSIBLE = 0, KILLED = -1, BROKEN = -2 };

/* What the call fails with behind the filters: an errno, POSSIBLE, or KILLED. */
static int attempt(int which, long nr, const uint64_t a[6]) {
        int status, fds[2], error = BROKEN;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && load(session, session_len) &&
                                (which == SESSION_ONLY || load(exec_, exec_len))) {
                        pid_t before = (pid_t) syscall(SYS_getpid);

                        errno = 0;
                        error = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : POSSIBLE;
                        if (syscall(SYS_getpid) != before)
                                _exit(0); /* the call was a fork */
                }
                (void) !write(fds[1], &error, sizeof(error));
                _exit(0);
        }
        close(fds[1]);
        if (read(fds[0], &error, sizeof(error)) != sizeof(error))
                error = BROKEN;
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status))
                return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
        return error;
}

#define ATTEMPT(which, nr, ...) attempt((which), (nr), (const uint64_t[6]) { __VA_ARGS__ })
#define ANSWERS(error, nr, ...)                                                                             \
        do {                                                                                                \
                int _e = ATTEMPT(BOTH, nr, __VA_ARGS__);                                                    \
                if (_e != (error))                                                                          \
                        fail_msg("%s(%s): %s instead of %s", #nr, #__VA_ARGS__, _e < 0 ? "killed" : strerror(_e), \
                                        (error) < 0 ? "killed" : strerror(error));                          \
        } while (0)

static void test_ordinary_calls(_unused_ void **state) {
        ANSWERS(POSSIBLE, SYS_getpid, 0);
        ANSWERS(POSSIBLE, SYS_clock_gettime, CLOCK_REALTIME, (uintptr_t) &(struct timespec) {});
        ANSWERS(EBADF, SYS_fsync, (uint64_t) -1);
        ANSWERS(EBADF, SYS_close, 9999);
        ANSWERS(POSSIBLE, SYS_clone, SIGCHLD);
        ANSWERS(POSSIBLE, SYS_prctl, PR_GET_DUMPABLE);
        ANSWERS(POSSIBLE, SYS_personality, UINT32_MAX);
        ANSWERS(POSSIBLE, SYS_personality, 0);
        ANSWERS(POSSIBLE, SYS_prlimit64, 0, 7, 0, 0);
        ANSWERS(POSSIBLE, SYS_memfd_create, (uintptr_t) "x");
        /* a sandbox within the sandbox may tighten */
        ANSWERS(EFAULT, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0);
        assert_true(ATTEMPT(BOTH, SYS_landlock_create_ruleset, 0, 0, 1 /* version */) == POSSIBLE ||
                        ATTEMPT(BOTH, SYS_landlock_create_ruleset, 0, 0, 1) == EOPNOTSUPP);
}

/* New numbers that are named are not refused; the kernel may not have them. */
static void test_newer_calls(_unused_ void **state) {
        static const long numbers[] = { 449, 451, 452, 454, 455, 456, 462 };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                assert_true(ATTEMPT(BOTH, numbers[i], (uint64_t) -1, (uint64_t) -1, (uint64_t) -1) != EPERM);
}

/* T03: what is not known is closed, the new mount calls among it. */
static void test_t03_unknown_calls(_unused_ void **state) {
        static const long numbers[] = { 1000, 600, 470, 500, 0x3fffffff, SYS_open_tree, SYS_move_mount, SYS_fsopen,
                SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, 457 /* statmount */, 458,
                467 /* open_tree_attr */ };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                assert_int_equal(ATTEMPT(BOTH, numbers[i], (uint64_t) -1, 0, 0, 0), ENOSYS);
}

static void test_denied_groups(_unused_ void **state) {
        for (size_t i = 0; i < seccomp_n_groups; i++) {
                const SyscallGroup *g = &seccomp_groups[i];
                const char *names = g->names;
                char name[32];
                int nr;

                assert_true(*g->reason);
                while ((nr = seccomp_next_syscall(&names, name)) != -ENODATA) {
                        int error;

                        if (g->error == 0 || nr < 0)
                                continue;
                        error = ATTEMPT(BOTH, nr, (uint64_t) -1, (uint64_t) -1, (uint64_t) -1, (uint64_t) -1,
                                        (uint64_t) -1, (uint64_t) -1);
                        if (error != g->error)
                                fail_msg("%s: %d instead of %d", name, error, g->error);
                }
        }
}

/* No name twice, and each is a call that libseccomp knows or that has its number. */
static void test_table(_unused_ void **state) {
        static uint8_t seen[1024];
        size_t n = 0;

        for (size_t i = 0; i < seccomp_n_groups; i++) {
                const char *names = seccomp_groups[i].names;
                char name[32];
                int nr;

                while ((nr = seccomp_next_syscall(&names, name)) != -ENODATA) {
                        if (nr < 0)
                                continue;
                        if (seen[nr]++)
                                fail_msg("%s is there twice", name);
                        n++;
                }
        }
        assert_true(n > 350);
#ifdef __x86_64__
        /* every call of this architecture up to the newest that is named is either in a group or long gone */
        static const int gone[] = { 134 /* uselib */, 136 /* ustat */, 139 /* sysfs */, 156 /* _sysctl */, 174, 177,
                178, 180, 181, 182, 183, 184, 185 /* … security */, 214, 215 /* epoll_*_old */, 236 /* vserver */,
                447 /* memfd_secret */, 335, 459, 460, 461 /* lsm_* */, 463, 464, 465, 466 };

        for (int nr = 0; nr <= 462; nr++) {
                bool expected = nr > 334 && nr < 424;

                for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                        expected = expected || gone[i] == nr;
                if (!seen[nr] && !expected)
                        fail_msg("system call %d is in no group", nr);
        }
#endif
}

static void test_namespaces(_unused_ void **state) {
        static const uint64_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                CLONE_NEWUTS, CLONE_NEWCGROUP };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                ANSWERS(EPERM, SYS_clone, flags[i] | SIGCHLD);
                ANSWERS(EPERM, SYS_clone, flags[i] | SIGCHLD | HIGH);
                ANSWERS(EPERM, SYS_unshare, flags[i]);
                ANSWERS(EPERM, SYS_unshare, flags[i] | CLONE_FS | HIGH);
        }
        ANSWERS(EPERM, SYS_unshare, CLONE_NEWTIME);
        ANSWERS(POSSIBLE, SYS_unshare, CLONE_FS | CLONE_FILES);
        ANSWERS(EPERM, SYS_setns, (uint64_t) -1, 0);
}

/* PID 1 forks into cgroups with clone3(); a payload, which could hide flags there, has none. */
static void test_clone3(_unused_ void **state) {
        struct clone_args args = { .exit_signal = SIGCHLD };

        assert_int_equal(ATTEMPT(SESSION_ONLY, SYS_clone3, (uintptr_t) &args, sizeof(args)), POSSIBLE);
        assert_int_equal(ATTEMPT(BOTH, SYS_clone3, (uintptr_t) &args, sizeof(args)), ENOSYS);
        args.flags = CLONE_NEWUSER;
        assert_int_equal(ATTEMPT(BOTH, SYS_clone3, (uintptr_t) &args, sizeof(args)), ENOSYS);
}

/* T01, T02: typing into a terminal, with and without bits that the kernel does not look at (CVE-2019-10063). */
static void test_t01_t02_terminal_ioctls(_unused_ void **state) {
        static const uint64_t requests[] = { TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                ANSWERS(EPERM, SYS_ioctl, 0, requests[i], 0);
                ANSWERS(EPERM, SYS_ioctl, 0, requests[i] | HIGH, 0);
                ANSWERS(EPERM, SYS_ioctl, 0, requests[i] | UINT64_C(0xdeadbeef00000000), 0);
                ANSWERS(EPERM, SYS_ioctl, HIGH, requests[i], 0);
        }
        ANSWERS(EBADF, SYS_ioctl, 9999, TIOCGWINSZ, 0);
        ANSWERS(EBADF, SYS_ioctl, 9999, (uint64_t) TIOCGWINSZ | HIGH, 0);
}

/* T34, T36: families, raw sockets, other protocols than TCP and UDP. */
static void test_t34_t36_sockets(_unused_ void **state) {
        static const uint64_t inet[] = { AF_INET, AF_INET6 };

        ANSWERS(POSSIBLE, SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ANSWERS(POSSIBLE, SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
        ANSWERS(POSSIBLE, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (uintptr_t) (int[2]) {});
        ANSWERS(POSSIBLE, SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        for (size_t i = 0; i < ELEMENTSOF(inet); i++) {
                uint64_t f = inet[i];

                ANSWERS(POSSIBLE, SYS_socket, AF_INET, SOCK_STREAM, 0);
                assert_true(ATTEMPT(BOTH, SYS_socket, f, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP) != EPROTONOSUPPORT);
                assert_true(ATTEMPT(BOTH, SYS_socket, f, SOCK_DGRAM, IPPROTO_UDP) != EPROTONOSUPPORT);
                /* garbage above the int that is the argument changes nothing */
                assert_int_equal(ATTEMPT(BOTH, SYS_socket, f | HIGH, SOCK_STREAM | HIGH, IPPROTO_TCP | HIGH),
                                ATTEMPT(BOTH, SYS_socket, f, SOCK_STREAM, IPPROTO_TCP));
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_STREAM, 262 /* MPTCP */);
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_STREAM | SOCK_CLOEXEC, (262 | HIGH));
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_STREAM, 256 /* SMC */);
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_STREAM, 132 /* SCTP */);
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_DGRAM, IPPROTO_ICMP);
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_DGRAM, IPPROTO_ICMPV6);
                ANSWERS(EPROTONOSUPPORT, SYS_socket, f, SOCK_DGRAM, 136 /* UDP-Lite */);
                ANSWERS(EPERM, SYS_socket, f, SOCK_RAW, IPPROTO_ICMP);
                ANSWERS(EPERM, SYS_socket, f, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 255);
                ANSWERS(EPERM, SYS_socket, f, SOCK_RAW | HIGH, 255);
                ANSWERS(EPERM, SYS_socket, f, 10 /* SOCK_PACKET */, 0);
                ANSWERS(ESOCKTNOSUPPORT, SYS_socket, f, SOCK_SEQPACKET, 132);
                ANSWERS(ESOCKTNOSUPPORT, SYS_socket, f, SOCK_RDM, 0);
                ANSWERS(ESOCKTNOSUPPORT, SYS_socket, f, 6 /* DCCP */, 33);
        }
        for (uint64_t f = 0; f <= 60; f++)
                if (f != AF_UNIX && f != AF_INET && f != AF_INET6 && f != AF_NETLINK) {
                        ANSWERS(EAFNOSUPPORT, SYS_socket, f, SOCK_STREAM, 0);
                        ANSWERS(EAFNOSUPPORT, SYS_socket, f | HIGH, SOCK_DGRAM, 0);
                        ANSWERS(EAFNOSUPPORT, SYS_socketpair, f, SOCK_STREAM, 0, 0);
                }
        ANSWERS(EAFNOSUPPORT, SYS_socketpair, AF_INET, SOCK_STREAM, 0, 0);
        ANSWERS(EAFNOSUPPORT, SYS_socket, UINT32_MAX, SOCK_STREAM, 0);
        for (uint64_t p = 1; p <= 22; p++)
                ANSWERS(EPROTONOSUPPORT, SYS_socket, AF_NETLINK, SOCK_RAW, p);
}

/* T35: connecting without connect(). */
static void test_t35_fast_open(_unused_ void **state) {
        ANSWERS(EOPNOTSUPP, SYS_sendto, 9999, 0, 0, MSG_FASTOPEN, 0, 0);
        ANSWERS(EOPNOTSUPP, SYS_sendto, 9999, 0, 0, MSG_FASTOPEN | MSG_NOSIGNAL | HIGH, 0, 0);
        ANSWERS(EOPNOTSUPP, SYS_sendmsg, 9999, 0, MSG_FASTOPEN | MSG_DONTWAIT);
        ANSWERS(EOPNOTSUPP, SYS_sendmmsg, 9999, 0, 0, MSG_FASTOPEN);
        ANSWERS(EBADF, SYS_sendto, 9999, 0, 0, MSG_NOSIGNAL, 0, 0);
        ANSWERS(EBADF, SYS_sendmsg, 9999, 0, MSG_NOSIGNAL);
        ANSWERS(EBADF, SYS_sendmmsg, 9999, 0, 0, 0);
        ANSWERS(ENOPROTOOPT, SYS_setsockopt, 9999, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 0);
        ANSWERS(ENOPROTOOPT, SYS_setsockopt, 9999, IPPROTO_TCP | HIGH, TCP_FASTOPEN | HIGH, 0, 0);
        ANSWERS(EBADF, SYS_setsockopt, 9999, IPPROTO_TCP, TCP_NODELAY, 0, 4);
        ANSWERS(EBADF, SYS_setsockopt, 9999, SOL_SOCKET, TCP_FASTOPEN_CONNECT, 0, 4);
}

static void test_processes(_unused_ void **state) {
        ANSWERS(EPERM, SYS_prctl, PR_SET_MM, PR_SET_MM_EXE_FILE, 0, 0, 0);
        ANSWERS(EPERM, SYS_prctl, PR_SET_MM | HIGH, PR_SET_MM_EXE_FILE, 0, 0, 0);
        ANSWERS(EPERM, SYS_ptrace, 0, 0, 0, 0);
        ANSWERS(EPERM, SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */);
        ANSWERS(EPERM, SYS_personality, 6 /* PER_OSR5 */);
        ANSWERS(POSSIBLE, SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
        /* T38 */
        ANSWERS(EPERM, SYS_io_uring_setup, 1, 0);
}

/* T39: whiteouts; and devices. */
static void test_t39_special_files(_unused_ void **state) {
        ANSWERS(EINVAL, SYS_renameat2, 9999, 0, 9999, 0, 4 /* RENAME_WHITEOUT */);
        ANSWERS(EINVAL, SYS_renameat2, 9999, 0, 9999, 0, 4 | HIGH);
        ANSWERS(EPERM, SYS_mknodat, 9999, 0, S_IFCHR | 0600, 0);
        ANSWERS(EPERM, SYS_mknodat, 9999, 0, (S_IFCHR | HIGH), 0);
        ANSWERS(EPERM, SYS_mknodat, 9999, 0, S_IFBLK | 0600, 0);
#ifdef SYS_mknod
        ANSWERS(EPERM, SYS_mknod, 0, S_IFCHR, 0);
        ANSWERS(EFAULT, SYS_mknod, 0, S_IFIFO | 0600, 0);
#endif
        ANSWERS(EFAULT, SYS_renameat2, 9999, 0, 9999, 0, 1);
}

/* T46: another architecture's numbers. */
static void test_t46_other_architectures(_unused_ void **state) {
#ifdef __x86_64__
        int status;
        pid_t pid;

        assert_int_equal(ATTEMPT(BOTH, 0x40000000 | SYS_getpid, 0), KILLED);
        assert_int_equal(ATTEMPT(SESSION_ONLY, 0x40000000 | SYS_getpid, 0), KILLED);
        assert_int_equal(ATTEMPT(BOTH, 0x40000000 | 520 /* execve of x32 */, 0), KILLED);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                long ret = 20; /* getpid of i386 */

                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !load(session, session_len))
                        _exit(1);
                __asm__ volatile("int $0x80" : "+a"(ret)::"memory", "r8", "r9", "r10", "r11");
                _exit(2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
                skip(); /* a kernel without 32-bit emulation */
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
#else
        skip();
#endif
}

static void test_compile(_unused_ void **state) {
        const uint8_t *s, *e;
        size_t s_len, e_len;

        assert_int_equal(seccomp_compile(SECCOMP_FILTER_DEFAULT, &s, &s_len, &e, &e_len), 0);
        assert_ptr_equal(s, session);
        assert_ptr_equal(e, exec_);
        assert_int_equal(seccomp_compile("nosuch", &s, &s_len, &e, &e_len), -ENOENT);
        /* what is loaded for each session, and for each exec */
        assert_true(session_len / sizeof(struct sock_filter) <= 800);
        assert_true(exec_len / sizeof(struct sock_filter) <= 8);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compile),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_ordinary_calls),
                cmocka_unit_test(test_newer_calls),
                cmocka_unit_test(test_t03_unknown_calls),
                cmocka_unit_test(test_denied_groups),
                cmocka_unit_test(test_namespaces),
                cmocka_unit_test(test_clone3),
                cmocka_unit_test(test_t01_t02_terminal_ioctls),
                cmocka_unit_test(test_t34_t36_sockets),
                cmocka_unit_test(test_t35_fast_open),
                cmocka_unit_test(test_processes),
                cmocka_unit_test(test_t39_special_files),
                cmocka_unit_test(test_t46_other_architectures),
        };

        return cmocka_run_group_tests_name("seccomp", tests, setup, NULL);
}
