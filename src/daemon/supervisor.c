/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The supervisor. It is root and does nothing but what the unit files say elsewhere: no bus, no message, no
 * byte from anybody reaches it. Sessions are not its children in spirit: it reaps what is left to it when
 * ocsb-stage ends, and leaves them running when it ends itself. */

#include "supervisor.h"

#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "sys/cgroup.h"
#include "sys/process.h"
#include "sys/service.h"
#include "wire/message.h"
#include "wire/network.h"

#define NOFILE 65536u
#define RESTART_PAUSE_FIRST_USEC (50 * UINT64_C(1000))
#define RESTART_PAUSE_MAX_USEC (1 * USEC_PER_SEC)
/* Who lived so long is started again at once. */
#define RESTART_FORGET_USEC (10 * USEC_PER_SEC)
#define STOP_TIMEOUT_USEC (10 * USEC_PER_SEC)

enum {
        WORKER_STAGE,
        WORKER_DAEMON,
        WORKER_FIREWALL,
        _WORKER_MAX,
};

typedef struct Worker {
        const char *program;     /* below libexec */
        const char *socket_name; /* LISTEN_FDNAMES */
        uid_t uid; /* 0: stays root */
        gid_t gid;
        uint64_t capabilities;   /* of one that is not root */
        int socket;              /* none: this one is not started */
        pid_t pid;               /* 0: not running */
        uint64_t started, due, pause;
} Worker;

typedef struct Supervisor {
        const char *libexec_dir;
        uid_t uid;
        gid_t gid;
        int lock;
        Worker workers[_WORKER_MAX];
        bool stopping;
} Supervisor;

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* Directories and sockets */

int supervisor_make_dir(int dir_fd, const char *name, unsigned uid, unsigned gid, unsigned mode) {
        _cleanup_close_ int fd = -EBADF;
        bool made;
        struct stat st;

        made = mkdirat(dir_fd, name, 0700) >= 0;
        if (!made && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
        if (made && fchown(fd, uid, gid) < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != uid || (st.st_mode & 022))
                return -EPERM;
        if (st.st_gid != gid && fchown(fd, (uid_t) -1, gid) < 0)
                return -errno;
        if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int make_dir(int dir_fd, const char *name, uid_t uid, gid_t gid, mode_t mode, const char *shown,
                int *ret) {
        int fd = supervisor_make_dir(dir_fd, name, uid, gid, mode);

        if (fd == -EPERM)
                log_error("%s is not a directory of its owner alone; look at who made it, and remove it",
                                shown);
        else if (fd < 0)
                log_error("Failed to make %s: %s", shown, g_strerror(-fd));
        if (fd < 0)
                return fd;
        if (ret)
                *ret = fd;
        else
                fd_close(fd);
        return 0;
}

static int open_parent(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                int r = -errno;

                log_error("Failed to open %s: %s", path, g_strerror(-r));
                return r;
        }
        if (st.st_uid != 0 || (st.st_mode & 022)) {
                log_error("%s is not a directory of root alone", path);
                return -EPERM;
        }
        return TAKE_FD(fd);
}

static int make_directories(Supervisor *s) {
        _cleanup_close_ int run = open_parent("/run"), var = open_parent("/var/lib"), top = -EBADF;
        const Worker *fw = s->workers + WORKER_FIREWALL;
        int r;

        if (run < 0)
                return run;
        if (var < 0)
                return var;
        r = make_dir(run, "ocsb", 0, 0, 0755, OCSB_RUN_DIR, &top);
        if (r >= 0)
                r = make_dir(top, "monitor", 0, s->gid, 0750, OCSB_MONITOR_DIR, NULL);
        if (r >= 0)
                r = make_dir(top, "state", s->uid, s->gid, 0700, OCSB_RUN_DIR "/state", NULL);
        if (r >= 0)
                r = make_dir(top, "stage", 0, 0, 0700, OCSB_RUN_DIR "/stage", NULL);
        if (r >= 0 && fw->uid != 0)
                r = make_dir(top, "fw", fw->uid, fw->gid, 0700, OCSB_FW_STATE_DIR, NULL);
        if (r >= 0)
                r = make_dir(var, "ocsb", s->uid, s->gid, 0700, "/var/lib/ocsb", NULL);
        if (r < 0)
                return r;

        s->lock = openat(top, "supervisor.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
                r = -errno;
                log_error("%s", r == -EWOULDBLOCK ? "ocsbd --standalone is running already"
                                                  : "Failed to take the lock");
                return r;
        }
        return 0;
}

static int listen_at(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret) {
        _cleanup_close_ int fd = -EBADF;

        /* Between the two calls the socket is root's and still narrower than it will be. */
        fd = wire_listen(path, mode);
        if (fd < 0 || ((uid != 0 || gid != 0) && lchown(path, uid, gid) < 0)) {
                int r = fd < 0 ? fd : -errno;

                log_error("Failed to listen at %s: %s", path, g_strerror(-r));
                return r;
        }
        *ret = TAKE_FD(fd);
        return 0;
}

/* Workers */

/* In the child: what the units say. Returns only on an error. */
static void become_worker(const Supervisor *s, const Worker *w, pid_t parent) {
        char path[PATH_MAX], pid[32], names[64], path_env[4096], bus_env[4096];
        const char *value;
        char *env[64];
        size_t n = 0;

        (void) snprintf(path, sizeof(path), "%s/%s", s->libexec_dir, w->program);
        (void) snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int) getpid());
        (void) snprintf(names, sizeof(names), "LISTEN_FDNAMES=%s", w->socket_name);
        env[n++] = pid;
        env[n++] = names;
        env[n++] = (char *) "LISTEN_FDS=1";
        value = getenv("PATH");
        (void) snprintf(path_env, sizeof(path_env), "PATH=%s",
                        value ? value : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        env[n++] = path_env;
        value = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        if (value) {
                (void) snprintf(bus_env, sizeof(bus_env), "DBUS_SYSTEM_BUS_ADDRESS=%s", value);
                env[n++] = bus_env;
        }
        for (char **e = environ; *e && n < ELEMENTSOF(env) - 1; e++) {
                bool pass = false;

#if defined(OCSB_FAULT_POINTS)
                pass = pass || str_has_prefix(*e, "OCSB_");
#endif
#if defined(OCSB_ASAN)
                pass = pass || str_has_prefix(*e, "ASAN_OPTIONS=") || str_has_prefix(*e, "UBSAN_OPTIONS=") ||
                                str_has_prefix(*e, "LSAN_OPTIONS=");
#endif
                if (pass)
                        env[n++] = *e;
        }
        env[n] = NULL;

        signals_reset();
        if (w->uid != 0 && (w->capabilities ? identity_become_with(w->uid, w->gid, w->capabilities)
                                            : identity_drop(w->uid, w->gid)) < 0)
                return;
        if (prctl(PR_SET_NO_NEW_PRIVS, w->uid != 0, 0, 0, 0) < 0 && w->uid != 0)
                return;
        /* A change of identity clears it, hence last; and the parent may have ended before. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 || getppid() != parent)
                return;
        if (w->socket == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(w->socket, 3) < 0)
                return;
        if (close_range(4, ~0u, 0) < 0)
                return;
        (void) execve(path, (char *[]) { (char *) w->program, NULL }, env);
}

static void start_worker(Supervisor *s, Worker *w) {
        pid_t parent = getpid(), pid;

        w->started = now_usec();
        pid = fork();
        if (pid == 0) {
                become_worker(s, w, parent);
                log_error("Failed to start %s: %s", w->program, g_strerror(errno));
                _exit(1);
        }
        if (pid < 0) {
                log_error("Failed to fork: %s", g_strerror(errno));
                w->due = w->started + RESTART_PAUSE_MAX_USEC;
                return;
        }
        w->pid = pid;
}

static void worker_ended(Supervisor *s, Worker *w, int status) {
        uint64_t now = now_usec();

        w->pid = 0;
        if (s->stopping)
                return;
        if (WIFSIGNALED(status))
                log_warning("%s was killed by signal %d, starting it again", w->program, WTERMSIG(status));
        else
                log_warning("%s ended with status %d, starting it again", w->program, WEXITSTATUS(status));
        if (now - w->started >= RESTART_FORGET_USEC)
                w->pause = 0;
        w->due = now + w->pause;
        w->pause = MIN(MAX(w->pause * 2, RESTART_PAUSE_FIRST_USEC), RESTART_PAUSE_MAX_USEC);
}

static void reap(Supervisor *s) {
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, WNOHANG);

                if (pid <= 0)
                        return;
                for (size_t i = 0; i < ELEMENTSOF(s->workers); i++)
                        if (s->workers[i].pid == pid)
                                worker_ended(s, s->workers + i, status);
        }
}

static void signal_workers(const Supervisor *s, int sig) {
        for (size_t i = 0; i < ELEMENTSOF(s->workers); i++)
                if (s->workers[i].pid > 0)
                        (void) kill(s->workers[i].pid, sig);
}

static bool any_running(const Supervisor *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->workers); i++)
                if (s->workers[i].pid > 0)
                        return true;
        return false;
}

/* Starts whoever is due; returns how long nothing else is. */
static uint64_t start_due(Supervisor *s) {
        uint64_t now = now_usec(), wait = UINT64_MAX;

        for (size_t i = 0; i < ELEMENTSOF(s->workers); i++) {
                Worker *w = s->workers + i;

                if (w->socket < 0)
                        continue;
                if (w->pid == 0 && w->due <= now)
                        start_worker(s, w);
                if (w->pid == 0)
                        wait = MIN(wait, w->due > now ? w->due - now : 0);
        }
        return wait;
}

static int wait_signal(const sigset_t *mask, uint64_t usec) {
        struct timespec ts = { .tv_sec = (time_t) (usec / USEC_PER_SEC),
                .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000 };

        return usec == UINT64_MAX ? sigwaitinfo(mask, NULL) : sigtimedwait(mask, NULL, &ts);
}

static void loop(Supervisor *s, const sigset_t *mask) {
        uint64_t give_up = 0;

        while (!s->stopping || any_running(s)) {
                uint64_t wait = s->stopping ? USEC_PER_SEC / 4 : start_due(s);

                switch (wait_signal(mask, wait)) {
                case SIGTERM:
                case SIGINT:
                        if (!s->stopping)
                                give_up = now_usec() + STOP_TIMEOUT_USEC;
                        s->stopping = true;
                        signal_workers(s, SIGTERM);
                        break;
                case SIGHUP:
                        if (s->workers[WORKER_DAEMON].pid > 0)
                                (void) kill(s->workers[WORKER_DAEMON].pid, SIGHUP);
                        break;
                default:
                        break;
                }
                reap(s);
                if (s->stopping && now_usec() >= give_up)
                        signal_workers(s, SIGKILL);
        }
}

/* A cgroup with processes in it cannot hand controllers to its children ("no internal processes"): ours move into a
 * leaf beside ocsb.slice, which ocsb-stage makes where it would be without the leaf. Where that fails, limits that need
 * a controller are refused by name, as before. */
static void enter_leaf(void) {
        char mount[256], own[256], path[600];
        size_t n;

        if (cgroup_mount_point(mount, sizeof(mount)) < 0 || cgroup_of(0, own, sizeof(own)) < 0)
                return;
        n = strlen(own);
        if (n >= strlen(CGROUP_DAEMONS) && streq(own + n - strlen(CGROUP_DAEMONS), CGROUP_DAEMONS))
                return;
        (void) snprintf(path, sizeof(path), "%s%s" CGROUP_DAEMONS, mount, streq(own, "/") ? "" : own);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return;
        (void) strcat(path, "/cgroup.procs");
        (void) file_write_at(AT_FDCWD, path, "0");
}

/* Network "nat" needs its own user and program; everything else works without them. */
static void find_firewall(Supervisor *s, bool wanted) {
        const struct passwd *pw = wanted ? getpwnam("ocsb-fw") : NULL;
        Worker *w = s->workers + WORKER_FIREWALL;
        char path[PATH_MAX];

        (void) unlink(OCSB_FW_SOCKET);
        if (!wanted)
                return;
        (void) snprintf(path, sizeof(path), "%s/%s", s->libexec_dir, w->program);
        if (!pw || pw->pw_uid == 0)
                log_warning("There is no user \"ocsb-fw\": no session gets network \"nat\". Run systemd-sysusers, or useradd --system ocsb-fw");
        else if (access(path, X_OK) < 0)
                log_warning("%s is not there: no session gets network \"nat\"", path);
        else {
                w->uid = pw->pw_uid;
                w->gid = pw->pw_gid;
        }
}

static int listen_all(Supervisor *s) {
        Worker *fw = s->workers + WORKER_FIREWALL;
        int r;

        r = listen_at(OCSB_STAGE_SOCKET, 0600, s->uid, s->gid, &s->workers[WORKER_STAGE].socket);
        if (r >= 0)
                r = listen_at(OCSB_CHANNEL_SOCKET, 0666, 0, 0, &s->workers[WORKER_DAEMON].socket);
        if (r >= 0 && fw->uid != 0)
                r = listen_at(OCSB_FW_SOCKET, 0660, 0, s->gid, &fw->socket);
        return r;
}

static bool find_daemon(Supervisor *s) {
        const struct passwd *pw = getpwnam("ocsb");

        if (!pw || pw->pw_uid == 0) {
                log_error("There is no user \"ocsb\": run systemd-sysusers, or useradd --system ocsb");
                return false;
        }
        s->uid = s->workers[WORKER_DAEMON].uid = pw->pw_uid;
        s->gid = s->workers[WORKER_DAEMON].gid = pw->pw_gid;
        return true;
}

int supervisor_run(const char *libexec_dir, bool firewall) {
        Supervisor s = {
                .libexec_dir = libexec_dir,
                .lock = -EBADF,
                .workers = {
                        [WORKER_STAGE] = { .program = "ocsb-stage", .socket_name = "stage", .socket = -EBADF },
                        [WORKER_DAEMON] = { .program = "ocsbd", .socket_name = "channel", .socket = -EBADF },
                        [WORKER_FIREWALL] = { .program = "ocsb-fw", .socket_name = "fw", .socket = -EBADF,
                                .capabilities = UINT64_C(1) << CAP_NET_ADMIN },
                },
        };
        sigset_t mask;

        if (geteuid() != 0) {
                log_error("--standalone is started as root; it starts the daemon proper as user ocsb");
                return EXIT_FAILURE;
        }
        (void) umask(022);
        if (!find_daemon(&s))
                return EXIT_FAILURE;
        find_firewall(&s, firewall);
        if (chdir("/") < 0 || make_directories(&s) < 0 || listen_all(&s) < 0)
                return EXIT_FAILURE;
        enter_leaf();
        service_raise_files(NOFILE);
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
                log_error("Failed to become a subreaper: %s", g_strerror(errno));
                return EXIT_FAILURE;
        }

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return EXIT_FAILURE;
        loop(&s, &mask);
        for (size_t i = 0; i < ELEMENTSOF(s.workers); i++)
                fd_close(s.workers[i].socket);
        fd_close(s.lock);
        return EXIT_SUCCESS;
}
