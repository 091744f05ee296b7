/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.openclaw.Sandbox1.Firewall on /org/openclaw/Sandbox1. */

#include "firewall.h"

#include "grant.h"
#include "operation.h"
#include "policy/destination.h"

/* Properties: of the machine, nothing of anybody's sessions but their number */

static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, sd_bus_error *error) {
        const Firewall *f = ((Manager *) userdata)->firewall;
        const FwStatus *s = firewall_last_status(f);
        int value;

        (void) bus;
        (void) path;
        (void) interface;
        (void) error;
        value = streq(property, "Active") ? firewall_is_ready(f)
                : streq(property, "Ipv6") ? s && s->ipv6
                                          : s && s->lockdown;
        return sd_bus_message_append(reply, "b", value);
}

static int get_repairs(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, sd_bus_error *error) {
        const FwStatus *s = firewall_last_status(((Manager *) userdata)->firewall);

        (void) bus;
        (void) path;
        (void) interface;
        (void) property;
        (void) error;
        return sd_bus_message_append(reply, "t", s ? s->repairs : UINT64_C(0));
}

static int get_sessions(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        GHashTableIter i;
        uint32_t n = 0;
        void *p;

        (void) bus;
        (void) path;
        (void) interface;
        (void) property;
        (void) error;
        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                const Session *s = p;

                n += s->announced && streq(s->record.network, plan_network_to_string(PLAN_NETWORK_NAT));
        }
        return sd_bus_message_append(reply, "u", n);
}

static int get_pool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, sd_bus_error *error) {
        const FwStatus *s = firewall_last_status(((Manager *) userdata)->firewall);
        char text[NET_ADDRESS_TEXT_MAX] = "";

        (void) bus;
        (void) path;
        (void) interface;
        (void) error;
        if (s)
                (void) net_prefix_format(streq(property, "PoolIpv4") ? &s->pool_ipv4 : &s->pool_ipv6, text);
        return sd_bus_message_append(reply, "s", text);
}

/* Status */

static int open_variant(sd_bus_message *m, const char *key, const char *type) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

static int close_variant(sd_bus_message *m) {
        int r = sd_bus_message_close_container(m);

        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_address(sd_bus_message *m, const char *key, const NetAddress *a) {
        char text[NET_ADDRESS_TEXT_MAX];

        return a->family == 0 ? 0 : sd_bus_message_append(m, "{sv}", key, "s", net_address_format(a, text));
}

static int append_addresses(sd_bus_message *m, const char *key, const NetAddress *list, size_t n) {
        char text[NET_ADDRESS_TEXT_MAX];
        int r;

        r = open_variant(m, key, "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "s", net_address_format(list + i, text));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_variant(m);
}

static int append_grant(sd_bus_message *m, const NetGrant *g) {
        char to[NET_ADDRESS_TEXT_MAX], ports[DESTINATION_TEXT_MAX];
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}", "id", "u", g->id, "to", "s", net_prefix_format(&g->to, to), "proto",
                                "s", net_protocol_to_string((NetProtocol) g->protocol));
        if (r >= 0 && g->protocol != NET_PROTOCOL_ICMP)
                r = sd_bus_message_append(m, "{sv}", "ports", "s", destination_format_ports(g, ports));
        if (r >= 0 && g->until_usec != USEC_INFINITY)
                r = sd_bus_message_append(m, "{sv}", "until-usec", "t", g->until_usec);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int firewall_bus_append_grants(sd_bus_message *m, const NetIntent *intent) {
        int r = sd_bus_message_open_container(m, 'a', "a{sv}");

        for (size_t i = 0; r >= 0 && i < intent->n_grants; i++)
                r = append_grant(m, intent->grants + i);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_counters(sd_bus_message *m, const FwSession *s) {
        int r;

        r = open_variant(m, "counters", "a{s(tt)}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{s(tt)}");
        for (FwCounter c = 0; r >= 0 && c < _FW_COUNTER_MAX; c++)
                r = sd_bus_message_append(m, "{s(tt)}", fw_counter_to_string(c), s->packets[c], s->bytes[c]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_variant(m);
}

static int append_session(sd_bus_message *m, const FwSession *s, uid_t uid) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}", "session", "s", s->attached.id, "uid", "u", (uint32_t) uid,
                                "interface", "s", s->attached.interface);
        if (r >= 0)
                r = append_address(m, "ipv4", &s->attached.ipv4);
        if (r >= 0)
                r = append_address(m, "ipv6", &s->attached.ipv6);
        if (r >= 0)
                r = append_addresses(m, "dns", s->intent.resolvers, s->intent.n_resolvers);
        if (r >= 0)
                r = open_variant(m, "grants", "aa{sv}");
        if (r >= 0)
                r = firewall_bus_append_grants(m, &s->intent);
        if (r >= 0)
                r = close_variant(m);
        if (r >= 0)
                r = append_counters(m, s);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_sessions(sd_bus_message *m, Operation *op, const FwStatus *status, bool all) {
        int r;

        r = open_variant(m, "sessions", "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; status && r >= 0 && i < status->n_sessions; i++) {
                const FwSession *f = status->sessions + i;
                const Session *s = session_find(op->manager, f->attached.id);

                if (s && s->announced && (all || s->record.uid == op->client->uid))
                        r = append_session(m, f, s->record.uid);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_variant(m);
}

static int append_machine(sd_bus_message *m, const FwStatus *status) {
        char ipv4[NET_ADDRESS_TEXT_MAX], ipv6[NET_ADDRESS_TEXT_MAX];
        g_autofree char *problems = NULL;
        int r;

        r = sd_bus_message_append(m, "{sv}", "active", "b", status != NULL);
        if (r < 0)
                return r;
        if (!status)
                return sd_bus_message_append(m, "{sv}", "problems", "s", FIREWALL_MISSING);
        problems = g_utf8_make_valid(status->problems ? status->problems : "", -1);
        r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "lockdown", "b", (int) status->lockdown, "ipv6", "b",
                        (int) status->ipv6, "repairs", "t", status->repairs, "pool-ipv4", "s",
                        net_prefix_format(&status->pool_ipv4, ipv4), "pool-ipv6", "s",
                        net_prefix_format(&status->pool_ipv6, ipv6), "problems", "s", problems);
        return r < 0 ? r : append_addresses(m, "host-addresses", status->host_addresses, status->n_host_addresses);
}

typedef struct StatusReply {
        Operation *op;
        const FwStatus *status;
} StatusReply;

static int append_status(sd_bus_message *reply, void *userdata) {
        const StatusReply *s = userdata;
        int r = append_machine(reply, s->status);

        return r < 0 ? r : append_sessions(reply, s->op, s->status, s->op->data != NULL);
}

static void on_status(const FwStatus *status, void *userdata) {
        operation_reply_list(userdata, "{sv}", append_status, &(StatusReply) { .op = userdata, .status = status });
}

static void status_all(Operation *op) {
        op->data = op; /* any value: all */
        firewall_refresh(op->manager->firewall, on_status, op);
}

static void status_own(Operation *op) {
        firewall_refresh(op->manager->firewall, on_status, op);
}

static int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(userdata, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = status_all;
        op->refused = status_own;
        operation_set_details(op, "verb", "Status", "session", "", NULL);
        return operation_authorise(op, (uid_t) -1);
}

/* Show and Reload */

static void on_text(const char *text, void *userdata) {
        Operation *op = userdata;

        if (!text)
                operation_fail(op, ERROR_SETUP_FAILED, "ocsb-fw did not give its rules; see 'systemctl status ocsb-fw.service'.");
        else
                operation_reply(op, "s", text);
}

static void show(Operation *op) {
        if (firewall_show(firewall_client(op->manager->firewall), on_text, op) < 0)
                operation_fail(op, ERROR_SETUP_FAILED, "%s", FIREWALL_MISSING);
}

static void on_reloaded(int error, const char *text, void *userdata) {
        Operation *op = userdata;

        if (error != 0)
                operation_fail(op, ERROR_SETUP_FAILED, "ocsb-fw did not reload, the old rules hold: %s",
                                text[0] ? text : g_strerror(error));
        else
                operation_reply(op, NULL);
}

static void reload(Operation *op) {
        if (firewall_call(firewall_client(op->manager->firewall), FW_RELOAD, NULL, on_reloaded, op) < 0)
                operation_fail(op, ERROR_SETUP_FAILED, "%s", FIREWALL_MISSING);
}

static int authorise(Manager *manager, sd_bus_message *m, OperationFunction granted, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(manager, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = granted;
        operation_set_details(op, "verb", op->rule->member, "session", "", NULL);
        return operation_authorise(op, (uid_t) -1);
}

static int method_show(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(userdata, m, show, error);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(userdata, m, reload, error);
}

static const sd_bus_vtable firewall_vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status), method_status,
                                SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_ARGS("s", session, "a{sv}", options),
                                SD_BUS_RESULT("a(sssssb)", rows), firewall_verify, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Allow", SD_BUS_ARGS("s", session, "a{sv}", grant), SD_BUS_RESULT("u", id),
                                grant_allow, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("s", session, "u", id), SD_BUS_NO_RESULT, grant_revoke,
                                SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Show", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", rules), method_show,
                                SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Reload", NULL, NULL, method_reload, SD_BUS_VTABLE_UNPRIVILEGED),

                SD_BUS_PROPERTY("Active", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
                SD_BUS_PROPERTY("Ipv6", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
                SD_BUS_PROPERTY("Lockdown", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
                SD_BUS_PROPERTY("Repairs", "t", get_repairs, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
                SD_BUS_PROPERTY("Sessions", "u", get_sessions, 0, 0),
                SD_BUS_PROPERTY("PoolIpv4", "s", get_pool, 0, 0),
                SD_BUS_PROPERTY("PoolIpv6", "s", get_pool, 0, 0),

                SD_BUS_SIGNAL_WITH_ARGS("DriftRepaired", SD_BUS_ARGS("t", usec, "s", what), 0),
                SD_BUS_SIGNAL_WITH_ARGS("GrantExpired", SD_BUS_ARGS("s", session, "u", id), 0),
                SD_BUS_VTABLE_END,
};

int firewall_bus_register(Manager *m) {
        return sd_bus_add_object_vtable(m->bus, NULL, BUS_PATH, FIREWALL_INTERFACE, firewall_vtable, m);
}

void firewall_bus_emit_drift(Manager *m, uint64_t usec, const char *what) {
        (void) sd_bus_emit_signal(m->bus, BUS_PATH, FIREWALL_INTERFACE, "DriftRepaired", "ts", usec, what);
}

void firewall_bus_emit_expired(Manager *m, const char *id, uint32_t grant) {
        (void) sd_bus_emit_signal(m->bus, BUS_PATH, FIREWALL_INTERFACE, "GrantExpired", "su", id, grant);
}

void firewall_bus_emit_changed(Manager *m) {
        (void) sd_bus_emit_properties_changed(
                        m->bus, BUS_PATH, FIREWALL_INTERFACE, "Active", "Ipv6", "Lockdown", "Repairs", NULL);
}
