/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json.h"

int json_parse(const char *text, size_t n, size_t max, const char *what, json_t **ret, Reason *reason) {
        _cleanup_json_ json_t *j = NULL;
        json_error_t error;

        if (n > max)
                return reason_set(reason, -EBADMSG, "%s is longer than %zu bytes", what, max);
        j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
        if (!j)
                return reason_set(reason, json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG,
                                "%s is no JSON: line %d: %s", what, error.line, error.text);
        if (!json_is_object(j) && !json_is_array(j))
                return reason_set(reason, -EBADMSG, "%s is neither an object nor a list", what);
        *ret = TAKE_PTR(j);
        return 0;
}

int json_get_string(json_t *object, const char *key, size_t max, const char *what, const char **ret, Reason *reason) {
        json_t *j = json_object_get(object, key);

        *ret = NULL;
        if (!j || json_is_null(j))
                return 0;
        if (!json_is_string(j))
                return reason_set(reason, -EBADMSG, "%s: \"%s\" is no string", what, key);
        if (json_string_length(j) > max)
                return reason_set(reason, -EBADMSG, "%s: \"%s\" is longer than %zu bytes", what, key, max);
        *ret = json_string_value(j);
        return 0;
}

int json_get_list(json_t *object, const char *key, size_t max, const char *what, json_t **ret, Reason *reason) {
        json_t *j = json_object_get(object, key);

        *ret = NULL;
        if (!j || json_is_null(j))
                return 0;
        if (!json_is_array(j))
                return reason_set(reason, -EBADMSG, "%s: \"%s\" is no list", what, key);
        if (json_array_size(j) > max)
                return reason_set(reason, -EBADMSG, "%s: \"%s\" has more than %zu elements", what, key, max);
        *ret = j;
        return 0;
}
