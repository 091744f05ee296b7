/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One command in a session. First the short way: connect to ocsbd's channel socket, HELLO and EXEC in one
 * go, no bus. When that is not there or not granted (ocsbd has to be started, the session is somebody else's
 * and polkit has to be asked) a channel comes from OpenChannel, and the answer to that is what the user is
 * told. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "front.h"
#include "relay.h"
#include "report.h"
#include "terminal.h"
#include "wire/message.h"

const char *channel_socket = OCSB_CHANNEL_SOCKET;

/* TERM goes into terminal handling code inside: names only. */
static bool term_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._");

        return n > 0 && n <= 64 && !s[n];
}

/* The environment of ocsbctl stays outside, but for what was asked for, and TERM with a terminal. */
static int fill_env(const Options *o, bool pty, StringList *ret) {
        const char *term = getenv("TERM");
        char assignment[80];
        int r;

        if (pty && term && term_valid(term)) {
                (void) snprintf(assignment, sizeof(assignment), "TERM=%s", term);
                r = string_list_add(ret, assignment);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < o->env.n; i++) {
                r = string_list_add(ret, o->env.items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int send_exec(int channel, const WireWriter *body, const Stdio *stdio) {
        int fds[3];
        size_t n = 0;

        for (size_t i = 0; i < 3; i++)
                if (stdio->child[i] >= 0)
                        fds[n++] = stdio->child[i];
        return wire_send(channel, WIRE_EXEC, RELAY_EXEC_TAG, body, fds, n);
}

static int encode_exec(const Options *o, const Launch *l, const Stdio *stdio, const StringList *env,
                WireWriter *ret) {
        MsgExec m = { .flags = (l->pty ? MSG_EXEC_PTY : 0) | (o->detach ? MSG_EXEC_DETACH : 0),
                .timeout_usec = o->timeout_usec,
                .argv = l->argv,
                .n_argv = l->n_argv,
                .env = env->items,
                .n_env = env->n };
        static char nowhere[] = "";
        const char *why = NULL;
        int r;

        /* For exec --workdir is the command's; for run it is the session's, where commands start anyway. */
        m.cwd = o->verb == VERB_EXEC && o->workdir ? (char *) o->workdir : nowhere;
        if (l->pty)
                terminal_size(isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDIN_FILENO, &m.rows, &m.cols);
        for (uint32_t i = 0; i < 3; i++)
                if (stdio->child[i] >= 0)
                        m.fd_numbers[m.n_fds++] = i;
        r = msg_exec_validate(&m, &why);
        if (r < 0) {
                (void) report_error("run command", NULL, why ? why : strerror(-r), o->verbose);
                return r;
        }
        msg_exec_encode(ret, &m);
        return ret->error;
}

static int connect_channel(const char *id) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_close_ int fd = wire_connect(channel_socket);
        int r;

        if (fd < 0)
                return fd;
        wire_put_string(&w, id);
        r = wire_send(fd, WIRE_HELLO, 0, &w, NULL, 0);
        return r < 0 ? r : TAKE_FD(fd);
}

static int open_channel(Bus *b, const Options *o, const char *id) {
        char path[sizeof(OCSB_SESSION_PATH_PREFIX) + SESSION_ID_MAX];
        _cleanup_dbus_reply_ DbusReply reply = {};
        uint32_t index;
        DbusReader reader;
        int r;

        (void) snprintf(path, sizeof(path), "%s%s", OCSB_SESSION_PATH_PREFIX, id);
        r = bus_call(b, o, "open a channel to the session",
                        (DbusCall) { .destination = OCSB_BUS_NAME,
                                        .path = path,
                                        .interface = OCSB_SESSION_INTERFACE,
                                        .member = "OpenChannel" },
                        &reply);
        if (r < 0)
                return r;
        reader = DBUS_READER(&reply.message);
        index = dbus_get_u32(&reader);
        if (!streq(reply.message.signature, "h") || reader.error || index >= reply.n_fds) {
                (void) report_error("open a channel to the session", NULL,
                                "ocsbd's answer is not understood", o->verbose);
                return -EBADMSG;
        }
        return TAKE_FD(reply.fds[index]);
}

static int report_exited(const Options *o, const Launch *l, const MsgExited *m) {
        if ((m->flags & MSG_EXITED_OOM) && (m->signal == 9 || o->verbose))
                fprintf(stderr,
                                "The kernel killed a process in session %s because its memory limit was "
                                "reached.\n"
                                "Hint: --memory=BYTES sets it; the profile's ceiling is in ocsbctl "
                                "explain.\n",
                                l->session);
        if ((m->flags & MSG_EXITED_TIMEOUT) && o->verbose)
                fprintf(stderr, "The command was killed: its time was over.\n");
        return exit_status(m);
}

/* What happened, in words where something went wrong. */
static int report_end(const Options *o, const Launch *l, const Relay *r) {
        char what[128];
        _cleanup_free_ char *name = text_escape(l->argv[0], strlen(l->argv[0]), 80);

        (void) snprintf(what, sizeof(what), "run '%s'", name ? name : "?");
        switch (r->end) {
        case RELAY_EXITED:
                return report_exited(o, l, &r->exited);
        case RELAY_FAILED:
                (void) report_error(what, NULL,
                                *r->failed.text ? r->failed.text : strerror((int) r->failed.error),
                                o->verbose);
                /* Of the command itself there is only one. */
                if (o->verbose || !streq(r->failed.step, "exec"))
                        fprintf(stderr, "Step: %s\n", r->failed.step);
                return r->failed.status == 126 || r->failed.status == 127 ? (int) r->failed.status
                                                                          : STATUS_OWN_FAILURE;
        case RELAY_REFUSED:
                (void) report_error(what, NULL, *r->text ? r->text : strerror(r->error), o->verbose);
                return STATUS_OWN_FAILURE;
        case RELAY_STARTED:
                if (l->print_id && !o->quiet)
                        printf("%u\n", r->exec_id);
                return STATUS_OK;
        case RELAY_ENDED_BY_SIGNAL:
                return 128 + r->signal;
        case RELAY_LOST:
        default:
                (void) report_error(what, NULL, "the session ended before the exit status was known",
                                o->verbose);
                return STATUS_OWN_FAILURE;
        }
}

int launch(Bus *b, const Options *o, const Launch *l) {
        _cleanup_(string_list_done) StringList env = {};
        _cleanup_stdio_ Stdio stdio;
        _cleanup_writer_ WireWriter body = {};
        Relay relay = {};
        int r;

        stdio_init(&stdio);
        r = l->pty ? 0 : stdio_prepare(o->detach, &stdio);
        if (r >= 0)
                r = fill_env(o, l->pty, &env);
        if (r < 0) {
                (void) report_errno("prepare the command", r == -ENOENT ? -EIO : r, o->verbose);
                return STATUS_OWN_FAILURE;
        }
        if (encode_exec(o, l, &stdio, &env, &body) < 0)
                return STATUS_OWN_FAILURE;

        for (bool direct = true;; direct = false) {
                _cleanup_close_ int channel =
                                direct ? connect_channel(l->session) : open_channel(b, o, l->session);

                if (channel < 0 && !direct)
                        return STATUS_OWN_FAILURE; /* said already */
                r = channel < 0 ? channel : send_exec(channel, &body, &stdio);
                /* A refusal may have come before EXEC was out: then it is there to be read. */
                if (r == -EPIPE && channel >= 0)
                        r = 0;
                if (r >= 0) {
                        relay = (Relay) {
                                .channel = channel, .pty = l->pty, .detach = o->detach, .stdio = &stdio
                        };
                        r = relay_run(&relay);
                        if (r < 0) {
                                (void) report_errno("wait for the command", r, o->verbose);
                                return STATUS_OWN_FAILURE;
                        }
                        if (!direct || relay.started ||
                                        (relay.end != RELAY_REFUSED && relay.end != RELAY_LOST))
                                return report_end(o, l, &relay);
                } else if (!direct) {
                        (void) report_errno("send the command", r, o->verbose);
                        return STATUS_OWN_FAILURE;
                }
        }
}
