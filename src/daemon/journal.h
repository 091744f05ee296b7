/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The journal as the sink of log_record(). */

#include "base/log.h"

/* Installs the journal's sink when standard error is connected to the journal, as the service manager does
 * it (JOURNAL_STREAM, systemd.exec(5)); stderr stays otherwise. */
void journal_attach(void);
/* "journal" or "console": LogControl1's LogTarget. */
const char *journal_target(void);
