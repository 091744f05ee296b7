/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy-fixture.h"

static Policy *policy; /* built-in profiles below the built-in ceiling */

static int setup(_unused_ void **state) {
        policy = builtin_policy();
        return 0;
}

static int teardown(_unused_ void **state) {
        policy = policy_free(policy);
        return 0;
}

/* Golden files: what Explain says for each built-in profile. OCSB_UPDATE_GOLDEN=1 writes them anew. */
static void check_golden(const char *name, Request *q) {
        g_autofree char *path = g_strdup_printf("%s/tests/unit/golden/explain-%s.json", SOURCE_DIR, name);
        g_autofree char *expected = NULL, *made = NULL;
        PolicyResult r = resolved(policy, q);
        json_t *v = json_loads(r.explain, JSON_REJECT_DUPLICATES, NULL);
        char *text;

        assert_non_null(v);
        assert_int_equal(strlen(r.digest), 64);
        assert_int_equal(strspn(r.digest, "0123456789abcdef"), 64);
        assert_string_equal(json_string_value(json_object_get(v, "digest")), r.digest);
        /* it covers the compiled filters, which differ from one libseccomp to another */
        json_object_set_new(v, "digest", json_string("DIGEST"));
        text = json_dumps(v, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        made = g_strconcat(text, "\n", NULL);
        if (getenv("OCSB_UPDATE_GOLDEN"))
                assert_true(g_file_set_contents(path, made, -1, NULL));
        assert_true(g_file_get_contents(path, &expected, NULL, NULL));
        assert_string_equal(made, expected);
        free(text);
        json_decref(v);
        policy_result_done(&r);
}

static void test_golden(_unused_ void **state) {
        check_golden("default", request_for("default"));
        check_golden("workspace", with_workspace(request_for("workspace"), "/home/alice/project"));
        check_golden("internet", request_for("internet"));
        check_golden("readonly", with_workspace(request_for("readonly"), "/home/alice/project"));
}

static void test_caller(_unused_ void **state) {
        Caller c = alice();
        PolicyResult r;

        c.uid = 0;
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT,
                        "root gets no sandbox: run as the user");
        c.uid = UINT32_C(2147483648);
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT,
                        "uid 2147483648, gid 1000: out of range");
        c.uid = (uid_t) -1;
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT, "out of range");
        c.uid = OCSB_SUB_ID + 5;
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT, "in the range of sandboxes");
        c = alice();
        c.gid = 0;
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT, "the primary group is root's");
        c.gid = (gid_t) -1;
        refused_for(policy, &c, request_for("default"), POLICY_E_INVALID_ARGUMENT, "out of range");

        /* groups: sorted, each once, never root's */
        r = resolved(policy, request_for("default"));
        assert_int_equal(r.plan->n_groups, 2);
        assert_int_equal(r.plan->groups[0], 100);
        assert_int_equal(r.plan->groups[1], 1004);
        policy_result_done(&r);
}

static void test_names(_unused_ void **state) {
        static const char *const ids[] = { "", "A", "a-b", "../x", "a b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        static const char *const profiles[] = { "nosuch", "../default", "default.json", "Default", "default\n",
                "/etc/x" };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                Request *q = request_for("default");

                q->id = g_strdup(ids[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "an id is [a-z0-9_]{1,32}");
        }
        for (size_t i = 0; i < ELEMENTSOF(profiles); i++)
                refused(policy, request_for(profiles[i]), POLICY_E_NO_PROFILE,
                                i == 0 || i == 2 ? "there is no profile" : "is not a profile's name");
}

/* root host-minimal: the system read-only, nothing of /etc that was not meant, files of its own. */
static void test_host_minimal(_unused_ void **state) {
        PolicyResult r = resolved(policy, request_for("default"));
        const PlanMount *m;

        m = find_mount(&r, "/usr");
        assert_int_equal(m->kind, PLAN_MOUNT_PATH);
        assert_int_equal(m->flags, PLAN_MOUNT_EXEC);
        m = find_mount(&r, "/bin");
        assert_int_equal(m->kind, PLAN_MOUNT_SYMLINK);
        assert_string_equal(m->source, "usr/bin");
        m = find_mount(&r, "/tmp");
        assert_int_equal(m->kind, PLAN_MOUNT_SCRATCH);
        assert_int_equal(m->mode, 01777);
        assert_int_equal(m->flags, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
        m = find_mount(&r, "/run");
        assert_int_equal(m->mode, 0755);
        assert_int_equal(m->flags, PLAN_MOUNT_WRITE);
        assert_int_equal(find_mount(&r, "/dev/shm")->mode, 01777);
        m = find_mount(&r, "/home/alice");
        assert_int_equal(m->kind, PLAN_MOUNT_SCRATCH);
        assert_int_equal(m->mode, 0700);
        m = find_mount(&r, "/etc/passwd");
        assert_int_equal(m->kind, PLAN_MOUNT_FILE);
        assert_string_equal(m->source, "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                        "alice:x:1000:1000:alice:/home/alice:/bin/bash\n"
                        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        assert_string_equal(find_mount(&r, "/etc/group")->source,
                        "root:x:0:\ntty:x:5:\nalice:x:1000:\nnogroup:x:65534:\n");
        assert_non_null(strstr(find_mount(&r, "/etc/hosts")->source, "127.0.1.1\tsandbox\n"));
        assert_null(strstr(find_mount(&r, "/etc/nsswitch.conf")->source, "dns"));
        assert_true(find_mount(&r, "/etc/resolv.conf")->source[0] == '#');
        assert_int_equal(find_mount(&r, "/etc/ssl/certs")->flags, PLAN_MOUNT_OPTIONAL);
        assert_string_equal(find_mount(&r, "/etc/os-release")->source, "../usr/lib/os-release");
        /* not there at all */
        static const char *const absent[] = { "/etc", "/etc/shadow", "/etc/ssh", "/etc/ocsb", "/etc/ssl", "/var",
                "/home", "/root", "/opt", "/srv", "/etc/sudoers", "/etc/machine-id", "/etc/environment",
                "/etc/profile.d" };
        for (size_t i = 0; i < ELEMENTSOF(absent); i++)
                assert_null(find_mount(&r, absent[i]));
        /* in an order in which each has its parent */
        for (size_t i = 0; i < r.plan->n_mounts; i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(path_is_beneath(r.plan->mounts[k].target, r.plan->mounts[i].target));
        assert_int_equal(r.plan->n_denials, 0);
        assert_string_equal(r.plan->workdir, "/tmp");
        assert_string_equal(r.plan->id, "");
        assert_string_equal(r.summary, "root host-minimal, network none");
        policy_result_done(&r);
}

/* What an account is called can add no line and no field to the user database inside. */
static void test_hostile_accounts(_unused_ void **state) {
        static const struct {
                const char *user, *home, *shell, *line;
        } rows[] = {
                { "a:0:0", "/home/alice", "/bin/bash", "user:x:1000:1000:user:/home/alice:/bin/bash\n" },
                { "x\nroot2", "/home/a\nb:x", "/bin/bash", "user:x:1000:1000:user:/tmp:/bin/bash\n" },
                { "root", "/home/r", "/bin/sh", "user:x:1000:1000:user:/home/r:/bin/sh\n" },
                { "-x", "/home/r", "/usr/bin/zsh", "user:x:1000:1000:user:/home/r:/usr/bin/zsh\n" },
                { NULL, NULL, NULL, "user:x:1000:1000:user:/tmp:/bin/sh\n" },
                { "openclaw", "/var/lib/openclaw", "/usr/sbin/nologin",
                                "openclaw:x:1000:1000:openclaw:/var/lib/openclaw:/bin/sh\n" },
                { "a", "/", "/bin/false", "a:x:1000:1000:a:/tmp:/bin/sh\n" },
                { "a", "/usr/games", "/opt/evil/sh", "a:x:1000:1000:a:/tmp:/bin/sh\n" },
                { "a", "/home/a", "/bin/../home/x", "a:x:1000:1000:a:/home/a:/bin/sh\n" },
                { "a", "/home/a", "/usr/bin/x:y", "a:x:1000:1000:a:/home/a:/bin/sh\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Caller c = alice();
                PolicyResult r;
                const char *passwd;
                size_t lines = 0;

                c.user = (char *) rows[i].user;
                c.home = (char *) rows[i].home;
                c.shell = (char *) rows[i].shell;
                r = resolved_for(policy, &c, request_for("default"));
                passwd = find_mount(&r, "/etc/passwd")->source;
                if (!strstr(passwd, rows[i].line))
                        fail_msg("%s has no line %s", passwd, rows[i].line);
                for (const char *s = passwd; *s; s++)
                        lines += *s == '\n';
                assert_int_equal(lines, 3);
                policy_result_done(&r);
        }
}

static Request *workspace_with(const char *profile, const char *host, const char *access) {
        Request *q = with_workspace(request_for(profile), host);

        q->workspace_access = g_strdup(access);
        return q;
}

static void test_workspace(_unused_ void **state) {
        enum { RW = PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC, RO = PLAN_MOUNT_EXEC, NONE = -1 };
        static const struct {
                const char *profile, *access;
                int flags;
        } good[] = {
                { "default", NULL, RW },
                { "default", "rw", RW },
                { "default", "ro", RO },
                { "default", "none", NONE },
                { "workspace", NULL, RW },
                { "workspace", "ro", RO },
                { "readonly", NULL, RO },
                { "readonly", "ro", RO },
        };
        Request *q;
        PolicyResult r;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                const PlanMount *m;

                r = resolved(policy, workspace_with(good[i].profile, "/home/alice/p", good[i].access));
                m = find_mount(&r, "/workspace");
                if (good[i].flags == NONE)
                        assert_null(m);
                else {
                        assert_int_equal(m->kind, PLAN_MOUNT_FD);
                        assert_int_equal(m->flags, good[i].flags);
                        assert_string_equal(m->source, "/home/alice/p");
                        assert_string_equal(r.plan->workdir, "/workspace");
                }
                assert_int_equal(r.plan->n_fds, 1);
                policy_result_done(&r);
        }
        refused(policy, workspace_with("readonly", "/home/alice/p", "rw"), POLICY_E_INVALID_ARGUMENT,
                        "profile readonly gives a workspace \"ro\" at most");
        refused(policy, workspace_with("default", "/home/alice/p", "w"), POLICY_E_INVALID_ARGUMENT,
                        "workspace-access is");
        refused(policy, workspace_with("workspace", "/home/alice/p", "none"), POLICY_E_INVALID_ARGUMENT,
                        "profile workspace needs a workspace");
        refused(policy, request_for("workspace"), POLICY_E_INVALID_ARGUMENT,
                        "pass a directory as the option \"workspace\"");
        refused(policy, with_workspace(request_with("{}"), "/home/alice/p"), POLICY_E_INVALID_ARGUMENT,
                        "profile test has no workspace");
        q = request_for("default");
        q->workspace_access = g_strdup("ro");
        refused(policy, q, POLICY_E_INVALID_ARGUMENT, "needs the option \"workspace\"");
        q = with_workspace(request_for("default"), "/home/alice/p");
        q->n_fds = 0;
        refused(policy, q, POLICY_E_INVALID_ARGUMENT, "names a descriptor that was not passed");
        q = request_for("default");
        q->n_fds = PLAN_FDS_MAX + 1;
        refused(policy, q, POLICY_E_INVALID_ARGUMENT, "more than 16 descriptors");
}

static void test_workspace_path(_unused_ void **state) {
        static const char *const bad[] = { "/", "/proc", "/proc/self", "/sys/x", "/dev", "/dev/shm", "relative",
                "/a/../b", "/a//b", "/usr", "/usr/local/x", "/etc", "/bin/x", "/lib", "/tmp", "/run", "/var",
                "/etc/passwd", "/etc/passwd/x" };
        static const char *const good[] = { "/work", "/home/alice", "/home/alice/p", "/tmp/x", "/mnt/workspace",
                "/opt", "/srv/a/b" };
        Request *q;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                q = with_workspace(request_for("default"), "/home/alice/p");
                q->workspace_path = g_strdup(bad[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "");
        }
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                PolicyResult r;

                q = with_workspace(request_for("default"), "/home/alice/p");
                q->workspace_path = g_strdup(good[i]);
                r = resolved(policy, q);
                assert_int_equal(find_mount(&r, good[i])->kind, PLAN_MOUNT_FD);
                assert_string_equal(r.plan->workdir, good[i]);
                policy_result_done(&r);
        }
}

/* What nobody may show, by whatever name and way (CVE-2026-27002). */
static void test_t65_forbidden_sources(_unused_ void **state) {
        static const char *const never[] = { "/", "/proc", "/proc/1/root", "/sys", "/sys/fs/cgroup", "/dev",
                "/dev/sda", "/boot", "/root", "/root/.ssh", "/run", "/run/docker.sock", "/run/podman/podman.sock",
                "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/user/1000/bus",
                "/run/systemd/private", "/run/ocsb/stage.sock", "/var/run", "/var/run/docker.sock", "/etc/ocsb",
                "/etc/ocsb/ceilings.d", "/etc/shadow", "/etc/ssh", "/var/lib/docker", "/var/lib/ocsb" };
        static const char *const aliases[] = { "//run/docker.sock", "/run//docker.sock", "/run/./docker.sock",
                "/var/../run/docker.sock", "/run/docker.sock/", "/./run", "/usr/../etc/shadow", "" };
        static const char *const not_writable[] = { "/etc", "/etc/x", "/usr", "/usr/local", "/bin", "/lib64",
                "/opt/x", "/var", "/home", "/tmp", "/var/tmp", "/srv" };
        _cleanup_(policy_freep) Policy *open = builtin_policy();

        /* also below a ceiling that allows everything it can */
        policy_prepend_ceiling(open,
                        ceiling_of("{'profiles': '*', 'allow_profile_data': true, 'roots': ['host-minimal', 'host'],"
                                   "'networks': ['none'], 'read': ['/'], 'write': ['/'], 'exec': ['/'], 'workspace': "
                                   "{'allowed': true},"
                                   "'grants': {'allowed': true, 'beneath': ['/']}}"));
        for (size_t i = 0; i < ELEMENTSOF(never); i++) {
                g_autofree char *data = g_strdup_printf("{'root': 'host', 'filesystem': {'read': ['%s']}}", never[i]);
                g_autofree char *optional = g_strdup_printf("{'filesystem': {'optional': {'read': ['%s']}}}", never[i]);
                PolicyResult r;

                refused(open, request_with(data), POLICY_E_CEILING, "no sandbox may see it");
                refused(open, workspace_with("readonly", never[i], NULL), POLICY_E_CEILING,
                                "a sandbox never gets to see");
                refused(open, with_grant(request_for("default"), never[i], "/x", 0), POLICY_E_CEILING,
                                "never gets to see");
                r = resolved(open, request_with(optional));
                assert_says(explained(&r, "dropped", "path", never[i], "reason"), "no sandbox may see it");
                policy_result_done(&r);
        }
        for (size_t i = 0; i < ELEMENTSOF(aliases); i++) {
                g_autofree char *data = g_strdup_printf("{'root': 'host', 'filesystem': {'read': ['%s']}}", aliases[i]);

                refused(open, request_with(data), POLICY_E_PROFILE_INVALID, "filesystem.read[0]");
        }
        for (size_t i = 0; i < ELEMENTSOF(not_writable); i++) {
                g_autofree char *data =
                                g_strdup_printf("{'root': 'host', 'filesystem': {'write': ['%s']}}", not_writable[i]);

                refused(open, request_with(data), POLICY_E_CEILING, "no sandbox may write there");
                refused(open, workspace_with("workspace", not_writable[i], NULL), POLICY_E_CEILING,
                                "never gets to write to");
                refused(open, with_grant(request_for("default"), not_writable[i], "/x", PLAN_MOUNT_WRITE),
                                POLICY_E_CEILING, "never gets to write to");
        }
}

static void test_grants(_unused_ void **state) {
        PolicyResult r = resolved(policy,
                        with_grant(with_grant(with_workspace(request_for("default"), "/home/alice/p"), "/srv/skills",
                                                   "/workspace/.openclaw/sandbox-skills/skills", 0),
                                        "/data/a", "/agent", PLAN_MOUNT_EXEC));
        const PlanMount *m = find_mount(&r, "/agent");

        assert_int_equal(m->kind, PLAN_MOUNT_FD);
        assert_int_equal(m->fd, 2);
        assert_int_equal(m->flags, PLAN_MOUNT_EXEC);
        assert_string_equal(m->source, "/data/a");
        m = find_mount(&r, "/workspace/.openclaw/sandbox-skills/skills");
        assert_int_equal(m->fd, 1);
        assert_int_equal(m->flags, 0);
        policy_result_done(&r);

        refused(policy, with_grant(with_workspace(request_for("default"), "/home/alice/p"), "/data", "/workspace", 0),
                        POLICY_E_INVALID_ARGUMENT, "two grants would appear at \"/workspace\"");
        refused(policy, with_grant(with_grant(request_for("default"), "/a", "/x", 0), "/b", "/x", 0),
                        POLICY_E_INVALID_ARGUMENT, "two grants would appear at \"/x\"");
        refused(policy, with_grant(request_for("default"), "/data", "/usr", 0), POLICY_E_INVALID_ARGUMENT,
                        "\"/usr\" cannot be granted there: every sandbox has a /usr of its own");
        refused(policy, with_grant(request_for("default"), "/data", "/etc", 0), POLICY_E_INVALID_ARGUMENT,
                        "cannot be granted there");
        refused(policy, with_grant(request_for("default"), "/data", "/", 0), POLICY_E_INVALID_ARGUMENT,
                        "the sandbox's own");
        refused(policy, with_grant(request_for("default"), "/data", "x", 0), POLICY_E_INVALID_ARGUMENT,
                        "not a normal absolute path");
        refused(policy, with_grant(request_for("default"), "/data", "/x", PLAN_MOUNT_OPTIONAL),
                        POLICY_E_INVALID_ARGUMENT, "an unknown kind of access");
        {
                Request *q = with_grant(request_for("default"), "/data", "/x", 0);

                ((RequestGrant *) q->grants->pdata[0])->fd = 7;
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "names a descriptor that was not passed");
        }
}

/* root host: only what was granted, at its own place, plus what every sandbox has of its own. */
static void test_host_view(_unused_ void **state) {
        PolicyResult r = resolved(policy,
                        request_with("{'root': 'host', 'filesystem': {'exec': ['/usr'], 'read': ['/etc'],"
                                     "'all': ['$HOME/src'], 'optional': {'read': ['/opt/x']}}}"));
        const PlanMount *m = find_mount(&r, "/home/alice/src");

        assert_int_equal(m->kind, PLAN_MOUNT_PATH);
        assert_int_equal(m->flags, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
        assert_string_equal(m->source, "/home/alice/src");
        assert_int_equal(find_mount(&r, "/usr")->flags, PLAN_MOUNT_EXEC);
        assert_int_equal(find_mount(&r, "/opt/x")->flags, PLAN_MOUNT_OPTIONAL);
        assert_int_equal(find_mount(&r, "/bin")->kind, PLAN_MOUNT_SYMLINK);
        assert_int_equal(find_mount(&r, "/tmp")->kind, PLAN_MOUNT_SCRATCH);
        /* /etc is the host's, so nothing is made in it; the home directory is, too */
        assert_null(find_mount(&r, "/etc/passwd"));
        assert_null(find_mount(&r, "/etc/ssl/certs"));
        assert_null(find_mount(&r, "/home/alice"));
        assert_int_equal(find_denial(&r, "/etc/ssh"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/etc/ocsb"), PLAN_DENY_ALL);
        policy_result_done(&r);

        /* without /etc and /usr */
        r = resolved(policy, request_with("{'root': 'host', 'filesystem': {'exec': ['/opt']}}"));
        assert_int_equal(find_mount(&r, "/etc/passwd")->kind, PLAN_MOUNT_FILE);
        assert_null(find_mount(&r, "/bin"));
        assert_null(find_mount(&r, "/usr"));
        assert_int_equal(find_mount(&r, "/home/alice")->kind, PLAN_MOUNT_SCRATCH);
        policy_result_done(&r);

        /* /bin by its own name: shown by /usr where both are granted, a grant of its own where not */
        r = resolved(policy, request_with("{'root': 'host', 'filesystem': {'exec': ['/usr', '/bin']}}"));
        assert_int_equal(find_mount(&r, "/bin")->kind, PLAN_MOUNT_SYMLINK);
        policy_result_done(&r);
        r = resolved(policy, request_with("{'root': 'host', 'filesystem': {'exec': ['/bin']}}"));
        assert_int_equal(find_mount(&r, "/bin")->kind, PLAN_MOUNT_PATH);
        policy_result_done(&r);

        /* the workspace is where it is on the host, and $WORKDIR says so */
        r = resolved(policy,
                        with_workspace(request_with("{'root': 'host', 'workspace': {'access': 'rw'},"
                                                    "'filesystem': {'exec': ['/usr'], 'read': ['$WORKDIR/sub']}, "
                                                    "'deny': ['$WORKDIR/.env'], 'workdir': '$WORKDIR/a'}"),
                                        "/home/alice/p"));
        assert_int_equal(find_mount(&r, "/home/alice/p")->kind, PLAN_MOUNT_FD);
        assert_null(find_mount(&r, "/home/alice/p/sub"));
        assert_says(explained(&r, "dropped", "path", "/home/alice/p/sub", "reason"), "already there");
        assert_int_equal(find_denial(&r, "/home/alice/p/.env"), PLAN_DENY_ALL);
        assert_string_equal(r.plan->workdir, "/home/alice/p/a");
        policy_result_done(&r);
        refused(policy, with_workspace(request_with("{'root': 'host', 'workspace': {'access': 'rw'}}"), NULL),
                        POLICY_E_INVALID_ARGUMENT, "say where it shall appear (workspace-path)");
        refused(policy, request_with("{'root': 'host', 'filesystem': {'read': ['$WORKDIR']}}"),
                        POLICY_E_INVALID_ARGUMENT, "$WORKDIR is not set");
}

static void test_grants_meet(_unused_ void **state) {
        PolicyResult r;

        /* the same path twice: the rights are joined, required wins over optional */
        r = resolved(policy, request_with("{'filesystem': {'read': ['/opt/a'], 'exec': ['/opt/a'],"
                        "'optional': {'read': ['/opt/a'], 'write': ['$HOME/x'], 'exec': ['$HOME/x']}}}"));
        assert_int_equal(find_mount(&r, "/opt/a")->flags, PLAN_MOUNT_EXEC);
        assert_int_equal(find_mount(&r, "/home/alice/x")->flags,
                        PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC | PLAN_MOUNT_OPTIONAL);
        policy_result_done(&r);

        /* what the root has anyway */
        r = resolved(policy,
                        request_with("{'filesystem': {'exec': ['/usr', '/usr/share', '/bin', '/lib/x'], 'read': "
                                     "['/etc/ssl/certs']}}"));
        assert_int_equal(find_mount(&r, "/usr")->flags, PLAN_MOUNT_EXEC);
        assert_null(find_mount(&r, "/usr/share"));
        assert_null(find_mount(&r, "/lib/x"));
        assert_int_equal(find_mount(&r, "/bin")->kind, PLAN_MOUNT_SYMLINK);
        assert_says(explained(&r, "dropped", "path", "/usr/share", "reason"), "already there");
        policy_result_done(&r);

        /* more than that */
        r = resolved(policy, request_with("{'filesystem': {'read': ['/etc/ssl']}}"));
        assert_int_equal(find_mount(&r, "/etc/ssl")->flags, 0);
        assert_null(find_mount(&r, "/etc/ssl/certs"));
        assert_int_equal(find_denial(&r, "/etc/ssl/private"), PLAN_DENY_ALL);
        policy_result_done(&r);

        refused(policy, request_with("{'filesystem': {'read': ['/etc']}}"), POLICY_E_INVALID_ARGUMENT,
                        "every sandbox has a /etc/");

        /* by path within what came as a descriptor */
        r = resolved(policy, with_workspace(request_with("{'workspace': {'access': 'rw', 'path': '$HOME'},"
                        "'filesystem': {'all': ['$HOME/x']}}"), "/home/alice"));
        assert_null(find_mount(&r, "/home/alice/x"));
        policy_result_done(&r);
        refused(policy, with_workspace(request_with("{'workspace': {'access': 'ro', 'path': '$HOME'},"
                        "'filesystem': {'all': ['$HOME/x']}}"), "/home/alice"), POLICY_E_INVALID_ARGUMENT,
                        "pass it as a descriptor as well");
        refused(policy,
                        with_workspace(request_with("{'workspace': {'access': 'rw', 'path': '$HOME'},"
                                                    "'filesystem': {'all': ['$HOME/x']}}"),
                                        "/data"),
                        POLICY_E_INVALID_ARGUMENT, "pass it as a descriptor");
        r = resolved(policy, with_workspace(request_with("{'workspace': {'access': 'rw', 'path': '$HOME'},"
                        "'filesystem': {'optional': {'all': ['$HOME/x']}}}"), "/data"));
        assert_says(explained(&r, "dropped", "path", "/home/alice/x", "reason"),
                        "lies in a directory that the request passed");
        policy_result_done(&r);
}

/* Denials */

static void test_t20_secrets(_unused_ void **state) {
        static const char *const secrets[] = { ".ssh", ".gnupg", ".aws", ".azure", ".config/gcloud", ".kube",
                ".docker", ".netrc", ".git-credentials", ".config/gh", ".npmrc", ".pypirc", ".cargo/credentials",
                ".cargo/credentials.toml", ".local/share/keyrings", ".password-store", ".mozilla",
                ".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".thunderbird", ".bash_history",
                ".zsh_history", ".python_history", ".node_repl_history", ".psql_history", ".mysql_history",
                ".vault-token", ".terraform.d", ".config/rclone", ".config/1Password", ".openclaw/credentials" };
        static const char *const kept[] = { ".bashrc", ".profile", ".zshrc", ".zshenv", ".bash_profile",
                ".bash_login", ".config/fish", ".config/autostart", ".config/systemd", ".gitconfig", ".git/hooks",
                ".git/config", ".mcp.json", ".vscode", ".idea", ".claude", ".codex", ".cursor", ".envrc" };
        static const struct {
                const char *host, *home, *real;
        } views[] = {
                { "/home/alice", "/home/alice", NULL },
                { "/data/u/alice", "/home/alice", "/data/u/alice" }, /* the home directory is a symbolic link */
                { NULL, "/home/alice", NULL },                       /* not known: it may be the home directory */
                { "/srv/x", NULL, NULL },                            /* nor is the home directory */
        };

        for (size_t v = 0; v < ELEMENTSOF(views); v++) {
                Caller c = alice();
                PolicyResult r;

                c.home = (char *) views[v].home;
                c.home_real = (char *) views[v].real;
                r = resolved_for(policy, &c, with_workspace(request_for("workspace"), views[v].host));
                for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                        g_autofree char *path = g_strdup_printf("/workspace/%s", secrets[i]);

                        assert_int_equal(find_denial(&r, path), PLAN_DENY_ALL);
                        g_free(explained(&r, "denials", "path", path, "reason"));
                }
                for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
                        g_autofree char *path = g_strdup_printf("/workspace/%s", kept[i]);

                        assert_int_equal(find_denial(&r, path), PLAN_DENY_WRITE);
                        assert_says(explained(&r, "denials", "path", path, "from"), "built-in");
                }
                policy_result_done(&r);

                /* read-only: what may not be read still is not, what may not be written needs no denial */
                r = resolved_for(policy, &c, with_workspace(request_for("readonly"), views[v].host));
                assert_int_equal(find_denial(&r, "/workspace/.ssh"), PLAN_DENY_ALL);
                assert_int_equal(find_denial(&r, "/workspace/.bashrc"), -1);
                assert_int_equal(find_denial(&r, "/workspace/.git/hooks"), -1);
                policy_result_done(&r);
        }
}

/* Above, within and beside the home directory. */
static void test_secrets_are_mapped(_unused_ void **state) {
        Caller c = alice();
        PolicyResult r;

        c.home = (char *) "/data/home/alice";
        r = resolved_for(policy, &c, with_workspace(request_for("readonly"), "/data"));
        assert_int_equal(find_denial(&r, "/workspace/home/alice/.ssh"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/workspace/.ssh"), -1);
        policy_result_done(&r);

        r = resolved(policy, with_grant(request_for("default"), "/home/alice/.config", "/conf", PLAN_MOUNT_WRITE));
        assert_int_equal(find_denial(&r, "/conf/gcloud"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/conf/git"), PLAN_DENY_WRITE);
        assert_int_equal(find_denial(&r, "/conf/git/credentials"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/conf/.ssh"), -1);
        policy_result_done(&r);

        r = resolved(policy, with_workspace(request_for("workspace"), "/home/alice/src/p"));
        assert_int_equal(find_denial(&r, "/workspace/.ssh"), -1);
        assert_int_equal(find_denial(&r, "/workspace/.bashrc"), -1);
        assert_int_equal(find_denial(&r, "/workspace/.git/hooks"), PLAN_DENY_WRITE);
        policy_result_done(&r);

        r = resolved(policy, with_workspace(request_for("workspace"), "/home/alicette"));
        assert_int_equal(find_denial(&r, "/workspace/.ssh"), -1);
        policy_result_done(&r);

        /* root host: by path */
        r = resolved(policy, request_with("{'root': 'host', 'filesystem': {'all': ['$HOME/.config', '$HOME/src']}}"));
        assert_int_equal(find_denial(&r, "/home/alice/.config/gh"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/home/alice/.config/autostart"), PLAN_DENY_WRITE);
        assert_int_equal(find_denial(&r, "/home/alice/src/.git/hooks"), PLAN_DENY_WRITE);
        policy_result_done(&r);
}

/* Granting the denied thing itself, or something in it. */
static void test_t20_secrets_are_not_granted(_unused_ void **state) {
        static const char *const never[] = { "$HOME/.ssh", "$HOME/.ssh/config", "$HOME/.aws/sso",
                "$XDG_DATA_HOME/keyrings" };
        static const char *const not_writable[] = { "$HOME/.bashrc", "$HOME/.config/systemd/user", "$HOME/.claude" };

        for (size_t i = 0; i < ELEMENTSOF(never); i++) {
                g_autofree char *data = g_strdup_printf("{'filesystem': {'read': ['%s']}}", never[i]);
                g_autofree char *optional = g_strdup_printf("{'filesystem': {'optional': {'read': ['%s']}}}", never[i]);
                PolicyResult r;

                refused(policy, request_with(data), POLICY_E_CEILING, "only a ceiling can lift that");
                r = resolved(policy, request_with(optional));
                assert_says(explained(&r, "dropped", "from", "profile test", "reason"), "all denied by built-in");
                policy_result_done(&r);
        }
        for (size_t i = 0; i < ELEMENTSOF(not_writable); i++) {
                g_autofree char *data = g_strdup_printf("{'filesystem': {'write': ['%s']}}", not_writable[i]);
                g_autofree char *reading = g_strdup_printf("{'filesystem': {'read': ['%s']}}", not_writable[i]);
                PolicyResult r;

                refused(policy, request_with(data), POLICY_E_CEILING, "of which writing is denied");
                r = resolved(policy, request_with(reading));
                policy_result_done(&r);
        }
        refused(policy, with_workspace(request_for("readonly"), "/home/alice/.ssh"), POLICY_E_CEILING,
                        "request grants \"/home/alice/.ssh\" (rx), of which all is denied: private keys");
        refused(policy, with_grant(request_for("default"), "/home/alice/.gnupg/private", "/k", 0), POLICY_E_CEILING,
                        "private keys");
        refused(policy, with_workspace(request_for("workspace"), "/home/alice/.config/fish"), POLICY_E_CEILING,
                        "of which writing is denied");
}

static void test_denials_of_profiles(_unused_ void **state) {
        Request *q;
        PolicyResult r;

        /* a child's grant does not undo its parent's denial, however specific */
        {
                _cleanup_(policy_freep) Policy *p = builtin_policy();
                g_autofree char *why = NULL;
                Profile *parent = NULL;
                static const char text[] = "{\"name\": \"parent\", \"deny\": [\"$HOME/private\"], \"deny_write\": "
                                           "[\"$HOME/docs\"]}";

                assert_int_equal(profile_parse("x", NULL, "parent", text, strlen(text), &parent, &why), 0);
                assert_int_equal(policy_add_profile(p, parent, &why), 0);
                r = resolved(p,
                                request_with("{'extends': 'parent', 'deny': [], 'filesystem': {'all': "
                                             "['$HOME/private/ok', '$HOME/docs/x']}}"));
                assert_null(find_mount(&r, "/home/alice/private/ok"));
                assert_says(explained(&r, "dropped", "path", "/home/alice/private/ok", "reason"),
                                "all denied by profile test > parent: asked for");
                /* of what may not be written the reading is left */
                assert_int_equal(find_mount(&r, "/home/alice/docs/x")->flags, PLAN_MOUNT_EXEC);
                policy_result_done(&r);
                refused(p,
                                with_workspace(request_with("{'extends': 'parent', 'workspace': {'access': 'rw'}}"),
                                                "/home/alice/private/w"),
                                POLICY_E_INVALID_ARGUMENT, "profile test > parent denies");
        }

        /* inside a granted tree, by the path inside or on the host */
        r = resolved(policy,
                        with_workspace(request_with("{'workspace': {'access': 'rw'}, 'deny': ['/workspace/.env', "
                                                    "'$HOME/p/.key'],"
                                                    "'deny_write': ['$WORKDIR/ci', '/usr/share/x']}"),
                                        "/home/alice/p"));
        assert_int_equal(find_denial(&r, "/workspace/.env"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/workspace/.key"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/workspace/ci"), PLAN_DENY_WRITE);
        /* not where nothing of the host is, nor where it is read-only anyway */
        assert_int_equal(find_denial(&r, "/home/alice/p/.key"), -1);
        assert_int_equal(find_denial(&r, "/usr/share/x"), -1);
        assert_says(explained(&r, "denials", "path", "/workspace/ci", "from"), "profile test");
        policy_result_done(&r);

        /* without a workspace there is nothing to deny in it */
        r = resolved(policy, request_with("{'workspace': {'access': 'rw'}, 'deny': ['$WORKDIR/.env']}"));
        assert_int_equal(r.plan->n_denials, 0);
        policy_result_done(&r);

        /* of a request */
        q = with_workspace(request_for("workspace"), "/home/alice/p");
        q->deny = g_strsplit("/workspace/a /workspace/a/b /usr/bin/gcc", " ", 0);
        q->deny_write = g_strsplit("/workspace/a /workspace/c /workspace/c/d", " ", 0);
        r = resolved(policy, q);
        assert_int_equal(find_denial(&r, "/workspace/a"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/workspace/a/b"), -1); /* implied */
        assert_int_equal(find_denial(&r, "/usr/bin/gcc"), PLAN_DENY_ALL);
        assert_int_equal(find_denial(&r, "/workspace/c"), PLAN_DENY_WRITE);
        assert_int_equal(find_denial(&r, "/workspace/c/d"), -1);
        assert_says(explained(&r, "denials", "path", "/workspace/a", "from"), "request");
        policy_result_done(&r);
        static const char *const bad[] = { "/", "x", "/a/../b", "/workspace/" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                q = request_for("default");
                q->deny = g_new0(char *, 2);
                q->deny[0] = g_strdup(bad[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "cannot be denied");
        }
        static const char *const needed[] = { "/workspace", "/usr", "/etc/passwd", "/tmp", "/bin" };
        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                q = with_workspace(request_for("workspace"), "/home/alice/p");
                q->deny = g_new0(char *, 2);
                q->deny[0] = g_strdup(needed[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "request denies");
        }
        /* a grant that is denied leaves no trace: the home directory is what it is without */
        r = resolved(policy, request_with("{'filesystem': {'optional': {'read': ['$HOME/x']}}, 'deny': ['$HOME/x']}"));
        assert_null(find_mount(&r, "/home/alice/x"));
        assert_int_equal(find_mount(&r, "/home/alice")->kind, PLAN_MOUNT_SCRATCH);
        policy_result_done(&r);
        /* optional parts of the system may go */
        q = request_for("default");
        q->deny = g_strsplit("/etc/fonts", " ", 0);
        r = resolved(policy, q);
        assert_null(find_mount(&r, "/etc/fonts"));
        policy_result_done(&r);
}

/* A read-only place that may turn out to be missing does not stand for what is around it. */
static void test_denial_under_optional_grant(_unused_ void **state) {
        PolicyResult r = resolved(policy, request_with("{'root': 'host', 'filesystem': {'all': ['$HOME'],"
                        "'optional': {'read': ['$HOME/.config']}}}"));

        assert_int_equal(find_denial(&r, "/home/alice/.config/autostart"), PLAN_DENY_WRITE);
        policy_result_done(&r);
        r = resolved(policy,
                        request_with("{'root': 'host', 'filesystem': {'all': ['$HOME'], 'read': "
                                     "['$HOME/.config']}}"));
        assert_int_equal(find_denial(&r, "/home/alice/.config/autostart"), -1);
        policy_result_done(&r);
}

/* The working directory grants nothing (T21). */
static void test_t21_workdir(_unused_ void **state) {
        static const char *const bad[] = { "/home/bob", "/root", "/srv", "/proc/self/fd/7", "x", "/a/..", "" };
        Request *q;
        PolicyResult r;
        size_t n;

        r = resolved(policy, with_workspace(request_for("default"), "/home/alice/p"));
        n = r.plan->n_mounts;
        policy_result_done(&r);
        q = with_workspace(request_for("default"), "/home/alice/p");
        q->workdir = g_strdup("/workspace/sub");
        r = resolved(policy, q);
        assert_string_equal(r.plan->workdir, "/workspace/sub");
        assert_int_equal(r.plan->n_mounts, n);
        policy_result_done(&r);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                q = request_for("default");
                q->workdir = g_strdup(bad[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "workdir");
        }
}

static void test_env(_unused_ void **state) {
        static const char *const bad[] = { "A", "=x", "1A=x", "A B=x", "A-B=x", "" };
        Request *q = request_with("{'env': {'LANG': 'de_DE.UTF-8', 'A': '1', 'B': '1'}}");
        PolicyResult r;

        q->env = g_strsplit("B=2 HOME=/x LD_PRELOAD=/evil.so", " ", 0);
        r = resolved(policy, q);
        assert_string_equal(find_env(&r, "LANG"), "de_DE.UTF-8");
        assert_string_equal(find_env(&r, "A"), "1");
        assert_string_equal(find_env(&r, "B"), "2");
        assert_string_equal(find_env(&r, "HOME"), "/x");
        assert_string_equal(find_env(&r, "USER"), "alice");
        assert_string_equal(find_env(&r, "SHELL"), "/bin/bash");
        assert_string_equal(find_env(&r, "GIT_TEMPLATE_DIR"), "");
        assert_null(find_env(&r, "TERM"));
        assert_says(explained(&r, "env", "name", "B", "from"), "request");
        assert_says(explained(&r, "env", "name", "LANG", "from"), "profile test");
        assert_says(explained(&r, "env", "name", "PATH", "from"), "built-in");
        /* the sandbox's, not ours (T04) */
        assert_null(getenv("LD_PRELOAD"));
        for (size_t i = 1; i < r.plan->n_env; i++)
                assert_true(strcmp(r.plan->env[i - 1], r.plan->env[i]) < 0);
        policy_result_done(&r);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                q = request_for("default");
                q->env = g_new0(char *, 2);
                q->env[0] = g_strdup(bad[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "is not an environment variable");
        }
        q = request_for("default");
        q->env = g_new0(char *, PLAN_ENV_MAX + 2);
        for (unsigned i = 0; i <= PLAN_ENV_MAX; i++)
                q->env[i] = g_strdup_printf("V%u=x", i);
        refused(policy, q, POLICY_E_INVALID_ARGUMENT, "the environment has more than 256 variables");
        q = request_for("default");
        q->env = g_new0(char *, 2);
        q->env[0] = g_malloc0(PLAN_ENV_BYTES_MAX + 8);
        memset(q->env[0], 'x', PLAN_ENV_BYTES_MAX + 7);
        q->env[0][1] = '=';
        refused(policy, q, POLICY_E_INVALID_ARGUMENT, "or 128 KiB");
}

static void test_hostname_and_network(_unused_ void **state) {
        Request *q = request_with("{'hostname': 'theirs'}");
        PolicyResult r;

        q->hostname = g_strdup("mine");
        r = resolved(policy, q);
        assert_string_equal(r.plan->hostname, "mine");
        assert_string_equal(find_mount(&r, "/etc/hostname")->source, "mine\n");
        policy_result_done(&r);
        static const char *const bad[] = { "", "a.b", "-a", "a\n127.0.0.1 x",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                q = request_for("default");
                q->hostname = g_strdup(bad[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "is not a host name");
        }
        /* T66: no way into another namespace */
        static const char *const networks[] = { "", "host", "bridge", "container:abc", "ns:/proc/1/ns/net", "None",
                "none\n" };
        for (size_t i = 0; i < ELEMENTSOF(networks); i++) {
                q = request_for("default");
                q->network = g_strdup(networks[i]);
                refused(policy, q, POLICY_E_INVALID_ARGUMENT, "there is no network");
        }
        q = request_for("default");
        q->network = g_strdup("none");
        r = resolved(policy, q);
        assert_int_equal(r.plan->network, PLAN_NETWORK_NONE);
        policy_result_done(&r);
}

/* The same request has the same digest, another one another. */
static void test_digest(_unused_ void **state) {
        static gid_t reversed[] = { 0, 1004, 100 };
        Caller c = alice();
        PolicyResult a, b;
        Request *q;

        a = resolved(policy,
                        with_workspace(request_with("{'workspace': {'access': 'rw'}, 'filesystem': {'read': "
                                                    "['/opt/a', '/opt/b']},"
                                                    "'env': {'A': '1', 'B': '2'}, 'deny': ['/workspace/x', "
                                                    "'/workspace/y']}"),
                                        "/home/alice/p"));
        c.groups = reversed;
        c.n_groups = ELEMENTSOF(reversed);
        b = resolved_for(policy, &c,
                        with_workspace(request_with("{'deny': ['/workspace/y', '/workspace/x'], 'env': {'B': '2', "
                                                    "'A': '1'},"
                                                    "'filesystem': {'read': ['/opt/b', '/opt/a', '/opt/a']}, "
                                                    "'workspace': {'access': 'rw'}}"),
                                        "/home/alice/p"));
        assert_string_equal(a.digest, b.digest);
        policy_result_done(&b);

        /* the id is not part of it */
        q = with_workspace(request_with("{'workspace': {'access': 'rw'}, 'filesystem': {'read': ['/opt/a', '/opt/b']},"
                        "'env': {'A': '1', 'B': '2'}, 'deny': ['/workspace/x', '/workspace/y']}"), "/home/alice/p");
        q->id = g_strdup("some_id");
        b = resolved(policy, q);
        assert_string_equal(a.digest, b.digest);
        policy_result_done(&b);

        /* which directory is (T55: approved for one, executed with another) */
        b = resolved(policy,
                        with_workspace(request_with("{'workspace': {'access': 'rw'}, 'filesystem': {'read': "
                                                    "['/opt/a', '/opt/b']},"
                                                    "'env': {'A': '1', 'B': '2'}, 'deny': ['/workspace/x', "
                                                    "'/workspace/y']}"),
                                        "/home/alice/q"));
        assert_string_not_equal(a.digest, b.digest);
        policy_result_done(&b);
        policy_result_done(&a);
}

/* A plan goes through the builder's decoder as it is. */
static void test_plans_are_valid(_unused_ void **state) {
        static const char *const data[] = {
                "{}",
                "{'root': 'host', 'filesystem': {'exec': ['/usr', '/etc', '/opt']}}",
                "{'root': 'host', 'filesystem': {'all': ['$HOME'], 'exec': ['/usr', '/bin', '/lib', '/lib64'], "
                "'read': ['/etc']}}",
                "{'filesystem': {'all': ['$HOME/a'], 'read': ['/etc/ssl']}, 'limits': {'memory': '1G', 'cpu': "
                "'50%'}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                PolicyResult r;
                _cleanup_writer_ WireWriter w = {};
                _cleanup_plan_ Plan *decoded = NULL;
                const char *why = NULL;

                if (strstr(data[i], "'/etc'") && strstr(data[i], "'exec': ['/usr', '/etc'")) {
                        refused(policy, request_with(data[i]), POLICY_E_CEILING, "\"/etc\" (rx)");
                        continue;
                }
                r = resolved(policy, request_with(data[i]));
                strcpy(r.plan->id, "x");
                plan_encode(&w, r.plan);
                assert_int_equal(w.error, 0);
                WireReader reader = WIRE_READER(w.data, w.len);
                if (plan_decode(&reader, &decoded, &why) < 0)
                        fail_msg("%s", why);
                policy_result_done(&r);
        }
}

/* Names from outside in the one line that a prompt shows (T62). */
static void test_t62_summary(_unused_ void **state) {
        Request *q = with_workspace(request_for("workspace"), "/home/alice/\x1b[31m\nroot host-minimal\xe2\x80\xae");
        PolicyResult r;

        with_grant(q, "/data/\xff\xfe", "/x", PLAN_MOUNT_WRITE);
        r = resolved(policy, q);
        assert_string_equal(r.summary,
                        "root host-minimal, network none, writes /home/alice/\\x1b[31m\\x0aroot "
                        "host-minimal\\u{202e}, "
                        "/data/\\xff\\xfe");
        assert_true(utf8_is_valid(r.explain, strlen(r.explain)));
        for (const char *s = r.explain; *s; s++)
                assert_true((unsigned char) *s >= ' ');
        assert_null(strstr(r.explain, "\xe2\x80\xae"));
        policy_result_done(&r);

        /* never more than 200 characters, the number of what is left out is said */
        q = with_workspace(request_for("workspace"), "/home/alice/p");
        for (int i = 0; i < 12; i++) {
                g_autofree char *host = g_strdup_printf(
                                "/data/\xc3\xa4%d/%0*d", i, 300 - i * 20 > 200 ? 200 : 300 - i * 20, 0);
                g_autofree char *inside = g_strdup_printf("/x%d", i);

                with_grant(q, host, inside, i % 2 ? PLAN_MOUNT_WRITE : 0);
        }
        r = resolved(policy, q);
        assert_true(utf8_is_valid(r.summary, strlen(r.summary)));
        assert_true(g_utf8_strlen(r.summary, -1) <= 200);
        assert_non_null(strstr(r.summary, "writes /home/alice/p"));
        assert_non_null(strstr(r.summary, " more"));
        policy_result_done(&r);
}

static void test_too_many(_unused_ void **state) {
        g_autoptr(GString) s = g_string_new("{'filesystem': {'read': [");

        for (int i = 0; i < 500; i++)
                g_string_append_printf(s, "%s'/opt/d%d'", i > 0 ? "," : "", i);
        g_string_append(s, "]}}");
        refused(policy, request_with(s->str), POLICY_E_INVALID_ARGUMENT, "more than 512 mounts");
        g_string_assign(s, "{'filesystem': {'all': [");
        for (int i = 0; i < 80; i++)
                g_string_append_printf(s, "%s'$HOME/d%d'", i > 0 ? "," : "", i);
        g_string_append(s, "]}}");
        refused(policy, request_with(s->str), POLICY_E_INVALID_ARGUMENT, "more than 512 denials");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_caller),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_host_minimal),
                cmocka_unit_test(test_hostile_accounts),
                cmocka_unit_test(test_workspace),
                cmocka_unit_test(test_workspace_path),
                cmocka_unit_test(test_t65_forbidden_sources),
                cmocka_unit_test(test_grants),
                cmocka_unit_test(test_host_view),
                cmocka_unit_test(test_grants_meet),
                cmocka_unit_test(test_t20_secrets),
                cmocka_unit_test(test_secrets_are_mapped),
                cmocka_unit_test(test_t20_secrets_are_not_granted),
                cmocka_unit_test(test_denials_of_profiles),
                cmocka_unit_test(test_denial_under_optional_grant),
                cmocka_unit_test(test_t21_workdir),
                cmocka_unit_test(test_env),
                cmocka_unit_test(test_hostname_and_network),
                cmocka_unit_test(test_digest),
                cmocka_unit_test(test_plans_are_valid),
                cmocka_unit_test(test_t62_summary),
                cmocka_unit_test(test_too_many),
        };

        return cmocka_run_group_tests_name("policy-resolve", tests, setup, teardown);
}
