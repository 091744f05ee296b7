/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of doctor share. */

#include "bus-context.h"

typedef struct Finding {
        char name[48], state[16], text[512];
} Finding;

#define FINDINGS_MAX 96u

typedef struct Report {
        Finding findings[FINDINGS_MAX];
        size_t n;
} Report;

/* state: "ok", "limited", "missing" */
void report_add(Report *r, const char *name, const char *state, const char *format, ...) _printf_(4, 5);
/* Somebody owns that name on the bus. */
bool doctor_name_is_there(Context *c, const char *name);

/* doctor-network.c: what on this machine would block or bypass network "nat", each with the line that mends it. Reads files and
 * asks the bus, nothing else. */
void doctor_network(Context *c, Report *r);
/* Its parts that only look at text; exported for the test. */
bool nftables_conf_flushes(const char *text);
bool ufw_conf_is_enabled(const char *text);
/* The line of modules.builtin or modules.dep that has the module. */
bool module_list_has(const char *text, const char *module);
