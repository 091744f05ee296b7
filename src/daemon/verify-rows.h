/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "firewall verify" has a sandbox try, and what each answer means. Pure. */

#include <glib.h>

#include "options.h"
#include "wire/egress.h"

typedef struct VerifyTarget {
        EgressTarget target;
        char *what;     /* "internet", "private range 10.0.0.0/8", … */
        bool reachable; /* what is expected */
} VerifyTarget;

typedef struct VerifyRow {
        char *target, *what;
        const char *fence, *expected; /* static */
        char *seen;
        bool ok;
} VerifyRow;

/* What a session with this intent must and must not reach; GPtrArray of VerifyTarget *. status: for the addresses of the host and
 * whether there is IPv6. What a grant opens is left out, but for options->llm. */
GPtrArray *verify_targets(const VerifyOptions *options, const NetIntent *intent, const FwStatus *status);
/* As many as there are targets. */
MsgEgress verify_question(const GPtrArray *targets); /* for msg_egress_done() */

GPtrArray *verify_rows_new(void); /* of VerifyRow * */
void verify_rows_add(GPtrArray *rows, const GPtrArray *targets, const MsgEgressed *seen, const char *fence);
/* The packets that the outer fence has counted as dropped against those that nobody answered: silence alone might be a host that is
 * not there. */
void verify_rows_add_counted(GPtrArray *rows, const MsgEgressed *seen, uint64_t dropped);
