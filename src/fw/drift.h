/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else changes our table: nftables tells each transaction to those who listen. */

#include <stdint.h>

#include "base/macro.h"

typedef struct Drift {
        int fd;
        uint32_t own_port; /* of the context that makes our own transactions */
        bool touched;
} Drift;

int drift_open(Drift *d, uint32_t own_port);
void drift_close(Drift *d);
/* Reads what is there. Returns 1 when somebody else's transaction touched our table, 0 when not, -ENOBUFS when
 * notifications were lost. */
int drift_dispatch(Drift *d);
