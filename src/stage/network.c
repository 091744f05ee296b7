/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of a session with a network waits for what:
 *
 *   record ─► namespace with the inner fence ─┬─► FW_ATTACH ─► FW_ATTACHED ─┬─► record "attached" ─► READY
 *                                             └─► monitor, builder ─► READY ─┘
 *
 * The record comes before every effect. A session whose record does not say "attached" never told anybody that it is ready,
 * so a new ocsb-stage ends it; one whose record does is attached again. */

#include "network.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "stage/firewall.h"
#include "stage/session.h"

#define TIMEOUT_USEC UINT64_C(5000000)
#define PAUSE_FIRST_USEC UINT64_C(1000000)
#define PAUSE_MAX_USEC UINT64_C(60000000)

static void watch_namespaces(Stage *s);

static void log_network(const Session *x, int level, const char *text) {
        log_record(level, &(LogContext) { .session = x->record->id, .owner = x->record->uid, .step = "network" }, NULL, "%s", text);
}

static void on_pause_over(void *userdata) {
        Session *x = userdata;

        firewall_attach(x->stage->firewall, x);
}

/* A running session that cannot be attached again lives on behind its inner fence; what it lacks is the way out. */
static void cut_off(Session *x, const char *text) {
        SessionNetwork *n = &x->network;
        char line[640];

        (void) snprintf(line, sizeof(line), "The session's network is cut off: %s", text);
        log_network(x, LOG_LEVEL_ERR, line);
        n->pause = n->pause ? MIN(n->pause * 2, PAUSE_MAX_USEC) : PAUSE_FIRST_USEC;
        loop_timer_set(x->stage->loop, &n->timeout, n->pause, on_pause_over, x);
}

void network_failed(Session *x, int error, const char *text) {
        SessionNetwork *n = &x->network;

        if (n->state == NETWORK_FAILED || n->state == NETWORK_NONE)
                return;
        if (n->state == NETWORK_ATTACHED) {
                cut_off(x, text);
                return;
        }
        log_network(x, LOG_LEVEL_ERR, text);
        n->state = NETWORK_FAILED;
        n->pending = false;
        wire_message_done(&n->ready);
        x->failure = (MsgFailed) { .error = (uint32_t) -error, .status = 125, .step = "network" };
        (void) snprintf(x->failure.text, sizeof(x->failure.text), "%s", text);
        session_kill(x);
}

static void on_timeout(void *userdata) {
        Session *x = userdata;

        network_failed(x, -ETIMEDOUT, x->network.state == NETWORK_NAMESPACE
                                        ? "no network namespace with its fence inside was ready within 5 seconds"
                                        : "ocsb-fw did not answer within 5 seconds");
}

static void start_timeout(Session *x) {
        loop_timer_set(x->stage->loop, &x->network.timeout, TIMEOUT_USEC, on_timeout, x);
}

/* ---- both are done ---- */

static void finish(Session *x) {
        SessionNetwork *n = &x->network;
        _cleanup_message_ WireMessage ready = {};
        struct stat st;
        int r;

        if (n->state != NETWORK_ATTACHING || !n->there || !n->built)
                return;
        r = fstat(n->fds[NETNS_NAMESPACE], &st) < 0 ? -errno : 0;
        if (r >= 0) {
                x->record->netns = st.st_ino;
                x->record->attached = true;
                r = record_save(x->stage->records, x->record);
        }
        if (r < 0) {
                network_failed(x, r, "the session's record cannot be written");
                return;
        }
        FAULT("network.after-record");
        n->state = NETWORK_ATTACHED;
        loop_timer_clear(x->stage->loop, &n->timeout);
        network_close(x);
        ready = n->ready;
        n->ready = (WireMessage) {};
        /* The self-probe looks at the network, so it waits for this. */
        (void) wire_send(x->report, WIRE_ATTACHED, 0, NULL, NULL, 0);
        FAULT("network.before-ready");
        session_answer_ready(x, &ready);
}

void network_attached(Session *x) {
        SessionNetwork *n = &x->network;

        n->there = true;
        if (n->pause > 0) {
                log_network(x, LOG_LEVEL_NOTICE, "The session's network is back");
                n->pause = 0;
                loop_timer_clear(x->stage->loop, &n->timeout);
        }
        finish(x);
}

bool network_keeps_ready(Session *x, WireMessage *msg) {
        SessionNetwork *n = &x->network;

        if (n->state == NETWORK_NONE)
                return false;
        wire_message_done(&n->ready);
        n->ready = *msg;
        *msg = (WireMessage) {};
        n->built = true;
        finish(x);
        return true;
}

/* ---- the namespace ---- */

/* The session can be born: its fence is there before it. */
static void use_namespace(Session *x, const int fds[static _NETNS_FDS]) {
        SessionNetwork *n = &x->network;
        Plan *plan = TAKE_PTR(n->plan);
        int *plan_fds = TAKE_PTR(n->plan_fds);
        size_t n_fds = plan->n_fds;

        memcpy(n->fds, fds, sizeof(n->fds));
        n->state = NETWORK_ATTACHING;
        start_timeout(x);
        FAULT("network.before-birth");
        /* First what takes longer: to wake ocsb-fw before the fork costs 0.6 ms of the whole. */
        session_bear(x, plan, plan_fds, n->fds[NETNS_NAMESPACE]);
        FAULT("network.after-birth");
        if (n->state == NETWORK_ATTACHING)
                firewall_attach(x->stage->firewall, x);
        fd_close_many(plan_fds, n_fds);
        free(plan_fds);
        plan_free(plan);
}

static Session *next_waiting(Stage *s) {
        Session *oldest = NULL;

        for (Session *x = s->sessions; x; x = x->next)
                if (x->network.state == NETWORK_NAMESPACE)
                        oldest = x;
        return oldest;
}

static void on_namespace(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;
        char why[MSG_ACK_TEXT_MAX + 1] = "";
        Session *x;

        (void) events;
        /* The pool may close its socket. */
        loop_remove(s->loop, src);
        while ((x = next_waiting(s))) {
                int fds[_NETNS_FDS], r = netns_pool_take_fenced(s->fenced, true, fds, why, sizeof(why));

                if (r > 0) {
                        use_namespace(x, fds);
                        continue;
                }
                if (r == 0)
                        break;
                for (; x; x = next_waiting(s))
                        network_failed(x, r, why);
        }
        watch_namespaces(s);
}

static void watch_namespaces(Stage *s) {
        int fd = s->fenced ? netns_pool_fd(s->fenced) : -EBADF;

        if (s->fenced_source.active || fd < 0 || !next_waiting(s))
                return;
        if (loop_add(s->loop, &s->fenced_source, fd, EPOLLIN, on_namespace, s) < 0)
                log_warning("Failed to wait for a network namespace: %m");
}

static int make_pool(Stage *s, const char **ret_why) {
        const struct passwd *pw;
        char path[PATH_MAX];

        if (s->fenced)
                return 0;
        pw = getpwnam("ocsb-fw");
        if (!pw || pw->pw_uid == 0) {
                *ret_why = "network \"nat\" needs the user \"ocsb-fw\", which is not there: run systemd-sysusers, or useradd --system ocsb-fw";
                return -EOPNOTSUPP;
        }
        (void) snprintf(path, sizeof(path), "%s/ocsb-fw", s->libexec);
        s->fenced = netns_pool_new_fenced(s->loop, path, pw->pw_uid, pw->pw_gid);
        return s->fenced ? 0 : -ENOMEM;
}

int network_create(Session *x, Plan **plan, WireMessage *msg, const char **ret_why) {
        SessionNetwork *n = &x->network;
        Stage *s = x->stage;
        int fds[_NETNS_FDS], r;

        r = make_pool(s, ret_why);
        if (r < 0)
                return r;
        n->plan_fds = calloc(msg->n_fds + 1, sizeof(int));
        if (!n->plan_fds)
                return -ENOMEM;
        memcpy(n->plan_fds, msg->fds, msg->n_fds * sizeof(int));
        msg->n_fds = 0;
        n->plan = TAKE_PTR(*plan);
        n->state = NETWORK_NAMESPACE;
        FAULT("network.before-namespace");
        if (!next_waiting(s) || next_waiting(s) == x) {
                r = netns_pool_take_fenced(s->fenced, s->fenced_source.active, fds, s->fenced_why, sizeof(s->fenced_why));
                if (r < 0) {
                        *ret_why = s->fenced_why;
                        return r;
                }
                if (r > 0) {
                        use_namespace(x, fds);
                        return 0;
                }
        }
        start_timeout(x);
        watch_namespaces(s);
        return 0;
}

/* Every process of the session is in its cgroup, and in its network namespace: nothing inside can leave either. The inode
 * names the namespace, so that a pid that was used again cannot lead to another one. */
static int find_namespace(const Session *x) {
        _cleanup_free_ char *pids = NULL;
        char path[600], *save = NULL;
        int r;

        (void) snprintf(path, sizeof(path), "%s/payload/cgroup.procs", x->record->cgroup);
        r = file_read(AT_FDCWD, path, 65536, &pids, NULL);
        if (r < 0)
                return r == -ENOENT || r == -ENODEV ? -ESRCH : r;
        for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save)) {
                _cleanup_close_ int fd = -EBADF;
                struct stat st;

                (void) snprintf(path, sizeof(path), "%.16s/ns/net", pid);
                fd = openat(x->stage->proc, path, O_RDONLY | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT && errno != ESRCH)
                        return -errno;
                if (fd >= 0 && fstat(fd, &st) >= 0 && st.st_ino == x->record->netns)
                        return TAKE_FD(fd);
        }
        return -ESRCH;
}

int network_open(Session *x) {
        int *fds = x->network.fds;

        if (fds[NETNS_NAMESPACE] < 0) {
                int r = find_namespace(x);

                if (r < 0)
                        return r;
                fds[NETNS_NAMESPACE] = r;
        }
        return fds[NETNS_ROUTE] >= 0 ? 0 : netns_open_sockets(fds[NETNS_NAMESPACE], fds);
}

/* Sockets are used once: what is unread in them is for nobody else. The namespace is still needed while nobody is in it. */
void network_close(Session *x) {
        int *fds = x->network.fds;

        fds[NETNS_ROUTE] = fd_close(fds[NETNS_ROUTE]);
        fds[NETNS_NETFILTER] = fd_close(fds[NETNS_NETFILTER]);
        if (x->network.state != NETWORK_ATTACHING)
                fds[NETNS_NAMESPACE] = fd_close(fds[NETNS_NAMESPACE]);
}

/* ---- life and death ---- */

bool network_adopt(Session *x) {
        if (!x->record->intent)
                return true;
        if (!x->record->attached) {
                x->network.state = NETWORK_FAILED;
                return false;
        }
        x->network.state = NETWORK_ATTACHED;
        return true;
}

void network_over(Session *x) {
        NetworkState was = x->network.state;

        if (was == NETWORK_NONE)
                return;
        x->network.state = NETWORK_FAILED;
        x->network.pending = false;
        loop_timer_clear(x->stage->loop, &x->network.timeout);
        FAULT("network.before-detach");
        firewall_detach(x->stage->firewall, x->record->id);
}

void network_done(Session *x) {
        SessionNetwork *n = &x->network;

        loop_timer_clear(x->stage->loop, &n->timeout);
        n->state = NETWORK_FAILED;
        network_close(x);
        wire_message_done(&n->ready);
        if (n->plan)
                fd_close_many(n->plan_fds, n->plan->n_fds);
        free(n->plan_fds);
        plan_free(n->plan);
}
