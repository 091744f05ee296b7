/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Execs. Each has a cgroup of its own, so that its end can be the end of everything it started, and a child that
 * PID 1 forked into that cgroup before anybody asked: a request goes straight to the waiting child, with its
 * descriptors, and the only thing left to do is execve(). */

#include "monitor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "sys/cgroup.h"
#include "wire/egress.h"

#define SWEEP_USEC UINT64_C(5000)
#define SWEEPS_MAX 2000u

static void exec_name(uint32_t id, char buf[static 16]) {
        (void) snprintf(buf, 16, "e%u", id);
}

static void exec_free(Exec *e) {
        Monitor *m = e->monitor;

        for (Exec **p = &m->execs; *p; p = &(*p)->next)
                if (*p == e) {
                        *p = e->next;
                        break;
                }
        loop_remove(m->loop, &e->source);
        loop_timer_clear(m->loop, &e->timeout);
        loop_timer_clear(m->loop, &e->sweep);
        fd_close(e->socket);
        fd_close(e->cgroup);
        fd_close(e->master);
        free(e);
}

static Exec *exec_find(Monitor *m, uint32_t id) {
        for (Exec *e = m->execs; e; e = e->next)
                if (e->id == id && (e->state == EXEC_STARTING || e->state == EXEC_RUNNING))
                        return e;
        return NULL;
}

bool exec_any_running(const Monitor *m) {
        for (Exec *e = m->execs; e; e = e->next)
                if (e->state == EXEC_STARTING || e->state == EXEC_RUNNING)
                        return true;
        return false;
}

/* rmdir says EBUSY as long as something lives in it. */
static void on_sweep(void *userdata) {
        Exec *e = userdata;
        char name[16];

        exec_name(e->id, name);
        if (unlinkat(e->monitor->payload, name, AT_REMOVEDIR) >= 0 || errno == ENOENT) {
                exec_free(e);
                return;
        }
        if (!(e->flags & MSG_EXEC_DETACH))
                (void) cgroup_kill(e->cgroup);
        /* Survivors of a detached exec may live as long as the session: look ever less often. */
        if (++e->sweeps < SWEEPS_MAX || (e->flags & MSG_EXEC_DETACH))
                loop_timer_set(e->monitor->loop, &e->sweep, MIN(SWEEP_USEC << MIN(e->sweeps, 12u), UINT64_C(10000000)),
                                on_sweep, e);
        else
                exec_free(e);
}

/* Freed later, by the timer: callers may still look at it. */
static void exec_over(Exec *e) {
        Peer *peer = e->peer;

        e->state = EXEC_OVER;
        e->peer = NULL;
        if (peer && peer->kind == PEER_STATUS)
                peer_drop(peer); /* the client reads the end of the stream behind the last event */
        loop_timer_clear(e->monitor->loop, &e->timeout);
        loop_remove(e->monitor->loop, &e->source);
        e->socket = fd_close(e->socket);
        e->master = fd_close(e->master);
        loop_timer_set(e->monitor->loop, &e->sweep, 0, on_sweep, e);
}

void exec_kill(Exec *e, uint32_t why) {
        e->exit_flags |= why;
        (void) cgroup_kill(e->cgroup);
}

/* ---- events ---- */

static void tell(Exec *e, uint32_t type, const WireWriter *w, const int *fds, size_t n_fds) {
        if (e->peer)
                peer_send(e->peer, type, e->tag, w, fds, n_fds);
        if (e->by_bus)
                control_send(e->monitor, type, e->tag, w);
}

static void tell_failed(Exec *e, const MsgFailed *f) {
        _cleanup_writer_ WireWriter w = {};

        msg_failed_encode(&w, f);
        tell(e, WIRE_EVENT_FAILED, &w, NULL, 0);
        exec_over(e);
}

static void on_spare_timer(void *userdata) {
        Monitor *m = userdata;

        for (Exec *e = m->execs; e; e = e->next)
                if (e->state == EXEC_SPARE)
                        return;
        if (!m->ending)
                (void) exec_prefork(m, false);
}

static void tell_started(Exec *e) {
        _cleanup_writer_ WireWriter w = {};

        e->state = EXEC_RUNNING;
        wire_put_u32(&w, e->id);
        wire_put_u32(&w, e->pid);
        tell(e, WIRE_EVENT_STARTED, &w, &e->master, e->master >= 0);
        loop_remove(e->monitor->loop, &e->source);
        e->socket = fd_close(e->socket);
        /* The next request's child, while the program runs and when what is at hand is done: who sends one command after
         * the other finds it ready. */
        loop_timer_set(e->monitor->loop, &e->monitor->spare_timer, 0, on_spare_timer, e->monitor);
}

/* Not believed but passed on: whoever asked decodes it. */
static void egress_seen(Exec *e, const WireMessage *msg) {
        WireWriter body = { .data = msg->body, .len = msg->len }; /* borrowed */

        if (e->state == EXEC_EGRESS && e->peer)
                peer_send(e->peer, WIRE_EGRESSED, e->tag, &body, NULL, 0);
}

/* The child speaks, or has become the program: its end of the pair closes on execve(). */
static bool child_says(Exec *e) {
        _cleanup_message_ WireMessage msg = {};
        WireReader reader;
        MsgFailed f;
        int r;

        r = wire_recv(e->socket, &msg);
        if (r == -EAGAIN)
                return false;
        if (r < 0 || (r == 0 && e->state != EXEC_STARTING)) {
                /* A spare that died (killed by a sibling of the same uid): nothing was asked of it yet. */
                if (e->state == EXEC_PROBE)
                        monitor_probe_lost(e->monitor);
                if (e->state == EXEC_EGRESS && e->peer)
                        peer_ack(e->peer, e->tag, -ECANCELED, "the process that tried it was killed: try again");
                exec_over(e);
                return false;
        }
        if (r == 0) {
                if (e->pid == 0) {
                        /* Never got as far as execve(): PID 1 will report its end. */
                        loop_remove(e->monitor->loop, &e->source);
                        return false;
                }
                tell_started(e);
                return false;
        }
        reader = WIRE_READER(msg.body, msg.len);
        switch (msg.type) {
        case WIRE_EVENT_STARTED:
                (void) wire_get_u32(&reader);
                e->pid = wire_get_u32(&reader);
                if (msg.n_fds == 1)
                        e->master = TAKE_FD(msg.fds[0]);
                return true;
        case WIRE_EVENT_FAILED:
                if (msg_failed_decode(&reader, &f) >= 0)
                        tell_failed(e, &f);
                return false;
        case WIRE_PROBED:
                monitor_probed(e->monitor, &msg);
                exec_over(e);
                return false;
        case WIRE_EGRESSED:
                egress_seen(e, &msg);
                exec_over(e);
                return false;
        default:
                return false;
        }
}

static void on_child(LoopSource *s, uint32_t events, void *userdata) {
        (void) s;
        (void) events;
        while (child_says(userdata))
                ;
}

static void on_timeout(void *userdata) {
        exec_kill(userdata, MSG_EXITED_TIMEOUT);
}

/* ---- making ---- */

Exec *exec_prefork(Monitor *m, bool probe) {
        _cleanup_writer_ WireWriter w = {};
        Exec *e = calloc(1, sizeof(*e));
        int pair[2] = { -EBADF, -EBADF };
        char name[16];

        if (!e)
                return NULL;
        *e = (Exec) { .monitor = m, .id = m->next_id++, .state = probe ? EXEC_PROBE : EXEC_SPARE, .socket = -EBADF,
                .cgroup = -EBADF, .master = -EBADF };
        exec_name(e->id, name);
        e->cgroup = cgroup_make(m->payload, name);
        if (e->cgroup < 0 || wire_pair(pair) < 0)
                goto fail;
        (void) fd_set_nonblock(pair[1], false);
        wire_put_u32(&w, e->id);
        if (wire_send(m->init, probe ? WIRE_PROBE : WIRE_PREFORK, 0, &w, (const int[]) { e->cgroup, pair[1] }, 2) < 0)
                goto fail;
        fd_close(pair[1]);
        pair[1] = -EBADF;
        e->socket = pair[0];
        if (loop_add(m->loop, &e->source, e->socket, EPOLLIN, on_child, e) < 0) {
                pair[0] = -EBADF; /* e has it */
                goto fail;
        }
        e->next = m->execs;
        m->execs = e;
        return e;

fail:
        fd_close(pair[0]);
        fd_close(pair[1]);
        if (e->cgroup >= 0)
                (void) unlinkat(m->payload, name, AT_REMOVEDIR);
        fd_close(e->cgroup);
        if (e->socket >= 0 && e->socket != pair[0])
                fd_close(e->socket);
        free(e);
        return NULL;
}

static Exec *take_spare(Monitor *m) {
        for (Exec *e = m->execs; e; e = e->next)
                if (e->state == EXEC_SPARE)
                        return e;
        return exec_prefork(m, false);
}

static uint64_t oom_kills(Monitor *m) {
        uint64_t n = 0;

        (void) cgroup_counter(m->scope, "memory.events", "oom_kill", &n);
        return n;
}

typedef struct Refusal {
        int error;
        const char *step;
        char text[256];
} Refusal;

static int refuse(Refusal *f, int error, const char *step, const char *text) {
        f->error = error;
        f->step = step;
        (void) snprintf(f->text, sizeof(f->text), "%s", text);
        return error;
}

static int check_fds(const WireMessage *msg, size_t n, Refusal *f) {
        for (size_t i = 0; i < n; i++) {
                FdKind k = fd_kind(msg->fds[i]);

                if (k == FD_KIND_TTY)
                        return refuse(f, -EPERM, "fd", "a terminal cannot be handed into a sandbox (TIOCSTI): ask for a pty instead");
                if (k == FD_KIND_SOCKET)
                        return refuse(f, -EPERM, "fd", "a socket cannot be handed into a sandbox, since descriptors could pass through it: use a pipe");
                if (!fd_kind_is_stdio(k)) {
                        (void) refuse(f, -EPERM, "fd", "");
                        (void) snprintf(f->text, sizeof(f->text), "a %s cannot be handed into a sandbox: only pipes, "
                                                                  "regular files and /dev/null can", fd_kind_to_string(k));
                        return -EPERM;
                }
        }
        return 0;
}

static int check_request(Monitor *m, const Peer *from, const WireMessage *msg, const MsgExec *x, Refusal *f) {
        size_t n = 0, extra = from->kind == PEER_CONTROL ? 1 : 0;

        if (msg->n_fds != x->n_fds + extra)
                return refuse(f, -EINVAL, "fd", "the number of descriptors does not match the request");
        if ((x->flags & MSG_EXEC_PTY) && x->n_fds > 0)
                return refuse(f, -EINVAL, "fd", "with a pty no descriptors are passed");
        if (m->ending)
                return refuse(f, -ESHUTDOWN, "session", "the session is ending");
        if (m->frozen)
                return refuse(f, -EBUSY, "session", "the session is frozen: thaw it first");
        for (Exec *e = m->execs; e; e = e->next)
                n += e->state == EXEC_STARTING || e->state == EXEC_RUNNING;
        if (n >= m->plan->limits.execs)
                return refuse(f, -EAGAIN, "quota", "too many commands run in this session: wait for one to end");
        return check_fds(msg, x->n_fds, f);
}

static void refused(Peer *from, uint32_t tag, const Refusal *f) {
        _cleanup_writer_ WireWriter w = {};
        MsgFailed mf = { .error = (uint32_t) -f->error, .status = 125 };

        if (from->kind == PEER_CONTROL) {
                peer_ack(from, tag, f->error, f->text);
                return;
        }
        (void) snprintf(mf.step, sizeof(mf.step), "%s", f->step);
        (void) snprintf(mf.text, sizeof(mf.text), "%s", f->text);
        msg_failed_encode(&w, &mf);
        peer_send(from, WIRE_EVENT_FAILED, tag, &w, NULL, 0);
}

/* Hands the request to a waiting child. From ocsbd the last descriptor is the caller's status socket. */
static int dispatch(Monitor *m, Peer *from, WireMessage *msg, const MsgExec *x, Exec **ret, Refusal *f) {
        WireWriter body = { .data = msg->body, .len = msg->len }; /* the same bytes go on; borrowed */
        Peer *peer = from;
        Exec *e;
        int r;

        e = take_spare(m);
        if (!e)
                return refuse(f, -EAGAIN, "fork", "the session cannot start another process");
        if (from->kind == PEER_CONTROL) {
                peer = peer_new(m, PEER_STATUS, msg->fds[x->n_fds]);
                if (!peer)
                        return refuse(f, -EMFILE, "quota", "too many connections to this session");
                msg->fds[x->n_fds] = -EBADF;
        }
        r = wire_send(e->socket, WIRE_EXEC, 0, &body, msg->fds, x->n_fds);
        if (r < 0) {
                exec_over(e);
                return refuse(f, r, "fork", "the session cannot start another process");
        }
        e->state = EXEC_STARTING;
        e->peer = peer;
        e->by_bus = from->kind == PEER_CONTROL;
        e->tag = msg->tag;
        e->flags = x->flags;
        m->execs_total++;
        m->last_used = now_realtime();
        if (m->plan->limits.memory != PLAN_UNLIMITED)
                e->oom_before = oom_kills(m);
        if (x->timeout_usec > 0 && x->timeout_usec != USEC_INFINITY)
                loop_timer_set(m->loop, &e->timeout, x->timeout_usec, on_timeout, e);
        *ret = e;
        return 0;
}

void exec_request(Monitor *m, Peer *from, WireMessage *msg) {
        _cleanup_msg_exec_ MsgExec x = {};
        WireReader reader = WIRE_READER(msg->body, msg->len);
        Refusal f = {};
        const char *why = NULL;
        Exec *e = NULL;
        char id[16];
        int r;

        FAULT("monitor.exec.before");
        r = msg_exec_decode(&reader, &x, &why);
        if (r < 0)
                r = refuse(&f, r, "request", why ? why : "the request is malformed");
        if (r >= 0)
                r = check_request(m, from, msg, &x, &f);
        if (r >= 0)
                r = dispatch(m, from, msg, &x, &e, &f);
        if (r < 0) {
                refused(from, msg->tag, &f);
                return;
        }
        FAULT("monitor.exec.after-dispatch");
        if (from->kind == PEER_CONTROL) {
                (void) snprintf(id, sizeof(id), "%u", e->id);
                peer_ack(from, msg->tag, 0, id);
        }
}

/* ---- asking for things of a running one ---- */

/* A channel reaches the execs that it started; ocsbd reaches all. */
static Exec *exec_for(Monitor *m, const Peer *from, uint32_t id) {
        Exec *e = exec_find(m, id);

        return e && (from->kind == PEER_CONTROL || e->peer == from) ? e : NULL;
}

void exec_signal(Monitor *m, Peer *from, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        _cleanup_writer_ WireWriter w = {};
        MsgSignal s;
        Exec *e;
        int r = msg_signal_decode(&reader, &s);

        if (r < 0) {
                peer_ack(from, msg->tag, r, "malformed request");
                return;
        }
        e = exec_for(m, from, s.exec_id);
        if (!e) {
                peer_ack(from, msg->tag, -ESRCH, "no such command is running");
                return;
        }
        if (s.signal == SIGKILL) {
                exec_kill(e, MSG_EXITED_KILLED);
                peer_ack(from, msg->tag, 0, NULL);
                return;
        }
        /* By PID 1, which is the only one with rights over the payload's uid in its namespaces. */
        msg_signal_encode(&w, &s);
        r = wire_send(m->init, WIRE_SIGNAL, 0, &w, NULL, 0);
        peer_ack(from, msg->tag, r, NULL);
}

void exec_resize(Monitor *m, Peer *from, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        struct winsize ws = {};
        MsgResize z;
        Exec *e;
        int r = msg_resize_decode(&reader, &z);

        if (r < 0) {
                peer_ack(from, msg->tag, r, "malformed request");
                return;
        }
        e = exec_for(m, from, z.exec_id);
        if (!e || e->master < 0) {
                peer_ack(from, msg->tag, e ? -ENOTTY : -ESRCH, e ? "the command has no terminal" : "no such command is running");
                return;
        }
        ws.ws_row = (unsigned short) z.rows;
        ws.ws_col = (unsigned short) z.cols;
        peer_ack(from, msg->tag, ioctl(e->master, TIOCSWINSZ, &ws) < 0 ? -errno : 0, NULL);
}

/* ---- ending ---- */

static void tell_ended(Exec *e, const MsgExited *end) {
        _cleanup_writer_ WireWriter w = {};
        MsgExited m = *end;

        m.exec_id = e->id;
        m.flags |= e->exit_flags;
        if (m.signal == SIGKILL && e->monitor->plan->limits.memory != PLAN_UNLIMITED &&
                        oom_kills(e->monitor) > e->oom_before)
                m.flags |= MSG_EXITED_OOM;
        e->monitor->last_used = now_realtime();
        msg_exited_encode(&w, &m);
        tell(e, WIRE_EVENT_EXITED, &w, NULL, 0);
        exec_over(e);
        loop_timer_clear(e->monitor->loop, &e->monitor->spare_timer);
        on_spare_timer(e->monitor);
}

void exec_ended(Monitor *m, const MsgExited *end) {
        Exec *e;

        for (e = m->execs; e && e->id != end->exec_id; e = e->next)
                ;
        if (!e || e->state == EXEC_OVER)
                return;
        /* What the child said before it ended comes first, in whichever order the sockets became readable. */
        while (e->state == EXEC_STARTING && e->socket >= 0 && child_says(e))
                ;
        if (e->state == EXEC_STARTING) {
                MsgFailed f = { .error = ECANCELED, .status = 125, .step = "start" };

                (void) snprintf(f.text, sizeof(f.text), "the process ended before the program was started");
                if (e->exit_flags)
                        tell_ended(e, end);
                else
                        tell_failed(e, &f);
        } else if (e->state == EXEC_RUNNING)
                tell_ended(e, end);
        else if (e->state == EXEC_PROBE || e->state == EXEC_SPARE || e->state == EXEC_EGRESS) {
                while (e->socket >= 0 && e->state != EXEC_OVER && child_says(e))
                        ;
        }
}

void exec_egress(Monitor *m, Peer *from, WireMessage *msg) {
        WireWriter body = { .data = msg->body, .len = msg->len }; /* the same bytes go on; borrowed */
        _cleanup_msg_egress_ MsgEgress x = {};
        WireReader reader = WIRE_READER(msg->body, msg->len);
        Exec *e = NULL;
        int r;

        r = msg_egress_decode(&reader, &x);
        if (r < 0 || msg->n_fds > 0) {
                peer_ack(from, msg->tag, r < 0 ? r : -EINVAL, "malformed request");
                return;
        }
        if (m->ending || m->frozen) {
                peer_ack(from, msg->tag, -EBUSY, m->ending ? "the session is ending" : "the session is frozen: thaw it first");
                return;
        }
        e = take_spare(m);
        r = e ? wire_send(e->socket, WIRE_EGRESS, 0, &body, NULL, 0) : -EAGAIN;
        if (r < 0) {
                if (e)
                        exec_over(e);
                peer_ack(from, msg->tag, r, "the session cannot start another process");
                return;
        }
        e->state = EXEC_EGRESS;
        e->peer = from;
        e->tag = msg->tag;
        loop_timer_set(m->loop, &m->spare_timer, 0, on_spare_timer, m);
}

void exec_all_ended(Monitor *m) {
        static const MsgExited killed = { .signal = SIGKILL, .flags = MSG_EXITED_KILLED };

        for (Exec *e = m->execs; e; e = e->next)
                if (e->state == EXEC_RUNNING || e->state == EXEC_STARTING) {
                        _cleanup_writer_ WireWriter w = {};
                        MsgExited x = killed;

                        x.exec_id = e->id;
                        msg_exited_encode(&w, &x);
                        tell(e, WIRE_EVENT_EXITED, &w, NULL, 0);
                        e->state = EXEC_OVER;
                }
}

void execs_of_peer_lost(Monitor *m, Peer *p) {
        for (Exec *e = m->execs; e; e = e->next) {
                if (e->peer != p)
                        continue;
                e->peer = NULL;
                if (!(e->flags & MSG_EXEC_DETACH) && e->state != EXEC_OVER)
                        exec_kill(e, MSG_EXITED_KILLED);
        }
}
