/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The start, which is the same after a crash, an upgrade or a boot: the state files say what there should
 * be, the monitors say what there is, the builder's list says what nobody here knows of. Only then is the
 * name on the bus taken, so that the first caller sees everything.
 *
 *   file "ready", monitor answers      → the session goes on
 *   file "ready", no monitor           → it has ended: the builder clears up, the file goes
 *   file "building", or unreadable     → nobody was told about it: killed
 *   no file, in the builder's list     → likewise */

#include <systemd/sd-daemon.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "channels.h"
#include "errors.h"
#include "firewall.h"
#include "link.h"
#include "manager.h"

/* The builder and the monitors answer within milliseconds; one that hangs must not keep the daemon from the
 * bus. */
#define SETTLE_TIMEOUT_USEC (5 * USEC_PER_SEC)

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        uint32_t answer;

        (void) error;
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "u", &answer) < 0 ||
                        answer != 1) {
                log_error("Failed to take the name %s on the bus; is another ocsbd running?", BUS_NAME);
                return sd_event_exit(manager->event, EXIT_FAILURE);
        }
        log_info("ocsbd " OCSB_VERSION " is ready with %u sessions%s", g_hash_table_size(manager->sessions),
                        manager->locked_down ? ", locked down" : "");
        (void) sd_notify(false, "READY=1");
        return 0;
}

static void take_name(Manager *m) {
        int r;

        if (m->named)
                return;
        m->named = true;
        m->adoption_deadline = sd_event_source_disable_unref(m->adoption_deadline);
        channels_open(m->channels);
        FAULT("daemon.start.before-name");
        r = sd_bus_request_name_async(m->bus, NULL, BUS_NAME, 0, on_name, m);
        if (r < 0) {
                log_error("Failed to ask for the name %s: %s", BUS_NAME, g_strerror(-r));
                (void) sd_event_exit(m->event, EXIT_FAILURE);
        }
}

static void check_settled(Manager *m) {
        if (m->n_adopting == 0 && m->listed)
                take_name(m);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        log_warning("Not every session or the builder has answered; going on without");
        take_name(userdata);
        return 0;
}

static void on_first_info(Session *s, void *userdata) {
        Manager *m = userdata;

        m->n_adopting--;
        if (m->exiting)
                return;
        if (s->phase == SESSION_BUILDING) {
                /* An answer sets it; only a lost connection or a time-out leaves it as it was. */
                if (s->monitor && s->informed)
                        session_announce(s);
                else
                        session_end(s, "monitor-error");
        }
        check_settled(m);
}

/* One session from its file. Whatever is wrong with it, the builder clears it away. */
static void adopt(const char *id, void *userdata) {
        Manager *m = userdata;
        SessionState record = {};
        g_autofree char *path = NULL;
        const char *why = "that cannot be read";
        Session *s;
        int fd, r;

        r = state_load(m->state_fd, id, &record, &why);
        if (r < 0) {
                log_warning("Ending session %s: it has a state file %s", id, why);
                record = (SessionState) { .phase = STATE_BUILDING, .uid = (uid_t) -1 };
                (void) g_strlcpy(record.id, id, sizeof(record.id));
        }
        /* What exists counts, whatever the ceiling says now. */
        (void) quota_take(m->quotas, record.uid, QUOTA_SESSIONS, UINT32_MAX);
        s = session_new(m, &record);
        if (s->record.phase != STATE_READY) {
                session_end(s, "incomplete");
                return;
        }

        path = g_strconcat(OCSB_MONITOR_DIR "/", id, NULL);
        fd = link_connect(path);
        r = fd < 0 ? fd : session_attach_monitor(s, fd);
        if (r < 0) {
                session_end(s, "monitor-died");
                return;
        }
        m->n_adopting++;
        session_refresh(s, on_first_info, m);
}

int adoption_start(Manager *m) {
        int r;

        r = sd_event_add_time_relative(m->event, &m->adoption_deadline, CLOCK_MONOTONIC, SETTLE_TIMEOUT_USEC,
                        0, on_deadline, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(m->adoption_deadline, "adoption-deadline");
        r = state_foreach(m->state_fd, adopt, m);
        if (r < 0) {
                log_error("Failed to read the state directory: %s", g_strerror(-r));
                return r;
        }
        FAULT("daemon.start.adopted");
        firewall_start(m->firewall);
        stage_client_start(m->stage);
        return 0;
}

void adoption_stage_listed(Manager *m, char *const *ids, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (session_find(m, ids[i]))
                        continue;
                log_warning("Ending session %s: nobody knows about it", ids[i]);
                (void) stage_kill(m->stage, ids[i], NULL);
        }
        m->listed = true;
        check_settled(m);
}

void adoption_stage_unreachable(Manager *m) {
        /* Sessions of earlier live on without a builder, and their owners can use them. */
        m->listed = true;
        check_settled(m);
}
