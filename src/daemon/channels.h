/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* channel.sock: the way into a session without the bus. A client names the session; the daemon looks at who
 * it is and hands the connection to the session's monitor, with whatever else the client has sent already.
 */

#include "manager.h"

/* All uids together; a share of it per uid is in quota.h. */
#define CHANNELS_WAITING_MAX 256u

/* fd is the listening socket, given. Nobody is served before channels_open(): who connects while the daemon
 * starts waits, as the sessions are not all known yet. */
int channels_new(Manager *m, int fd, Channels **ret);
void channels_open(Channels *c);
Channels *channels_free(Channels *c);
