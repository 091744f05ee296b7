/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a caller asked for, after the D-Bus options were read and type-checked, before any policy. */

#include "wire/plan.h" /* before glib.h, which replaces MIN and MAX of base/macro.h */

#include <glib.h>
#include <sys/types.h>

/* The caller as the bus and the user database describe him; never from the message. */
typedef struct Caller {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* supplementary */
        size_t n_groups;
        char *user; /* name, home and shell from getpwuid(); home is a normal absolute path or NULL */
        char *home;
        char *home_real; /* what home is called after symbolic links, when that is another path; else NULL. Descriptors
                            are known by such names, and the denials below home must hold for them as well */
        char *shell;
} Caller;

void caller_done(Caller *c);

typedef struct RequestGrant {
        uint32_t fd;  /* index into the request's descriptors */
        char *path;   /* inside */
        uint32_t flags; /* PLAN_MOUNT_WRITE, PLAN_MOUNT_EXEC */
        char *host_path; /* as workspace_host_path */
} RequestGrant;

typedef struct Request {
        char *id;              /* NULL: make one up */
        char *profile;         /* never NULL */
        char *profile_data;    /* JSON text, or NULL */
        size_t profile_data_len;
        int workspace_fd;      /* index into the descriptors, or -1 */
        char *workspace_host_path; /* where the daemon found that descriptor to be (/proc/self/fd), for ceilings,
                                      denials, explain and root "host"; NULL when unknown. A caller with a mount
                                      namespace of his own can make that link say anything: it goes into the plan as
                                      the mount's source, so that the builder can compare device and inode */
        char *workspace_access; /* "rw", "ro", "none", or NULL: the profile's */
        char *workspace_path;  /* or NULL */
        char *workdir;         /* or NULL */
        GPtrArray *grants;     /* RequestGrant*, each g_free()d with its strings by request_free(); or NULL */
        char **deny, **deny_write, **env; /* NULL-terminated, or NULL */
        char *hostname;
        char *network;
        GArray *dns;           /* NetAddress; NULL: the profile's, empty: none */
        GArray *allow;         /* NetGrant, with until; NULL or empty: nothing beside the profile's */
        PlanLimits limits;     /* only what limits_set names is asked for */
        uint32_t limits_set;   /* bit i: the i-th member of PlanLimits, in their order */
        uint64_t idle_usec, age_usec; /* 0: the profile's */
        uint32_t n_fds;
} Request;

Request *request_new(void);
Request *request_free(Request *r);
DEFINE_CLEANUP(Request, request_free)
