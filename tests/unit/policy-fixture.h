/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of the policy floor share: a caller, the built-in profiles, short ways to ask and to look at the
 * answer. */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy-private.h"

/* Not from the source directory itself: it may be writable by a developer's group, which the store refuses. */
static inline char *make_data_dir(void) {
        static const char *const names[] = { "default.json", "internet.json", "readonly.json", "workspace.json" };
        char *dir = g_dir_make_tmp("ocsb-test-XXXXXX", NULL);
        g_autofree char *profiles = g_build_filename(dir, "profiles", NULL);

        assert_non_null(dir);
        assert_int_equal(mkdir(profiles, 0755), 0);
        assert_int_equal(chmod(profiles, 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                g_autofree char *from = g_build_filename(SOURCE_DIR, "profiles", names[i], NULL);
                g_autofree char *to = g_build_filename(profiles, names[i], NULL), *text = NULL;
                gsize n;

                assert_true(g_file_get_contents(from, &text, &n, NULL));
                assert_true(g_file_set_contents(to, text, (gssize) n, NULL));
                assert_int_equal(chmod(to, 0644), 0);
        }
        return dir;
}

static inline void remove_tree(const char *dir) {
        GDir *d = g_dir_open(dir, 0, NULL);
        const char *name;

        while (d && (name = g_dir_read_name(d))) {
                g_autofree char *path = g_build_filename(dir, name, NULL);

                if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
                        remove_tree(path);
                else
                        (void) unlink(path);
        }
        if (d)
                g_dir_close(d);
        (void) rmdir(dir);
}

/* The built-in profiles below the built-in ceiling. */
static inline Policy *builtin_policy(void) {
        g_autofree char *dir = make_data_dir(), *why = NULL;
        Policy *p = NULL;
        int r = policy_load_owned(dir, "/nonexistent", getuid(), &p, &why);

        remove_tree(dir);
        if (r < 0)
                fail_msg("%s", why ?: "no reason");
        return p;
}

static gid_t alice_groups[] = { 1004, 100, 1004, 0 };

static inline Caller alice(void) {
        return (Caller) {
                .uid = 1000,
                .gid = 1000,
                .groups = alice_groups,
                .n_groups = ELEMENTSOF(alice_groups),
                .user = (char *) "alice",
                .home = (char *) "/home/alice",
                .shell = (char *) "/bin/bash",
        };
}

static inline Request *request_for(const char *profile) {
        Request *q = request_new();

        q->profile = g_strdup(profile);
        return q;
}

/* With profile data; text in single quotes instead of double ones. */
static inline Request *request_with(const char *text) {
        Request *q = request_for("test");

        q->profile_data = g_strdup(text);
        g_strdelimit(q->profile_data, "'", '"');
        q->profile_data_len = strlen(q->profile_data);
        return q;
}

static inline Request *with_workspace(Request *q, const char *host_path) {
        q->workspace_fd = (int) q->n_fds++;
        q->workspace_host_path = g_strdup(host_path);
        return q;
}

static inline Request *with_grant(Request *q, const char *host_path, const char *path, uint32_t flags) {
        RequestGrant *g = g_new0(RequestGrant, 1);

        *g = (RequestGrant) {
                .fd = q->n_fds++,
                .path = g_strdup(path),
                .flags = flags,
                .host_path = g_strdup(host_path),
        };
        g_ptr_array_add(q->grants, g);
        return q;
}

static inline Ceiling *ceiling_of(const char *text) {
        g_autofree char *json = g_strdup(text), *why = NULL;
        Ceiling *c = NULL;

        g_strdelimit(json, "'", '"');
        if (ceiling_parse("test ceiling", json, strlen(json), &c, &why) < 0)
                fail_msg("%s", why ?: "no reason");
        return c;
}

/* Takes the request. The result must be made, or fail with code and a sentence that has all of the given words. */
static inline PolicyResult resolved_for(const Policy *p, const Caller *c, Request *q) {
        g_autofree char *why = NULL;
        PolicyResult result = {};
        int k = policy_resolve(p, c, q, &result, &why);

        if (k != 0)
                fail_msg("%d: %s", k, why ?: "no reason");
        request_free(q);
        return result;
}

static inline PolicyResult resolved(const Policy *p, Request *q) {
        Caller c = alice();

        return resolved_for(p, &c, q);
}

static inline void refused_for(const Policy *p, const Caller *c, Request *q, int code, const char *words) {
        g_autofree char *why = NULL;
        PolicyResult result = {};
        int k = policy_resolve(p, c, q, &result, &why);

        if (k == 0)
                fail_msg("allowed: %s", result.explain);
        if (k != code)
                fail_msg("%d instead of %d: %s", k, code, why ?: "no reason");
        if (!why || !strstr(why, words))
                fail_msg("\"%s\" does not say \"%s\"", why ?: "(nothing)", words);
        assert_null(result.plan);
        assert_null(result.explain);
        request_free(q);
}

static inline void refused(const Policy *p, Request *q, int code, const char *words) {
        Caller c = alice();

        refused_for(p, &c, q, code, words);
}

static inline const PlanMount *find_mount(const PolicyResult *r, const char *target) {
        for (size_t i = 0; i < r->plan->n_mounts; i++)
                if (streq(r->plan->mounts[i].target, target))
                        return &r->plan->mounts[i];
        return NULL;
}

/* -1: not denied. */
static inline int find_denial(const PolicyResult *r, const char *path) {
        for (size_t i = 0; i < r->plan->n_denials; i++)
                if (streq(r->plan->denials[i].path, path))
                        return (int) r->plan->denials[i].kind;
        return -1;
}

static inline const char *find_env(const PolicyResult *r, const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < r->plan->n_env; i++)
                if (strncmp(r->plan->env[i], name, n) == 0 && r->plan->env[i][n] == '=')
                        return r->plan->env[i] + n + 1;
        return NULL;
}

/* The member of the element of explain's list in which key is value; NULL when there is none. */
static inline char *explained(const PolicyResult *r, const char *list, const char *key, const char *value,
                const char *member) {
        json_t *v = json_loads(r->explain, 0, NULL), *element;
        char *ret = NULL;
        size_t i;

        assert_non_null(v);
        json_array_foreach(json_object_get(v, list), i, element) {
                const char *s = json_string_value(json_object_get(element, key));

                if (s && streq(s, value))
                        ret = g_strdup(json_string_value(json_object_get(element, member)));
        }
        json_decref(v);
        return ret;
}

static inline void assert_says(char *s, const char *words) {
        if (!s || !strstr(s, words))
                fail_msg("\"%s\" does not say \"%s\"", s ?: "(nothing)", words);
        g_free(s);
}
