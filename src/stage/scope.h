/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The session's cgroup: a transient scope where systemd is PID 1, a directory of our own elsewhere. */

#include "wire/plan.h"

/* Registers the calling process as ocsb-ID.scope in ocsb.slice by way of the helper program ocsb-scope (systemd's
 * interface needs libsystemd, which the builder does not link), with the plan's limits as unit properties.
 * *ret_dir is the scope's cgroup directory. why gets a sentence on failure. */
int scope_register(const Plan *plan, int *ret_dir, char *why, size_t why_size);

/* Makes slice_fd/ocsb-ID.scope and sets the plan's limits; a limit whose controller is not there is -ENOTSUP and
 * why names the controller. */
int scope_make(int slice_fd, const Plan *plan, int *ret_dir, char *why, size_t why_size);

void scope_name(const char *id, char buf[static 64]);
