/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Established flows of a sandbox. */

#include "wire/network.h"

/* True when the flow to that place is to end. protocol: an IP protocol number; port 0 where there are none. */
typedef bool (*ConntrackDoomed)(const NetAddress *to, uint8_t protocol, uint16_t port, void *userdata);

/* Forgets the flows that were begun from these addresses (those of family 0 are passed over), all of them when doomed is NULL; what comes
 * back on them is dropped from then on. Returns how many, or -errno; a host without connection tracking has none. */
int conntrack_cut(const NetAddress *from, size_t n_from, ConntrackDoomed doomed, void *userdata);
