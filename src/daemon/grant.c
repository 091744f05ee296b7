/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening and closing single destinations of a session that lives. Opening is free for the owner below his ceiling's
 * "destinations" and asks an administrator otherwise; closing is always free for the owner. */

#include "grant.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "options.h"
#include "policy/destination.h"

static uint64_t realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

int grant_find_session(Manager *m, sd_bus_message *message, const char *id, Session **ret, sd_bus_error *error) {
        Session *s = session_id_valid(id) ? session_find(m, id) : NULL;
        const Client *client = client_of(m->clients, message);

        if (!s || !s->announced || s->phase != SESSION_READY)
                return error_set(error, ERROR_NO_SUCH_SESSION, "There is no session of that id; see 'ocsbctl list'.");
        /* Somebody else learns that only when he is authorised. */
        if (client && session_bus_is_visible_to(s, client->uid) &&
                        !streq(s->record.network, plan_network_to_string(PLAN_NETWORK_NAT)))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "The session %s has network \"%s\": destinations are for sessions with network \"nat\".",
                                s->record.id, s->record.network);
        *ret = s;
        return 0;
}

char *grant_duration_text(uint64_t until_usec, uint64_t duration_usec) {
        uint64_t seconds = duration_usec / USEC_PER_SEC, now = realtime_usec();

        if (duration_usec == 0 && until_usec == USEC_INFINITY)
                return g_strdup("as long as the session");
        if (duration_usec == 0)
                seconds = until_usec > now ? (until_usec - now) / USEC_PER_SEC : 0;
        if (seconds >= 2 * 86400)
                return g_strdup_printf("%" PRIu64 " days", seconds / 86400);
        if (seconds >= 2 * 3600)
                return g_strdup_printf("%" PRIu64 " hours", seconds / 3600);
        if (seconds >= 2 * 60)
                return g_strdup_printf("%" PRIu64 " minutes", seconds / 60);
        return g_strdup_printf("%" PRIu64 " seconds", seconds);
}

int grant_append(Session *s, NetIntent *intent, const NetGrant *grant, uint32_t *ret_id, char **ret_why) {
        uint32_t last = s->record.last_grant;
        int r;

        if (intent->n_grants >= NET_GRANTS_MAX) {
                *ret_why = g_strdup_printf("The session has %u grants, which is the most: revoke one, or join them to networks "
                                           "or ranges of ports.",
                                NET_GRANTS_MAX);
                return -EDQUOT;
        }
        if (intent->n_grants > 0)
                last = MAX(last, intent->grants[intent->n_grants - 1].id);
        s->record.last_grant = last + 1;
        r = session_save(s);
        if (r < 0) {
                log_error("Failed to write the state of session %s: %s", s->record.id, g_strerror(-r));
                *ret_why = g_strdup("The state of the session cannot be written; see the log of ocsbd.");
                return r;
        }
        intent->grants[intent->n_grants] = *grant;
        intent->grants[intent->n_grants++].id = last + 1;
        *ret_id = last + 1;
        return 0;
}

void grant_change_failed(Operation *op, int error, const char *text) {
        if (op->manager->exiting)
                operation_fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
        else if (error == ENOENT || error == ENXIO)
                operation_fail(op, ERROR_NO_SUCH_SESSION,
                                "The session has no network that ocsb-fw knows of; it may be ending.");
        else if (error == EDQUOT)
                operation_fail(op, ERROR_QUOTA_EXCEEDED, "%s", text);
        else if (error == EADDRNOTAVAIL)
                operation_fail(op, ERROR_NO_SUCH_GRANT, "%s", text);
        else if (error == EINVAL)
                operation_fail(op, ERROR_INVALID_ARGUMENT, "%s.", text);
        else if (error == ENOTCONN || error == EPIPE || error == ETIMEDOUT)
                operation_fail(op, ERROR_BUSY,
                                "ocsb-fw did not confirm the change (%s); look at it with 'ocsbctl firewall status' and try "
                                "again.",
                                text[0] ? text : g_strerror(error));
        else
                operation_fail(op, ERROR_SETUP_FAILED, "ocsb-fw could not make the change: %s.",
                                text[0] ? text : g_strerror(error));
}

static void log_change(const Operation *op, const char *what, uint32_t id, const char *destination) {
        LogContext context = { .session = op->session->record.id, .profile = op->session->record.profile,
                .action = op->action, .owner = op->session->record.uid };

        log_record(LOG_LEVEL_NOTICE, &context, MSGID_FIREWALL_CHANGED, "uid %u %s grant %" PRIu32 " of session %s%s%s",
                        (unsigned) op->client->uid, what, id, op->session->record.id, destination[0] ? ": " : "", destination);
}

/* Allow */

typedef struct AllowCall {
        NetGrant grant;
        uint64_t duration;
        uint32_t id;
        OperationApproval approval;
} AllowCall;

static void allow_free(void *p) {
        AllowCall *c = p;

        g_free(c->approval.key);
        g_free(c->approval.digest);
        g_free(c->approval.message);
        g_free(c);
}

/* The one that is there and ends no sooner. */
static const NetGrant *find_longer(const NetIntent *n, const NetGrant *g, uint64_t until) {
        for (size_t i = 0; i < n->n_grants; i++)
                if (net_grant_equal(n->grants + i, g) && n->grants[i].until_usec >= until)
                        return n->grants + i;
        return NULL;
}

static int edit_allow(NetIntent *n, void *userdata, char **ret_why) {
        Operation *op = userdata;
        AllowCall *c = op->data;
        int r;

        if (c->duration > 0)
                c->grant.until_usec = realtime_usec() + c->duration;
        r = grant_append(op->session, n, &c->grant, &c->id, ret_why);
        if (r < 0)
                return r;
        /* The same destination for a shorter time is not needed any more. */
        for (size_t i = 0; i + 1 < n->n_grants;)
                if (net_grant_equal(n->grants + i, &c->grant)) {
                        memmove(n->grants + i, n->grants + i + 1, (n->n_grants - i - 1) * sizeof(NetGrant));
                        n->n_grants--;
                } else
                        i++;
        return 0;
}

static void on_allowed(int error, const char *text, void *userdata) {
        Operation *op = userdata;
        AllowCall *c = op->data;
        char destination[DESTINATION_TEXT_MAX];

        if (error != 0) {
                grant_change_failed(op, error, text);
                return;
        }
        log_change(op, "opens", c->id, destination_format(&c->grant, destination));
        operation_reply(op, "u", c->id);
}

/* What nobody can allow. */
static int check_possible(Operation *op, sd_bus_error *error) {
        const AllowCall *c = op->data;
        const Firewall *fw = op->manager->firewall;
        const FirewallSession *f = firewall_session(fw, op->session->record.id);
        char text[NET_ADDRESS_TEXT_MAX];

        if (op->session->phase != SESSION_READY)
                return error_set(error, ERROR_NO_SUCH_SESSION, "The session is ending.");
        if (firewall_is_host_address(fw, &c->grant.to))
                return error_set(error, ERROR_NOT_PERMITTED,
                                "%s is an address of this host, which no sandbox reaches whatever is granted.",
                                net_prefix_format(&c->grant.to, text));
        if (f && f->intent.n_grants >= NET_GRANTS_MAX)
                return error_set(error, ERROR_QUOTA_EXCEEDED,
                                "The session has %u grants, which is the most: revoke one, or join them to networks or ranges "
                                "of ports.",
                                NET_GRANTS_MAX);
        return 0;
}

/* The addresses of the host as they are now, and what the session has. */
static void on_refreshed(const FwStatus *status, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Operation *op = userdata;

        if (!status || op->manager->exiting)
                operation_fail(op, ERROR_SETUP_FAILED, "%s", FIREWALL_MISSING);
        else if (check_possible(op, &error) < 0)
                operation_fail_with(op, &error);
        else
                firewall_change(op->manager->firewall, op->session->record.id, edit_allow, on_allowed, op);
}

/* A status costs ocsb-fw a look at every session. A network may contain an address of the host, which stays closed. */
static void open_grant(Operation *op) {
        const NetPrefix *to = &((const AllowCall *) op->data)->grant.to;
        Firewall *f = op->manager->firewall;

        if (firewall_is_ready(f) && to->length < (to->address.family == 4 ? 32u : 128u))
                on_refreshed(firewall_last_status(f), op);
        else
                firewall_refresh(f, on_refreshed, op);
}

static void describe_allow(Operation *op, const Caller *account) {
        AllowCall *c = op->data;
        const Session *s = op->session;
        g_autofree char *owner = g_strdup_printf("%u", (unsigned) s->record.uid),
                        *duration = grant_duration_text(c->grant.until_usec, c->duration),
                        *user = text_for_humans(account->user, strlen(account->user));
        char to[NET_ADDRESS_TEXT_MAX], ports[DESTINATION_TEXT_MAX], text[DESTINATION_TEXT_MAX];
        PolicyResult quota = {};

        (void) destination_format(&c->grant, text);
        (void) destination_format_ports(&c->grant, ports);
        operation_set_details(op, "session", s->record.id, "owner", owner, "destination",
                        net_prefix_format(&c->grant.to, to), "protocol",
                        net_protocol_to_string((NetProtocol) c->grant.protocol), "ports", ports, "duration", duration, NULL);
        if (op->manager->policy)
                policy_quota(op->manager->policy, account, &quota);
        /* created-usec: another session of the same id is another one. */
        c->approval.key = g_strdup_printf("%s %" PRIu64 " %s %" PRIu64 " %" PRIu64, s->record.id, s->record.created_usec, text,
                        c->grant.until_usec, c->duration);
        c->approval.digest = g_strdup(s->record.digest);
        c->approval.message = g_strdup_printf("User %s asks that the sandbox '%s' of uid %s may reach %s: %s", user,
                        s->record.id, owner, text, duration);
        c->approval.max_pending = quota.max_pending;
        op->approval = &c->approval;
}

/* The owner's, when it is open already or his ceiling covers it. */
static bool is_free(Operation *op, const Caller *account, const NetGrant **ret_there) {
        const AllowCall *c = op->data;
        const Manager *m = op->manager;
        const FirewallSession *f = firewall_session(m->firewall, op->session->record.id);
        uint64_t until = c->duration > 0 ? realtime_usec() + c->duration : c->grant.until_usec;
        _cleanup_free_ char *why = NULL;

        if (op->client->uid != op->session->record.uid)
                return false;
        *ret_there = f ? find_longer(&f->intent, &c->grant, until) : NULL;
        return *ret_there || (m->policy && policy_check_grant(m->policy, account, &c->grant, &why) == POLICY_OK);
}

static int authorise_allow(Operation *op, sd_bus_error *error) {
        const NetGrant *there = NULL;
        const Caller *account;
        bool is_owners;
        int r;

        account = client_account(op->client, error);
        if (!account)
                return -EACCES;
        r = check_possible(op, error);
        if (r < 0)
                return r;
        is_owners = is_free(op, account, &there);
        if (there) {
                operation_reply(op, "u", there->id);
                return 1;
        }
        describe_allow(op, account);
        op->granted = open_grant;
        return operation_authorise(op, is_owners ? op->session->record.uid : (uid_t) -1);
}

int grant_allow(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        uint64_t duration;
        const char *id;
        Operation *op;
        AllowCall *c;
        NetGrant g;
        Session *s;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = options_read_grant(m, &g, &duration, error);
        if (r < 0)
                return r;
        r = grant_find_session(manager, m, id, &s, error);
        if (r < 0)
                return r;
        r = operation_new(manager, m, s, &op, error);
        if (r < 0)
                return r;
        c = g_new0(AllowCall, 1);
        *c = (AllowCall) { .grant = g, .duration = duration };
        op->data = c;
        op->free_data = allow_free;
        r = authorise_allow(op, error);
        if (r < 0)
                operation_free(op);
        return r;
}

/* Revoke */

static int edit_revoke(NetIntent *n, void *userdata, char **ret_why) {
        uint32_t id = GPOINTER_TO_UINT(((Operation *) userdata)->data);

        for (size_t i = 0; i < n->n_grants; i++)
                if (n->grants[i].id == id) {
                        memmove(n->grants + i, n->grants + i + 1, (n->n_grants - i - 1) * sizeof(NetGrant));
                        n->n_grants--;
                        return 0;
                }
        *ret_why = g_strdup("The session has no grant of that number; see 'ocsbctl firewall status'.");
        return -EADDRNOTAVAIL;
}

static void on_revoked(int error, const char *text, void *userdata) {
        Operation *op = userdata;

        if (error != 0) {
                grant_change_failed(op, error, text);
                return;
        }
        log_change(op, "closes", GPOINTER_TO_UINT(op->data), "");
        operation_reply(op, NULL);
}

static void close_grant(Operation *op) {
        firewall_change(op->manager->firewall, op->session->record.id, edit_revoke, on_revoked, op);
}

int grant_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        g_autofree char *owner = NULL;
        const char *id;
        uint32_t grant;
        Operation *op;
        Session *s;
        int r;

        r = sd_bus_message_read(m, "su", &id, &grant);
        if (r < 0)
                return r;
        r = grant_find_session(manager, m, id, &s, error);
        if (r < 0)
                return r;
        r = operation_new(manager, m, s, &op, error);
        if (r < 0)
                return r;
        op->granted = close_grant;
        op->data = GUINT_TO_POINTER(grant);
        owner = g_strdup_printf("%u", (unsigned) s->record.uid);
        operation_set_details(op, "session", s->record.id, "owner", owner, "verb", "Revoke", NULL);
        return operation_authorise(op, s->record.uid);
}
