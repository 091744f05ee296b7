/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Telling callers inside a sandbox from those outside (threats T67, T70): the three marks, and what is in
 * doubt. */

#include "unit.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confined.h"
#include "wire/plan.h"

static bool is_cgroup(const char *path, void *userdata) {
        (void) userdata;
        return streq(path, "/user.slice/box") || streq(path, "/top");
}

static bool is_monitor(pid_t pid, void *userdata) {
        return userdata && pid == *(pid_t *) userdata;
}

static const ConfinedMarks marks = { .is_session_cgroup = is_cgroup, .is_monitor = is_monitor };

static void test_uid_map(void **state) {
        char text[200];
        static const struct {
                const char *text;
                int wanted;
        } rows[] = {
                { "         0          0 4294967295\n", 0 },
                { "0 0 4294967295", 0 },
                { "      1000       1000          1\n", 0 },
                { "0 100000 65536\n1000 1000 1\n", 0 },
                { "0 1 4294967294\n", 0 }, /* a container with every id has the range, too */
                { "", 0 },
                { "x", -EBADMSG }, { "1 2", -EBADMSG }, { "0 0 99999999999\n", -EBADMSG },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(uid_map_has_sub_range(rows[i].text), rows[i].wanted);
        /* As the builder writes it: the caller's own id, and the rest in two parts around it. */
        (void) snprintf(text, sizeof(text), "%10u %10u %10u\n%10u %10u %10u\n%10u %10u %10u\n", 0u,
                        OCSB_SUB_ID, 1000u, 1000u, 1000u, 1u, 1001u, OCSB_SUB_ID + 1001,
                        OCSB_SUB_COUNT - 1001);
        assert_int_equal(uid_map_has_sub_range(text), 1);
        (void) snprintf(text, sizeof(text), "1000 1000 1\n5 %u 1\n", OCSB_SUB_ID + OCSB_SUB_COUNT - 1);
        assert_int_equal(uid_map_has_sub_range(text), 1);
        (void) snprintf(text, sizeof(text), "5 %u 1\n", OCSB_SUB_ID + OCSB_SUB_COUNT);
        assert_int_equal(uid_map_has_sub_range(text), 0);
}

static void test_cgroup(void **state) {
        static const struct {
                const char *text;
                bool wanted;
        } rows[] = {
                { "0::/user.slice/box\n", true },
                { "0::/user.slice/box/exec-1\n", true },
                { "12:pids:/x\n0::/user.slice/box/a/b\n", true },
                { "0::/user.slice/boxes\n", false },
                { "0::/user.slice\n", false },
                { "0::/\n", false },
                { "0::/top", true },
                { "1:name=systemd:/user.slice/box\n", false }, /* the table has cgroup2 paths only */
                { "0::/ocsb.slice/ocsb-abc_1.scope\n", true },
                { "0::/ocsb.slice/ocsb-abc_1.scope/monitor\n", true },
                { "1:name=systemd:/ocsb.slice/ocsb-a.scope\n", true },
                { "0::/../../ocsb.slice/ocsb-a.scope\n", true },
                { "0::/system.slice/ocsbd.service\n", false },
                { "0::/ocsb.slice/ocsb-.scope\n", false },
                { "0::/x/my-ocsb-a.scope\n", false },
                { "0::/x/ocsb-a.scopes\n", false },
                { "", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (cgroup_text_is_session(rows[i].text, &marks) != rows[i].wanted)
                        fail_msg("%s", rows[i].text);
}

static void test_status(void **state) {
        ProcStatus s;

        (void) state;
        assert_int_equal(proc_status_parse("Name:\tx\nUmask:\t0022\nPPid:\t77\nUid:\t1\t2\t3\t4\nNSpid:"
                                           "\t5\t9\t1\n",
                                         &s),
                        0);
        assert_int_equal(s.parent, 77);
        assert_int_equal(s.uid, 2);
        assert_int_equal(s.pid_levels, 3);
        assert_int_equal(proc_status_parse("PPid:\t0\nUid:\t0\t0\t0\t0\nNSpid:\t1\n", &s), 0);
        assert_int_equal(s.pid_levels, 1);
        /* A name that looks like a field is escaped by the kernel; only line starts count. */
        assert_int_equal(
                        proc_status_parse("Name:\tPPid: 5\nPPid:\t6\nUid:\t0\t7\t0\t0\nNSpid:\t1\n", &s), 0);
        assert_int_equal(s.parent, 6);
        assert_int_equal(proc_status_parse("", &s), -EBADMSG);
        assert_int_equal(proc_status_parse("PPid:\t1\nUid:\t0\t0\t0\t0\n", &s), -EBADMSG);
        assert_int_equal(proc_status_parse("PPid:\t1\nNSpid:\t1\nUid:\tx\n", &s), -EBADMSG);
        assert_int_equal(proc_status_parse("PPid:\t1\nNSpid:\tx\nUid:\t0\t0\n", &s), -EBADMSG);
}

static void test_live_processes(void **state) {
        const char *why = NULL;
        pid_t child;
        int fd;

        (void) state;
        fd = (int) count_fds();
        if (geteuid() != 0)
                assert_int_equal(confined_check(getpid(), -EBADF, geteuid(), &marks, NULL, &why),
                                CONFINED_OUTSIDE);
        /* uid 0 is never inside, whatever its process is. */
        assert_int_equal(confined_check(0, -EBADF, 0, &marks, NULL, &why), CONFINED_OUTSIDE);
        /* No process, a wrong uid, a process that is gone. */
        assert_int_equal(confined_check(0, -EBADF, 1000, &marks, NULL, &why), CONFINED_UNKNOWN);
        assert_int_equal(confined_check(-1, -EBADF, 1000, &marks, NULL, &why), CONFINED_UNKNOWN);
        assert_int_equal(confined_check(getpid(), -EBADF, geteuid() + 1, &marks, NULL, &why),
                        CONFINED_UNKNOWN);
        assert_non_null(strstr(why, "uid"));
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t) child, &(siginfo_t) {}, WEXITED | WNOWAIT), 0);
        assert_int_equal(confined_check(child, -EBADF, geteuid() + 1, &marks, NULL, &why),
                        CONFINED_UNKNOWN); /* a zombie */
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(confined_check(child, -EBADF, geteuid() + 1, &marks, NULL, &why), CONFINED_UNKNOWN);
        if (geteuid() != 0) {
                int pidfd = -EBADF;

                assert_int_equal(confined_check(getpid(), -EBADF, geteuid(), &marks, &pidfd, &why),
                                CONFINED_OUTSIDE);
                assert_true(pidfd_is_alive(pidfd));
                fd_close(pidfd);
        }
        assert_int_equal(count_fds(), fd);
}

/* A child in a new pid namespace whose parent is this process: as a sandbox's PID 1 and its monitor. Needs
 * root. */
static void test_nested_pid_namespace(void **state) {
        pid_t middle, inner, self = getpid();
        ConfinedMarks with_monitor = marks, with_other = marks;
        pid_t other = 1;
        const char *why = NULL;
        _cleanup_close_ int pidfd = -EBADF;
        int out[2], hold[2];

        (void) state;
        if (geteuid() != 0)
                skip();
        with_monitor.userdata = &self;
        with_other.userdata = &other;
        assert_int_equal(pipe(out), 0);
        assert_int_equal(pipe(hold), 0);
        middle = fork();
        assert_true(middle >= 0);
        if (middle == 0) {
                char c;

                if (unshare(CLONE_NEWPID) < 0)
                        _exit(1);
                inner = fork();
                if (inner == 0) {
                        close(hold[1]);
                        if (setresuid(12345, 12345, 12345) < 0)
                                _exit(1);
                        if (write(out[1], "x", 1) < 0 || read(hold[0], &c, 1) < 0)
                                _exit(1);
                        _exit(0);
                }
                close(hold[1]);
                if (write(out[1], &inner, sizeof(inner)) < 0 || read(hold[0], &c, 1) < 0)
                        _exit(1);
                _exit(0);
        }
        close(hold[0]);
        {
                char got[1 + sizeof(inner)];
                size_t n = 0;

                /* Both writes are short enough to be whole; their order is not given. */
                while (n < sizeof(got)) {
                        ssize_t k = read(out[0], got + n, sizeof(got) - n);

                        assert_true(k > 0);
                        n += (size_t) k;
                }
                memcpy(&inner, got[0] == 'x' && n == sizeof(got) ? got + 1 : got, sizeof(inner));
        }
        assert_int_equal(confined_check(inner, -EBADF, 12345, &with_monitor, NULL, &why), CONFINED_INSIDE);
        assert_int_equal(confined_check(inner, -EBADF, 12345, &with_other, &pidfd, &why), CONFINED_OUTSIDE);
        assert_true(pidfd_is_alive(pidfd));
        close(hold[1]);
        close(out[0]);
        close(out[1]);
        (void) kill(inner, SIGKILL);
        assert_int_equal(waitpid(middle, NULL, 0), middle);
        assert_int_equal(poll(&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1, 5000), 1);
        assert_false(pidfd_is_alive(pidfd));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_uid_map),
                cmocka_unit_test(test_cgroup),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_live_processes),
                cmocka_unit_test(test_nested_pid_namespace),
        };

        return RUN_TESTS(tests);
}
