/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.LogControl1: `systemctl service-log-level ocsbd.service debug`. Readable by everybody, as
 * every service's is; writable by root. */

#include "base/log.h"
#include "journal.h"
#include "manager.h"
#include "vtable.h"

PROPERTY_GETTER(get_level) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
}

PROPERTY_GETTER(get_target) {
        return sd_bus_message_append(reply, "s", journal_target());
}

PROPERTY_GETTER(get_identifier) {
        return sd_bus_message_append(reply, "s", "ocsbd");
}

/* SD_BUS_VTABLE_UNPRIVILEGED keeps sd-bus from asking the bus about the sender's capabilities, which would
 * wait for the answer; the check is here. */
static int check_root(sd_bus *bus, Manager *m, sd_bus_error *error) {
        const Client *c = client_of(m->clients, sd_bus_get_current_message(bus));

        if (!c || c->uid != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Only root changes the logging.");
        return 0;
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *s;
        int r;

        (void) path;
        (void) interface;
        (void) property;
        r = check_root(bus, userdata, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(value, "s", &s);
        if (r < 0)
                return r;
        r = log_level_from_string(s);
        if (r < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Not a log level.");
        log_set_max_level(r);
        return 0;
}

static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                sd_bus_message *value, void *userdata, sd_bus_error *error) {
        int r;

        (void) path;
        (void) interface;
        (void) property;
        (void) value;
        r = check_root(bus, userdata, error);
        if (r < 0)
                return r;
        return sd_bus_error_set(
                        error, SD_BUS_ERROR_NOT_SUPPORTED, "The log goes where standard error goes.");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int logcontrol_register(Manager *m) {
        return sd_bus_add_object_vtable(m->bus, NULL, "/org/freedesktop/LogControl1",
                        "org.freedesktop.LogControl1", vtable, m);
}
