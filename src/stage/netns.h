/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A few network namespaces made ahead: making one costs the kernel half a millisecond, more than everything else
 * of a sandbox together, and none of it depends on the plan. Those for network "nat" also have the inner fence in
 * them before anybody sees them, which costs several times that. */

#include <sys/types.h>

#include "base/macro.h"
#include "sys/loop.h"

typedef struct NetnsPool NetnsPool;

/* Starts the maker, a child that ends with its socket; loop outlives the pool. NULL on out of memory only; without a maker the pool is
 * always empty. */
NetnsPool *netns_pool_new(Loop *loop);
NetnsPool *netns_pool_free(NetnsPool *p);
/* A fresh namespace whose lo is up, never handed out before, owned by the caller; -1 when none is ready: the
 * builder then makes its own. */
int netns_pool_take(NetnsPool *p);
/* A child was reaped: starts the maker again when it was that one. */
void netns_pool_reaped(NetnsPool *p, pid_t pid);

/* What is handed over of a namespace for network "nat": itself, and two netlink sockets that root opened in it, by which
 * ocsb-fw manages it without the right to enter it. */
typedef enum NetnsFd {
        NETNS_NAMESPACE,
        NETNS_ROUTE,
        NETNS_NETFILTER,
        _NETNS_FDS,
} NetnsFd;

/* A pool of those. "PROGRAM --namespace" loads the inner fence, as uid:gid with CAP_NET_ADMIN alone. Nothing is made before
 * the first take. */
NetnsPool *netns_pool_new_fenced(Loop *loop, const char *program, uid_t uid, gid_t gid);
/* 1 with the descriptors, owned by the caller; 0: one is being made, netns_pool_fd() becomes readable; -errno with a
 * sentence in why: none can be made, the next take tries anew. waited: the caller has seen 0 before, so that a failure is
 * news; without, it may be of long ago, and is tried again. */
int netns_pool_take_fenced(NetnsPool *p, bool waited, int ret[static _NETNS_FDS], char *why, size_t why_size);
/* -EBADF while there is no maker; another one after an error. */
int netns_pool_fd(const NetnsPool *p);

/* Opens the two sockets in the namespace: ret is indexed by NetnsFd, its NETNS_NAMESPACE is left alone. */
int netns_open_sockets(int namespace_fd, int ret[static _NETNS_FDS]);

/* Brings lo up in the calling process's namespace. */
int netns_loopback_up(void);
