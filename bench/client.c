/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients of ocsbd and of ocsb-stage, see client.h. */

#include "policy/policy.h"

#include "client.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/message.h"

#define BUS_NAME "org.openclaw.Sandbox1"
#define MANAGER_PATH "/org/openclaw/Sandbox1"
#define SESSION_INTERFACE BUS_NAME ".Session"
#define TIMEOUT_MS 30000

char client_error[512];

int client_fail(int error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(client_error, sizeof(client_error), format, ap);
        va_end(ap);
        return error;
}

uint64_t now_nsec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * UINT64_C(1000000000) + (uint64_t) t.tv_nsec;
}

/* ---- the bus ---- */

int client_open(Client *c, const char *workspace) {
        const char *name;
        int r;

        c->workspace = open(workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->workspace < 0)
                return client_fail(-errno, "%s: %s", workspace, strerror(errno));
        r = sd_bus_open_system(&c->bus);
        if (r >= 0)
                r = sd_bus_get_unique_name(c->bus, &name); /* waits until the bus has said welcome */
        return r < 0 ? client_fail(r, "system bus: %s", strerror(-r)) : 0;
}

void client_close(Client *c) {
        c->bus = sd_bus_flush_close_unref(c->bus);
        c->workspace = fd_close(c->workspace);
}

static int call(Client *c, sd_bus_message *m, sd_bus_message **ret) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(c->bus, m, 0, &error, ret);

        if (r < 0)
                (void) client_fail(r, "%s: %s", sd_bus_message_get_member(m),
                                error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        return r;
}

int session_create(Client *c, const char *id, const char *directory, BenchSession *ret) {
        _cleanup_close_ int own = -EBADF;
        sd_bus_message *m = NULL, *reply = NULL;
        const char *path, *got;
        int workspace = c->workspace, r;

        *ret = (BenchSession) { .channel = -EBADF };
        if (directory) {
                (void) mkdirat(c->workspace, directory, 0755);
                workspace = own = openat(c->workspace, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (own < 0)
                        return client_fail(-errno, "%s: %s", directory, strerror(errno));
        }
        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, MANAGER_PATH, BUS_NAME ".Manager", "CreateSession");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->nat ? "internet" : "default");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "workspace", "h", workspace);
        if (r >= 0 && id)
                r = sd_bus_message_append(m, "{sv}", "id", "s", id);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = call(c, m, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "os", &path, &got);
        if (r >= 0) {
                (void) snprintf(ret->path, sizeof(ret->path), "%s", path);
                (void) snprintf(ret->id, sizeof(ret->id), "%s", got);
        }
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return MIN(r, 0);
}

int session_terminate(Client *c, BenchSession *s) {
        sd_bus_message *m = NULL;
        int r;

        s->channel = fd_close(s->channel);
        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, s->path, SESSION_INTERFACE, "Terminate");
        if (r >= 0)
                r = call(c, m, NULL);
        sd_bus_message_unref(m);
        return MIN(r, 0);
}

int session_open_channel(Client *c, BenchSession *s) {
        sd_bus_message *m = NULL, *reply = NULL;
        int fd, r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, s->path, SESSION_INTERFACE, "OpenChannel");
        if (r >= 0)
                r = call(c, m, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0)
                r = s->channel = fd_dup(fd);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return MIN(r, 0);
}

int session_say_hello(BenchSession *s) {
        _cleanup_writer_ WireWriter w = {};
        int r;

        r = s->channel = wire_connect(OCSB_CHANNEL_SOCKET);
        wire_put_string(&w, s->id);
        if (r >= 0)
                r = wire_send(s->channel, WIRE_HELLO, 0, &w, NULL, 0);
        return r < 0 ? client_fail(r, "%s: %s", OCSB_CHANNEL_SOCKET, strerror(-r)) : 0;
}

/* ---- execs ---- */

static int receive(int sock, WireMessage *m) {
        struct pollfd p = { .fd = sock, .events = POLLIN };
        int r;

        wire_message_done(m);
        do {
                if (poll(&p, 1, TIMEOUT_MS) <= 0)
                        return client_fail(-ETIMEDOUT, "no answer within %d s", TIMEOUT_MS / 1000);
                r = wire_recv(sock, m);
        } while (r == -EAGAIN);
        return r > 0 ? 0 : client_fail(r < 0 ? r : -EPIPE, "the connection ended");
}

static int failed(const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        MsgFailed f;

        if (msg_failed_decode(&reader, &f) < 0)
                return client_fail(-EBADMSG, "malformed answer");
        return client_fail(-EIO, "%s: %s", f.step, f.text);
}

static int refused(const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        char text[MSG_ACK_TEXT_MAX + 1] = "";
        int error = EBADMSG;

        (void) msg_ack_decode(&reader, &error, text, sizeof(text));
        return client_fail(-EIO, "refused: %s", text[0] ? text : strerror(error));
}

int exec_wait(int sock) {
        _cleanup_message_ WireMessage m = {};
        MsgExited x;
        int r;

        for (;;) {
                WireReader reader;

                r = receive(sock, &m);
                if (r < 0)
                        return r;
                reader = WIRE_READER(m.body, m.len);
                switch (m.type) {
                case WIRE_EVENT_STARTED:
                        break;
                case WIRE_EVENT_EXITED:
                        r = msg_exited_decode(&reader, &x);
                        if (r < 0)
                                return client_fail(r, "malformed answer");
                        return x.code == 0 && x.signal == 0 ? 0
                                                            : client_fail(-EIO, "the program ended with status %u, signal %u",
                                                                              x.code, x.signal);
                case WIRE_EVENT_FAILED:
                        return failed(&m);
                case WIRE_ACK:
                        return refused(&m);
                default:
                        return client_fail(-EBADMSG, "unexpected message %u", m.type);
                }
        }
}

int exec_start(BenchSession *s, const char *const *argv, int out) {
        _cleanup_writer_ WireWriter w = {};
        static char nowhere[] = "";
        MsgExec x = { .argv = (char **) (uintptr_t) argv, .cwd = nowhere, .fd_numbers = { 1 }, .n_fds = out >= 0 };
        int r;

        while (argv[x.n_argv])
                x.n_argv++;
        msg_exec_encode(&w, &x);
        r = wire_send(s->channel, WIRE_EXEC, 1, &w, &out, x.n_fds);
        return r < 0 ? client_fail(r, "channel: %s", strerror(-r)) : 0;
}

int exec_by_channel(BenchSession *s, const char *const *argv, int out) {
        int r = exec_start(s, argv, out);

        return r < 0 ? r : exec_wait(s->channel);
}

int exec_by_bus(Client *c, BenchSession *s, const char *const *argv) {
        sd_bus_message *m = NULL, *reply = NULL;
        uint32_t id;
        int fd, r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, s->path, SESSION_INTERFACE, "Exec");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (; r >= 0 && *argv; argv++)
                r = sd_bus_message_append_array(m, 'y', *argv, strlen(*argv));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 0);
        if (r >= 0)
                r = call(c, m, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "uh", &id, &fd);
        if (r >= 0)
                r = exec_wait(fd);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return MIN(r, 0);
}

/* ---- ocsb-stage ---- */

static int describe_user(const char *name, Caller *ret) {
        struct passwd *pw = getpwnam(name);
        int n = 64;

        if (!pw)
                return client_fail(-ENOENT, "no user %s", name);
        *ret = (Caller) { .uid = pw->pw_uid, .gid = pw->pw_gid, .user = strdup(name), .home = strdup(pw->pw_dir),
                .shell = strdup(pw->pw_shell), .groups = calloc(64, sizeof(gid_t)) };
        if (!ret->user || !ret->home || !ret->shell || !ret->groups ||
                        getgrouplist(name, pw->pw_gid, ret->groups, &n) < 0)
                return client_fail(-ENOMEM, "groups of %s", name);
        ret->n_groups = (size_t) n;
        return 0;
}

static int make_plan(const char *user, const char *workspace, Plan **ret) {
        _cleanup_(request_freep) Request *request = request_new();
        _cleanup_(policy_freep) Policy *policy = NULL;
        _cleanup_(policy_result_done) PolicyResult result = {};
        _cleanup_(caller_done) Caller caller = {};
        char *why = NULL;
        int r;

        r = describe_user(user, &caller);
        if (r < 0)
                return r;
        request->profile = g_strdup("default");
        request->workspace_fd = 0;
        request->workspace_host_path = g_strdup(workspace);
        request->n_fds = 1;
        r = policy_load(OCSB_DATA_DIR, OCSB_CONFIG_DIR, &policy, &why);
        if (r >= 0)
                r = policy_resolve(policy, &caller, request, &result, &why);
        if (r != 0) {
                r = client_fail(-EINVAL, "policy: %s", why ? why : strerror(-r));
                g_free(why);
                return r;
        }
        *ret = TAKE_PTR(result.plan);
        return 0;
}

int stage_open(StageClient *c, const char *user, const char *workspace) {
        int r = make_plan(user, workspace, &c->plan);

        if (r < 0)
                return r;
        c->workspace = open(workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = c->sock = wire_connect(OCSB_STAGE_SOCKET);
        return r < 0 ? client_fail(r, "%s: %s", OCSB_STAGE_SOCKET, strerror(-r)) : 0;
}

int stage_create(StageClient *c, uint64_t *ret_nsec) {
        _cleanup_writer_ WireWriter plan = {}, id = {};
        _cleanup_message_ WireMessage m = {};
        uint64_t start;
        int r;

        (void) snprintf(c->plan->id, sizeof(c->plan->id), "bench_stage_%u", c->next++);
        plan_encode(&plan, c->plan);
        wire_put_string(&id, c->plan->id);
        start = now_nsec();
        r = wire_send(c->sock, WIRE_CREATE, c->next, &plan, &c->workspace, 1);
        /* The ends of other sessions are told to all of the stage's clients, with tag 0. */
        do
                r = r < 0 ? r : receive(c->sock, &m);
        while (r >= 0 && m.tag != c->next);
        *ret_nsec = now_nsec() - start;
        if (r < 0)
                return r;
        if (m.type != WIRE_READY)
                return failed(&m);
        r = wire_send(c->sock, WIRE_KILL, c->next, &id, NULL, 0);
        do
                r = r < 0 ? r : receive(c->sock, &m);
        while (r >= 0 && m.tag != c->next);
        return r;
}
