/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ceilings: reading, whom they are for, and what they allow. A permission that a ceiling does not mention is not
 * given, and an empty list allows nothing (CVE-2025-66479: an empty allow-list that meant everything); limits and
 * quotas that it does not mention are those of the built-in ceiling. */

#include "ceiling.h"

#include <grp.h>
#include <stdio.h>

#include "denials.h"
#include "wire/plan.h"

const char ceiling_builtin[] =
                "{\n"
                "  \"description\": \"What a user may have when no file in ceilings.d is for him\",\n"
                "  \"profiles\": \"*\",\n"
                "  \"allow_profile_data\": true,\n"
                "  \"roots\": [\"host-minimal\", \"host\"],\n"
                "  \"networks\": [\"none\", \"nat\"],\n"
                "  \"read\": [\"$HOME\", \"/usr\", \"/etc\", \"/bin\", \"/sbin\", \"/lib\", \"/lib64\", \"/opt\"],\n"
                "  \"write\": [\"$HOME\"],\n"
                "  \"exec\": [\"$HOME\", \"/usr\", \"/bin\", \"/sbin\", \"/lib\", \"/lib64\", \"/opt\"],\n"
                "  \"workspace\": {\"allowed\": true},\n"
                "  \"grants\": {\"allowed\": true},\n"
                "  \"quotas\": {\"sessions\": 64, \"execs\": 256, \"pending\": 4}\n"
                "}\n";

#define QUOTA_SESSIONS 64u
#define QUOTA_EXECS 256u
#define QUOTA_PENDING 4u

static void beneath_done(CeilingBeneath *b) {
        if (b->trees)
                g_ptr_array_unref(b->trees);
}

Ceiling *ceiling_free(Ceiling *c) {
        if (!c)
                return NULL;
        g_free(c->origin);
        g_free(c->description);
        if (c->match) {
                if (c->match->users)
                        g_ptr_array_unref(c->match->users);
                if (c->match->groups)
                        g_ptr_array_unref(c->match->groups);
                g_free(c->match);
        }
        if (c->profiles)
                g_ptr_array_unref(c->profiles);
        if (c->destinations)
                g_array_unref(c->destinations);
        if (c->resolvers)
                g_array_unref(c->resolvers);
        if (c->read)
                g_ptr_array_unref(c->read);
        if (c->write)
                g_ptr_array_unref(c->write);
        if (c->exec)
                g_ptr_array_unref(c->exec);
        if (c->allow_denied)
                g_ptr_array_unref(c->allow_denied);
        beneath_done(&c->workspace);
        beneath_done(&c->grants);
        g_free(c);
        return NULL;
}

/* A name, or an id as a string or an integer. */
static int append_id(const JsonAt *at, const json_t *v, void *out) {
        g_autofree char *s = NULL;
        uid_t id;
        int r;

        if (json_is_integer(v))
                s = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
        else {
                r = json_read_string(at, v, &s);
                if (r < 0)
                        return r;
        }
        if ((g_ascii_isdigit(s[0]) || s[0] == '-') && parse_uid(s, &id) < 0) {
                g_autofree char *quoted = json_quote(s);

                return json_fail(at, "%s is not the id of an ordinary user or group, nor a name", quoted);
        }
        g_ptr_array_add(*(GPtrArray **) out, g_steal_pointer(&s));
        return 0;
}

static int read_ids(const JsonAt *at, const json_t *v, void *out) {
        *(GPtrArray **) out = g_ptr_array_new_with_free_func(g_free);
        return json_read_list(at, v, append_id, out);
}

static const JsonField match_fields[] = {
        { "users", read_ids, offsetof(CeilingMatch, users) },
        { "groups", read_ids, offsetof(CeilingMatch, groups) },
};

static int read_match(const JsonAt *at, const json_t *v, void *out) {
        CeilingMatch *m = g_new0(CeilingMatch, 1);

        *(CeilingMatch **) out = m;
        return json_read_object(at, v, match_fields, ELEMENTSOF(match_fields), m);
}

static int read_profiles(const JsonAt *at, const json_t *v, void *out) {
        Ceiling *c = out;
        int r;

        if (json_is_string(v)) {
                if (!streq(json_string_value(v), "*"))
                        return json_fail(at, "expected a list of names, or \"*\" for every profile");
                c->all_profiles = true;
                return 0;
        }
        r = json_read_strings(at, v, &c->profiles);
        if (r < 0)
                return r;
        for (guint i = 0; i < c->profiles->len; i++)
                if (!profile_name_valid(c->profiles->pdata[i])) {
                        g_autofree char *quoted = json_quote(c->profiles->pdata[i]);

                        return json_fail(at, "%s is not a profile's name", quoted);
                }
        return 0;
}

static int read_set(const JsonAt *at, const json_t *v, int (*from_string)(const char *s), uint32_t *ret) {
        g_autoptr(GPtrArray) names = NULL;
        int r = json_read_strings(at, v, &names);

        if (r < 0)
                return r;
        for (guint i = 0; i < names->len; i++) {
                int value = from_string(names->pdata[i]);

                if (value < 0) {
                        g_autofree char *quoted = json_quote(names->pdata[i]);

                        return json_fail(at, "%s is not known here", quoted);
                }
                *ret |= UINT32_C(1) << value;
        }
        return 0;
}

static int root_from_string(const char *s) {
        return (int) plan_root_from_string(s);
}

static int network_from_string(const char *s) {
        return (int) plan_network_from_string(s);
}

static int read_roots(const JsonAt *at, const json_t *v, void *out) {
        return read_set(at, v, root_from_string, out);
}

static int read_networks(const JsonAt *at, const json_t *v, void *out) {
        return read_set(at, v, network_from_string, out);
}

static int read_trees(const JsonAt *at, const json_t *v, void *out) {
        GPtrArray *trees;
        int r = json_read_strings(at, v, out);

        if (r < 0)
                return r;
        trees = *(GPtrArray **) out;
        for (guint i = 0; i < trees->len; i++) {
                JsonAt here = { .up = at, .index = i };
                g_autofree char *why = NULL;

                if (path_check(trees->pdata[i], &why) < 0)
                        return json_fail(&here, "%s", why);
                /* A ceiling that depends on what the request says about itself is none. */
                if (strstr(trees->pdata[i], "WORKDIR"))
                        return json_fail(&here, "$WORKDIR is chosen by the request; name a directory");
        }
        return 0;
}

static const JsonField beneath_fields[] = {
        { "allowed", json_read_bool, offsetof(CeilingBeneath, allowed) },
        { "beneath", read_trees, offsetof(CeilingBeneath, trees) },
};

static int read_beneath(const JsonAt *at, const json_t *v, void *out) {
        return json_read_object(at, v, beneath_fields, ELEMENTSOF(beneath_fields), out);
}

static int read_quota(const JsonAt *at, const json_t *v, void *out) {
        int r = json_read_count(at, v, out);

        if (r < 0)
                return r;
        return *(uint64_t *) out <= 1000000 ? 0 : json_fail(at, "must be at most 1000000");
}

static const JsonField quota_fields[] = {
        { "sessions", read_quota, offsetof(Ceiling, sessions) },
        { "execs", read_quota, offsetof(Ceiling, execs) },
        { "pending", read_quota, offsetof(Ceiling, pending) },
};

static int read_quotas(const JsonAt *at, const json_t *v, void *out) {
        return json_read_object(at, v, quota_fields, ELEMENTSOF(quota_fields), out);
}

static int read_allow_denied(const JsonAt *at, const json_t *v, void *out) {
        GPtrArray *names;
        int r = json_read_strings(at, v, out);

        if (r < 0)
                return r;
        names = *(GPtrArray **) out;
        for (guint i = 0; i < names->len; i++) {
                JsonAt here = { .up = at, .index = i };

                if (!mandatory_denial_exists(names->pdata[i])) {
                        g_autofree char *quoted = json_quote(names->pdata[i]);

                        return json_fail(&here, "%s is not denied; ocsb-profile(5) has the names", quoted);
                }
        }
        return 0;
}

static const JsonField fields[] = {
        { "$schema", json_read_ignore, 0 },
        { "description", json_read_string, offsetof(Ceiling, description) },
        { "match", read_match, offsetof(Ceiling, match) },
        { "profiles", read_profiles, 0 },
        { "allow_profile_data", json_read_bool, offsetof(Ceiling, allow_profile_data) },
        { "roots", read_roots, offsetof(Ceiling, roots) },
        { "networks", read_networks, offsetof(Ceiling, networks) },
        { "destinations", destinations_read_ceiling, offsetof(Ceiling, destinations) },
        { "resolvers", resolvers_read_ceiling, offsetof(Ceiling, resolvers) },
        { "read", read_trees, offsetof(Ceiling, read) },
        { "write", read_trees, offsetof(Ceiling, write) },
        { "exec", read_trees, offsetof(Ceiling, exec) },
        { "workspace", read_beneath, offsetof(Ceiling, workspace) },
        { "grants", read_beneath, offsetof(Ceiling, grants) },
        { "allow_denied", read_allow_denied, offsetof(Ceiling, allow_denied) },
        { "limits", limits_read, offsetof(Ceiling, limits) },
        { "quotas", read_quotas, 0 },
        { "idle", json_read_usec, offsetof(Ceiling, idle_usec) },
        { "max_age", json_read_usec, offsetof(Ceiling, age_usec) },
};

const JsonField *ceiling_fields(size_t *ret_n) {
        *ret_n = ELEMENTSOF(fields);
        return fields;
}

int ceiling_parse(const char *origin, const char *text, size_t n, Ceiling **ret, char **ret_why) {
        JsonAt document = { .key = origin, .ret_why = ret_why };
        _cleanup_(ceiling_freep) Ceiling *c = g_new0(Ceiling, 1);
        json_t *v;
        int r;

        c->origin = g_strdup(origin);
        c->sessions = QUOTA_SESSIONS;
        c->execs = QUOTA_EXECS;
        c->pending = QUOTA_PENDING;
        r = json_parse(&document, text, n, &v);
        if (r < 0)
                return r;
        r = json_read_object(&document, v, fields, ELEMENTSOF(fields), c);
        json_decref(v);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static bool matches_user(const char *s, const Caller *caller) {
        uid_t uid;

        if (g_ascii_isdigit(s[0]))
                return parse_uid(s, &uid) == 0 && uid == caller->uid;
        return caller->user && streq(s, caller->user);
}

static bool is_member(const Caller *caller, gid_t gid) {
        if (caller->gid == gid)
                return true;
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] == gid)
                        return true;
        return false;
}

/* A group that does not exist has no members. */
static bool matches_group(const char *s, const Caller *caller) {
        const struct group *g;
        gid_t gid;

        if (g_ascii_isdigit(s[0]))
                return parse_uid(s, &gid) == 0 && is_member(caller, gid);
        g = getgrnam(s);
        return g && is_member(caller, g->gr_gid);
}

bool ceiling_matches(const Ceiling *c, const Caller *caller) {
        if (!c->match)
                return true;
        for (guint i = 0; c->match->users && i < c->match->users->len; i++)
                if (matches_user(c->match->users->pdata[i], caller))
                        return true;
        for (guint i = 0; c->match->groups && i < c->match->groups->len; i++)
                if (matches_group(c->match->groups->pdata[i], caller))
                        return true;
        return false;
}

static bool contains(const GPtrArray *names, const char *name) {
        for (guint i = 0; names && i < names->len; i++)
                if (streq(names->pdata[i], name))
                        return true;
        return false;
}

bool ceiling_allows_profile(const Ceiling *c, const char *name) {
        return c->all_profiles || contains(c->profiles, name);
}

bool ceiling_lifts(const Ceiling *c, const char *denial) {
        return contains(c->allow_denied, denial);
}

bool ceiling_allows_destination(const Ceiling *c, const NetGrant *g) {
        for (guint i = 0; c->destinations && i < c->destinations->len; i++)
                if (destination_covers(&g_array_index(c->destinations, NetGrant, i), g))
                        return true;
        return false;
}

/* What any program could ask by DNS over HTTPS anyway is free unless the list says otherwise; a resolver of the LAN is not. */
bool ceiling_allows_resolver(const Ceiling *c, const NetAddress *a) {
        if (!c->resolvers)
                return !net_private_range(&(NetPrefix) { *a, a->family == 4 ? 32 : 128 });
        for (guint i = 0; i < c->resolvers->len; i++)
                if (net_address_equal(&g_array_index(c->resolvers, NetAddress, i), a))
                        return true;
        return false;
}

/* A tree with a variable that this user does not have is none for him. */
static bool is_beneath_any(const GPtrArray *trees, const Variables *v, const char *path) {
        for (guint i = 0; trees && i < trees->len; i++) {
                g_autofree char *tree = NULL, *why = NULL;

                if (path_expand(trees->pdata[i], v, &tree, &why) == 0 && path_is_beneath(path, tree))
                        return true;
        }
        return false;
}

bool ceiling_allows_path(const Ceiling *c, const Variables *v, const char *path, uint32_t flags) {
        if ((flags & PLAN_MOUNT_WRITE) && !is_beneath_any(c->write, v, path))
                return false;
        if ((flags & PLAN_MOUNT_EXEC) && !is_beneath_any(c->exec, v, path))
                return false;
        return flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC) || is_beneath_any(c->read, v, path) ||
                        is_beneath_any(c->write, v, path) || is_beneath_any(c->exec, v, path);
}

bool ceiling_allows_descriptor(const CeilingBeneath *b, const Variables *v, const char *path) {
        if (!b->allowed)
                return false;
        return !b->trees || (path && is_beneath_any(b->trees, v, path));
}
