/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of methods and actions against the contract (firewalld's CVE-2026-4948: one wrong row of it),
 * the actions against the policy file, and the reading of polkit's answers. */

#include "unit.h"

#include <glib.h>
#include <stdio.h>

#include "daemon/authority.h"
#include "daemon-message.h"

/* Calls fn with interface and name of each method of our interfaces in the contract. */
typedef struct Walk {
        char *interface;
        void (*fn)(const char *interface, const char *member, void *userdata);
        void *userdata;
} Walk;

static void on_element(GMarkupParseContext *context, const char *element, const char **names,
                const char **values, void *userdata, GError **error) {
        Walk *w = userdata;
        const char *name = NULL;

        (void) context;
        (void) error;
        for (size_t i = 0; names[i]; i++)
                if (streq(names[i], "name"))
                        name = values[i];
        if (streq(element, "interface")) {
                g_free(w->interface);
                w->interface = g_strdup(name);
        } else if (streq(element, "method"))
                w->fn(w->interface, name, w->userdata);
}

static void walk_contract(
                void (*fn)(const char *interface, const char *member, void *userdata), void *userdata) {
        static const GMarkupParser parser = { .start_element = on_element };
        Walk w = { .fn = fn, .userdata = userdata };
        GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &w, NULL);
        g_autofree char *xml = NULL;
        gsize n;

        assert_true(g_file_get_contents(SOURCE_DIR "/dbus/org.openclaw.Sandbox1.xml", &xml, &n, NULL));
        assert_true(g_markup_parse_context_parse(context, xml, (gssize) n, NULL));
        assert_true(g_markup_parse_context_end_parse(context, NULL));
        g_markup_parse_context_free(context);
        g_free(w.interface);
}

static void check_row(const char *interface, const char *member, void *userdata) {
        if (!authority_rule(interface, member))
                fail_msg("%s.%s has no row", interface, member);
        (*(unsigned *) userdata)++;
}

static void test_every_method_has_a_row_and_every_row_a_method(void **state) {
        unsigned methods = 0, rules = 0;

        (void) state;
        walk_contract(check_row, &methods);
        while (authority_rule_at(rules))
                rules++;
        assert_true(methods > 15);
        assert_int_equal(methods, rules);
        for (unsigned i = 0; i < rules; i++)
                for (unsigned k = 0; k < i; k++) {
                        const AuthorityRule *a = authority_rule_at(i), *b = authority_rule_at(k);

                        assert_false(streq(a->interface, b->interface) && streq(a->member, b->member));
                }
}

static void test_unknown_methods_have_none(void **state) {
        (void) state;
        assert_null(authority_rule("org.openclaw.Sandbox1.Manager", "Nonsense"));
        assert_null(authority_rule("org.openclaw.Sandbox1.Manager", "Exec"));
        assert_null(authority_rule("org.openclaw.Sandbox1.Session", "CreateSession"));
        assert_null(authority_rule("", ""));
}

/* What the contract says about who may, row by row: a row that is changed by mistake fails here. */
static void test_rows(void **state) {
        static const struct {
                const char *member, *action;
                AuthorityKind kind;
        } wanted[] = {
                { "CreateSession", "create-session", AUTHORITY_CREATE },
                { "EnsureSession", "create-session", AUTHORITY_CREATE },
                { "GetSession", "manage-sessions", AUTHORITY_FILTER },
                { "ListSessions", "manage-sessions", AUTHORITY_FILTER },
                { "Explain", NULL, AUTHORITY_ANYBODY },
                { "ListProfiles", NULL, AUTHORITY_ANYBODY },
                { "Doctor", NULL, AUTHORITY_ANYBODY },
                { "Pending", "approve-request", AUTHORITY_FILTER },
                { "Approve", "approve-request", AUTHORITY_ACTION },
                { "Deny", "approve-request", AUTHORITY_OWNER },
                { "Lockdown", "lockdown", AUTHORITY_ACTION },
                { "Exec", "exec", AUTHORITY_OWNER },
                { "OpenChannel", "exec", AUTHORITY_OWNER },
                { "Signal", "manage-sessions", AUTHORITY_OWNER },
                { "Resize", "manage-sessions", AUTHORITY_OWNER },
                { "Freeze", "manage-sessions", AUTHORITY_OWNER },
                { "Thaw", "manage-sessions", AUTHORITY_OWNER },
                { "Terminate", "manage-sessions", AUTHORITY_OWNER },
                { "Remove", "manage-sessions", AUTHORITY_OWNER },
                { "Update", "manage-sessions", AUTHORITY_OWNER },
                { "Status", "manage-firewall", AUTHORITY_FILTER },
                { "Verify", "manage-firewall", AUTHORITY_OWNER },
                { "Allow", "grant-network", AUTHORITY_WIDEN },
                { "Revoke", "manage-firewall", AUTHORITY_OWNER },
                { "Show", "manage-firewall", AUTHORITY_ACTION },
                { "Reload", "manage-firewall", AUTHORITY_ACTION },
        };
        const AuthorityRule *rule;
        unsigned n = 0;

        (void) state;
        for (; (rule = authority_rule_at(n)); n++) {
                size_t i;

                for (i = 0; i < ELEMENTSOF(wanted); i++)
                        if (streq(wanted[i].member, rule->member))
                                break;
                assert_true(i < ELEMENTSOF(wanted));
                assert_int_equal(rule->kind, wanted[i].kind);
                if (!wanted[i].action) {
                        assert_null(rule->action);
                        continue;
                }
                assert_true(str_has_prefix(rule->action, ACTION_PREFIX));
                assert_string_equal(rule->action + strlen(ACTION_PREFIX), wanted[i].action);
        }
        assert_int_equal(n, ELEMENTSOF(wanted));
}

static void test_policy_file_has_every_action(void **state) {
        static const char *const actions[] = {ACTION_CREATE_SESSION, ACTION_LAUNCH, ACTION_EXEC,
                        ACTION_MANAGE_SESSIONS, ACTION_APPROVE_REQUEST, ACTION_LOCKDOWN,
                        ACTION_GRANT_NETWORK, ACTION_MANAGE_FIREWALL};
        g_autofree char *xml = NULL;
        unsigned declared = 0;

        (void) state;
        assert_true(g_file_get_contents(
                        SOURCE_DIR "/polkit/org.openclaw.sandbox1.policy", &xml, NULL, NULL));
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                g_autofree char *id = g_strdup_printf("<action id=\"%s\">", actions[i]);

                if (!strstr(xml, id))
                        fail_msg("%s is not declared", actions[i]);
        }
        for (const char *p = xml; (p = strstr(p, "<action id=")); p++)
                declared++;
        assert_int_equal(declared, ELEMENTSOF(actions));
        for (const AuthorityRule *r; (r = authority_rule_at(declared)); declared++)
                if (r->action)
                        assert_non_null(strstr(xml, r->action));

        /* Kept authorisations do not know the details; nothing is given away without a password. */
        assert_null(strstr(xml, "_keep</"));
        assert_null(strstr(xml, ">yes</"));
        assert_null(strstr(xml, ">auth_self</"));
}

static void expect_answer(sd_bus *bus, AuthorityAnswer wanted, const char *types, int yes, int challenge,
                const char *key) {
        sd_bus_message *m = message_new(bus);
        const char *text = "unset";
        AuthorityAnswer got;

        if (key)
                assert_true(sd_bus_message_append(m, types, yes, challenge, 1, key, "1") >= 0);
        else
                assert_true(sd_bus_message_append(m, types, yes, challenge, 0) >= 0);
        message_turn(m);
        got = authority_parse_answer(m, &text);
        assert_int_equal(got, wanted);
        assert_int_equal(text != NULL, wanted == AUTHORITY_UNKNOWN);
        sd_bus_message_unref(m);
}

static void test_answers_of_polkit(void **state) {
        int peer;
        sd_bus *bus = message_bus_new(&peer);
        sd_bus_message *m;
        const char *text;

        (void) state;
        expect_answer(bus, AUTHORITY_YES, "(bba{ss})", 1, 0, NULL);
        expect_answer(bus, AUTHORITY_YES, "(bba{ss})", 1, 0, "polkit.temporary_authorization_id");
        expect_answer(bus, AUTHORITY_NO, "(bba{ss})", 0, 0, NULL);
        expect_answer(bus, AUTHORITY_CHALLENGE, "(bba{ss})", 0, 1, NULL);
        expect_answer(bus, AUTHORITY_DISMISSED, "(bba{ss})", 0, 0, "polkit.dismissed");
        expect_answer(bus, AUTHORITY_DISMISSED, "(bba{ss})", 0, 1, "polkit.dismissed");
        /* Contradictions, and anything of another shape. */
        expect_answer(bus, AUTHORITY_UNKNOWN, "(bba{ss})", 1, 1, NULL);
        expect_answer(bus, AUTHORITY_UNKNOWN, "(bba{ss})", 1, 0, "polkit.dismissed");
        expect_answer(bus, AUTHORITY_UNKNOWN, "bba{ss}", 1, 0, NULL);
        expect_answer(bus, AUTHORITY_UNKNOWN, "(uba{ss})", 1, 0, NULL);
        expect_answer(bus, AUTHORITY_UNKNOWN, "(bba{ss})u", 1, 0, NULL);

        m = message_new(bus);
        message_turn(m);
        assert_int_equal(authority_parse_answer(m, &text), AUTHORITY_UNKNOWN);
        sd_bus_message_unref(m);
        m = message_new(bus);
        assert_true(sd_bus_message_append(m, "b", 1) >= 0);
        message_turn(m);
        assert_int_equal(authority_parse_answer(m, &text), AUTHORITY_UNKNOWN);
        sd_bus_message_unref(m);
        message_bus_free(bus, peer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_method_has_a_row_and_every_row_a_method),
                cmocka_unit_test(test_unknown_methods_have_none),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_policy_file_has_every_action),
                cmocka_unit_test(test_answers_of_polkit),
        };

        return RUN_TESTS(tests);
}
