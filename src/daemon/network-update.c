/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Session.Update: the whole of what a session may reach, anew. What it loses is closed at once, before anybody is asked about the
 * rest; what it gains is the owner's below his ceiling and an administrator's beyond it. */

#include <stdio.h>

#include "grant.h"
#include "options.h"
#include "policy/destination.h"

#define GAINS_ASKED_MAX 4u

typedef struct UpdateCall {
        UpdateOptions wanted;
        OperationApproval approval;
} UpdateCall;

static void update_free(void *p) {
        UpdateCall *c = p;

        update_options_done(&c->wanted);
        g_free(c->approval.key);
        g_free(c->approval.digest);
        g_free(c->approval.message);
        g_free(c);
}

static bool wants_resolver(const UpdateOptions *u, const NetAddress *a) {
        for (guint i = 0; i < u->dns->len; i++)
                if (net_address_equal(&g_array_index(u->dns, NetAddress, i), a))
                        return true;
        return false;
}

static const NetGrant *wanted_grant(const UpdateOptions *u, const NetGrant *g) {
        for (guint i = 0; i < u->allow->len; i++)
                if (net_grant_equal(&g_array_index(u->allow, NetGrant, i), g))
                        return &g_array_index(u->allow, NetGrant, i);
        return NULL;
}

/* What is there and stays; a grant that is to end sooner does. */
static void narrow(NetIntent *n, const UpdateOptions *u) {
        size_t k = 0;

        for (size_t i = 0; u->dns && i < n->n_resolvers; i++)
                if (wants_resolver(u, n->resolvers + i))
                        n->resolvers[k++] = n->resolvers[i];
        if (u->dns)
                n->n_resolvers = k;
        k = 0;
        for (size_t i = 0; u->allow && i < n->n_grants; i++) {
                const NetGrant *g = wanted_grant(u, n->grants + i);

                if (!g)
                        continue;
                n->grants[k] = n->grants[i];
                n->grants[k].until_usec = MIN(n->grants[k].until_usec, g->until_usec);
                k++;
        }
        if (u->allow)
                n->n_grants = k;
}

static bool has_resolver(const NetIntent *n, const NetAddress *a) {
        for (size_t i = 0; i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, a))
                        return true;
        return false;
}

static const NetGrant *find_grant(const NetIntent *n, const NetGrant *g) {
        for (size_t i = 0; i < n->n_grants; i++)
                if (net_grant_equal(n->grants + i, g))
                        return n->grants + i;
        return NULL;
}

static bool is_there(const NetIntent *n, const NetGrant *g) {
        const NetGrant *there = find_grant(n, g);

        return there && there->until_usec >= g->until_usec;
}

/* Adds what is wanted and not there. */
static int widen(Session *s, NetIntent *n, const UpdateOptions *u, char **ret_why) {
        for (guint i = 0; u->dns && i < u->dns->len; i++) {
                const NetAddress *a = &g_array_index(u->dns, NetAddress, i);

                if (has_resolver(n, a))
                        continue;
                if (n->n_resolvers >= NET_RESOLVERS_MAX)
                        return -E2BIG;
                n->resolvers[n->n_resolvers++] = *a;
        }
        for (guint i = 0; u->allow && i < u->allow->len; i++) {
                const NetGrant *g = &g_array_index(u->allow, NetGrant, i), *there = find_grant(n, g);
                uint32_t id;
                int r;

                if (there) {
                        n->grants[there - n->grants].until_usec = g->until_usec;
                        continue;
                }
                r = grant_append(s, n, g, &id, ret_why);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int edit_narrow(NetIntent *n, void *userdata, char **ret_why) {
        Operation *op = userdata;

        (void) ret_why;
        narrow(n, &((UpdateCall *) op->data)->wanted);
        return 0;
}

static int edit_widen(NetIntent *n, void *userdata, char **ret_why) {
        Operation *op = userdata;

        return widen(op->session, n, &((UpdateCall *) op->data)->wanted, ret_why);
}

static void on_widened(int error, const char *text, void *userdata) {
        Operation *op = userdata;

        if (error != 0)
                grant_change_failed(op, error, text);
        else
                operation_reply(op, NULL);
}

static void do_widen(Operation *op) {
        firewall_change(op->manager->firewall, op->session->record.id, edit_widen, on_widened, op);
}

/* What is gained: one line for prompts, a key that an approval is bound to, whether the ceiling covers it, and whether it is possible
 * at all. */
static int describe_gain(Operation *op, const NetIntent *n, const Caller *account, GString *gain, GString *key,
                bool *ret_covered, sd_bus_error *error) {
        const UpdateOptions *u = &((UpdateCall *) op->data)->wanted;
        const Manager *m = op->manager;
        NetIntent gained = {};

        *ret_covered = m->policy != NULL;
        for (guint i = 0; u->dns && i < u->dns->len; i++) {
                const NetAddress *a = &g_array_index(u->dns, NetAddress, i);
                _cleanup_free_ char *why = NULL;
                char text[NET_ADDRESS_TEXT_MAX];

                if (has_resolver(n, a))
                        continue;
                gained.resolvers[gained.n_resolvers++] = *a;
                *ret_covered = *ret_covered && policy_check_resolver(m->policy, account, a, &why) == POLICY_OK;
                g_string_append_printf(gain, "%sresolver %s", gain->len > 0 ? ", " : "", net_address_format(a, text));
                g_string_append_printf(key, " %s", text);
        }
        for (guint i = 0; u->allow && i < u->allow->len; i++) {
                const NetGrant *g = &g_array_index(u->allow, NetGrant, i);
                _cleanup_free_ char *why = NULL;
                char text[DESTINATION_TEXT_MAX];

                if (is_there(n, g))
                        continue;
                gained.grants[gained.n_grants++] = *g;
                *ret_covered = *ret_covered && policy_check_grant(m->policy, account, g, &why) == POLICY_OK;
                g_string_append_printf(gain, "%s%s", gain->len > 0 ? ", " : "", destination_format(g, text));
                if (g->until_usec != USEC_INFINITY) {
                        g_autofree char *duration = grant_duration_text(g->until_usec, 0);

                        g_string_append_printf(gain, " for %s", duration);
                }
                g_string_append_printf(key, " %s %" PRIu64, text, g->until_usec);
        }
        if (!*ret_covered && gained.n_grants + gained.n_resolvers > GAINS_ASKED_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "An administrator is asked for at most %u destinations at once, so that he reads each.",
                                GAINS_ASKED_MAX);
        return firewall_check_plan(m->firewall, &gained, error);
}

static void set_approval(Operation *op, const Caller *account, const char *gain, const char *key) {
        g_autofree char *user = text_for_humans(account->user, strlen(account->user));
        const Session *s = op->session;
        UpdateCall *c = op->data;
        PolicyResult quota = {};

        if (op->manager->policy)
                policy_quota(op->manager->policy, account, &quota);
        c->approval.key = g_strdup_printf("%s %" PRIu64 " update%s", s->record.id, s->record.created_usec, key);
        c->approval.digest = g_strdup(s->record.digest);
        c->approval.message = g_strdup_printf("User %s asks that the sandbox '%s' of uid %u may reach %s", user, s->record.id,
                        (unsigned) s->record.uid, gain);
        c->approval.max_pending = quota.max_pending;
        op->approval = &c->approval;
}

static void ask_for_gain(Operation *op, const NetIntent *n) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autoptr(GString) gain = g_string_new(NULL), key = g_string_new(NULL);
        const Caller *account = client_account(op->client, &error);
        Session *s = op->session;
        g_autofree char *owner = g_strdup_printf("%u", (unsigned) s->record.uid);
        bool covered = false;

        if (!account || describe_gain(op, n, account, gain, key, &covered, &error) < 0) {
                operation_fail_with(op, &error);
                return;
        }
        if (gain->len == 0) {
                operation_reply(op, NULL);
                return;
        }
        if (covered && op->client->uid == s->record.uid) {
                do_widen(op);
                return;
        }
        /* The details are others now, and so is the question. */
        operation_set_details(op, "session", s->record.id, "owner", owner, "protocol", "", "ports", "", "duration",
                        "as long as the session", NULL);
        operation_add_detail(op, "destination", gain->str); /* our own text, of bounded length */
        set_approval(op, account, gain->str, key->str);
        op->granted = do_widen;
        (void) operation_authorise_action(op, (uid_t) -1, ACTION_GRANT_NETWORK);
}

/* The addresses of the host as they are now. */
static void on_refreshed(const FwStatus *status, void *userdata) {
        Operation *op = userdata;
        const FirewallSession *f = firewall_session(op->manager->firewall, op->session->record.id);

        if (!status || op->manager->exiting)
                operation_fail(op, ERROR_SETUP_FAILED, "%s", FIREWALL_MISSING);
        else if (!f)
                grant_change_failed(op, ENOENT, "");
        else if (op->client->gone)
                operation_free(op);
        else
                ask_for_gain(op, &f->intent);
}

static bool gains(const NetIntent *n, const UpdateOptions *u) {
        for (guint i = 0; u->dns && i < u->dns->len; i++)
                if (!has_resolver(n, &g_array_index(u->dns, NetAddress, i)))
                        return true;
        for (guint i = 0; u->allow && i < u->allow->len; i++)
                if (!is_there(n, &g_array_index(u->allow, NetGrant, i)))
                        return true;
        return false;
}

static void on_narrowed(int error, const char *text, void *userdata) {
        Operation *op = userdata;
        const FirewallSession *f = firewall_session(op->manager->firewall, op->session->record.id);

        if (error != 0 || !f)
                grant_change_failed(op, error ? error : ENOENT, text);
        else if (!gains(&f->intent, &((UpdateCall *) op->data)->wanted))
                operation_reply(op, NULL);
        else
                firewall_refresh(op->manager->firewall, on_refreshed, op);
}

static void update(Operation *op) {
        firewall_change(op->manager->firewall, op->session->record.id, edit_narrow, on_narrowed, op);
}

int network_update(sd_bus_message *m, Session *s, sd_bus_error *error) {
        g_autofree char *owner = g_strdup_printf("%u", (unsigned) s->record.uid);
        UpdateOptions wanted = {};
        UpdateCall *c;
        Operation *op;
        int r;

        r = options_read_update(m, &wanted, error);
        if (r < 0)
                return r;
        r = grant_find_session(s->manager, m, s->record.id, &s, error);
        if (r >= 0)
                r = operation_new(s->manager, m, s, &op, error);
        if (r < 0) {
                update_options_done(&wanted);
                return r;
        }
        c = g_new0(UpdateCall, 1);
        c->wanted = wanted;
        op->data = c;
        op->free_data = update_free;
        op->granted = update;
        operation_set_details(op, "session", s->record.id, "profile", s->record.profile, "owner", owner, "verb", "Update", NULL);
        return operation_authorise(op, s->record.uid);
}
