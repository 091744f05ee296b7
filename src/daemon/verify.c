/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall.h"

#include "operation.h"

static void not_yet(Operation *op) {
        operation_fail(op, ERROR_NOT_SUPPORTED, "Verify is not there yet.");
}

int firewall_verify(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Operation *op;
        int r;

        r = operation_new(userdata, m, NULL, &op, error);
        if (r < 0)
                return r;
        op->granted = not_yet;
        return operation_authorise(op, (uid_t) -1);
}
