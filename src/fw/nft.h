/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one libnftables context, and what is read back from the table. */

#include "wire/network.h"

typedef struct Nft Nft;

/* To be called before any other descriptor is opened. libnftables 1.0.6 aborts on one over 1023. */
Nft *nft_new(void);
Nft *nft_free(Nft *n);
DEFINE_CLEANUP(Nft, nft_free)

/* Runs a text of ruleset.h as one transaction. ret_why (caller frees, may stay NULL): what libnftables said. */
int nft_apply(Nft *n, const char *text, char **ret_why);
/* The port of its socket: how notifications of own transactions are known. */
uint32_t nft_port(const Nft *n);
/* Its other socket, for questions. Borrowed. */
int nft_query_socket(const Nft *n);
/* The kernel's number of the last transaction in this namespace; 0 when it cannot be asked. */
uint32_t nft_generation(Nft *n);

/* A rule whose comment begins with the name of a counter. */
typedef struct NftRuleCounter {
        char chain[32];
        FwCounter reason;
        uint64_t packets, bytes;
} NftRuleCounter;
struct nlmsghdr;
/* Of an answer to NFT_MSG_GETRULE: 1, 0 for other rules, -ENOMEM. */
int nft_parse_counter(const struct nlmsghdr *m, NftRuleCounter *ret);

typedef void (*NftCounter)(uint32_t slot, FwCounter reason, uint64_t packets, uint64_t bytes, void *userdata);
/* Every counter of every session. Several rules may have the same reason: the receiver adds. */
int nft_counters(Nft *n, NftCounter fn, void *userdata);
