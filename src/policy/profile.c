/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Profiles: reading and merging. Nothing here decides what is allowed; that is the ceiling's part. */

#include "profile.h"

#include <stdio.h>

#include "variables.h"

static ProfileItem *item_free(ProfileItem *i) {
        if (!i)
                return NULL;
        g_free(i->text);
        g_free(i->from);
        g_free(i);
        return NULL;
}

static void item_destroy(void *i) {
        item_free(i);
}

static void destination_destroy(void *p) {
        ProfileDestination *d = p;

        g_free(d->from);
        g_free(d);
}

static Profile *profile_new(void) {
        Profile *p = g_new0(Profile, 1);

        p->root = p->network = p->access = p->required = PROFILE_UNSET;
        p->grants = g_ptr_array_new_with_free_func(item_destroy);
        p->denials = g_ptr_array_new_with_free_func(item_destroy);
        p->env = g_ptr_array_new_with_free_func(item_destroy);
        p->destinations = g_ptr_array_new_with_free_func(destination_destroy);
        return p;
}

Profile *profile_free(Profile *p) {
        if (!p)
                return NULL;
        g_free(p->name);
        g_free(p->description);
        g_free(p->origin);
        if (p->extends)
                g_ptr_array_unref(p->extends);
        g_free(p->workspace_path);
        g_ptr_array_unref(p->grants);
        g_ptr_array_unref(p->denials);
        g_ptr_array_unref(p->env);
        if (p->dns)
                g_array_unref(p->dns);
        if (p->allow)
                g_array_unref(p->allow);
        g_ptr_array_unref(p->destinations);
        g_free(p->dns_from);
        g_free(p->hostname);
        g_free(p->workdir);
        for (size_t i = 0; i < LIMITS_N; i++)
                g_free(p->limits_from[i]);
        g_free(p);
        return NULL;
}

static const char *const accesses[_PROFILE_ACCESS_MAX] = {
        [PROFILE_ACCESS_NONE] = "none",
        [PROFILE_ACCESS_RO] = "ro",
        [PROFILE_ACCESS_RW] = "rw",
};

const char *profile_access_to_string(ProfileAccess v) {
        return v >= 0 && v < _PROFILE_ACCESS_MAX ? accesses[v] : NULL;
}

ProfileAccess profile_access_from_string(const char *s) {
        for (int i = 0; i < _PROFILE_ACCESS_MAX; i++)
                if (streq(s, accesses[i]))
                        return (ProfileAccess) i;
        return _PROFILE_ACCESS_INVALID;
}

/* Readers. Those of the top level get the whole profile (offset 0) where several keys fill one member. */

static int read_name(const JsonAt *at, const json_t *v, void *out) {
        int r = json_read_string(at, v, out);

        if (r < 0)
                return r;
        return profile_name_valid(*(char **) out) ? 0 : json_fail(at, "a name is [a-z0-9][a-z0-9._-]{0,63}");
}

static int read_description(const JsonAt *at, const json_t *v, void *out) {
        int r = json_read_string(at, v, out);

        if (r < 0)
                return r;
        return strlen(*(char **) out) <= PROFILE_DESCRIPTION_MAX
                        ? 0
                        : json_fail(at, "longer than %u bytes", PROFILE_DESCRIPTION_MAX);
}

static int read_extends(const JsonAt *at, const json_t *v, void *out) {
        GPtrArray *names;
        int r = json_read_string_or_strings(at, v, out);

        if (r < 0)
                return r;
        names = *(GPtrArray **) out;
        for (guint i = 0; i < names->len; i++)
                if (!profile_name_valid(names->pdata[i])) {
                        g_autofree char *quoted = json_quote(names->pdata[i]);

                        return json_fail(at, "%s is not a profile's name", quoted);
                }
        return 0;
}

static int read_enum(
                const JsonAt *at, const json_t *v, int (*from_string)(const char *s), const char *known, int *ret) {
        g_autofree char *s = NULL, *quoted = NULL;
        int r = json_read_string(at, v, &s);

        if (r < 0)
                return r;
        r = from_string(s);
        if (r < 0) {
                quoted = json_quote(s);
                return json_fail(at, "%s is none of: %s", quoted, known);
        }
        *ret = r;
        return 0;
}

static int root_from_string(const char *s) {
        return (int) plan_root_from_string(s);
}

static int network_from_string(const char *s) {
        return (int) plan_network_from_string(s);
}

static int access_from_string(const char *s) {
        return (int) profile_access_from_string(s);
}

static int read_root(const JsonAt *at, const json_t *v, void *out) {
        return read_enum(at, v, root_from_string, "host-minimal, host", out);
}

static int read_network(const JsonAt *at, const json_t *v, void *out) {
        return read_enum(at, v, network_from_string, "none, nat", out);
}

static int read_access(const JsonAt *at, const json_t *v, void *out) {
        return read_enum(at, v, access_from_string, "rw, ro, none", out);
}

static int read_path(const JsonAt *at, const json_t *v, void *out) {
        g_autofree char *why = NULL;
        int r = json_read_string(at, v, out);

        if (r < 0)
                return r;
        return path_check(*(char **) out, &why) < 0 ? json_fail(at, "%s", why) : 0;
}

static int read_hostname(const JsonAt *at, const json_t *v, void *out) {
        int r = json_read_string(at, v, out);

        if (r < 0)
                return r;
        return hostname_valid(*(char **) out)
                        ? 0
                        : json_fail(at, "a host name has letters, digits and \"-\", at most 63");
}

static const JsonField workspace_fields[] = {
        { "access", read_access, offsetof(Profile, access) },
        { "path", read_path, offsetof(Profile, workspace_path) },
        { "required", json_read_bool, offsetof(Profile, required) },
};

static int read_workspace(const JsonAt *at, const json_t *v, void *out) {
        return json_read_object(at, v, workspace_fields, ELEMENTSOF(workspace_fields), out);
}

static void append_item(GPtrArray *items, const char *text, uint32_t value, const char *from) {
        ProfileItem *i = g_new(ProfileItem, 1);

        *i = (ProfileItem) { .text = g_strdup(text), .value = value, .from = g_strdup(from) };
        g_ptr_array_add(items, i);
}

static int read_paths(const JsonAt *at, const json_t *v, uint32_t value, GPtrArray *items) {
        g_autoptr(GPtrArray) paths = NULL;
        int r = json_read_strings(at, v, &paths);

        if (r < 0)
                return r;
        for (guint i = 0; i < paths->len; i++) {
                JsonAt here = { .up = at, .index = i };
                g_autofree char *why = NULL;

                if (path_check(paths->pdata[i], &why) < 0)
                        return json_fail(&here, "%s", why);
                append_item(items, paths->pdata[i], value, NULL);
        }
        return 0;
}

static int read_grants_read(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, 0, ((Profile *) out)->grants);
}

static int read_grants_write(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, PLAN_MOUNT_WRITE, ((Profile *) out)->grants);
}

static int read_grants_exec(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, PLAN_MOUNT_EXEC, ((Profile *) out)->grants);
}

static int read_grants_all(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC, ((Profile *) out)->grants);
}

static const JsonField optional_fields[] = {
        { "read", read_grants_read, 0 },
        { "write", read_grants_write, 0 },
        { "exec", read_grants_exec, 0 },
        { "all", read_grants_all, 0 },
};

static int read_optional(const JsonAt *at, const json_t *v, void *out) {
        Profile *p = out;
        GPtrArray *all = p->grants;
        int r;

        p->grants = g_ptr_array_new_with_free_func(item_destroy);
        r = json_read_object(at, v, optional_fields, ELEMENTSOF(optional_fields), p);
        for (guint i = 0; i < p->grants->len; i++)
                ((ProfileItem *) p->grants->pdata[i])->value |= PLAN_MOUNT_OPTIONAL;
        g_ptr_array_extend_and_steal(all, p->grants);
        p->grants = all;
        return r;
}

static const JsonField filesystem_fields[] = {
        { "read", read_grants_read, 0 },
        { "write", read_grants_write, 0 },
        { "exec", read_grants_exec, 0 },
        { "all", read_grants_all, 0 },
        { "optional", read_optional, 0 },
};

static int read_filesystem(const JsonAt *at, const json_t *v, void *out) {
        return json_read_object(at, v, filesystem_fields, ELEMENTSOF(filesystem_fields), out);
}

static int read_deny(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, PLAN_DENY_ALL, ((Profile *) out)->denials);
}

static int read_deny_write(const JsonAt *at, const json_t *v, void *out) {
        return read_paths(at, v, PLAN_DENY_WRITE, ((Profile *) out)->denials);
}

/* The keys are names of variables, so no table: any that a shell would take. */
static int read_env(const JsonAt *at, const json_t *v, void *out) {
        Profile *p = out;
        const char *key;
        json_t *value;

        if (!json_is_object(v))
                return json_fail(at, "expected an object of names and values");
        json_object_foreach((json_t *) v, key, value) {
                JsonAt here = { .up = at, .key = key };
                g_autofree char *assignment = NULL;

                if (!json_is_string(value))
                        return json_fail(&here, "expected a string");
                assignment = g_strdup_printf("%s=%s", key, json_string_value(value));
                if (!env_assignment_valid(assignment) || strchr(key, '='))
                        return json_fail(&here, "not the name of an environment variable");
                append_item(p->env, assignment, 0, NULL);
        }
        return 0;
}

static const JsonField fields[] = {
        { "$schema", json_read_ignore, 0 },
        { "name", read_name, offsetof(Profile, name) },
        { "description", read_description, offsetof(Profile, description) },
        { "extends", read_extends, offsetof(Profile, extends) },
        { "root", read_root, offsetof(Profile, root) },
        { "network", read_network, offsetof(Profile, network) },
        { "dns", resolvers_read, offsetof(Profile, dns) },
        { "allow", destinations_read, offsetof(Profile, allow) },
        { "workspace", read_workspace, 0 },
        { "filesystem", read_filesystem, 0 },
        { "deny", read_deny, 0 },
        { "deny_write", read_deny_write, 0 },
        { "env", read_env, 0 },
        { "hostname", read_hostname, offsetof(Profile, hostname) },
        { "workdir", read_path, offsetof(Profile, workdir) },
        { "limits", limits_read, offsetof(Profile, limits) },
        { "idle", json_read_usec, offsetof(Profile, idle_usec) },
        { "max_age", json_read_usec, offsetof(Profile, age_usec) },
};

const JsonField *profile_fields(size_t *ret_n) {
        *ret_n = ELEMENTSOF(fields);
        return fields;
}

int profile_parse(const char *origin, const char *name, const char *fallback, const char *text, size_t n,
                Profile **ret, char **ret_why) {
        JsonAt document = { .key = origin, .ret_why = ret_why };
        _cleanup_(profile_freep) Profile *p = profile_new();
        json_t *v;
        int r;

        r = json_parse(&document, text, n, &v);
        if (r < 0)
                return r;
        r = json_read_object(&document, v, fields, ELEMENTSOF(fields), p);
        json_decref(v);
        if (r < 0)
                return r;
        if (name && (!p->name || !streq(p->name, name)))
                return json_fail(&document, "must have \"name\": \"%s\", as its file is called", name);
        if (!p->name)
                p->name = g_strdup(fallback);
        p->origin = g_strdup(origin);
        *ret = TAKE_PTR(p);
        return 0;
}

/* Merging */

typedef struct Merge {
        const Profile *(*lookup)(const char *name, void *userdata);
        void *userdata;
        Profile *into;
        const Profile *chain[PROFILE_EXTENDS_DEPTH_MAX + 1]; /* from the profile to the ancestor being merged */
        size_t n_chain;
        GHashTable *merged; /* const Profile *, as a set */
        char **ret_why;
} Merge;

static char *chain_to_string(const Merge *m, const char *more) {
        GString *s = g_string_new("profile ");

        for (size_t i = 0; i < m->n_chain; i++)
                g_string_append_printf(s, "%s%s", i > 0 ? " > " : "", m->chain[i]->name);
        if (more)
                g_string_append_printf(s, " > %s", more);
        return g_string_free(s, FALSE);
}

static void replace(char **p, const char *value) {
        if (!value)
                return;
        g_free(*p);
        *p = g_strdup(value);
}

static bool same_name(const char *a, const char *b) {
        size_t n = strcspn(a, "=");

        return strncmp(a, b, n) == 0 && b[n] == '=';
}

static void merge_env(GPtrArray *into, const GPtrArray *env, const char *from) {
        for (guint i = 0; i < env->len; i++) {
                const ProfileItem *item = env->pdata[i];

                for (guint k = 0; k < into->len; k++)
                        if (same_name(item->text, ((ProfileItem *) into->pdata[k])->text)) {
                                g_ptr_array_remove_index(into, k);
                                break;
                        }
                append_item(into, item->text, 0, from);
        }
}

/* Resolvers are one choice, so the last one that was made holds; destinations add up. */
static void merge_network(Profile *into, const Profile *p, const char *from) {
        if (p->network != PROFILE_UNSET)
                into->network = p->network;
        if (p->dns) {
                if (into->dns)
                        g_array_unref(into->dns);
                into->dns = g_array_ref(p->dns);
                replace(&into->dns_from, from);
        }
        for (guint i = 0; p->allow && i < p->allow->len; i++) {
                ProfileDestination *d = g_new(ProfileDestination, 1);

                *d = (ProfileDestination) { .grant = g_array_index(p->allow, NetGrant, i), .from = g_strdup(from) };
                g_ptr_array_add(into->destinations, d);
        }
}

static void merge_own(Merge *m, const Profile *p) {
        g_autofree char *from = chain_to_string(m, NULL);
        Profile *into = m->into;

        if (p->root != PROFILE_UNSET)
                into->root = p->root;
        merge_network(into, p, from);
        if (p->access != PROFILE_UNSET)
                into->access = p->access;
        if (p->required != PROFILE_UNSET)
                into->required = p->required;
        replace(&into->workspace_path, p->workspace_path);
        replace(&into->hostname, p->hostname);
        replace(&into->workdir, p->workdir);
        for (guint i = 0; i < p->grants->len; i++) {
                const ProfileItem *item = p->grants->pdata[i];

                append_item(into->grants, item->text, item->value, from);
        }
        for (guint i = 0; i < p->denials->len; i++) {
                const ProfileItem *item = p->denials->pdata[i];

                append_item(into->denials, item->text, item->value, from);
        }
        merge_env(into->env, p->env, from);
        for (size_t i = 0; i < LIMITS_N; i++)
                if (p->limits.set & UINT32_C(1) << i) {
                        *limit_at(&into->limits.values, i) = limit_get(&p->limits.values, i);
                        into->limits.set |= UINT32_C(1) << i;
                        replace(&into->limits_from[i], from);
                }
        if (p->idle_usec > 0)
                into->idle_usec = p->idle_usec;
        if (p->age_usec > 0)
                into->age_usec = p->age_usec;
}

static int merge(Merge *m, const Profile *p) {
        int r;

        for (size_t i = 0; i < m->n_chain; i++)
                if (m->chain[i] == p) {
                        g_autofree char *chain = chain_to_string(m, p->name);

                        *m->ret_why = g_strdup_printf("%s: extends itself", chain);
                        return -EINVAL;
                }
        if (m->n_chain >= ELEMENTSOF(m->chain)) {
                g_autofree char *chain = chain_to_string(m, p->name);

                *m->ret_why = g_strdup_printf("%s: more than %u generations", chain, PROFILE_EXTENDS_DEPTH_MAX);
                return -EINVAL;
        }
        if (!g_hash_table_add(m->merged, (void *) p))
                return 0;
        m->chain[m->n_chain++] = p;
        for (guint i = 0; p->extends && i < p->extends->len; i++) {
                const Profile *parent = m->lookup(p->extends->pdata[i], m->userdata);

                if (!parent) {
                        g_autofree char *chain = chain_to_string(m, NULL);

                        *m->ret_why = g_strdup_printf("%s: extends \"%s\", which does not exist", chain,
                                        (char *) p->extends->pdata[i]);
                        return -EINVAL;
                }
                r = merge(m, parent);
                if (r < 0)
                        return r;
        }
        merge_own(m, p);
        m->n_chain--;
        return 0;
}

int profile_flatten(const Profile *p, const Profile *(*lookup)(const char *name, void *userdata), void *userdata,
                Profile **ret, char **ret_why) {
        _cleanup_(profile_freep) Profile *into = profile_new();
        Merge m = { .lookup = lookup, .userdata = userdata, .into = into, .ret_why = ret_why };
        int r;

        m.merged = g_hash_table_new(NULL, NULL);
        r = merge(&m, p);
        g_hash_table_unref(m.merged);
        if (r < 0)
                return r;
        into->name = g_strdup(p->name);
        into->description = g_strdup(p->description);
        into->origin = g_strdup(p->origin);
        for (guint i = 0; p->extends && i < p->extends->len; i++) {
                if (!into->extends)
                        into->extends = g_ptr_array_new_with_free_func(g_free);
                g_ptr_array_add(into->extends, g_strdup(p->extends->pdata[i]));
        }
        *ret = TAKE_PTR(into);
        return 0;
}
