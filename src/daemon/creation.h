/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CreateSession, EnsureSession and Explain: from options to a plan, from a plan to a session. */

#include <systemd/sd-bus.h>

#include "manager.h"

int creation_create(Manager *m, sd_bus_message *message, sd_bus_error *error);
int creation_ensure(Manager *m, sd_bus_message *message, sd_bus_error *error);
int creation_explain(Manager *m, sd_bus_message *message, sd_bus_error *error);

#define CONFIG_HASH_CHARACTERS_MAX 128
