/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connections of callers. A gate in front of every method learns who the sender is before anything of
 * the message is read, and refuses whoever must not call at all. */

#include <glib.h>
#include <systemd/sd-bus.h>

#include "policy/request.h"

typedef struct ClientTable ClientTable;
typedef struct Manager Manager;
typedef struct Operation Operation;

typedef enum ClientState {
        CLIENT_ASKED,   /* the bus has been asked who it is; its messages wait */
        CLIENT_KNOWN,
        CLIENT_REFUSED, /* every method is refused with the text */
} ClientState;

typedef struct Client {
        unsigned n_ref;
        ClientTable *table;
        char *name; /* unique name on the bus */
        ClientState state;
        bool gone;  /* left the bus; nothing may be done for it any more */
        char *refusal;

        uid_t uid;
        int pidfd;  /* of the process that opened the connection; -EBADF for uid 0 */
        gid_t *groups; /* of the connection, when the bus knows them */
        size_t n_groups;
        bool account_known;
        Caller account;

        sd_bus_slot *query;
        GQueue held;     /* sd_bus_message* that wait for the identity or for fresh properties */
        GQueue replayed; /* those that were put back into the bus's queue, in order */
        bool refreshing;
        sd_bus_message *refreshed; /* the one whose properties are fresh now; compared only */

        GQueue operations; /* Operation*, borrowed */
        GHashTable *grants; /* set of "action\ndetail…" that polkit allowed without asking anybody */
        uint64_t grants_generation;
        uint64_t denied_window; /* for the rate of log records */
        unsigned n_denied;
} Client;

ClientTable *client_table_new(Manager *m);
ClientTable *client_table_free(ClientTable *t);
DEFINE_CLEANUP(ClientTable, client_table_free)

/* The sender of a message that passed the gate; borrowed. NULL never happens within a handler or getter, but
 * is answered by denial there. */
Client *client_of(ClientTable *t, sd_bus_message *m);
Client *client_ref(Client *c);
Client *client_unref(Client *c);

/* Whether it is still on the bus, and the process that opened the connection still there: a connection can
 * be handed on, and an authorisation was about who asked. */
bool client_is_there(const Client *c);

/* The account behind the uid, looked up once. NULL when the user database has none: the error is set. */
const Caller *client_account(Client *c, sd_bus_error *error);

/* Whether polkit's yes may be taken from memory; key is action and details. */
bool client_has_grant(Client *c, const char *key);
void client_add_grant(Client *c, const char *key);

/* True at most 20 times in a minute: a client that is denied in a loop must not fill the journal. */
bool client_may_log_denial(Client *c);
