/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ocsb-stage's connection to ocsb-fw (docs/firewall.md, wire/network.h). Each of the two may die and come back: on every new
 * connection each living session is attached again, which gives ocsb-fw its sockets back and changes nothing else, and
 * FW_SYNCED tells it that all others are gone. */

#include "stage/network.h"

typedef struct Firewall Firewall;

/* Connects when there is somebody to connect to. NULL on out of memory. */
Firewall *firewall_new(Stage *s);
Firewall *firewall_free(Firewall *f);
/* FW_ATTACH now, or as soon as there is a connection; the answer is network_attached() or network_failed(), not before this
 * returns. */
void firewall_attach(Firewall *f, Session *x);
/* FW_DETACH; nobody waits for it. */
void firewall_detach(Firewall *f, const char *id);
