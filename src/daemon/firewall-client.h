/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to ocsb-fw. It may be killed and started again at any time; its table stays meanwhile, and it knows its sessions
 * afterwards. wire/network.h has the messages. */

#include <systemd/sd-event.h>

#include "wire/message.h"
#include "wire/network.h"

typedef struct FirewallClient FirewallClient;

/* error: 0, or a positive errno of ocsb-fw, or ours (ETIMEDOUT, EPIPE). text is escaped UTF-8. */
typedef void (*FirewallAck)(int error, const char *text, void *userdata);
/* NULL on an error; borrowed. */
typedef void (*FirewallStatus)(const FwStatus *status, void *userdata);
typedef void (*FirewallText)(const char *text, void *userdata);

typedef struct FirewallHandlers {
        void (*connected)(void *userdata);
        /* Every open request was answered with an error before. */
        void (*disconnected)(void *userdata);
        void (*drift)(uint64_t usec, const char *what, void *userdata); /* what: escaped */
        void (*expired)(const char *id, uint32_t grant, void *userdata);
} FirewallHandlers;

FirewallClient *firewall_client_new(sd_event *event, const char *path, const FirewallHandlers *handlers, void *userdata);
/* Open requests are answered with EPIPE first. */
FirewallClient *firewall_client_free(FirewallClient *c);
DEFINE_CLEANUP(FirewallClient, firewall_client_free)

/* Connects, and again with growing pauses whenever the connection is lost. */
void firewall_client_start(FirewallClient *c);
bool firewall_is_connected(const FirewallClient *c);

/* The callback comes exactly once and not from within, unless these return an error: -ENOTCONN without a connection. */
int firewall_call(FirewallClient *c, FwType type, const WireWriter *body, FirewallAck callback, void *userdata);
int firewall_set(FirewallClient *c, const char *id, const NetIntent *intent, FirewallAck callback, void *userdata);
int firewall_status(FirewallClient *c, FirewallStatus callback, void *userdata);
int firewall_show(FirewallClient *c, FirewallText callback, void *userdata);
