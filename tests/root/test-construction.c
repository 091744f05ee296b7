/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a sandbox is put together: what is where, under attack by those who own the sources. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

static bool make(Session *s, Plan *p, const int *fds, size_t n_fds) {
        return CHECK(p) && CHECK_OK(session_create(s, p, fds, n_fds)) &&
               tap_check(s->ready, "%s: %s", s->failed.step, s->failed.text);
}

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void only_what_is_granted(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        bed_mkdir("/srv", 0755, 0);
        bed_write("/srv/data", "host data", 0644, 0);
        bed_write(ALICE_HOME "/private", "private", 0644, ALICE);
        if (!make(&s, p, NULL, 0))
                return;
        (void) attack_holds(&s, "absent", "/srv", "/srv/data", ALICE_HOME "/private", "/root", "/boot",
                        "/var/lib", "/run/ocsb", "/sys/kernel", "/home/bob", "/etc/shadow", "/.build",
                        "/mnt", "/stage.log", "/etc/ocsb", NULL);
        (void) attack_holds(&s, "create", "/x", "/usr/x", "/usr/bin/x", "/usr/local/bin/x", "/etc/x",
                        "/dev/x", "/proc/x", "/home/x", ALICE_HOME "/x", NULL);
        (void) attack_holds(
                        &s, "writable", WORKSPACE "/made", "/tmp/made", "/dev/shm/made", "/dev/null", NULL);
        (void) attack_holds(&s, "unwritable", "/usr/bin/env", "/etc/passwd", "/usr", NULL);
        (void) attack_holds(&s, "contains", "/etc/passwd", "alice", NULL);
        CHECK_OK(session_end(&s));
        CHECK(bed_exists(WORKSPACE "/made") && !bed_exists("/tmp/made") && !bed_exists("/dev/shm/made"));
}

static void readonly_and_noexec(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        bed_mkdir(ALICE_HOME "/ro", 0755, ALICE);
        bed_mkdir(ALICE_HOME "/rw", 0755, ALICE);
        bed_write(ALICE_HOME "/ro/file", "text", 0666, ALICE);
        bed_copy("/.build/tests/root/attack", ALICE_HOME "/rw/attack", 0777);
        bed_copy("/.build/tests/root/attack", ALICE_HOME "/ro/attack", 0777);
        (void) plan_add_path(p, ALICE_HOME "/ro", ALICE_HOME "/ro", 0);
        (void) plan_add_path(p, ALICE_HOME "/rw", ALICE_HOME "/rw", PLAN_MOUNT_WRITE);
        if (!make(&s, p, NULL, 0))
                return;
        (void) attack_holds(&s, "unwritable", ALICE_HOME "/ro/file", ALICE_HOME "/ro", NULL);
        (void) attack_holds(&s, "create", ALICE_HOME "/ro/new", NULL);
        (void) attack_holds(&s, "contains", ALICE_HOME "/ro/file", "text", NULL);
        (void) attack_holds(&s, "noexec", ALICE_HOME "/rw/attack", NULL);
        (void) attack_holds(&s, "noexec", ALICE_HOME "/ro/attack", NULL);
        (void) attack_holds(&s, "writable", ALICE_HOME "/rw/new", NULL);
        (void) attack_holds(&s, "metadata", NULL);
        CHECK_OK(session_end(&s));
}

/* What is mounted beneath a granted directory on the host: kernel interfaces in a chroot, say. */
static void submounts(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        bed_mkdir(ALICE_HOME "/chroot", 0755, ALICE);
        bed_mkdir(ALICE_HOME "/chroot/proc", 0755, ALICE);
        bed_mkdir(ALICE_HOME "/chroot/sys", 0755, ALICE);
        bed_mkdir(ALICE_HOME "/chroot/dev", 0755, ALICE);
        bed_mkdir(ALICE_HOME "/chroot/run", 0755, ALICE);
        CHECK(mount("proc", ALICE_HOME "/chroot/proc", "proc", 0, NULL) == 0);
        CHECK(mount("/sys", ALICE_HOME "/chroot/sys", NULL, MS_BIND | MS_REC, NULL) == 0);
        CHECK(mount("/dev", ALICE_HOME "/chroot/dev", NULL, MS_BIND | MS_REC, NULL) == 0);
        CHECK(mount("/run", ALICE_HOME "/chroot/run", NULL, MS_BIND | MS_REC, NULL) == 0);
        (void) plan_add_path(p, "/srv/chroot", ALICE_HOME "/chroot", PLAN_MOUNT_WRITE);
        if (CHECK_OK(session_create(&s, p, NULL, 0)) && s.ready) {
                (void) attack_holds(&s, "absent", "/srv/chroot/proc/1", "/srv/chroot/proc/sysrq-trigger",
                                "/srv/chroot/proc/sys/kernel/core_pattern", "/srv/chroot/proc/kcore",
                                "/srv/chroot/sys/kernel", "/srv/chroot/sys/fs/cgroup/cgroup.procs",
                                "/srv/chroot/dev/kmsg", "/srv/chroot/run/ocsb", NULL);
                CHECK_OK(session_end(&s));
        } else
                tap_note("refused: %s: %s", s.failed.step, s.failed.text);
        CHECK(umount2(ALICE_HOME "/chroot/run", MNT_DETACH) == 0 &&
                        umount2(ALICE_HOME "/chroot/dev", MNT_DETACH) == 0);
        CHECK(umount2(ALICE_HOME "/chroot/sys", MNT_DETACH) == 0 &&
                        umount2(ALICE_HOME "/chroot/proc", MNT_DETACH) == 0);
}

/* Mounts that the host makes later do not appear inside, and those of the sandbox not outside. */
static void propagation(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        BedCount before = bed_count(), with;

        CHECK(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0);
        bed_mkdir(WORKSPACE "/later", 0755, ALICE);
        if (make(&s, p, NULL, 0)) {
                with = bed_count();
                (void) tap_check(with.mounts == before.mounts, "%u mounts, before %u", with.mounts,
                                before.mounts);
                CHECK(mount("tmpfs", WORKSPACE "/later", "tmpfs", 0, NULL) == 0);
                bed_write(WORKSPACE "/later/file", "later", 0644, 0);
                (void) attack_holds(&s, "absent", WORKSPACE "/later/file", NULL);
                CHECK_OK(session_end(&s));
                CHECK(umount(WORKSPACE "/later") == 0);
        }
        CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

/* The race of CVE-2024-42472: a directory is swapped for a symlink while it is granted. */
static _noreturn_ void swap_for_ever(const char *target) {
        if (setresgid(ALICE, ALICE, ALICE) < 0 || setresuid(ALICE, ALICE, ALICE) < 0)
                _exit(1);
        for (;;) {
                (void) rename(ALICE_HOME "/race", ALICE_HOME "/race.real");
                (void) !symlink(target, ALICE_HOME "/race");
                (void) unlink(ALICE_HOME "/race");
                (void) rename(ALICE_HOME "/race.real", ALICE_HOME "/race");
        }
}

static void race_to(const char *target, const char *forbidden_name) {
        uint64_t end = now_ms() + 1000;
        unsigned made = 0, other = 0;
        pid_t swapper = fork();

        if (swapper == 0)
                swap_for_ever(target);
        while (now_ms() < end && !tap_failed()) {
                _cleanup_plan_ Plan *p = plan_sample(NULL);
                _cleanup_session_ Session s = SESSION_NONE;

                (void) plan_add_path(p, "/srv/race", ALICE_HOME "/race", PLAN_MOUNT_WRITE);
                if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                        break;
                if (!s.ready) {
                        other++;
                        continue;
                }
                made++;
                (void) attack_holds(&s, "absent", forbidden_name, NULL);
                (void) attack_holds(&s, "contains", "/srv/race/marker", "good", NULL);
                CHECK_OK(session_end(&s));
        }
        (void) kill(swapper, SIGKILL);
        tap_note("%s: %u made, %u refused", target, made, other);
        CHECK(made > 0);
        bed_remove(ALICE_HOME "/race");
        bed_remove(ALICE_HOME "/race.real");
}

static void grant_races(void) {
        static const char *const targets[][2] = {
                        {"/run", "/srv/race/ocsb"}, {"/proc", "/srv/race/1"}, {"/etc", "/srv/race/passwd"}};

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                bed_mkdir(ALICE_HOME "/race", 0755, ALICE);
                bed_write(ALICE_HOME "/race/marker", "good", 0644, ALICE);
                race_to(targets[i][0], targets[i][1]);
        }
}

/* The target's components inside a granted tree are the owner's: none may lead a later grant elsewhere,
 * neither on the way nor as the last one. */
static void targets_in_grants(void) {
        static const char *const links[] = {"/proc", "/dev", "/dev/shm", "/etc", "../../../etc", "/usr/bin",
                        "/usr", "/tmp", "/proc/self", "/"};

        for (size_t i = 0; i < 2 * ELEMENTSOF(links); i++) {
                _cleanup_plan_ Plan *p = plan_sample(NULL);
                _cleanup_session_ Session s = SESSION_NONE;
                const char *link_text = links[i % ELEMENTSOF(links)];
                bool last = i >= ELEMENTSOF(links);

                bed_mkdir(ALICE_HOME "/inner", 0755, ALICE);
                bed_write(ALICE_HOME "/inner/marker", "inner", 0644, ALICE);
                bed_write(ALICE_HOME "/inner/env", "inner", 0755, ALICE);
                CHECK(symlink(link_text, WORKSPACE "/way") == 0);
                (void) plan_add_path(p, last ? WORKSPACE "/way" : WORKSPACE "/way/inner",
                                ALICE_HOME "/inner", PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
                if (CHECK_OK(session_create(&s, p, NULL, 0)) && s.ready) {
                        (void) attack_holds(&s, "absent", "/proc/inner", "/dev/inner",
                                        "/dev/shm/inner/marker", "/etc/inner/marker", "/usr/bin/inner",
                                        "/usr/inner", "/proc/marker", "/dev/marker", "/dev/shm/marker",
                                        "/etc/marker", "/usr/bin/marker", "/usr/marker", "/proc/self/marker",
                                        "/marker", NULL);
                        (void) attack_holds(&s, "contains", "/etc/passwd", "alice", NULL);
                        (void) attack_holds(&s, "proc", NULL);
                        (void) attack_holds(&s, "create", "/usr/bin/x", "/etc/x", "/usr/x", NULL);
                        if (tap_failed())
                                tap_note("… with a link to %s as %s component", link_text,
                                                last ? "the last" : "a");
                        CHECK_OK(session_end(&s));
                } else
                        tap_note("%s: refused: %s: %s", link_text, s.failed.step, s.failed.text);
                CHECK(unlink(WORKSPACE "/way") == 0);
        }
}

static void masks_are_not_from_names(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_free_ char *text = NULL;

        /* A host on which /dev/null, /dev/pts and the like are something else by the time of the mount. */
        bed_write("/etc/target", "target", 0644, 0);
        CHECK(rename("/dev/null", "/dev/null.real") == 0 && symlink("/etc/target", "/dev/null") == 0);
        bed_write(WORKSPACE "/masked", "private", 0644, ALICE);
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/masked");
        if (make(&s, p, NULL, 0)) {
                (void) attack_holds(&s, "hidden", WORKSPACE "/masked", NULL);
                (void) attack_holds(&s, "devices", NULL);
                CHECK_OK(session_end(&s));
        }
        CHECK(unlink("/dev/null") == 0 && rename("/dev/null.real", "/dev/null") == 0);
        text = bed_read("/etc/target");
        CHECK(text && streq(text, "target"));
}

static void descriptors_as_grants(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_close_ int dir = -EBADF, file = -EBADF;
        int fds[2];

        bed_mkdir(ALICE_HOME "/byfd", 0755, ALICE);
        bed_write(ALICE_HOME "/byfd/file", "by descriptor", 0644, ALICE);
        dir = open(ALICE_HOME "/byfd", O_PATH | O_CLOEXEC);
        file = open(ALICE_HOME "/byfd/file", O_RDONLY | O_CLOEXEC);
        fds[0] = dir, fds[1] = file;
        (void) plan_add_mount(p, PLAN_MOUNT_FD, PLAN_MOUNT_WRITE, 0, 0, "/opt/dir", "", 0);
        (void) plan_add_mount(p, PLAN_MOUNT_FD, 0, 0, 1, "/opt/one", "", 0);
        p->n_fds = 2;
        /* Renamed and replaced meanwhile: the descriptor counts. */
        CHECK(rename(ALICE_HOME "/byfd", ALICE_HOME "/byfd.moved") == 0 &&
                        symlink("/etc", ALICE_HOME "/byfd") == 0);
        if (make(&s, p, fds, 2)) {
                (void) attack_holds(&s, "contains", "/opt/dir/file", "by descriptor", NULL);
                (void) attack_holds(&s, "contains", "/opt/one", "by descriptor", NULL);
                (void) attack_holds(&s, "unwritable", "/opt/one", NULL);
                (void) attack_holds(&s, "writable", "/opt/dir/new", NULL);
                (void) attack_holds(&s, "absent", "/opt/dir/passwd", NULL);
                CHECK_OK(session_end(&s));
        }
        CHECK(bed_exists(ALICE_HOME "/byfd.moved/new"));
}

/* A directory that was unlinked after it was opened, and one beneath another that the caller can't pass. */
static void strange_descriptors(void) {
        _cleanup_plan_ Plan *p = plan_sample("gone");
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_close_ int fd = -EBADF;

        bed_mkdir(ALICE_HOME "/gone", 0755, ALICE);
        fd = open(ALICE_HOME "/gone", O_PATH | O_CLOEXEC);
        CHECK(rmdir(ALICE_HOME "/gone") == 0);
        (void) plan_add_mount(p, PLAN_MOUNT_FD, PLAN_MOUNT_WRITE, 0, 0, "/opt/dir", "", 0);
        p->n_fds = 1;
        if (CHECK_OK(session_create(&s, p, &fd, 1)) && s.ready)
                CHECK_OK(session_end(&s));
        CHECK(stage_alive());
}

static void editors_and_moves(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        bed_mkdir(WORKSPACE "/one", 0755, ALICE);
        bed_mkdir(WORKSPACE "/two", 0755, ALICE);
        bed_write(WORKSPACE "/one/f", "f", 0644, ALICE);
        bed_write(WORKSPACE "/one/g", "g", 0644, ALICE);
        bed_mkdir(ALICE_HOME "/second", 0755, ALICE);
        (void) plan_add_path(p, ALICE_HOME "/second", ALICE_HOME "/second", PLAN_MOUNT_WRITE);
        if (!make(&s, p, NULL, 0))
                return;
        (void) attack_holds(&s, "edit", WORKSPACE, NULL);
        (void) attack_holds(&s, "move", WORKSPACE "/one/f", WORKSPACE "/two/f", "0", NULL);
        /* As documented: two grants are two mounts. */
        (void) attack_holds(&s, "move", WORKSPACE "/one/g", ALICE_HOME "/second/g", "18", NULL);
        CHECK_OK(session_end(&s));
        CHECK(bed_exists(WORKSPACE "/two/f") && bed_exists(WORKSPACE "/saved"));
}

static void scratch_is_limited(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        static ExecResult result;

        p->limits.scratch = 1u << 20;
        if (!make(&s, p, NULL, 0))
                return;
        if (CHECK_OK(exec_run(&s,
                            (const char *const[]){"sh", "-c",
                                            "head -c 3000000 /dev/zero > /tmp/a; head -c 3000000 /dev/zero "
                                            "> /dev/shm/b; "
                                            "cat /tmp/a /dev/shm/b | wc -c",
                                            NULL},
                            NULL, &result))) {
                char *last;

                result.output[result.len] = 0;
                last = strrchr(result.output, '\n');
                while (last && last > result.output && last[-1] != '\n')
                        last--;
                (void) tap_check(last && atol(last) <= 1 << 20, "%s", result.output);
        }
        CHECK_OK(session_end(&s));
}

/* root-owned state directories that were taken away or replaced while it runs. */
static void state_directories(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_plan_ Plan *p = plan_sample("evil");

        CHECK(rename("/run/ocsb/monitor", "/run/ocsb/monitor.real") == 0);
        bed_mkdir(ALICE_HOME "/elsewhere", 0777, ALICE);
        CHECK(symlink(ALICE_HOME "/elsewhere", "/run/ocsb/monitor") == 0);
        if (CHECK_OK(session_create(&s, p, NULL, 0)) && s.ready)
                (void) session_end(&s);
        (void) tap_check(!bed_exists(ALICE_HOME "/elsewhere/evil"),
                        "a control socket was made behind a symlink");
        CHECK(unlink("/run/ocsb/monitor") == 0 &&
                        rename("/run/ocsb/monitor.real", "/run/ocsb/monitor") == 0);
        /* And at the start: a directory of somebody else's is not taken over. */
        stage_stop();
        CHECK(chown("/run/ocsb/stage", ALICE, ALICE) == 0);
        if (stage_start(NULL) >= 0 && stage_list((char[1][SESSION_ID_MAX + 1]){}, 1) >= 0) {
                struct stat st;

                (void) tap_check(stat("/run/ocsb/stage", &st) == 0 && st.st_uid == 0 &&
                                                 (st.st_mode & 077) == 0,
                                "the stage uses a directory of uid %u with mode %o", st.st_uid, st.st_mode);
        }
        stage_kill();
        CHECK(chown("/run/ocsb/stage", 0, 0) == 0);
        CHECK_OK(stage_start(NULL));
}

static void host_root(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        p->root = PLAN_ROOT_HOST;
        bed_mkdir("/opt/tool", 0755, 0);
        bed_write("/opt/tool/readme", "tool", 0644, 0);
        (void) plan_add_path(p, "/opt", "/opt", PLAN_MOUNT_EXEC);
        (void) plan_add_path(p, "/var/log", "/var/log", 0);
        if (!make(&s, p, NULL, 0))
                return;
        (void) attack_holds(&s, "contains", "/opt/tool/readme", "tool", NULL);
        (void) attack_holds(&s, "unwritable", "/opt/tool/readme", NULL);
        (void) attack_holds(&s, "absent", "/root", "/boot", "/run/ocsb", "/home/bob", "/etc/shadow", NULL);
        (void) attack_holds(&s, "metadata", NULL);
        CHECK_OK(session_end(&s));
}

static const TapTest tests[] = {
                {"only what is granted is there, and only where it says so it can be written",
                                only_what_is_granted},
                {"T30 T47 read-only and no-exec grants hold, also against the loader and changes of "
                 "metadata",
                                readonly_and_noexec},
                {"root host shows the granted directories of the host and nothing else", host_root},
                {"T65 kernel interfaces that are mounted beneath a granted directory are not shown",
                                submounts},
                {"mounts of the host do not come in later, those of a sandbox do not go out", propagation},
                {"T06 a directory swapped for a symlink again and again while it is granted never shows "
                 "another tree",
                                grant_races},
                {"T15 symlinks on the way to a target never lead a mount out of its grant",
                                targets_in_grants},
                {"T10 masks and devices are made, not taken from names that can be swapped",
                                masks_are_not_from_names},
                {"grants by descriptor show what was opened, whatever its name is by now",
                                descriptors_as_grants},
                {"a descriptor of a removed directory harms nobody", strange_descriptors},
                {"T43 T44 editors can save, moves work within a grant and say EXDEV between two",
                                editors_and_moves},
                {"one limit holds all that is not granted: /tmp and /dev/shm together", scratch_is_limited},
                {"T12 state directories that are replaced or owned by others are not used",
                                state_directories},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(stage_start(NULL));
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
