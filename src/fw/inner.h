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
/* In the namespace in which the process is: loads the constant table. ret_why as with nft_apply(). */
int inner_load(char **ret_why);
