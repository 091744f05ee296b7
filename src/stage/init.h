/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two parts of ocsb-init: PID 1 (init.c) and the children that become execs (init-exec.c). */

#include "wire/plan.h"

int init_seccomp(const uint8_t *bpf, size_t len);

/* In a fresh child of PID 1, already in its cgroup: waits on sock for WIRE_EXEC, gives up the last rights and becomes
 * the program; with probe it runs the self-probe instead and answers WIRE_PROBED. */
void child_run(const Plan *plan, int sock, uint32_t id, bool probe) _noreturn_;
