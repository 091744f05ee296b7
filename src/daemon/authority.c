/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* polkit is asked by plain D-Bus calls that nobody waits for. Whatever goes wrong on the way (no polkit, an
 * error, a time-out, an answer of another shape) is a no: there is no path from an error to a yes
 * (CVE-2021-3560).
 *
 * A bus lets a connection have 128 calls open. A caller who keeps prompts open must not use them up for the
 * others: questions beyond a share per uid and beyond a total wait here. */

#include "authority.h"

#include <glib.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

static const uint64_t timeouts[] = {
        [AUTHORITY_QUIETLY] = 25 * USEC_PER_SEC,
        [AUTHORITY_BRIEFLY] = 2 * USEC_PER_SEC,
        /* A person reads, thinks, mistypes a password. */
        [AUTHORITY_INTERACTIVELY] = 5 * 60 * USEC_PER_SEC,
};

#define OPEN_MAX_PER_UID 20u
#define OPEN_MAX_TOTAL 100u

#define MANAGER "org.openclaw.Sandbox1.Manager"
#define SESSION "org.openclaw.Sandbox1.Session"
#define FIREWALL "org.openclaw.Sandbox1.Firewall"

/* Each method of our interfaces, once. tests/unit/test-daemon-authority.c compares it with the contract in
 * dbus/. */
static const AuthorityRule rules[] = {
        { MANAGER, "CreateSession", AUTHORITY_CREATE, ACTION_CREATE_SESSION },
        { MANAGER, "EnsureSession", AUTHORITY_CREATE, ACTION_CREATE_SESSION },
        { MANAGER, "GetSession", AUTHORITY_FILTER, ACTION_MANAGE_SESSIONS },
        { MANAGER, "ListSessions", AUTHORITY_FILTER, ACTION_MANAGE_SESSIONS },
        { MANAGER, "Explain", AUTHORITY_ANYBODY, NULL },
        { MANAGER, "ListProfiles", AUTHORITY_ANYBODY, NULL },
        { MANAGER, "Pending", AUTHORITY_FILTER, ACTION_APPROVE_REQUEST },
        { MANAGER, "Approve", AUTHORITY_ACTION, ACTION_APPROVE_REQUEST },
        { MANAGER, "Deny", AUTHORITY_OWNER, ACTION_APPROVE_REQUEST },
        { MANAGER, "Lockdown", AUTHORITY_ACTION, ACTION_LOCKDOWN },
        { MANAGER, "Doctor", AUTHORITY_ANYBODY, NULL },
        { SESSION, "Exec", AUTHORITY_OWNER, ACTION_EXEC },
        { SESSION, "OpenChannel", AUTHORITY_OWNER, ACTION_EXEC },
        { SESSION, "Signal", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Resize", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Freeze", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Thaw", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Terminate", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Remove", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS },
        { SESSION, "Update", AUTHORITY_OWNER, ACTION_MANAGE_SESSIONS }, /* what widens asks for grant-network as well */
        { FIREWALL, "Status", AUTHORITY_FILTER, ACTION_MANAGE_FIREWALL },
        { FIREWALL, "Verify", AUTHORITY_OWNER, ACTION_MANAGE_FIREWALL },
        { FIREWALL, "Allow", AUTHORITY_WIDEN, ACTION_GRANT_NETWORK },
        { FIREWALL, "Revoke", AUTHORITY_OWNER, ACTION_MANAGE_FIREWALL },
        { FIREWALL, "Show", AUTHORITY_ACTION, ACTION_MANAGE_FIREWALL },
        { FIREWALL, "Reload", AUTHORITY_ACTION, ACTION_MANAGE_FIREWALL },
};

const AuthorityRule *authority_rule(const char *interface, const char *member) {
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (streq(rules[i].interface, interface) && streq(rules[i].member, member))
                        return rules + i;
        return NULL;
}

const AuthorityRule *authority_rule_at(size_t index) {
        return index < ELEMENTSOF(rules) ? rules + index : NULL;
}

struct Authority {
        sd_bus *bus;
        uint64_t *generation;
        sd_bus_slot *changed, *owner_changed, *first_owner;
        GQueue waiting;      /* AuthorityCheck* that were not sent yet */
        GHashTable *open;    /* uid → number of questions polkit has not answered */
        unsigned n_open;
        uint64_t last_id;
        int polkit_state;
};

struct AuthorityCheck {
        Authority *authority;
        uid_t uid;
        sd_bus_message *question;
        uint64_t timeout;
        char cancellation_id[32];
        sd_bus_slot *slot; /* set while polkit has the question */
        bool queued;
        AuthorityCallback callback;
        void *userdata;
};

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authority *a = userdata;

        (void) m;
        (void) error;
        (*a->generation)++;
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authority *a = userdata;
        const char *name, *old, *new;

        (void) error;
        if (sd_bus_message_read(m, "sss", &name, &old, &new) >= 0)
                a->polkit_state = new[0] != 0;
        (*a->generation)++;
        return 0;
}

static int on_first_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Authority *a = userdata;
        int owned;

        (void) error;
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "b", &owned) >= 0)
                a->polkit_state = owned;
        return 0;
}

Authority *authority_new(sd_bus *bus, uint64_t *generation) {
        Authority *a = g_new0(Authority, 1);

        a->bus = sd_bus_ref(bus);
        a->generation = generation;
        a->open = g_hash_table_new(g_direct_hash, g_direct_equal);
        a->polkit_state = -1;
        g_queue_init(&a->waiting);
        /* Without these signals nothing is lost but the right to keep an answer, which is not used then. */
        if (sd_bus_match_signal_async(bus, &a->changed, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                            "Changed", on_changed, NULL, a) < 0 ||
                        sd_bus_add_match_async(bus, &a->owner_changed,
                                        "type='signal',sender='org.freedesktop.DBus',"
                                        "path='/org/freedesktop/DBus',"
                                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                        "arg0='" POLKIT_NAME "'",
                                        on_owner_changed, NULL, a) < 0 ||
                        sd_bus_call_method_async(bus, &a->first_owner, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                        on_first_owner, a, "s", POLKIT_NAME) < 0)
                log_warning("Failed to watch polkit");
        return a;
}

Authority *authority_free(Authority *a) {
        if (!a)
                return NULL;
        assert(a->n_open == 0 && g_queue_is_empty(&a->waiting));
        sd_bus_slot_unref(a->changed);
        sd_bus_slot_unref(a->owner_changed);
        sd_bus_slot_unref(a->first_owner);
        g_hash_table_unref(a->open);
        sd_bus_unref(a->bus);
        g_free(a);
        return NULL;
}

int authority_polkit_state(const Authority *a) {
        return a->polkit_state;
}

static unsigned open_of(Authority *a, uid_t uid) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(a->open, GUINT_TO_POINTER(uid)));
}

static void set_open(Authority *a, uid_t uid, unsigned n) {
        if (n == 0)
                g_hash_table_remove(a->open, GUINT_TO_POINTER(uid));
        else
                g_hash_table_insert(a->open, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(n));
}

AuthorityAnswer authority_parse_answer(sd_bus_message *m, const char **ret_text) {
        const char *key, *value;
        bool dismissed = false;
        int yes, challenge, r;

        *ret_text = "polkit's answer is not understood";
        if (!sd_bus_message_has_signature(m, "(bba{ss})"))
                return AUTHORITY_UNKNOWN;
        if (sd_bus_message_enter_container(m, 'r', "bba{ss}") < 0 ||
                        sd_bus_message_read(m, "bb", &yes, &challenge) < 0 ||
                        sd_bus_message_enter_container(m, 'a', "{ss}") < 0)
                return AUTHORITY_UNKNOWN;
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
                if (streq(key, "polkit.dismissed"))
                        dismissed = true;
        if (r < 0 || (yes && (challenge || dismissed)))
                return AUTHORITY_UNKNOWN;
        *ret_text = NULL;
        return yes         ? AUTHORITY_YES
               : dismissed ? AUTHORITY_DISMISSED
               : challenge ? AUTHORITY_CHALLENGE
                           : AUTHORITY_NO;
}

static const char *error_text(const sd_bus_error *e) {
        if (sd_bus_error_has_names(e, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return "polkit is not running";
        if (sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
                            "org.freedesktop.DBus.Error.TimedOut"))
                return "polkit did not answer";
        return "polkit refused the question";
}

static void check_start_waiting(Authority *a);

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        AuthorityCheck *c = userdata;
        Authority *a = c->authority;
        AuthorityCallback callback = c->callback;
        void *callback_userdata = c->userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *text = NULL;
        AuthorityAnswer answer;

        (void) error;

        if (e) {
                answer = AUTHORITY_UNKNOWN;
                text = error_text(e);
                log_debug("polkit answered with %s: %s", e->name, e->message ? e->message : "");
                if (streq(text, "polkit is not running"))
                        a->polkit_state = 0;
        } else {
                answer = authority_parse_answer(m, &text);
                a->polkit_state = 1;
        }

        /* Answered: nothing is left to cancel. */
        c->slot = sd_bus_slot_unref(c->slot);
        set_open(a, c->uid, open_of(a, c->uid) - 1);
        a->n_open--;
        callback(answer, text, callback_userdata);
        check_start_waiting(a);
        return 0;
}

static int check_send(AuthorityCheck *c) {
        Authority *a = c->authority;
        int r;

        r = sd_bus_call_async(a->bus, &c->slot, c->question, on_answer, c, c->timeout);
        c->question = sd_bus_message_unref(c->question);
        if (r < 0)
                return r;
        set_open(a, c->uid, open_of(a, c->uid) + 1);
        a->n_open++;
        return 0;
}

static bool may_send(Authority *a, uid_t uid) {
        return a->n_open < OPEN_MAX_TOTAL && open_of(a, uid) < OPEN_MAX_PER_UID;
}

static void check_start_waiting(Authority *a) {
        for (GList *l = a->waiting.head, *next; l; l = next) {
                AuthorityCheck *c = l->data;

                next = l->next;
                if (a->n_open >= OPEN_MAX_TOTAL)
                        return;
                if (!may_send(a, c->uid))
                        continue;
                g_queue_delete_link(&a->waiting, l);
                c->queued = false;
                if (check_send(c) < 0) {
                        c->callback(AUTHORITY_UNKNOWN, "polkit cannot be asked", c->userdata);
                        return; /* the list may have changed; the next answer comes back here */
                }
        }
}

static int build_question(Authority *a, const char *sender, const char *action, char *const *details,
                bool interactive, const char *cancellation_id, sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        a->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender, action);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (char *const *d = details; r >= 0 && d && *d; d += 2)
                r = sd_bus_message_append(m, "{ss}", d[0], d[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", (uint32_t) interactive, cancellation_id);
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        *ret = m;
        return 0;
}

int authority_check(Authority *a, const char *sender, uid_t uid, const char *action, char *const *details,
                AuthorityManner manner, AuthorityCallback callback, void *userdata, AuthorityCheck **ret) {
        AuthorityCheck *c = g_new0(AuthorityCheck, 1);
        int r;

        c->authority = a;
        c->uid = uid;
        c->timeout = timeouts[manner];
        c->callback = callback;
        c->userdata = userdata;
        (void) snprintf(c->cancellation_id, sizeof(c->cancellation_id), "ocsbd-%" PRIu64, ++a->last_id);
        r = build_question(a, sender, action, details, manner == AUTHORITY_INTERACTIVELY, c->cancellation_id, &c->question);
        if (r >= 0) {
                if (may_send(a, uid))
                        r = check_send(c);
                else {
                        g_queue_push_tail(&a->waiting, c);
                        c->queued = true;
                }
        }
        if (r < 0) {
                authority_check_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

AuthorityCheck *authority_check_free(AuthorityCheck *c) {
        Authority *a;

        if (!c)
                return NULL;
        a = c->authority;
        if (c->queued)
                g_queue_remove(&a->waiting, c);
        if (c->slot) {
                /* No answer is wanted, not even to this. */
                (void) sd_bus_call_method_async(a->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                "CancelCheckAuthorization", NULL, NULL, "s", c->cancellation_id);
                sd_bus_slot_unref(c->slot);
                set_open(a, c->uid, open_of(a, c->uid) - 1);
                a->n_open--;
                check_start_waiting(a);
        }
        sd_bus_message_unref(c->question);
        g_free(c);
        return NULL;
}
