/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus connection of ocsbctl-bus. */

#include "bus-context.h"

#include <stdio.h>

void context_done(Context *c) {
        agent_stop(&c->agent);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

const char *what_session(char buf[static 128], const char *verb, const char *session) {
        (void) snprintf(buf, 128, "%s session '%s'", verb, session);
        return buf;
}

static int failed(Context *c, const char *what, const sd_bus_error *e, int r) {
        c->status = e && sd_bus_error_is_set(e) ? report_error(what, e->name, e->message, c->o->verbose)
                                                : report_errno(what, r, c->o->verbose);
        return r < 0 ? r : -EREMOTEIO;
}

int context_open(Context *c) {
        int r;

        if (c->bus)
                return 0;
        r = c->o->host ? sd_bus_open_system_remote(&c->bus, c->o->host) : sd_bus_open_system(&c->bus);
        /* Only when something is asked does it show whether ssh got through. */
        if (r >= 0 && c->o->host)
                r = sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);
        if (r < 0)
                c->bus = sd_bus_close_unref(c->bus);
        return r < 0 ? r : 0;
}

int context_connect(Context *c, const char *what) {
        char text[300];
        int r = context_open(c);

        if (r >= 0)
                return 0;
        if (!c->o->host)
                return failed(c, what, NULL, r);
        (void) snprintf(text, sizeof(text), "%.200s cannot be reached by ssh, or has no system bus",
                        c->o->host);
        (void) report_error(what, NULL, text, c->o->verbose);
        c->status = STATUS_NOT_RUNNING;
        return r;
}

int context_new_call(Context *c, const char *session, const char *member, sd_bus_message **ret) {
        char path[sizeof(OCSB_SESSION_PATH_PREFIX) + SESSION_ID_MAX];

        (void) snprintf(path, sizeof(path), "%s%s", session ? OCSB_SESSION_PATH_PREFIX : OCSB_ROOT_PATH,
                        session ? session : "");
        return sd_bus_message_new_method_call(c->bus, ret, OCSB_BUS_NAME, path,
                        session ? OCSB_SESSION_INTERFACE : OCSB_MANAGER_INTERFACE, member);
}

int context_new_firewall_call(Context *c, const char *member, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(
                        c->bus, ret, OCSB_BUS_NAME, OCSB_ROOT_PATH, OCSB_FIREWALL_INTERFACE, member);
}

int context_call(Context *c, const char *what, sd_bus_message *m, sd_bus_message **ret) {
        _cleanup_message_unref_ sd_bus_message *again = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(c->bus, m, UINT64_MAX, &error, ret);

        if (r >= 0)
                return 0;
        if (c->o->host || !error_wants_interaction(error.name) || !agent_possible(c->o->no_ask_password) ||
                        agent_start(&c->agent) < 0)
                return failed(c, what, &error, r);

        sd_bus_error_free(&error);
        r = sd_bus_message_new_method_call(c->bus, &again, sd_bus_message_get_destination(m),
                        sd_bus_message_get_path(m), sd_bus_message_get_interface(m),
                        sd_bus_message_get_member(m));
        if (r >= 0)
                r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_copy(again, m, true);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(again, true);
        if (r >= 0)
                r = sd_bus_call(c->bus, again, UINT64_MAX, &error, ret);
        agent_stop(&c->agent);
        return r < 0 ? failed(c, what, &error, r) : 0;
}

int context_call_simple(Context *c, const char *what, const char *session, const char *member,
                sd_bus_message **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_call(c, session, member, &m);
        if (r < 0)
                return failed(c, what, NULL, r);
        return context_call(c, what, m, ret);
}

int context_get_properties(Context *c, const char *session, sd_bus_message **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        char path[sizeof(OCSB_SESSION_PATH_PREFIX) + SESSION_ID_MAX], buf[128];
        const char *what = session ? what_session(buf, "show", session) : "show ocsbd";
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        (void) snprintf(path, sizeof(path), "%s%s", session ? OCSB_SESSION_PATH_PREFIX : OCSB_ROOT_PATH,
                        session ? session : "");
        r = sd_bus_message_new_method_call(
                        c->bus, &m, OCSB_BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", session ? OCSB_SESSION_INTERFACE : OCSB_MANAGER_INTERFACE);
        if (r < 0)
                return failed(c, what, NULL, r);
        return context_call(c, what, m, ret);
}
