/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of ocsbctl, and what errors turn into. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/session-request.h"

#define WORDS_MAX 64

/* The array belongs to the caller: parsed options point into it. */
typedef struct Line {
        char text[1024];
        char *argv[WORDS_MAX];
        int argc;
        Options o;
} Line;

static int parse(Line *l, const char *line) {
        char *save = NULL;

        *l = (Line) {};
        assert_true(strlen(line) < sizeof(l->text));
        strcpy(l->text, line);
        for (char *w = strtok_r(l->text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                assert_true(l->argc < WORDS_MAX - 1);
                l->argv[l->argc++] = streq(w, "''") ? w + 2 : w;
        }
        return options_parse(l->argc, l->argv, &l->o);
}

static void good(Line *l, const char *line) {
        if (parse(l, line) < 0)
                fail_msg("refused: %s", line);
}

static void check_args(const Line *l, const char *expected) {
        char all[512] = "";

        for (int i = 0; i < l->o.n_args; i++)
                snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "",
                                l->o.args[i]);
        assert_string_equal(all, expected);
        assert_null(l->o.args[l->o.n_args]);
}

static void test_verbs(void **state) {
        Line l;

        (void) state;
        good(&l, "ocsbctl");
        assert_int_equal(l.o.verb, VERB_LIST);
        for (Verb v = 0; v < _VERB_MAX; v++) {
                assert_non_null(verb_table[v].name);
                assert_int_equal(verb_from_string(verb_table[v].name), v);
                snprintf(l.text, sizeof(l.text), "ocsbctl %s --help", verb_table[v].name);
                good(&l, strdupa(l.text));
                assert_int_equal(l.o.verb, v);
                assert_true(l.o.help);
                options_done(&l.o);
        }
        assert_int_equal(verb_from_string("lis"), _VERB_INVALID);
        assert_int_equal(verb_from_string(""), _VERB_INVALID);
}

static void test_destinations(void **state) {
        static const struct {
                const char *text, *to, *ports, *proto;
        } good_ones[] = {
                { "192.0.2.10:1234", "192.0.2.10", "1234", "tcp" },
                { "192.0.2.10:1234/udp", "192.0.2.10", "1234", "udp" },
                { "10.1.2.0/24:8000-8100", "10.1.2.0/24", "8000-8100", "tcp" },
                { "10.1.2.0/24:80/tcp", "10.1.2.0/24", "80", "tcp" },
                { "[fd00::1]:443", "fd00::1", "443", "tcp" },
                { "[fd00::]/64:1-65535/udp", "fd00::/64", "1-65535", "udp" },
                { "192.0.2.1/icmp", "192.0.2.1", NULL, "icmp" },
                { "192.0.2.0/24/icmp", "192.0.2.0/24", NULL, "icmp" },
                { "[fd00::]/64/icmp", "fd00::/64", NULL, "icmp" },
                /* Only the form: ocsbd says what is wrong with these. */
                { "example.com:80", "example.com", "80", "tcp" },
                { "0.0.0.0/0:99999", "0.0.0.0/0", "99999", "tcp" },
        };
        static const char *const bad[] = { "", ":", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:80/", "192.0.2.1:80/sctp",
                "192.0.2.1:80/TCP", "192.0.2.1:80/icmp", "192.0.2.1/tcp", "192.0.2.1/", "192.0.2.1/24", "192.0.2.1:http",
                "192.0.2.1:80:90", "fd00::1:80", "fd00::1", "[fd00::1]", "[fd00::1:80", "[]:80", "[192.0.2.1]:80",
                "[fd00::1]80", "192.0.2.1:80/tcp/udp", "192.0.2.1/24x:80", "192.0.2.1:80 " };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good_ones); i++) {
                DestinationOption d = {};

                if (destination_option_parse(good_ones[i].text, &d) < 0)
                        fail_msg("refused: %s", good_ones[i].text);
                assert_string_equal(d.to, good_ones[i].to);
                if (good_ones[i].ports)
                        assert_string_equal(d.ports, good_ones[i].ports);
                else
                        assert_null(d.ports);
                assert_string_equal(d.proto, good_ones[i].proto);
                destination_option_done(&d);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                DestinationOption d = {};

                if (destination_option_parse(bad[i], &d) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
                assert_null(d.to);
        }
}

static void test_firewall(void **state) {
        static const char *const bad[] = { "ocsbctl firewall", "ocsbctl firewall nonsense", "ocsbctl firewall allow s1",
                "ocsbctl firewall allow s1 x", "ocsbctl firewall allow S1 192.0.2.1:80", "ocsbctl firewall revoke s1 x",
                "ocsbctl firewall revoke s1", "ocsbctl firewall status s1", "ocsbctl firewall verify s1 s2",
                "ocsbctl firewall status --for=1h", "ocsbctl firewall allow s1 192.0.2.1:80 --for=0",
                "ocsbctl firewall allow s1 192.0.2.1:80 --for=-5", "ocsbctl firewall show --llm=192.0.2.1:80",
                "ocsbctl create --dns=none --dns=1.1.1.1", "ocsbctl create --dns=1.1.1.1 --dns=none",
                "ocsbctl create --dns=dns.google", "ocsbctl create --allow=192.0.2.1", "ocsbctl exec s1 --dns=1.1.1.1 x" };
        Line l;

        (void) state;
        good(&l, "ocsbctl firewall allow s1 [fd00::1]:80-90/udp --for 1h");
        assert_int_equal(l.o.firewall, FIREWALL_ALLOW);
        assert_string_equal(l.o.destination.to, "fd00::1");
        assert_true(l.o.for_usec == 3600 * USEC_PER_SEC);
        options_done(&l.o);
        good(&l, "ocsbctl firewall verify --llm=192.0.2.10:1234 --llm=[fd00::1]:1234 --internet=1.1.1.1:443");
        assert_int_equal(l.o.firewall, FIREWALL_VERIFY);
        assert_int_equal(l.o.llm.n, 2);
        assert_int_equal(l.o.internet.n, 1);
        options_done(&l.o);
        good(&l, "ocsbctl create --dns=1.1.1.1 --dns=fd00::53 --allow=192.0.2.1:80 --allow=192.0.2.1/icmp");
        assert_int_equal(l.o.dns.n, 2);
        assert_int_equal(l.o.n_allow, 2);
        assert_false(l.o.no_dns);
        options_done(&l.o);
        good(&l, "ocsbctl create --dns=none");
        assert_true(l.o.no_dns);
        options_done(&l.o);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                if (parse(&l, bad[i]) >= 0)
                        fail_msg("taken: %s", bad[i]);
                options_done(&l.o);
        }
}

/* Where options end, so that a command's stay with the command. */
static void test_command_words(void **state) {
        static const struct {
                const char *line, *args;
                bool pty;
        } cases[] = {
                { "ocsbctl exec s1 ls -l", "s1 ls -l", false },
                { "ocsbctl exec s1 -- ls -l", "s1 ls -l", false },
                { "ocsbctl exec s1 -t -- ls -t", "s1 ls -t", true },
                { "ocsbctl exec -t s1 ls -t", "s1 ls -t", true },
                { "ocsbctl exec -t s1 -- -t", "s1 -t", true },
                { "ocsbctl exec s1 -t ls --pty", "s1 ls --pty", true },
                { "ocsbctl exec -- s1 ls", "s1 ls", false },
                { "ocsbctl exec -- s1 -t", "s1 -t", false },
                { "ocsbctl exec -- s1 -- ls", "s1 -- ls", false },
                { "ocsbctl exec s1 -- -- x", "s1 -- x", false },
                { "ocsbctl exec s1 -E A=1 -t -EB=2 -w /x cmd", "s1 cmd", true },
                { "ocsbctl exec -E A=-- s1 cmd -t", "s1 cmd -t", false },
                { "ocsbctl -q exec s1 cmd -q -v", "s1 cmd -q -v", false },
                { "ocsbctl run ls -l", "ls -l", false },
                { "ocsbctl run -t -- ls -l", "ls -l", true },
                { "ocsbctl run -- --bind -x", "--bind -x", false },
                { "ocsbctl run -pdefault cmd -p x", "cmd -p x", false },
        };
        Line l;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                good(&l, cases[i].line);
                check_args(&l, cases[i].args);
                if (l.o.pty != cases[i].pty)
                        fail_msg("%s", cases[i].line);
                options_done(&l.o);
        }
        /* Other verbs take options anywhere. */
        good(&l, "ocsbctl rm a -q b");
        check_args(&l, "a b");
        assert_true(l.o.quiet);
        good(&l, "ocsbctl --json=short -v list --no-legend");
        assert_int_equal(l.o.json, JSON_SHORT);
        assert_true(l.o.verbose && l.o.no_legend);
}

static void test_session_options(void **state) {
        Line l;

        (void) state;
        assert_int_equal(setenv("CLI_TEST", "value with space", 1), 0);
        assert_int_equal(unsetenv("CLI_TEST_ABSENT"), 0);
        good(&l, "ocsbctl run -p my-profile -w dir --workspace-path=/w --ro --bind=/a --bind=b:/c:rw "
                 "--bind=/x\\:y:/z "
                 "--deny=/d --deny=/e --deny-write=/f -E A=1 -E CLI_TEST -E CLI_TEST_ABSENT -E B= "
                 "--workdir=/g --network=none "
                 "--memory=1G --swap=0 --pids=10 --cpus=0.25 --scratch=512M --limit=nofile=1024 "
                 "--limit=cpu=2 --idle=10m "
                 "--max-age=1h --timeout=250ms --name=s_1 --hostname=box --keep -- cmd");
        assert_string_equal(l.o.profile, "my-profile");
        assert_string_equal(l.o.workspace, "dir");
        assert_string_equal(l.o.workspace_path, "/w");
        assert_true(l.o.ro && l.o.keep);
        assert_int_equal(l.o.n_binds, 3);
        assert_string_equal(l.o.binds[0].source, "/a");
        assert_string_equal(l.o.binds[0].target, "/a");
        assert_string_equal(l.o.binds[0].access, "r");
        assert_string_equal(l.o.binds[1].source, "b");
        assert_string_equal(l.o.binds[1].target, "/c");
        assert_string_equal(l.o.binds[1].access, "rw");
        assert_string_equal(l.o.binds[2].source, "/x:y");
        assert_string_equal(l.o.binds[2].target, "/z");
        assert_int_equal(l.o.deny.n, 2);
        assert_string_equal(l.o.deny.items[1], "/e");
        assert_int_equal(l.o.deny_write.n, 1);
        assert_int_equal(l.o.env.n, 3);
        assert_string_equal(l.o.env.items[0], "A=1");
        assert_string_equal(l.o.env.items[1], "CLI_TEST=value with space");
        assert_string_equal(l.o.env.items[2], "B=");
        assert_string_equal(l.o.workdir, "/g");
        assert_int_equal(l.o.limits[LIMIT_MEMORY], UINT64_C(1) << 30);
        assert_int_equal(l.o.limits[LIMIT_SWAP], 0);
        assert_int_equal(l.o.limits[LIMIT_PIDS], 10);
        assert_int_equal(l.o.limits[LIMIT_CPU], 2000000);
        assert_int_equal(l.o.limits[LIMIT_SCRATCH], UINT64_C(512) << 20);
        assert_int_equal(l.o.limits[LIMIT_NOFILE], 1024);
        assert_int_equal(l.o.limits_set, 1u << LIMIT_MEMORY | 1u << LIMIT_SWAP | 1u << LIMIT_PIDS |
                                                         1u << LIMIT_CPU | 1u << LIMIT_SCRATCH |
                                                         1u << LIMIT_NOFILE);
        assert_int_equal(l.o.idle_usec, 600 * USEC_PER_SEC);
        assert_int_equal(l.o.age_usec, 3600 * USEC_PER_SEC);
        assert_int_equal(l.o.timeout_usec, 250000);
        assert_string_equal(l.o.name, "s_1");
        options_done(&l.o);
}

static void test_cpus(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = { { "1", 1000000 }, { "0.5", 500000 }, { "1.000001", 1000001 }, { "64", 64000000 } };
        Line l;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[64];

                snprintf(line, sizeof(line), "ocsbctl create --cpus=%s", cases[i].text);
                good(&l, line);
                assert_int_equal(l.o.limits[LIMIT_CPU], cases[i].usec);
        }
}

static void test_wrong(void **state) {
        static const char *const lines[] = {
                "ocsbctl nosuchverb",
                "ocsbctl --nosuchoption",
                "ocsbctl list extra",
                "ocsbctl list --pty",
                "ocsbctl exec",
                "ocsbctl exec s1",
                "ocsbctl exec s1 --",
                "ocsbctl exec s1 ''",
                "ocsbctl exec ../x cmd",
                "ocsbctl exec S1 cmd",
                "ocsbctl exec s1 --timeout=0 cmd",
                "ocsbctl exec s1 --timeout=-1 cmd",
                "ocsbctl exec s1 --timeout=1y cmd",
                "ocsbctl exec s1 --timeout=99999999999999999999 cmd",
                "ocsbctl exec s1 -t -d cmd",
                "ocsbctl exec s1 -w relative cmd",
                "ocsbctl exec s1 -w /a/../b cmd",
                "ocsbctl exec s1 -w /a/ cmd",
                "ocsbctl exec s1 -E =x cmd",
                "ocsbctl exec s1 -E 1A=x cmd",
                "ocsbctl exec s1 -E A-B cmd",
                "ocsbctl exec s1 -E",
                "ocsbctl exec --memory=1G s1 cmd",
                "ocsbctl --host=x exec s1 cmd",
                "ocsbctl --json=short run cmd",
                "ocsbctl run",
                "ocsbctl run --",
                "ocsbctl run ''",
                "ocsbctl run --memory=1X cmd",
                "ocsbctl run --memory=-1 cmd",
                "ocsbctl run --memory= cmd",
                "ocsbctl run --memory=18446744073709551616 cmd",
                "ocsbctl run --memory=17179869184G cmd",
                "ocsbctl run --pids=0x10 cmd",
                "ocsbctl run --cpus=1. cmd",
                "ocsbctl run --cpus=.5 cmd",
                "ocsbctl run --cpus=1.1234567 cmd",
                "ocsbctl run --cpus=1,5 cmd",
                "ocsbctl run --cpus=18446744073709551615 cmd",
                "ocsbctl run --limit=nosuch=1 cmd",
                "ocsbctl run --limit=pids cmd",
                "ocsbctl run --limit=pid=1 cmd",
                "ocsbctl run --limit==1 cmd",
                "ocsbctl run --name=UPPER cmd",
                "ocsbctl run --name=123456789012345678901234567890123 cmd",
                "ocsbctl run --hostname=-x cmd",
                "ocsbctl run -p ../../etc/passwd cmd",
                "ocsbctl run --bind= cmd",
                "ocsbctl run --bind=relative cmd",
                "ocsbctl run --bind=/a:relative cmd",
                "ocsbctl run --bind=/a:/b:x cmd",
                "ocsbctl run --bind=/a:/b:rw:more cmd",
                "ocsbctl run --bind=:/b cmd",
                "ocsbctl run --deny=relative cmd",
                "ocsbctl shell s1 --memory=1G",
                "ocsbctl shell s1 --keep",
                "ocsbctl shell s1 s2",
                "ocsbctl kill s1 x",
                "ocsbctl kill s1 -1",
                "ocsbctl kill -s NOSUCH s1",
                "ocsbctl kill -s 0 s1",
                "ocsbctl kill -s 65 s1",
                "ocsbctl approve",
                "ocsbctl approve one",
                "ocsbctl lockdown",
                "ocsbctl lockdown maybe",
                "ocsbctl --host= list",
                "ocsbctl --host=-oProxyCommand=x list",
                "ocsbctl --json=xml list",
        };
        Line l;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                if (parse(&l, lines[i]) != -EINVAL)
                        fail_msg("accepted: %s", lines[i]);
                options_done(&l.o);
        }
}

static void test_too_many(void **state) {
        char line[1024] = "ocsbctl run";
        Line l;

        (void) state;
        for (unsigned i = 0; i < OPTIONS_BINDS_MAX; i++)
                snprintf(line + strlen(line), sizeof(line) - strlen(line), " --bind=/b%u", i);
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " cmd");
        good(&l, line);
        assert_int_equal(l.o.n_binds, OPTIONS_BINDS_MAX);
        options_done(&l.o);
        strcpy(line + strlen(line) - 3, "--bind=/more cmd");
        assert_int_equal(parse(&l, line), -EINVAL);
        options_done(&l.o);
}

static void test_signals(void **state) {
        (void) state;
        assert_int_equal(signal_from_string("TERM"), SIGTERM);
        assert_int_equal(signal_from_string("SIGTERM"), SIGTERM);
        assert_int_equal(signal_from_string("9"), SIGKILL);
        assert_int_equal(signal_from_string("64"), 64);
        assert_int_equal(signal_from_string("term"), -EINVAL);
        assert_int_equal(signal_from_string("SIG"), -EINVAL);
        assert_int_equal(signal_from_string(""), -EINVAL);
        assert_int_equal(signal_from_string("0"), -EINVAL);
}

/* Rows of the table: no letter and no name twice for one verb, and every verb's help can be printed. */
static void test_table(void **state) {
        (void) state;
        for (Verb v = 0; v < _VERB_MAX; v++) {
                FILE *f = fopen("/dev/null", "w");

                assert_non_null(f);
                options_print_help(f, v);
                fclose(f);
                for (size_t i = 0; i < option_table_size; i++)
                        for (size_t k = i + 1; k < option_table_size; k++) {
                                const OptionInfo *a = &option_table[i], *b = &option_table[k];

                                if (!(a->verbs & b->verbs & (UINT64_C(1) << v)))
                                        continue;
                                assert_false(a->letter && a->letter == b->letter);
                                assert_false(a->name && b->name && streq(a->name, b->name));
                        }
        }
}

static void test_exit_statuses(void **state) {
        static const struct {
                const char *name;
                int status;
        } cases[] = {
                { OCSB_ERROR_PREFIX "NoSuchSession", STATUS_NO_SUCH },
                { OCSB_ERROR_PREFIX "NoSuchExec", STATUS_NO_SUCH },
                { OCSB_ERROR_PREFIX "NotPermitted", STATUS_NOT_PERMITTED },
                { OCSB_ERROR_PREFIX "ApprovalPending", STATUS_NOT_PERMITTED },
                { OCSB_ERROR_PREFIX "CeilingExceeded", STATUS_NOT_PERMITTED },
                { OCSB_ERROR_PREFIX "Busy", STATUS_FAILURE },
                { "org.freedesktop.DBus.Error.AccessDenied", STATUS_NOT_PERMITTED },
                { "org.freedesktop.DBus.Error.ServiceUnknown", STATUS_NOT_RUNNING },
                { "org.freedesktop.DBus.Error.Spawn.ChildExited", STATUS_NOT_RUNNING },
                { "org.example.Other", STATUS_FAILURE },
                { NULL, STATUS_FAILURE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(error_exit_status(cases[i].name), cases[i].status);
        assert_true(error_wants_interaction(OCSB_ERROR_PREFIX "ApprovalPending"));
        assert_true(error_wants_interaction("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"));
        assert_false(error_wants_interaction(OCSB_ERROR_PREFIX "CeilingExceeded"));
        assert_false(error_wants_interaction(NULL));
}

/* What a daemon or a sandbox put into a message does not reach the terminal as it is (CVE-2023-28101). */
static void test_report_escapes(void **state) {
        int saved = dup(STDERR_FILENO), p[2];
        char text[512] = {};

        (void) state;
        assert_int_equal(pipe(p), 0);
        fflush(stderr);
        assert_true(dup2(p[1], STDERR_FILENO) >= 0);
        assert_int_equal(report_error("test", OCSB_ERROR_PREFIX "NoSuchSession",
                                         "a\033[2Kb\xe2\x80\xae"
                                         "c\nd\xff",
                                         true),
                        STATUS_NO_SUCH);
        fflush(stderr);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(p[1]);
        assert_true(read(p[0], text, sizeof(text) - 1) > 0);
        close(p[0]);
        close(saved);
        assert_string_equal(text, "Failed to test: a\\x1b[2Kb\\u{202e}c\\x0ad\\xff.\n"
                                  "Error: org.openclaw.Sandbox1.Error.NoSuchSession\n"
                                  "Hint: ocsbctl list shows the sessions that there are.\n");
}

static void test_session_request(void **state) {
        SessionRequest r;
        Line l;

        (void) state;
        /* The working directory, for the profiles that are made for it. */
        good(&l, "ocsbctl run cmd");
        assert_int_equal(session_request_open(&l.o, &r), 0);
        assert_string_equal(r.profile, "workspace");
        assert_int_equal(fd_kind(r.workspace), FD_KIND_PATH);
        assert_true(fcntl(r.workspace, F_GETFD) & FD_CLOEXEC);
        session_request_done(&r);
        good(&l, "ocsbctl run -p other cmd");
        assert_int_equal(session_request_open(&l.o, &r), 0);
        assert_int_equal(r.workspace, -EBADF);
        session_request_done(&r);
        good(&l, "ocsbctl create");
        assert_int_equal(session_request_open(&l.o, &r), 0);
        assert_string_equal(r.profile, "default");
        assert_int_equal(r.workspace, -EBADF);
        session_request_done(&r);
        good(&l, "ocsbctl create --profile-file=/dev/null");
        assert_int_equal(session_request_open(&l.o, &r), -ENOTSUP);
        good(&l, "ocsbctl create -w /nonexistent");
        assert_int_equal(session_request_open(&l.o, &r), -ENOENT);
        good(&l, "ocsbctl create -w /etc/passwd");
        assert_int_equal(session_request_open(&l.o, &r), -ENOTDIR);
        good(&l, "ocsbctl create --ro");
        assert_int_equal(session_request_open(&l.o, &r), -EINVAL);
        good(&l, "ocsbctl create --bind=/usr --bind=/nonexistent");
        assert_int_equal(session_request_open(&l.o, &r), -ENOENT);
        options_done(&l.o);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_destinations),
                cmocka_unit_test(test_firewall),
                cmocka_unit_test(test_command_words),
                cmocka_unit_test(test_session_options),
                cmocka_unit_test(test_cpus),
                cmocka_unit_test(test_wrong),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_signals),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_exit_statuses),
                cmocka_unit_test(test_report_escapes),
                cmocka_unit_test(test_session_request),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
