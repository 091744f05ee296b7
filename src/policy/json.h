/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strict reading of JSON documents into structs, by tables of fields: duplicate and unknown keys, other types, deep
 * nesting and NULs are errors that name the place; and a writer for Explain. */

#include "base/macro.h" /* before glib.h, which replaces MIN and MAX */

#include <glib.h>
#include <jansson.h>

#define JSON_BYTES_MAX ((size_t) 64 << 10)
#define JSON_DEPTH_MAX 8u
#define JSON_LIST_MAX 512u

/* Where in a document a value is; lives on the stack of whoever reads. */
typedef struct JsonAt {
        const struct JsonAt *up; /* NULL: the document itself */
        const char *key;         /* of the document: its origin, for messages; NULL for an element of a list */
        size_t index;
        char **ret_why; /* of the document: receives the message, g_free() */
} JsonAt;

/* A quoted, escaped, shortened copy for messages; g_free(). */
char *json_quote(const char *s);

/* Sets "ORIGIN: filesystem.read[3]: MESSAGE" unless there is a message already. Always -EINVAL. */
int json_fail(const JsonAt *at, const char *format, ...) _printf_(2, 3);

/* The document must be one object of at most JSON_BYTES_MAX bytes. *ret is given with a reference. */
int json_parse(const JsonAt *document, const char *text, size_t n, json_t **ret);

typedef int (*JsonRead)(const JsonAt *at, const json_t *v, void *out);

typedef struct JsonField {
        const char *key;
        JsonRead read; /* gets the struct's address plus offset */
        size_t offset;
} JsonField;

int json_read_object(const JsonAt *at, const json_t *v, const JsonField *fields, size_t n_fields, void *out);
/* Calls read with out for each element. */
int json_read_list(const JsonAt *at, const json_t *v, JsonRead read, void *out);

/* Readers for fields. A string is never empty. */
int json_read_string(const JsonAt *at, const json_t *v, void *out);  /* char ** */
int json_read_strings(const JsonAt *at, const json_t *v, void *out); /* GPtrArray ** of char *; made also when empty */
int json_read_string_or_strings(const JsonAt *at, const json_t *v, void *out); /* GPtrArray ** */
int json_read_bool(const JsonAt *at, const json_t *v, void *out);    /* int *: 0 or 1 */
int json_read_count(const JsonAt *at, const json_t *v, void *out);   /* uint64_t *: integer >= 0 */
int json_read_size(const JsonAt *at, const json_t *v, void *out);    /* uint64_t *: integer of bytes or "512M" */
int json_read_usec(const JsonAt *at, const json_t *v, void *out); /* uint64_t *: integer of seconds or "90s"; not 0 */
int json_read_ignore(const JsonAt *at, const json_t *v, void *out);  /* a string that is for editors */

/* Writing: compact JSON, members in the order of the calls. Strings are escaped as for a terminal (text_escape())
 * and then for JSON, so that the result is valid UTF-8 without control characters whatever the bytes were. */
typedef struct JsonWriter {
        GString *text;
        bool comma;
} JsonWriter;

/* key NULL: an element of a list, or the document. */
void json_write_open(JsonWriter *w, const char *key, char bracket);
void json_write_close(JsonWriter *w, char bracket);
void json_write_string(JsonWriter *w, const char *key, const char *value);
void json_write_u64(JsonWriter *w, const char *key, uint64_t value);
void json_write_bool(JsonWriter *w, const char *key, bool value);
