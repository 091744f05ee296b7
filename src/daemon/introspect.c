/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The vtables are registered on one end of a private connection and asked over the other, so that what is
 * printed is what sd-bus would answer on the system bus. */

#include "introspect.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "firewall.h"

typedef struct Introspection {
        sd_event *event;
        sd_bus *server, *client;
        Manager manager;
        unsigned n_waiting;
        int r;
} Introspection;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Introspection *i = userdata;
        const char *xml;
        int r;

        (void) error;
        r = sd_bus_message_get_errno(m);
        if (r == 0) {
                r = -sd_bus_message_read(m, "s", &xml);
                if (r <= 0)
                        fputs(xml, stdout);
        }
        if (r > 0)
                i->r = -r;
        if (--i->n_waiting == 0)
                return sd_event_exit(i->event, 0);
        return 0;
}

static int connect_ends(Introspection *i) {
        sd_id128_t id;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        r = sd_bus_new(&i->server);
        if (r >= 0)
                r = sd_bus_new(&i->client);
        if (r >= 0)
                r = sd_bus_set_fd(i->server, pair[0], pair[0]);
        if (r < 0) {
                fd_close_many(pair, 2);
                return r;
        }
        r = sd_bus_set_fd(i->client, pair[1], pair[1]);
        if (r < 0) {
                fd_close(pair[1]);
                return r;
        }
        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(i->server, true, id);
        if (r >= 0)
                r = sd_bus_start(i->server);
        if (r >= 0)
                r = sd_bus_start(i->client);
        if (r >= 0)
                r = sd_bus_attach_event(i->server, i->event, 0);
        if (r >= 0)
                r = sd_bus_attach_event(i->client, i->event, 0);
        return r;
}

static int ask(Introspection *i, const char *path) {
        int r = sd_bus_call_method_async(i->client, NULL, NULL, path, "org.freedesktop.DBus.Introspectable",
                        "Introspect", on_answer, i, NULL);

        i->n_waiting += r >= 0;
        return r;
}

int introspect_print(void) {
        Introspection i = {};
        Session session = { .manager = &i.manager, .announced = true };
        int r;

        i.manager.sessions = g_hash_table_new(g_str_hash, g_str_equal);
        strcpy(session.record.id, "ID");
        g_hash_table_insert(i.manager.sessions, session.record.id, &session);

        r = sd_event_new(&i.event);
        if (r >= 0)
                r = connect_ends(&i);
        i.manager.bus = i.server;
        if (r >= 0)
                r = sd_bus_add_object_manager(i.server, NULL, BUS_PATH);
        if (r >= 0)
                r = manager_bus_register(&i.manager);
        if (r >= 0)
                r = session_bus_register(&i.manager);
        if (r >= 0)
                r = firewall_bus_register(&i.manager);
        if (r >= 0)
                r = ask(&i, BUS_PATH);
        if (r >= 0)
                r = ask(&i, BUS_SESSION_PREFIX "/ID");
        if (r >= 0)
                r = sd_event_loop(i.event);
        if (r >= 0)
                r = i.r;

        sd_bus_close_unref(i.client);
        sd_bus_close_unref(i.server);
        sd_event_unref(i.event);
        g_hash_table_unref(i.manager.sessions);
        return r;
}
