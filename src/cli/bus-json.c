/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-json.h"

#include "base/macro.h"

static int list_to_json(sd_bus_message *m, char type, const char *contents, json_t **ret) {
        json_t *array = json_array();
        int r = array ? sd_bus_message_enter_container(m, type, contents) : -ENOMEM;

        while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
                json_t *v = NULL;

                r = message_to_json(m, &v);
                if (r >= 0 && json_array_append_new(array, v) < 0)
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                json_decref(array);
                return r;
        }
        *ret = array;
        return 0;
}

/* contents: "{s…}" */
static int dictionary_to_json(sd_bus_message *m, const char *contents, json_t **ret) {
        json_t *object = json_object();
        const char *key, *type;
        int r = object ? sd_bus_message_enter_container(m, 'a', contents) : -ENOMEM;

        while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
                json_t *v = NULL;

                r = sd_bus_message_peek_type(m, NULL, &type);
                if (r >= 0)
                        r = sd_bus_message_enter_container(m, 'e', type);
                if (r >= 0)
                        r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = message_to_json(m, &v);
                if (r >= 0 && json_object_set_new(object, key, v) < 0)
                        r = -ENOMEM;
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                json_decref(object);
                return r;
        }
        *ret = object;
        return 0;
}

static int variant_to_json(sd_bus_message *m, const char *contents, json_t **ret) {
        int r = sd_bus_message_enter_container(m, 'v', contents);

        if (r >= 0)
                r = message_to_json(m, ret);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int basic_to_json(sd_bus_message *m, char type, json_t **ret) {
        const char *s;
        uint64_t t;
        uint32_t u;
        int r, b;

        switch (type) {
        case 's':
        case 'o':
                r = sd_bus_message_read_basic(m, type, &s);
                *ret = r > 0 ? json_string(s) : NULL;
                break;
        case 'u':
                r = sd_bus_message_read_basic(m, type, &u);
                *ret = r > 0 ? json_integer(u) : NULL;
                break;
        case 't':
                r = sd_bus_message_read_basic(m, type, &t);
                *ret = r > 0 ? json_integer((json_int_t) t) : NULL;
                break;
        case 'b':
                r = sd_bus_message_read_basic(m, type, &b);
                *ret = r > 0 ? json_boolean(b) : NULL;
                break;
        default:
                /* A newer daemon's: not ours to show. */
                r = sd_bus_message_skip(m, (const char[]) { type, 0 });
                *ret = r >= 0 ? json_null() : NULL;
        }
        if (r < 0)
                return r;
        return *ret ? 0 : -ENOMEM;
}

int message_to_json(sd_bus_message *m, json_t **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;
        if (type == 'v')
                return variant_to_json(m, contents, ret);
        if (type == 'r')
                return list_to_json(m, 'r', contents, ret);
        if (type == 'a')
                return str_has_prefix(contents, "{s") ? dictionary_to_json(m, contents, ret)
                                                       : list_to_json(m, 'a', contents, ret);
        return basic_to_json(m, type, ret);
}
