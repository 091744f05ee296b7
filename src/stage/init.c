/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsb-init: PID 1 of a sandbox. A static program, so that nothing of the sandbox's file system is mapped into it.
 * It restricts itself (Landlock, seccomp), tells the monitor that the sandbox is ready, forks the children that
 * become execs, and reaps. It runs under an id that nothing else in the sandbox has, so the payload can neither
 * trace nor signal it; CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL in its own user namespace are what it keeps
 * to give each exec the caller's id and to pass signals on. */

#include "init.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "stage/build.h"
#include "sys/landlock.h"
#include "sys/process.h"
#include "wire/message.h"

typedef struct Child {
        pid_t pid;
        uint32_t id;
        struct Child *next;
} Child;

typedef struct Init {
        Plan *plan;
        int signals;
        Child *children;
} Init;

int init_seccomp(const uint8_t *bpf, size_t len) {
        struct sock_fprog prog = { .len = (unsigned short) (len / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *) (uintptr_t) bpf };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}

static int send_failed(const char *step, int error) {
        _cleanup_writer_ WireWriter w = {};
        MsgFailed m = { .error = (uint32_t) -error, .status = 125 };

        (void) snprintf(m.step, sizeof(m.step), "%s", step);
        (void) snprintf(m.text, sizeof(m.text), "%s", strerror(-error));
        msg_failed_encode(&w, &m);
        return wire_send(INIT_FD_CONTROL, WIRE_FAILED, 0, &w, NULL, 0);
}

static int load_plan(Plan **ret) {
        _cleanup_close_ int fd = INIT_FD_PLAN;
        struct stat st;
        WireReader reader;
        void *p;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        reader = WIRE_READER(p, (size_t) st.st_size);
        r = plan_decode(&reader, ret, NULL);
        (void) munmap(p, (size_t) st.st_size);
        return r;
}

/* What an exec does not need is given back: an idle sandbox should cost little. */
static void shrink_plan(Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                free(p->mounts[i].source);
                p->mounts[i].source = NULL;
        }
}

static int restrict_self(Init *in, const char **step) {
        int r;

        *step = "init-dumpable";
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        *step = "no-new-privileges";
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                return -EPERM;
        *step = "landlock";
        r = landlock_enforce(INIT_FD_RULESET);
        if (r < 0)
                return r;
        (void) close(INIT_FD_RULESET);
        *step = "seccomp";
        return init_seccomp(in->plan->bpf_session, in->plan->bpf_session_len);
}

static int start(Init *in, const char **step) {
        sigset_t mask;
        int r;

        (void) prctl(PR_SET_NAME, "ocsb-init");
        umask(022);
        *step = "plan";
        r = load_plan(&in->plan);
        if (r < 0)
                return r;
        shrink_plan(in->plan);
        *step = "signals";
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        if (sigprocmask(SIG_SETMASK, &mask, NULL) < 0)
                return -errno;
        in->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (in->signals < 0)
                return -errno;
        if (fcntl(INIT_FD_CONTROL, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        r = restrict_self(in, step);
        if (r < 0)
                return r;
        *step = "ready";
        return wire_send(INIT_FD_CONTROL, WIRE_READY, 0, NULL, NULL, 0);
}

static void fork_child(Init *in, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        uint32_t id = wire_get_u32(&reader);
        Child *c;
        pid_t pid;

        if (msg->n_fds != 2 || wire_reader_finish(&reader) < 0)
                return;
        c = calloc(1, sizeof(*c));
        if (!c)
                return;
        pid = process_clone(0, msg->fds[0], NULL);
        if (pid == 0) {
                (void) close(in->signals);
                (void) close(INIT_FD_CONTROL);
                (void) close(msg->fds[0]);
                child_run(in->plan, msg->fds[1], id, msg->type == WIRE_PROBE);
        }
        if (pid < 0) {
                /* The closing of its socket tells the monitor. */
                free(c);
                return;
        }
        *c = (Child) { .pid = pid, .id = id, .next = in->children };
        in->children = c;
}

static void send_signal(Init *in, WireMessage *msg) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        MsgSignal s;

        if (msg_signal_decode(&reader, &s) < 0)
                return;
        for (Child *c = in->children; c; c = c->next)
                if (c->id == s.exec_id) {
                        /* Each exec leads a session and process group of its own. */
                        if (kill(-c->pid, (int) s.signal) < 0)
                                (void) kill(c->pid, (int) s.signal);
                        return;
                }
}

static void report_exit(const Child *c, int status, const struct rusage *ru) {
        _cleanup_writer_ WireWriter w = {};
        MsgExited m = {
                .exec_id = c->id,
                .code = WIFEXITED(status) ? (uint32_t) WEXITSTATUS(status) : 0,
                .signal = WIFSIGNALED(status) ? (uint32_t) WTERMSIG(status) : 0,
                .user_usec = (uint64_t) ru->ru_utime.tv_sec * 1000000u + (uint64_t) ru->ru_utime.tv_usec,
                .system_usec = (uint64_t) ru->ru_stime.tv_sec * 1000000u + (uint64_t) ru->ru_stime.tv_usec,
                .max_rss = (uint64_t) ru->ru_maxrss * 1024u,
        };

        msg_exited_encode(&w, &m);
        (void) wire_send(INIT_FD_CONTROL, WIRE_EVENT_EXITED, 0, &w, NULL, 0);
}

static void reap(Init *in) {
        struct signalfd_siginfo si;

        while (read(in->signals, &si, sizeof(si)) > 0)
                ;
        for (;;) {
                struct rusage ru;
                int status;
                pid_t pid = wait4(-1, &status, WNOHANG, &ru);

                if (pid <= 0)
                        return;
                for (Child **p = &in->children; *p; p = &(*p)->next)
                        if ((*p)->pid == pid) {
                                Child *c = *p;

                                *p = c->next;
                                report_exit(c, status, &ru);
                                free(c);
                                break;
                        }
        }
}

static void serve(Init *in) {
        struct pollfd fds[] = { { .fd = INIT_FD_CONTROL, .events = POLLIN }, { .fd = in->signals, .events = POLLIN } };

        for (;;) {
                if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                        return;
                if (fds[1].revents)
                        reap(in);
                if (fds[0].revents) {
                        _cleanup_message_ WireMessage msg = {};
                        int r = wire_recv(INIT_FD_CONTROL, &msg);

                        if (r == -EAGAIN)
                                continue;
                        if (r <= 0)
                                return; /* the monitor is gone: the sandbox ends with it */
                        if (msg.type == WIRE_PREFORK || msg.type == WIRE_PROBE)
                                fork_child(in, &msg);
                        else if (msg.type == WIRE_SIGNAL)
                                send_signal(in, &msg);
                }
        }
}

int main(void) {
        Init in = { .signals = -EBADF };
        const char *step = "init";
        int r;

        r = start(&in, &step);
        if (r < 0) {
                (void) send_failed(step, r);
                return 1;
        }
        serve(&in);
        return 0;
}
