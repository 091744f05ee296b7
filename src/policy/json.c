/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Profiles and ceilings are JSON that people and agents write. jansson refuses comments, trailing data, duplicate
 * keys, NULs and invalid UTF-8; what it does not bound is bounded here before it sees the text. */

#include "json.h"

#include <stdio.h>

#include "base/text.h"

#define QUOTED_MAX 80

char *json_quote(const char *s) {
        _cleanup_free_ char *escaped = text_escape(s, strlen(s), QUOTED_MAX);

        return g_strdup_printf("\"%s\"", escaped ? escaped : "?");
}

static void append_place(GString *s, const JsonAt *at) {
        _cleanup_free_ char *key = NULL;

        if (!at->up)
                return;
        append_place(s, at->up);
        if (!at->key) {
                g_string_append_printf(s, "[%zu]", at->index);
                return;
        }
        key = text_escape(at->key, strlen(at->key), QUOTED_MAX);
        if (at->up->up)
                g_string_append_c(s, '.');
        g_string_append(s, key ? key : "?");
}

int json_fail(const JsonAt *at, const char *format, ...) {
        const JsonAt *document = at;
        _cleanup_free_ char *origin = NULL;
        GString *s;
        va_list ap;

        while (document->up)
                document = document->up;
        if (!document->ret_why || *document->ret_why)
                return -EINVAL;
        origin = text_escape(document->key, strlen(document->key), 200);
        s = g_string_new(origin);
        g_string_append(s, ": ");
        if (at->up) {
                append_place(s, at);
                g_string_append(s, ": ");
        }
        va_start(ap, format);
        g_string_append_vprintf(s, format, ap);
        va_end(ap);
        *document->ret_why = g_string_free(s, FALSE);
        return -EINVAL;
}

/* jansson's own limit is 2048 levels, compiled in. Brackets in strings do not count. */
static bool nesting_is_bounded(const char *text, size_t n) {
        bool in_string = false;
        unsigned depth = 0;

        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"')
                        in_string = true;
                else if (c == '{' || c == '[') {
                        if (++depth > JSON_DEPTH_MAX)
                                return false;
                } else if ((c == '}' || c == ']') && depth > 0)
                        depth--;
        }
        return true;
}

int json_parse(const JsonAt *document, const char *text, size_t n, json_t **ret) {
        json_error_t error;
        json_t *v;
        int r;

        if (n > JSON_BYTES_MAX)
                return json_fail(document, "longer than %zu KiB", JSON_BYTES_MAX >> 10);
        if (memchr(text, 0, n))
                return json_fail(document, "contains a NUL byte");
        if (!utf8_is_valid(text, n))
                return json_fail(document, "is not valid UTF-8");
        if (!nesting_is_bounded(text, n))
                return json_fail(document, "nested deeper than %u levels", JSON_DEPTH_MAX);
        v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
        if (!v) {
                _cleanup_free_ char *what = text_escape(error.text, strlen(error.text), 120);

                return json_fail(document, "line %d: %s", error.line, what ? what : "not JSON");
        }
        if (!json_is_object(v)) {
                r = json_fail(document, "must be an object, { … }");
                json_decref(v);
                return r;
        }
        *ret = v;
        return 0;
}

static const char *type_name(const json_t *v) {
        switch (json_typeof(v)) {
        case JSON_OBJECT:
                return "an object";
        case JSON_ARRAY:
                return "a list";
        case JSON_STRING:
                return "a string";
        case JSON_INTEGER:
                return "an integer";
        case JSON_REAL:
                return "a number with a fraction";
        case JSON_TRUE:
        case JSON_FALSE:
                return "true or false";
        case JSON_NULL:
                return "null";
        }
        return "something else";
}

static int wrong_type(const JsonAt *at, const json_t *v, const char *wanted) {
        return json_fail(at, "expected %s, found %s", wanted, type_name(v));
}

static int unknown_key(const JsonAt *at, const char *key, const JsonField *fields, size_t n_fields) {
        g_autofree char *quoted = json_quote(key);
        GString *known = g_string_new(NULL);
        int r;

        for (size_t i = 0; i < n_fields; i++)
                g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", fields[i].key);
        r = json_fail(at, "unknown key %s; there are: %s", quoted, known->str);
        g_string_free(known, TRUE);
        return r;
}

int json_read_object(const JsonAt *at, const json_t *v, const JsonField *fields, size_t n_fields, void *out) {
        const char *key;
        json_t *member;

        if (!json_is_object(v))
                return wrong_type(at, v, "an object");
        json_object_foreach((json_t *) v, key, member) {
                const JsonField *f = NULL;
                JsonAt here = { .up = at, .key = key };
                int r;

                for (size_t i = 0; i < n_fields && !f; i++)
                        if (streq(fields[i].key, key))
                                f = fields + i;
                if (!f)
                        return unknown_key(at, key, fields, n_fields);
                r = f->read(&here, member, (char *) out + f->offset);
                if (r < 0)
                        return r;
        }
        return 0;
}

int json_read_list(const JsonAt *at, const json_t *v, JsonRead read, void *out) {
        if (!json_is_array(v))
                return wrong_type(at, v, "a list");
        if (json_array_size(v) > JSON_LIST_MAX)
                return json_fail(at, "more than %u elements", JSON_LIST_MAX);
        for (size_t i = 0; i < json_array_size(v); i++) {
                JsonAt here = { .up = at, .index = i };
                int r = read(&here, json_array_get(v, i), out);

                if (r < 0)
                        return r;
        }
        return 0;
}

static const char *get_string(const JsonAt *at, const json_t *v) {
        if (!json_is_string(v)) {
                (void) wrong_type(at, v, "a string");
                return NULL;
        }
        if (json_string_length(v) == 0) {
                (void) json_fail(at, "the string is empty");
                return NULL;
        }
        return json_string_value(v);
}

int json_read_string(const JsonAt *at, const json_t *v, void *out) {
        const char *s = get_string(at, v);

        if (!s)
                return -EINVAL;
        *(char **) out = g_strdup(s);
        return 0;
}

static int append_string(const JsonAt *at, const json_t *v, void *out) {
        const char *s = get_string(at, v);

        if (!s)
                return -EINVAL;
        g_ptr_array_add(*(GPtrArray **) out, g_strdup(s));
        return 0;
}

int json_read_strings(const JsonAt *at, const json_t *v, void *out) {
        *(GPtrArray **) out = g_ptr_array_new_with_free_func(g_free);
        return json_read_list(at, v, append_string, out);
}

int json_read_string_or_strings(const JsonAt *at, const json_t *v, void *out) {
        if (!json_is_string(v))
                return json_is_array(v) ? json_read_strings(at, v, out)
                                        : wrong_type(at, v, "a string or a list of strings");
        *(GPtrArray **) out = g_ptr_array_new_with_free_func(g_free);
        return append_string(at, v, out);
}

int json_read_bool(const JsonAt *at, const json_t *v, void *out) {
        if (!json_is_boolean(v))
                return wrong_type(at, v, "true or false");
        *(int *) out = json_is_true(v);
        return 0;
}

int json_read_count(const JsonAt *at, const json_t *v, void *out) {
        if (!json_is_integer(v))
                return wrong_type(at, v, "an integer");
        if (json_integer_value(v) < 0)
                return json_fail(at, "a negative number");
        *(uint64_t *) out = (uint64_t) json_integer_value(v);
        return 0;
}

/* An integer of units, or a string that parse() understands. */
static int read_scaled(const JsonAt *at, const json_t *v, uint64_t unit, int (*parse)(const char *s, uint64_t *ret),
                const char *example, uint64_t *ret) {
        uint64_t n;
        int r;

        if (json_is_integer(v)) {
                r = json_read_count(at, v, &n);
                if (r < 0)
                        return r;
                if (__builtin_mul_overflow(n, unit, ret))
                        return json_fail(at, "the number is too large");
                return 0;
        }
        if (!json_is_string(v))
                return json_fail(at, "expected an integer or a string such as %s, found %s", example, type_name(v));
        r = parse(json_string_value(v), ret);
        if (r == -ERANGE)
                return json_fail(at, "the number is too large");
        if (r < 0) {
                g_autofree char *quoted = json_quote(json_string_value(v));

                return json_fail(at, "%s is not of the form %s", quoted, example);
        }
        return 0;
}

int json_read_size(const JsonAt *at, const json_t *v, void *out) {
        return read_scaled(at, v, 1, parse_size, "\"512M\"", out);
}

int json_read_usec(const JsonAt *at, const json_t *v, void *out) {
        int r = read_scaled(at, v, USEC_PER_SEC, parse_usec, "\"90s\"", out);

        if (r < 0)
                return r;
        return *(uint64_t *) out == 0 ? json_fail(at, "must be more than 0; leave it out for no limit") : 0;
}

int json_read_ignore(const JsonAt *at, const json_t *v, _unused_ void *out) {
        return get_string(at, v) ? 0 : -EINVAL;
}

/* Writing */

/* Printable ASCII that means itself in JSON and to text_escape(): nearly every string, and there are hundreds. */
static bool is_plain(const char *s) {
        for (; *s; s++)
                if (*s < ' ' || *s > '~' || *s == '"' || *s == '\\')
                        return false;
        return true;
}

static void append_string_escaped(GString *text, const char *value) {
        _cleanup_free_ char *clean = NULL;

        if (is_plain(value)) {
                g_string_append_c(text, '"');
                g_string_append(text, value);
                g_string_append_c(text, '"');
                return;
        }
        clean = text_escape(value, strlen(value), 0);
        if (!clean)
                g_error("out of memory");
        g_string_append_c(text, '"');
        for (const char *s = clean; *s; s++) {
                if (*s == '"' || *s == '\\')
                        g_string_append_c(text, '\\');
                g_string_append_c(text, *s);
        }
        g_string_append_c(text, '"');
}

static void begin(JsonWriter *w, const char *key) {
        if (w->comma)
                g_string_append_c(w->text, ',');
        w->comma = true;
        if (key) {
                append_string_escaped(w->text, key);
                g_string_append_c(w->text, ':');
        }
}

void json_write_open(JsonWriter *w, const char *key, char bracket) {
        begin(w, key);
        g_string_append_c(w->text, bracket);
        w->comma = false;
}

void json_write_close(JsonWriter *w, char bracket) {
        g_string_append_c(w->text, bracket);
        w->comma = true;
}

void json_write_string(JsonWriter *w, const char *key, const char *value) {
        begin(w, key);
        append_string_escaped(w->text, value);
}

void json_write_u64(JsonWriter *w, const char *key, uint64_t value) {
        begin(w, key);
        g_string_append_printf(w->text, "%" G_GUINT64_FORMAT, value);
}

void json_write_bool(JsonWriter *w, const char *key, bool value) {
        begin(w, key);
        g_string_append(w->text, value ? "true" : "false");
}
