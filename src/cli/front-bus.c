/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the static program says on the bus: CreateSession, OpenChannel, Terminate. */

#include <stdio.h>

#include "agent.h"
#include "base/fd.h"
#include "front.h"
#include "report.h"

void bus_done(Bus *b) {
        if (b->connected)
                dbus_client_done(&b->client);
        *b = BUS_NONE;
}

int bus_call(Bus *b, const Options *o, const char *what, DbusCall call, DbusReply *ret) {
        _cleanup_agent_ Agent agent = {};
        int r;

        if (!b->connected) {
                r = dbus_client_connect(NULL, &b->client);
                if (r < 0) {
                        (void) report_errno(what, r, o->verbose);
                        return r;
                }
                b->connected = true;
        }
        for (unsigned attempt = 0;; attempt++) {
                _cleanup_dbus_reply_ DbusReply reply = {};
                const char *text = NULL;

                r = dbus_client_call(&b->client, &call, &reply);
                if (r < 0) {
                        (void) report_error(what, "org.freedesktop.DBus.Error.Disconnected", strerror(-r),
                                        o->verbose);
                        return r;
                }
                if (r == 0) {
                        *ret = reply;
                        reply = (DbusReply) {};
                        return 0;
                }
                /* The first time nobody is asked: the agent costs more than everything else here, and is
                 * seldom needed. The request that ocsbd has put down as pending meanwhile is answered by the
                 * second call. */
                if (attempt == 0 && error_wants_interaction(reply.message.error_name) &&
                                agent_possible(o->no_ask_password) && agent_start(&agent) >= 0) {
                        call.flags |= DBUS_ALLOW_INTERACTIVE_AUTHORIZATION;
                        continue;
                }
                if (str_has_prefix(reply.message.signature, "s")) {
                        DbusReader reader = DBUS_READER(&reply.message);

                        text = dbus_get_string(&reader);
                }
                (void) report_error(what, reply.message.error_name, text, o->verbose);
                return -EREMOTEIO;
        }
}

/* One entry of a{sv}; the value follows. */
static void entry(DbusWriter *w, const char *key, const char *signature) {
        dbus_align(w, 8);
        dbus_put_string(w, key);
        dbus_put_signature(w, signature);
}

static void entry_string(DbusWriter *w, const char *key, const char *value) {
        if (!value)
                return;
        entry(w, key, "s");
        dbus_put_string(w, value);
}

static void entry_bytes(DbusWriter *w, const char *key, const char *value) {
        if (!value)
                return;
        entry(w, key, "ay");
        dbus_put_byte_string(w, value, strlen(value));
}

static void entry_strings(DbusWriter *w, const char *key, const StringList *l) {
        DbusArray a;

        if (l->n == 0)
                return;
        entry(w, key, "aay");
        a = dbus_array_begin(w, 4);
        for (size_t i = 0; i < l->n; i++)
                dbus_put_byte_string(w, l->items[i], strlen(l->items[i]));
        dbus_array_end(w, a);
}

static void entry_usec(DbusWriter *w, const char *key, uint64_t value) {
        if (value == 0)
                return;
        entry(w, key, "t");
        dbus_put_u64(w, value);
}

static void entry_network(DbusWriter *w, const Options *o) {
        DbusArray list, one;

        if (o->dns.n > 0 || o->no_dns) {
                entry(w, "dns", "as");
                list = dbus_array_begin(w, 4);
                for (size_t i = 0; i < o->dns.n; i++)
                        dbus_put_string(w, o->dns.items[i]);
                dbus_array_end(w, list);
        }
        if (o->n_allow == 0)
                return;
        entry(w, "allow", "aa{sv}");
        list = dbus_array_begin(w, 4);
        for (size_t i = 0; i < o->n_allow; i++) {
                one = dbus_array_begin(w, 8);
                entry_string(w, "to", o->allow[i].to);
                entry_string(w, "ports", o->allow[i].ports);
                entry_string(w, "proto", o->allow[i].proto);
                dbus_array_end(w, one);
        }
        dbus_array_end(w, list);
}

size_t session_request_fds(const SessionRequest *r, int ret[static DBUS_FDS_MAX]) {
        size_t n = 0;

        if (r->workspace >= 0)
                ret[n++] = r->workspace;
        for (size_t i = 0; i < r->n_binds; i++)
                ret[n++] = r->binds[i];
        return n;
}

void session_options_encode(DbusWriter *w, const Options *o, const SessionRequest *r, uint64_t idle_usec) {
        uint32_t fd = 0;
        DbusArray all, a;

        dbus_put_string(w, r->profile);
        all = dbus_array_begin(w, 8);
        entry_string(w, "id", o->name);
        if (r->workspace >= 0) {
                entry(w, "workspace", "h");
                dbus_put_u32(w, fd++);
                entry_string(w, "workspace-access", o->ro ? "ro" : NULL);
        }
        entry_bytes(w, "workspace-path", o->workspace_path);
        /* exec's --workdir is the exec's. */
        entry_bytes(w, "workdir", o->workdir);
        if (r->n_binds > 0) {
                entry(w, "grants", "a(hays)");
                a = dbus_array_begin(w, 8);
                for (size_t i = 0; i < r->n_binds; i++) {
                        dbus_align(w, 8);
                        dbus_put_u32(w, fd++);
                        dbus_put_byte_string(w, o->binds[i].target, strlen(o->binds[i].target));
                        dbus_put_string(w, o->binds[i].access);
                }
                dbus_array_end(w, a);
        }
        entry_strings(w, "deny", &o->deny);
        entry_strings(w, "deny-write", &o->deny_write);
        entry_string(w, "hostname", o->hostname);
        if (o->limits_set) {
                entry(w, "limits", "a{st}");
                a = dbus_array_begin(w, 8);
                for (Limit l = 0; l < _LIMIT_MAX; l++)
                        if (o->limits_set & (UINT32_C(1) << l)) {
                                dbus_align(w, 8);
                                dbus_put_string(w, limit_to_string(l));
                                dbus_put_u64(w, o->limits[l]);
                        }
                dbus_array_end(w, a);
        }
        entry_usec(w, "idle-usec", o->idle_usec ? o->idle_usec : idle_usec);
        entry_usec(w, "max-age-usec", o->age_usec);
        entry_string(w, "network", o->network);
        entry_network(w, o);
        if (r->profile_data) {
                entry(w, "profile-data", "ay");
                dbus_put_byte_string(w, r->profile_data, r->profile_data_len);
        }
        dbus_array_end(w, all);
}

int create_session(Bus *b, const Options *o, uint64_t idle_usec, char ret_id[static SESSION_ID_MAX + 1]) {
        _cleanup_session_request_ SessionRequest request = { .workspace = -EBADF };
        _cleanup_dbus_writer_ DbusWriter body = {};
        _cleanup_dbus_reply_ DbusReply reply = {};
        int fds[DBUS_FDS_MAX], r;
        DbusReader reader;
        const char *id;

        r = session_request_open(o, &request);
        if (r < 0)
                return r;
        session_options_encode(&body, o, &request, idle_usec);
        r = bus_call(b, o, "create session",
                        (DbusCall) { .destination = OCSB_BUS_NAME,
                                        .path = OCSB_ROOT_PATH,
                                        .interface = OCSB_MANAGER_INTERFACE,
                                        .member = "CreateSession",
                                        .signature = "sa{sv}",
                                        .body = &body,
                                        .fds = fds,
                                        .n_fds = session_request_fds(&request, fds) },
                        &reply);
        if (r < 0)
                return r;
        reader = DBUS_READER(&reply.message);
        (void) dbus_get_string(&reader);
        id = dbus_get_string(&reader);
        if (!streq(reply.message.signature, "os") || !id || !session_id_valid(id)) {
                (void) report_error("create session", NULL, "ocsbd's answer is not understood", o->verbose);
                return -EBADMSG;
        }
        strcpy(ret_id, id);
        return 0;
}

void terminate_session(Bus *b, const Options *o, const char *id, bool wait) {
        char path[sizeof(OCSB_SESSION_PATH_PREFIX) + SESSION_ID_MAX];
        const DbusCall call = { .destination = OCSB_BUS_NAME,
                .path = path,
                .interface = OCSB_SESSION_INTERFACE,
                .member = "Terminate" };
        _cleanup_dbus_reply_ DbusReply reply = {};

        (void) snprintf(path, sizeof(path), "%s%s", OCSB_SESSION_PATH_PREFIX, id);
        if (wait)
                (void) bus_call(b, o, "remove session", call, &reply);
        else if (b->connected)
                (void) dbus_client_send(&b->client, &call);
}
