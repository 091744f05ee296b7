/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Denials inside granted trees: every way round a protected name that another sandbox once left open. */

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

#define DATA ALICE_HOME "/data"

typedef struct Denied {
        PlanDenialKind kind;
        const char *path;
} Denied;

/* Makes a session of the sample plan with the denials, and with DATA and ALICE_HOME granted where they
 * exist. */
static bool make(Session *s, const Denied *denied, size_t n, bool grant_data) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);

        if (grant_data)
                (void) plan_add_path(p, DATA, DATA, PLAN_MOUNT_WRITE);
        for (size_t i = 0; i < n; i++)
                (void) plan_add_denial(p, denied[i].kind, denied[i].path);
        return CHECK_OK(session_create(s, p, NULL, 0)) &&
               tap_check(s->ready, "%s: %s", s->failed.step, s->failed.text);
}

static void fresh_workspace(void) {
        bed_remove(WORKSPACE);
        bed_remove(DATA);
        bed_mkdir(WORKSPACE, 0755, ALICE);
        bed_copy("/.build/tests/root/attack", ATTACK, 0755);
}

/* Nothing may be in the workspace afterwards that was not there before. */
static void end_clean(Session *s) {
        CHECK_OK(session_end(s));
}

static void hidden_things(void) {
        static const Denied denied[] = {{PLAN_DENY_ALL, WORKSPACE "/.ssh"},
                        {PLAN_DENY_ALL, WORKSPACE "/key"}, {PLAN_DENY_ALL, WORKSPACE "/sub/dir/secret"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(WORKSPACE "/.ssh", 0700, ALICE);
        bed_write(WORKSPACE "/.ssh/id", "private", 0600, ALICE);
        bed_write(WORKSPACE "/key", "private", 0600, ALICE);
        bed_mkdir(WORKSPACE "/sub", 0755, ALICE);
        bed_mkdir(WORKSPACE "/sub/dir", 0755, ALICE);
        bed_write(WORKSPACE "/sub/dir/secret", "private", 0644, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) attack_holds(&s, "hidden", WORKSPACE "/.ssh", WORKSPACE "/.ssh/id", WORKSPACE "/key",
                        WORKSPACE "/sub/dir/secret", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/key", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/.ssh", NULL);
        (void) attack_holds(&s, "writable", WORKSPACE "/sub/dir/other", WORKSPACE "/sub/other",
                        WORKSPACE "/other", NULL);
        end_clean(&s);
        CHECK(bed_exists(WORKSPACE "/.ssh/id") && bed_exists(WORKSPACE "/key") &&
                        bed_exists(WORKSPACE "/sub/dir/secret"));
}

static void protected_things(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/.git/hooks"},
                        {PLAN_DENY_WRITE, WORKSPACE "/.mcp.json"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(WORKSPACE "/.git", 0755, ALICE);
        bed_mkdir(WORKSPACE "/.git/hooks", 0755, ALICE);
        bed_write(WORKSPACE "/.git/hooks/pre-commit", "#!/bin/sh\n", 0755, ALICE);
        bed_write(WORKSPACE "/.mcp.json", "{}", 0644, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) attack_holds(&s, "unwritable", WORKSPACE "/.git/hooks", WORKSPACE "/.git/hooks/pre-commit",
                        WORKSPACE "/.mcp.json", NULL);
        (void) attack_holds(&s, "contains", WORKSPACE "/.mcp.json", "{}", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/.git/hooks", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/.git/hooks/pre-commit", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/.mcp.json", NULL);
        (void) attack_holds(&s, "writable", WORKSPACE "/.git/index", NULL);
        end_clean(&s);
        CHECK(bed_exists(WORKSPACE "/.git/hooks/pre-commit"));
}

static void parents(void) {
        static const Denied denied[] = {
                        {PLAN_DENY_WRITE, WORKSPACE "/a/b/c/file"}, {PLAN_DENY_ALL, WORKSPACE "/x/y/z"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(WORKSPACE "/a", 0755, ALICE);
        bed_mkdir(WORKSPACE "/a/b", 0755, ALICE);
        bed_mkdir(WORKSPACE "/a/b/c", 0755, ALICE);
        bed_write(WORKSPACE "/a/b/c/file", "text", 0644, ALICE);
        bed_mkdir(WORKSPACE "/x", 0755, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/a", "b/c/file", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/a/b", "c/file", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/a/b/c", "file", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/x", "y/z", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/x/y", "z", NULL);
        end_clean(&s);
        CHECK(bed_exists(WORKSPACE "/a/b/c/file") && bed_exists(WORKSPACE "/x"));
        (void) tap_check(!bed_exists(WORKSPACE "/x/y"), "the placeholder x/y is left");
}

static void absent_things(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/.mcp.json"},
                        {PLAN_DENY_WRITE, WORKSPACE "/.git/hooks"}, {PLAN_DENY_ALL, WORKSPACE "/.aws"},
                        {PLAN_DENY_ALL, WORKSPACE "/deep/er/secret"},
                        {PLAN_DENY_WRITE, WORKSPACE "/dangling"}, {PLAN_DENY_WRITE, WORKSPACE "/pipe"},
                        {PLAN_DENY_WRITE, WORKSPACE "/worktree/.git/hooks"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        CHECK(symlink("nowhere", WORKSPACE "/dangling") == 0 && mkfifo(WORKSPACE "/pipe", 0644) == 0);
        CHECK(lchown(WORKSPACE "/dangling", ALICE, ALICE) == 0 &&
                        chown(WORKSPACE "/pipe", ALICE, ALICE) == 0);
        bed_mkdir(WORKSPACE "/worktree", 0755, ALICE);
        bed_write(WORKSPACE "/worktree/.git", "gitdir: elsewhere\n", 0644, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) attack_holds(&s, "unwritable", WORKSPACE "/.mcp.json", WORKSPACE "/.git/hooks",
                        WORKSPACE "/.git/hooks/pre-commit", NULL);
        (void) attack_holds(&s, "hidden", WORKSPACE "/.aws", WORKSPACE "/.aws/credentials",
                        WORKSPACE "/deep/er/secret", NULL);
        (void) attack_holds(&s, "create", WORKSPACE "/nowhere", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/dangling", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/pipe", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/.git", "hooks/pre-commit", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/worktree", ".git/hooks/pre-commit", NULL);
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/worktree/.git", "hooks/pre-commit", NULL);
        end_clean(&s);
        (void) tap_check(!bed_exists(WORKSPACE "/.mcp.json"), "left: .mcp.json");
        (void) tap_check(!bed_exists(WORKSPACE "/.git"), "left: .git");
        (void) tap_check(!bed_exists(WORKSPACE "/.aws"), "left: .aws");
        (void) tap_check(!bed_exists(WORKSPACE "/deep"), "left: deep");
        (void) tap_check(!bed_exists(WORKSPACE "/nowhere"), "left: nowhere");
        CHECK(bed_exists(WORKSPACE "/dangling") && bed_exists(WORKSPACE "/pipe") &&
                        bed_exists(WORKSPACE "/worktree/.git"));
}

/* The payload owns the directory: what its mode forbids him he can allow himself. */
static void closed_parents(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/closed/hooks"},
                        {PLAN_DENY_ALL, WORKSPACE "/closed/secret"},
                        {PLAN_DENY_WRITE, WORKSPACE "/readonly/hooks"},
                        {PLAN_DENY_WRITE, WORKSPACE "/readonly/deep/hooks"},
                        {PLAN_DENY_ALL, WORKSPACE "/noexec/secret"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(WORKSPACE "/closed", 0755, ALICE);
        bed_mkdir(WORKSPACE "/closed/hooks", 0755, ALICE);
        bed_write(WORKSPACE "/closed/secret", "private", 0644, ALICE);
        bed_mkdir(WORKSPACE "/readonly", 0755, ALICE);
        bed_mkdir(WORKSPACE "/noexec", 0755, ALICE);
        bed_write(WORKSPACE "/noexec/secret", "private", 0644, ALICE);
        CHECK(chmod(WORKSPACE "/closed", 0) == 0 && chmod(WORKSPACE "/readonly", 0555) == 0 &&
                        chmod(WORKSPACE "/noexec", 0600) == 0);
        {
                _cleanup_plan_ Plan *p = plan_sample(NULL);

                for (size_t i = 0; i < ELEMENTSOF(denied); i++)
                        (void) plan_add_denial(p, denied[i].kind, denied[i].path);
                if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                        return;
                if (!s.ready) {
                        tap_note("refused: %s: %s", s.failed.step, s.failed.text);
                        return; /* as good */
                }
        }
        (void) attack_holds(
                        &s, "chmod-parent", WORKSPACE "/closed", WORKSPACE "/closed/hooks/pre-commit", NULL);
        (void) attack_holds(&s, "chmod-parent", WORKSPACE "/closed", WORKSPACE "/closed/secret", NULL);
        (void) attack_holds(&s, "chmod-parent", WORKSPACE "/readonly",
                        WORKSPACE "/readonly/hooks/pre-commit", NULL);
        (void) attack_holds(&s, "chmod-parent", WORKSPACE "/readonly", WORKSPACE "/readonly/hooks", NULL);
        (void) attack_holds(
                        &s, "chmod-parent", WORKSPACE "/readonly", WORKSPACE "/readonly/deep/hooks", NULL);
        (void) attack_holds(&s, "chmod-parent", WORKSPACE "/noexec", WORKSPACE "/noexec/secret", NULL);
        end_clean(&s);
}

static void symlinks(void) {
        static const Denied denied[] = {{PLAN_DENY_ALL, WORKSPACE "/.ssh"},
                        {PLAN_DENY_ALL, WORKSPACE "/token"}, {PLAN_DENY_WRITE, WORKSPACE "/rc"},
                        {PLAN_DENY_ALL, WORKSPACE "/chain/inner"}, {PLAN_DENY_ALL, WORKSPACE "/up"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(DATA, 0755, ALICE);
        bed_mkdir(DATA "/ssh", 0700, ALICE);
        bed_write(DATA "/ssh/id", "private", 0600, ALICE);
        bed_write(DATA "/token", "private", 0600, ALICE);
        bed_write(DATA "/rc", "text", 0644, ALICE);
        bed_mkdir(DATA "/c", 0755, ALICE);
        bed_write(DATA "/c/inner", "private", 0600, ALICE);
        bed_write(DATA "/upper", "private", 0600, ALICE);
        CHECK(symlink(DATA "/ssh", WORKSPACE "/.ssh") == 0 &&
                        symlink("../data/token", WORKSPACE "/token") == 0);
        CHECK(symlink("rc2", WORKSPACE "/rc") == 0 && symlink("../data/rc", WORKSPACE "/rc2") == 0);
        CHECK(symlink("../data/c", WORKSPACE "/chain") == 0);
        CHECK(symlink("../../../../../.." DATA "/upper", WORKSPACE "/up") == 0);
        if (!make(&s, denied, ELEMENTSOF(denied), true))
                return;
        (void) attack_holds(&s, "hidden", WORKSPACE "/.ssh", WORKSPACE "/.ssh/id", DATA "/ssh",
                        DATA "/ssh/id", NULL);
        (void) attack_holds(&s, "hidden", WORKSPACE "/token", DATA "/token", NULL);
        (void) attack_holds(&s, "unwritable", WORKSPACE "/rc", DATA "/rc", NULL);
        (void) attack_holds(&s, "contains", DATA "/rc", "text", NULL);
        (void) attack_holds(&s, "hidden", WORKSPACE "/chain/inner", DATA "/c/inner", WORKSPACE "/up",
                        DATA "/upper", NULL);
        (void) attack_holds(&s, "rename-parent", DATA "/c", "inner", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/.ssh", NULL);
        (void) attack_holds(&s, "replace", WORKSPACE "/rc", NULL);
        /* A link on the way that is swapped for a directory frees the name. */
        (void) attack_holds(&s, "rename-parent", WORKSPACE "/chain", "inner", NULL);
        end_clean(&s);
        CHECK(bed_exists(DATA "/ssh/id") && bed_exists(DATA "/c/inner"));
}

/* A grant whose last element is a symlink resolves to its target, and that is reported. */
static void symlinked_grant(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(DATA, 0755, ALICE);
        bed_write(DATA "/file", "found", 0644, ALICE);
        (void) unlink(ALICE_HOME "/link");
        CHECK(symlink("data", ALICE_HOME "/link") == 0);
        (void) plan_add_path(p, "/opt/link", ALICE_HOME "/link", 0);
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) ||
                        !tap_check(s.ready, "%s: %s", s.failed.step, s.failed.text))
                return;
        (void) attack_holds(&s, "contains", "/opt/link/file", "found", NULL);
        (void) tap_check(s.info.resolved && strstr(s.info.resolved, DATA) &&
                                         strstr(s.info.resolved, "/opt/link"),
                        "reported: %s", s.info.resolved ? s.info.resolved : "nothing");
        end_clean(&s);
        (void) unlink(ALICE_HOME "/link");
}

/* Two grants of one tree: the denial of one name holds for the thing, not for the path alone. */
static void same_tree_twice(void) {
        static const Denied denied[] = {
                        {PLAN_DENY_ALL, WORKSPACE "/secret"}, {PLAN_DENY_ALL, "/opt/again/secret"}};
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_write(WORKSPACE "/secret", "private", 0600, ALICE);
        (void) plan_add_path(p, "/opt/again", WORKSPACE, PLAN_MOUNT_WRITE);
        for (size_t i = 0; i < ELEMENTSOF(denied); i++)
                (void) plan_add_denial(p, denied[i].kind, denied[i].path);
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) ||
                        !tap_check(s.ready, "%s: %s", s.failed.step, s.failed.text))
                return;
        (void) attack_holds(&s, "hidden", WORKSPACE "/secret", "/opt/again/secret", NULL);
        end_clean(&s);
}

/* Placeholders of two sessions in one workspace: the first one's end must not free the name for the second.
 */
static void shared_placeholders(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/.mcp.json"},
                        {PLAN_DENY_WRITE, WORKSPACE "/.git/hooks"}};
        _cleanup_session_ Session a = SESSION_NONE, b = SESSION_NONE;

        fresh_workspace();
        if (!make(&a, denied, ELEMENTSOF(denied), false) || !make(&b, denied, ELEMENTSOF(denied), false))
                return;
        CHECK_OK(session_end(&a));
        (void) attack_holds(&b, "unwritable", WORKSPACE "/.mcp.json", WORKSPACE "/.git/hooks", NULL);
        (void) attack_holds(&b, "create", WORKSPACE "/.mcp.json", WORKSPACE "/.git/hooks/x", NULL);
        (void) attack_holds(&b, "rename-parent", WORKSPACE "/.git", "hooks/x", NULL);
        CHECK_OK(session_end(&b));
        CHECK(!bed_exists(WORKSPACE "/.mcp.json") && !bed_exists(WORKSPACE "/.git"));
}

/* What another one has put behind a placeholder's name while the session ran is not ours to delete. */
static void placeholders_used_outside(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/.mcp.json"},
                        {PLAN_DENY_WRITE, WORKSPACE "/.git/hooks"}, {PLAN_DENY_WRITE, WORKSPACE "/.bashrc"},
                        {PLAN_DENY_WRITE, WORKSPACE "/p/q"}, {PLAN_DENY_WRITE, WORKSPACE "/r/.bashrc"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_mkdir(DATA, 0755, ALICE);
        bed_mkdir(DATA "/q", 0755, ALICE);
        bed_write(DATA "/.bashrc", "", 0644, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) rmdir(WORKSPACE "/.mcp.json");
        (void) unlink(WORKSPACE "/.mcp.json");
        bed_write(WORKSPACE "/.mcp.json", "", 0644, ALICE);
        bed_write(WORKSPACE "/.bashrc", "# mine\n", 0644, ALICE);
        bed_write(WORKSPACE "/.git/hooks/pre-commit", "#!/bin/sh\n", 0755, ALICE);
        /* From outside a directory on the way becomes a link to where a thing of that name lies. */
        CHECK(rename(WORKSPACE "/p", WORKSPACE "/p.old") == 0 && symlink(DATA, WORKSPACE "/p") == 0);
        CHECK(rename(WORKSPACE "/r", WORKSPACE "/r.old") == 0 && symlink(DATA, WORKSPACE "/r") == 0);
        CHECK_OK(session_end(&s));
        CHECK(bed_exists(WORKSPACE "/.bashrc") && bed_exists(WORKSPACE "/.git/hooks/pre-commit"));
        (void) tap_check(bed_exists(DATA "/q") && bed_exists(DATA "/.bashrc"),
                        "the end of a session deleted what lies behind a symlink");
        tap_note("an empty file in the place of an empty directory is %s",
                        bed_exists(WORKSPACE "/.mcp.json") ? "kept" : "taken away");
}

/* A hard link made before is another name of the same file: only the name is denied, and nobody can make
 * such a link from inside. */
static void hard_links(void) {
        static const Denied denied[] = {
                        {PLAN_DENY_ALL, WORKSPACE "/key"}, {PLAN_DENY_WRITE, WORKSPACE "/conf"}};
        _cleanup_session_ Session s = SESSION_NONE;

        fresh_workspace();
        bed_write(WORKSPACE "/key", "private", 0600, ALICE);
        bed_write(WORKSPACE "/conf", "text", 0600, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        (void) attack_holds(&s, "unwritable", WORKSPACE "/conf", NULL);
        (void) attack_holds(&s, "hidden", WORKSPACE "/key", NULL);
        end_clean(&s);
        CHECK(!bed_exists(WORKSPACE "/key.aside") && !bed_exists(WORKSPACE "/conf.aside"));
}

/* What is seen of a hidden thing is the mask's: no time, size, owner or mode of its own. */
static void existence_is_hidden(void) {
        static const Denied denied[] = {{PLAN_DENY_ALL, WORKSPACE "/key"}, {PLAN_DENY_ALL, WORKSPACE "/dir"},
                        {PLAN_DENY_ALL, WORKSPACE "/absent"}};
        _cleanup_session_ Session s = SESSION_NONE;
        static ExecResult result;
        unsigned long device[3] = {}, number;
        unsigned mode, uid, n = 0;

        fresh_workspace();
        bed_write(WORKSPACE "/key", "a private text of some length", 0640, ALICE);
        bed_mkdir(WORKSPACE "/dir", 0755, ALICE);
        if (!make(&s, denied, ELEMENTSOF(denied), false))
                return;
        CHECK_OK(exec_run(&s,
                        (const char *const[]){ATTACK, "inode", WORKSPACE "/key", WORKSPACE "/dir",
                                        WORKSPACE "/absent", NULL},
                        NULL, &result));
        result.output[result.len] = 0;
        for (char *line = result.output; n < 3 && line && *line;
                        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL, n++)
                (void) tap_check(sscanf(line, "%*s %lu:%lu %o %u", &device[n], &number, &mode, &uid) == 4 &&
                                                 (mode & 07777) == 0 && uid != ALICE &&
                                                 device[n] == device[0],
                                "%s", result.output);
        CHECK(n == 3);
        end_clean(&s);
}

/* An attacker outside (another session of the same user with the same workspace) moves things while masks
 * are put. */
static _noreturn_ void swap_for_ever(void) {
        if (setresgid(ALICE, ALICE, ALICE) < 0 || setresuid(ALICE, ALICE, ALICE) < 0)
                _exit(1);
        for (;;) {
                (void) rename(WORKSPACE "/.git", WORKSPACE "/.git.real");
                (void) !symlink("/home/alice/data", WORKSPACE "/.git");
                (void) unlink(WORKSPACE "/.git");
                (void) rename(WORKSPACE "/.git.real", WORKSPACE "/.git");
        }
}

static void masks_under_race(void) {
        static const Denied denied[] = {{PLAN_DENY_WRITE, WORKSPACE "/.git/hooks"}};
        unsigned made = 0, refused_n = 0;
        struct timespec start, now;
        pid_t swapper;

        fresh_workspace();
        bed_mkdir(DATA, 0755, ALICE);
        bed_mkdir(WORKSPACE "/.git", 0755, ALICE);
        bed_mkdir(WORKSPACE "/.git/hooks", 0755, ALICE);
        swapper = fork();
        if (swapper == 0)
                swap_for_ever();
        (void) clock_gettime(CLOCK_MONOTONIC, &start);
        do {
                _cleanup_session_ Session s = SESSION_NONE;
                _cleanup_plan_ Plan *p = plan_sample(NULL);

                (void) plan_add_denial(p, denied[0].kind, denied[0].path);
                if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                        break;
                if (s.ready) {
                        made++;
                        /* Mounts above whatever it saw; the host's directory must not be writable through
                         * the name as it is. */
                        (void) attack_holds(&s, "ids", "20001", NULL);
                        CHECK_OK(session_end(&s));
                } else
                        refused_n++;
                (void) clock_gettime(CLOCK_MONOTONIC, &now);
        } while (now.tv_sec - start.tv_sec < 2 && !tap_failed());
        (void) kill(swapper, SIGKILL);
        tap_note("%u made, %u refused", made, refused_n);
        CHECK(stage_alive());
}

static const TapTest tests[] = {
                {"T18 what is denied can't be read, written, renamed, linked or exchanged; its neighbours "
                 "can be written",
                                hidden_things},
                {"T18 what is protected can be read and not changed, replaced or made anew",
                                protected_things},
                {"T18 renaming a parent of a protected path does not free its name", parents},
                {"T19 a protected path that does not exist can't be made, and its placeholder is gone "
                 "afterwards",
                                absent_things},
                {"T19 a parent that its owner has closed by its mode hides no protected path from the "
                 "builder",
                                closed_parents},
                {"T20 a symlinked secret is denied through both names", symlinks},
                {"T20 a grant that is a symlink shows its target and says so", symlinked_grant},
                {"T18 a tree that is granted twice is denied under both names", same_tree_twice},
                {"T18 no hard link to a denied file can be made", hard_links},
                {"T19 a placeholder stays while another session relies on it", shared_placeholders},
                {"T07 the end of a session deletes nothing that others made in the place of a placeholder",
                                placeholders_used_outside},
                {"T30 nothing of a denied thing's metadata is seen, whether it exists or not",
                                existence_is_hidden},
                {"T06 denials under a race of renames and symlinks leave the builder alive and nothing "
                 "behind",
                                masks_under_race},
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
