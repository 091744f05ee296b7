/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table in a sandbox's own namespace, through a NETLINK_NETFILTER socket that was opened there. Each call is one
 * transaction. */

#include "wire/network.h"

/* What the session is granted, and the addresses of the host, in place of what was there. Either may be NULL: stays. */
typedef struct InnerUpdate {
        const NetIntent *intent;
        const NetAddress *host_addresses;
        size_t n_host_addresses;
        bool with_host_addresses;
} InnerUpdate;
int inner_update(int fd, const InnerUpdate *u);
/* Everything passes from now on (FW_OPEN_INNER). */
int inner_open(int fd);
/* Adds what the fence has refused: packets[_FW_COUNTER_MAX], bytes likewise. */
int inner_counters(int fd, uint64_t *packets, uint64_t *bytes);

/* A packet that was refused: its head as the fence saw it. */
typedef struct InnerRefusal {
        const char *reason;  /* of fw_counter_to_string() */
        NetAddress to;
        uint32_t protocol;   /* IPPROTO_* */
        uint32_t port;       /* of TCP and UDP, else 0 */
} InnerRefusal;
typedef void (*InnerLog)(const InnerRefusal *r, void *userdata);
/* From now on the socket becomes readable when something was refused; a few a minute, the kernel counts the rest. */
int inner_log_bind(int fd);
int inner_log_read(int fd, InnerLog fn, void *userdata);
/* In the namespace in which the process is: loads the constant table. ret_why as with nft_apply(). */
int inner_load(char **ret_why);
