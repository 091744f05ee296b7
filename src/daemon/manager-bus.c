/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.openclaw.Sandbox1.Manager on /org/openclaw/Sandbox1. */

#include "creation.h"
#include "manager.h"
#include "operation.h"
#include "options.h"
#include "vtable.h"

/* Properties: of the machine and the daemon, nothing of anybody's sessions but their number. */

PROPERTY_GETTER(get_u32) {
        Manager *m = userdata;
        GHashTableIter i;
        uint32_t n = 0;
        void *s;

        if (streq(property, "LandlockAbi"))
                n = m->landlock_abi;
        else {
                g_hash_table_iter_init(&i, m->sessions);
                while (g_hash_table_iter_next(&i, NULL, &s))
                        n += ((Session *) s)->announced;
        }
        return sd_bus_message_append(reply, "u", n);
}

PROPERTY_GETTER(get_version) {
        return sd_bus_message_append(reply, "s", OCSB_VERSION);
}

PROPERTY_GETTER(get_locked_down) {
        return sd_bus_message_append(reply, "b", ((Manager *) userdata)->locked_down);
}

PROPERTY_GETTER(get_controllers) {
        return sd_bus_message_append_strv(reply, ((Manager *) userdata)->controllers);
}

/* Sessions */

static int method_create_session(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return creation_create(userdata, m, error);
}

static int method_ensure_session(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return creation_ensure(userdata, m, error);
}

static int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return creation_explain(userdata, m, error);
}

static void no_such_session(Operation *op) {
        operation_fail(op, ERROR_NO_SUCH_SESSION, "There is no session of that id; see 'ocsbctl list'.");
}

static void get_session(Operation *op) {
        g_autofree char *path = NULL;

        if (!op->session || !op->session->announced || op->session->phase == SESSION_GONE) {
                no_such_session(op);
                return;
        }
        path = session_bus_path(op->session->record.id);
        operation_reply(op, "o", path);
}

static int method_get_session(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        const char *id;
        Operation *op;
        Session *s;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        if (!session_id_valid(id)) {
                g_autofree char *shown = text_for_humans(id, strlen(id));

                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'id' cannot be '%s': 1 to 32 of a-z, 0-9 and _ are needed.", shown);
        }
        s = session_find(manager, id);
        r = operation_new(manager, m, s, &op, error);
        if (r < 0)
                return r;
        op->granted = get_session;
        op->refused = no_such_session;
        if (!s || session_bus_is_visible_to(s, op->client->uid)) {
                get_session(op);
                return 1;
        }
        return operation_authorise(op, s->record.uid);
}

static int append_session(sd_bus_message *reply, const Session *s) {
        g_autofree char *path = session_bus_path(s->record.id),
                        *uid = g_strdup_printf("%u", (unsigned) s->record.uid);

        return sd_bus_message_append(
                        reply, "(sosss)", s->record.id, path, s->record.profile, session_state_name(s), uid);
}

static int compare_sessions(const void *a, const void *b) {
        const Session *const *x = a, *const *y = b;

        return strcmp((*x)->record.id, (*y)->record.id);
}

static int append_sessions(sd_bus_message *reply, void *userdata) {
        const GPtrArray *sessions = userdata;
        int r = 0;

        for (guint i = 0; r >= 0 && i < sessions->len; i++)
                r = append_session(reply, sessions->pdata[i]);
        return r;
}

/* all: every user's. */
static void list_sessions(Operation *op, bool all) {
        g_autoptr(GPtrArray) sessions = g_ptr_array_new();
        GHashTableIter i;
        void *p;

        g_hash_table_iter_init(&i, op->manager->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                const Session *s = p;

                if (s->announced && (all || s->record.uid == op->client->uid))
                        g_ptr_array_add(sessions, p);
        }
        g_ptr_array_sort(sessions, compare_sessions);
        operation_reply_list(op, "(sosss)", append_sessions, sessions);
}

static void list_all(Operation *op) {
        list_sessions(op, true);
}

static void list_own(Operation *op) {
        list_sessions(op, false);
}

static int method_list_sessions(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(userdata, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = list_all;
        op->refused = list_own;
        operation_set_details(op, "verb", "ListSessions", NULL);
        return operation_authorise(op, (uid_t) -1);
}

/* Profiles */

typedef struct ProfileList {
        sd_bus_message *reply;
        int r;
} ProfileList;

static void append_profile(const char *name, const char *description, const char *origin, void *userdata) {
        ProfileList *l = userdata;

        if (l->r >= 0)
                l->r = sd_bus_message_append(
                                l->reply, "(sss)", name, description ? description : "", origin);
}

static int append_profiles(sd_bus_message *reply, void *userdata) {
        ProfileList list = { .reply = reply };

        policy_foreach_profile(userdata, append_profile, &list);
        return list.r;
}

static void list_profiles(Operation *op) {
        Manager *m = op->manager;

        if (!m->policy)
                operation_fail(op, ERROR_SETUP_FAILED,
                                "The profiles and ceilings of this machine cannot be read: %s",
                                m->policy_error);
        else
                operation_reply_list(op, "(sss)", append_profiles, m->policy);
}

/* For methods without arguments that need no more than their rule. */
static int authorise(Manager *manager, sd_bus_message *m, OperationFunction granted, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(manager, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = granted;
        return operation_authorise(op, (uid_t) -1);
}

static int method_list_profiles(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(userdata, m, list_profiles, error);
}

static int method_doctor(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return authorise(userdata, m, doctor_run, error);
}

/* Pending requests */

typedef struct PendingList {
        const Operation *op;
        sd_bus_message *reply;
        uint64_t now;
        bool all;
        int r;
} PendingList;

static void append_pending(const PendingRequest *p, void *userdata) {
        PendingList *l = userdata;

        if (l->r < 0 || (!l->all && p->uid != l->op->client->uid))
                return;
        l->r = sd_bus_message_append(l->reply, "(uusssu)", p->number, (uint32_t) p->uid, p->action,
                        p->message, p->digest, (uint32_t) ((p->expires - l->now) / USEC_PER_SEC));
}

static int append_requests(sd_bus_message *reply, void *userdata) {
        PendingList *l = userdata;

        l->reply = reply;
        pending_foreach(l->op->manager->pending, l->now, append_pending, l);
        return l->r;
}

static void list_pending(Operation *op, bool all) {
        PendingList list = { .op = op, .now = manager_now(op->manager), .all = all };

        operation_reply_list(op, "(uusssu)", append_requests, &list);
}

static void pending_all(Operation *op) {
        list_pending(op, true);
}

static void pending_own(Operation *op) {
        list_pending(op, false);
}

static int method_pending(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(userdata, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = pending_all;
        op->refused = pending_own;
        operation_set_details(op, "request", "", "user", "", "summary", "the list of requests", NULL);
        return operation_authorise(op, (uid_t) -1);
}

static void no_such_request(Operation *op) {
        operation_fail(op, ERROR_NO_SUCH_REQUEST,
                        "There is no such request waiting; see 'ocsbctl pending'.");
}

static void approve(Operation *op) {
        uint32_t number = GPOINTER_TO_UINT(op->data);

        if (pending_approve(op->manager->pending, manager_now(op->manager), number) < 0)
                no_such_request(op);
        else
                operation_reply(op, NULL);
}

static void deny(Operation *op) {
        uint32_t number = GPOINTER_TO_UINT(op->data);

        if (pending_deny(op->manager->pending, manager_now(op->manager), number) < 0)
                no_such_request(op);
        else
                operation_reply(op, NULL);
}

/* Approve and Deny. The request's own text goes to polkit, so that the prompt says what is about to be
 * allowed. */
static int answer_request(
                Manager *manager, sd_bus_message *m, OperationFunction granted, sd_bus_error *error) {
        g_autofree char *request = NULL, *uid = NULL;
        const PendingRequest *p;
        uint32_t number;
        Operation *op;
        uid_t owner;
        int r;

        r = sd_bus_message_read(m, "u", &number);
        if (r < 0)
                return r;
        r = operation_new(manager, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = granted;
        op->data = GUINT_TO_POINTER(number);
        p = pending_get(manager->pending, manager_now(manager), number);
        owner = p ? p->uid : (uid_t) -1;
        request = g_strdup_printf("%" PRIu32, number);
        uid = g_strdup_printf("%u", (unsigned) owner);
        operation_set_details(op, "request", request, "user", p ? uid : "", NULL);
        /* Already escaped and short; the digest makes a kept answer one for this very thing. */
        operation_add_detail(op, "summary", p ? p->message : "a request that does not exist");
        operation_add_detail(op, "digest", p ? p->digest : "");
        return operation_authorise(op, owner);
}

static int method_approve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_request(userdata, m, approve, error);
}

static int method_deny(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_request(userdata, m, deny, error);
}

/* Lockdown */

static void lock_down(Operation *op) {
        lockdown_set(op, true);
}

static void lift_lockdown(Operation *op) {
        lockdown_set(op, false);
}

static int method_lockdown(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Operation *op;
        int on, r;

        r = sd_bus_message_read(m, "b", &on);
        if (r < 0)
                return r;
        r = operation_new(userdata, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = on ? lock_down : lift_lockdown;
        operation_set_details(op, "verb", on ? "lock down" : "lift the lockdown of", NULL);
        return operation_authorise(op, (uid_t) -1);
}

static const sd_bus_vtable manager_vtable[] = {
                SD_BUS_VTABLE_START(0),
                SD_BUS_METHOD_WITH_ARGS("CreateSession", SD_BUS_ARGS("s", profile, "a{sv}", options),
                                SD_BUS_RESULT("o", session, "s", id), method_create_session,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
                SD_BUS_METHOD_WITH_ARGS("EnsureSession",
                                SD_BUS_ARGS("s", id, "s", config_hash, "s", profile, "a{sv}", options),
                                SD_BUS_RESULT("o", session, "s", state), method_ensure_session,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
                SD_BUS_METHOD_WITH_ARGS("GetSession", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", session),
                                method_get_session, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("ListSessions", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sosss)", sessions),
                                method_list_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", profile, "a{sv}", options),
                                SD_BUS_RESULT("s", plan), method_explain,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
                SD_BUS_METHOD_WITH_ARGS("ListProfiles", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", profiles),
                                method_list_profiles, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Pending", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uusssu)", requests),
                                method_pending, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Approve", SD_BUS_ARGS("u", request), SD_BUS_NO_RESULT,
                                method_approve, SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Deny", SD_BUS_ARGS("u", request), SD_BUS_NO_RESULT, method_deny,
                                SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Lockdown", SD_BUS_ARGS("b", on), SD_BUS_NO_RESULT, method_lockdown,
                                SD_BUS_VTABLE_UNPRIVILEGED),
                SD_BUS_METHOD_WITH_ARGS("Doctor", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", findings),
                                method_doctor, SD_BUS_VTABLE_UNPRIVILEGED),

                SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("LockedDown", "b", get_locked_down, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
                SD_BUS_PROPERTY("Sessions", "u", get_u32, 0, 0),
                SD_BUS_PROPERTY("LandlockAbi", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
                SD_BUS_PROPERTY("Controllers", "as", get_controllers, 0, SD_BUS_VTABLE_PROPERTY_CONST),

                SD_BUS_SIGNAL_WITH_ARGS("SessionNew", SD_BUS_ARGS("s", id, "o", session), 0),
                SD_BUS_SIGNAL_WITH_ARGS("SessionRemoved", SD_BUS_ARGS("s", id, "o", session), 0),
                SD_BUS_SIGNAL_WITH_ARGS("RequestNew", SD_BUS_ARGS("u", request), 0),
                SD_BUS_VTABLE_END,
};

int manager_bus_register(Manager *m) {
        return sd_bus_add_object_vtable(m->bus, NULL, BUS_PATH, MANAGER_INTERFACE, manager_vtable, m);
}
