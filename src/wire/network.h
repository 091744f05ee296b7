/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a session may reach (the intent, part of a plan and of FW_SET), and the messages of ocsb-fw's socket. Typed values only:
 * no text of a caller is in any of them, and none is ever in a rule.
 *
 *   ocsb-stage ──► ocsb-fw   /run/ocsb/fw.sock   FW_ATTACH FW_DETACH FW_SYNCED               ◄── FW_ATTACHED ACK
 *   ocsbd ──► ocsb-fw        the same            FW_SET FW_OPEN_INNER FW_STATUS FW_SHOW FW_RELOAD FW_LOCKDOWN  ◄── … ACK, FW_DRIFT, FW_EXPIRED
 *
 * ocsb-fw tells its peers apart by SO_PEERCRED: root may do everything, user ocsb all but attach, detach and
 * synced, nobody else is let in. Events go to connections of user ocsb.
 * tag as in message.h. */

#include <stdint.h>

#include "base/address.h"
#include "base/text.h"
#include "codec.h"

#define OCSB_FW_SOCKET "/run/ocsb/fw.sock"
#define OCSB_FW_STATE_DIR "/run/ocsb/fw" /* 0700, of ocsb-fw's user: a record per attached session */

#define NET_GRANTS_MAX 64u    /* per session */
#define NET_RESOLVERS_MAX 4u
#define NET_INTERFACE "eth0"  /* in the sandbox */

typedef enum NetProtocol {
        NET_PROTOCOL_TCP,
        NET_PROTOCOL_UDP,
        NET_PROTOCOL_ICMP, /* echo request; ICMPv6 for an IPv6 destination. No ports */
        _NET_PROTOCOL_MAX,
} NetProtocol;
const char *net_protocol_to_string(NetProtocol v);
int net_protocol_from_string(const char *s); /* NetProtocol or -EINVAL */

/* One destination beyond what network "nat" allows by itself (TCP to the public internet, DNS to the resolvers). */
typedef struct NetGrant {
        uint32_t id;         /* 1 …, unique in the session, never used again in it */
        NetPrefix to;        /* never a whole family (length 0), never IPv4-carrying IPv6 */
        uint32_t protocol;   /* NetProtocol */
        uint32_t port_first, port_last; /* 1 … 65535, first <= last; both 0 for ICMP */
        uint64_t until_usec; /* CLOCK_REALTIME, not 0; USEC_INFINITY: as long as the session */
} NetGrant;

typedef struct NetIntent {
        NetAddress resolvers[NET_RESOLVERS_MAX]; /* none twice, no multicast or unspecified one */
        size_t n_resolvers;
        NetGrant grants[NET_GRANTS_MAX]; /* ascending ids */
        size_t n_grants;
} NetIntent;

/* Canonical; decode leaves the reader behind the intent (it is a part of other bodies) and checks every invariant above with
 * net_intent_validate(). *ret_why: static text. */
void net_intent_encode(WireWriter *w, const NetIntent *n);
int net_intent_decode(WireReader *r, NetIntent *ret, const char **ret_why);
int net_intent_validate(const NetIntent *n, const char **ret_why);
/* The same destination, protocol and ports; ids and until do not matter. */
bool net_grant_equal(const NetGrant *a, const NetGrant *b);

/* Private, special and metadata ranges, blocked unless granted (IANA special-purpose registries, RFC 6890). */
extern const char *const net_private_ipv4[]; /* NULL-terminated prefixes */
extern const char *const net_private_ipv6[];
/* The first of them that shares an address with p, or NULL. */
const char *net_private_range(const NetPrefix *p);

typedef enum FwType {
        /* ocsb-stage to ocsb-fw */
        FW_ATTACH = 160, /* body: FwAttach; fds: [0] the sandbox's network namespace, [1] a NETLINK_ROUTE and [2] a
                            NETLINK_NETFILTER socket opened in it by root. Makes the interface and both fences; FW_ATTACHED, or ACK with an
                            error and nothing left. For an id that is attached already (ocsb-fw or ocsb-stage started anew) it
                            gives ocsb-fw its sockets back and the intent in ocsb-fw's own record stays. */
        FW_DETACH,       /* body: id. Takes rules, state and interface away; ACK, also when unknown */
        FW_SYNCED,       /* no body: every living session has been attached on this connection; sessions that ocsb-fw knows from
                            its records and that were not are taken away. ACK */
        /* ocsbd to ocsb-fw */
        FW_SET = 176,    /* body: id, NetIntent: the whole of what the session may reach from now on, as one transaction. What it
                            loses is cut at once, established flows included. ACK when it holds; -ENOENT: no such session */
        FW_OPEN_INNER,   /* body: id. Opens the fence inside a throwaway session of "firewall verify", so that the outer one is
                            seen alone. ACK. There is no way back but the session's end */
        FW_STATUS,       /* FW_STATUS_REPLY */
        FW_SHOW,         /* FW_SHOW_REPLY, body: string: the outer table as nft text, then the inner one as comments */
        FW_RELOAD,       /* reads the configuration again, then builds the table anew from the living sessions as one transaction. ACK */
        FW_LOCKDOWN,     /* body: u32 0 or 1. On: nothing leaves or enters any sandbox. Outlives ocsb-fw. ACK */
        /* ocsb-fw to whom it concerns */
        FW_ATTACHED = 192, /* body: FwAttached */
        FW_STATUS_REPLY,   /* body: FwStatus */
        FW_SHOW_REPLY,
        FW_DRIFT,          /* to every ocsbd connection: body: u64 microseconds from the foreign change to the repair, string what */
        FW_EXPIRED,        /* to every ocsbd connection: body: id, u32 grant id: the grant's until has passed and it is gone */
} FwType;

typedef struct FwAttach {
        char id[SESSION_ID_MAX + 1];
        uint32_t uid;
        NetIntent intent;
} FwAttach;
void fw_attach_encode(WireWriter *w, const FwAttach *m);
int fw_attach_decode(WireReader *r, FwAttach *ret, const char **ret_why);

typedef struct FwAttached {
        char id[SESSION_ID_MAX + 1];
        char interface[16]; /* on the host */
        NetAddress ipv4, ipv6; /* the sandbox's own; ipv6.family 0: the host has no IPv6 */
} FwAttached;
void fw_attached_encode(WireWriter *w, const FwAttached *m);
int fw_attached_decode(WireReader *r, FwAttached *ret);

/* Why packets of a session were dropped, or what passed. Order and names are API (Status). */
typedef enum FwCounter {
        FW_COUNTER_ALLOWED,  /* to the internet */
        FW_COUNTER_GRANTED,  /* by a grant */
        FW_COUNTER_DNS,      /* to a listed resolver */
        FW_COUNTER_SPOOFED,  /* not from the sandbox's own address */
        FW_COUNTER_RESOLVER, /* port 53 or 853 elsewhere */
        FW_COUNTER_PRIVATE,  /* a private or special range */
        FW_COUNTER_HOST,     /* an address of the host */
        FW_COUNTER_PROTOCOL, /* neither TCP nor granted */
        FW_COUNTER_INBOUND,  /* to the sandbox, not part of a flow that it began */
        _FW_COUNTER_MAX,
} FwCounter;
const char *fw_counter_to_string(FwCounter v); /* "allowed", "granted", … */

typedef struct FwSession {
        FwAttached attached;
        NetIntent intent;
        uint64_t packets[_FW_COUNTER_MAX], bytes[_FW_COUNTER_MAX]; /* since the table was last built */
} FwSession;

#define FW_SESSIONS_MAX 16384u
#define FW_ADDRESSES_MAX 4096u
typedef struct FwStatus {
        uint32_t lockdown, ipv6;  /* 0 or 1 */
        uint64_t repairs;         /* drifts repaired since ocsb-fw started */
        NetPrefix pool_ipv4, pool_ipv6;
        NetAddress *host_addresses; /* as followed by rtnetlink */
        size_t n_host_addresses;
        char *problems;           /* a line each: what stands in the way, and the line that mends it; may be "" */
        FwSession *sessions;
        size_t n_sessions;
} FwStatus;
void fw_status_done(FwStatus *m);
void fw_status_encode(WireWriter *w, const FwStatus *m);
int fw_status_decode(WireReader *r, FwStatus *ret);
