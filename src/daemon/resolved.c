/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Grants by path that led to another name. */

#include "resolved.h"

/* The ceiling was held against the names in the profile. What a symlink made of one must not be more than a
 * grant of that name could have been. /usr and /etc of every sandbox are the builder's own choice. */
static bool check_resolved(Operation *op, char *const *fields, char **ret_why) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const Caller *account = client_account(op->client, &error);
        uint32_t flags;

        if (path_is_beneath(fields[0], "/etc") || path_is_beneath(fields[0], "/usr"))
                return true;
        if (!account || !op->manager->policy || parse_u32(fields[1], &flags) < 0 ||
                        strchr(fields[3], '\\')) {
                *ret_why = g_strdup("A grant leads to a name that cannot be checked.");
                return false;
        }
        return policy_check_source(op->manager->policy, account, fields[3], flags, ret_why) == POLICY_OK;
}

bool resolved_take(Operation *op, const char *text, char ***ret, char **ret_why) {
        g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

        for (char **l = lines; *l; l++) {
                g_auto(GStrv) fields = g_strsplit(*l, "\t", -1);

                if (g_strv_length(fields) != 4)
                        continue; /* the empty one behind the last newline */
                if (!check_resolved(op, fields, ret_why))
                        return false;
                g_ptr_array_add(list, g_strdup_printf("%s: %s -> %s", fields[0], fields[2], fields[3]));
        }
        g_ptr_array_add(list, NULL);
        *ret = (char **) g_ptr_array_free(g_steal_pointer(&list), false);
        return true;
}
