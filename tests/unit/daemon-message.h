/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* D-Bus messages without a bus: made on one end of a socket pair that nobody talks over, sealed, and read
 * again. */

#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "base/fd.h"

/* A bus object that messages can be made on; *ret_peer is the other end of its socket. */
static inline sd_bus *message_bus_new(int *ret_peer) {
        sd_bus *bus = NULL;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
                        sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, pair[0], pair[0]) < 0 ||
                        sd_bus_start(bus) < 0)
                abort();
        *ret_peer = pair[1];
        return bus;
}

static inline sd_bus *message_bus_free(sd_bus *bus, int peer) {
        sd_bus_close(bus);
        sd_bus_unref(bus);
        fd_close(peer);
        return NULL;
}

static inline sd_bus_message *message_new(sd_bus *bus) {
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_signal(bus, &m, "/t", "t.t", "T") < 0)
                abort();
        return m;
}

/* From writing to reading. */
static inline void message_turn(sd_bus_message *m) {
        if (sd_bus_message_seal(m, 1, 0) < 0 || sd_bus_message_rewind(m, true) < 0)
                abort();
}
