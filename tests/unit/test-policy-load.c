/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy-fixture.h"

typedef struct Dirs {
        char *data, *config;
} Dirs;

static void put(const char *dir, const char *name, const char *text, mode_t mode) {
        g_autofree char *path = g_build_filename(dir, name, NULL), *parent = g_path_get_dirname(path),
                        *json = g_strdup(text);

        g_strdelimit(json, "'", '"');
        assert_int_equal(g_mkdir_with_parents(parent, 0755), 0);
        assert_true(g_file_set_contents(path, json, -1, NULL));
        assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state) {
        Dirs *d = g_new0(Dirs, 1);

        (void) umask(022);
        d->data = make_data_dir();
        d->config = g_dir_make_tmp("ocsb-test-XXXXXX", NULL);
        assert_int_equal(chmod(d->data, 0755), 0);
        assert_int_equal(chmod(d->config, 0755), 0);
        *state = d;
        return 0;
}

static int teardown(void **state) {
        Dirs *d = *state;

        remove_tree(d->data);
        remove_tree(d->config);
        g_free(d->data);
        g_free(d->config);
        g_free(d);
        return 0;
}

static Policy *loaded(const Dirs *d) {
        g_autofree char *why = NULL;
        unsigned before = count_fds();
        Policy *p = NULL;

        if (policy_load_owned(d->data, d->config, getuid(), &p, &why) < 0)
                fail_msg("%s", why ?: "no reason");
        assert_int_equal(count_fds(), before);
        return p;
}

static void not_loaded(const Dirs *d, const char *words) {
        g_autofree char *why = NULL;
        unsigned before = count_fds();
        Policy *p = NULL;

        assert_true(policy_load_owned(d->data, d->config, getuid(), &p, &why) < 0);
        assert_null(p);
        assert_int_equal(count_fds(), before);
        if (!why || !strstr(why, words))
                fail_msg("\"%s\" does not say \"%s\"", why ?: "(nothing)", words);
}

static void append_line(const char *name, const char *description, const char *origin, void *userdata) {
        assert_true(strlen(description) > 10);
        g_string_append_printf(userdata, "%s %s\n", name, strrchr(origin, '/') ?: origin);
}

static char *listed(const Policy *p) {
        GString *s = g_string_new(NULL);

        policy_foreach_profile(p, append_line, s);
        return g_string_free(s, FALSE);
}

static void test_builtin(void **state) {
        _cleanup_(policy_freep) Policy *p = loaded(*state);
        g_autofree char *list = listed(p);

        assert_string_equal(list, "default built-in\ninternet built-in\nreadonly built-in\nworkspace built-in\n");
}

static void test_missing(void **state) {
        Dirs d = *(Dirs *) *state;
        _cleanup_(policy_freep) Policy *p = NULL;

        d.config = (char *) "/nonexistent/ocsb";
        p = loaded(&d);
        d.data = (char *) "/nonexistent/ocsb";
        not_loaded(&d, "/nonexistent/ocsb: No such file or directory");
}

static void test_admin_profiles(void **state) {
        const Dirs *d = *state;
        _cleanup_(policy_freep) Policy *p = NULL;
        g_autofree char *list = NULL;
        PolicyResult r;

        put(d->config, "profiles/web.json",
                        "{'name': 'web', 'description': 'an admin made this', 'extends': 'base', 'hostname': 'web'}",
                        0644);
        put(d->config, "profiles/base.json",
                        "{'name': 'base', 'description': 'an admin made this', 'extends': 'readonly', 'limits': "
                        "{'pids': 9}}",
                        0444);
        put(d->config, "profiles/default.json",
                        "{'name': 'default', 'description': 'instead of the built-in', 'hostname': 'theirs'}", 0644);
        /* not profiles */
        put(d->config, "profiles/README", "x", 0644);
        put(d->config, "profiles/.hidden.json", "x", 0644);
        put(d->config, "profiles/x.json.dpkg-old", "x", 0644);
        put(d->config, "profiles/profile.schema.json", "x", 0644);
        p = loaded(d);
        list = listed(p);
        assert_string_equal(list,
                        "base /base.json\ndefault /default.json\ninternet built-in\nreadonly built-in\nweb /web.json\nworkspace "
                        "built-in\n");

        r = resolved(p, with_workspace(request_for("web"), "/home/alice/p"));
        assert_string_equal(r.plan->hostname, "web");
        assert_int_equal(r.plan->limits.pids, 9);
        assert_int_equal(find_mount(&r, "/workspace")->flags, PLAN_MOUNT_EXEC);
        assert_non_null(strstr(r.explain, "\"from\":\"profile web > base\""));
        policy_result_done(&r);
        r = resolved(p, request_for("default"));
        assert_string_equal(r.plan->hostname, "theirs");
        policy_result_done(&r);
}

static void test_invalid_profiles(void **state) {
        const Dirs *d = *state;
        static const struct {
                const char *name, *text, *words;
        } rows[] = {
                { "profiles/a.json", "{", "profiles/a.json: line 1" },
                { "profiles/a.json", "", "profiles/a.json: line 1" },
                { "profiles/a.json", "{'description': 'x'}", "must have \"name\": \"a\", as its file is called" },
                { "profiles/a.json", "{'name': 'b', 'description': 'x'}", "must have \"name\": \"a\"" },
                { "profiles/a.json", "{'name': 'a'}", "a stored profile needs a \"description\"" },
                { "profiles/a.json", "{'name': 'a', 'description': 'x', 'colour': 1}",
                                "profiles/a.json: unknown key \"colour\"" },
                { "profiles/a.json", "{'name': 'a', 'description': 'x', 'extends': 'nowhere'}",
                                "profiles/a.json: profile a: extends \"nowhere\", which does not exist" },
                { "profiles/a.json", "{'name': 'a', 'description': 'x', 'extends': 'a'}",
                                "profile a > a: extends itself" },
                { "profiles/A.json", "{'name': 'A', 'description': 'x'}",
                                "the file's name without \".json\" is the profile's" },
                { "ceilings.d/10.json", "{", "ceilings.d/10.json: line 1" },
                { "ceilings.d/10.json", "{'profile': '*'}", "ceilings.d/10.json: unknown key \"profile\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                g_autofree char *path = g_build_filename(d->config, rows[i].name, NULL);

                put(d->config, rows[i].name, rows[i].text, 0644);
                not_loaded(d, rows[i].words);
                assert_int_equal(unlink(path), 0);
        }
}

/* Policy comes from files that only root could have written (T68). */
static void test_t68_writable_by_others(void **state) {
        const Dirs *d = *state;
        static const char *const names[] = { "profiles/a.json", "ceilings.d/10.json" };
        static const char *const dirs[] = { "profiles", "ceilings.d", "." };
        static const mode_t modes[] = { 0664, 0646, 0666 };
        static const char text[] = "{'description': 'x'}";
        _cleanup_(policy_freep) Policy *p = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                g_autofree char *path = g_build_filename(d->config, names[i], NULL);
                g_autofree char *elsewhere = g_build_filename(d->config, "elsewhere", NULL);

                for (size_t k = 0; k < ELEMENTSOF(modes); k++) {
                        put(d->config, names[i], text, modes[k]);
                        not_loaded(d, "can be written to by others than root: chmod go-w it");
                }
                assert_int_equal(unlink(path), 0);

                put(d->config, "elsewhere", text, 0644);
                assert_int_equal(symlink(elsewhere, path), 0);
                not_loaded(d, "is a symbolic link: put the file itself there");
                assert_int_equal(unlink(path), 0);

                assert_int_equal(mkdir(path, 0755), 0);
                not_loaded(d, "is not a regular file");
                assert_int_equal(rmdir(path), 0);
                assert_int_equal(mkfifo(path, 0644), 0);
                not_loaded(d, "is not a regular file");
                assert_int_equal(unlink(path), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                g_autofree char *path = g_build_filename(d->config, dirs[i], NULL);

                assert_int_equal(chmod(path, 0775), 0);
                not_loaded(d, "can be written to by others than root");
                assert_int_equal(chmod(path, 0755), 0);
        }
        p = loaded(d);
}

/* As policy_load() has it: another owner than root is refused. */
static void test_t68_owner(void **state) {
        const Dirs *d = *state;
        g_autofree char *why = NULL;
        Policy *p = NULL;

        if (getuid() != 0) {
                assert_int_equal(policy_load(d->data, d->config, &p, &why), -EPERM);
                assert_non_null(strstr(why, "instead of root: chown root it"));
                return;
        }
        assert_int_equal(policy_load(d->data, d->config, &p, &why), 0);
        p = policy_free(p);
        put(d->config, "ceilings.d/10.json", "{}", 0644);
        {
                g_autofree char *path = g_build_filename(d->config, "ceilings.d/10.json", NULL);

                if (chown(path, 1234, 0) < 0)
                        return; /* a namespace with a single uid */
        }
        assert_int_equal(policy_load(d->data, d->config, &p, &why), -EPERM);
        assert_non_null(strstr(why, "ceilings.d/10.json: belongs to uid 1234 instead of root: chown root it"));
}

static void test_ceilings_in_name_order(void **state) {
        const Dirs *d = *state;
        _cleanup_(policy_freep) Policy *p = NULL;
        PolicyResult quota = {};
        Caller c = alice();

        put(d->config, "ceilings.d/20-all.json", "{'quotas': {'sessions': 20}}", 0644);
        put(d->config, "ceilings.d/10-alice.json", "{'match': {'users': ['alice']}, 'quotas': {'sessions': 10}}", 0644);
        put(d->config, "ceilings.d/9-late.json", "{'match': {'users': ['alice']}, 'quotas': {'sessions': 9}}", 0644);
        p = loaded(d);
        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 10);
        c.user = (char *) "bob";
        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 20);
        refused_for(p, &c, request_for("default"), POLICY_E_CEILING,
                        "ceilings.d/20-all.json does not allow profile \"default\"");
}

static void test_size(void **state) {
        const Dirs *d = *state;
        g_autofree char *text = g_strnfill(JSON_BYTES_MAX + 1, ' ');

        put(d->config, "ceilings.d/10.json", text, 0644);
        not_loaded(d, "ceilings.d/10.json: longer than 64 KiB");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_builtin, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_admin_profiles, setup, teardown),
                cmocka_unit_test_setup_teardown(test_invalid_profiles, setup, teardown),
                cmocka_unit_test_setup_teardown(test_t68_writable_by_others, setup, teardown),
                cmocka_unit_test_setup_teardown(test_t68_owner, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ceilings_in_name_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_size, setup, teardown),
        };

        return RUN_TESTS(tests);
}
