/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How verbs show what they found: a table for people or an array of JSON objects, the pager, colours. Every
 * string that ocsbd or a session supplied is escaped on its way to a terminal. */

#include <jansson.h>

#include "options.h"

/* Starts a pager unless --no-pager, --json or no terminal; output_end() waits for it. */
void output_begin(const Options *o);
void output_end(void);
/* Standard output is a terminal and nothing (NO_COLOR, SYSTEMD_COLORS, TERM) speaks against colours. */
bool output_colors(void);
#define ANSI_BOLD "\033[1m"
#define ANSI_RED "\033[31m"
#define ANSI_YELLOW "\033[33m"
#define ANSI_GREEN "\033[32m"
#define ANSI_RESET "\033[0m"

/* JSON is wanted; -j has been resolved. */
bool output_is_json(const Options *o);
/* Prints and takes a value. */
int output_json(const Options *o, json_t *value);

typedef enum ColumnFlags {
        COLUMN_RIGHT = 1 << 0,
        COLUMN_SHORTEN = 1 << 1, /* on a terminal that is too narrow, unless --full */
        COLUMN_JSON_ONLY = 1 << 2,
        COLUMN_ESCAPED = 1 << 3, /* ocsbd has escaped it: its backslashes stay single */
} ColumnFlags;

typedef struct Column {
        const char *title; /* upper case */
        const char *key;   /* in JSON */
        ColumnFlags flags;
} Column;

typedef struct Table Table;
int table_new(const Options *o, const Column *columns, size_t n, Table **ret);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* A new row, then a value for each column in turn. Errors are sticky and come out of table_print(). */
void table_row(Table *t);
void table_text(Table *t, const char *value);
void table_colored(Table *t, const char *value, const char *ansi); /* ansi may be NULL */
void table_number(Table *t, uint64_t value);
/* A number in JSON that people see as text. */
void table_number_as(Table *t, uint64_t value, const char *text);
/* noun: "session": "2 sessions listed." */
int table_print(Table *t, const char *noun);

/* Local date and time of CLOCK_REALTIME microseconds; "-" for 0. */
const char *format_time(char buf[static 64], uint64_t usec);
/* "1h 30min", "12s", "250ms". */
const char *format_span(char buf[static 64], uint64_t usec);
/* Name of a user of this machine, else the number. */
const char *format_user(char buf[static 64], uint32_t uid, bool local);
/* text_escape() of a whole string, never NULL; lives until the next call with the same slot (0 to 3). */
const char *safe(unsigned slot, const char *s);
/* The same for text that ocsbd has escaped already: what is dangerous is escaped all the same, a backslash
 * is not. */
const char *safe_escaped(unsigned slot, const char *s);
