/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lockdown: no session stays, none is made, until it is lifted. The mark is a file, so that neither a crash
 * nor a boot lifts it. */

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "firewall.h"
#include "manager.h"
#include "operation.h"

#define MARK "lockdown"
#define END_TIMEOUT_USEC (20 * USEC_PER_SEC)

int lockdown_load(Manager *m) {
        if (m->persistent_fd < 0)
                return 0;
        if (faccessat(m->persistent_fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                m->locked_down = true;
        else if (errno != ENOENT) {
                int r = -errno;

                /* Not knowing is no reason to open. */
                log_error("Failed to look for the mark of a lockdown: %s", g_strerror(-r));
                return r;
        }
        return 0;
}

static int save(Manager *m, bool on) {
        int r;

        if (m->persistent_fd < 0)
                return on ? -ENOENT : 0;
        if (!on)
                return unlinkat(m->persistent_fd, MARK, 0) < 0 && errno != ENOENT ? -errno : 0;
        r = file_write_atomic(m->persistent_fd, MARK, "1\n", 2, 0600);
        if (r < 0)
                return r;
        return fsync(m->persistent_fd) < 0 ? -errno : 0;
}

typedef struct Outcome {
        bool unsaved;
} Outcome;

static void finish(Operation *op) {
        const Outcome *o = op->data;

        if (o->unsaved)
                operation_fail(op, ERROR_SETUP_FAILED,
                                "Everything was ended and nothing is created, but this could not be stored "
                                "and a restart would lift it.");
        else
                operation_reply(op, NULL);
}

/* Called when a session is gone. */
static void resume(Operation *op) {
        if (g_hash_table_size(op->manager->sessions) == 0)
                finish(op);
        else
                g_queue_push_tail(&op->manager->lockdown_waiters, op);
}

void manager_session_gone(Manager *m) {
        GQueue waiters = m->lockdown_waiters;
        Operation *op;

        g_queue_init(&m->lockdown_waiters);
        while ((op = g_queue_pop_head(&waiters)))
                resume(op);
}

static void end_everything(Manager *m) {
        g_autoptr(GPtrArray) sessions = g_ptr_array_new();
        GHashTableIter i;
        void *s;

        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &s))
                g_ptr_array_add(sessions, session_ref(s));
        for (size_t k = 0; k < sessions->len; k++) {
                session_end(sessions->pdata[k], "lockdown");
                session_unref(sessions->pdata[k]);
        }
}

void lockdown_set(Operation *op, bool on) {
        Manager *m = op->manager;
        Outcome *o = g_new0(Outcome, 1);
        int r;

        op->data = o;
        op->free_data = g_free;
        log_notice("uid %u %s", (unsigned) op->client->uid,
                        on ? "locks this machine down" : "lifts the lockdown");

        if (!on) {
                r = save(m, false);
                if (r < 0) {
                        log_error("Failed to remove the mark of the lockdown: %s", g_strerror(-r));
                        operation_fail(op, ERROR_SETUP_FAILED,
                                        "The mark of the lockdown cannot be removed; see the log of ocsbd.");
                        return;
                }
        } else {
                /* The end of everything does not wait for a disk. */
                m->locked_down = true;
                firewall_lockdown(m->firewall, true);
                end_everything(m);
                r = save(m, true);
                if (r < 0) {
                        log_error("Failed to store the lockdown: %s", g_strerror(-r));
                        o->unsaved = true;
                }
        }
        m->locked_down = on;
        firewall_lockdown(m->firewall, on);
        (void) sd_bus_emit_properties_changed(m->bus, BUS_PATH, MANAGER_INTERFACE, "LockedDown", NULL);
        if (!on || g_hash_table_size(m->sessions) == 0) {
                finish(op);
                return;
        }
        operation_await(op, NULL, resume, END_TIMEOUT_USEC, ERROR_BUSY,
                        "Locked down, but the builder has not cleared everything away yet.");
        g_queue_push_tail(&m->lockdown_waiters, op);
}
