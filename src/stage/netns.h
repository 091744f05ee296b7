/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A few network namespaces made ahead: making one costs the kernel half a millisecond, more than everything else
 * of a sandbox together, and none of it depends on the plan. */

#include <sys/types.h>

#include "base/macro.h"

typedef struct NetnsPool NetnsPool;

/* Starts the maker, a child that ends with its socket. NULL on out of memory only; without a maker the pool is
 * always empty. */
NetnsPool *netns_pool_new(void);
NetnsPool *netns_pool_free(NetnsPool *p);
/* A fresh namespace whose lo is up, never handed out before, owned by the caller; -1 when none is ready: the
 * builder then makes its own. */
int netns_pool_take(NetnsPool *p);
/* A child was reaped: starts the maker again when it was that one. */
void netns_pool_reaped(NetnsPool *p, pid_t pid);

/* Brings lo up in the calling process's namespace. */
int netns_loopback_up(void);
