/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* firewall: what sessions with network "nat" reach. */

#include <inttypes.h>
#include <stdio.h>

#include "bus-context.h"
#include "bus-json.h"
#include "bus-output.h"

static int failed(Context *c, const char *what, int r) {
        c->status = report_errno(what, r == -ENOENT ? -EBADMSG : r, c->o->verbose);
        return r;
}

static const char *text(const json_t *object, const char *key) {
        const char *s = json_string_value(json_object_get(object, key));

        return s ? s : "";
}

static uint64_t number(const json_t *object, const char *key) {
        return (uint64_t) json_integer_value(json_object_get(object, key));
}

/* status */

static uint64_t packets(const json_t *session, const char *counter) {
        return (uint64_t) json_integer_value(
                        json_array_get(json_object_get(json_object_get(session, "counters"), counter), 0));
}

static uint64_t dropped(const json_t *session) {
        static const char *const reasons[] = { "spoofed", "resolver", "private", "host", "protocol", "inbound" };
        uint64_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                n += packets(session, reasons[i]);
        return n;
}

static int print_sessions(const Options *o, const json_t *sessions) {
        static const Column columns[] = {
                { "SESSION", "session", 0 },
                { "OWNER", "uid", 0 },
                { "INTERFACE", "interface", 0 },
                { "IPV4", "ipv4", 0 },
                { "IPV6", "ipv6", 0 },
                { "ALLOWED", "allowed", COLUMN_RIGHT },
                { "GRANTED", "granted", COLUMN_RIGHT },
                { "DNS", "dns", COLUMN_RIGHT },
                { "DROPPED", "dropped", COLUMN_RIGHT },
        };
        _cleanup_table_ Table *t = NULL;
        const json_t *s;
        char user[64];
        size_t i;
        int r = table_new(o, columns, ELEMENTSOF(columns), &t);

        if (r < 0)
                return r;
        json_array_foreach(sessions, i, s) {
                table_row(t);
                table_text(t, text(s, "session"));
                table_number_as(t, number(s, "uid"), format_user(user, (uint32_t) number(s, "uid"), !o->host));
                table_text(t, text(s, "interface"));
                table_text(t, text(s, "ipv4"));
                table_text(t, *text(s, "ipv6") ? text(s, "ipv6") : "-");
                table_number(t, packets(s, "allowed"));
                table_number(t, packets(s, "granted"));
                table_number(t, packets(s, "dns"));
                table_number(t, dropped(s));
        }
        return table_print(t, "session");
}

static int print_grants(const Options *o, const json_t *sessions) {
        static const Column columns[] = {
                { "SESSION", "session", 0 },
                { "GRANT", "id", COLUMN_RIGHT },
                { "TO", "to", 0 },
                { "PORTS", "ports", 0 },
                { "PROTOCOL", "proto", 0 },
                { "UNTIL", "until_usec", 0 },
        };
        _cleanup_table_ Table *t = NULL;
        const json_t *s, *g;
        size_t i, k, n = 0;
        char until[64];
        int r = table_new(o, columns, ELEMENTSOF(columns), &t);

        if (r < 0)
                return r;
        json_array_foreach(sessions, i, s) json_array_foreach(json_object_get(s, "grants"), k, g) {
                table_row(t);
                table_text(t, text(s, "session"));
                table_number(t, number(g, "id"));
                table_text(t, text(g, "to"));
                table_text(t, *text(g, "ports") ? text(g, "ports") : "-");
                table_text(t, text(g, "proto"));
                table_text(t, json_object_get(g, "until-usec") ? format_time(until, number(g, "until-usec"))
                                                               : "the session's end");
                n++;
        }
        if (n == 0)
                return 0;
        putchar('\n');
        return table_print(t, "grant");
}

static void print_problems(const char *problems) {
        bool colors = output_colors();

        for (const char *line = problems; *line;) {
                size_t n = strcspn(line, "\n");
                _cleanup_free_ char *one = strndup(line, n);

                if (one && n > 0)
                        printf("%s!%s %s\n", colors ? ANSI_YELLOW : "", colors ? ANSI_RESET : "", safe(0, one));
                line += n + (line[n] == '\n');
        }
}

static int print_status(const Options *o, const json_t *status) {
        bool active = json_is_true(json_object_get(status, "active"));
        bool locked = json_is_true(json_object_get(status, "lockdown"));
        bool colors = output_colors();
        int r;

        printf("%s●%s Firewall: %s%s\n", colors ? (active && !locked ? ANSI_GREEN : ANSI_YELLOW) : "",
                        colors ? ANSI_RESET : "", active ? "active" : "not active", locked ? ", locked down" : "");
        print_problems(text(status, "problems"));
        if (!active)
                return 0;
        printf("       IPv6: %s\n", json_is_true(json_object_get(status, "ipv6")) ? "yes" : "no");
        printf("      Pools: %s, %s\n", safe(0, text(status, "pool-ipv4")), safe(1, text(status, "pool-ipv6")));
        printf("    Repairs: %" PRIu64 "\n\n", number(status, "repairs"));
        r = print_sessions(o, json_object_get(status, "sessions"));
        return r < 0 ? r : print_grants(o, json_object_get(status, "sessions"));
}

static int status(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "show the firewall";
        json_t *object = NULL;
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Status", &m);
        if (r < 0)
                return failed(c, what, r);
        r = context_call(c, what, m, &reply);
        if (r < 0)
                return r;
        r = message_to_json(reply, &object);
        if (r < 0)
                return failed(c, what, r);
        if (output_is_json(c->o))
                r = output_json(c->o, object);
        else {
                output_begin(c->o);
                r = print_status(c->o, object);
                json_decref(object);
        }
        return r < 0 ? failed(c, what, r) : 0;
}

/* verify */

static int append_endpoints(sd_bus_message *m, const char *key, const StringList *l) {
        int r;

        if (l->n == 0)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, l->items);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int print_rows(Context *c, sd_bus_message *m, size_t *ret_bad, size_t *ret_all) {
        static const Column columns[] = {
                { "TARGET", "target", 0 },
                { "WHAT", "what", COLUMN_SHORTEN },
                { "FENCE", "fence", 0 },
                { "EXPECTED", "expected", 0 },
                { "SEEN", "seen", 0 },
                { "RESULT", "result", 0 },
        };
        _cleanup_table_ Table *t = NULL;
        const char *target, *what, *fence, *expected, *seen;
        int ok, r = table_new(c->o, columns, ELEMENTSOF(columns), &t);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sssssb)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sssssb)", &target, &what, &fence, &expected, &seen, &ok)) > 0) {
                (*ret_all)++;
                *ret_bad += !ok;
                if (ok && c->o->quiet)
                        continue;
                table_row(t);
                table_text(t, target);
                table_text(t, what);
                table_text(t, fence);
                table_text(t, expected);
                table_text(t, seen);
                table_colored(t, ok ? "ok" : "FAILED", ok ? "green" : "red");
        }
        if (r < 0)
                return r;
        output_begin(c->o);
        return table_print(t, "row");
}

static int verify(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "verify the firewall";
        size_t bad = 0, all = 0;
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Verify", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->o->n_args > 1 ? c->o->args[1] : "");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_endpoints(m, "internet", &c->o->internet);
        if (r >= 0)
                r = append_endpoints(m, "llm", &c->o->llm);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return failed(c, what, r);
        r = context_call(c, what, m, &reply);
        if (r < 0)
                return r;
        r = print_rows(c, reply, &bad, &all);
        if (r < 0)
                return failed(c, what, r);
        if (!output_is_json(c->o) && !c->o->quiet && bad == 0)
                printf("All %zu are as expected.\n", all);
        if (bad > 0) {
                if (!output_is_json(c->o))
                        printf("%zu of %zu are not as expected.\n", bad, all);
                c->status = STATUS_FAILURE;
                return -EIO;
        }
        return 0;
}

/* allow, revoke, show, reload */

static int allow(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "open the destination";
        uint32_t id;
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Allow", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->o->args[1]);
        if (r >= 0)
                r = append_destination(m, &c->o->destination, c->o->for_usec);
        if (r < 0)
                return failed(c, what, r);
        r = context_call(c, what, m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "u", &id);
        if (r < 0)
                return failed(c, what, r);
        if (output_is_json(c->o))
                return output_json(c->o, json_pack("{s:i}", "id", (int) id));
        if (!c->o->quiet)
                printf("%" PRIu32 "\n", id);
        return 0;
}

static int revoke_grant(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "close the destination";
        uint32_t id;
        int r = context_connect(c, what);

        if (r >= 0)
                r = parse_u32(c->o->args[2], &id);
        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Revoke", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", c->o->args[1], id);
        return r < 0 ? failed(c, what, r) : context_call(c, what, m, &reply);
}

static int show(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "show the rules", *rules;
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Show", &m);
        if (r < 0)
                return failed(c, what, r);
        r = context_call(c, what, m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "s", &rules);
        if (r < 0)
                return failed(c, what, r);
        if (output_is_json(c->o))
                return output_json(c->o, json_pack("{s:s}", "rules", rules));
        output_begin(c->o);
        /* Lines of their own, with tabs; nothing in them is a caller's. */
        for (const char *line = rules; *line;) {
                size_t n = strcspn(line, "\n"), indent = strspn(line, "\t ");
                _cleanup_free_ char *one = strndup(line + MIN(indent, n), n - MIN(indent, n));

                printf("%.*s%s\n", (int) MIN(indent, n), line, one ? safe_escaped(0, one) : "");
                line += n + (line[n] == '\n');
        }
        return 0;
}

static int reload(Context *c) {
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "reload the firewall";
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = context_new_firewall_call(c, "Reload", &m);
        return r < 0 ? failed(c, what, r) : context_call(c, what, m, &reply);
}

int bus_verb_firewall(Context *c) {
        static const VerbFunction functions[_FIREWALL_VERB_MAX] = {
                [FIREWALL_STATUS] = status, [FIREWALL_VERIFY] = verify, [FIREWALL_ALLOW] = allow,
                [FIREWALL_REVOKE] = revoke_grant, [FIREWALL_SHOW] = show, [FIREWALL_RELOAD] = reload,
        };

        return functions[c->o->firewall](c);
}
