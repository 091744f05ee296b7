/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Putting the parts together and taking them apart. */

#include "manager.h"

#include "base/fd.h"
#include "base/log.h"
#include "channels.h"
#include "exec.h"
#include "firewall.h"
#include "operation.h"

#define PERSISTENT_DIR "/var/lib/ocsb"

uint64_t manager_now(Manager *m) {
        uint64_t now = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        return now;
}

int manager_load_policy(Manager *m) {
        _cleanup_free_ char *why = NULL;
        Policy *policy = NULL;
        int r;

        r = policy_load(OCSB_DATA_DIR, OCSB_CONFIG_DIR, &policy, &why);
        m->policy = policy_free(m->policy);
        g_clear_pointer(&m->policy_error, g_free);
        if (r < 0) {
                m->policy_error = text_escape(
                                why ? why : g_strerror(-r), strlen(why ? why : g_strerror(-r)), 0);
                log_error("Failed to load profiles and ceilings, no session will be created: %s",
                                m->policy_error);
                return r;
        }
        m->policy = policy;
        return 0;
}

void manager_index_session(Manager *m, Session *s) {
        if (s->record.cgroup && s->record.cgroup[0])
                g_hash_table_insert(m->by_cgroup, s->record.cgroup, s);
        if (s->record.monitor_pid > 0)
                g_hash_table_insert(m->by_monitor, GUINT_TO_POINTER(s->record.monitor_pid), s);
}

void manager_unindex_session(Manager *m, Session *s) {
        if (s->record.cgroup && g_hash_table_lookup(m->by_cgroup, s->record.cgroup) == s)
                g_hash_table_remove(m->by_cgroup, s->record.cgroup);
        if (g_hash_table_lookup(m->by_monitor, GUINT_TO_POINTER(s->record.monitor_pid)) == s)
                g_hash_table_remove(m->by_monitor, GUINT_TO_POINTER(s->record.monitor_pid));
}

static bool is_session_cgroup(const char *path, void *userdata) {
        return g_hash_table_contains(((Manager *) userdata)->by_cgroup, path);
}

static bool is_monitor(pid_t pid, void *userdata) {
        return g_hash_table_contains(((Manager *) userdata)->by_monitor, GUINT_TO_POINTER(pid));
}

ConfinedMarks manager_confined_marks(Manager *m) {
        return (ConfinedMarks){
                        .is_session_cgroup = is_session_cgroup, .is_monitor = is_monitor, .userdata = m};
}

/* The builder's messages */

static void on_stage_connected(void *userdata) {
        Manager *m = userdata;
        g_autoptr(GPtrArray) sessions = g_ptr_array_new();
        GQueue waiters;
        Operation *op;
        GHashTableIter i;
        void *s;

        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &s))
                g_ptr_array_add(sessions, s);
        for (size_t k = 0; k < sessions->len; k++)
                session_end_resume(sessions->pdata[k]);

        waiters = m->stage_waiters;
        g_queue_init(&m->stage_waiters);
        while ((op = g_queue_pop_head(&waiters)))
                op->resume(op);
}

static void on_stage_listed(char *const *ids, size_t n, void *userdata) {
        adoption_stage_listed(userdata, ids, n);
}

static void on_stage_ended(const char *id, const char *reason, void *userdata) {
        Session *s = session_find(userdata, id);

        if (s)
                session_gone(s, reason);
}

static void on_stage_killed(const char *reason, void *kill_userdata, void *userdata) {
        Session *s = kill_userdata;

        (void) userdata;
        if (!s)
                return; /* one that nobody here knew */
        s->kill_sent = false;
        session_gone(s, reason);
        session_unref(s);
}

static void on_stage_kill_lost(void *kill_userdata, void *userdata) {
        Session *s = kill_userdata;

        (void) userdata;
        if (!s)
                return; /* the next list shows it again */
        s->kill_sent = false;
        session_unref(s);
}

static void on_stage_unreachable(void *userdata) {
        adoption_stage_unreachable(userdata);
}

static const StageHandlers stage_handlers = {
        .connected = on_stage_connected,
        .listed = on_stage_listed,
        .ended = on_stage_ended,
        .killed = on_stage_killed,
        .kill_lost = on_stage_kill_lost,
        .unreachable = on_stage_unreachable,
};

/* Beginning and end */

static int open_directories(Manager *m) {
        const char *persistent = getenv("STATE_DIRECTORY");

        m->state_fd = state_open_dir(STATE_DIR);
        if (m->state_fd < 0) {
                log_error("Failed to open %s as a directory of this user that nobody else can write to: %s",
                                STATE_DIR, g_strerror(-m->state_fd));
                return m->state_fd;
        }
        if (!persistent || persistent[0] != '/' || strchr(persistent, ':'))
                persistent = PERSISTENT_DIR;
        m->persistent_fd = state_open_dir(persistent);
        if (m->persistent_fd < 0)
                log_warning("Failed to open %s as a directory of this user that nobody else can write to: "
                            "%s; a lockdown will not survive a restart",
                                persistent, g_strerror(-m->persistent_fd));
        return 0;
}

static int connect_bus(Manager *m) {
        int r;

        r = sd_bus_open_system_with_description(&m->bus, "ocsbd");
        if (r < 0) {
                log_error("Failed to connect to the system bus: %s", g_strerror(-r));
                return r;
        }
        /* Without the bus this process is of no use; whoever started it starts it again. */
        r = sd_bus_set_exit_on_disconnect(m->bus, true);
        if (r >= 0)
                r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_manager(m->bus, NULL, BUS_PATH);
        if (r >= 0)
                r = manager_bus_register(m);
        if (r >= 0)
                r = session_bus_register(m);
        if (r >= 0)
                r = firewall_bus_register(m);
        if (r >= 0)
                r = logcontrol_register(m);
        if (r < 0)
                log_error("Failed to set up the objects on the bus: %s", g_strerror(-r));
        return r;
}

int manager_new(sd_event *event, int channel_fd, Manager **ret) {
        _cleanup_close_ int channel = channel_fd;
        _cleanup_(manager_freep) Manager *m = g_new0(Manager, 1);
        int r;

        m->event = sd_event_ref(event);
        m->state_fd = m->persistent_fd = -EBADF;
        m->sessions = g_hash_table_new(g_str_hash, g_str_equal);
        m->by_cgroup = g_hash_table_new(g_str_hash, g_str_equal);
        m->by_monitor = g_hash_table_new(g_direct_hash, g_direct_equal);
        m->trusted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_queue_init(&m->lockdown_waiters);
        g_queue_init(&m->stage_waiters);
        g_queue_init(&m->firewall_waiters);
        m->quotas = quota_table_new();
        m->pending = pending_store_new();
        m->stage = stage_client_new(event, OCSB_STAGE_SOCKET, &stage_handlers, m);
        m->firewall = firewall_new(m);

        r = open_directories(m);
        if (r < 0)
                return r;
        r = lockdown_load(m);
        if (r < 0)
                return r;
        doctor_read_machine(m);
        (void) manager_load_policy(m);
        r = connect_bus(m);
        if (r < 0)
                return r;
        m->clients = client_table_new(m);
        if (!m->clients)
                return -EIO;
        m->authority = authority_new(m->bus, &m->authority_generation);
        if (channel >= 0) {
                r = channels_new(m, TAKE_FD(channel), &m->channels);
                if (r < 0) {
                        log_error("Failed to listen on the channel socket: %s", g_strerror(-r));
                        return r;
                }
        }
        r = adoption_start(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* The end of the daemon, not of the sessions: their connections close, and whoever waits for an answer gets
 * one. */
static void leave_sessions(Manager *m) {
        GHashTableIter i;
        void *p;

        m->exiting = true;
        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                Session *s = p;

                exec_all_forgotten(s);
                s->monitor = monitor_client_free(s->monitor);
        }
}

Manager *manager_free(Manager *m) {
        GHashTableIter i;
        void *s;

        if (!m)
                return NULL;
        leave_sessions(m);
        m->firewall = firewall_free(m->firewall);
        m->channels = channels_free(m->channels);
        m->clients = client_table_free(m->clients);
        m->stage = stage_client_free(m->stage);
        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &s))
                session_unref(s);
        g_hash_table_unref(m->sessions);
        g_hash_table_unref(m->by_cgroup);
        g_hash_table_unref(m->by_monitor);
        g_hash_table_unref(m->trusted);
        m->authority = authority_free(m->authority);
        pending_store_free(m->pending);
        quota_table_free(m->quotas);
        policy_free(m->policy);
        g_free(m->policy_error);
        g_strfreev(m->controllers);
        sd_event_source_disable_unref(m->adoption_deadline);
        sd_event_source_disable_unref(m->sweeper);
        sd_bus_flush_close_unref(m->bus);
        fd_close(m->state_fd);
        fd_close(m->persistent_fd);
        sd_event_unref(m->event);
        g_free(m);
        return NULL;
}
