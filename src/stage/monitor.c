/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The monitor's life: build, give up rights, serve. It answers ocsbd on /run/ocsb/monitor/ID and clients on
 * channels, and it ends when PID 1 of its session does. Whatever ends it, ocsb-stage cleans up after it. */

#include "monitor.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "stage/build.h"
#include "stage/scope.h"
#include "sys/cgroup.h"
#include "sys/process.h"

#define PROBE_DELAY_USEC UINT64_C(30000)
#define PROBES_MAX 20u /* a payload that kills the probe again and again is not proven */
#define PEERS_MAX 256u

typedef struct Failure {
        const char *step;
        char why[512];
} Failure;

static int failed(Failure *f, const char *step, int error, const char *why) {
        f->step = step;
        if (why)
                (void) snprintf(f->why, sizeof(f->why), "%s", why);
        return error;
}

/* ---- peers ---- */

void peer_drop(Peer *p) {
        Monitor *m = p->monitor;

        for (Peer **q = &m->peers; *q; q = &(*q)->next)
                if (*q == p) {
                        *q = p->next;
                        break;
                }
        loop_remove(m->loop, &p->source);
        fd_close(p->fd);
        execs_of_peer_lost(m, p);
        free(p);
}

void peer_send(Peer *p, uint32_t type, uint32_t tag, const WireWriter *w, const int *fds, size_t n_fds) {
        /* Not dropped here: callers iterate. The loop sees the hang-up that shutdown() makes. */
        if (wire_send(p->fd, type, tag, w, fds, n_fds) < 0)
                (void) shutdown(p->fd, SHUT_RDWR);
}

void peer_ack(Peer *p, uint32_t tag, int error, const char *text) {
        _cleanup_writer_ WireWriter w = {};

        msg_ack_encode(&w, error < 0 ? -error : error, text);
        peer_send(p, WIRE_ACK, tag, &w, NULL, 0);
}

void control_send(Monitor *m, uint32_t type, uint32_t tag, const WireWriter *w) {
        for (Peer *p = m->peers; p; p = p->next)
                if (p->kind == PEER_CONTROL)
                        peer_send(p, type, tag, w, NULL, 0);
}

static void send_probe(Peer *p) {
        _cleanup_writer_ WireWriter w = {};

        if (p->monitor->probe.n_items == 0)
                return;
        msg_probe_encode(&w, &p->monitor->probe);
        peer_send(p, WIRE_PROBED, 0, &w, NULL, 0);
}

static void send_info(Peer *p, uint32_t tag) {
        Monitor *m = p->monitor;
        _cleanup_writer_ WireWriter w = {};
        _cleanup_free_ uint32_t *ids = NULL;
        MsgInfo info = { .execs_total = m->execs_total, .frozen = m->frozen, .last_used_usec = m->last_used };
        size_t n = 0;

        for (Exec *e = m->execs; e; e = e->next)
                n += e->state == EXEC_STARTING || e->state == EXEC_RUNNING;
        ids = info.running = calloc(n + 1, sizeof(uint32_t));
        if (!ids) {
                peer_ack(p, tag, -ENOMEM, NULL);
                return;
        }
        for (Exec *e = m->execs; e && info.n_running < n; e = e->next)
                if (e->state == EXEC_STARTING || e->state == EXEC_RUNNING)
                        ids[info.n_running++] = e->id;
        msg_info_encode(&w, &info);
        peer_send(p, WIRE_INFO_REPLY, tag, &w, NULL, 0);
}

static void freeze(Peer *p, uint32_t tag, bool on) {
        Monitor *m = p->monitor;
        int r = cgroup_freeze(m->payload, on, 1000);

        if (r >= 0)
                m->frozen = on;
        else if (on)
                (void) cgroup_freeze(m->payload, false, 0);
        peer_ack(p, tag, r, r < 0 ? "the session could not be frozen in time" : NULL);
}

static void terminate(Peer *p, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        bool only_if_idle = msg->len > 0 && wire_get_u32(&reader) == 1;

        if (msg->len > 0 && wire_reader_finish(&reader) < 0) {
                peer_ack(p, msg->tag, -EINVAL, "malformed request");
                return;
        }
        /* Decided here, where execs start: ocsbd's knowledge may be a moment old. */
        if (only_if_idle && exec_any_running(p->monitor)) {
                peer_ack(p, msg->tag, -EBUSY, "a command is running in the session");
                return;
        }
        peer_ack(p, msg->tag, 0, NULL);
        monitor_end(p->monitor, "terminated");
}

/* What only ocsbd may say. */
static void control_message(Peer *p, WireMessage *msg) {
        Monitor *m = p->monitor;

        switch (msg->type) {
        case WIRE_CHANNEL:
                if (msg->n_fds != 1 || !peer_new(m, PEER_CHANNEL, msg->fds[0])) {
                        peer_ack(p, msg->tag, -EMFILE, "too many channels");
                        return;
                }
                msg->fds[0] = -EBADF;
                peer_ack(p, msg->tag, 0, NULL);
                return;
        case WIRE_FREEZE:
        case WIRE_THAW:
                freeze(p, msg->tag, msg->type == WIRE_FREEZE);
                return;
        case WIRE_TERMINATE:
                terminate(p, msg);
                return;
        case WIRE_INFO:
                send_info(p, msg->tag);
                return;
        case WIRE_EGRESS:
                exec_egress(m, p, msg);
                return;
        default:
                peer_ack(p, msg->tag, -EOPNOTSUPP, "no such request");
        }
}

static void peer_message(Peer *p, WireMessage *msg) {
        switch (msg->type) {
        case WIRE_EXEC:
                exec_request(p->monitor, p, msg);
                return;
        case WIRE_SIGNAL:
                exec_signal(p->monitor, p, msg);
                return;
        case WIRE_RESIZE:
                exec_resize(p->monitor, p, msg);
                return;
        default:
                if (p->kind == PEER_CONTROL)
                        control_message(p, msg);
                else
                        peer_ack(p, msg->tag, -EOPNOTSUPP, "no such request on a channel");
        }
}

static void on_peer(LoopSource *s, uint32_t events, void *userdata) {
        Peer *p = userdata;
        _cleanup_message_ WireMessage msg = {};
        int r;

        (void) s;
        (void) events;
        r = wire_recv(p->fd, &msg);
        if (r == -EAGAIN)
                return;
        /* End of the stream, or nonsense: either way nobody sensible is at the other end. Requests on a status
         * socket are nonsense, too. */
        if (r <= 0 || p->kind == PEER_STATUS) {
                peer_drop(p);
                return;
        }
        peer_message(p, &msg);
}

Peer *peer_new(Monitor *m, PeerKind kind, int fd) {
        Peer *p;
        unsigned n = 0;

        for (Peer *q = m->peers; q; q = q->next)
                n++;
        if (n >= PEERS_MAX + m->plan->limits.execs)
                return NULL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return NULL;
        *p = (Peer) { .monitor = m, .kind = kind, .fd = fd };
        if (fd_set_nonblock(fd, true) < 0 || loop_add(m->loop, &p->source, fd, EPOLLIN, on_peer, p) < 0) {
                free(p);
                return NULL;
        }
        p->next = m->peers;
        m->peers = p;
        return p;
}

static void on_listen(LoopSource *s, uint32_t events, void *userdata) {
        Monitor *m = userdata;
        _cleanup_close_ int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Peer *p;

        (void) events;
        /* Who may connect is the matter of the socket's mode: 0660 root:ocsb in a directory 0750 root:ocsb. */
        p = fd < 0 ? NULL : peer_new(m, PEER_CONTROL, fd);
        if (!p)
                return;
        (void) TAKE_FD(fd);
        send_probe(p);
}

/* ---- the session's end ---- */

void monitor_end(Monitor *m, const char *reason) {
        if (m->ending)
                return;
        m->ending = true;
        (void) snprintf(m->end_reason, sizeof(m->end_reason), "%s", reason);
        /* PID 1 dies with the rest; its socket's end is what on_init() waits for. A frozen session dies as well
         * (cgroup.kill thaws). */
        if (cgroup_kill(m->payload) < 0)
                loop_quit(m->loop, 1);
}

static void set_probe(Monitor *m, MsgProbe *probe) {
        _cleanup_writer_ WireWriter w = {};
        bool broken = false;

        msg_probe_done(&m->probe);
        m->probe = *probe;
        *probe = (MsgProbe) {};
        for (size_t i = 0; i < m->probe.n_items; i++)
                broken = broken || m->probe.items[i].result == PROBE_BROKEN;
        msg_probe_encode(&w, &m->probe);
        control_send(m, WIRE_PROBED, 0, &w);
        if (broken)
                monitor_end(m, "probe-failed");
}

static void on_init(LoopSource *s, uint32_t events, void *userdata) {
        Monitor *m = userdata;
        _cleanup_message_ WireMessage msg = {};
        WireReader reader;
        MsgExited end;
        int r;

        (void) events;
        r = wire_recv(s->fd, &msg);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                monitor_end(m, "init-died");
                loop_quit(m->loop, 0);
                return;
        }
        reader = WIRE_READER(msg.body, msg.len);
        if (msg.type == WIRE_EVENT_EXITED && msg_exited_decode(&reader, &end) >= 0)
                exec_ended(m, &end);
}

static void on_probe_timer(void *userdata) {
        Monitor *m = userdata;

        if (m->ending || m->probe.n_items > 0)
                return;
        if (!m->frozen && m->probes++ >= PROBES_MAX) {
                monitor_end(m, "probe-failed");
                return;
        }
        if (m->frozen || !exec_prefork(m, true))
                loop_timer_set(m->loop, &m->probe_timer, PROBE_DELAY_USEC * 10, on_probe_timer, m);
}

static void on_report(LoopSource *s, uint32_t events, void *userdata) {
        Monitor *m = userdata;
        _cleanup_message_ WireMessage msg = {};
        int r = wire_recv(s->fd, &msg);

        (void) events;
        if (r == -EAGAIN)
                return;
        if (r > 0) {
                if (msg.type == WIRE_ATTACHED)
                        loop_timer_set(m->loop, &m->probe_timer, PROBE_DELAY_USEC, on_probe_timer, m);
                return;
        }
        /* ocsb-stage is gone: the session goes on; the next ocsb-stage finds it by its record. */
        loop_remove(m->loop, s);
        m->report = fd_close(m->report);
}

void monitor_probe_lost(Monitor *m) {
        loop_timer_set(m->loop, &m->probe_timer, PROBE_DELAY_USEC * 4, on_probe_timer, m);
}

void monitor_probed(Monitor *m, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        _cleanup_(msg_probe_done) MsgProbe probe = {};

        if (msg_probe_decode(&reader, &probe) >= 0)
                set_probe(m, &probe);
        else
                monitor_end(m, "probe-failed");
}

/* ---- start ---- */

/* Closes everything but the given descriptors and 0 to 2. */
static int keep_only(int *fds, size_t n) {
        unsigned from = 3;

        for (;;) {
                int next = INT32_MAX;

                for (size_t i = 0; i < n; i++)
                        if (fds[i] >= (int) from && fds[i] < next)
                                next = fds[i];
                if ((unsigned) next > from && close_range(from, next == INT32_MAX ? ~0u : (unsigned) next - 1, 0) < 0)
                        return -errno;
                if (next == INT32_MAX)
                        return 0;
                from = (unsigned) next + 1;
        }
}

static int keep_own_fds(MonitorArgs *a) {
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        int fds[PLAN_FDS_MAX + 9 + TEMPLATE_STORE_MAX];
        size_t n = 0;

        /* The stage's standard output is the journal's socket: not for the inside of a sandbox. */
        for (int i = 0; i < 3; i++)
                if (null < 0 || dup2(null, i) < 0)
                        return -errno;

        fds[n++] = a->report;
        fds[n++] = a->netns;
        fds[n++] = a->proc;
        fds[n++] = a->init_exe;
        fds[n++] = a->records;
        fds[n++] = a->journals;
        fds[n++] = a->monitors;
        fds[n++] = a->scope;
        for (size_t i = 0; i < a->plan->n_fds; i++)
                fds[n++] = a->fds[i];
        n += template_store_fds(a->templates, fds + n);
        return keep_only(fds, n);
}

static int make_cgroups(Monitor *m, MonitorArgs *a, Failure *f) {
        int r;

        if (a->systemd) {
                r = scope_register(a->plan, &a->scope, f->why, sizeof(f->why));
                if (r < 0)
                        return failed(f, "scope", r, NULL);
        }
        m->scope = a->scope;
        m->payload = cgroup_make(m->scope, "payload");
        if (m->payload < 0)
                return failed(f, "cgroup", m->payload, NULL);
        r = cgroup_delegate(m->payload, OCSB_SUB_ID, OCSB_SUB_ID);
        if (r < 0)
                return failed(f, "cgroup", r, NULL);
        return 0;
}

static int listen_control(Monitor *m, MonitorArgs *a) {
        char path[96];
        int r;

        /* In the directory that was checked at start, whatever has that name now. */
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", a->monitors, a->plan->id);
        m->control_listen = wire_listen(path, 0660);
        if (m->control_listen < 0)
                return m->control_listen;
        r = fchownat(a->monitors, a->plan->id, 0, a->ocsb_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        return r;
}

/* One line per extent: inside, outside, count. The caller's own id is itself, the rest of 0 … 65535 is the
 * subordinate range. */
static int write_map(pid_t pid, const char *file, uint32_t own) {
        char path[48], text[160];

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
        if (own >= OCSB_SUB_COUNT)
                (void) snprintf(text, sizeof(text), "0 %u %u\n%u %u 1\n", OCSB_SUB_ID, OCSB_SUB_COUNT, own, own);
        else if (own == OCSB_SUB_COUNT - 1)
                (void) snprintf(text, sizeof(text), "0 %u %u\n%u %u 1\n", OCSB_SUB_ID, own, own, own);
        else
                (void) snprintf(text, sizeof(text), "0 %u %u\n%u %u 1\n%u %u %u\n", OCSB_SUB_ID, own, own, own,
                                own + 1, OCSB_SUB_ID + own + 1, OCSB_SUB_COUNT - own - 1);
        return file_write_at(AT_FDCWD, path, text);
}

/* Waits for one message of the builder, passes a failure on into f. */
static int builder_says(int fd, WireMessage *msg, Failure *f) {
        WireReader reader;
        MsgFailed mf;
        static char step[32];
        int r;

        r = wire_recv(fd, msg);
        if (r <= 0)
                return failed(f, "builder", r < 0 ? r : -ECHILD, "the builder died");
        if (msg->type == WIRE_READY || msg->type == WIRE_TEMPLATE)
                return 0;
        reader = WIRE_READER(msg->body, msg->len);
        if (msg->type != WIRE_FAILED || msg_failed_decode(&reader, &mf) < 0)
                return failed(f, "builder", -EPROTO, NULL);
        (void) snprintf(step, sizeof(step), "%s", mf.step);
        return failed(f, step, -(int) (mf.error ? mf.error : EIO), mf.text);
}

static pid_t start_builder(Monitor *m, MonitorArgs *a, BuildContext *c, int pair[static 2]) {
        /* Without CLONE_NEWNS: the builder enters a template, or a copy of the host's mounts, by itself. */
        uint64_t flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                        (a->netns >= 0 ? 0 : (uint64_t) CLONE_NEWNET);
        pid_t pid = process_clone(flags, m->payload, NULL);

        if (pid == 0) {
                c->control = pair[1];
                fd_close(pair[0]);
                fd_close(m->control_listen);
                build_run(c);
        }
        return pid;
}

/* One that fits and is still true, or none. */
static void find_template(MonitorArgs *a, BuildContext *c) {
        _cleanup_writer_ WireWriter key = {};

        c->template.namespace_fd = -EBADF;
        template_key(&key, a->plan, c->is_dir);
        if (key.error || template_store_get(a->templates, &key, a->plan->n_mounts, &c->template) < 0)
                return;
        if (!template_is_current(&c->template, a->plan))
                template_done(&c->template);
}

/* #0: a new template goes to ocsb-stage, which keeps it under its key. */
static int pass_template(Monitor *m, MonitorArgs *a, const BuildContext *c, const WireMessage *msg) {
        _cleanup_writer_ WireWriter w = {};

        template_key(&w, a->plan, c->is_dir);
        if (w.error || msg->n_fds != 1)
                return w.error ? w.error : -EPROTO;
        {
                _cleanup_writer_ WireWriter both = {};

                wire_put_bytes(&both, w.data, w.len);
                wire_put_bytes(&both, msg->body, msg->len);
                return wire_send(m->report, WIRE_TEMPLATE, 0, &both, msg->fds, 1);
        }
}

static int build(Monitor *m, MonitorArgs *a, MsgReady *ready, Failure *f) {
        _cleanup_message_ WireMessage first = {}, second = {};
        _cleanup_(build_sources_done) BuildContext c = { .plan = a->plan, .fds = a->fds, .netns = a->netns,
                .init_exe = a->init_exe, .journals = { .dir = a->journals, .locks = a->records, .own = -EBADF },
                .landlock_abi = a->landlock_abi, .proc = a->proc };
        WireReader reader;
        int pair[2], r;
        pid_t pid;

        r = build_sources(&c);
        if (r < 0)
                return failed(f, c.step, r, c.why);
        find_template(a, &c);
        r = wire_pair(pair);
        if (r < 0)
                return failed(f, "socket", r, NULL);
        /* The builder and this process wait for each other; init makes its end non-blocking again. */
        (void) fd_set_nonblock(pair[0], false);
        (void) fd_set_nonblock(pair[1], false);
        pid = start_builder(m, a, &c, pair);
        fd_close(pair[1]);
        m->init = pair[0];
        if (pid < 0)
                return failed(f, "namespaces", pid, strerror(-pid));
        r = builder_says(m->init, &first, f);
        if (r >= 0 && first.type == WIRE_TEMPLATE) {
                (void) pass_template(m, a, &c, &first);
                wire_message_done(&first);
                r = builder_says(m->init, &first, f);
        }
        if (r < 0)
                return r;
        reader = WIRE_READER(first.body, first.len);
        r = msg_ready_decode(&reader, ready);
        if (r < 0)
                return failed(f, "builder", r, NULL);
        FAULT("monitor.before-maps");
        r = write_map(pid, "uid_map", a->plan->uid);
        if (r >= 0)
                r = write_map(pid, "gid_map", a->plan->gid);
        if (r >= 0)
                r = wire_send(m->init, WIRE_ACK, 0, NULL, NULL, 0);
        if (r < 0)
                return failed(f, "user-namespace", r, NULL);
        r = builder_says(m->init, &second, f);
        if (r < 0)
                return r;
        return fd_set_nonblock(m->init, true);
}

/* From here on the monitor is nobody in particular: an id that no other process of the host has, no capability,
 * not traceable by anybody without CAP_SYS_PTRACE. */
static int give_up_rights(void) {
        int r;

        r = identity_drop(OCSB_SUB_ID, OCSB_SUB_ID);
        if (r < 0)
                return r;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

static void report_failed(MonitorArgs *a, const Failure *f, int error) {
        _cleanup_writer_ WireWriter w = {};
        MsgFailed m = { .error = (uint32_t) -error, .status = 125 };

        (void) snprintf(m.step, sizeof(m.step), "%s", f->step ? f->step : "monitor");
        (void) snprintf(m.text, sizeof(m.text), "%s", f->why[0] ? f->why : strerror(-error));
        msg_failed_encode(&w, &m);
        (void) wire_send(a->report, WIRE_FAILED, 0, &w, NULL, 0);
}

static int start(Monitor *m, MonitorArgs *a, MsgReady *ready, Failure *f) {
        int r;

        (void) prctl(PR_SET_NAME, "ocsb-monitor");
        signals_unblock(); /* ocsb-stage has reset them at its start: 60 calls less in each session */
        (void) setsid();
        r = keep_own_fds(a);
        if (r < 0)
                return failed(f, "descriptors", r, NULL);
        r = make_cgroups(m, a, f);
        if (r < 0)
                return r;
        FAULT("monitor.after-cgroup");
        r = listen_control(m, a);
        if (r < 0)
                return failed(f, "socket", r, NULL);
        FAULT("monitor.after-listen");
        r = build(m, a, ready, f);
        if (r < 0)
                return r;
        FAULT("monitor.after-build");
        r = give_up_rights();
        if (r < 0)
                return failed(f, "monitor-rights", r, NULL);
        return 0;
}

/* The answer to CREATE: with it goes a control connection, so that ocsbd need not connect. */
static int report_ready(Monitor *m, MsgReady *ready) {
        _cleanup_writer_ WireWriter w = {};
        int pair[2], r;

        ready->monitor_pid = (uint32_t) getpid();
        (void) cgroup_of(0, ready->cgroup, sizeof(ready->cgroup));
        /* Of the session, not of the monitor inside it. */
        if (strlen(ready->cgroup) > 8 && streq(ready->cgroup + strlen(ready->cgroup) - 8, "/monitor"))
                ready->cgroup[strlen(ready->cgroup) - 8] = 0;
        msg_ready_encode(&w, ready);
        r = wire_pair(pair);
        if (r < 0)
                return r;
        if (!peer_new(m, PEER_CONTROL, pair[0])) {
                fd_close(pair[0]);
                fd_close(pair[1]);
                return -ENOMEM;
        }
        r = wire_send(m->report, WIRE_READY, 0, &w, &pair[1], 1);
        fd_close(pair[1]);
        return r;
}

static void report_ended(Monitor *m) {
        _cleanup_writer_ WireWriter w = {};
        MsgEnded ended = {};

        if (m->report < 0)
                return;
        (void) snprintf(ended.id, sizeof(ended.id), "%s", m->plan->id);
        (void) snprintf(ended.reason, sizeof(ended.reason), "%s", m->end_reason);
        msg_ended_encode(&w, &ended);
        (void) wire_send(m->report, WIRE_ENDED, 0, &w, NULL, 0);
}

void monitor_run(MonitorArgs *a) {
        Monitor m = { .report = a->report, .init = -EBADF, .control_listen = -EBADF, .scope = -EBADF,
                .payload = -EBADF, .plan = a->plan, .next_id = 1 };
        _cleanup_(msg_ready_done) MsgReady ready = {};
        Failure f = {};
        int r;

        r = start(&m, a, &ready, &f);
        if (r < 0) {
                report_failed(a, &f, r);
                _exit(1);
        }
        /* What was needed for building only. The plan stays for its limits. */
        fd_close(a->netns);
        fd_close(a->proc);
        template_store_clear(a->templates);
        fd_close(a->init_exe);
        fd_close(a->records);
        fd_close(a->journals);
        fd_close(a->monitors);
        fd_close_many(a->fds, a->plan->n_fds);

        m.loop = loop_new();
        if (!m.loop || loop_add(m.loop, &m.init_source, m.init, EPOLLIN, on_init, &m) < 0 ||
                        loop_add(m.loop, &m.listen_source, m.control_listen, EPOLLIN, on_listen, &m) < 0 ||
                        loop_add(m.loop, &m.report_source, m.report, EPOLLIN, on_report, &m) < 0)
                _exit(1);
        FAULT("monitor.before-ready");
        if (report_ready(&m, &ready) < 0)
                _exit(1);
        (void) exec_prefork(&m, false);
        /* With a network the probe waits until that is there: WIRE_ATTACHED. */
        if (m.plan->network == PLAN_NETWORK_NONE)
                loop_timer_set(m.loop, &m.probe_timer, PROBE_DELAY_USEC, on_probe_timer, &m);
        r = loop_run(m.loop);
        exec_all_ended(&m);
        report_ended(&m);
        _exit(r < 0 ? 1 : 0);
}
