/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A profile: what a user or admin writes, as read, and with what it extends merged in. ocsb-profile(5). */

#include "destination.h"
#include "limit.h"
#include "wire/plan.h"

#define PROFILE_EXTENDS_DEPTH_MAX 8u
#define PROFILE_DESCRIPTION_MAX 400u

/* A path or an assignment, and the profile that has it. */
typedef struct ProfileItem {
        char *text;
        uint32_t value; /* grants: PlanMountFlags; denials: PlanDenialKind */
        char *from;     /* "profile NAME" or "profile NAME > PARENT > …"; NULL before profile_flatten() */
} ProfileItem;

typedef struct ProfileDestination {
        NetGrant grant;
        char *from; /* as in ProfileItem */
} ProfileDestination;

typedef enum ProfileAccess {
        PROFILE_ACCESS_NONE,
        PROFILE_ACCESS_RO,
        PROFILE_ACCESS_RW,
        _PROFILE_ACCESS_MAX,
        _PROFILE_ACCESS_INVALID = -EINVAL,
} ProfileAccess;
const char *profile_access_to_string(ProfileAccess v); /* "none", "ro", "rw" */
ProfileAccess profile_access_from_string(const char *s);

#define PROFILE_UNSET (-1)

typedef struct Profile {
        char *name, *description;
        char *origin;       /* "built-in", a file's path, or "request" */
        GPtrArray *extends; /* char *, NULL: nothing */
        int root, network;  /* PlanRoot, PlanNetwork, PROFILE_UNSET */
        int access;         /* ProfileAccess or PROFILE_UNSET */
        int required;       /* whether a workspace must be given: 0, 1, PROFILE_UNSET */
        char *workspace_path;
        GPtrArray *grants, *denials, *env; /* ProfileItem * */
        GArray *dns;        /* NetAddress; NULL: not said, empty: none */
        char *dns_from;
        GArray *allow;      /* NetGrant, as read; NULL: not said. Merged: destinations */
        GPtrArray *destinations; /* ProfileDestination *, of profile_flatten() */
        char *hostname, *workdir;
        Limits limits;
        char *limits_from[LIMITS_N];
        uint64_t idle_usec, age_usec; /* 0: not said */
} Profile;

Profile *profile_free(Profile *p);
DEFINE_CLEANUP(Profile, profile_free)

/* origin: for messages and explain. name: what the document must call itself, or NULL to leave it the choice; the
 * profile's name is then fallback. 0 or -EINVAL with *ret_why. */
int profile_parse(const char *origin, const char *name, const char *fallback, const char *text, size_t n,
                Profile **ret, char **ret_why);

/* The profile with its ancestors merged in: their lists before its own, its scalars over theirs, each ancestor once.
 * Fails on an ancestor that lookup() does not find, a cycle, and more than PROFILE_EXTENDS_DEPTH_MAX generations. */
int profile_flatten(const Profile *p, const Profile *(*lookup)(const char *name, void *userdata), void *userdata,
                Profile **ret, char **ret_why);

/* Names of the keys a profile may have, for the test that compares them with the schema. */
const JsonField *profile_fields(size_t *ret_n);
