/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.openclaw.Sandbox1.Session on /org/openclaw/Sandbox1/session/ID.
 *
 * What others may learn: that a session of some id exists (its signals and its node are public), nothing
 * else. The getters answer the owner and root only, ObjectManager's list shows a caller his own, and
 * InterfacesAdded carries the names of the interfaces with no properties, as a broadcast reaches everybody.
 * sd_bus_emit_object_added() would put all values in. Methods of other people's sessions go through polkit
 * as the table in authority.c says. */

#include "base/fault.h"
#include "exec.h"
#include "firewall.h"
#include "manager.h"
#include "operation.h"
#include "options.h"
#include "vtable.h"

/* How long Terminate and Remove wait for the builder before they say that it takes longer. */
#define END_TIMEOUT_USEC (20 * USEC_PER_SEC)

char *session_bus_path(const char *id) {
        return g_strconcat(BUS_SESSION_PREFIX "/", id, NULL);
}

bool session_bus_is_visible_to(const Session *s, uid_t uid) {
        return s->announced && (uid == 0 || uid == s->record.uid);
}

/* The sender of the message that is being handled. */
static Client *current_client(sd_bus *bus, Manager *m) {
        return client_of(m->clients, sd_bus_get_current_message(bus));
}

static int check_getter(sd_bus *bus, const Session *s, sd_bus_error *error) {
        const Client *c = current_client(bus, s->manager);

        if (!c || !session_bus_is_visible_to(s, c->uid))
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                "The properties of a session are its owner's.");
        return 0;
}

/* Properties */

/* Who may read one is checked here, for all of them. */
#define SESSION_GETTER(name)                                                                                         \
        static int append_##name(sd_bus_message *reply, const Session *s, const char *property);                     \
        PROPERTY_GETTER(get_##name) {                                                                                \
                int r = check_getter(bus, userdata, error);                                                          \
                                                                                                                     \
                return r < 0 ? r : append_##name(reply, userdata, property);                                         \
        }                                                                                                            \
        static int append_##name(sd_bus_message *reply, const Session *s, _unused_ const char *property)

SESSION_GETTER(string) {
        const SessionState *r = &s->record;
        const char *value;

        value = streq(property, "Id")         ? r->id
                : streq(property, "Profile")  ? r->profile
                : streq(property, "State")    ? session_state_name(s)
                : streq(property, "Root")     ? r->root
                : streq(property, "Network")  ? r->network
                : streq(property, "ConfigHash") ? r->config_hash
                : streq(property, "PlanDigest") ? r->digest
                : streq(property, "Plan")     ? r->plan
                                              : r->cgroup;
        return sd_bus_message_append(reply, "s", value ? value : "");
}

SESSION_GETTER(u32) {
        return sd_bus_message_append(reply, "u",
                        streq(property, "OwnerUid") ? (uint32_t) s->record.uid : s->record.monitor_pid);
}

SESSION_GETTER(usec) {
        return sd_bus_message_append(reply, "t",
                        streq(property, "CreatedUsec") ? s->record.created_usec : s->last_used_usec);
}

SESSION_GETTER(resolved) {
        return sd_bus_message_append_strv(reply, s->record.resolved);
}

/* Of network "nat"; what ocsb-fw said last. */
SESSION_GETTER(addresses) {
        const FirewallSession *f;
        int r;

        f = firewall_session(s->manager->firewall, s->record.id);
        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; f && r >= 0 && i < 2; i++) {
                const NetAddress *a = i == 0 ? &f->attached.ipv4 : &f->attached.ipv6;
                char text[NET_ADDRESS_TEXT_MAX];

                if (a->family != 0)
                        r = sd_bus_message_append(reply, "s", net_address_format(a, text));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

SESSION_GETTER(grants) {
        static const NetIntent none = {};
        const FirewallSession *f;

        f = firewall_session(s->manager->firewall, s->record.id);
        return firewall_bus_append_grants(reply, f ? &f->intent : &none);
}

static int method_update(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return network_update(m, userdata, error);
}

SESSION_GETTER(execs) {
        return sd_bus_message_append_array(reply, 'u', s->running, s->n_running * sizeof(uint32_t));
}

SESSION_GETTER(proven) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; r >= 0 && i < s->record.n_proven; i++) {
                const StateProof *p = s->record.proven + i;

                r = sd_bus_message_append(reply, "(sss)", p->name, p->result, p->detail);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Methods: read, validate, authorise. What acts is below each. */

/* All but Exec and OpenChannel share this; free_data may be NULL. */
static int authorise(sd_bus_message *m, Session *s, OperationFunction granted, void *data,
                void (*free_data)(void *), sd_bus_error *error) {
        Operation *op;
        g_autofree char *owner = NULL;
        int r;

        r = operation_new(s->manager, m, s, &op, error);
        if (r < 0) {
                if (free_data)
                        free_data(data);
                return r;
        }
        op->granted = granted;
        op->data = data;
        op->free_data = free_data;
        owner = g_strdup_printf("%u", (unsigned) s->record.uid);
        operation_set_details(op, "session", s->record.id, "profile", s->record.profile, "owner", owner,
                        "verb", op->rule->member, NULL);
        return operation_authorise(op, s->record.uid);
}

static void free_exec_arguments(void *p) {
        exec_arguments_done(p);
        g_free(p);
}

static int method_exec(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ExecArguments *a = g_new0(ExecArguments, 1);
        int r;

        r = options_read_exec(m, a, error);
        if (r < 0) {
                g_free(a);
                return r;
        }
        return authorise(m, userdata, exec_start, a, free_exec_arguments, error);
}

static int method_open_channel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(m, userdata, exec_open_channel, NULL, NULL, error);
}

/* Signal, Resize, Freeze, Thaw: one message to the monitor, its ACK is the reply. */

typedef struct MonitorCall {
        WireType type;
        WireWriter body;
        bool frozen_after;
} MonitorCall;

static void free_monitor_call(void *p) {
        MonitorCall *c = p;

        wire_writer_done(&c->body);
        g_free(c);
}

static void on_ack(int error, const char *text, void *userdata) {
        Operation *op = userdata;
        MonitorCall *c = op->data;

        if (op->manager->exiting)
                operation_fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
        else if (error == EPIPE)
                operation_fail(op, ERROR_NO_SUCH_SESSION, "The session is ending.");
        else if (error == ESRCH)
                operation_fail(op, ERROR_NO_SUCH_EXEC, "No such exec is running in the session.");
        else if (error != 0)
                operation_fail(op, error_from_errno(error), "%s", text[0] ? text : g_strerror(error));
        else {
                if (c->type == WIRE_FREEZE || c->type == WIRE_THAW)
                        session_set_frozen(op->session, c->frozen_after);
                operation_reply(op, NULL);
        }
}

static void call_monitor(Operation *op) {
        MonitorCall *c = op->data;
        Session *s = op->session;

        if (s->phase != SESSION_READY || !s->monitor ||
                        monitor_call(s->monitor, c->type, &c->body, NULL, 0, on_ack, op, NULL) < 0)
                operation_fail(op, ERROR_NO_SUCH_SESSION, "The session is ending.");
}

static int method_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MonitorCall *c;
        uint32_t exec_id;
        int32_t sig;
        int r;

        r = sd_bus_message_read(m, "ui", &exec_id, &sig);
        if (r < 0)
                return r;
        if (sig < 1 || sig > 64)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'signal' must be between 1 and 64.");
        c = g_new0(MonitorCall, 1);
        c->type = WIRE_SIGNAL;
        msg_signal_encode(&c->body, &(MsgSignal) { .exec_id = exec_id, .signal = (uint32_t) sig });
        return authorise(m, userdata, call_monitor, c, free_monitor_call, error);
}

static int method_resize(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MonitorCall *c;
        uint32_t exec_id;
        uint16_t rows, cols;
        int r;

        r = sd_bus_message_read(m, "uqq", &exec_id, &rows, &cols);
        if (r < 0)
                return r;
        if (rows == 0 || cols == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'rows' and 'cols' must be at least 1.");
        c = g_new0(MonitorCall, 1);
        c->type = WIRE_RESIZE;
        msg_resize_encode(&c->body, &(MsgResize) { .exec_id = exec_id, .rows = rows, .cols = cols });
        return authorise(m, userdata, call_monitor, c, free_monitor_call, error);
}

static int method_freeze(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MonitorCall *c = g_new0(MonitorCall, 1);

        c->type = WIRE_FREEZE;
        c->frozen_after = true;
        return authorise(m, userdata, call_monitor, c, free_monitor_call, error);
}

static int method_thaw(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MonitorCall *c = g_new0(MonitorCall, 1);

        c->type = WIRE_THAW;
        return authorise(m, userdata, call_monitor, c, free_monitor_call, error);
}

/* The end */

static void wait_until_gone(Operation *op) {
        Session *s = op->session;

        if (s->phase == SESSION_GONE)
                operation_reply(op, NULL);
        else
                operation_await(op, s, wait_until_gone, END_TIMEOUT_USEC, ERROR_BUSY,
                                "The session is ending, but the builder has not cleared it away yet.");
}

static void terminate(Operation *op) {
        session_end(op->session,
                        op->client->uid == op->session->record.uid ? "removed by its owner" : "removed");
        wait_until_gone(op);
}

static int method_terminate(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(m, userdata, terminate, NULL, NULL, error);
}

static void on_terminate_if_idle(int error, const char *text, void *userdata) {
        Operation *op = userdata;

        if (op->manager->exiting)
                operation_fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
        else if (error == 0 || error == EPIPE)
                terminate(op); /* clears away what the monitor leaves */
        else if (error == EBUSY)
                operation_fail(op, ERROR_BUSY,
                                "An exec is running in the session; end it or use Terminate.");
        else
                operation_fail(op, error_from_errno(error), "%s", text[0] ? text : g_strerror(error));
}

static void remove_refreshed(Session *s, void *userdata) {
        Operation *op = userdata;
        _cleanup_writer_ WireWriter body = {};

        if (s->n_running > 0 || s->manager->exiting) {
                on_terminate_if_idle(EBUSY, "", op);
                return;
        }
        FAULT("daemon.remove.before-terminate");
        wire_put_u32(&body, 1); /* only if idle: one may start just now */
        if (!s->monitor || monitor_call(s->monitor, WIRE_TERMINATE, &body, NULL, 0, on_terminate_if_idle, op,
                                           NULL) < 0)
                terminate(op);
}

static void remove_session(Operation *op) {
        if (op->session->phase == SESSION_READY)
                session_refresh(op->session, remove_refreshed, op);
        else
                wait_until_gone(op);
}

static int method_remove(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(m, userdata, remove_session, NULL, NULL, error);
}

/* Objects */

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                sd_bus_error *error) {
        Manager *m = userdata;
        Session *s;

        (void) bus;
        (void) interface;
        (void) error;
        if (!str_has_prefix(path, BUS_SESSION_PREFIX "/"))
                return 0;
        s = session_find(m, path + strlen(BUS_SESSION_PREFIX "/"));
        if (!s || !s->announced)
                return 0;
        *ret = s;
        return 1;
}

/* For Introspect and GetManagedObjects. The latter calls every getter of every node and fails as a whole
 * when one refuses, so a caller gets his own sessions, and root all. */
static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
        Manager *m = userdata;
        const Client *c = current_client(bus, m);
        GHashTableIter i;
        void *p;

        (void) prefix;
        (void) error;
        if (c) {
                g_hash_table_iter_init(&i, m->sessions);
                while (g_hash_table_iter_next(&i, NULL, &p))
                        if (session_bus_is_visible_to(p, c->uid))
                                g_ptr_array_add(list, session_bus_path(((Session *) p)->record.id));
        }
        g_ptr_array_add(list, NULL);
        *ret = (char **) g_ptr_array_free(g_steal_pointer(&list), false);
        return 0;
}

static const sd_bus_vtable session_vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD_WITH_ARGS("Exec",
                                SD_BUS_ARGS("aay", argv, "ay", cwd, "a{uh}", fds, "a{sv}", options),
                                SD_BUS_RESULT("u", exec_id, "h", status), method_exec,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
                SD_BUS_METHOD_WITH_ARGS("OpenChannel", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", channel),
                                method_open_channel, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Signal", SD_BUS_ARGS("u", exec_id, "i", signal), SD_BUS_NO_RESULT,
                                method_signal, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Resize", SD_BUS_ARGS("u", exec_id, "q", rows, "q", cols),
                                SD_BUS_NO_RESULT, method_resize, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Freeze", NULL, NULL, method_freeze, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Thaw", NULL, NULL, method_thaw, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Terminate", NULL, NULL, method_terminate, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD("Remove", NULL, NULL, method_remove, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Update", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_update,
                                SD_BUS_VTABLE_UNPRIVILEGED),

                SD_BUS_PROPERTY("Id", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Profile", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("OwnerUid", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("State", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
                SD_BUS_PROPERTY("Root", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Network", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Addresses", "as", get_addresses, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
                SD_BUS_PROPERTY("Grants", "aa{sv}", get_grants, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
                SD_BUS_PROPERTY("CreatedUsec", "t", get_usec, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("LastUsedUsec", "t", get_usec, 0, 0),
                SD_BUS_PROPERTY("ConfigHash", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("PlanDigest", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Plan", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Cgroup", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("MonitorPid", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Resolved", "as", get_resolved, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Execs", "au", get_execs, 0, 0),
                SD_BUS_PROPERTY("Proven", "a(sss)", get_proven, 0,
                                SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),

                SD_BUS_SIGNAL_WITH_ARGS("ExecExited", SD_BUS_ARGS("u", exec_id, "i", code, "i", signal), 0),
                SD_BUS_VTABLE_END,
};

int session_bus_register(Manager *m) {
        int r;

        r = sd_bus_add_fallback_vtable(
                        m->bus, NULL, BUS_SESSION_PREFIX, SESSION_INTERFACE, session_vtable, find, m);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(m->bus, NULL, BUS_SESSION_PREFIX, enumerate, m);
}

/* Signals */

void session_bus_emit_new(Session *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        g_autofree char *path = session_bus_path(s->record.id);
        sd_bus *bus = s->manager->bus;

        (void) sd_bus_emit_signal(bus, BUS_PATH, MANAGER_INTERFACE, "SessionNew", "so", s->record.id, path);
        if (sd_bus_message_new_signal(bus, &m, BUS_PATH, "org.freedesktop.DBus.ObjectManager",
                            "InterfacesAdded") >= 0 &&
                        sd_bus_message_append(m, "oa{sa{sv}}", path, 1, SESSION_INTERFACE, 0) >= 0)
                (void) sd_bus_send(bus, m, NULL);
}

void session_bus_emit_removed(Session *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        g_autofree char *path = session_bus_path(s->record.id);
        sd_bus *bus = s->manager->bus;

        (void) sd_bus_emit_signal(
                        bus, BUS_PATH, MANAGER_INTERFACE, "SessionRemoved", "so", s->record.id, path);
        if (sd_bus_message_new_signal(bus, &m, BUS_PATH, "org.freedesktop.DBus.ObjectManager",
                            "InterfacesRemoved") >= 0 &&
                        sd_bus_message_append(m, "oas", path, 1, SESSION_INTERFACE) >= 0)
                (void) sd_bus_send(bus, m, NULL);
}

void session_bus_emit_changed(Session *s, const char *property) {
        g_autofree char *path = session_bus_path(s->record.id);

        /* These properties only "invalidate": the signal names them and carries no value. */
        if (s->announced)
                (void) sd_bus_emit_properties_changed(
                                s->manager->bus, path, SESSION_INTERFACE, property, NULL);
}
