/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is on the bus as JSON. */

#include <jansson.h>
#include <systemd/sd-bus.h>

/* The value that the message stands before: structs and arrays become arrays, dictionaries with strings as keys objects, variants
 * what is in them; null for a type that the contract does not use. */
int message_to_json(sd_bus_message *m, json_t **ret);
