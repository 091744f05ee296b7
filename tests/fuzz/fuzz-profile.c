/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The input is the profile data of a request, below the built-in ceiling and below one that allows all it can. Whatever
 * it says: an error is a printable sentence; a plan is one that the builder takes, shows no forbidden directory, and
 * hides the user's keys wherever it shows his home directory. */

#include "fuzz.h"

#include "policy/policy-private.h"

static const char wide[] =
                "{\"profiles\": \"*\", \"allow_profile_data\": true, \"roots\": [\"host-minimal\", \"host\"],"
                "\"networks\": [\"none\"], \"read\": [\"/\"], \"write\": [\"/\"], \"exec\": [\"/\"],"
                "\"workspace\": {\"allowed\": true}, \"grants\": {\"allowed\": true}}";
static const char base[] = "{\"name\": \"base\", \"deny\": [\"$HOME/private\"], \"filesystem\": {\"read\": [\"/opt\"]},"
                           "\"workspace\": {\"access\": \"rw\"}, \"limits\": {\"pids\": 100}}";

static void must_be_printable(const char *s) {
        must(utf8_is_valid(s, strlen(s)));
        for (; *s; s++)
                must((unsigned char) *s >= ' ' && *s != 0x7f);
}

static Policy *make_policy(bool open) {
        Policy *p = policy_new();
        Profile *profile = NULL;
        Ceiling *ceiling = NULL;
        char *why = NULL;

        must(profile_parse("base", NULL, "base", base, strlen(base), &profile, &why) == 0);
        must(policy_add_profile(p, profile, &why) == 0);
        if (open) {
                must(ceiling_parse("wide", wide, strlen(wide), &ceiling, &why) == 0);
                policy_prepend_ceiling(p, ceiling);
        }
        return p;
}

static Request *make_request(const uint8_t *data, size_t size, bool workspace) {
        Request *q = request_new();

        q->profile = g_strdup("x");
        q->profile_data = g_malloc(size + 1);
        if (size > 0)
                memcpy(q->profile_data, data, size);
        q->profile_data[size] = 0;
        q->profile_data_len = size;
        if (workspace) {
                q->workspace_fd = 0;
                q->workspace_host_path = g_strdup("/home/u");
                q->n_fds = 1;
        }
        return q;
}

static bool is_denied(const Plan *p, const char *path) {
        for (size_t i = 0; i < p->n_denials; i++)
                if (p->denials[i].kind == PLAN_DENY_ALL && path_is_beneath(path, p->denials[i].path))
                        return true;
        return false;
}

static void must_hide_keys(const Plan *p) {
        static const char keys[] = "/home/u/.ssh";

        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if ((m->kind != PLAN_MOUNT_PATH && m->kind != PLAN_MOUNT_FD) || m->source_len == 0)
                        continue;
                must(!plan_source_is_forbidden(m->source, m->flags & PLAN_MOUNT_WRITE));
                must(!path_is_beneath(m->source, keys));
                if (path_is_beneath(keys, m->source)) {
                        char *inside = g_strconcat(m->target, keys + strlen(m->source), NULL);

                        must(is_denied(p, inside));
                        g_free(inside);
                }
        }
}

static void check(const PolicyResult *r) {
        json_t *v = json_loads(r->explain, JSON_REJECT_DUPLICATES, NULL);
        const char *why;

        must(v);
        json_decref(v);
        must_be_printable(r->explain);
        must_be_printable(r->summary);
        must(g_utf8_strlen(r->summary, -1) <= 200);
        must(strlen(r->digest) == 64);
        strcpy(r->plan->id, "x");
        must(plan_validate(r->plan, &why) == 0);
        must_hide_keys(r->plan);
        /* of the parent, if it has one, or of its own: never less */
        must(r->plan->limits.scratch > 0 && r->plan->limits.execs > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Policy *policies[2];
        Caller caller = { .uid = 1000, .gid = 1000, .user = (char *) "u", .home = (char *) "/home/u" };

        for (int open = 0; open < 2; open++) {
                if (!policies[open])
                        policies[open] = make_policy(open);
                for (int workspace = 0; workspace < 2; workspace++) {
                        Request *q = make_request(data, size, workspace);
                        PolicyResult r = {};
                        char *why = NULL;
                        int k = policy_resolve(policies[open], &caller, q, &r, &why);

                        must(k >= 0);
                        must((k == 0) == (why == NULL) && (k == 0) == (r.plan != NULL));
                        if (k == 0)
                                check(&r);
                        else
                                must_be_printable(why);
                        policy_result_done(&r);
                        g_free(why);
                        request_free(q);
                }
        }
        return 0;
}
