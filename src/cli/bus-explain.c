/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* explain: the plan as ocsbd would carry it out, with where each part of it comes from. */

#include <inttypes.h>
#include <stdio.h>

#include "bus-context.h"
#include "bus-output.h"
#include "session-request.h"

static const char *text(const json_t *object, const char *key) {
        const char *s = json_string_value(json_object_get(object, key));

        return s ? s : "";
}

static void title(const char *s) {
        printf("\n%s%s%s\n", output_colors() ? ANSI_BOLD : "", s, output_colors() ? ANSI_RESET : "");
}

static void field(const char *name, const char *value) {
        printf("%14s: %s\n", name, safe_escaped(0, value));
}

/* A list of objects as a table whose columns are named by their keys. */
static int print_list(const Options *o, const json_t *list, const char *heading, const Column *columns,
                size_t n, const char *noun) {
        _cleanup_table_ Table *t = NULL;
        const json_t *e;
        size_t i;
        int r;

        if (json_array_size(list) == 0)
                return 0;
        r = table_new(o, columns, n, &t);
        if (r < 0)
                return r;
        json_array_foreach(list, i, e) {
                table_row(t);
                for (size_t k = 0; k < n; k++)
                        /* The contents of a made file would drown the rest. */
                        table_text(t, !o->full && streq(columns[k].key, "source") &&
                                                                        streq(text(e, "kind"), "file")
                                                        ? "(made; --full shows it)"
                                                        : text(e, columns[k].key));
        }
        title(heading);
        return table_print(t, noun);
}

static const char *format_limit(char buf[static 64], const char *name, const json_t *value) {
        static const char *const sizes[] = { "memory", "swap", "scratch", "fsize" };
        uint64_t v = (uint64_t) json_integer_value(value);

        if (!json_is_integer(value))
                return json_is_string(value) ? json_string_value(value) : "?";
        if (streq(name, "cpu")) {
                (void) snprintf(buf, 64, "%" PRIu64 ".%02" PRIu64 " CPUs", v / USEC_PER_SEC,
                                v % USEC_PER_SEC / 10000);
                return buf;
        }
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                if (streq(name, sizes[i])) {
                        static const char units[] = "BKMGT";
                        size_t u = 0;

                        while (v >= 1024 && v % 1024 == 0 && u + 1 < sizeof(units) - 1) {
                                v /= 1024;
                                u++;
                        }
                        (void) snprintf(buf, 64, "%" PRIu64 "%c", v, units[u]);
                        return buf;
                }
        (void) snprintf(buf, 64, "%" PRIu64, v);
        return buf;
}

static int print_limits(const Options *o, json_t *limits) {
        static const Column columns[] = {
                { "LIMIT", "name", 0 },
                { "VALUE", "value", COLUMN_RIGHT },
                { "FROM", "from", 0 },
        };
        _cleanup_table_ Table *t = NULL;
        const char *name;
        const json_t *v;
        char buf[64];
        int r = table_new(o, columns, ELEMENTSOF(columns), &t);

        if (r < 0)
                return r;
        json_object_foreach(limits, name, v) {
                table_row(t);
                table_text(t, name);
                table_text(t, format_limit(buf, name, json_object_get(v, "value")));
                table_text(t, text(v, "from"));
        }
        title("Limits");
        return table_print(t, "limit");
}

/* Of network "nat", beside the public internet. */
static int print_egress(const Options *o, const json_t *egress) {
        static const Column resolvers[] = { { "RESOLVER", "address", 0 }, { "FROM", "from", COLUMN_ESCAPED } };
        static const Column destinations[] = {
                { "TO", "to", 0 },
                { "PORTS", "ports", 0 },
                { "PROTOCOL", "proto", 0 },
                { "FROM", "from", COLUMN_ESCAPED },
        };
        int r;

        r = print_list(o, json_object_get(egress, "resolvers"), "Resolvers", resolvers, ELEMENTSOF(resolvers), "resolver");
        return r < 0 ? r
                     : print_list(o, json_object_get(egress, "grants"), "Destinations", destinations,
                                       ELEMENTSOF(destinations), "destination");
}

static int print_plan(const Options *o, json_t *plan) {
        static const Column grants[] = {
                { "INSIDE", "target", COLUMN_ESCAPED },
                { "KIND", "kind", 0 },
                { "ACCESS", "access", 0 },
                { "SOURCE", "source", COLUMN_SHORTEN | COLUMN_ESCAPED },
                { "FROM", "from", COLUMN_ESCAPED },
        };
        static const Column denials[] = {
                { "PATH", "path", COLUMN_ESCAPED },
                { "DENIES", "denies", 0 },
                { "REASON", "reason", COLUMN_SHORTEN | COLUMN_ESCAPED },
                { "FROM", "from", COLUMN_ESCAPED },
        };
        static const Column dropped[] = {
                { "PATH", "path", COLUMN_ESCAPED },
                { "REASON", "reason", COLUMN_SHORTEN | COLUMN_ESCAPED },
                { "FROM", "from", COLUMN_ESCAPED },
        };
        static const Column lifted[] = { { "DENIAL", "denial", COLUMN_ESCAPED },
                { "FROM", "from", COLUMN_ESCAPED } };
        static const Column env[] = {
                { "VARIABLE", "name", 0 },
                { "VALUE", "value", COLUMN_SHORTEN | COLUMN_ESCAPED },
                { "FROM", "from", COLUMN_ESCAPED },
        };
        const json_t *e;
        size_t i;
        int r;

        field("Profile", text(plan, "profile"));
        field("Defined in", text(plan, "profile_origin"));
        json_array_foreach(json_object_get(plan, "extends"), i, e)
                        field("Extends", json_string_value(e) ? json_string_value(e) : "");
        field("Ceiling", text(plan, "ceiling"));
        field("Root", text(plan, "root"));
        field("Network", text(plan, "network"));
        field("Host name", text(plan, "hostname"));
        field("Starts in", text(plan, "workdir"));
        field("Digest", text(plan, "digest"));

        r = print_egress(o, json_object_get(plan, "egress"));
        if (r < 0)
                return r;
        r = print_list(o, json_object_get(plan, "mounts"), "Grants", grants, ELEMENTSOF(grants), "grant");
        if (r >= 0)
                r = print_list(o, json_object_get(plan, "denials"), "Denials", denials, ELEMENTSOF(denials),
                                "denial");
        if (r >= 0)
                r = print_list(o, json_object_get(plan, "lifted"), "Denials lifted by the ceiling", lifted,
                                ELEMENTSOF(lifted), "denial");
        if (r >= 0)
                r = print_list(o, json_object_get(plan, "dropped"), "Optional grants left out", dropped,
                                ELEMENTSOF(dropped), "grant");
        if (r >= 0)
                r = print_limits(o, json_object_get(plan, "limits"));
        if (r >= 0)
                r = print_list(o, json_object_get(plan, "env"), "Environment", env, ELEMENTSOF(env),
                                "variable");
        return r;
}

int bus_verb_explain(Context *c) {
        _cleanup_session_request_ SessionRequest request = { .workspace = -EBADF };
        _cleanup_message_unref_ sd_bus_message *m = NULL, *reply = NULL;
        const char *what = "explain", *s;
        json_t *plan;
        int r;

        r = session_request_open(c->o, &request);
        if (r < 0) {
                c->status = STATUS_FAILURE;
                return r;
        }
        r = context_connect(c, what);
        if (r < 0)
                return r;
        r = context_new_call(c, NULL, "Explain", &m);
        if (r >= 0)
                r = append_session_options(m, c->o, &request);
        if (r >= 0) {
                r = context_call(c, what, m, &reply);
                if (r < 0)
                        return r;
                r = sd_bus_message_read(reply, "s", &s);
        }
        if (r < 0) {
                c->status = report_errno(what, r, c->o->verbose);
                return r;
        }
        plan = json_loads(s, 0, NULL);
        if (!json_is_object(plan)) {
                c->status = report_error(what, NULL, "ocsbd's answer is not understood", c->o->verbose);
                json_decref(plan);
                return -EBADMSG;
        }
        if (output_is_json(c->o))
                r = output_json(c->o, plan);
        else {
                output_begin(c->o);
                r = print_plan(c->o, plan);
                json_decref(plan);
        }
        if (r < 0)
                c->status = report_errno(what, r, c->o->verbose);
        return r;
}
