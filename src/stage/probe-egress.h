/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "firewall verify" has a sandbox try. */

#include "wire/egress.h"

/* Tries every target and waits for all of them together. 0, or -ENOMEM; *ret is for msg_egressed_done(). */
int probe_egress(const MsgEgress *m, MsgEgressed *ret);
