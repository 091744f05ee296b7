/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From profile, ceiling and request to a plan. Reads only root-owned files and the request; touches nothing else of
 * the file system, so that it can be fuzzed and so that no path of a caller is resolved here. */

#include "request.h"

typedef struct Policy Policy;

/* data_dir: built-in profiles (its profiles directory); config_dir: the admin's profiles (the same) and ceilings
 * (its ceilings.d directory, read in name order); both of files NAME.json. Directories and files that are not owned
 * by root, or are writable by others, or do not parse, are errors: *ret_why (g_free()) says which and what to do. A
 * missing config_dir is none. */
int policy_load(const char *data_dir, const char *config_dir, Policy **ret, char **ret_why);
/* No profile but what a request brings, below the built-in ceiling and no other: for what the daemon does by itself, and tests. */
Policy *policy_new(void);
Policy *policy_free(Policy *p);
DEFINE_CLEANUP(Policy, policy_free)

typedef enum PolicyError {
        POLICY_OK = 0,
        POLICY_E_NO_PROFILE = 1,
        POLICY_E_PROFILE_INVALID,
        POLICY_E_INVALID_ARGUMENT, /* the request contradicts itself or the profile's root */
        POLICY_E_CEILING,          /* the admin's ceiling does not allow it */
} PolicyError;

typedef struct PolicyResult {
        Plan *plan;      /* without id; descriptors are numbered as in the request */
        char *explain;   /* JSON object, as Explain returns it, digest included */
        char digest[65]; /* SHA-256 of the canonical plan without id, lower-case hex */
        char *summary;   /* one line for prompts: root, network, writable paths; escaped, at most 200 characters */
        uint32_t max_sessions, max_execs, max_pending; /* quotas of this uid by its ceiling */
} PolicyResult;
void policy_result_done(PolicyResult *r);

/* Returns POLICY_OK, a positive POLICY_E_* with *ret_why a sentence for the user, or -errno. Never widens a
 * profile beyond the caller's ceiling: what the profile or request asks for above it is POLICY_E_CEILING naming the
 * grant, except that a stored profile's optional grants are dropped and listed in explain. */
int policy_resolve(const Policy *p, const Caller *caller, const Request *request, PolicyResult *ret, char **ret_why);

/* For a PATH mount whose source, when the builder opened it, turned out to have another name (MsgReady.resolved):
 * whether a grant of that name, with PLAN_MOUNT_WRITE and PLAN_MOUNT_EXEC in flags, would have been possible. POLICY_OK
 * or POLICY_E_CEILING with *ret_why. */
int policy_check_source(const Policy *p, const Caller *caller, const char *path, uint32_t flags, char **ret_why);

/* Whether the caller's ceiling allows a grant or a resolver of a session with network "nat" without anybody being asked. POLICY_OK or
 * POLICY_E_CEILING with *ret_why. */
int policy_check_grant(const Policy *p, const Caller *caller, const NetGrant *g, char **ret_why);
int policy_check_resolver(const Policy *p, const Caller *caller, const NetAddress *a, char **ret_why);

/* Calls fn for each profile: name, description, origin ("built-in" or the file). */
void policy_foreach_profile(const Policy *p, void (*fn)(const char *name, const char *description,
                const char *origin, void *userdata), void *userdata);
/* Quotas of a caller without a request. */
void policy_quota(const Policy *p, const Caller *caller, PolicyResult *ret);
