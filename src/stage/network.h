/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network of a session with mode "nat", as far as it is ocsb-stage's: a namespace with the inner fence in it, and the
 * attachment by ocsb-fw, which goes on beside the building of the sandbox. READY goes out when both are done. */

#include "stage/netns.h"
#include "sys/loop.h"
#include "wire/message.h"
#include "wire/plan.h"

typedef struct Session Session;
typedef struct Stage Stage;

typedef enum NetworkState {
        NETWORK_NONE,      /* of another mode */
        NETWORK_NAMESPACE, /* waits for a namespace; nothing of the session is made yet */
        NETWORK_ATTACHING, /* the sandbox is being built, ocsb-fw has been or will be asked */
        NETWORK_ATTACHED,  /* READY went out, or is about to */
        NETWORK_FAILED,    /* the session is being taken down */
} NetworkState;

typedef struct SessionNetwork {
        NetworkState state;
        Plan *plan;            /* of NETWORK_NAMESPACE, with its descriptors */
        int *plan_fds;
        int fds[_NETNS_FDS];   /* until attached, or -EBADF */
        bool pending;          /* FW_ATTACH has to be sent on this connection */
        uint32_t tag;          /* of the last FW_ATTACH */
        bool there;            /* ocsb-fw has attached it */
        bool built;            /* ready holds the monitor's READY */
        WireMessage ready;
        LoopTimer timeout;     /* of the creation; once attached: the next attempt to attach it again */
        uint64_t pause;        /* until that */
} SessionNetwork;

/* Takes the plan and the descriptors of msg; makes x->record say so first. 0, or an error for the answer, with *ret_why
 * when the errno does not say it all (static, or x's). */
int network_create(Session *x, Plan **plan, WireMessage *msg, const char **ret_why);
/* The monitor says READY: true when that has to wait, msg is emptied then. */
bool network_keeps_ready(Session *x, WireMessage *msg);
/* From ocsb-fw. text is for the user. */
void network_attached(Session *x);
void network_failed(Session *x, int error, const char *text);
/* An adopted session. False: it was never whole and has to go. */
bool network_adopt(Session *x);
/* The session's processes are dead. */
void network_over(Session *x);
void network_done(Session *x);
/* Fills x->network.fds, where they are not there yet, with the session's namespace and new sockets in it. -ESRCH: nothing of
 * it lives. */
int network_open(Session *x);
void network_close(Session *x);
