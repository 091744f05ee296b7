/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What in other programs' tables stands in the way of sandboxes: a drop is final, whatever our table accepts. It is only looked
 * at, never changed. */

#include <stdint.h>

/* Chains of the forward hook whose policy is to drop, a line each with the command that lets sandboxes pass; "" when there is
 * none. fd: a NETLINK_NETFILTER socket. The caller frees *ret. */
int foreign_drops(int fd, char **ret);
