/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The input is a ceiling. When it parses, requests are held to it: none gets more than it says. */

#include "fuzz.h"

#include "policy/policy-private.h"

static const char *const asked[] = {
        "{}",
        "{\"root\": \"host\", \"filesystem\": {\"optional\": {\"all\": [\"/srv/a\", \"$HOME/b\", \"/data\"], "
        "\"read\": [\"/opt\"]}}}",
        "{\"workspace\": {\"access\": \"rw\"}, \"limits\": {\"memory\": \"1G\", \"pids\": 1000, \"nofile\": 4096}, "
        "\"idle\": \"2h\"}",
};

static void must_be_printable(const char *s) {
        must(utf8_is_valid(s, strlen(s)));
        for (; *s; s++)
                must((unsigned char) *s >= ' ' && *s != 0x7f);
}

static void check(const Ceiling *c, const Caller *caller, const PolicyResult *r) {
        Variables v = variables_of(caller);
        const Plan *p = r->plan;

        must(c->roots & 1u << p->root);
        must(c->networks & 1u << p->network);
        for (size_t i = 0; i < LIMITS_N; i++)
                if (c->limits.set & 1u << i)
                        must(limit_get(&p->limits, i) <= limit_get(&c->limits.values, i));
        must(c->idle_usec == 0 || p->idle_usec <= c->idle_usec);
        must(c->age_usec == 0 || p->age_usec <= c->age_usec);
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if (m->kind == PLAN_MOUNT_FD)
                        must(ceiling_allows_descriptor(&c->workspace, &v, m->source));
                else if (m->kind == PLAN_MOUNT_PATH && p->root == PLAN_ROOT_HOST)
                        must(ceiling_allows_path(c, &v, m->source, m->flags));
        }
        must(r->max_sessions == c->sessions && r->max_execs == c->execs && r->max_pending == c->pending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static gid_t groups[] = { 100 };
        Caller caller = { .uid = 1000, .gid = 1000, .groups = groups, .n_groups = 1, .user = (char *) "u",
                .home = (char *) "/home/u" };
        Ceiling *c = NULL;
        Policy *policy;
        char *why = NULL;
        int r;

        r = ceiling_parse("c", (const char *) data, size, &c, &why);
        must((r == 0) == (c != NULL) && (r == 0) == (why == NULL));
        if (r < 0) {
                must(r == -EINVAL);
                must_be_printable(why);
                g_free(why);
                return 0;
        }
        /* Looking a group's name up would be a test of the C library and its files. */
        if (c->match && c->match->groups)
                g_ptr_array_set_size(c->match->groups, 0);
        policy = policy_new();
        policy_prepend_ceiling(policy, c);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                Request *q = request_new();
                PolicyResult result = {};

                q->profile = g_strdup("x");
                q->profile_data = g_strdup(asked[i]);
                q->profile_data_len = strlen(asked[i]);
                if (i == 2) {
                        q->workspace_fd = 0;
                        q->workspace_host_path = g_strdup("/srv/a/w");
                        q->n_fds = 1;
                }
                r = policy_resolve(policy, &caller, q, &result, &why);
                must(r >= 0);
                if (r == 0)
                        check(policy_ceiling(policy, &caller), &caller, &result);
                else
                        must_be_printable(why);
                policy_result_done(&result);
                g_clear_pointer(&why, g_free);
                request_free(q);
        }
        policy_free(policy);
        return 0;
}
