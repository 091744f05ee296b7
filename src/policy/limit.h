/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The members of PlanLimits as a table: their names, units, bounds and defaults. */

#include "json.h"
#include "wire/plan.h"

#define LIMITS_N 10u

typedef struct LimitInfo {
        const char *name; /* in profiles and ceilings; D-Bus options have '-' for '_' */
        size_t offset;
        JsonRead read;
        uint64_t min, max;  /* what plan_validate() accepts */
        uint64_t preset;    /* when nobody asks */
        const char *unit;
} LimitInfo;

/* In the order of PlanLimits: row i is bit i of a set of limits. */
extern const LimitInfo limit_infos[LIMITS_N];

/* Some limits and which they are. */
typedef struct Limits {
        PlanLimits values;
        uint32_t set;
} Limits;

static inline uint64_t *limit_at(PlanLimits *l, size_t i) {
        return (uint64_t *) ((char *) l + limit_infos[i].offset);
}

static inline uint64_t limit_get(const PlanLimits *l, size_t i) {
        return *(const uint64_t *) ((const char *) l + limit_infos[i].offset);
}

/* For JsonField: Limits. */
int limits_read(const JsonAt *at, const json_t *v, void *out);
/* NULL when value may be limit i, else a sentence; g_free(). */
char *limit_refusal(size_t i, uint64_t value);
