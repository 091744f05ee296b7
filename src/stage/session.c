/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A session as ocsb-stage sees it: forked, watched, and cleaned up after, however it ended. */

#include "session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "stage/scope.h"
#include "sys/cgroup.h"
#include "sys/process.h"

#define SESSIONS_MAX 16384u
#define REAP_RETRY_USEC UINT64_C(200)

Session *session_find(Stage *s, const char *id) {
        for (Session *x = s->sessions; x; x = x->next)
                if (streq(x->record->id, id))
                        return x;
        return NULL;
}

void client_send(Client *c, uint32_t type, uint32_t tag, const WireWriter *w, const int *fds, size_t n) {
        if (c && wire_send(c->fd, type, tag, w, fds, n) < 0)
                (void) shutdown(c->fd, SHUT_RDWR);
}

static void send_failed(Client *c, uint32_t tag, int error, const char *step, const char *text) {
        _cleanup_writer_ WireWriter w = {};
        MsgFailed m = { .error = (uint32_t) -error, .status = 125 };

        (void) snprintf(m.step, sizeof(m.step), "%s", step);
        (void) snprintf(m.text, sizeof(m.text), "%s", text);
        msg_failed_encode(&w, &m);
        client_send(c, WIRE_FAILED, tag, &w, NULL, 0);
}

void client_send_ended(Client *c, uint32_t tag, const char *id, const char *reason) {
        _cleanup_writer_ WireWriter w = {};
        MsgEnded m = {};

        (void) snprintf(m.id, sizeof(m.id), "%s", id);
        (void) snprintf(m.reason, sizeof(m.reason), "%s", reason);
        msg_ended_encode(&w, &m);
        client_send(c, WIRE_ENDED, tag, &w, NULL, 0);
}

/* ---- what a monitor says ---- */

static void keep_template(Stage *s, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        WireWriter key = {}; /* borrows */
        const void *k, *body;
        size_t len;

        k = wire_get_bytes(&reader, WIRE_BODY_MAX, &key.len);
        key.data = (uint8_t *) (uintptr_t) k;
        body = wire_get_bytes(&reader, WIRE_BODY_MAX, &len);
        if (wire_reader_finish(&reader) < 0 || msg->n_fds != 1)
                return;
        (void) template_store_put(s->templates, &key, body, len, TAKE_FD(msg->fds[0]));
}

void session_answer_ready(Session *x, WireMessage *msg) {
        WireWriter same = { .data = msg->body, .len = msg->len };

        x->answered = true;
        client_send(x->creator, WIRE_READY, x->create_tag, &same, msg->fds, msg->n_fds);
        x->creator = NULL;
}

/* Handles one message; false when there is none, or no more. */
static bool report_next(Session *x) {
        Stage *s = x->stage;
        _cleanup_message_ WireMessage msg = {};
        WireReader reader;
        int r;

        r = wire_recv(x->report, &msg);
        if (r == -EAGAIN)
                return false;
        if (r <= 0) {
                loop_remove(s->loop, &x->report_source);
                x->report = fd_close(x->report);
                return false;
        }
        reader = WIRE_READER(msg.body, msg.len);
        switch (msg.type) {
        case WIRE_READY:
                if (!network_keeps_ready(x, &msg))
                        session_answer_ready(x, &msg);
                return true;
        case WIRE_TEMPLATE:
                keep_template(s, &msg);
                return true;
        case WIRE_FAILED:
                /* Answered when everything of the session is gone. */
                if (!x->failure.error)
                        (void) msg_failed_decode(&reader, &x->failure);
                return true;
        case WIRE_ENDED:
                (void) msg_ended_decode(&reader, &x->ended);
                return true;
        default:
                return true;
        }
}

static void on_report(LoopSource *src, uint32_t events, void *userdata) {
        (void) src;
        (void) events;
        (void) report_next(userdata);
}

/* ---- the end of a session ---- */

void session_free(Session *x) {
        Stage *s = x->stage;

        for (Session **p = &s->sessions; *p; p = &(*p)->next)
                if (*p == x) {
                        *p = x->next;
                        s->n_sessions--;
                        break;
                }
        loop_remove(s->loop, &x->report_source);
        loop_remove(s->loop, &x->pid_source);
        loop_remove(s->loop, &x->cleaner_source);
        loop_timer_clear(s->loop, &x->retry);
        fd_close(x->report);
        fd_close(x->pidfd);
        fd_close(x->cleaner_pidfd);
        network_done(x);
        record_free(x->record);
        free(x);
}

/* Kills what is left in the session's cgroup and removes it. -EAGAIN while processes are still dying. */
static int remove_cgroup(Stage *s, const Record *r) {
        char name[64], parent[512];
        _cleanup_close_ int dir = -EBADF, scope = -EBADF;
        char *slash;
        int k;

        if (s->slice >= 0) {
                scope_name(r->id, name);
                k = cgroup_destroy(s->slice, name, 0);
                return k == -ETIMEDOUT || k == -EBUSY ? -EAGAIN : k;
        }
        if (!r->cgroup[0])
                return 0;
        (void) snprintf(parent, sizeof(parent), "%s", r->cgroup);
        slash = strrchr(parent, '/');
        if (!slash || slash == parent)
                return 0;
        *slash = 0;
        dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? 0 : -errno;
        /* The scope is systemd's, which removes it when the kernel says that it is empty. Were it removed here, that
         * message would be lost with it (kernfs sends it later, by a work item) and the unit would stay for ever. */
        scope = openat(dir, slash + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (scope < 0)
                return errno == ENOENT ? 0 : -errno;
        k = cgroup_kill(scope);
        return k < 0 && k != -ENODEV && k != -ENOENT ? k : -EAGAIN;
}

/* #3: nothing of the session is left but its record. */
static void session_finish(Session *x) {
        Stage *s = x->stage;
        const char *id = x->record->id;

        FAULT("stage.reap.before-record");
        (void) unlinkat(s->monitors, id, 0);
        record_remove(s->records, id);
        if (!x->answered && x->creator)
                send_failed(x->creator, x->create_tag, x->failure.error ? -(int) x->failure.error : -EIO,
                                x->failure.step[0] ? x->failure.step : "monitor",
                                x->failure.text[0] ? x->failure.text : "the monitor of the session died");
        else {
                const char *reason = x->ended.reason[0] ? x->ended.reason : "monitor-died";

                for (Client *c = s->clients; c; c = c->next)
                        client_send_ended(c, c == x->killer ? x->kill_tag : 0, id, reason);
        }
        session_free(x);
}

static void on_cleaner_exit(LoopSource *src, uint32_t events, void *userdata) {
        Session *x = userdata;

        (void) events;
        loop_remove(x->stage->loop, src);
        (void) waitpid(x->cleaner, NULL, 0);
        session_finish(x);
}

/* #2 */
static void session_clean(Session *x) {
        Stage *s = x->stage;
        int r;

        FAULT("stage.reap.before-placeholders");
        r = placeholders_remove(&(Journals) { .dir = s->journals, .locks = s->records }, x->record->id,
                        &x->cleaner, &x->cleaner_pidfd);
        if (r > 0)
                r = loop_add(s->loop, &x->cleaner_source, x->cleaner_pidfd, EPOLLIN, on_cleaner_exit, x);
        else {
                session_finish(x);
                return;
        }
        if (r < 0) {
                (void) waitpid(x->cleaner, NULL, 0);
                session_finish(x);
        }
}

/* #1: runs when the monitor is dead, so that nothing can make anything new in the session any more. */
void session_reap(void *userdata) {
        Session *x = userdata;
        Stage *s = x->stage;
        const char *id = x->record->id;
        int r;

        x->ending = true;
        FAULT("stage.reap.before-cgroup");
        r = remove_cgroup(s, x->record);
        if (r == -EAGAIN && x->retries++ < 5000) {
                loop_timer_set(s->loop, &x->retry, x->retries < 50 ? REAP_RETRY_USEC : REAP_RETRY_USEC * 50, session_reap, x);
                return;
        }
        if (r < 0)
                log_record(LOG_LEVEL_ERR, &(LogContext) { .session = id, .owner = x->record->uid, .step = "reap" }, NULL,
                                "Failed to remove the cgroup of session %s: %s", id, strerror(-r));
        network_over(x);
        session_clean(x);
}

/* All at once, so that PID 1 and what is below it end while the monitor does. The monitor alone would be enough: its
 * end is theirs. */
void session_kill(Session *x) {
        char name[64];
        _cleanup_close_ int scope = -EBADF;

        if (x->ending)
                return; /* a second session_reap() would free it under the first one */
        if (x->pidfd < 0) {
                if (x->network.state != NETWORK_NONE)
                        x->network.state = NETWORK_FAILED; /* neither to be born nor to be attached any more */
                loop_timer_set(x->stage->loop, &x->retry, 0, session_reap, x);
                return;
        }
        if (x->stage->slice >= 0) {
                scope_name(x->record->id, name);
                scope = openat(x->stage->slice, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (scope >= 0)
                        (void) cgroup_kill(scope);
        }
        (void) pidfd_signal(x->pidfd, SIGKILL);
}

static void on_monitor_exit(LoopSource *src, uint32_t events, void *userdata) {
        Session *x = userdata;

        (void) events;
        loop_remove(x->stage->loop, src);
        /* What it said last may still be in the socket: why it failed, or how it ended. */
        while (x->report >= 0 && report_next(x))
                ;
        /* Ours has to be waited for; an adopted one is somebody else's child. */
        (void) waitpid(x->record->monitor, NULL, WNOHANG);
        session_reap(x);
}

/* ---- making a session ---- */

int session_watch(Session *x) {
        Stage *s = x->stage;
        int r;

        x->pidfd = x->pidfd >= 0 ? x->pidfd : pidfd_of(x->record->monitor);
        if (x->pidfd < 0)
                return x->pidfd;
        r = loop_add(s->loop, &x->pid_source, x->pidfd, EPOLLIN, on_monitor_exit, x);
        if (r >= 0 && x->report >= 0)
                r = loop_add(s->loop, &x->report_source, x->report, EPOLLIN, on_report, x);
        return r;
}

Session *session_new(Stage *s, Record *record) {
        Session *x = calloc(1, sizeof(*x));

        if (!x)
                return NULL;
        *x = (Session) { .stage = s, .record = record, .report = -EBADF, .pidfd = -EBADF,
                .cleaner_pidfd = -EBADF, .network.fds = { -EBADF, -EBADF, -EBADF }, .next = s->sessions };
        s->sessions = x;
        s->n_sessions++;
        return x;
}

static Record *record_of_plan(Stage *s, const Plan *p) {
        Record *r = calloc(1, sizeof(*r));
        char name[64];

        if (!r)
                return NULL;
        (void) snprintf(r->id, sizeof(r->id), "%s", p->id);
        r->uid = p->uid;
        scope_name(p->id, name);
        if ((size_t) snprintf(r->cgroup, sizeof(r->cgroup), "%s/%s", s->slice_path, name) >= sizeof(r->cgroup))
                return record_free(r);
        if (p->network == PLAN_NETWORK_NONE)
                return r;
        r->intent = malloc(sizeof(*r->intent));
        if (!r->intent)
                return record_free(r);
        *r->intent = p->net;
        return r;
}

typedef struct Birth {
        MonitorArgs args;
        int scope, leaf, report[2];
        char why[512];
        const char *step;
} Birth;

/* The cgroup is there before the monitor: it is born in it. Under systemd the monitor registers its scope itself. */
static int prepare_birth(Stage *s, Plan *plan, Birth *b) {
        int r;

        *b = (Birth) { .scope = -EBADF, .leaf = -EBADF, .report = { -EBADF, -EBADF }, .step = "cgroup" };
        if (!s->systemd) {
                r = scope_make(s->slice, plan, &b->scope, b->why, sizeof(b->why));
                if (r < 0)
                        return r;
                b->leaf = cgroup_make(b->scope, "monitor");
                if (b->leaf < 0)
                        return b->leaf;
        }
        b->step = "socket";
        return wire_pair(b->report);
}

static pid_t give_birth(Stage *s, Plan *plan, int *fds, int netns, Birth *b, int *ret_pidfd) {
        pid_t pid;

        b->step = "fork";
        pid = process_clone(0, b->leaf, ret_pidfd);
        if (pid == 0) {
                MonitorArgs a = { .plan = plan, .fds = fds, .report = b->report[1], .netns = netns,
                        .proc = s->proc, .templates = s->templates,
                        .init_exe = s->init_exe, .records = s->records, .journals = s->journals,
                        .monitors = s->monitors, .scope = b->scope, .systemd = s->systemd,
                        .ocsb_gid = s->ocsb_gid, .landlock_abi = s->abi };

                monitor_run(&a);
        }
        return pid;
}

static int bear(Session *x, Plan *plan, int *fds, int netns, Birth *b) {
        Stage *s = x->stage;
        int pidfd, r;
        pid_t pid;

        r = prepare_birth(s, plan, b);
        if (r < 0)
                return r;
        FAULT("stage.create.before-fork");
        pid = give_birth(s, plan, fds, netns, b, &pidfd);
        if (pid < 0)
                return pid;
        FAULT("stage.create.after-fork");
        x->record->monitor = pid;
        b->step = "record";
        r = process_starttime(pid, &x->record->starttime);
        if (r >= 0)
                r = record_save(s->records, x->record);
        if (r >= 0) {
                x->report = TAKE_FD(b->report[0]);
                x->pidfd = pidfd;
                FAULT("stage.create.after-second-record");
                r = session_watch(x);
        }
        if (r < 0) {
                (void) pidfd_signal(pidfd, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                loop_remove(s->loop, &x->pid_source);
                fd_close(pidfd);
                x->pidfd = -EBADF;
        }
        return r;
}

static void session_failed(Session *x, int error, const char *step, const char *text) {
        x->failure = (MsgFailed) { .error = (uint32_t) -error, .status = 125 };
        (void) snprintf(x->failure.step, sizeof(x->failure.step), "%s", step);
        (void) snprintf(x->failure.text, sizeof(x->failure.text), "%s", text);
        session_kill(x);
}

void session_bear(Session *x, Plan *plan, int *fds, int netns) {
        Birth b = {};
        int r = bear(x, plan, fds, netns, &b);

        fd_close(b.scope);
        fd_close(b.leaf);
        fd_close_many(b.report, 2);
        if (r < 0)
                session_failed(x, r, b.step, b.why[0] ? b.why : strerror(-r));
}

/* The record, before anything that it names. */
static int session_begin(Stage *s, const Plan *plan, const char **step, Session **ret) {
        _cleanup_(record_freep) Record *record = NULL;
        int r;

        *step = "quota";
        if (s->n_sessions >= SESSIONS_MAX)
                return -EAGAIN;
        if (session_find(s, plan->id))
                return -EEXIST;
        record = record_of_plan(s, plan);
        if (!record)
                return -ENOMEM;
        *step = "record";
        r = record_save(s->records, record);
        if (r < 0)
                return r;
        *ret = session_new(s, record);
        if (!*ret) {
                record_remove(s->records, plan->id);
                return -ENOMEM;
        }
        record = NULL;
        FAULT("stage.create.after-record");
        return 0;
}

void session_request_create(Client *c, WireMessage *msg) {
        _cleanup_plan_ Plan *plan = NULL;
        WireReader reader = WIRE_READER(msg->body, msg->len);
        const char *why = NULL, *step;
        Session *x;
        int netns, r;

        r = plan_decode(&reader, &plan, &why);
        if (r < 0) {
                send_failed(c, msg->tag, r, "plan", why ? why : "the plan is malformed");
                return;
        }
        if (plan->n_fds != msg->n_fds) {
                send_failed(c, msg->tag, -EINVAL, "plan", "the number of descriptors does not match the plan");
                return;
        }
        if (plan->uid == c->stage->ocsb_uid) {
                send_failed(c, msg->tag, -EPERM, "plan", "no sandbox runs as the daemon's own user");
                return;
        }
        r = session_begin(c->stage, plan, &step, &x);
        if (r < 0) {
                send_failed(c, msg->tag, r, step, strerror(-r));
                return;
        }
        x->creator = c;
        x->create_tag = msg->tag;
        if (plan->network != PLAN_NETWORK_NONE) {
                why = NULL;
                r = network_create(x, &plan, msg, &why);
                if (r < 0)
                        session_failed(x, r, "network", why ? why : strerror(-r));
                return;
        }
        netns = netns_pool_take(c->stage->netns);
        session_bear(x, plan, msg->fds, netns);
        fd_close(netns);
}
