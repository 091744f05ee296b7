/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The self-probe: runs in a fresh, fully confined process of a new session and attempts what must fail
 * there. What it reports is a property of the session (Proven); one attempt that succeeds ends the session.
 */

#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"
#include "wire/network.h"

typedef struct ProbeContext {
        char *const *hidden; /* paths that PLAN_DENY_ALL covers */
        size_t n_hidden;
        char *const *readonly; /* paths that PLAN_DENY_WRITE covers */
        size_t n_readonly;
        const char *workdir;
        bool workspace_writable; /* files can be made in workdir */
        uint32_t landlock_abi;
        uint32_t network; /* PlanNetwork */
        const NetIntent *net; /* what it may reach; PLAN_NETWORK_NONE: not looked at */
        int report_fd; /* may be open beside 0, 1 and 2: where the caller sends the result; 0: there is none
                        */
} ProbeContext;

/* Makes every attempt; each is harmless where it succeeds: what was made is taken away again. The caller is
 * single threaded and exits afterwards: a process in which attempts succeeded is not what it was before. On
 * success *ret is for msg_probe_done(). -ENOMEM. */
int probe_run(const ProbeContext *context, MsgProbe *ret);
