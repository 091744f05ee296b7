/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's network as far as it matters to sandboxes: its own addresses, routes that meet the pools, IPv6, forwarding. Followed by
 * rtnetlink. */

#include "base/address.h"

typedef struct Host {
        int fd;       /* requests */
        int monitor;  /* notifications */
        NetAddress *addresses;
        size_t n_addresses;
        NetPrefix pools[2];
        char collision[256]; /* a sentence, or "" */
        bool forwards_ipv4, forwards_ipv6; /* we have seen to it */
} Host;

int host_open(Host *h);
void host_close(Host *h);

/* Reads the addresses anew. Returns 1 when they differ from those before, 0 when not. */
int host_read_addresses(Host *h);
/* Looks for a route that shares an address with a pool, and writes h->collision. */
int host_read_routes(Host *h);
bool host_has_address(const Host *h, const NetAddress *a);

typedef struct HostEvents {
        bool addresses, routes;
} HostEvents;
/* Reads what the monitor says; after lost notifications everything counts as changed. */
int host_dispatch(Host *h, HostEvents *e);

/* Whether the host itself has a way to the IPv6 internet. */
bool host_has_ipv6(Host *h);
/* ret_what: the file that could not be written. */
int host_forward(Host *h, bool ipv6, const char **ret_what);
