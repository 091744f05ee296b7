/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verbs that change something and print nothing: rm, freeze, thaw, kill, approve, deny, lockdown; and
 * create, which prints an id. */

#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "bus-context.h"
#include "bus-output.h"
#include "session-request.h"

static int failed(Context *c, const char *what, int r) {
        c->status = report_errno(what, r == -ENOENT ? -EBADMSG : r, c->o->verbose);
        return r;
}

int bus_verb_control(Context *c) {
        const char *member = c->o->verb == VERB_RM       ? "Terminate"
                             : c->o->verb == VERB_FREEZE ? "Freeze"
                                                         : "Thaw";
        const char *word = c->o->verb == VERB_RM ? "remove" : c->o->verb == VERB_FREEZE ? "freeze" : "thaw";
        char buf[128];
        int result = 0;

        /* Each is tried, whatever becomes of the others. */
        for (int i = 0; i < c->o->n_args; i++) {
                _cleanup_message_unref_ sd_bus_message *reply = NULL;
                int r = context_call_simple(
                                c, what_session(buf, word, c->o->args[i]), c->o->args[i], member, &reply);

                if (r < 0)
                        result = r;
        }
        return result;
}

static int signal_one(Context *c, const char *session, uint32_t exec_id, int sig) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        char what[128];
        int r;

        (void) snprintf(what, sizeof(what), "signal command %u of session '%s'", exec_id, session);
        r = context_connect(c, what);
        if (r < 0)
                return r;
        r = context_new_call(c, session, "Signal", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ui", exec_id, sig);
        if (r < 0)
                return failed(c, what, r);
        return context_call(c, what, m, &reply);
}

/* Calls fn for each running command. */
static int signal_all(Context *c, const char *session, int sig) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        const uint32_t *ids = NULL;
        size_t n = 0;
        const char *key;
        char buf[128];
        int r, result = 0;

        r = context_get_properties(c, session, &m);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        break;
                if (!streq(key, "Execs"))
                        r = sd_bus_message_skip(m, "v");
                else {
                        const void *p = NULL;
                        size_t size = 0;

                        r = sd_bus_message_enter_container(m, 'v', "au");
                        if (r >= 0)
                                r = sd_bus_message_read_array(m, 'u', &p, &size);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                        ids = p;
                        n = size / sizeof(uint32_t);
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return failed(c, what_session(buf, "signal", session), r);
        if (n == 0 && !c->o->quiet)
                fprintf(stderr, "Nothing runs in session '%s'.\n", session);
        for (size_t i = 0; i < n; i++) {
                r = signal_one(c, session, ids[i], sig);
                if (r < 0)
                        result = r;
        }
        return result;
}

int bus_verb_kill(Context *c) {
        int sig = c->o->signal ? c->o->signal : SIGKILL, result = 0;

        if (c->o->n_args == 1)
                return signal_all(c, c->o->args[0], sig);
        for (int i = 1; i < c->o->n_args; i++) {
                uint32_t id;
                int r = parse_u32(c->o->args[i], &id);

                if (r >= 0)
                        r = signal_one(c, c->o->args[0], id, sig);
                if (r < 0)
                        result = r;
        }
        return result;
}

int bus_verb_answer(Context *c) {
        const char *member = c->o->verb == VERB_APPROVE ? "Approve" : "Deny";
        int result = 0;

        for (int i = 0; i < c->o->n_args; i++) {
                _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
                char what[64];
                uint32_t number;
                int r = parse_u32(c->o->args[i], &number);

                (void) snprintf(what, sizeof(what), "%s request %s", verb_table[c->o->verb].name,
                                c->o->args[i]);
                if (r >= 0)
                        r = context_connect(c, what);
                if (r < 0)
                        return r;
                r = context_new_call(c, NULL, member, &m);
                if (r >= 0)
                        r = sd_bus_message_append(m, "u", number);
                r = r < 0 ? failed(c, what, r) : context_call(c, what, m, &reply);
                if (r < 0)
                        result = r;
        }
        return result;
}

int bus_verb_lockdown(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const bool on = streq(c->o->args[0], "on");
        const char *what = on ? "lock down" : "end the lockdown";
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_call(c, NULL, "Lockdown", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", (int) on);
        return r < 0 ? failed(c, what, r) : context_call(c, what, m, &reply);
}

static int append_string(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

static int append_usec(sd_bus_message *m, const char *key, uint64_t value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "t", value) : 0;
}

/* Opens {sv} down to the variant's contents. */
static int open_entry(sd_bus_message *m, const char *key, const char *contents) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', contents);
}

static int close_entry(sd_bus_message *m, int r) {
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_bytes(sd_bus_message *m, const char *key, const void *data, size_t n) {
        int r;

        if (!data)
                return 0;
        r = open_entry(m, key, "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', data, n);
        return close_entry(m, r);
}

static int append_path(sd_bus_message *m, const char *key, const char *path) {
        return append_bytes(m, key, path, path ? strlen(path) : 0);
}

static int append_list(sd_bus_message *m, const char *key, const StringList *l) {
        int r;

        if (l->n == 0)
                return 0;
        r = open_entry(m, key, "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (size_t i = 0; r >= 0 && i < l->n; i++)
                r = sd_bus_message_append_array(m, 'y', l->items[i], strlen(l->items[i]));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return close_entry(m, r);
}

static int append_grants(sd_bus_message *m, const Options *o, const SessionRequest *request) {
        int r;

        if (request->n_binds == 0)
                return 0;
        r = open_entry(m, "grants", "a(hays)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(hays)");
        for (size_t i = 0; r >= 0 && i < request->n_binds; i++) {
                r = sd_bus_message_open_container(m, 'r', "hays");
                if (r >= 0)
                        r = sd_bus_message_append(m, "h", request->binds[i]);
                if (r >= 0)
                        r = sd_bus_message_append_array(
                                        m, 'y', o->binds[i].target, strlen(o->binds[i].target));
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", o->binds[i].access);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return close_entry(m, r);
}

static int append_limits(sd_bus_message *m, const Options *o) {
        int r;

        if (!o->limits_set)
                return 0;
        r = open_entry(m, "limits", "a{st}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{st}");
        for (Limit l = 0; r >= 0 && l < _LIMIT_MAX; l++)
                if (o->limits_set & (UINT32_C(1) << l))
                        r = sd_bus_message_append(m, "{st}", limit_to_string(l), o->limits[l]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return close_entry(m, r);
}

static int append_dns(sd_bus_message *m, const Options *o) {
        int r;

        if (o->dns.n == 0 && !o->no_dns)
                return 0;
        r = open_entry(m, "dns", "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, o->dns.items);
        return close_entry(m, r);
}

static int append_allow(sd_bus_message *m, const Options *o) {
        int r;

        if (o->n_allow == 0)
                return 0;
        r = open_entry(m, "allow", "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < o->n_allow; i++)
                r = append_destination(m, o->allow + i, 0);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return close_entry(m, r);
}

int append_destination(sd_bus_message *m, const DestinationOption *d, uint64_t for_usec) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = append_string(m, "to", d->to);
        if (r >= 0)
                r = append_string(m, "ports", d->ports);
        if (r >= 0)
                r = append_string(m, "proto", d->proto);
        if (r >= 0)
                r = append_usec(m, "for-usec", for_usec);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* The same as session_options_encode() of the static program, in the same order; a test compares them. */
int append_session_options(sd_bus_message *m, const Options *o, const SessionRequest *request) {
        int r = sd_bus_message_append(m, "s", request->profile);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_string(m, "id", o->name);
        if (r >= 0 && request->workspace >= 0)
                r = sd_bus_message_append(m, "{sv}", "workspace", "h", request->workspace);
        if (r >= 0 && request->workspace >= 0 && o->ro)
                r = append_string(m, "workspace-access", "ro");
        if (r >= 0)
                r = append_path(m, "workspace-path", o->workspace_path);
        if (r >= 0)
                r = append_path(m, "workdir", o->workdir);
        if (r >= 0)
                r = append_grants(m, o, request);
        if (r >= 0)
                r = append_list(m, "deny", &o->deny);
        if (r >= 0)
                r = append_list(m, "deny-write", &o->deny_write);
        /* run sets variables of its command only; here there is none, so they are the session's. */
        if (r >= 0)
                r = append_list(m, "env", &o->env);
        if (r >= 0)
                r = append_string(m, "hostname", o->hostname);
        if (r >= 0)
                r = append_limits(m, o);
        if (r >= 0)
                r = append_usec(m, "idle-usec", o->idle_usec);
        if (r >= 0)
                r = append_usec(m, "max-age-usec", o->age_usec);
        if (r >= 0)
                r = append_string(m, "network", o->network);
        if (r >= 0)
                r = append_dns(m, o);
        if (r >= 0)
                r = append_allow(m, o);
        if (r >= 0)
                r = append_bytes(m, "profile-data", request->profile_data, request->profile_data_len);
        if (r >= 0)
                r = append_string(m, "plan-digest", o->plan_digest);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int bus_verb_create(Context *c) {
        _cleanup_session_request_ SessionRequest request = { .workspace = -EBADF };
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "create session", *object, *id;
        int r;

        r = session_request_open(c->o, &request);
        if (r < 0) {
                c->status = STATUS_FAILURE;
                return r;
        }
        r = context_connect(c, what);
        if (r < 0)
                return r;
        r = context_new_call(c, NULL, "CreateSession", &m);
        if (r >= 0)
                r = append_session_options(m, c->o, &request);
        if (r < 0)
                return failed(c, what, r);
        r = context_call(c, what, m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "os", &object, &id);
        if (r < 0)
                return failed(c, what, r);
        if (output_is_json(c->o)) {
                r = output_json(c->o, json_pack("{s:s, s:s}", "id", id, "object", object));
                return r < 0 ? failed(c, what, r) : 0;
        }
        if (!c->o->quiet)
                printf("%s\n", safe(0, id));
        return 0;
}
