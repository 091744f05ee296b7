/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of errors, against itself and against the contract. */

#include "unit.h"

#include <glib.h>
#include <stdio.h>

#include "daemon/errors.h"

static void test_table_is_complete_and_unambiguous(void **state) {
        (void) state;
        for (int i = 0; i < _ERROR_MAX; i++) {
                assert_non_null(error_name((ErrorCode) i));
                assert_true(str_has_prefix(error_name((ErrorCode) i), "org.openclaw.Sandbox1.Error."));
                assert_true(error_errno((ErrorCode) i) > 0);
                assert_int_equal(error_from_name(error_name((ErrorCode) i)), i);
                for (int k = 0; k < i; k++)
                        assert_true(error_errno((ErrorCode) i) != error_errno((ErrorCode) k));
        }
        assert_null(error_name(_ERROR_MAX));
        assert_int_equal(error_from_name("org.openclaw.Sandbox1.Error.Nonsense"), _ERROR_INVALID);
}

static void test_contract_names_every_error(void **state) {
        g_autofree char *xml = NULL;

        (void) state;
        assert_true(g_file_get_contents(SOURCE_DIR "/dbus/org.openclaw.Sandbox1.xml", &xml, NULL, NULL));
        for (int i = 0; i < _ERROR_MAX; i++) {
                const char *name = strrchr(error_name((ErrorCode) i), '.') + 1;

                if (!strstr(xml, name))
                        fail_msg("%s is not in the contract", name);
        }
}

static void test_set(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        (void) state;
        assert_int_equal(error_set(NULL, ERROR_BUSY, "x"), -EBUSY);
        assert_int_equal(error_set(&e, ERROR_NOT_PERMITTED, "No %s.", "entry"), -EACCES);
        assert_string_equal(e.name, "org.openclaw.Sandbox1.Error.NotPermitted");
        assert_string_equal(e.message, "No entry.");
        /* The first reason stays. */
        assert_int_equal(error_set(&e, ERROR_BUSY, "x"), -EBUSY);
        assert_string_equal(e.message, "No entry.");
}

static void test_errnos_of_helpers(void **state) {
        static const struct {
                int error;
                ErrorCode code;
        } rows[] = {
                        {EACCES, ERROR_NOT_PERMITTED},
                        {EPERM, ERROR_NOT_PERMITTED},
                        {EBUSY, ERROR_BUSY},
                        {EAGAIN, ERROR_QUOTA_EXCEEDED},
                        {EMFILE, ERROR_QUOTA_EXCEEDED},
                        {EINVAL, ERROR_INVALID_ARGUMENT},
                        {EOPNOTSUPP, ERROR_NOT_SUPPORTED},
                        {ENOSYS, ERROR_NOT_SUPPORTED},
                        {ESRCH, ERROR_NO_SUCH_EXEC},
                        {ENOMEM, ERROR_SETUP_FAILED},
                        {EIO, ERROR_SETUP_FAILED},
                        {4095, ERROR_SETUP_FAILED},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(error_from_errno(rows[i].error), rows[i].code);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table_is_complete_and_unambiguous),
                cmocka_unit_test(test_contract_names_every_error),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_errnos_of_helpers),
        };

        return RUN_TESTS(tests);
}
