/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* list, profiles, pending. */

#include <stdio.h>

#include "bus-context.h"
#include "bus-output.h"

static int finish(Context *c, const char *what, int r) {
        if (r < 0)
                c->status = report_errno(what, r == -ENOENT ? -EBADMSG : r, c->o->verbose);
        return r;
}

static const char *state_color(const char *state) {
        return streq(state, "running") ? NULL : streq(state, "frozen") ? "blue" : "yellow";
}

int bus_verb_list(Context *c) {
        static const Column columns[] = {
                { "ID", "id", 0 },
                { "PROFILE", "profile", 0 },
                { "STATE", "state", 0 },
                { "OWNER", "uid", 0 },
                { NULL, "object", COLUMN_JSON_ONLY },
        };
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_table_ Table *t = NULL;
        const char *id, *object, *profile, *state, *owner;
        char user[64];
        uint32_t uid;
        int r;

        r = context_call_simple(c, "list sessions", NULL, "ListSessions", &m);
        if (r < 0)
                return r;
        r = table_new(c->o, columns, ELEMENTSOF(columns), &t);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sosss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sosss)", &id, &object, &profile, &state, &owner)) >
                                         0) {
                table_row(t);
                table_text(t, id);
                table_text(t, profile);
                table_colored(t, state, state_color(state));
                if (parse_u32(owner, &uid) < 0) {
                        r = -EBADMSG;
                        break;
                }
                table_number_as(t, uid, format_user(user, uid, !c->o->host));
                table_text(t, object);
        }
        if (r < 0)
                return finish(c, "list sessions", r);
        output_begin(c->o);
        return finish(c, "list sessions", table_print(t, "session"));
}

int bus_verb_profiles(Context *c) {
        static const Column columns[] = {
                { "NAME", "name", 0 },
                { "ORIGIN", "origin", 0 },
                { "DESCRIPTION", "description", COLUMN_SHORTEN },
        };
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_table_ Table *t = NULL;
        const char *name, *description, *origin;
        int r;

        r = context_call_simple(c, "list profiles", NULL, "ListProfiles", &m);
        if (r < 0)
                return r;
        r = table_new(c->o, columns, ELEMENTSOF(columns), &t);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sss)", &name, &description, &origin)) > 0) {
                table_row(t);
                table_text(t, name);
                table_text(t, origin);
                table_text(t, description);
        }
        if (r < 0)
                return finish(c, "list profiles", r);
        output_begin(c->o);
        return finish(c, "list profiles", table_print(t, "profile"));
}

int bus_verb_pending(Context *c) {
        static const Column columns[] = {
                { "REQUEST", "request", COLUMN_RIGHT },
                { "USER", "uid", 0 },
                { "ACTION", "action", 0 },
                { "LEFT", "left_usec", COLUMN_RIGHT },
                { "MESSAGE", "message", COLUMN_SHORTEN | COLUMN_ESCAPED },
                { NULL, "digest", COLUMN_JSON_ONLY },
        };
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        _cleanup_table_ Table *t = NULL;
        const char *action, *message, *digest;
        uint32_t number, uid, left;
        char user[64], span[64];
        int r;

        r = context_call_simple(c, "list pending requests", NULL, "Pending", &m);
        if (r < 0)
                return r;
        r = table_new(c->o, columns, ELEMENTSOF(columns), &t);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(uusssu)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(uusssu)", &number, &uid, &action, &message, &digest,
                                          &left)) > 0) {
                /* The prefix is the same for all and says nothing to a reader. */
                const char *brief = str_has_prefix(action, "org.openclaw.sandbox1.") && !output_is_json(c->o)
                                                    ? action + strlen("org.openclaw.sandbox1.")
                                                    : action;

                table_row(t);
                table_number(t, number);
                table_number_as(t, uid, format_user(user, uid, !c->o->host));
                table_text(t, brief);
                table_number_as(t, left * USEC_PER_SEC, format_span(span, left * USEC_PER_SEC));
                table_text(t, message);
                table_text(t, digest);
        }
        if (r < 0)
                return finish(c, "list pending requests", r);
        output_begin(c->o);
        return finish(c, "list pending requests", table_print(t, "request"));
}
