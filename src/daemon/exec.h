/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Execs that were started over the bus: starting them, and telling the connection that did how they ended.
 * The monitor is the authority on what runs; what is here only serves ExecExited and the quota, and a
 * restart may forget it: the status descriptor works on. */

#include "operation.h"
#include "options.h"

/* Sends the exec to the session's monitor and replies with number and status descriptor, or with an error.
 * Takes the operation over; its data is an ExecArguments. */
void exec_start(Operation *op);
/* Connects a new channel to the monitor and replies with the caller's end. */
void exec_open_channel(Operation *op);

/* Of the monitor of s. */
void exec_failed(Session *s, uint32_t tag, const MsgFailed *failed);
void exec_exited(Session *s, uint32_t tag, const MsgExited *exited);
/* The monitor is gone, and with it every exec. */
void exec_all_lost(Session *s);
/* The daemon ends, the execs do not. */
void exec_all_forgotten(Session *s);
