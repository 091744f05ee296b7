/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each uid has in use at the moment. The limits of sessions, execs and pending requests come from the
 * ceiling of that uid; the others are constants that no honest caller meets. */

#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

typedef enum QuotaKind {
        QUOTA_SESSIONS,   /* sessions, those being made and ended included */
        QUOTA_EXECS,      /* execs started over the bus */
        QUOTA_OPERATIONS, /* calls that wait for something */
        QUOTA_CHANNELS,   /* connections to channel.sock that have not named their session yet */
        _QUOTA_MAX,
} QuotaKind;

#define QUOTA_OPERATIONS_MAX 96u /* below the 128 that a bus allows a connection to have open */
#define QUOTA_CHANNELS_MAX 64u
/* All uids together: descriptors and memory of the daemon are finite. */
#define QUOTA_SESSIONS_TOTAL 16384u

typedef struct QuotaTable QuotaTable;

QuotaTable *quota_table_new(void);
QuotaTable *quota_table_free(QuotaTable *t);
DEFINE_CLEANUP(QuotaTable, quota_table_free)

/* Counts one more unless there are already max; -EDQUOT then. Each success is answered by one quota_drop().
 */
int quota_take(QuotaTable *t, uid_t uid, QuotaKind kind, uint32_t max);
void quota_drop(QuotaTable *t, uid_t uid, QuotaKind kind);
uint32_t quota_used(const QuotaTable *t, uid_t uid, QuotaKind kind);
