/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stage's client. */

#include "client.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/seccomp-filter.h"

#define TIMEOUT_MS 20000u
#define STAGE_LOG "/stage.log" /* of the bed; OCSB_STAGE_LOG=1 in the environment: standard error instead   \
                                */

static struct {
        pid_t pid;
        int sock, listen;
        bool installed;
} stage = {.sock = -EBADF, .listen = -EBADF};

static void install(void) {
        static const char *const programs[] = {"ocsb-stage", "ocsb-init"};

        bed_mkdir(OCSB_LIBEXEC_DIR, 0755, 0);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                char from[256], to[256];

                (void) snprintf(from, sizeof(from), "%s/src/stage/%s", bed_build_dir(), programs[i]);
                (void) snprintf(to, sizeof(to), "%s/%s", OCSB_LIBEXEC_DIR, programs[i]);
                bed_copy(from, to, 0755);
        }
        bed_mkdir(WORKSPACE, 0755, ALICE);
        {
                char from[256];

                (void) snprintf(from, sizeof(from), "%s/tests/root/attack", bed_build_dir());
                bed_copy(from, ATTACK, 0755);
                (void) snprintf(from, sizeof(from), "%s/tests/root/fake-fence", bed_build_dir());
                bed_copy(from, OCSB_LIBEXEC_DIR "/ocsb-fw", 0755);
        }
        stage.installed = true;
}

/* The program for StageOptions.refused_call. */
static void refuse_call(const StageOptions *o) {
        const unsigned arg = (unsigned) offsetof(struct seccomp_data, args) + o->refused_argument * 8;
        const uint32_t refusal = SECCOMP_RET_ERRNO | (uint32_t) o->refused_error;
        struct sock_filter any[] = {
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) o->refused_call, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, refusal),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_filter masked[] = {
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) o->refused_call, 0, 3),
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg),
                        BPF_JUMP((uint16_t) (BPF_JMP | (o->refused_equal ? BPF_JEQ : BPF_JSET) | BPF_K),
                                        o->refused_mask, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, refusal),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog prog = {.len = o->refused_mask ? ELEMENTSOF(masked) : ELEMENTSOF(any),
                        .filter = o->refused_mask ? masked : any};

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
                _exit(99);
}

static _noreturn_ void stage_child(const StageOptions *o) {
        char pid[40];
        const char *env[8] = {"LISTEN_FDS=1", "LISTEN_FDNAMES=stage", pid};
        char *const argv[] = {(char *) "ocsb-stage", NULL};
        int null = open("/dev/null", O_RDWR), n = 3;
        int log = getenv("OCSB_STAGE_LOG") ? 2 : open(STAGE_LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);

        (void) snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int) getpid());
        for (int i = 0; o && i < (int) ELEMENTSOF(o->env) && o->env[i]; i++)
                env[n++] = o->env[i];
        env[n] = NULL;
        if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
                _exit(99);
        if (stage.listen == 3)
                (void) fcntl(3, F_SETFD, 0);
        else if (dup2(stage.listen, 3) < 0)
                _exit(99);
        (void) close_range(4, ~0u, 0);
        if (o && o->nofile > 0)
                (void) setrlimit(RLIMIT_NOFILE, &(struct rlimit){o->nofile, o->nofile});
        if (o && o->refused_call)
                refuse_call(o);
        (void) execve(OCSB_LIBEXEC_DIR "/ocsb-stage", argv, (char *const *) (uintptr_t) env);
        _exit(98);
}

int stage_start(const StageOptions *options) {
        int r;

        if (!stage.installed)
                install();
        if (stage.listen < 0) {
                stage.listen = wire_listen(OCSB_STAGE_SOCKET, 0600);
                if (stage.listen < 0)
                        return stage.listen;
        }
        stage.pid = fork();
        if (stage.pid < 0)
                return -errno;
        if (stage.pid == 0)
                stage_child(options);
        stage.sock = wire_connect(OCSB_STAGE_SOCKET);
        if (stage.sock < 0)
                return stage.sock;
        /* The connection waits in the kernel's queue; an answer says that it is up. */
        r = stage_list(NULL, 0);
        return r == -ECHILD && options ? 0 : MIN(r, 0);
}

pid_t stage_pid(void) {
        return stage.pid;
}

int stage_socket(void) {
        return stage.sock;
}

bool stage_alive(void) {
        if (stage.pid > 0 && waitpid(stage.pid, NULL, WNOHANG) == stage.pid)
                stage.pid = 0;
        return stage.pid > 0;
}

static bool stage_dead(void *userdata _unused_) {
        return !stage_alive();
}

bool stage_wait_death(unsigned timeout_ms) {
        return bed_wait(stage_dead, NULL, timeout_ms);
}

void stage_kill(void) {
        if (stage.pid > 0) {
                (void) kill(stage.pid, SIGKILL);
                (void) waitpid(stage.pid, NULL, 0);
        }
        stage.pid = 0;
        stage.sock = fd_close(stage.sock);
}

void stage_stop(void) {
        char ids[64][SESSION_ID_MAX + 1];
        int n;

        if (!stage_alive() && stage_start(NULL) < 0)
                return;
        while ((n = stage_list(ids, ELEMENTSOF(ids))) > 0)
                for (int i = 0; i < n; i++)
                        (void) stage_kill_session(ids[i]);
        stage_kill();
}

/* Plans */

static const char passwd[] =
                "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nalice:x:20001:20001::/home/alice:/bin/sh\n",
                  group[] = "root:x:0:\nalice:x:20001:\n";

int plan_add_path(Plan *p, const char *target, const char *source, uint32_t flags) {
        return plan_add_mount(p, PLAN_MOUNT_PATH, flags, 0, 0, target, source, strlen(source));
}

static int add_links(Plan *p) {
        static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(names); i++) {
                char text[64];
                ssize_t n = readlink(names[i], text, sizeof(text));

                if (n > 0)
                        r = plan_add_mount(p, PLAN_MOUNT_SYMLINK, 0, 0, 0, names[i], text, (size_t) n);
        }
        return r;
}

static int fill_mounts(Plan *p) {
        int r = plan_add_path(p, "/usr", "/usr", PLAN_MOUNT_EXEC);

        if (r >= 0)
                r = add_links(p);
        if (r >= 0)
                r = plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0444, 0, "/etc/passwd", passwd, strlen(passwd));
        if (r >= 0)
                r = plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0444, 0, "/etc/group", group, strlen(group));
        if (r >= 0)
                r = plan_add_path(p, "/etc/ld.so.cache", "/etc/ld.so.cache", PLAN_MOUNT_OPTIONAL);
        if (r >= 0)
                r = plan_add_mount(p, PLAN_MOUNT_SCRATCH, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC, 01777, 0,
                                "/tmp", "", 0);
        if (r >= 0)
                r = plan_add_mount(p, PLAN_MOUNT_SCRATCH, PLAN_MOUNT_WRITE, 01777, 0, "/dev/shm", "", 0);
        if (r >= 0)
                r = plan_add_path(p, WORKSPACE, WORKSPACE, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
        if (r >= 0)
                r = plan_add_env(p, "PATH=/usr/local/bin:/usr/bin:/bin");
        if (r >= 0)
                r = plan_add_env(p, "HOME=" ALICE_HOME);
        return r;
}

static int copy_filter(const uint8_t *from, size_t n, uint8_t **to, size_t *ret_len) {
        *to = malloc(n);
        if (!*to)
                return -ENOMEM;
        memcpy(*to, from, n);
        *ret_len = n;
        return 0;
}

Plan *plan_sample(const char *id) {
        static unsigned number;
        _cleanup_plan_ Plan *p = plan_new();
        const uint8_t *session, *exec;
        size_t session_len, exec_len;

        if (!p)
                return NULL;
        if (id)
                (void) snprintf(p->id, sizeof(p->id), "%s", id);
        else
                (void) snprintf(p->id, sizeof(p->id), "t%u", ++number);
        (void) snprintf(p->profile, sizeof(p->profile), "test");
        p->uid = p->gid = ALICE;
        p->root = PLAN_ROOT_HOST_MINIMAL;
        (void) snprintf(p->hostname, sizeof(p->hostname), "sandbox");
        p->workdir = strdup(WORKSPACE);
        p->limits = (PlanLimits){.memory = PLAN_UNLIMITED,
                        .swap = PLAN_UNLIMITED,
                        .pids = PLAN_UNLIMITED,
                        .cpu = PLAN_UNLIMITED,
                        .io_weight = PLAN_UNLIMITED,
                        .scratch = 64u << 20,
                        .nofile = 1024,
                        .nproc = 512,
                        .fsize = PLAN_UNLIMITED,
                        .execs = 64};
        p->idle_usec = p->age_usec = USEC_INFINITY;
        if (!p->workdir || fill_mounts(p) < 0 ||
                        seccomp_compile(SECCOMP_FILTER_DEFAULT, &session, &session_len, &exec, &exec_len) <
                                        0 ||
                        copy_filter(session, session_len, &p->bpf_session, &p->bpf_session_len) < 0 ||
                        copy_filter(exec, exec_len, &p->bpf_exec, &p->bpf_exec_len) < 0)
                return NULL;
        return TAKE_PTR(p);
}

/* Sessions */

int recv_timeout(int fd, WireMessage *ret, unsigned timeout_ms) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r;

        wire_message_done(ret);
        r = poll(&p, 1, (int) timeout_ms);
        if (r < 0)
                return -errno;
        if (r == 0)
                return -ETIMEDOUT;
        return wire_recv(fd, ret);
}

/* From the stage: one that has died will not answer, although its listening socket is still there. */
static int stage_recv(WireMessage *ret) {
        int r = -ETIMEDOUT;

        for (unsigned i = 0; i < TIMEOUT_MS / 50 && r == -ETIMEDOUT; i++) {
                r = recv_timeout(stage.sock, ret, 50);
                if (r == -ETIMEDOUT && !stage_alive())
                        return -ECHILD;
        }
        return r == 0 ? -EPIPE : r;
}

void session_done(Session *s) {
        s->control = fd_close(s->control);
        s->channel = fd_close(s->channel);
        msg_ready_done(&s->info);
}

static int take_answer(Session *s, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);

        switch (m->type) {
        case WIRE_READY:
                if (m->n_fds != 1 || msg_ready_decode(&r, &s->info) < 0)
                        return -EBADMSG;
                s->control = TAKE_FD(m->fds[0]);
                s->ready = true;
                (void) snprintf(s->id, sizeof(s->id), "%s", s->info.id);
                return 0;
        case WIRE_FAILED:
                return msg_failed_decode(&r, &s->failed);
        default:
                return -EBADMSG;
        }
}

int session_create_raw(Session *s, const WireWriter *body, const int *fds, size_t n_fds) {
        static uint32_t tag;
        _cleanup_message_ WireMessage m = {};
        int r;

        r = wire_send(stage.sock, WIRE_CREATE, ++tag, body, fds, n_fds);
        if (r < 0)
                return r;
        do {
                r = stage_recv(&m);
                if (r < 0)
                        return r;
        } while (m.tag != tag); /* an ENDED of another session */
        return take_answer(s, &m);
}

int session_create(Session *s, const Plan *p, const int *fds, size_t n_fds) {
        _cleanup_writer_ WireWriter w = {};

        (void) snprintf(s->id, sizeof(s->id), "%s", p->id);
        plan_encode(&w, p);
        return session_create_raw(s, &w, fds, n_fds);
}

int stage_kill_session(const char *id) {
        static uint32_t tag = 1u << 20;
        _cleanup_writer_ WireWriter w = {};
        _cleanup_message_ WireMessage m = {};
        int r;

        wire_put_string(&w, id);
        r = wire_send(stage.sock, WIRE_KILL, ++tag, &w, NULL, 0);
        while (r >= 0) {
                r = stage_recv(&m);
                if (r > 0 && m.type == WIRE_ENDED && m.tag == tag)
                        return 0;
        }
        return r;
}

int session_end(Session *s) {
        int r = stage_kill_session(s->id);

        session_done(s);
        s->ready = false;
        return r;
}

int stage_list(char ids[][SESSION_ID_MAX + 1], size_t max) {
        static uint32_t tag = 2u << 20;
        _cleanup_message_ WireMessage m = {};
        WireReader reader;
        size_t n;
        int r;

        r = wire_send(stage.sock, WIRE_LIST, ++tag, NULL, NULL, 0);
        while (r >= 0) {
                r = stage_recv(&m);
                if (r > 0 && m.type == WIRE_SESSIONS && m.tag == tag)
                        break;
        }
        if (r < 0)
                return r;
        reader = WIRE_READER(m.body, m.len);
        n = wire_get_count(&reader, 100000, 4);
        for (size_t i = 0; i < n && i < max; i++)
                wire_get_string_buf(&reader, ids[i], SESSION_ID_MAX + 1);
        return (int) MIN(n, max);
}

int session_connect_control(const char *id) {
        char path[128];

        (void) snprintf(path, sizeof(path), OCSB_MONITOR_DIR "/%s", id);
        return wire_connect(path);
}

/* Skips what is not an answer to the tag: PROBED and events come at any time. */
static int control_ack(Session *s, uint32_t tag) {
        _cleanup_message_ WireMessage m = {};
        int r, error;

        for (;;) {
                WireReader reader;

                r = recv_timeout(s->control, &m, TIMEOUT_MS);
                if (r <= 0)
                        return r < 0 ? r : -EPIPE;
                if (m.type != WIRE_ACK || m.tag != tag)
                        continue;
                reader = WIRE_READER(m.body, m.len);
                r = msg_ack_decode(&reader, &error, NULL, 0);
                return r < 0 ? r : -error;
        }
}

int session_open_channel(Session *s) {
        int pair[2], r;

        r = wire_pair(pair);
        if (r < 0)
                return r;
        r = wire_send(s->control, WIRE_CHANNEL, ++s->next_tag, NULL, &pair[1], 1);
        fd_close(pair[1]);
        if (r >= 0)
                r = control_ack(s, s->next_tag);
        if (r < 0) {
                fd_close(pair[0]);
                return r;
        }
        return pair[0];
}

int session_probe(Session *s, MsgProbe *ret, unsigned timeout_ms) {
        _cleanup_message_ WireMessage m = {};

        for (;;) {
                WireReader reader;
                int r = recv_timeout(s->control, &m, timeout_ms);

                if (r <= 0)
                        return r < 0 ? r : -EPIPE;
                reader = WIRE_READER(m.body, m.len);
                if (m.type == WIRE_PROBED)
                        return msg_probe_decode(&reader, ret);
        }
}

/* Execs */

static size_t strv_len(const char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

static int send_exec(int fd, uint32_t tag, const char *const *argv, const ExecOptions *o, const int *fds,
                const uint32_t *numbers, size_t n_fds, int status) {
        _cleanup_writer_ WireWriter w = {};
        MsgExec x = {.flags = o ? o->flags : 0,
                        .timeout_usec = o ? o->timeout_usec : 0,
                        .argv = (char **) (uintptr_t) argv,
                        .n_argv = strv_len(argv),
                        .n_fds = n_fds,
                        .env = o ? (char **) (uintptr_t) o->env : NULL,
                        .n_env = o ? strv_len(o->env) : 0,
                        .cwd = o ? (char *) (uintptr_t) o->cwd : NULL};
        int all[MSG_EXEC_FDS_MAX + 1];

        for (size_t i = 0; i < n_fds; i++) {
                x.fd_numbers[i] = numbers[i];
                all[i] = fds[i];
        }
        if (status >= 0)
                all[n_fds] = status;
        msg_exec_encode(&w, &x);
        return wire_send(fd, WIRE_EXEC, tag, &w, all, n_fds + (status >= 0));
}

int exec_send(int channel, uint32_t tag, const char *const *argv, const ExecOptions *o) {
        return send_exec(channel, tag, argv, o, o ? o->fds : NULL, o ? o->numbers : NULL, o ? o->n_fds : 0,
                        -1);
}

static void read_output(int *fd, ExecResult *ret) {
        char drop[4096];
        bool full = ret->len >= EXEC_OUTPUT_MAX;
        ssize_t n = read(*fd, full ? drop : ret->output + ret->len,
                        full ? sizeof(drop) : EXEC_OUTPUT_MAX - ret->len);

        if (n > 0 && !full)
                ret->len += (size_t) n;
        if (n <= 0 && errno != EAGAIN)
                *fd = fd_close(*fd); /* the end; EIO from a pty's master */
}

static void take_event(WireMessage *m, ExecResult *ret, int *output) {
        WireReader r = WIRE_READER(m->body, m->len);

        switch (m->type) {
        case WIRE_EVENT_STARTED:
                ret->started = true;
                ret->id = wire_get_u32(&r);
                ret->pid = wire_get_u32(&r);
                if (m->n_fds == 1 && *output < 0)
                        *output = TAKE_FD(m->fds[0]);
                break;
        case WIRE_EVENT_FAILED:
                ret->over = true;
                if (msg_failed_decode(&r, &ret->failed) < 0)
                        ret->failed.error = EBADMSG;
                break;
        case WIRE_EVENT_EXITED:
                ret->over = true;
                (void) msg_exited_decode(&r, &ret->exited);
                break;
        case WIRE_ACK:
                (void) msg_ack_decode(&r, &ret->ack, ret->failed.text, sizeof(ret->failed.text));
                if (ret->ack)
                        ret->over = true;
                break;
        default:
                break;
        }
}

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

/* Events come on events_fd; with by_control an ACK on the control connection first. */
static int collect(int events_fd, uint32_t tag, int control, int *output, ExecResult *ret) {
        uint64_t end = now_ms() + TIMEOUT_MS, quiet = 0;

        while (!ret->over || *output >= 0) {
                struct pollfd p[] = {{.fd = *output, .events = POLLIN},
                                {.fd = ret->over ? -1 : events_fd, .events = POLLIN},
                                {.fd = ret->over || control < 0 ? -1 : control, .events = POLLIN}};
                _cleanup_message_ WireMessage m = {};
                uint64_t now = now_ms();

                /* Something that outlives the exec may hold the pipe: what it says is not waited for. */
                if (ret->over && quiet == 0)
                        quiet = now + 300;
                if (now >= end || (quiet && now >= quiet))
                        break;
                (void) poll(p, ELEMENTSOF(p), (int) ((quiet ? quiet : end) - now));
                if (p[0].revents)
                        read_output(output, ret);
                for (int i = 1; i < 3; i++)
                        if (p[i].revents) {
                                int r = wire_recv(p[i].fd, &m);

                                if (r == 0 || (r < 0 && r != -EAGAIN))
                                        return r < 0 ? r : -EPIPE;
                                if (r > 0 && (m.tag == tag || m.type == WIRE_ACK) &&
                                                (i == 1 || m.type == WIRE_ACK))
                                        take_event(&m, ret, output);
                                wire_message_done(&m);
                        }
        }
        return ret->over ? 0 : -ETIMEDOUT;
}

int exec_run(Session *s, const char *const *argv, const ExecOptions *o, ExecResult *ret) {
        static const uint32_t stdio[] = {0, 1, 2};
        _cleanup_close_ int in_read = -EBADF, in_write = -EBADF, output = -EBADF, out_write = -EBADF,
                            status = -EBADF, theirs = -EBADF;
        bool pty = o && o->flags & MSG_EXEC_PTY, own = o && o->fds;
        int pipe_in[2], pipe_out[2], pair[2], fds[3], r;
        uint32_t tag = ++s->next_tag;

        *ret = (ExecResult){};
        if (!own && !pty) {
                if (pipe2(pipe_in, O_CLOEXEC) < 0 || pipe2(pipe_out, O_CLOEXEC) < 0)
                        return -errno;
                in_read = pipe_in[0], in_write = pipe_in[1], output = pipe_out[0], out_write = pipe_out[1];
                fds[0] = in_read, fds[1] = fds[2] = out_write;
                if (o && o->input)
                        (void) fd_write_all(in_write, o->input, strlen(o->input));
                in_write = fd_close(in_write);
        }
        if (o && o->by_control) {
                r = wire_pair(pair);
                if (r < 0)
                        return r;
                status = pair[0], theirs = pair[1];
        } else if (s->channel < 0) {
                s->channel = session_open_channel(s);
                if (s->channel < 0)
                        return s->channel;
        }
        r = send_exec(status >= 0 ? s->control : s->channel, tag, argv, o, own ? o->fds : fds,
                        own ? o->numbers : stdio,
                        own   ? o->n_fds
                        : pty ? 0
                              : 3,
                        theirs);
        if (r < 0)
                return r;
        in_read = fd_close(in_read);
        out_write = fd_close(out_write);
        theirs = fd_close(theirs);
        return collect(status >= 0 ? status : s->channel, tag, status >= 0 ? s->control : -1, &output, ret);
}

bool attack_holds_with(Session *s, const ExecOptions *o, const char *const *argv) {
        static ExecResult result;
        char what[256] = "";
        int r;

        for (size_t i = 1; argv[i] && strlen(what) + strlen(argv[i]) + 2 < sizeof(what); i++)
                (void) sprintf(what + strlen(what), "%s%s", i > 1 ? " " : "", argv[i]);
        r = exec_run(s, argv, o, &result);
        result.output[result.len] = 0;
        if (r < 0)
                return tap_check(false, "attack %s: %s", what, strerror(-r));
        if (result.ack || result.failed.error)
                return tap_check(false, "attack %s: not started: %s: %s", what, result.failed.step,
                                result.failed.text);
        if (result.exited.signal == 0 && result.exited.code == 77) {
                tap_note("attack %s: %s", what, result.output);
                return true;
        }
        return tap_check(result.exited.signal == 0 && result.exited.code == 0,
                        "attack %s: code %u signal %u\n%s", what, result.exited.code, result.exited.signal,
                        result.output);
}

bool attack_holds(Session *s, const char *argument, ...) {
        const char *argv[16] = {ATTACK, argument};
        size_t n = 2;
        va_list ap;

        va_start(ap, argument);
        while (n < ELEMENTSOF(argv) - 1 && (argv[n] = va_arg(ap, const char *)))
                n++;
        va_end(ap);
        argv[n] = NULL;
        return attack_holds_with(s, NULL, argv);
}
