/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counters per uid. A row lives while one of its counters does, so that the table does not grow with the
 * number of uids that were ever seen. */

#include "quota.h"

#include <glib.h>

typedef struct QuotaRow {
        uint32_t used[_QUOTA_MAX];
} QuotaRow;

struct QuotaTable {
        GHashTable *rows; /* uid → QuotaRow* */
};

QuotaTable *quota_table_new(void) {
        QuotaTable *t = g_new0(QuotaTable, 1);

        t->rows = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
        return t;
}

QuotaTable *quota_table_free(QuotaTable *t) {
        if (!t)
                return NULL;
        g_hash_table_unref(t->rows);
        g_free(t);
        return NULL;
}

int quota_take(QuotaTable *t, uid_t uid, QuotaKind kind, uint32_t max) {
        QuotaRow *row = g_hash_table_lookup(t->rows, GUINT_TO_POINTER(uid));

        if ((row ? row->used[kind] : 0) >= max)
                return -EDQUOT;
        if (!row) {
                row = g_new0(QuotaRow, 1);
                g_hash_table_insert(t->rows, GUINT_TO_POINTER(uid), row);
        }
        row->used[kind]++;
        return 0;
}

void quota_drop(QuotaTable *t, uid_t uid, QuotaKind kind) {
        QuotaRow *row = g_hash_table_lookup(t->rows, GUINT_TO_POINTER(uid));

        assert(row && row->used[kind] > 0);
        row->used[kind]--;
        for (size_t i = 0; i < _QUOTA_MAX; i++)
                if (row->used[i] > 0)
                        return;
        g_hash_table_remove(t->rows, GUINT_TO_POINTER(uid));
}

uint32_t quota_used(const QuotaTable *t, uid_t uid, QuotaKind kind) {
        const QuotaRow *row = g_hash_table_lookup(t->rows, GUINT_TO_POINTER(uid));

        return row ? row->used[kind] : 0;
}
