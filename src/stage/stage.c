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
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "stage/firewall.h"
#include "stage/scope.h"
#include "stage/session.h"
#include "sys/cgroup.h"
#include "sys/landlock.h"
#include "sys/process.h"
#include "sys/service.h"

#define NOFILE 65536u
#define CLIENTS_MAX 16u

static const char *arg_libexec = OCSB_LIBEXEC_DIR;

/* A template shows the mounts of the host as they were when it was made. */
static void on_mounts_changed(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;

        (void) src;
        (void) events;
        template_store_clear(s->templates);
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
                client_send_ended(c, msg->tag, id, "unknown");
                return;
        }
        x->killer = c;
        x->kill_tag = msg->tag;
        if (!x->answered)
                x->answered = true; /* nobody waits for CREATE any more */
        (void) snprintf(x->ended.reason, sizeof(x->ended.reason), "terminated");
        session_kill(x);
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
                session_request_create(c, &msg);
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

static void reaped(Stage *s, pid_t pid) {
        netns_pool_reaped(s->netns, pid);
        if (s->fenced)
                netns_pool_reaped(s->fenced, pid);
}

static void on_signal(LoopSource *src, uint32_t events, void *userdata) {
        Stage *s = userdata;
        struct signalfd_siginfo si;
        pid_t pid;

        (void) events;
        while (read(src->fd, &si, sizeof(si)) == sizeof(si))
                if (si.ssi_signo != SIGCHLD)
                        loop_quit(s->loop, 0);
        /* Monitors and cleaners are watched by pidfd, which tells of an end also when it was reaped here. */
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                reaped(s, pid);
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
        /* Beside the leaf in which the supervisor of --standalone and this process sit. */
        if (strlen(own) >= strlen(CGROUP_DAEMONS) &&
                        streq(own + strlen(own) - strlen(CGROUP_DAEMONS), CGROUP_DAEMONS))
                own[strlen(own) - strlen(CGROUP_DAEMONS)] = 0;
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

/* A journal without a record is of before the last boot: nothing of that session lives. */
static int clean_one(const char *id, void *userdata) {
        Stage *s = userdata;
        int pidfd = -EBADF, r;
        pid_t pid;

        if (session_find(s, id))
                return 0;
        r = placeholders_remove(&(Journals) { .dir = s->journals, .locks = s->records }, id, &pid, &pidfd);
        if (r < 0)
                log_warning("Failed to remove the placeholders of session %s: %s", id, strerror(-r));
        /* Reaped with SIGCHLD. */
        fd_close(pidfd);
        return 0;
}

static bool is_there(const char *id, void *userdata) {
        return session_find(userdata, id) != NULL;
}

static bool monitor_lives(const Record *r) {
        uint64_t start;

        return r->monitor > 0 && process_starttime(r->monitor, &start) >= 0 && start == r->starttime;
}

static int adopt_one(const char *id, void *userdata) {
        Stage *s = userdata;
        Record *r = NULL;
        Session *x;
        bool whole;
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
        whole = network_adopt(x);
        if (!monitor_lives(r) || session_watch(x) < 0)
                session_reap(x);
        else if (!whole)
                session_kill(x);
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
                r = s->journals = open_state_dir(OCSB_STAGE_STATE_DIR, 0, 0700);
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
static int run(void) {
        Stage s = { .slice = -EBADF, .libexec = arg_libexec };
        sigset_t mask;
        int listen_fd, mounts_fd, r;

        listen_fd = service_socket();
        if (listen_fd == -ENOENT)
                listen_fd = wire_listen(OCSB_STAGE_SOCKET, 0600);
        if (listen_fd < 0) {
                log_error("Failed to listen: %s", strerror(-listen_fd));
                return listen_fd;
        }
        umask(022);
        service_raise_files(NOFILE);
        r = open_all(&s);
        if (r < 0)
                return r;
        signals_reset(); /* for the monitors, too */
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
        s.netns = netns_pool_new(s.loop);
        s.templates = template_store_new();
        mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (!s.netns || !s.templates || mounts_fd < 0)
                return -ENOMEM;
        r = record_foreach(s.records, adopt_one, &s);
        if (r >= 0)
                r = record_foreach(s.journals, clean_one, &s);
        records_tidy(s.records, is_there, &s);
        /* Sessions that are gone are known to be, those that live are attached again. */
        s.firewall = firewall_new(&s);
        if (!s.firewall)
                return -ENOMEM;
        if (r >= 0)
                r = loop_add(s.loop, &s.signal_source, s.signals, EPOLLIN, on_signal, &s);
        if (r >= 0)
                r = loop_add(s.loop, &s.listen_source, listen_fd, EPOLLIN, on_listen, &s);
        /* proc(5): a change of the mount table raises EPOLLPRI, once per change with EPOLLET. */
        if (r >= 0)
                r = loop_add(s.loop, &s.mounts_source, mounts_fd, EPOLLPRI | EPOLLET, on_mounts_changed, &s);
        if (r < 0)
                return r;
        (void) service_notify("READY=1");
        r = loop_run(s.loop);
        /* Of ours only: the sessions themselves go on. */
        while (s.clients)
                client_drop(s.clients);
        firewall_free(s.firewall);
        while (s.sessions)
                session_free(s.sessions);
        netns_pool_free(s.netns);
        netns_pool_free(s.fenced);
        template_store_free(s.templates);
        loop_free(s.loop);
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
