/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy-fixture.h"

#include <grp.h>

#define EVERYTHING                                                                                          \
        "'profiles': '*', 'allow_profile_data': true, 'roots': ['host-minimal', 'host'], 'networks': ['none'],"  \
        "'workspace': {'allowed': true}, 'grants': {'allowed': true}"

static Policy *below(const char *text) {
        Policy *p = builtin_policy();

        policy_prepend_ceiling(p, ceiling_of(text));
        return p;
}

static void test_t64_mistakes(_unused_ void **state) {
        static const struct {
                const char *text, *words;
        } mistakes[] = {
                { "[]", "must be an object" },
                { "{'colour': 1}",
                                "c.json: unknown key \"colour\"; there are: $schema, description, match, profiles" },
                { "{'allow': ['*']}", "unknown key \"allow\"" },
                { "{'profile': '*'}", "unknown key \"profile\"" },
                { "{'match': {'uids': [1]}}", "match: unknown key \"uids\"" },
                { "{'match': []}", "match: expected an object" },
                { "{'match': {'users': 'alice'}}", "match.users: expected a list" },
                { "{'match': {'users': ['']}}", "match.users[0]: the string is empty" },
                { "{'match': {'users': ['0']}}", "match.users[0]: \"0\" is not the id of an ordinary user" },
                { "{'match': {'users': [0]}}", "match.users[0]: \"0\" is not the id" },
                { "{'match': {'users': ['-1']}}", "\"-1\" is not the id" },
                { "{'match': {'users': [4294967295]}}", "\"4294967295\" is not the id" },
                { "{'match': {'users': [2147483648]}}", "\"2147483648\" is not the id" },
                { "{'match': {'users': ['0x3e8']}}", "\"0x3e8\" is not the id" },
                { "{'match': {'users': ['1000:']}}", "\"1000:\" is not the id" },
                { "{'match': {'groups': [1.5]}}", "match.groups[0]: expected a string, found a number with" },
                { "{'profiles': 'default'}", "profiles: expected a list of names, or \"*\"" },
                { "{'profiles': ['*']}", "\"*\" is not a profile's name" },
                { "{'profiles': ['']}", "profiles[0]: the string is empty" },
                { "{'profiles': null}", "profiles: expected a list, found null" },
                { "{'allow_profile_data': 'true'}", "allow_profile_data: expected true or false, found a string" },
                { "{'roots': 'host'}", "roots: expected a list" },
                { "{'roots': ['image']}", "roots: \"image\" is not known" },
                { "{'networks': ['host']}", "networks: \"host\" is not known" },
                { "{'read': ['$WORKDIR']}", "read[0]: $WORKDIR is chosen by the request" },
                { "{'write': ['${WORKDIR}/x']}", "write[0]: $WORKDIR is chosen by the request" },
                { "{'write': ['/srv/']}", "write[0]: path \"/srv/\": not a plain path" },
                { "{'exec': ['~']}", "exec[0]: path \"~\"" },
                { "{'workspace': true}", "workspace: expected an object" },
                { "{'workspace': {'allow': true}}", "workspace: unknown key \"allow\"; there are: allowed, beneath" },
                { "{'grants': {'beneath': [null]}}", "grants.beneath[0]: expected a string, found null" },
                { "{'grants': {'beneath': ['']}}", "grants.beneath[0]: the string is empty" },
                { "{'allow_denied': ['.ssx']}", "allow_denied[0]: \".ssx\" is not denied" },
                { "{'allow_denied': ['/home/alice/.ssh']}", "is not denied; ocsb-profile(5) has the names" },
                { "{'limits': {'memory': 5}}", "limits.memory: limit memory: must be at least" },
                { "{'quotas': {'session': 5}}",
                                "quotas: unknown key \"session\"; there are: sessions, execs, pending" },
                { "{'quotas': {'sessions': -1}}", "quotas.sessions: a negative number" },
                { "{'quotas': {'sessions': 1000001}}", "quotas.sessions: must be at most" },
                { "{'idle': '0'}", "idle: must be more than 0" },
        };

        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++) {
                g_autofree char *json = g_strdup(mistakes[i].text), *why = NULL;
                Ceiling *c = NULL;

                g_strdelimit(json, "'", '"');
                if (ceiling_parse("c.json", json, strlen(json), &c, &why) == 0)
                        fail_msg("accepted: %s", json);
                assert_null(c);
                if (!strstr(why, mistakes[i].words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", json, why, mistakes[i].words);
        }
}

/* What is not said, or said to be nothing, allows nothing. */
static void test_t91_empty_allows_nothing(_unused_ void **state) {
        static const struct {
                const char *ceiling, *words;
        } rows[] = {
                { "{}", "test ceiling does not allow profile \"default\" (\"profiles\")" },
                { "{'profiles': []}", "does not allow profile" },
                { "{'profiles': ['readonly']}", "does not allow profile" },
                { "{'profiles': '*'}", "does not allow root \"host-minimal\" (\"roots\")" },
                { "{'profiles': '*', 'roots': []}", "does not allow root" },
                { "{'profiles': '*', 'roots': ['host']}", "does not allow root" },
                { "{'profiles': '*', 'roots': ['host-minimal']}", "does not allow network \"none\" (\"networks\")" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': []}", "does not allow network" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none']}",
                                "workspace is not allowed by test ceiling" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {}}",
                                "workspace is not allowed" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {'allowed': "
                  "false}}",
                                "workspace is not allowed" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {'beneath': "
                  "['/home']}}",
                                "workspace is not allowed" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {'allowed': true, "
                  "'beneath': []}}",
                                "is not beneath a directory that test ceiling allows" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {'allowed': "
                  "true}}",
                                "a grant by descriptor is not allowed by test ceiling" },
                { "{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'], 'workspace': {'allowed': true},"
                  " 'grants': {'allowed': true, 'beneath': []}}",
                                "a grant by descriptor \"/srv/data\" is not beneath" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(policy_freep) Policy *p = below(rows[i].ceiling);
                Request *q = with_workspace(request_for("default"), "/home/alice/p");

                refused(p, with_grant(q, "/srv/data", "/data", 0), POLICY_E_CEILING, rows[i].words);
        }
}

static void test_paths_are_not_allowed_unless_named(_unused_ void **state) {
        static const struct {
                const char *more, *filesystem;
                bool allowed;
        } rows[] = {
                { "", "'read': ['/srv/x']", false },
                { ", 'read': []", "'read': ['/srv/x']", false },
                { ", 'read': ['/srv']", "'read': ['/srv/x']", true },
                { ", 'read': ['/srv']", "'read': ['/srv']", true },
                { ", 'read': ['/srv']", "'read': ['/srvx']", false },
                { ", 'read': ['/srv']", "'exec': ['/srv/x']", false },
                { ", 'read': ['/srv']", "'write': ['/srv/x']", false },
                { ", 'exec': ['/srv']", "'read': ['/srv/x']", true },
                { ", 'exec': ['/srv']", "'exec': ['/srv/x']", true },
                { ", 'write': ['/srv']", "'write': ['/srv/x']", true },
                { ", 'write': ['/srv']", "'all': ['/srv/x']", false },
                { ", 'exec': ['/srv']", "'all': ['/srv/x']", false },
                { ", 'write': ['/srv'], 'exec': ['/srv/x']", "'all': ['/srv/x']", true },
                { ", 'write': ['/srv'], 'exec': ['/srv/x']", "'all': ['/srv/y']", false },
                { ", 'write': ['$HOME/w']", "'write': ['/home/alice/w/x']", true },
                { ", 'write': ['$HOME/w']", "'write': ['/home/bob/w/x']", false },
                { ", 'read': ['/']", "'read': ['/srv/x']", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                g_autofree char *ceiling = g_strdup_printf("{" EVERYTHING "%s}", rows[i].more);
                g_autofree char *data = g_strdup_printf("{'filesystem': {%s}}", rows[i].filesystem);
                g_autofree char *optional = g_strdup_printf("{'filesystem': {'optional': {%s}}}", rows[i].filesystem);
                _cleanup_(policy_freep) Policy *p = below(ceiling);
                PolicyResult r;

                if (rows[i].allowed) {
                        r = resolved(p, request_with(data));
                        policy_result_done(&r);
                        continue;
                }
                refused(p, request_with(data), POLICY_E_CEILING, "profile test grants \"");
                /* an optional grant above the ceiling is dropped and listed */
                r = resolved(p, request_with(optional));
                assert_null(find_mount(&r, "/srv/x"));
                assert_says(explained(&r, "dropped", "from", "profile test", "reason"),
                                "test ceiling does not allow it");
                policy_result_done(&r);
        }
}

/* $HOME is not set for who has none; then "beneath $HOME" is nowhere, not everywhere. */
static void test_unset_variable_allows_nothing(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{" EVERYTHING ", 'read': ['$HOME'], 'write': ['$HOME']}");
        static const char *const homes[] = { NULL, "/", "/root", "/usr/games" };

        for (size_t i = 0; i < ELEMENTSOF(homes); i++) {
                Caller c = alice();

                c.home = (char *) homes[i];
                refused_for(p, &c, request_with("{'filesystem': {'read': ['/srv']}}"), POLICY_E_CEILING,
                                "does not allow it");
                refused_for(p, &c, request_with("{'filesystem': {'read': ['$HOME/x']}}"), POLICY_E_INVALID_ARGUMENT,
                                "$HOME is not set for this user");
        }
}

static void test_beneath(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'],"
                        "'workspace': {'allowed': true, 'beneath': ['$HOME/projects', '/srv/agents/$USER']},"
                        "'grants': {'allowed': true, 'beneath': ['/srv/data']}}");
        static const char *const good[] = { "/home/alice/projects", "/home/alice/projects/a/b", "/srv/agents/alice" };
        static const char *const bad[] = { "/home/alice", "/home/alice/projects2", "/srv/agents/bob", "/srv/agents",
                "/tmp/x" };
        PolicyResult r;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                r = resolved(p, with_workspace(request_for("workspace"), good[i]));
                policy_result_done(&r);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refused(p, with_workspace(request_for("workspace"), bad[i]), POLICY_E_CEILING,
                                "is not beneath a directory");
        {
                Caller c = alice();
                Variables v = variables_of(&c);

                assert_false(ceiling_allows_descriptor(&(CeilingBeneath) {}, &v, "/srv"));
                assert_true(ceiling_allows_descriptor(&(CeilingBeneath) { .allowed = true }, &v, "/srv"));
                assert_true(ceiling_allows_descriptor(&(CeilingBeneath) { .allowed = true }, &v, NULL));
        }
        /* a directory of which nobody knows where it is */
        refused(p, with_workspace(request_for("workspace"), NULL), POLICY_E_CEILING, "the host path is not known");
        refused(p, with_workspace(request_for("workspace"), "/home/alice/projects/x (deleted)/../.."), POLICY_E_CEILING,
                        "the host path is not known");
        refused(p, with_grant(request_for("default"), "/srv/other", "/data", 0), POLICY_E_CEILING, "is not beneath");
        r = resolved(p, with_grant(request_for("default"), "/srv/data/x", "/data", PLAN_MOUNT_WRITE));
        assert_int_equal(find_mount(&r, "/data")->flags, PLAN_MOUNT_WRITE);
        policy_result_done(&r);
}

static bool matches(const char *match) {
        g_autofree char *text = g_strdup_printf("{'match': %s}", match);
        _cleanup_(ceiling_freep) Ceiling *c = ceiling_of(text);
        Caller caller = alice();

        return ceiling_matches(c, &caller);
}

static void test_match(_unused_ void **state) {
        const struct group *own = getgrgid(getgid());
        _cleanup_(ceiling_freep) Ceiling *everybody = ceiling_of("{}");
        Caller caller = alice();

        assert_true(ceiling_matches(everybody, &caller));
        assert_true(matches("{'users': ['alice']}"));
        assert_true(matches("{'users': ['bob', 'alice']}"));
        assert_true(matches("{'users': ['1000']}"));
        assert_true(matches("{'users': [1000]}"));
        assert_true(matches("{'users': ['bob'], 'groups': [1004]}"));
        assert_true(matches("{'groups': [1000]}"));
        assert_true(matches("{'groups': ['100']}"));
        assert_false(matches("{}"));
        assert_false(matches("{'users': []}"));
        assert_false(matches("{'users': [], 'groups': []}"));
        assert_false(matches("{'users': ['Alice', 'ali', 1001]}"));
        assert_false(matches("{'groups': ['alice', 1001]}"));
        assert_false(matches("{'groups': ['no-such-group']}"));
        /* a name of a group is looked up */
        if (own && own->gr_gid > 0) {
                g_autofree char *match = g_strdup_printf("{'groups': ['%s']}", own->gr_name);
                g_autofree char *text = g_strdup_printf("{'match': %s}", match);
                _cleanup_(ceiling_freep) Ceiling *c = ceiling_of(text);

                assert_false(ceiling_matches(c, &caller));
                caller.gid = own->gr_gid;
                assert_true(ceiling_matches(c, &caller));
        }
}

/* The first in the order of names; the built-in one for whom there is none. */
static void test_first_match_holds(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = builtin_policy();
        PolicyResult quota = {};
        Caller c = alice();

        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 64);
        assert_int_equal(quota.max_execs, 256);
        assert_int_equal(quota.max_pending, 4);
        policy_prepend_ceiling(p, ceiling_of("{'match': {'users': ['alice']}, 'quotas': {'sessions': 2}}"));
        policy_prepend_ceiling(p, ceiling_of("{'match': {'users': ['bob']}, 'quotas': {'sessions': 0, 'execs': 9}}"));
        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 2);
        assert_int_equal(quota.max_execs, 256);
        c.user = (char *) "bob";
        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 0);
        assert_int_equal(quota.max_execs, 9);
        c.user = (char *) "carol";
        policy_quota(p, &c, &quota);
        assert_int_equal(quota.max_sessions, 64);
}

static uint64_t limit_of(Policy *p, Request *q, size_t i) {
        PolicyResult r = resolved(p, q);
        uint64_t v = limit_get(&r.plan->limits, i);

        policy_result_done(&r);
        return v;
}

static Request *ask(const char *profile, size_t i, uint64_t v) {
        Request *q = request_for(profile);

        *limit_at(&q->limits, i) = v;
        q->limits_set = UINT32_C(1) << i;
        return q;
}

static void test_limits(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p =
                        below("{" EVERYTHING
                              ", 'limits': {'memory': '1G', 'pids': 100, 'scratch': '64M', 'nofile': 100000}}");
        enum { MEMORY, SWAP, PIDS, CPU, IO_WEIGHT, SCRATCH, NOFILE };

        /* not asked: the ceiling's, or the lower of default and ceiling */
        assert_int_equal(limit_of(p, request_for("default"), MEMORY), 1u << 30);
        assert_int_equal(limit_of(p, request_for("default"), PIDS), 100);
        assert_int_equal(limit_of(p, request_for("default"), SCRATCH), 64u << 20);
        assert_int_equal(limit_of(p, request_for("default"), NOFILE), 65536);
        assert_true(limit_of(p, request_for("default"), CPU) == PLAN_UNLIMITED);
        /* asked within */
        assert_int_equal(limit_of(p, ask("default", MEMORY, 1u << 30), MEMORY), 1u << 30);
        assert_int_equal(limit_of(p, ask("default", NOFILE, 100000), NOFILE), 100000);
        assert_int_equal(limit_of(p, request_with("{'limits': {'pids': 7}}"), PIDS), 7);
        /* asked above */
        refused(p, ask("default", MEMORY, (1u << 30) + 1), POLICY_E_CEILING,
                        "request asks for a limit memory of 1073741825, test ceiling allows 1073741824");
        refused(p, ask("default", MEMORY, PLAN_UNLIMITED), POLICY_E_INVALID_ARGUMENT, "limit memory");
        refused(p, request_with("{'limits': {'pids': 101}}"), POLICY_E_CEILING,
                        "profile test asks for a limit pids of 101, test ceiling allows 100");
        /* a request replaces what the profile asks, also upwards */
        {
                Request *q = request_with("{'limits': {'pids': 7}}");

                q->limits.pids = 50;
                q->limits_set = UINT32_C(1) << PIDS;
                assert_int_equal(limit_of(p, q, PIDS), 50);
        }
        /* what no plan may have is refused by name */
        refused(p, ask("default", MEMORY, 1), POLICY_E_INVALID_ARGUMENT,
                        "limit memory: must be at least 1048576 bytes");
        refused(p, ask("default", NOFILE, 8), POLICY_E_INVALID_ARGUMENT, "limit nofile");
        {
                Request *q = request_for("default");

                q->limits_set = UINT32_C(1) << LIMITS_N;
                refused(p, q, POLICY_E_INVALID_ARGUMENT, "an unknown limit");
        }
}

static void test_unlimited_by_default(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = builtin_policy();
        PolicyResult r = resolved(p, request_for("default"));
        const PlanLimits *l = &r.plan->limits;

        assert_true(l->memory == PLAN_UNLIMITED && l->swap == PLAN_UNLIMITED && l->pids == PLAN_UNLIMITED &&
                        l->cpu == PLAN_UNLIMITED && l->io_weight == PLAN_UNLIMITED && l->fsize == PLAN_UNLIMITED);
        assert_int_equal(l->scratch, 512u << 20);
        assert_int_equal(l->nofile, 65536);
        assert_int_equal(l->nproc, 4096);
        assert_int_equal(l->execs, 64);
        assert_true(r.plan->idle_usec == USEC_INFINITY && r.plan->age_usec == USEC_INFINITY);
        policy_result_done(&r);
}

static void test_times(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{" EVERYTHING ", 'idle': '1h', 'max_age': '1d'}");
        Request *q = request_for("default");
        PolicyResult r = resolved(p, q);

        assert_int_equal(r.plan->idle_usec, 3600 * USEC_PER_SEC);
        assert_int_equal(r.plan->age_usec, 86400 * USEC_PER_SEC);
        policy_result_done(&r);
        q = request_for("default");
        q->idle_usec = 60 * USEC_PER_SEC;
        r = resolved(p, q);
        assert_int_equal(r.plan->idle_usec, 60 * USEC_PER_SEC);
        policy_result_done(&r);
        q = request_for("default");
        q->idle_usec = 3601 * USEC_PER_SEC;
        refused(p, q, POLICY_E_CEILING, "idle: test ceiling allows at most 3600 seconds");
        refused(p, request_with("{'max_age': '2d'}"), POLICY_E_CEILING,
                        "max-age: test ceiling allows at most 86400 seconds");
}

static void test_profiles(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{'profiles': ['readonly', 'default'], 'roots': ['host-minimal'],"
                        "'networks': ['none'], 'workspace': {'allowed': true}}");
        PolicyResult r;

        r = resolved(p, request_for("default"));
        policy_result_done(&r);
        r = resolved(p, request_for(""));
        assert_string_equal(r.plan->profile, "default");
        policy_result_done(&r);
        refused(p, request_for("workspace"), POLICY_E_CEILING, "does not allow profile \"workspace\"");
        /* a profile of one's own, whatever it is called */
        refused(p, request_with("{}"), POLICY_E_CEILING, "test ceiling allows stored profiles only");
        {
                Request *q = request_with("{'extends': 'readonly'}");

                g_free(q->profile);
                q->profile = g_strdup("readonly");
                refused(p, q, POLICY_E_CEILING, "stored profiles only (\"allow_profile_data\")");
        }
        refused(p, request_with("{'root': 'host'}"), POLICY_E_CEILING, "stored profiles only");
}

/* The built-in ceiling: one's own home, and the system to read. */
static void test_builtin(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = builtin_policy();
        static const char *const good[] = {
                "{'root': 'host', 'filesystem': {'exec': ['/usr', '/etc/alternatives/../x']}}",
                "{'root': 'host', 'filesystem': {'exec': ['/usr', '/bin'], 'read': ['/etc'], 'all': ['$HOME/src']}}",
                "{'filesystem': {'read': ['/opt/x'], 'exec': ['/opt/y'], 'write': ['/home/alice/z']}}",
        };
        static const char *const bad[] = {
                "{'filesystem': {'read': ['/home/bob']}}",
                "{'filesystem': {'read': ['/home']}}",
                "{'filesystem': {'read': ['/srv']}}",
                "{'filesystem': {'read': ['/var/lib/x']}}",
                "{'filesystem': {'read': ['/tmp/x']}}",
                "{'filesystem': {'write': ['/opt/x']}}",
                "{'filesystem': {'exec': ['/etc']}}",
        };

        for (size_t i = 1; i < ELEMENTSOF(good); i++) {
                PolicyResult r = resolved(p, request_with(good[i]));

                policy_result_done(&r);
        }
        refused(p, request_with(good[0]), POLICY_E_PROFILE_INVALID, "not a plain path");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refused(p, request_with(bad[i]), POLICY_E_CEILING, "profile test grants");
}

static void lifts(const char *name, const char *data, const char *host, const char *denied) {
        g_autofree char *text = g_strdup_printf(
                        "{" EVERYTHING ", 'write': ['$HOME'], 'exec': ['$HOME'], 'allow_denied': ['%s']}", name);
        _cleanup_(policy_freep) Policy *p = below(text);
        Request *q = data ? request_with(data) : with_workspace(request_for("workspace"), host);
        PolicyResult r = resolved(p, q);

        assert_int_equal(find_denial(&r, denied), -1);
        assert_says(explained(&r, "lifted", "denial", name, "from"), "test ceiling");
        policy_result_done(&r);
}

/* Only a ceiling lifts a mandatory denial, by its name, and only that one. */
static void test_allow_denied(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p =
                        below("{" EVERYTHING ", 'write': ['$HOME'], 'allow_denied': ['.git/config', '.aws']}");
        PolicyResult r;

        lifts(".git/config", NULL, "/home/alice/p", "/workspace/.git/config");
        lifts(".ssh", NULL, "/home/alice", "/workspace/.ssh");
        lifts(".ssh", "{'filesystem': {'read': ['$HOME/.ssh']}}", NULL, "/home/alice/.ssh");
        lifts(".claude", "{'filesystem': {'all': ['$HOME/.claude']}}", NULL, "/home/alice/.claude");
        lifts(".claude", NULL, "/home/alice/p", "/workspace/.claude");

        r = resolved(p, with_workspace(request_for("workspace"), "/home/alice"));
        assert_int_equal(find_denial(&r, "/workspace/.git/config"), -1);
        assert_int_equal(find_denial(&r, "/workspace/.aws"), -1);
        assert_int_equal(find_denial(&r, "/workspace/.git/hooks"), PLAN_DENY_WRITE);
        assert_int_equal(find_denial(&r, "/workspace/.ssh"), PLAN_DENY_ALL);
        policy_result_done(&r);
        refused(p, request_with("{'filesystem': {'read': ['$HOME/.ssh']}}"), POLICY_E_CEILING,
                        "only a ceiling can lift that (\"allow_denied\": [\".ssh\"])");
        refused(p, request_with("{'allow_denied': ['.ssh']}"), POLICY_E_PROFILE_INVALID,
                        "unknown key \"allow_denied\"");
}

/* What a symbolic link led to is held to the same. */
static void test_t20_resolved_sources(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = builtin_policy();
        static const struct {
                const char *path;
                uint32_t flags;
                const char *words; /* NULL: allowed */
        } rows[] = {
                { "/home/alice/src", PLAN_MOUNT_WRITE, NULL },
                { "/usr/share", 0, NULL },
                { "/run/docker.sock", 0, "which no sandbox may have" },
                { "/etc", PLAN_MOUNT_WRITE, "which no sandbox may have" },
                { "/srv/x", 0, "which built-in ceiling does not allow" },
                { "/home/alice/.ssh", 0, "where \".ssh\" is denied (private keys)" },
                { "/home/alice/.ssh/keys", 0, "where \".ssh\" is denied" },
                { "/home/alice", 0, "where \".ssh\" is denied" },
                { "/home/alice/.config", 0, "is denied" },
                { "/home/alice/.bashrc", 0, NULL },
                { "/home/alice/.bashrc", PLAN_MOUNT_WRITE, "where \".bashrc\" is denied" },
                { "not/absolute", 0, "which no sandbox may have" },
        };
        Caller c = alice();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                g_autofree char *why = NULL;
                int k = policy_check_source(p, &c, rows[i].path, rows[i].flags, &why);

                assert_int_equal(k, rows[i].words ? POLICY_E_CEILING : POLICY_OK);
                if (rows[i].words && !strstr(why, rows[i].words))
                        fail_msg("\"%s\" does not say \"%s\"", why, rows[i].words);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_t64_mistakes),
                cmocka_unit_test(test_t91_empty_allows_nothing),
                cmocka_unit_test(test_paths_are_not_allowed_unless_named),
                cmocka_unit_test(test_unset_variable_allows_nothing),
                cmocka_unit_test(test_beneath),
                cmocka_unit_test(test_match),
                cmocka_unit_test(test_first_match_holds),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_unlimited_by_default),
                cmocka_unit_test(test_times),
                cmocka_unit_test(test_profiles),
                cmocka_unit_test(test_builtin),
                cmocka_unit_test(test_allow_denied),
                cmocka_unit_test(test_t20_resolved_sources),
        };

        return RUN_TESTS(tests);
}
