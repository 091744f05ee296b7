/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits: one table for profiles, ceilings and requests, so that a bound or default stands in one place. */

#include "limit.h"

#include <inttypes.h>

static int read_cpu(const JsonAt *at, const json_t *v, void *out) {
        const char *s = json_string_value(v);
        size_t n = s ? strlen(s) : 0;

        if (s) {
                g_autofree char *digits = g_strndup(s, n > 0 ? n - 1 : 0);
                uint64_t percent;

                if (n < 2 || s[n - 1] != '%' || parse_u64(digits, &percent) < 0 || percent > UINT32_MAX) {
                        g_autofree char *quoted = json_quote(s);

                        return json_fail(at, "%s is not of the form \"150%%\"", quoted);
                }
                *(uint64_t *) out = percent * (USEC_PER_SEC / 100);
                return 0;
        }
        return json_read_count(at, v, out);
}

#define LIMIT(member, reader, least, most, default_, unit_)                                                 \
        {                                                                                                   \
                .name = #member, .offset = offsetof(PlanLimits, member), .read = reader, .min = least,      \
                .max = most, .preset = default_, .unit = unit_                                              \
        }

const LimitInfo limit_infos[LIMITS_N] = {
        LIMIT(memory, json_read_size, UINT64_C(1) << 20, INT64_MAX, PLAN_UNLIMITED, "bytes"),
        LIMIT(swap, json_read_size, 0, INT64_MAX, PLAN_UNLIMITED, "bytes"),
        LIMIT(pids, json_read_count, 1, INT64_MAX, PLAN_UNLIMITED, "tasks"),
        LIMIT(cpu, read_cpu, 1000, INT64_MAX, PLAN_UNLIMITED, "microseconds per second"),
        LIMIT(io_weight, json_read_count, 1, 10000, PLAN_UNLIMITED, ""),
        LIMIT(scratch, json_read_size, UINT64_C(64) << 10, UINT64_C(64) << 30, UINT64_C(512) << 20, "bytes"),
        LIMIT(nofile, json_read_count, 16, 1048576, 65536, "files"),
        LIMIT(nproc, json_read_count, 1, 4194304, 4096, "processes"),
        LIMIT(fsize, json_read_size, 0, INT64_MAX, PLAN_UNLIMITED, "bytes"),
        LIMIT(execs, json_read_count, 1, 4096, 64, "execs"),
};

/* A member too many or too few, or another order, would shift every bit of a request. */
static_assert(sizeof(PlanLimits) == LIMITS_N * sizeof(uint64_t), "limit_infos has a row for each limit");
static_assert(offsetof(PlanLimits, memory) == 0 && offsetof(PlanLimits, scratch) == 5 * sizeof(uint64_t) &&
                              offsetof(PlanLimits, execs) == 9 * sizeof(uint64_t),
              "limit_infos is in the order of PlanLimits");

char *limit_refusal(size_t i, uint64_t value) {
        const LimitInfo *l = limit_infos + i;

        if (value >= l->min && value <= l->max)
                return NULL;
        if (l->max == INT64_MAX)
                return g_strdup_printf("limit %s: must be at least %" PRIu64 "%s%s", l->name, l->min,
                                *l->unit ? " " : "", l->unit);
        return g_strdup_printf("limit %s: must be from %" PRIu64 " to %" PRIu64 "%s%s", l->name, l->min, l->max,
                        *l->unit ? " " : "", l->unit);
}

/* The key says which. */
static int read_one(const JsonAt *at, const json_t *v, void *out) {
        Limits *limits = out;
        g_autofree char *why = NULL;
        uint64_t value;
        size_t i = 0;
        int r;

        while (!streq(limit_infos[i].name, at->key))
                i++;
        r = limit_infos[i].read(at, v, &value);
        if (r < 0)
                return r;
        why = limit_refusal(i, value);
        if (why)
                return json_fail(at, "%s", why);
        *limit_at(&limits->values, i) = value;
        limits->set |= UINT32_C(1) << i;
        return 0;
}

int limits_read(const JsonAt *at, const json_t *v, void *out) {
        JsonField fields[LIMITS_N];

        for (size_t i = 0; i < LIMITS_N; i++)
                fields[i] = (JsonField) { .key = limit_infos[i].name, .read = read_one };
        return json_read_object(at, v, fields, LIMITS_N, out);
}
