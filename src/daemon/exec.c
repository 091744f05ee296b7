/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An exec over the bus: one message to the monitor, one answer with the number, one reply. Standard input
 * and output are the caller's own descriptors and go on to the monitor; nothing of them stays here. */

#include "exec.h"

#include "base/fault.h"
#include "base/fd.h"
#include "manager.h"

typedef struct ExecRecord {
        uint32_t id;
        uid_t uid;
        char *destination; /* unique name of the connection that called Exec */
} ExecRecord;

/* While the monitor has not answered. */
typedef struct ExecCall {
        Operation *op;
        Session *session; /* reference */
        uid_t uid;
        int status; /* the caller's end */
        uint32_t tag;
} ExecCall;

static void record_free(Session *s, ExecRecord *e) {
        quota_drop(s->manager->quotas, e->uid, QUOTA_EXECS);
        g_free(e->destination);
        g_free(e);
}

static void emit_exited(Session *s, const ExecRecord *e, int32_t code, int32_t sig) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        g_autofree char *path = session_bus_path(s->record.id);

        /* To that connection only: how somebody's programs end is nobody else's business. */
        if (sd_bus_message_new_signal(s->manager->bus, &m, path, SESSION_INTERFACE, "ExecExited") < 0 ||
                        sd_bus_message_set_destination(m, e->destination) < 0 ||
                        sd_bus_message_append(m, "uii", e->id, code, sig) < 0)
                return;
        (void) sd_bus_send(s->manager->bus, m, NULL);
}

static ExecRecord *take_record(Session *s, uint32_t tag) {
        void *e = NULL;

        (void) g_hash_table_steal_extended(s->execs, GUINT_TO_POINTER(tag), NULL, &e);
        return e;
}

void exec_failed(Session *s, uint32_t tag, const MsgFailed *failed) {
        ExecRecord *e = take_record(s, tag);

        if (!e)
                return;
        FAULT("daemon.exec.failed");
        emit_exited(s, e, (int32_t) failed->status, 0);
        record_free(s, e);
}

void exec_exited(Session *s, uint32_t tag, const MsgExited *exited) {
        ExecRecord *e = take_record(s, tag);

        if (!e)
                return;
        FAULT("daemon.exec.exited");
        emit_exited(s, e, exited->signal ? -1 : (int32_t) exited->code, (int32_t) exited->signal);
        record_free(s, e);
}

void exec_all_lost(Session *s) {
        GHashTableIter i;
        void *e;

        g_hash_table_iter_init(&i, s->execs);
        while (g_hash_table_iter_next(&i, NULL, &e)) {
                g_hash_table_iter_steal(&i);
                emit_exited(s, e, -1, SIGKILL);
                record_free(s, e);
        }
}

void exec_all_forgotten(Session *s) {
        GHashTableIter i;
        void *e;

        g_hash_table_iter_init(&i, s->execs);
        while (g_hash_table_iter_next(&i, NULL, &e)) {
                g_hash_table_iter_steal(&i);
                record_free(s, e);
        }
}

static void fail_from_monitor(Operation *op, int error, const char *text) {
        if (op->manager->exiting)
                operation_fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
        else if (error == EPIPE || error == ETIMEDOUT)
                operation_fail(op, ERROR_NO_SUCH_SESSION, "The session is ending: %s.", text);
        else
                operation_fail(op, error_from_errno(error), "%s", text[0] ? text : g_strerror(error));
}

/* A pair whose first end is for the caller: blocking, as everybody expects of a descriptor that was handed
 * out. */
static int caller_pair(int ret[static 2]) {
        int r = wire_pair(ret);

        if (r < 0)
                return r;
        r = fd_set_nonblock(ret[0], false);
        if (r < 0)
                fd_close_many(ret, 2);
        return r;
}

/* The session can take an exec. */
static bool session_is_usable(Operation *op) {
        Session *s = op->session;

        if (op->manager->locked_down) {
                operation_fail(op, ERROR_LOCKED_DOWN,
                                "This machine is locked down; an administrator lifts it with 'ocsbctl "
                                "lockdown off'.");
                return false;
        }
        if (s->phase != SESSION_READY || !s->monitor) {
                operation_fail(op, ERROR_NO_SUCH_SESSION, "The session is ending; make a new one.");
                return false;
        }
        return true;
}

static void call_free(ExecCall *c) {
        fd_close(c->status);
        session_unref(c->session);
        g_free(c);
}

static void on_exec_ack(int error, const char *text, void *userdata) {
        ExecCall *c = userdata;
        Session *s = c->session;
        ExecRecord *e;
        uint32_t id;

        FAULT("daemon.exec.acked");
        if (error == 0 && parse_u32(text, &id) < 0) {
                error = EPROTO;
                text = "the session's monitor gave a wrong answer";
        }
        if (error != 0) {
                quota_drop(s->manager->quotas, c->uid, QUOTA_EXECS);
                fail_from_monitor(c->op, error, text);
                call_free(c);
                return;
        }

        e = g_new0(ExecRecord, 1);
        e->id = id;
        e->uid = c->uid;
        e->destination = g_strdup(c->op->client->name);
        g_hash_table_insert(s->execs, GUINT_TO_POINTER(c->tag), e);

        FAULT("daemon.exec.before-reply");
        operation_reply(c->op, "uh", id, c->status);
        FAULT("daemon.exec.after-reply");
        call_free(c);
}

void exec_start(Operation *op) {
        ExecArguments *a = op->data;
        Manager *m = op->manager;
        _cleanup_writer_ WireWriter body = {};
        PolicyResult quota = {};
        int pair[2], fds[MSG_EXEC_FDS_MAX + 1], r;
        const Caller *account;
        ExecCall *c;
        uint32_t max_execs;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (!session_is_usable(op))
                return;
        if (op->session->frozen) {
                operation_fail(op, ERROR_BUSY, "The session is frozen; thaw it first.");
                return;
        }
        account = client_account(op->client, &error);
        if (!account && op->client->uid != 0) {
                operation_fail_with(op, &error);
                return;
        }
        max_execs = UINT32_MAX;
        if (account && m->policy) {
                policy_quota(m->policy, account, &quota);
                max_execs = quota.max_execs;
        }
        if (quota_take(m->quotas, op->client->uid, QUOTA_EXECS, max_execs) < 0) {
                operation_fail(op, ERROR_QUOTA_EXCEEDED,
                                "You have %" PRIu32
                                " execs running, as many as your ceiling allows; wait for one to end.",
                                max_execs);
                return;
        }

        r = caller_pair(pair);
        if (r < 0) {
                quota_drop(m->quotas, op->client->uid, QUOTA_EXECS);
                operation_fail(op, ERROR_QUOTA_EXCEEDED, "No descriptor is free; try again later.");
                return;
        }
        msg_exec_encode(&body, &a->exec);
        memcpy(fds, a->fds, a->exec.n_fds * sizeof(int));
        fds[a->exec.n_fds] = pair[1];

        c = g_new0(ExecCall, 1);
        c->op = op;
        c->session = session_ref(op->session);
        c->uid = op->client->uid;
        c->status = pair[0];
        FAULT("daemon.exec.before-send");
        r = monitor_call(op->session->monitor, WIRE_EXEC, &body, fds, a->exec.n_fds + 1, on_exec_ack, c,
                        &c->tag);
        fd_close(pair[1]);
        if (r < 0) {
                quota_drop(m->quotas, c->uid, QUOTA_EXECS);
                fail_from_monitor(op, -r, "the session's monitor cannot be reached");
                call_free(c);
                return;
        }
        FAULT("daemon.exec.after-send");
        /* The monitor has its own copies: a pipe that stayed open here would keep its reader waiting for the
         * end. */
        exec_arguments_done(a);
}

static void on_channel_ack(int error, const char *text, void *userdata) {
        ExecCall *c = userdata;

        if (error != 0)
                fail_from_monitor(c->op, error, text);
        else
                operation_reply(c->op, "h", c->status);
        call_free(c);
}

void exec_open_channel(Operation *op) {
        ExecCall *c;
        int pair[2], r;

        if (!session_is_usable(op))
                return;
        r = caller_pair(pair);
        if (r < 0) {
                operation_fail(op, ERROR_QUOTA_EXCEEDED, "No descriptor is free; try again later.");
                return;
        }
        c = g_new0(ExecCall, 1);
        c->op = op;
        c->session = session_ref(op->session);
        c->status = pair[0];
        r = monitor_call(op->session->monitor, WIRE_CHANNEL, NULL, &pair[1], 1, on_channel_ack, c, &c->tag);
        fd_close(pair[1]);
        if (r < 0) {
                fail_from_monitor(op, -r, "the session's monitor cannot be reached");
                call_free(c);
        }
}
