/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A caller's account: what the policy needs to know about a uid. */

#include "policy/request.h"

/* Looks the uid up in the user database. groups, when known, are those that the kernel recorded of the
 * connection, primary and supplementary together; they win over the database, so that a process that gave up
 * a group does not get it back. NULL: the database's. -ENOENT when there is no such user. */
int caller_fill(Caller *ret, uid_t uid, const gid_t *groups, size_t n_groups);
