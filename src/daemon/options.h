/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading what a caller sends: option dictionaries, byte strings and descriptors. Everything is copied out
 * of the message and type-checked once; nothing looks at the message again afterwards, so that what was
 * authorised is what is done. All readers fill error and return a negative errno. */

#include <systemd/sd-bus.h>

#include "policy/request.h"
#include "wire/message.h"

/* The arguments of CreateSession, EnsureSession and Explain. */
typedef struct SessionOptions {
        Request *request;
        int fds[PLAN_FDS_MAX]; /* owned, request->n_fds of them */
        char *plan_digest;     /* what Explain returned, or NULL */
} SessionOptions;

void session_options_done(SessionOptions *o);

/* profile "" is "default". With an id (EnsureSession's, valid) the option "id" is refused. m stands before
 * the options. */
int options_read_session(sd_bus_message *m, const char *profile, const char *id, SessionOptions *ret,
                sd_bus_error *error);

typedef struct ExecArguments {
        MsgExec exec;
        int fds[MSG_EXEC_FDS_MAX]; /* owned, exec.n_fds of them */
} ExecArguments;

void exec_arguments_done(ExecArguments *a);

/* argv, cwd, fds and options of Session.Exec, limits included. */
int options_read_exec(sd_bus_message *m, ExecArguments *ret, sd_bus_error *error);

/* Firewall.Allow: a destination, m stands before its dictionary. ret->until_usec is a time to come, or USEC_INFINITY; a duration,
 * which begins when the grant is made, is in *ret_duration_usec, else 0. */
int options_read_grant(sd_bus_message *m, NetGrant *ret, uint64_t *ret_duration_usec, sd_bus_error *error);

/* Session.Update: NULL for what is not mentioned. */
typedef struct UpdateOptions {
        GArray *dns, *allow; /* NetAddress, NetGrant */
} UpdateOptions;
void update_options_done(UpdateOptions *o);
int options_read_update(sd_bus_message *m, UpdateOptions *ret, sd_bus_error *error);

/* Firewall.Verify. */
#define VERIFY_ADDRESSES_MAX 8u
typedef struct VerifyEndpoint {
        NetAddress address;
        uint32_t port;
} VerifyEndpoint;
typedef struct VerifyOptions {
        VerifyEndpoint internet[VERIFY_ADDRESSES_MAX], llm[VERIFY_ADDRESSES_MAX];
        size_t n_internet, n_llm;
} VerifyOptions;
int options_read_verify(sd_bus_message *m, VerifyOptions *ret, sd_bus_error *error);

/* A caller's string for an error message or a prompt: escaped, quoted by nobody, at most 80 characters.
 * g_free(). */
char *text_for_humans(const char *s, size_t n);
