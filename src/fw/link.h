/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The veth of a session: made with its peer in the sandbox's namespace, routed, without a neighbour protocol. */

#include "base/address.h"

#define LINK_GATEWAY_IPV4 "169.254.1.1"
#define LINK_GATEWAY_IPV6 "fe80::1"

typedef struct LinkAddresses {
        uint32_t slot;
        NetAddress ipv4, ipv6; /* ipv6.family 0: none */
} LinkAddresses;

/* outside: a NETLINK_ROUTE socket of ours; inside: one that was opened in the namespace netns_fd. Both borrowed. On an error
 * nothing is left. *ret_step: what failed, static text. */
int link_make(int outside, int inside, int netns_fd, const LinkAddresses *a, const char **ret_step);
/* Whether the interface of a slot is there, and its peer in the namespace of that socket. */
bool link_exists(int outside, uint32_t slot);
bool link_is_inside(int inside);
/* Every interface ocsbN of the host. */
typedef void (*LinkFound)(uint32_t slot, void *userdata);
int link_list(int outside, LinkFound found, void *userdata);
/* Takes away the interfaces of these slots that are still there: one wait for all of them (each alone costs 20 ms). */
int link_delete(int outside, const uint32_t *slots, size_t n);
/* The slot that an interface's name stands for: "ocsb7" → 7; 0: not one of ours. */
uint32_t link_slot(const char *name);
