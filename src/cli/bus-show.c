/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* show: properties as they are on the bus, NAME=value as systemctl show prints them, or JSON. status: the
 * same for people. */

#include <inttypes.h>
#include <stdio.h>

#include "bus-context.h"
#include "bus-json.h"
#include "bus-output.h"

static int failed(Context *c, const char *what, int r) {
        c->status = report_errno(what, r == -ENOENT ? -EBADMSG : r, c->o->verbose);
        return r;
}

static int get_properties(Context *c, const char *session, json_t **ret) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        json_t *plan;
        int r = context_get_properties(c, session, &m);

        if (r < 0)
                return r;
        r = message_to_json(m, ret);
        if (r < 0)
                return failed(c, "read properties", r);
        /* The plan is JSON already. */
        plan = json_object_get(*ret, "Plan");
        if (plan && output_is_json(c->o)) {
                json_t *parsed = json_loads(json_string_value(plan), 0, NULL);

                if (parsed && json_object_set_new(*ret, "Plan", parsed) < 0)
                        return failed(c, "read properties", -ENOMEM);
        }
        return 0;
}

/* A value on one line: lists with spaces between, the members of a struct with colons, of a dictionary as NAME=value. */
static void print_value(const json_t *v, bool inner) {
        bool first = true;
        const char *key;
        const json_t *e;
        size_t i;

        switch (json_typeof(v)) {
        case JSON_STRING:
                fputs(safe(0, json_string_value(v)), stdout);
                break;
        case JSON_INTEGER:
                printf("%" PRIu64, (uint64_t) json_integer_value(v));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                fputs(json_is_true(v) ? "yes" : "no", stdout);
                break;
        case JSON_ARRAY:
                json_array_foreach(v, i, e) {
                        if (i > 0)
                                fputs(inner ? ":" : " ", stdout);
                        print_value(e, true);
                }
                break;
        case JSON_OBJECT:
                json_object_foreach((json_t *) v, key, e) {
                        printf("%s%s=", first ? "" : ",", safe(1, key));
                        print_value(e, true);
                        first = false;
                }
                break;
        case JSON_NULL:
        case JSON_REAL:
        default:
                break;
        }
}

static bool wanted(const Options *o, const char *key) {
        for (size_t i = 0; i < o->properties.n; i++)
                if (streq(o->properties.items[i], key))
                        return true;
        return o->properties.n == 0;
}

static void print_properties(const Options *o, json_t *object) {
        const char *key;
        const json_t *v;

        json_object_foreach(object, key, v) {
                if (!wanted(o, key))
                        continue;
                if (!o->value)
                        printf("%s=", safe(1, key));
                print_value(v, false);
                putchar('\n');
        }
}

int bus_verb_show(Context *c) {
        json_t *all = json_array();
        int n = MAX(c->o->n_args, 1), result = 0, r;

        if (!all)
                return failed(c, "show", -ENOMEM);
        for (int i = 0; i < n; i++) {
                json_t *object = NULL;
                const char *key;
                void *tmp;
                json_t *v;

                r = get_properties(c, c->o->n_args > 0 ? c->o->args[i] : NULL, &object);
                if (r < 0) {
                        result = r;
                        continue;
                }
                json_object_foreach_safe(object, tmp, key, v) {
                        if (!wanted(c->o, key))
                                (void) json_object_del(object, key);
                }
                if (json_array_append_new(all, object) < 0) {
                        json_decref(all);
                        return failed(c, "show", -ENOMEM);
                }
        }
        if (output_is_json(c->o)) {
                r = output_json(c->o, all);
                return r < 0 ? failed(c, "show", r) : result;
        }
        if (json_array_size(all) > 0)
                output_begin(c->o);
        for (size_t i = 0; i < json_array_size(all); i++) {
                if (i > 0)
                        putchar('\n');
                print_properties(c->o, json_array_get(all, i));
        }
        json_decref(all);
        return result;
}

static const char *text(const json_t *object, const char *key) {
        const char *s = json_string_value(json_object_get(object, key));

        return s ? s : "";
}

static uint64_t number(const json_t *object, const char *key) {
        return (uint64_t) json_integer_value(json_object_get(object, key));
}

static void print_probes(const Options *o, const json_t *proven) {
        bool colors = output_colors();
        size_t i, held = 0;
        const json_t *p;

        json_array_foreach(proven, i, p) held += streq(
                        json_string_value(json_array_get(p, 1)) ? json_string_value(json_array_get(p, 1))
                                                                : "",
                        "held");
        if (json_array_size(proven) == 0) {
                printf("     Proven: not yet: the self-probe has not run\n");
                return;
        }
        printf("     Proven: %zu of %zu protections tried from inside and held\n", held,
                        json_array_size(proven));
        json_array_foreach(proven, i, p) {
                const char *name = json_string_value(json_array_get(p, 0));
                const char *result = json_string_value(json_array_get(p, 1));
                const char *detail = json_string_value(json_array_get(p, 2));
                bool ok = result && streq(result, "held");

                if (!name || !result || !detail)
                        continue;
                if (o->quiet && ok)
                        continue;
                printf("             %s%s%s %-24s %s\n", colors ? (ok ? ANSI_GREEN : ANSI_YELLOW) : "",
                                ok ? "✓" : "·", colors ? ANSI_RESET : "", safe(0, name),
                                safe_escaped(1, detail));
        }
}

/* Of network "nat". */
static void print_network(const json_t *s) {
        const json_t *list = json_object_get(s, "Addresses"), *e;
        char until[64];
        size_t i;

        json_array_foreach(list, i, e) printf("%s%s", i == 0 ? "  Addresses: " : ", ",
                        safe(0, json_string_value(e) ? json_string_value(e) : ""));
        if (json_array_size(list) > 0)
                putchar('\n');
        list = json_object_get(s, "Grants");
        json_array_foreach(list, i, e) {
                printf("%s %" PRIu64 ": %s", i == 0 ? "     Grants:" : "            ", number(e, "id"), safe(0, text(e, "to")));
                printf(" %s %s", safe(0, text(e, "proto")), safe(1, text(e, "ports")));
                if (json_object_get(e, "until-usec"))
                        printf(" until %s", format_time(until, number(e, "until-usec")));
                putchar('\n');
        }
}

static void print_status(const Options *o, const json_t *s) {
        bool colors = output_colors(), running = streq(text(s, "State"), "running");
        char created[64], used[64], user[64];
        const json_t *list, *e;
        size_t i;

        printf("%s●%s %s - profile %s\n", colors ? (running ? ANSI_GREEN : ANSI_YELLOW) : "",
                        colors ? ANSI_RESET : "", safe(0, text(s, "Id")), safe(1, text(s, "Profile")));
        printf("      State: %s%s%s since %s\n", colors && !running ? ANSI_YELLOW : "",
                        safe(0, text(s, "State")), colors && !running ? ANSI_RESET : "",
                        format_time(created, number(s, "CreatedUsec")));
        printf("      Owner: %s\n", format_user(user, (uint32_t) number(s, "OwnerUid"), !o->host));
        printf("       Root: %s, network %s\n", safe(0, text(s, "Root")), safe(1, text(s, "Network")));
        print_network(s);
        printf("       Used: %s\n", format_time(used, number(s, "LastUsedUsec")));
        list = json_object_get(s, "Execs");
        printf("   Commands: ");
        if (json_array_size(list) == 0)
                printf("none");
        json_array_foreach(list, i, e)
                        printf("%s%" PRIu64, i > 0 ? " " : "", (uint64_t) json_integer_value(e));
        printf("\n    Monitor: %" PRIu64 "\n", number(s, "MonitorPid"));
        if (*text(s, "Cgroup"))
                printf("     Cgroup: %s\n", safe(0, text(s, "Cgroup")));
        if (*text(s, "ConfigHash"))
                printf("     Config: %s\n", safe(0, text(s, "ConfigHash")));
        printf("       Plan: %s\n", safe(0, text(s, "PlanDigest")));
        list = json_object_get(s, "Resolved");
        json_array_foreach(list, i, e) printf("%s %s\n", i == 0 ? "   Resolved:" : "            ",
                        safe_escaped(0, json_string_value(e) ? json_string_value(e) : ""));
        print_probes(o, json_object_get(s, "Proven"));
}

int bus_verb_status(Context *c) {
        json_t *all = json_array();
        int result = 0, r;

        if (!all)
                return failed(c, "show status", -ENOMEM);
        for (int i = 0; i < c->o->n_args; i++) {
                json_t *object = NULL;

                r = get_properties(c, c->o->args[i], &object);
                if (r < 0) {
                        result = r;
                        continue;
                }
                if (json_array_append_new(all, object) < 0) {
                        json_decref(all);
                        return failed(c, "show status", -ENOMEM);
                }
        }
        if (output_is_json(c->o)) {
                r = output_json(c->o, all);
                return r < 0 ? failed(c, "show status", r) : result;
        }
        if (json_array_size(all) > 0)
                output_begin(c->o);
        for (size_t i = 0; i < json_array_size(all); i++) {
                if (i > 0)
                        putchar('\n');
                print_status(c->o, json_array_get(all, i));
        }
        json_decref(all);
        return result;
}
