/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables: libsmartcols for people, jansson for programs, from the same calls. */

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "bus-output.h"

struct Table {
        const Options *o;
        const Column *columns;
        size_t n_columns, n_rows;
        size_t at; /* the column whose turn it is */
        int error;
        json_t *array, *object;       /* JSON */
        struct libscols_table *table; /* people */
        struct libscols_line *line;
        size_t shown[16]; /* index in the table of each column */
};

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        json_decref(t->array);
        scols_unref_table(t->table);
        free(t);
        return NULL;
}

static int new_text_table(Table *t) {
        size_t n = 0;

        t->table = scols_new_table();
        if (!t->table)
                return -ENOMEM;
        scols_table_enable_noheadings(t->table, t->o->no_legend);
        scols_table_enable_noencoding(t->table, 1); /* we have escaped everything, and in one way */
        scols_table_enable_colors(t->table, output_colors());
        for (size_t i = 0; i < t->n_columns; i++) {
                const Column *c = &t->columns[i];
                int flags = 0;

                t->shown[i] = SIZE_MAX;
                if (c->flags & COLUMN_JSON_ONLY)
                        continue;
                if (c->flags & COLUMN_RIGHT)
                        flags |= SCOLS_FL_RIGHT;
                if ((c->flags & COLUMN_SHORTEN) && !t->o->full)
                        flags |= SCOLS_FL_TRUNC;
                if (!scols_table_new_column(t->table, c->title, c->flags & COLUMN_SHORTEN ? 0.1 : 0, flags))
                        return -ENOMEM;
                t->shown[i] = n++;
        }
        return 0;
}

int table_new(const Options *o, const Column *columns, size_t n, Table **ret) {
        _cleanup_table_ Table *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        t->o = o;
        t->columns = columns;
        t->n_columns = n;
        assert(n <= ELEMENTSOF(t->shown));
        if (output_is_json(o)) {
                t->array = json_array();
                if (!t->array)
                        return -ENOMEM;
        } else {
                r = new_text_table(t);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

static void fail(Table *t, int error) {
        if (t->error == 0)
                t->error = error;
}

void table_row(Table *t) {
        assert(t->at == 0 || t->at == t->n_columns);
        t->at = 0;
        t->n_rows++;
        if (t->array) {
                t->object = json_object();
                if (!t->object || json_array_append_new(t->array, t->object) < 0) {
                        t->object = NULL;
                        fail(t, -ENOMEM);
                }
                return;
        }
        t->line = scols_table_new_line(t->table, NULL);
        if (!t->line)
                fail(t, -ENOMEM);
}

static void put_json(Table *t, json_t *value) {
        if (!t->object || json_object_set_new(t->object, t->columns[t->at].key, value) < 0)
                fail(t, -ENOMEM);
        t->at++;
}

static void put_text(Table *t, const char *value, const char *ansi) {
        size_t i = t->shown[t->at++];
        struct libscols_cell *cell;

        if (i == SIZE_MAX || !t->line)
                return;
        if (scols_line_set_data(t->line, i, value) < 0) {
                fail(t, -ENOMEM);
                return;
        }
        cell = scols_line_get_cell(t->line, i);
        if (ansi && cell && scols_cell_set_color(cell, ansi) < 0)
                fail(t, -ENOMEM);
}

void table_colored(Table *t, const char *value, const char *ansi) {
        assert(t->at < t->n_columns);
        if (t->array)
                /* D-Bus strings are UTF-8; anything else would be lost. */
                put_json(t, json_string(utf8_is_valid(value, strlen(value)) ? value : safe(3, value)));
        else
                put_text(t,
                                !*value                                    ? "-"
                                : t->columns[t->at].flags & COLUMN_ESCAPED ? safe_escaped(3, value)
                                                                           : safe(3, value),
                                ansi);
}

void table_text(Table *t, const char *value) {
        table_colored(t, value, NULL);
}

void table_number_as(Table *t, uint64_t value, const char *text) {
        assert(t->at < t->n_columns);
        if (t->array)
                put_json(t, json_integer((json_int_t) value));
        else
                put_text(t, text, NULL);
}

void table_number(Table *t, uint64_t value) {
        char buf[24];

        (void) snprintf(buf, sizeof(buf), "%" PRIu64, value);
        table_number_as(t, value, buf);
}

int table_print(Table *t, const char *noun) {
        if (t->error)
                return t->error;
        if (t->array)
                return output_json(t->o, json_incref(t->array));
        if (t->n_rows > 0) {
                fflush(stdout);
                if (scols_print_table(t->table) != 0)
                        return -EIO;
        }
        if (!t->o->no_legend && !t->o->quiet) {
                if (t->n_rows == 0)
                        printf("No %ss.\n", noun);
                else
                        printf("\n%zu %s%s listed.\n", t->n_rows, noun, t->n_rows == 1 ? "" : "s");
        }
        return 0;
}
