/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* pkttyagent for the time of a call, so that polkit can ask on our terminal. */

#include <sys/types.h>

#include "base/macro.h"

typedef struct Agent {
        pid_t pid; /* 0: none */
} Agent;

void agent_stop(Agent *a);
#define _cleanup_agent_ _cleanup_(agent_stop)

/* Whether somebody can be asked here: standard input is a terminal and we are not root. */
bool agent_possible(bool no_ask_password);
/* Starts it and waits until it has registered. 0 also when it could not: polkit's own answer tells. */
int agent_start(Agent *a);
