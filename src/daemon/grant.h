/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Grants of living sessions: Firewall.Allow and Firewall.Revoke, and what Session.Update shares with them. */

#include "firewall.h"
#include "operation.h"

int grant_allow(sd_bus_message *m, void *userdata, sd_bus_error *error);
int grant_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* A session that is on the bus and, as far as the caller may know, has network "nat". 0, or the error is set. */
int grant_find_session(Manager *m, sd_bus_message *message, const char *id, Session **ret, sd_bus_error *error);
/* Appends with an id that the session never used; the state file is written first. */
int grant_append(Session *s, NetIntent *intent, const NetGrant *grant, uint32_t *ret_id, char **ret_why);
/* What ocsb-fw's refusal of a change means to the caller; ends the operation. */
void grant_change_failed(Operation *op, int error, const char *text);
/* "192.0.2.10:1234/tcp", for how long, in words; g_free(). */
char *grant_duration_text(uint64_t until_usec, uint64_t duration_usec);
