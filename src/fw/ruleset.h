/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one generator of nft text. Pure, and from typed values alone: no string of a caller is in them, so none can be in
 * a rule. Everything that it gives is one transaction. */

#include "wire/network.h"

#define RULESET_TABLE "oc_sandbox"
#define RULESET_INNER_TABLE "ocsb_inner"
/* Chain of the inner table that holds what the session is granted. */
#define RULESET_INNER_GRANTS "grants"
/* nfnetlink_log: the heads of refused packets, read by ocsb-fw through the socket that it has there. */
#define RULESET_INNER_LOG_GROUP 1u

typedef struct RulesetSession {
        uint32_t slot;         /* 1 …: interface ocsbN, chain s_N of its grants */
        NetAddress ipv4, ipv6; /* ipv6.family 0: closed for it */
        const NetIntent *intent;
} RulesetSession;

typedef struct RulesetTable {
        bool lockdown;
        NetPrefix pool_ipv4, pool_ipv6;
        bool no_log; /* the kernel cannot */
        bool pools_are_others; /* the host has a route of its own there: its packets are none of our business */
        const NetAddress *host_addresses;
        size_t n_host_addresses;
        const RulesetSession *sessions;
        size_t n_sessions;
} RulesetTable;

/* The whole table in place of whatever has its name. Each returns 0 or -ENOMEM; the caller frees *ret. */
int ruleset_table(const RulesetTable *t, char **ret);
/* The same without the part that takes an old one away: for people. */
int ruleset_show(const RulesetTable *t, char **ret);
int ruleset_add(const RulesetSession *s, char **ret);
/* Another intent for a session that is there. An empty text when nothing is to be done. */
int ruleset_replace(const RulesetSession *before, const RulesetSession *after, char **ret);
int ruleset_remove(const RulesetSession *s, char **ret);
int ruleset_host_addresses(const NetAddress *addresses, size_t n, char **ret);
int ruleset_lockdown(bool on, char **ret);
/* The constant part of the table inside: without sets' contents that differ between sessions. */
int ruleset_inner(char **ret);
