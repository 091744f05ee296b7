/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Variables in paths. Their values come from the bus and the user database: a variable out of the caller's or the
 * daemon's environment would let whoever sets it choose what a ceiling allows (CVE-2021-21261). */

#include "variables.h"

#include <stdio.h>

#include "base/text.h"
#include "json.h"

bool home_is_usable(const char *home) {
        /* refused with all beneath */
        static const char *const trees[] = { "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32",
                "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/run", "/var/tmp" };
        /* refused themselves */
        static const char *const tops[] = { "/", "/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/cache",
                "/var/lib", "/var/log", "/var/mail", "/var/spool", "/workspace" };

        if (!home || !path_is_normal(home))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                if (path_is_beneath(home, trees[i]))
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(tops); i++)
                if (streq(home, tops[i]))
                        return false;
        return true;
}

/* A name that can be one component of a path. */
static bool user_is_usable(const char *user) {
        return user && *user && !strchr(user, '/') && !streq(user, ".") && !streq(user, "..");
}

Variables variables_of(const Caller *c) {
        return (Variables) {
                .uid = c->uid,
                .user = user_is_usable(c->user) ? c->user : NULL,
                .home = home_is_usable(c->home) ? c->home : NULL,
        };
}

typedef enum Base { BASE_HOME, BASE_WORKDIR, BASE_TMP, BASE_RUNTIME, BASE_USER, BASE_UID } Base;

static const struct {
        const char *name;
        Base base;
        const char *rest;
} variables[] = {
        { "HOME", BASE_HOME, "" },
        { "WORKDIR", BASE_WORKDIR, "" },
        { "TMPDIR", BASE_TMP, "" },
        { "UID", BASE_UID, "" },
        { "USER", BASE_USER, "" },
        { "XDG_CONFIG_HOME", BASE_HOME, "/.config" },
        { "XDG_DATA_HOME", BASE_HOME, "/.local/share" },
        { "XDG_STATE_HOME", BASE_HOME, "/.local/state" },
        { "XDG_CACHE_HOME", BASE_HOME, "/.cache" },
        { "XDG_RUNTIME_DIR", BASE_RUNTIME, "" },
};

/* 0, -ENXIO unset, -EINVAL no such variable. */
static int append_value(GString *s, const char *name, size_t n, const Variables *v) {
        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *value = NULL;

                if (strncmp(variables[i].name, name, n) != 0 || variables[i].name[n])
                        continue;
                switch (variables[i].base) {
                case BASE_HOME:
                        value = v->home;
                        break;
                case BASE_WORKDIR:
                        value = v->workdir;
                        break;
                case BASE_USER:
                        value = v->user;
                        break;
                case BASE_TMP:
                        value = "/tmp";
                        break;
                case BASE_RUNTIME:
                        g_string_append_printf(s, "/run/user/%u", v->uid);
                        return 0;
                case BASE_UID:
                        g_string_append_printf(s, "%u", v->uid);
                        return 0;
                }
                if (!value)
                        return -ENXIO;
                g_string_append(s, value);
                g_string_append(s, variables[i].rest);
                return 0;
        }
        return -EINVAL;
}

static int refuse(const char *raw, int error, const char *why, char **ret_why) {
        g_autofree char *quoted = json_quote(raw);

        *ret_why = g_strdup_printf("path %s: %s", quoted, why);
        return error;
}

/* Length of the variable's name at p, which is behind the dollar; *ret_skip is what it takes with its braces. */
static size_t variable_name(const char **p, size_t *ret_skip) {
        bool braces = **p == '{';
        size_t n;

        if (braces)
                (*p)++;
        n = strspn(*p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        *ret_skip = n + braces;
        return braces && (*p)[n] != '}' ? 0 : n;
}

int path_expand(const char *raw, const Variables *v, char **ret, char **ret_why) {
        g_autoptr(GString) s = g_string_new(NULL);

        if (raw[0] == '~')
                return refuse(raw, -EINVAL, "\"~\" means nothing here, write $HOME", ret_why);
        for (const char *p = raw; *p;) {
                size_t n = strcspn(p, "$"), skip;
                int r;

                g_string_append_len(s, p, (gssize) n);
                p += n;
                if (!*p)
                        break;
                p++;
                n = variable_name(&p, &skip);
                r = n > 0 ? append_value(s, p, n, v) : -EINVAL;
                if (r == -ENXIO) {
                        g_autofree char *why =
                                        g_strdup_printf("$%.*s is not set for this user and request", (int) n, p);

                        return refuse(raw, r, why, ret_why);
                }
                if (r < 0)
                        return refuse(raw, r, "no such variable; there are $HOME $WORKDIR $TMPDIR $UID $USER "
                                        "$XDG_CONFIG_HOME $XDG_DATA_HOME $XDG_STATE_HOME $XDG_CACHE_HOME "
                                        "$XDG_RUNTIME_DIR", ret_why);
                p += skip;
        }
        if (s->str[0] != '/')
                return refuse(raw, -EINVAL, "not absolute: begin it with / or a variable such as $HOME", ret_why);
        if (!path_is_normal(s->str))
                return refuse(raw, -EINVAL, "not a plain path: write it without \"..\", \".\", double and trailing "
                                "slashes", ret_why);
        *ret = g_strdup(s->str);
        return 0;
}

int path_check(const char *raw, char **ret_why) {
        static const Variables every = { .uid = 1, .user = "u", .home = "/home/u", .workdir = "/w" };
        g_autofree char *ignored = NULL;

        return path_expand(raw, &every, &ignored, ret_why);
}
