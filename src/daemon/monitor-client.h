/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The control connection to one monitor. What ocsbd expects of it:
 *
 *   WIRE_EXEC       fds: those of MsgExec.fd_numbers, then one more, the status socket. First answer, as
 * soon as the exec has its number and before anything of it runs: ACK{0, the number in decimal}; an error in
 * the ACK means that nothing was started. EVENT_STARTED (its pty master only on the status socket) or
 *                   EVENT_FAILED, and EVENT_EXITED in the end, go both here, with the tag of the EXEC, and
 * to the status socket. When the other end of the status socket is closed before the end, the exec is killed
 * unless it is detached. WIRE_TERMINATE  body empty: ACK, then the end. Body u32 1: only if no exec is
 * running, ACK{EBUSY} otherwise, decided in one step so that no exec slips in between. others          as
 * message.h says. ACK, INFO_REPLY repeat the tag. PROBED has tag 0.
 *
 * A monitor runs without privileges on the sandbox's side of the fence: everything that comes from it is
 * checked, and a message that makes no sense ends the session. */

#include <systemd/sd-event.h>

#include "wire/egress.h"
#include "wire/message.h"

typedef struct MonitorClient MonitorClient;

/* error: 0, or a positive errno of the monitor, or ours (ETIMEDOUT, EPIPE). text is escaped UTF-8. */
typedef void (*MonitorAck)(int error, const char *text, void *userdata);
/* info is NULL on an error; borrowed. */
typedef void (*MonitorInfo)(const MsgInfo *info, void *userdata);

typedef struct MonitorHandlers {
        void (*probed)(const MsgProbe *probe, void *userdata);
        void (*exec_started)(uint32_t tag, void *userdata);
        void (*exec_failed)(uint32_t tag, const MsgFailed *failed, void *userdata);
        void (*exec_exited)(uint32_t tag, const MsgExited *exited, void *userdata);
        /* Once, last; every open request was answered with an error before. */
        void (*closed)(int error, void *userdata);
} MonitorHandlers;

/* fd is given, also on failure. */
int monitor_client_new(sd_event *event, int fd, const MonitorHandlers *handlers, void *userdata,
                MonitorClient **ret);
/* Open requests are answered with EPIPE first. */
MonitorClient *monitor_client_free(MonitorClient *c);
DEFINE_CLEANUP(MonitorClient, monitor_client_free)

/* Sends a request that is answered by ACK: the callback comes exactly once, unless this returns an error.
 * Descriptors are borrowed. ret_tag may be NULL. */
int monitor_call(MonitorClient *c, WireType type, const WireWriter *body, const int *fds, size_t n_fds,
                MonitorAck callback, void *userdata, uint32_t *ret_tag);
int monitor_info(MonitorClient *c, MonitorInfo callback, void *userdata);
/* Has a process of the session try what it can reach. NULL on an error; borrowed; as many as there were targets. */
typedef void (*MonitorEgress)(const MsgEgressed *seen, void *userdata);
int monitor_egress(MonitorClient *c, const MsgEgress *what, MonitorEgress callback, void *userdata);
