/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy-fixture.h"

static int parse(const char *text, Profile **ret, char **ret_why) {
        g_autofree char *json = g_strdup(text);

        g_strdelimit(json, "'", '"');
        return profile_parse("test.json", NULL, "test", json, strlen(json), ret, ret_why);
}

static Profile *parsed(const char *text) {
        g_autofree char *why = NULL;
        Profile *p = NULL;

        if (parse(text, &p, &why) < 0)
                fail_msg("%s: %s", text, why);
        return p;
}

/* Every mistake is refused with its place and what is wrong with it; keys of other formats are mistakes, too (T64). */
static void test_mistakes(_unused_ void **state) {
        static const struct {
                const char *text, *words;
        } mistakes[] = {
                { "", "test.json: line" },
                { "[]", "must be an object" },
                { "'x'", "test.json: line 1" },
                { "{} {}", "end of file expected" },
                { "{'name': 'a', 'name': 'b'}", "duplicate object key" },
                { "{/* comment */}", "test.json: line 1" },
                { "{'network': 'none',}", "test.json: line 1" },
                { "{'colour': 'red'}", "unknown key \"colour\"; there are: $schema, name," },
                { "{'binds': ['/:/host']}", "unknown key \"binds\"" },
                { "{'Network': 'none'}", "unknown key \"Network\"" },
                { "{'workspace': {'mode': 'rw'}}", "workspace: unknown key \"mode\"" },
                { "{'filesystem': {'optional': {'optional': {}}}}", "filesystem.optional: unknown key \"optional\"" },
                { "{'limits': {'ram': 5}}", "limits: unknown key \"ram\"" },
                { "{'limits': {'io-weight': 5}}", "unknown key \"io-weight\"; there are: memory" },
                { "{'name': 7}", "name: expected a string, found an integer" },
                { "{'name': null}", "name: expected a string, found null" },
                { "{'name': ''}", "name: the string is empty" },
                { "{'name': 'A'}", "name: a name is" },
                { "{'name': 'a..b'}", "name: a name is" },
                { "{'description': ['x']}", "description: expected a string, found a list" },
                { "{'extends': 1}", "extends: expected a string or a list of strings" },
                { "{'extends': ['default', '../x']}", "\"../x\" is not a profile's name" },
                { "{'extends': ['']}", "extends[0]: the string is empty" },
                { "{'extends': [null]}", "extends[0]: expected a string, found null" },
                { "{'root': 'image'}", "root: \"image\" is none of: host-minimal, host" },
                { "{'network': 'host'}", "network: \"host\" is none of: none, nat" },
                { "{'network': 'container:abc'}", "network: \"container:abc\"" },
                { "{'network': true}", "network: expected a string, found true or false" },
                { "{'workspace': 'rw'}", "workspace: expected an object, found a string" },
                { "{'workspace': {'access': 'write'}}", "workspace.access: \"write\" is none of: rw, ro, none" },
                { "{'workspace': {'path': 'workspace'}}", "workspace.path: path \"workspace\": not absolute" },
                { "{'workspace': {'required': 'yes'}}",
                                "workspace.required: expected true or false, found a string" },
                { "{'workspace': {'required': 1}}", "workspace.required: expected true or false, found an integer" },
                { "{'filesystem': ['/opt']}", "filesystem: expected an object, found a list" },
                { "{'filesystem': {'read': '/opt'}}", "filesystem.read: expected a list, found a string" },
                { "{'filesystem': {'read': ['/opt', '']}}", "filesystem.read[1]: the string is empty" },
                { "{'filesystem': {'read': [null]}}", "filesystem.read[0]: expected a string, found null" },
                { "{'filesystem': {'read': ['/opt/']}}", "filesystem.read[0]: path \"/opt/\": not a plain path" },
                { "{'filesystem': {'read': ['//opt']}}", "not a plain path" },
                { "{'filesystem': {'write': ['/opt/../etc']}}",
                                "filesystem.write[0]: path \"/opt/../etc\": not a plain path" },
                { "{'filesystem': {'read': ['~/x']}}", "\"~\" means nothing here, write $HOME" },
                { "{'filesystem': {'read': ['$NOPE/x']}}", "no such variable; there are $HOME" },
                { "{'filesystem': {'read': ['$PATH']}}", "no such variable" },
                { "{'filesystem': {'read': ['/a$']}}", "no such variable" },
                { "{'filesystem': {'read': ['${HOME/x']}}", "no such variable" },
                { "{'filesystem': {'read': ['$$HOME']}}", "no such variable" },
                { "{'filesystem': {'read': ['/x/$HOME']}}", "not a plain path" },
                { "{'filesystem': {'optional': {'all': ['x']}}}",
                                "filesystem.optional.all[0]: path \"x\": not absolute" },
                { "{'deny': {}}", "deny: expected a list, found an object" },
                { "{'deny_write': ['.git']}", "deny_write[0]: path \".git\": not absolute" },
                { "{'env': ['A=b']}", "env: expected an object" },
                { "{'env': {'A': 1}}", "env.A: expected a string" },
                { "{'env': {'A B': 'x'}}", "env.A B: not the name of an environment variable" },
                { "{'env': {'A=B': 'x'}}", "not the name of an environment variable" },
                { "{'env': {'': 'x'}}", "not the name of an environment variable" },
                { "{'env': {'1A': 'x'}}", "not the name of an environment variable" },
                { "{'hostname': 'a.b'}", "hostname: a host name has" },
                { "{'workdir': 'src'}", "workdir: path \"src\": not absolute" },
                { "{'limits': []}", "limits: expected an object, found a list" },
                { "{'limits': {'memory': 1.5}}",
                                "limits.memory: expected an integer or a string such as \"512M\", found a number "
                                "with" },
                { "{'limits': {'memory': '1.5G'}}", "limits.memory: \"1.5G\" is not of the form \"512M\"" },
                { "{'limits': {'memory': '-1'}}", "limits.memory: \"-1\" is not of the form" },
                { "{'limits': {'memory': -1}}", "limits.memory: a negative number" },
                { "{'limits': {'memory': '99999999999T'}}", "limits.memory: the number is too large" },
                { "{'limits': {'memory': 99999999999999999999}}", "too big integer" },
                { "{'limits': {'memory': 1000}}", "limits.memory: limit memory: must be at least 1048576 bytes" },
                { "{'limits': {'pids': '10'}}", "limits.pids: expected an integer, found a string" },
                { "{'limits': {'pids': 0}}", "limit pids: must be at least 1 tasks" },
                { "{'limits': {'cpu': '150'}}", "limits.cpu: \"150\" is not of the form \"150%\"" },
                { "{'limits': {'cpu': '%'}}", "limits.cpu: \"%\" is not of the form" },
                { "{'limits': {'cpu': '1.5%'}}", "is not of the form \"150%\"" },
                { "{'limits': {'io_weight': 10001}}", "limit io_weight: must be from 1 to 10000" },
                { "{'limits': {'nofile': 8}}", "limit nofile: must be from 16 to 1048576 files" },
                { "{'limits': {'execs': 5000}}", "limit execs: must be from 1 to 4096 execs" },
                { "{'idle': '5 minutes'}", "idle: \"5 minutes\" is not of the form \"90s\"" },
                { "{'idle': 0}", "idle: must be more than 0" },
                { "{'max_age': 18446744073710}", "max_age: the number is too large" },
                { "{'scratch': '1G'}", "unknown key \"scratch\"" },
                { "{'description': 'a\\u0000b'}", "test.json: line 1" },
                { "{'$schema': 5}", "$schema: expected a string" },
        };

        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++) {
                g_autofree char *why = NULL;
                Profile *p = NULL;

                if (parse(mistakes[i].text, &p, &why) == 0)
                        fail_msg("accepted: %s", mistakes[i].text);
                assert_null(p);
                if (!g_str_has_prefix(why, "test.json: ") || !strstr(why, mistakes[i].words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", mistakes[i].text, why, mistakes[i].words);
        }
}

static void refused_bytes(const char *text, size_t n, const char *words) {
        g_autofree char *why = NULL;
        Profile *p = NULL;

        assert_int_equal(profile_parse("test.json", NULL, "test", text, n, &p, &why), -EINVAL);
        assert_null(p);
        if (!strstr(why, words))
                fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void test_bounds(_unused_ void **state) {
        g_autoptr(GString) s = g_string_new("{\"description\": \"");

        /* a NUL, between tokens and within one */
        refused_bytes("{}\0", 3, "contains a NUL byte");
        refused_bytes("{\"na\0me\": 1}", 12, "contains a NUL byte");
        refused_bytes("{\"name\": \"\xff\"}", 13, "is not valid UTF-8");
        refused_bytes("{\"name\": \"\xed\xa0\x80\"}", 15, "is not valid UTF-8");

        /* 64 KiB and no byte more */
        while (s->len < JSON_BYTES_MAX + 1)
                g_string_append_c(s, 'x');
        refused_bytes(s->str, s->len, "longer than 64 KiB");
        g_string_truncate(s, JSON_BYTES_MAX - 2);
        g_string_append(s, "\"}");
        refused_bytes(s->str, s->len, "description: longer than 400 bytes");

        /* depth is counted before the parser recurses, and not in strings */
        g_string_assign(s, "{\"deny\": ");
        for (size_t i = 0; i < 20000; i++)
                g_string_append_c(s, '[');
        refused_bytes(s->str, s->len, "nested deeper than 8 levels");
        g_string_assign(s, "{\"env\": {\"A\": \"[[[[[[[[[[{{{{{{{{{{ \\\" [[[[[[[[\"}}");
        {
                g_autofree char *why = NULL;
                Profile *p = NULL;

                assert_int_equal(profile_parse("t", NULL, "t", s->str, s->len, &p, &why), 0);
                profile_free(p);
        }

        g_string_assign(s, "{\"deny\": [");
        for (size_t i = 0; i <= JSON_LIST_MAX; i++)
                g_string_append_printf(s, "%s\"/a%zu\"", i > 0 ? "," : "", i);
        g_string_append(s, "]}");
        refused_bytes(s->str, s->len, "deny: more than 512 elements");
}

/* Control and bidi characters of a document reach no terminal through its error (T62). */
static void test_t62_errors_are_escaped(_unused_ void **state) {
        static const char *const hostile[] = {
                "{\"\\u001b[31mred\": 1}",
                "{\"x\\n\\u202eevil\": 1}",
                "{\"root\": \"\\u001b]0;title\\u0007\"}",
                "{\"filesystem\": {\"read\": [\"/a\\u009b31m\"]}, \"zzz\\u2066\": 1}",
                "{\"env\": {\"A\\u001b[2J\": \"x\"}}",
                "{\"limits\": {\"memory\": \"\\r\\u001bc\"}}",
                "{\"extends\": \"\\u200b\"}",
                "{\x1b\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                g_autofree char *why = NULL;
                Profile *p = NULL;

                assert_int_equal(profile_parse("o\x1b[31m\xe2\x80\xae", NULL, "test", hostile[i], strlen(hostile[i]),
                                                 &p, &why),
                                -EINVAL);
                assert_true(utf8_is_valid(why, strlen(why)));
                for (const char *s = why; *s; s++)
                        assert_true((unsigned char) *s >= ' ' && *s != 0x7f);
                assert_null(strstr(why, "\xe2\x80\xae"));
                assert_null(strstr(why, "\xe2\x81\xa6"));
                assert_null(strstr(why, "\xc2\x9b"));
                assert_true(strlen(why) < 2000);
        }
        /* 64 KiB of key are not repeated */
        {
                g_autofree char *key = g_strnfill(60000, 'k'), *text = g_strdup_printf("{\"%s\": 1}", key), *why = NULL;
                Profile *p = NULL;

                assert_int_equal(profile_parse("t", NULL, "t", text, strlen(text), &p, &why), -EINVAL);
                assert_true(strlen(why) < 1000);
        }
}

static void test_values(_unused_ void **state) {
        _cleanup_(profile_freep) Profile *p =
                        parsed("{'$schema': 'x', 'name': 'p1', 'description': 'd', 'root': 'host', 'network': 'none',"
                               " 'workspace': {'access': 'ro', 'path': '/w', 'required': true},"
                               " 'filesystem': {'read': ['/opt'], 'write': ['$HOME/a'], 'exec': ['/usr'], 'all': "
                               "['${HOME}/b'],"
                               "                'optional': {'read': ['/srv'], 'all': ['/x-$UID']}},"
                               " 'deny': ['$HOME/.k'], 'deny_write': ['$WORKDIR/.ci'], 'env': {'A': '', 'B': 'x=y'},"
                               " 'hostname': 'h', 'workdir': '$WORKDIR/src',"
                               " 'limits': {'memory': '512M', 'swap': 0, 'pids': 10, 'cpu': '150%', 'io_weight': "
                               "100, 'scratch': '1G',"
                               "            'nofile': 100, 'nproc': 20, 'fsize': 4096, 'execs': 3},"
                               " 'idle': '5m', 'max_age': 90}");
        static const uint32_t flags[] = { 0, PLAN_MOUNT_WRITE, PLAN_MOUNT_EXEC, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC,
                PLAN_MOUNT_OPTIONAL, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC | PLAN_MOUNT_OPTIONAL };

        assert_string_equal(p->name, "p1");
        assert_int_equal(p->root, PLAN_ROOT_HOST);
        assert_int_equal(p->access, PROFILE_ACCESS_RO);
        assert_int_equal(p->required, 1);
        assert_int_equal(p->grants->len, ELEMENTSOF(flags));
        for (guint i = 0; i < p->grants->len; i++)
                assert_int_equal(((ProfileItem *) p->grants->pdata[i])->value, flags[i]);
        assert_int_equal(p->denials->len, 2);
        assert_int_equal(((ProfileItem *) p->denials->pdata[1])->value, PLAN_DENY_WRITE);
        assert_string_equal(((ProfileItem *) p->env->pdata[0])->text, "A=");
        assert_string_equal(((ProfileItem *) p->env->pdata[1])->text, "B=x=y");
        assert_int_equal(p->limits.set, (1u << LIMITS_N) - 1);
        assert_int_equal(p->limits.values.memory, 512u << 20);
        assert_int_equal(p->limits.values.cpu, 1500000);
        assert_int_equal(p->limits.values.swap, 0);
        assert_int_equal(p->limits.values.execs, 3);
        assert_int_equal(p->idle_usec, 300 * USEC_PER_SEC);
        assert_int_equal(p->age_usec, 90 * USEC_PER_SEC);
}

static void test_variables(_unused_ void **state) {
        static const struct {
                const char *raw, *expanded;
        } table[] = {
                { "/opt", "/opt" },
                { "$HOME", "/home/alice" },
                { "${HOME}/x", "/home/alice/x" },
                { "/srv/$USER/$UID", "/srv/alice/1000" },
                { "$TMPDIR/openclaw-$UID", "/tmp/openclaw-1000" },
                { "/a${UID}b", "/a1000b" },
                { "$XDG_CONFIG_HOME/x", "/home/alice/.config/x" },
                { "$XDG_DATA_HOME", "/home/alice/.local/share" },
                { "$XDG_STATE_HOME", "/home/alice/.local/state" },
                { "$XDG_CACHE_HOME", "/home/alice/.cache" },
                { "$XDG_RUNTIME_DIR/x", "/run/user/1000/x" },
                { "$WORKDIR/a~b", "/w/a~b" },
        };
        Caller c = alice();
        Variables v = variables_of(&c);

        v.workdir = "/w";
        /* the environment has no say */
        assert_int_equal(setenv("HOME", "/evil", 1), 0);
        assert_int_equal(setenv("XDG_CONFIG_HOME", "/evil", 1), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                g_autofree char *path = NULL, *why = NULL;

                assert_int_equal(path_expand(table[i].raw, &v, &path, &why), 0);
                assert_string_equal(path, table[i].expanded);
        }

        v = (Variables) { .uid = 7 };
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                g_autofree char *path = NULL, *why = NULL;
                int r = path_expand(table[i].raw, &v, &path, &why);

                if (strstr(table[i].raw, "HOME") || strstr(table[i].raw, "USER") || strstr(table[i].raw, "WORKDIR")) {
                        assert_int_equal(r, -ENXIO);
                        assert_non_null(strstr(why, "is not set"));
                        assert_null(path);
                } else
                        assert_int_equal(r, 0);
        }
}

/* A home directory that is a part of the system, as service accounts have, does not become $HOME. */
static void test_home(_unused_ void **state) {
        static const char *const bad[] = { "/", "/root", "/root/x", "/dev", "/bin", "/usr/games", "/run/sshd",
                "/home", "/var/mail", "/var/lib", "/tmp", "/tmp/x", "/proc/1/root", "home", "", "/home/../etc",
                "/home//a", "/home/a/" };
        static const char *const good[] = { "/home/alice", "/var/lib/openclaw", "/srv/agent", "/nonexistent",
                "/data/u" };

        assert_false(home_is_usable(NULL));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(home_is_usable(bad[i]));
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(home_is_usable(good[i]));
}

/* Merging */

typedef struct Store {
        Profile *profiles[32];
        size_t n;
} Store;

static const Profile *lookup(const char *name, void *userdata) {
        Store *s = userdata;

        for (size_t i = 0; i < s->n; i++)
                if (streq(s->profiles[i]->name, name))
                        return s->profiles[i];
        return NULL;
}

static void put(Store *s, const char *text) {
        s->profiles[s->n++] = parsed(text);
}

static void store_done(Store *s) {
        for (size_t i = 0; i < s->n; i++)
                profile_free(s->profiles[i]);
        s->n = 0;
}

static Profile *flattened(Store *s, const char *name) {
        g_autofree char *why = NULL;
        Profile *p = NULL;

        if (profile_flatten(lookup(name, s), lookup, s, &p, &why) < 0)
                fail_msg("%s", why);
        return p;
}

static void unflattened(Store *s, const char *name, const char *words) {
        g_autofree char *why = NULL;
        Profile *p = NULL;

        assert_int_equal(profile_flatten(lookup(name, s), lookup, s, &p, &why), -EINVAL);
        assert_null(p);
        if (!strstr(why, words))
                fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void test_extends(_unused_ void **state) {
        _cleanup_(store_done) Store s = {};
        _cleanup_(profile_freep) Profile *p = NULL;

        put(&s,
                        "{'name': 'base', 'root': 'host', 'hostname': 'b', 'deny': ['/opt/secret'], 'env': {'A': "
                        "'1', 'B': '1'},"
                        " 'limits': {'pids': 10, 'nofile': 100}, 'idle': 10, 'filesystem': {'read': ['/opt']}}");
        put(&s, "{'name': 'left', 'extends': 'base', 'hostname': 'l', 'filesystem': {'exec': ['/usr']}}");
        put(&s, "{'name': 'right', 'extends': ['base'], 'env': {'B': '2'}}");
        put(&s, "{'name': 'child', 'extends': ['left', 'right'], 'description': 'c', 'limits': {'pids': 5}, 'deny': [],"
                " 'deny_write': ['/opt/x'], 'env': {'C': '3'}}");
        p = flattened(&s, "child");

        /* scalars of the child win, else those of the later parent, else the earlier */
        assert_int_equal(p->root, PLAN_ROOT_HOST);
        assert_string_equal(p->hostname, "l");
        assert_string_equal(p->description, "c");
        assert_int_equal(p->limits.values.pids, 5);
        assert_string_equal(p->limits_from[2], "profile child");
        assert_int_equal(p->limits.values.nofile, 100);
        assert_string_equal(p->limits_from[6], "profile child > left > base");
        assert_int_equal(p->idle_usec, 10 * USEC_PER_SEC);

        /* lists are joined, each ancestor counts once; an empty list takes nothing away */
        assert_int_equal(p->grants->len, 2);
        assert_string_equal(((ProfileItem *) p->grants->pdata[0])->text, "/opt");
        assert_string_equal(((ProfileItem *) p->grants->pdata[0])->from, "profile child > left > base");
        assert_string_equal(((ProfileItem *) p->grants->pdata[1])->from, "profile child > left");
        assert_int_equal(p->denials->len, 2);
        assert_string_equal(((ProfileItem *) p->denials->pdata[0])->text, "/opt/secret");
        assert_int_equal(((ProfileItem *) p->denials->pdata[0])->value, PLAN_DENY_ALL);

        /* a variable has one value */
        assert_int_equal(p->env->len, 3);
        for (guint i = 0; i < p->env->len; i++)
                assert_string_not_equal(((ProfileItem *) p->env->pdata[i])->text, "B=1");
}

static void test_extends_mistakes(_unused_ void **state) {
        _cleanup_(store_done) Store s = {};

        put(&s, "{'name': 'self', 'extends': 'self'}");
        put(&s, "{'name': 'a', 'extends': 'b'}");
        put(&s, "{'name': 'b', 'extends': ['c']}");
        put(&s, "{'name': 'c', 'extends': ['self2', 'a']}");
        put(&s, "{'name': 'self2'}");
        put(&s, "{'name': 'lost', 'extends': 'nowhere'}");
        put(&s, "{'name': 'g0'}");
        for (int i = 1; i <= 9; i++) {
                g_autofree char *text = g_strdup_printf("{'name': 'g%d', 'extends': 'g%d'}", i, i - 1);

                put(&s, text);
        }

        unflattened(&s, "self", "profile self > self: extends itself");
        unflattened(&s, "a", "profile a > b > c > a: extends itself");
        unflattened(&s, "lost", "profile lost: extends \"nowhere\", which does not exist");
        profile_free(flattened(&s, "g8"));
        unflattened(&s, "g9", "more than 8 generations");
}

/* Data of a request may be called as what it extends; that is no cycle. */
static void test_extends_same_name(_unused_ void **state) {
        _cleanup_(store_done) Store s = {};
        _cleanup_(profile_freep) Profile *data = parsed("{'name': 'x', 'extends': 'x', 'hostname': 'mine'}"), *p = NULL;
        g_autofree char *why = NULL;

        put(&s, "{'name': 'x', 'root': 'host', 'hostname': 'theirs'}");
        assert_int_equal(profile_flatten(data, lookup, &s, &p, &why), 0);
        assert_int_equal(p->root, PLAN_ROOT_HOST);
        assert_string_equal(p->hostname, "mine");
}

static void assert_same_keys(const JsonField *fields, size_t n, const char *schema) {
        g_autofree char *path = g_build_filename(SOURCE_DIR, "profiles", schema, NULL);
        json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, NULL), *properties, *limits, *destination;

        assert_non_null(v);
        assert_true(json_is_false(json_object_get(v, "additionalProperties")));
        properties = json_object_get(v, "properties");
        assert_int_equal(json_object_size(properties), n);
        for (size_t i = 0; i < n; i++)
                if (!json_object_get(properties, fields[i].key))
                        fail_msg("%s does not know %s", schema, fields[i].key);
        limits = json_object_get(json_object_get(json_object_get(v, "$defs"), "limits"), "properties");
        assert_int_equal(json_object_size(limits), LIMITS_N);
        for (size_t i = 0; i < LIMITS_N; i++)
                assert_non_null(json_object_get(limits, limit_infos[i].name));
        destination = json_object_get(json_object_get(json_object_get(v, "$defs"), "destination"), "properties");
        fields = destination_fields(&n);
        assert_int_equal(json_object_size(destination), n);
        for (size_t i = 0; i < n; i++)
                assert_non_null(json_object_get(destination, fields[i].key));
        json_decref(v);
}

static void test_schemas(_unused_ void **state) {
        const JsonField *fields;
        size_t n;

        fields = profile_fields(&n);
        assert_same_keys(fields, n, "profile.schema.json");
        fields = ceiling_fields(&n);
        assert_same_keys(fields, n, "ceiling.schema.json");
}

static void assert_documented(const char *page, const char *name) {
        g_autofree char *literal = g_strdup_printf("``%s``", name);

        if (!strstr(page, literal))
                fail_msg("ocsb-profile(5) does not have %s", literal);
}

/* The manual page has every key, every denial and the built-in ceiling as it is. */
static void test_manual(_unused_ void **state) {
        g_autofree char *path = g_build_filename(SOURCE_DIR, "man", "ocsb-profile.5.rst", NULL), *page = NULL;
        g_auto(GStrv) lines = g_strsplit(ceiling_builtin, "\n", 0);
        const JsonField *fields;
        size_t n;

        assert_true(g_file_get_contents(path, &page, NULL, NULL));
        fields = profile_fields(&n);
        for (size_t i = 0; i < n; i++)
                assert_documented(page, fields[i].key);
        fields = ceiling_fields(&n);
        for (size_t i = 0; i < n; i++)
                assert_documented(page, fields[i].key);
        fields = destination_fields(&n);
        for (size_t i = 0; i < n; i++)
                assert_documented(page, fields[i].key);
        for (size_t i = 0; i < LIMITS_N; i++)
                assert_documented(page, limit_infos[i].name);
        for (size_t i = 0; i < n_mandatory_denials; i++)
                assert_documented(page, mandatory_denials[i].name);
        for (char **line = lines; *line && **line; line++) {
                g_autofree char *indented = g_strdup_printf("\n    %s\n", *line);

                if (!strstr(page, indented))
                        fail_msg("ocsb-profile(5) does not have the line %s", *line);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_t62_errors_are_escaped),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_home),
                cmocka_unit_test(test_extends),
                cmocka_unit_test(test_extends_mistakes),
                cmocka_unit_test(test_extends_same_name),
                cmocka_unit_test(test_schemas),
                cmocka_unit_test(test_manual),
        };

        return RUN_TESTS(tests);
}
