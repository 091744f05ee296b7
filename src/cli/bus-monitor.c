/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* monitor: follows the signals until interrupted, one line or one JSON object each. */

#include <stdio.h>
#include <time.h>

#include "bus-context.h"
#include "bus-output.h"

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static int print_event(const Context *c, const char *event, const char *subject, const char *detail) {
        uint64_t now = now_usec();
        char buf[64];
        int r = 0;

        if (output_is_json(c->o)) {
                /* One object a line, however it was asked for: a stream has no pretty end. */
                json_t *o = json_pack("{s:I, s:s, s:s, s:s}", "time_usec", (json_int_t) now, "event", event,
                                "subject", subject, "detail", detail);

                r = o ? json_dumpf(o, stdout, JSON_COMPACT) : -ENOMEM;
                json_decref(o);
                if (r >= 0)
                        putchar('\n');
        } else
                printf("%s  %-16s %s%s%s\n", format_time(buf, now), event, safe(0, subject),
                                *detail ? "  " : "", safe(1, detail));
        /* A reader that is gone ends us. */
        return r < 0 || fflush(stdout) != 0 ? -EPIPE : 0;
}

static int on_manager(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Context *c = userdata;
        const char *id, *path;
        char number[16];
        uint32_t n;
        int r;

        (void) error;
        if (sd_bus_message_is_signal(m, OCSB_MANAGER_INTERFACE, "RequestNew")) {
                r = sd_bus_message_read(m, "u", &n);
                if (r < 0)
                        return 0;
                (void) snprintf(number, sizeof(number), "%u", n);
                return print_event(c, "request", number, "");
        }
        if (sd_bus_message_read(m, "so", &id, &path) < 0)
                return 0;
        return print_event(c,
                        sd_bus_message_is_signal(m, OCSB_MANAGER_INTERFACE, "SessionNew")
                                        ? "session-new"
                                        : "session-removed",
                        id, "");
}

static int on_firewall(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *what, *session;
        Context *c = userdata;
        char detail[64];
        uint64_t usec;
        uint32_t id;

        (void) error;
        if (sd_bus_message_is_signal(m, OCSB_FIREWALL_INTERFACE, "DriftRepaired")) {
                if (sd_bus_message_read(m, "ts", &usec, &what) < 0)
                        return 0;
                return print_event(c, "firewall-repaired", "-", what);
        }
        if (!sd_bus_message_is_signal(m, OCSB_FIREWALL_INTERFACE, "GrantExpired") ||
                        sd_bus_message_read(m, "su", &session, &id) < 0)
                return 0;
        (void) snprintf(detail, sizeof(detail), "grant %u", id);
        return print_event(c, "grant-expired", session, detail);
}

/* PropertiesChanged of a session: which ones. Their values are for its owner to read. */
static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m), *interface, *name;
        Context *c = userdata;
        char detail[256] = "";
        size_t n = 0;

        (void) error;
        if (!path || !str_has_prefix(path, OCSB_SESSION_PATH_PREFIX) ||
                        sd_bus_message_read(m, "s", &interface) < 0)
                return 0;
        if (sd_bus_message_skip(m, "a{sv}") < 0 || sd_bus_message_enter_container(m, 'a', "s") < 0)
                return 0;
        while (sd_bus_message_read(m, "s", &name) > 0 && n + strlen(name) + 2 < sizeof(detail))
                n += (size_t) sprintf(detail + n, "%s%s", n > 0 ? " " : "", name);
        return print_event(c, "session-changed", path + strlen(OCSB_SESSION_PATH_PREFIX), detail);
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *before, *after;
        Context *c = userdata;

        (void) error;
        if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0)
                return 0;
        return print_event(c, *after ? "ocsbd-started" : "ocsbd-stopped", name, "");
}

int bus_verb_monitor(Context *c) {
        const char *what = "monitor";
        int r = context_connect(c, what);

        if (r < 0)
                return r;
        r = sd_bus_match_signal(c->bus, NULL, OCSB_BUS_NAME, OCSB_ROOT_PATH, OCSB_MANAGER_INTERFACE, NULL,
                        on_manager, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, OCSB_BUS_NAME, OCSB_ROOT_PATH, OCSB_FIREWALL_INTERFACE, NULL,
                                on_firewall, c);
        if (r >= 0)
                r = sd_bus_add_match(c->bus, NULL,
                                "type='signal',sender='" OCSB_BUS_NAME "',"
                                "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                                "path_namespace='" OCSB_ROOT_PATH "/session'",
                                on_properties, c);
        if (r >= 0)
                r = sd_bus_add_match(c->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0="
                                "'" OCSB_BUS_NAME "'",
                                on_owner, c);
        while (r >= 0) {
                r = sd_bus_process(c->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c->bus, UINT64_MAX);
        }
        if (r == -EPIPE)
                return 0;
        c->status = report_errno(what, r, c->o->verbose);
        return r;
}
