/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A ceiling: the most that the admin lets a user's sandboxes have. Files in /etc/ocsb/ceilings.d, ocsb-profile(5). */

#include "destination.h"
#include "limit.h"
#include "request.h"
#include "variables.h"

/* Directories: what is at or beneath one of them matches. */
typedef struct CeilingBeneath {
        int allowed;       /* 0, 1 */
        GPtrArray *trees;  /* char *, NULL: anywhere; empty: nowhere */
} CeilingBeneath;

typedef struct CeilingMatch {
        GPtrArray *users, *groups; /* char *: names or decimal ids; NULL: not said */
} CeilingMatch;

typedef struct Ceiling {
        char *origin; /* "built-in ceiling" or the file's path */
        char *description;
        CeilingMatch *match; /* NULL: everybody */
        bool all_profiles;
        GPtrArray *profiles; /* char *, NULL or empty: none (unless all_profiles) */
        int allow_profile_data;
        uint32_t roots, networks; /* bit i: value i of the enum */
        GArray *destinations; /* NetGrant: what grants may open; NULL: nothing */
        GArray *resolvers;    /* NetAddress; NULL: every public one */
        GPtrArray *read, *write, *exec; /* char *: host trees that profiles may name; NULL: none */
        CeilingBeneath workspace, grants;
        GPtrArray *allow_denied; /* char *: names of mandatory denials that it lifts, or NULL */
        Limits limits;
        uint64_t sessions, execs, pending; /* quotas */
        uint64_t idle_usec, age_usec;      /* most; 0: no bound */
} Ceiling;

Ceiling *ceiling_free(Ceiling *c);
DEFINE_CLEANUP(Ceiling, ceiling_free)

/* 0 or -EINVAL with *ret_why. */
int ceiling_parse(const char *origin, const char *text, size_t n, Ceiling **ret, char **ret_why);

/* What holds for whom no file matches, as a document that ceiling_parse() reads. */
extern const char ceiling_builtin[];

/* The first group that is asked for by name looks it up in the group database. */
bool ceiling_matches(const Ceiling *c, const Caller *caller);

bool ceiling_allows_profile(const Ceiling *c, const char *name);
bool ceiling_lifts(const Ceiling *c, const char *denial);
/* Whether a profile may have path shown with flags (PLAN_MOUNT_WRITE, PLAN_MOUNT_EXEC). */
bool ceiling_allows_path(const Ceiling *c, const Variables *v, const char *path, uint32_t flags);
/* Whether a directory may be given by descriptor; path NULL: not known where it is. */
bool ceiling_allows_descriptor(const CeilingBeneath *b, const Variables *v, const char *path);

bool ceiling_allows_destination(const Ceiling *c, const NetGrant *g);
bool ceiling_allows_resolver(const Ceiling *c, const NetAddress *a);

/* Names of the keys a ceiling may have, for the test that compares them with the schema. */
const JsonField *ceiling_fields(size_t *ret_n);
