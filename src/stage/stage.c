/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsb-stage: the clean builder. Root, no children but monitors, no parser but the bounded decoder of plans. It
 * forks a monitor per session, remembers it in a record file, and takes away whatever a session leaves behind,
 * however it ended: the monitors outlive this process, and the next ocsb-stage finds them by their records. */

#include <fcntl.h>
#include <limits.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "stage/monitor.h"
#include "stage/netns.h"
#include "stage/record.h"
#include "stage/scope.h"
#include "stage/template.h"
#include "sys/cgroup.h"
#include "sys/landlock.h"
#include "sys/process.h"

#define CLIENTS_MAX 16u
#define SESSIONS_MAX 16384u
#define REAP_RETRY_USEC UINT64_C(2000)

typedef struct Stage Stage;

typedef struct Client {
        Stage *stage;
        LoopSource source;
        int fd;
        struct Client *next;
} Client;

typedef struct Session {
        Stage *stage;
        Record *record;
        Client *creator;  /* waits for the answer to CREATE; NULL when it left or has it */
        uint32_t create_tag;
        Client *killer;   /* waits for ENDED with kill_tag */
        uint32_t kill_tag;
        int report, pidfd, cleaner_pidfd;
        pid_t cleaner;
        LoopSource report_source, pid_source, cleaner_source;
        LoopTimer retry;
        unsigned retries;
        bool answered;    /* READY or FAILED went out */
        MsgFailed failure;
        MsgEnded ended;
        struct Session *next;
} Session;

struct Stage {
        Loop *loop;
        LoopSource listen_source, signal_source, mounts_source;
        int init_exe, records, monitors, proc, slice, signals;
        TemplateStore *templates;
        char slice_path[512]; /* below the cgroup2 mount */
        bool systemd;
        gid_t ocsb_gid;
        uid_t ocsb_uid;
        unsigned abi;
        NetnsPool *netns;
        Client *clients;
        Session *sessions;
        unsigned n_sessions;
};

static const char *arg_libexec = OCSB_LIBEXEC_DIR;

static Session *session_find(Stage *s, const char *id) {
        for (Session *x = s->sessions; x; x = x->next)
                if (streq(x->record->id, id))
                        return x;
        return NULL;
}

static void client_send(Client *c, uint32_t type, uint32_t tag, const WireWriter *w, const int *fds, size_t n) {
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

static void send_ended(Client *c, uint32_t tag, const char *id, const char *reason) {
        _cleanup_writer_ WireWriter w = {};
        MsgEnded m = {};

        (void) snprintf(m.id, sizeof(m.id), "%s", id);
        (void) snprintf(m.reason, sizeof(m.reason), "%s", reason);
        msg_ended_encode(&w, &m);
        client_send(c, WIRE_ENDED, tag, &w, NULL, 0);
}

/* ---- the end of a session ---- */

static void session_free(Session *x) {
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
        record_free(x->record);
        free(x);
}

/* Kills what is left in the session's cgroup and removes it. -EAGAIN while processes are still dying. */
static int remove_cgroup(Stage *s, const Record *r) {
        char name[64], parent[512];
        _cleanup_close_ int dir = -EBADF;
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
        k = cgroup_destroy(dir, slash + 1, 0);
        return k == -ETIMEDOUT || k == -EBUSY ? -EAGAIN : k;
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
                        send_ended(c, c == x->killer ? x->kill_tag : 0, id, reason);
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
        r = placeholders_remove(s->records, x->record, &x->cleaner, &x->cleaner_pidfd);
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
static void session_reap(void *userdata) {
        Session *x = userdata;
        Stage *s = x->stage;
        const char *id = x->record->id;
        int r;

        FAULT("stage.reap.before-cgroup");
        r = remove_cgroup(s, x->record);
        if (r == -EAGAIN && x->retries++ < 5000) {
                loop_timer_set(s->loop, &x->retry, x->retries < 20 ? REAP_RETRY_USEC / 4 : REAP_RETRY_USEC * 5, session_reap, x);
                return;
        }
        if (r < 0)
                log_record(LOG_LEVEL_ERR, &(LogContext) { .session = id, .owner = x->record->uid, .step = "reap" }, NULL,
                                "Failed to remove the cgroup of session %s: %s", id, strerror(-r));
        session_clean(x);
}

static void on_monitor_exit(LoopSource *src, uint32_t events, void *userdata) {
        Session *x = userdata;

        (void) events;
        loop_remove(x->stage->loop, src);
        /* Ours has to be waited for; an adopted one is somebody else's child. */
        (void) waitpid(x->record->monitor, NULL, WNOHANG);
        session_reap(x);
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

/* A template shows the mounts of the host as they were when it was made. */
static void on_mounts_changed(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;

        (void) src;
        (void) events;
        template_store_clear(s->templates);
}

static void on_report(LoopSource *src, uint32_t events, void *userdata) {
        Session *x = userdata;
        Stage *s = x->stage;
        _cleanup_message_ WireMessage msg = {};
        WireReader reader;
        int r;

        (void) events;
        r = wire_recv(x->report, &msg);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                loop_remove(s->loop, src);
                x->report = fd_close(x->report);
                return;
        }
        reader = WIRE_READER(msg.body, msg.len);
        switch (msg.type) {
        case WIRE_READY: {
                WireWriter same = { .data = msg.body, .len = msg.len };

                x->answered = true;
                client_send(x->creator, WIRE_READY, x->create_tag, &same, msg.fds, msg.n_fds);
                x->creator = NULL;
                return;
        }
        case WIRE_TEMPLATE:
                keep_template(s, &msg);
                return;
        case WIRE_FAILED:
                /* Answered when everything of the session is gone. */
                (void) msg_failed_decode(&reader, &x->failure);
                return;
        case WIRE_ENDED:
                (void) msg_ended_decode(&reader, &x->ended);
                return;
        default:
                return;
        }
}

/* ---- making a session ---- */

static int session_watch(Session *x) {
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

static Session *session_new(Stage *s, Record *record) {
        Session *x = calloc(1, sizeof(*x));

        if (!x)
                return NULL;
        *x = (Session) { .stage = s, .record = record, .report = -EBADF, .pidfd = -EBADF,
                .cleaner_pidfd = -EBADF, .next = s->sessions };
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
        r->gid = p->gid;
        r->n_groups = p->n_groups;
        r->groups = calloc(p->n_groups + 1, sizeof(gid_t));
        if (!r->groups) {
                free(r);
                return NULL;
        }
        memcpy(r->groups, p->groups, p->n_groups * sizeof(gid_t));
        scope_name(p->id, name);
        if ((size_t) snprintf(r->cgroup, sizeof(r->cgroup), "%s/%s", s->slice_path, name) >= sizeof(r->cgroup))
                return record_free(r);
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

static pid_t give_birth(Stage *s, Plan *plan, int *fds, Birth *b, int *ret_pidfd) {
        int netns = netns_pool_take(s->netns);
        pid_t pid;

        b->step = "fork";
        pid = process_clone(0, b->leaf, ret_pidfd);
        if (pid == 0) {
                MonitorArgs a = { .plan = plan, .fds = fds, .report = b->report[1], .netns = netns,
                        .proc = s->proc, .templates = s->templates,
                        .init_exe = s->init_exe, .records = s->records,
                        .monitors = s->monitors, .scope = b->scope, .systemd = s->systemd,
                        .ocsb_gid = s->ocsb_gid, .landlock_abi = s->abi };

                monitor_run(&a);
        }
        fd_close(netns);
        return pid;
}

static int session_create(Stage *s, Client *c, uint32_t tag, Plan *plan, int *fds, Birth *b) {
        _cleanup_(record_freep) Record *record = NULL;
        Session *x;
        pid_t pid;
        int pidfd, r;

        b->step = "quota";
        if (s->n_sessions >= SESSIONS_MAX)
                return -EAGAIN;
        if (session_find(s, plan->id))
                return -EEXIST;
        record = record_of_plan(s, plan);
        if (!record)
                return -ENOMEM;
        b->step = "record";
        r = record_save(s->records, record);
        if (r < 0)
                return r;
        FAULT("stage.create.after-record");
        r = prepare_birth(s, plan, b);
        if (r < 0)
                return r;
        FAULT("stage.create.before-fork");
        pid = give_birth(s, plan, fds, b, &pidfd);
        if (pid < 0)
                return pid;
        FAULT("stage.create.after-fork");
        record->monitor = pid;
        b->step = "record";
        r = process_starttime(pid, &record->starttime);
        if (r >= 0)
                r = record_save(s->records, record);
        x = r < 0 ? NULL : session_new(s, record);
        if (!x) {
                (void) pidfd_signal(pidfd, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                fd_close(pidfd);
                return r < 0 ? r : -ENOMEM;
        }
        record = NULL;
        x->creator = c;
        x->create_tag = tag;
        x->report = TAKE_FD(b->report[0]);
        x->pidfd = pidfd;
        FAULT("stage.create.after-second-record");
        return session_watch(x);
}

static void request_create(Client *c, WireMessage *msg) {
        _cleanup_plan_ Plan *plan = NULL;
        WireReader reader = WIRE_READER(msg->body, msg->len);
        const char *why = NULL;
        Birth b = { .scope = -EBADF, .leaf = -EBADF, .report = { -EBADF, -EBADF } };
        int r;

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
        r = session_create(c->stage, c, msg->tag, plan, msg->fds, &b);
        if (r < 0) {
                char name[64];

                if (r != -EEXIST) {
                        fd_close(b.leaf);
                        b.leaf = -EBADF;
                        scope_name(plan->id, name);
                        if (c->stage->slice >= 0)
                                (void) cgroup_destroy(c->stage->slice, name, 100);
                        record_remove(c->stage->records, plan->id);
                }
                send_failed(c, msg->tag, r, b.step, b.why[0] ? b.why : strerror(-r));
        }
        fd_close(b.scope);
        fd_close(b.leaf);
        fd_close_many(b.report, 2);
}

/* ---- requests ---- */

static void request_kill(Client *c, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        char id[SESSION_ID_MAX + 1];
        Session *x;

        if (msg_id_decode(&reader, id) < 0)
                return;
        x = session_find(c->stage, id);
        if (!x) {
                send_ended(c, msg->tag, id, "unknown");
                return;
        }
        x->killer = c;
        x->kill_tag = msg->tag;
        if (!x->answered)
                x->answered = true; /* nobody waits for CREATE any more */
        (void) snprintf(x->ended.reason, sizeof(x->ended.reason), "terminated");
        (void) pidfd_signal(x->pidfd, SIGKILL);
}

static void request_list(Client *c, WireMessage *msg) {
        _cleanup_writer_ WireWriter w = {};
        uint32_t n = 0;

        for (Session *x = c->stage->sessions; x; x = x->next)
                n++;
        wire_put_u32(&w, n);
        for (Session *x = c->stage->sessions; x; x = x->next)
                wire_put_string(&w, x->record->id);
        client_send(c, WIRE_SESSIONS, msg->tag, &w, NULL, 0);
}

static void client_drop(Client *c) {
        Stage *s = c->stage;

        for (Client **p = &s->clients; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        for (Session *x = s->sessions; x; x = x->next) {
                if (x->creator == c)
                        x->creator = NULL;
                if (x->killer == c)
                        x->killer = NULL;
        }
        loop_remove(s->loop, &c->source);
        fd_close(c->fd);
        free(c);
}

static void on_client(LoopSource *src, uint32_t events, void *userdata) {
        Client *c = userdata;
        _cleanup_message_ WireMessage msg = {};
        int r;

        (void) src;
        (void) events;
        r = wire_recv(c->fd, &msg);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                client_drop(c);
                return;
        }
        switch (msg.type) {
        case WIRE_CREATE:
                request_create(c, &msg);
                return;
        case WIRE_KILL:
                request_kill(c, &msg);
                return;
        case WIRE_LIST:
                request_list(c, &msg);
                return;
        default:
                log_warning("A client sent an unknown request (%u)", msg.type);
                client_drop(c);
        }
}

static void on_listen(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;
        _cleanup_close_ int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred peer;
        unsigned n = 0;
        Client *c;

        (void) events;
        if (fd < 0 || wire_peer(fd, &peer) < 0)
                return;
        for (c = s->clients; c; c = c->next)
                n++;
        /* The socket's mode says the same; a second look costs nothing. */
        if ((peer.uid != 0 && peer.uid != s->ocsb_uid) || n >= CLIENTS_MAX)
                return;
        c = calloc(1, sizeof(*c));
        if (!c)
                return;
        *c = (Client) { .stage = s, .fd = fd };
        if (loop_add(s->loop, &c->source, fd, EPOLLIN, on_client, c) < 0) {
                free(c);
                return;
        }
        (void) TAKE_FD(fd);
        c->next = s->clients;
        s->clients = c;
}

static void on_signal(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;
        struct signalfd_siginfo si;

        (void) events;
        while (read(src->fd, &si, sizeof(si)) == sizeof(si)) {
                if (si.ssi_signo != SIGCHLD)
                        loop_quit(s->loop, 0);
                /* Children that are no monitors any more, as the pool's maker. Monitors are waited for by pidfd. */
                netns_pool_check(s->netns);
        }
}

/* ---- start ---- */

/* A directory of ours: root's, not writable by others, no symlink; checked by descriptor on every start
 * (CVE-2021-44731 and its kin began with a directory that somebody else had made). */
static int open_state_dir(const char *path, gid_t gid, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 022)) {
                log_error("%s is not a directory of root's alone: remove it and start again", path);
                return -EPERM;
        }
        if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
                return -errno;
        if (st.st_gid != gid && fchown(fd, 0, gid) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Without systemd: ocsb.slice below the cgroup in which ocsb-stage was started. */
static int open_slice(Stage *s) {
        char mount[256], own[256];
        _cleanup_close_ int dir = -EBADF;
        int r;

        r = cgroup_mount_point(mount, sizeof(mount));
        if (r < 0) {
                log_error("No cgroup v2 file system is mounted: ocsb needs one to end sandboxes (mount -t cgroup2)");
                return r;
        }
        if (s->systemd) {
                (void) snprintf(s->slice_path, sizeof(s->slice_path), "%s/ocsb.slice", mount);
                return 0;
        }
        r = cgroup_of(0, own, sizeof(own));
        if (r < 0)
                return r;
        /* A restarted stage is a child of the same supervisor: the same directory, unless it was started from
         * within a leaf of its own. */
        (void) snprintf(s->slice_path, sizeof(s->slice_path), "%s%s", mount, streq(own, "/") ? "" : own);
        dir = open(s->slice_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        s->slice = cgroup_make(dir, "ocsb.slice");
        if (s->slice < 0)
                return s->slice;
        if (strlen(s->slice_path) + 12 > sizeof(s->slice_path))
                return -ENAMETOOLONG;
        strcat(s->slice_path, "/ocsb.slice");
        /* So that scopes below can have limits; fails where there are no controllers or where processes are in the
         * way, which a session that asks for a limit is told by name. */
        for (size_t i = 0; i < 4; i++)
                (void) cgroup_enable(dir, (const char *const[]) { "memory", "pids", "cpu", "io" }[i]);
        return 0;
}

static bool monitor_lives(const Record *r) {
        uint64_t start;

        return r->monitor > 0 && process_starttime(r->monitor, &start) >= 0 && start == r->starttime;
}

static int adopt_one(const char *id, void *userdata) {
        Stage *s = userdata;
        Record *r = NULL;
        Session *x;
        int k = record_load(s->records, id, &r);

        if (k < 0) {
                log_error("The record of session %s is damaged: removing it", id);
                record_remove(s->records, id);
                return 0;
        }
        x = session_new(s, r);
        if (!x) {
                record_free(r);
                return -ENOMEM;
        }
        x->answered = true;
        if (!monitor_lives(r) || session_watch(x) < 0)
                session_reap(x);
        return 0;
}

static int open_all(Stage *s) {
        struct passwd *pw = getpwnam("ocsb");
        char path[PATH_MAX];
        int r;

        if (!pw || pw->pw_uid == 0) {
                log_error("There is no user \"ocsb\": run systemd-sysusers, or useradd --system ocsb");
                return -ENOENT;
        }
        s->ocsb_uid = pw->pw_uid;
        s->ocsb_gid = pw->pw_gid;
        (void) snprintf(path, sizeof(path), "%s/ocsb-init", arg_libexec);
        s->init_exe = open(path, O_PATH | O_CLOEXEC);
        if (s->init_exe < 0) {
                r = -errno;
                log_error("Failed to open %s: %s", path, strerror(-r));
                return r;
        }
        r = open_state_dir(OCSB_RUN_DIR, 0, 0755);
        if (r >= 0) {
                fd_close(r);
                r = s->records = open_state_dir(OCSB_RUN_DIR "/stage", 0, 0700);
        }
        if (r >= 0)
                r = s->monitors = open_state_dir(OCSB_MONITOR_DIR, s->ocsb_gid, 0750);
        if (r >= 0) {
                r = open_state_dir(OCSB_RUN_DIR "/root", 0, 0700);
                if (r >= 0)
                        fd_close(r);
        }
        if (r < 0)
                return r;
        s->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (s->proc < 0)
                return -errno;
        s->abi = landlock_abi();
        s->systemd = access("/run/systemd/system", F_OK) == 0;
        return open_slice(s);
}

/* sd_listen_fds(3)'s protocol, which is three environment variables: the builder does not link libsystemd. */
static int listening_socket(void) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        uint32_t v;

        if (!pid || !n || parse_u32(pid, &v) < 0 || (pid_t) v != getpid() || parse_u32(n, &v) < 0 || v != 1)
                return wire_listen(OCSB_STAGE_SOCKET, 0600);
        if (fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || fd_set_nonblock(3, true) < 0)
                return -errno;
        return 3;
}

static int notify_ready(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (!path || !*path || strlen(path) >= sizeof(sa.sun_path))
                return 0;
        strcpy(sa.sun_path, path);
        if (sa.sun_path[0] == '@')
                sa.sun_path[0] = 0;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        return sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *) &sa,
                               (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0
                        ? -errno
                        : 0;
}

static int run(void) {
        Stage s = { .slice = -EBADF };
        struct rlimit nofile = { 65536, 65536 };
        sigset_t mask;
        int listen_fd, mounts_fd, r;

        listen_fd = listening_socket();
        if (listen_fd < 0) {
                log_error("Failed to listen: %s", strerror(-listen_fd));
                return listen_fd;
        }
        umask(022);
        if (setrlimit(RLIMIT_NOFILE, &nofile) < 0) {
                (void) getrlimit(RLIMIT_NOFILE, &nofile);
                nofile.rlim_cur = nofile.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &nofile);
        }
        r = open_all(&s);
        if (r < 0)
                return r;
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        s.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        s.loop = loop_new();
        if (s.signals < 0 || !s.loop)
                return -errno;
        s.netns = netns_pool_new();
        s.templates = template_store_new();
        mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (!s.netns || !s.templates || mounts_fd < 0)
                return -ENOMEM;
        r = record_foreach(s.records, adopt_one, &s);
        if (r >= 0)
                r = loop_add(s.loop, &s.signal_source, s.signals, EPOLLIN, on_signal, &s);
        if (r >= 0)
                r = loop_add(s.loop, &s.listen_source, listen_fd, EPOLLIN, on_listen, &s);
        /* proc(5): a change of the mount table raises EPOLLPRI, once per change with EPOLLET. */
        if (r >= 0)
                r = loop_add(s.loop, &s.mounts_source, mounts_fd, EPOLLPRI | EPOLLET, on_mounts_changed, &s);
        if (r < 0)
                return r;
        (void) notify_ready();
        r = loop_run(s.loop);
        netns_pool_free(s.netns);
        template_store_free(s.templates);
        return r;
}

static void help(void) {
        printf("ocsb-stage [OPTIONS…]\n\n"
               "The privileged builder of ocsb; started by ocsb-stage.socket or ocsbd --standalone.\n\n"
               "  -h --help     Show this help\n"
               "     --version  Show the version\n"
               "     --libexec=DIR  Where ocsb-init is\n");
}

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' }, { "libexec", required_argument, NULL, 'L' }, {} };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case 'V':
                        printf("ocsb %s\n", OCSB_VERSION);
                        return 0;
                case 'L':
                        arg_libexec = optarg;
                        break;
                default:
                        return 2;
                }
        if (geteuid() != 0) {
                log_error("ocsb-stage is started as root, by ocsb-stage.socket or ocsbd --standalone");
                return 1;
        }
        r = run();
        if (r < 0)
                log_error("ocsb-stage ends: %s", strerror(-r));
        return r < 0 ? 1 : 0;
}
