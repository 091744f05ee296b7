/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When the kernel refuses a step: the session is refused, the step is named, nothing is left, and no program
 * ever runs with one protection less. The stage is started under a filter that makes one system call fail
 * for it and for everything below it. */

#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

typedef struct Refused {
        const char *name;
        long call;
        int error;
        unsigned argument;
        uint32_t mask;
        bool equal;       /* the argument is mask, not: has one of its bits */
        const char *text; /* what the answer has to contain, NULL: nothing in particular */
} Refused;

/* Steps without which there is no sandbox. */
static const Refused steps[] = {
                {"a mount namespace and the others", SYS_clone3, EPERM, 0, 0, false, NULL},
                {"a user namespace", SYS_unshare, EPERM, 0, CLONE_NEWUSER, false, NULL},
                {"no user namespace left", SYS_unshare, ENOSPC, 0, CLONE_NEWUSER, false,
                                "max_user_namespaces"},
                {"a cgroup namespace", SYS_unshare, EPERM, 0, CLONE_NEWCGROUP, false, NULL},
                {"a host name", SYS_sethostname, EPERM, 0, 0, false, NULL},
                {"file systems", SYS_fsopen, EPERM, 0, 0, false, NULL},
                {"mounts", SYS_fsmount, EPERM, 0, 0, false, NULL},
                {"clones of mounts", SYS_open_tree, EPERM, 0, 0, false, NULL},
                {"attaching mounts", SYS_move_mount, EPERM, 0, 0, false, NULL},
                {"attributes of mounts", SYS_mount_setattr, EPERM, 0, 0, false, NULL},
                {"attributes of mounts on an older kernel", SYS_mount_setattr, ENOSYS, 0, 0, false, NULL},
                {"pivot_root", SYS_pivot_root, EPERM, 0, 0, false, NULL},
                {"taking the old root away", SYS_umount2, EPERM, 0, 0, false, NULL},
                {"device nodes", SYS_mknodat, EPERM, 0, 0, false, NULL},
                {"openat2", SYS_openat2, ENOSYS, 0, 0, false, NULL},
                {"a session keyring", SYS_keyctl, EDQUOT, 0, 0, false, NULL},
                {"Landlock (no such call)", 444, ENOSYS, 0, 0, false, "Landlock"},
                {"Landlock (turned off)", 444, EOPNOTSUPP, 0, 0, false, "Landlock"},
                {"a Landlock rule", 445, EINVAL, 0, 0, false, NULL},
                {"entering the Landlock domain", 446, EPERM, 0, 0, false, NULL},
                {"the seccomp filter", SYS_seccomp, EINVAL, 0, 0, false, NULL},
                {"capabilities", SYS_capset, EPERM, 0, 0, false, NULL},
                {"the user's id", SYS_setresuid, EPERM, 0, 0, false, NULL},
                {"the group's id", SYS_setresgid, EPERM, 0, 0, false, NULL},
                {"dropping groups", SYS_setgroups, EPERM, 0, 0, false, NULL},
                {"closing descriptors", SYS_close_range, ENOSYS, 0, 0, false, NULL},
                {"limits", SYS_prlimit64, EPERM, 0, 0, false, NULL},
                {"a memfd", SYS_memfd_create, ENOMEM, 0, 0, false, NULL},
                {"executing init", SYS_execveat, EACCES, 0, 0, false, NULL},
};

static void everything_gone(void) {
        static const char *const things[] = {"/run/ocsb/stage/failing", "/run/ocsb/monitor/failing",
                        "/var/lib/ocsb-stage/failing", WORKSPACE "/.mcp.json"};
        char ids[4][SESSION_ID_MAX + 1];
        int n = stage_list(ids, ELEMENTSOF(ids));

        (void) tap_check(n == 0, "%d sessions are left", n);
        for (size_t i = 0; i < ELEMENTSOF(things); i++)
                (void) tap_check(!bed_exists(things[i]), "%s is left", things[i]);
}

static Plan *plan_failing(void) {
        Plan *p = plan_sample("failing");

        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.mcp.json");
        return p;
}

static void refuses_without(const Refused *s) {
        const StageOptions options = {.refused_call = s->call,
                        .refused_error = s->error,
                        .refused_mask = s->mask,
                        .refused_argument = s->argument,
                        .refused_equal = s->equal};
        _cleanup_plan_ Plan *p = plan_failing();
        _cleanup_session_ Session session = SESSION_NONE;
        static ExecResult result;
        int r;

        if (!CHECK_OK(stage_start(&options)))
                return;
        r = session_create(&session, p, NULL, 0);
        if (r < 0) {
                /* It may also refuse to start at all. */
                (void) tap_check(stage_wait_death(1000), "no answer, and the stage lives: %s", strerror(-r));
                stage_kill();
                stage_stop();
                return;
        }
        if (session.ready) {
                /* An exec has steps of its own. */
                r = exec_run(&session, (const char *const[]){ATTACK, "exit", "0", NULL}, NULL, &result);
                (void) tap_check(r < 0 || !result.started, "a program ran although '%s' was refused",
                                s->name);
                (void) session_end(&session);
        } else {
                (void) tap_check(session.failed.error && session.failed.step[0] && session.failed.text[0],
                                "no reason was given");
                if (s->text)
                        (void) tap_check(strstr(session.failed.text, s->text) != NULL, "the text is: %s",
                                        session.failed.text);
                tap_note("%s: %s: %s", s->name, session.failed.step, session.failed.text);
        }
        everything_gone();
        stage_stop();
}

static void all_steps(void) {
        BedCount before = bed_count(), after;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                refuses_without(steps + i);
        after = bed_count();
        (void) tap_check(after.mounts == before.mounts && after.processes <= before.processes + 1 &&
                                         after.cgroups <= before.cgroups + 1,
                        "mounts %u %u, processes %u %u, cgroups %u %u", before.mounts, after.mounts,
                        before.processes, after.processes, before.cgroups, after.cgroups);
}

/* prctl() by option: each of those that protect. */
static void protective_prctls(void) {
        static const struct {
                const char *name;
                uint32_t option;
        } options[] = {{"no_new_privs", PR_SET_NO_NEW_PRIVS}, {"the bounding set", PR_CAPBSET_DROP},
                        {"ambient capabilities", PR_CAP_AMBIENT}};

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                refuses_without(&(Refused){
                                options[i].name, SYS_prctl, EPERM, 0, options[i].option, true, NULL});
        }
}

static void low_landlock(void) {
        _cleanup_plan_ Plan *p = plan_failing();
        _cleanup_session_ Session session = SESSION_NONE;

        CHECK_OK(stage_start(&(StageOptions){.env = {"OCSB_TEST_LANDLOCK_ABI=0"}}));
        if (CHECK_OK(session_create(&session, p, NULL, 0))) {
                if (session.ready && session.info.landlock_abi > 0)
                        tap_skip("a build without fault points has no such hook");
                else
                        (void) tap_check(!session.ready && strstr(session.failed.text, "Landlock"), "%s",
                                        session.failed.text);
                if (session.ready)
                        (void) session_end(&session);
        }
        stage_stop();
        /* An older ABI is reported as what it is, and what it cannot do is held by other walls. */
        for (unsigned abi = 1; abi <= 5; abi++) {
                char env[40];
                _cleanup_plan_ Plan *q = plan_failing();
                _cleanup_session_ Session s = SESSION_NONE;

                (void) snprintf(env, sizeof(env), "OCSB_TEST_LANDLOCK_ABI=%u", abi);
                CHECK_OK(stage_start(&(StageOptions){.env = {env}}));
                if (CHECK_OK(session_create(&s, q, NULL, 0)) && CHECK(s.ready)) {
                        if (s.info.landlock_abi > 5)
                                tap_skip("a build without fault points has no such hook");
                        else
                                (void) tap_check(s.info.landlock_abi == abi, "ABI %u is reported",
                                                s.info.landlock_abi);
                        (void) attack_holds(&s, "unwritable", "/usr/bin/env", WORKSPACE "/.mcp.json", NULL);
                        (void) attack_holds(&s, "whiteout", WORKSPACE, NULL);
                        (void) session_end(&s);
                }
                stage_stop();
        }
}

static void few_descriptors(void) {
        static const unsigned limits[] = {8, 12, 16, 24, 40, 64, 66, 70, 90};
        static Session all[40];

        for (size_t k = 0; k < ELEMENTSOF(limits); k++) {
                unsigned ready = 0, refused_n = 0;

                if (!CHECK_OK(stage_start(&(StageOptions){.nofile = limits[k]})))
                        return;
                for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                        _cleanup_plan_ Plan *p = plan_sample(NULL);

                        all[i] = (Session) SESSION_NONE;
                        if (session_create(&all[i], p, NULL, 0) < 0) {
                                (void) tap_check(!stage_alive(), "no answer with %u descriptors", limits[k]);
                                break;
                        }
                        ready += all[i].ready;
                        refused_n += !all[i].ready;
                        if (!all[i].ready)
                                (void) tap_check(all[i].failed.error != 0, "no reason with %u descriptors",
                                                limits[k]);
                }
                tap_note("%u descriptors: %u sessions, %u refused", limits[k], ready, refused_n);
                for (size_t i = 0; i < ELEMENTSOF(all); i++)
                        session_done(&all[i]);
                stage_kill();
                stage_stop();
        }
        CHECK_OK(stage_start(NULL));
        everything_gone();
        stage_stop();
}

static void full_disk(void) {
        _cleanup_plan_ Plan *p = plan_failing(), *again = plan_failing();
        _cleanup_session_ Session s = SESSION_NONE, t = SESSION_NONE;
        _cleanup_close_ int fd = -EBADF;
        char block[65536] = "";

        CHECK_OK(stage_start(NULL));
        /* The stage's own directory on a file system of its own that is full. */
        if (!CHECK(mount("full", "/run/ocsb/stage", "tmpfs", 0, "size=64k,mode=0700") == 0))
                return;
        stage_kill();
        CHECK_OK(stage_start(NULL));
        fd = open("/run/ocsb/stage/Fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        for (size_t n = sizeof(block); n > 0; n /= 2)
                while (write(fd, block, n) == (ssize_t) n)
                        ;
        if (CHECK_OK(session_create(&s, p, NULL, 0)))
                (void) tap_check(!s.ready && s.failed.error == ENOSPC, "with a full disk: %u %s: %s",
                                s.failed.error, s.failed.step, s.failed.text);
        CHECK(unlink("/run/ocsb/stage/Fill") == 0 && ftruncate(fd, 0) == 0);
        if (CHECK_OK(session_create(&t, again, NULL, 0)) &&
                        tap_check(t.ready, "afterwards: %s: %s", t.failed.step, t.failed.text))
                CHECK_OK(session_end(&t));
        everything_gone();
        stage_stop();
        CHECK(umount2("/run/ocsb/stage", MNT_DETACH) == 0);
}

static void limits_that_cannot_be_enforced(void) {
        _cleanup_free_ char *controllers = bed_read("/sys/fs/cgroup/cgroup.controllers");
        static const char *const names[] = {"memory", "pids", "cpu", "io"};

        CHECK_OK(stage_start(NULL));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_plan_ Plan *p = plan_failing();
                _cleanup_session_ Session s = SESSION_NONE;

                if (i == 0)
                        p->limits.memory = 64u << 20;
                else if (i == 1)
                        p->limits.pids = 50;
                else if (i == 2)
                        p->limits.cpu = 500000;
                else
                        p->limits.io_weight = 50;
                if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                        continue;
                if (controllers && strstr(controllers, names[i])) {
                        (void) tap_check(s.ready, "%s: %s: %s", names[i], s.failed.step, s.failed.text);
                        if (s.ready)
                                (void) session_end(&s);
                } else
                        (void) tap_check(!s.ready && strstr(s.failed.text, names[i]), "%s: %s", names[i],
                                        s.failed.text);
        }
        everything_gone();
        stage_stop();
}

static void missing_init(void) {
        _cleanup_plan_ Plan *p = plan_failing();
        _cleanup_session_ Session s = SESSION_NONE;

        CHECK_OK(stage_start(NULL));
        CHECK(chmod(OCSB_LIBEXEC_DIR "/ocsb-init", 0644) == 0);
        if (CHECK_OK(session_create(&s, p, NULL, 0)))
                CHECK(!s.ready && s.failed.error && s.failed.step[0]);
        if (s.ready)
                (void) session_end(&s);
        CHECK(chmod(OCSB_LIBEXEC_DIR "/ocsb-init", 0755) == 0);
        everything_gone();
        stage_stop();
}

static const TapTest tests[] = {
                {"T116 T41 without any one step of the construction the session is refused and nothing is "
                 "left",
                                all_steps},
                {"T116 without a protective prctl() the session is refused", protective_prctls},
                {"T41 without Landlock a session is refused by name; an older ABI is reported",
                                low_landlock},
                {"T117 with few descriptors left sessions are refused, and all is clean afterwards",
                                few_descriptors},
                {"T117 with a full disk sessions are refused, and made again when there is room", full_disk},
                {"a limit that can't be enforced here is refused and the controller named",
                                limits_that_cannot_be_enforced},
                {"an init that can't be executed is an answer, not a hang", missing_init},
};

static int run(void *userdata) {
        return tap_run(tests, ELEMENTSOF(tests), userdata);
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
