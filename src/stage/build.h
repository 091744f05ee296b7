/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The builder: the process that becomes PID 1 of a sandbox. It is root in the host's user namespace while it mounts,
 * then enters a user namespace of its own, drops what it has left and execs ocsb-init. */

#include "stage/record.h"
#include "stage/template.h"
#include "wire/message.h"
#include "wire/plan.h"

/* What the monitor hands to the builder; fds are borrowed. */
typedef struct BuildContext {
        const Plan *plan;
        const int *fds;     /* the plan's */
        int control;        /* socket to the monitor */
        int netns;          /* a fresh network namespace with lo up, or -1: the builder is in one already */
        int init_exe;       /* O_PATH fd of ocsb-init */
        Journals journals;  /* of placeholders */
        unsigned landlock_abi;
        int proc;           /* O_PATH fd of the host's /proc */
        const char *step;   /* where it is, for the error message */
        char *why;          /* detail for the user, or NULL */
        char **resolved;    /* lines of MsgReady.resolved */
        size_t n_resolved;
        char **host_paths;  /* per mount of the plan: where its source really is on the host, or NULL */
        int *detached;      /* per mount of the plan: a detached mount of the caller's descriptor, or -1 */
        bool *is_dir;       /* per mount of the plan, with detached */
        int root;           /* the new root */
        dev_t scratch_dev;
        int mask_dir, mask_file; /* O_PATH fds of what covers denied things */
        Template template;  /* one that fits, or one that the builder makes (namespace_fd < 0 at first) */
} BuildContext;

/* Runs in the child that is PID 1 of the new pid namespace; never returns. Talks to the
 * monitor over control:
 *   #0 builder: WIRE_TEMPLATE, when it had to make a template, with the namespace
 *   #1 builder: WIRE_FAILED (and exit), or WIRE_READY with MsgReady.resolved when mounts are done and it has
 *      entered its user namespace
 *   #2 monitor: writes uid_map and gid_map, answers WIRE_ACK
 *   #3 builder: execs ocsb-init, which restricts itself and sends WIRE_READY */
void build_run(BuildContext *c) _noreturn_;

/* In the monitor, before the builder is forked: descriptors of the caller belong to the host's mount namespace and
 * can only be cloned in it. Fills what is per mount. */
int build_sources(BuildContext *c);
void build_sources_done(BuildContext *c);

/* build-mounts.c, in this order */
int build_template(BuildContext *c);      /* in a copy of the host's mount namespace, which becomes the template */
int build_mounts(BuildContext *c);        /* in a copy of the template */
int build_kernel_mounts(BuildContext *c); /* after the denials */
int build_landlock(BuildContext *c); /* returns the ruleset fd */
/* build-denials.c */
int build_denials(BuildContext *c);

/* Sets c->why once; returns error for tail use. */
int build_fail(BuildContext *c, int error, const char *format, ...) _printf_(3, 4);

/* Numbers of the fds that ocsb-init starts with. */
enum {
        INIT_FD_CONTROL = 3,
        INIT_FD_RULESET = 4,
        INIT_FD_PLAN = 5,
        _INIT_FD_END = 6,
};
