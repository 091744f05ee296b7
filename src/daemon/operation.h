/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One method call on its way through read, validate, authorise, act, reply. The arguments are read and
 * validated once and kept here; a call that waits (for polkit, the builder, a monitor) is an operation and
 * nothing else. */

#include <systemd/sd-bus.h>

#include "authority.h"
#include "client.h"
#include "errors.h"
#include "session.h"

/* What a pending request would be about. */
typedef struct OperationApproval {
        char *key, *digest, *message; /* owned by the operation's data */
        uint32_t max_pending;
} OperationApproval;

typedef void (*OperationFunction)(Operation *op);

struct Operation {
        Manager *manager;
        Client *client;           /* reference */
        sd_bus_message *message;  /* reference */
        const AuthorityRule *rule;
        Session *session;         /* reference, or NULL */
        bool counted;

        const char *action;       /* the one that is asked about, static */
        char **details;
        bool interactive_phase;
        bool standing;            /* polkit said yes without asking anybody */
        AuthorityCheck *check;
        OperationFunction granted;   /* acts; takes over the operation */
        OperationFunction refused;   /* NULL: reply the error. Else: acts in the smaller way */
        OperationFunction challenge; /* or NULL: before somebody is asked for a password, or waits for
                                        approval */
        const OperationApproval *approval; /* or NULL: nothing to wait for */

        Session *awaited;         /* reference; see operation_await() */
        OperationFunction resume;
        sd_event_source *deadline;
        const char *deadline_text;
        ErrorCode deadline_code;

        OperationFunction abandoned; /* or NULL: the caller left while nothing of the above runs */
        void *data;
        void (*free_data)(void *data);
};

/* Starts an operation for the message of a handler: finds its row in the table and counts it. session may be
 * NULL. */
int operation_new(
                Manager *manager, sd_bus_message *m, Session *session, Operation **ret, sd_bus_error *error);
Operation *operation_free(Operation *op);
DEFINE_CLEANUP(Operation, operation_free)
#define _cleanup_operation_ _cleanup_(operation_freep)

/* Asks whoever must be asked, then calls granted (at once when nobody must be) or refused, or replies. Takes
 * the operation over. owner is the uid to whom AUTHORITY_OWNER gives the right. Returns 1 for the handler to
 * return. */
int operation_authorise(Operation *op, uid_t owner);
/* As above for another action than the row's. */
int operation_authorise_action(Operation *op, uid_t owner, const char *action);

/* key, value, …, NULL; copied and escaped. Before operation_authorise(). */
void operation_set_details(Operation *op, const char *key, ...) __attribute__((sentinel));
/* One more, of a text that is escaped and short already. */
void operation_add_detail(Operation *op, const char *key, const char *value);

/* Each ends the operation. */
void operation_reply(Operation *op, const char *types, ...);
/* A container of that element ("(sss)", "{sv}", …) as the only argument; append adds to it what there is. */
typedef int (*OperationAppend)(sd_bus_message *reply, void *userdata);
void operation_reply_list(Operation *op, const char *element, OperationAppend append, void *userdata);
void operation_reply_message(Operation *op, sd_bus_message *reply);
void operation_fail(Operation *op, ErrorCode code, const char *format, ...) _printf_(3, 4);
void operation_fail_with(Operation *op, const sd_bus_error *error);

/* Calls resume when the session changes its phase (NULL: when whoever has the operation in his list says
 * so). After timeout the call fails with the code and the text. */
void operation_await(Operation *op, Session *session, OperationFunction resume, uint64_t timeout_usec,
                ErrorCode timeout_code, const char *timeout_text);
/* The wait is over: no time-out any more. */
void operation_stop_waiting(Operation *op);
/* For session.c: the session moved on. */
void operation_wake(Operation *op);
/* For client.c: the caller left the bus. */
void operation_caller_left(Operation *op);
