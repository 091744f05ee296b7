/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the readers of options share. */

#include "options.h"

typedef int (*OptionReader)(sd_bus_message *m, const char *key, void *target, sd_bus_error *error);

typedef struct Option {
        const char *key;
        const char *type; /* of the value in the variant */
        OptionReader read;
} Option;

/* Reads the dictionary that m stands before. */
int options_read(sd_bus_message *m, const Option *table, size_t n_table, void *target, sd_bus_error *error);

/* Both fill error: "'KEY' is malformed.", "'KEY' cannot be 'VALUE': WANTED." */
int option_malformed(sd_bus_error *error, const char *key);
int option_invalid(sd_bus_error *error, const char *key, const char *value, const char *wanted);

/* options-network.c: values of type as and aa{sv}; *ret is a GArray of NetAddress, of NetGrant. */
int options_read_resolvers(sd_bus_message *m, const char *key, GArray **ret, sd_bus_error *error);
int options_read_destinations(sd_bus_message *m, const char *key, GArray **ret, sd_bus_error *error);
