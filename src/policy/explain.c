/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A resolved plan for people: as JSON with where each part comes from, and as one line for prompts. */

#include "policy-private.h"

#define SUMMARY_MAX 200u

static const char *const mount_kinds[_PLAN_MOUNT_MAX] = {
        [PLAN_MOUNT_PATH] = "path",
        [PLAN_MOUNT_FD] = "descriptor",
        [PLAN_MOUNT_SCRATCH] = "scratch",
        [PLAN_MOUNT_FILE] = "file",
        [PLAN_MOUNT_SYMLINK] = "symlink",
        [PLAN_MOUNT_DIR] = "directory",
};

static void write_mount(JsonWriter *w, const ResolvedMount *m) {
        json_write_open(w, NULL, '{');
        json_write_string(w, "target", m->target);
        json_write_string(w, "kind", mount_kinds[m->kind]);
        switch (m->kind) {
        case PLAN_MOUNT_PATH:
        case PLAN_MOUNT_FD:
                if (m->kind == PLAN_MOUNT_FD)
                        json_write_u64(w, "descriptor", m->fd);
                if (m->host)
                        json_write_string(w, "source", m->host);
                json_write_string(w, "access", mount_access(m->flags));
                if (m->flags & PLAN_MOUNT_OPTIONAL)
                        json_write_bool(w, "optional", true);
                break;
        case PLAN_MOUNT_SCRATCH:
                json_write_string(w, "access", mount_access(m->flags));
                break;
        case PLAN_MOUNT_SYMLINK:
        case PLAN_MOUNT_FILE:
                json_write_string(w, "source", m->source);
                break;
        case PLAN_MOUNT_DIR:
        case _PLAN_MOUNT_MAX:
        case _PLAN_MOUNT_INVALID:
                break;
        }
        json_write_string(w, "from", m->from);
        json_write_close(w, '}');
}

static void write_mounts(JsonWriter *w, const Resolution *r) {
        json_write_open(w, "mounts", '[');
        for (guint i = 0; i < r->mounts->len; i++)
                write_mount(w, r->mounts->pdata[i]);
        json_write_close(w, ']');
}

static void write_denials(JsonWriter *w, const Resolution *r) {
        json_write_open(w, "denials", '[');
        for (guint i = 0; i < r->denials->len; i++) {
                const ResolvedDenial *d = r->denials->pdata[i];

                json_write_open(w, NULL, '{');
                json_write_string(w, "path", d->path);
                json_write_string(w, "denies", d->kind == PLAN_DENY_ALL ? "all" : "write");
                json_write_string(w, "reason", d->reason);
                json_write_string(w, "from", d->from);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');

        json_write_open(w, "lifted", '[');
        for (guint i = 0; r->ceiling->allow_denied && i < r->ceiling->allow_denied->len; i++) {
                json_write_open(w, NULL, '{');
                json_write_string(w, "denial", r->ceiling->allow_denied->pdata[i]);
                json_write_string(w, "from", r->ceiling_from);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');

        json_write_open(w, "dropped", '[');
        for (guint i = 0; i < r->dropped->len; i++) {
                const Dropped *d = r->dropped->pdata[i];

                json_write_open(w, NULL, '{');
                json_write_string(w, "path", d->path);
                json_write_string(w, "from", d->from);
                json_write_string(w, "reason", d->reason);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
}

/* Numbers as they are; what is not limited as a word, as JSON has no number for it. */
static void write_or_unlimited(JsonWriter *w, const char *key, uint64_t v) {
        if (v == PLAN_UNLIMITED)
                json_write_string(w, key, "unlimited");
        else
                json_write_u64(w, key, v);
}

static void write_limits(JsonWriter *w, const Resolution *r) {
        json_write_open(w, "limits", '{');
        for (size_t i = 0; i < LIMITS_N; i++) {
                json_write_open(w, limit_infos[i].name, '{');
                write_or_unlimited(w, "value", limit_get(&r->plan->limits, i));
                json_write_string(w, "from", r->limits_from[i]);
                json_write_close(w, '}');
        }
        json_write_close(w, '}');
        write_or_unlimited(w, "idle_usec", r->plan->idle_usec);
        write_or_unlimited(w, "max_age_usec", r->plan->age_usec);
}

static void write_env(JsonWriter *w, const Resolution *r) {
        json_write_open(w, "env", '[');
        for (guint i = 0; i < r->env->len; i++) {
                const ResolvedEnv *e = r->env->pdata[i];
                size_t n = strcspn(e->assignment, "=");
                g_autofree char *name = g_strndup(e->assignment, n);

                json_write_open(w, NULL, '{');
                json_write_string(w, "name", name);
                json_write_string(w, "value", e->assignment + n + 1);
                json_write_string(w, "from", e->from);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
}

static void write_egress(JsonWriter *w, const Resolution *r) {
        const NetIntent *n = &r->plan->net;

        json_write_open(w, "egress", '{');
        json_write_open(w, "resolvers", '[');
        for (size_t i = 0; i < n->n_resolvers; i++) {
                char address[NET_ADDRESS_TEXT_MAX];

                json_write_open(w, NULL, '{');
                json_write_string(w, "address", net_address_format(n->resolvers + i, address));
                json_write_string(w, "from", r->resolvers_from);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
        json_write_open(w, "grants", '[');
        for (size_t i = 0; i < n->n_grants; i++) {
                char address[NET_ADDRESS_TEXT_MAX], ports[DESTINATION_TEXT_MAX];
                const NetGrant *g = n->grants + i;

                json_write_open(w, NULL, '{');
                json_write_u64(w, "id", g->id);
                json_write_string(w, "to", net_prefix_format(&g->to, address));
                if (g->protocol != NET_PROTOCOL_ICMP)
                        json_write_string(w, "ports", destination_format_ports(g, ports));
                json_write_string(w, "proto", net_protocol_to_string((NetProtocol) g->protocol));
                if (g->until_usec != USEC_INFINITY)
                        json_write_u64(w, "until_usec", g->until_usec);
                json_write_string(w, "from", r->grants[i].from);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
        json_write_close(w, '}');
}

char *explain_plan(const Resolution *r, const char *digest) {
        JsonWriter w = { .text = g_string_sized_new(8192) };
        const Plan *p = r->plan;

        json_write_open(&w, NULL, '{');
        json_write_string(&w, "profile", p->profile);
        json_write_string(&w, "profile_origin", r->profile->origin);
        json_write_open(&w, "extends", '[');
        for (guint i = 0; r->profile->extends && i < r->profile->extends->len; i++)
                json_write_string(&w, NULL, r->profile->extends->pdata[i]);
        json_write_close(&w, ']');
        json_write_string(&w, "ceiling", r->ceiling->origin);
        json_write_string(&w, "digest", digest);
        json_write_u64(&w, "uid", p->uid);
        json_write_u64(&w, "gid", p->gid);
        json_write_string(&w, "root", plan_root_to_string(p->root));
        json_write_string(&w, "network", plan_network_to_string(p->network));
        if (p->network == PLAN_NETWORK_NAT)
                write_egress(&w, r);
        json_write_string(&w, "hostname", p->hostname);
        json_write_string(&w, "workdir", p->workdir);
        write_mounts(&w, r);
        write_denials(&w, r);
        write_limits(&w, r);
        write_env(&w, r);
        json_write_open(&w, "quotas", '{');
        json_write_u64(&w, "sessions", r->ceiling->sessions);
        json_write_u64(&w, "execs", r->ceiling->execs);
        json_write_u64(&w, "pending", r->ceiling->pending);
        json_write_close(&w, '}');
        json_write_close(&w, '}');
        return g_string_free(w.text, FALSE);
}

/* Where it is on the host says more in a prompt than where it appears inside. */
static char *place(const ResolvedMount *m) {
        const char *s = m->host ?: m->target;
        _cleanup_free_ char *escaped = text_escape(s, strlen(s), 48);

        return g_strdup(escaped ? escaped : "?");
}

/* The paths with these rights, as many as fit into room characters. */
static void append_paths(GString *s, const Resolution *r, const char *verb, bool write, size_t room) {
        guint shown = 0, more = 0;

        for (guint i = 0; i < r->mounts->len; i++) {
                const ResolvedMount *m = r->mounts->pdata[i];
                g_autofree char *path = NULL;

                if (m->origin == MOUNT_BASE || (bool) (m->flags & PLAN_MOUNT_WRITE) != write)
                        continue;
                path = place(m);
                if (more > 0 || (size_t) g_utf8_strlen(s->str, -1) + (size_t) g_utf8_strlen(path, -1) + 12 > room) {
                        more++;
                        continue;
                }
                g_string_append_printf(s, "%s%s", shown++ > 0 ? ", " : verb, path);
        }
        if (more > 0)
                g_string_append_printf(s, "%s%u more", shown > 0 ? " and " : verb, more);
}

/* The first ones by name: they are why an administrator is asked. */
static void append_destinations(GString *s, const NetIntent *n) {
        char text[DESTINATION_TEXT_MAX];

        for (size_t i = 0; i < n->n_grants && i < 2; i++)
                g_string_append_printf(s, "%s%s", i > 0 ? ", " : ", reaches ", destination_format(n->grants + i, text));
        if (n->n_grants > 2)
                g_string_append_printf(s, " and %zu more", n->n_grants - 2);
}

char *explain_summary(const Resolution *r) {
        GString *s = g_string_new(NULL);

        g_string_append_printf(s, "root %s, network %s", plan_root_to_string(r->plan->root),
                        plan_network_to_string(r->plan->network));
        append_destinations(s, &r->plan->net);
        append_paths(s, r, ", writes ", true, 120);
        append_paths(s, r, ", reads ", false, SUMMARY_MAX - 24);
        return g_string_free(s, FALSE);
}
