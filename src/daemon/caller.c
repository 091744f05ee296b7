/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The user database is asked here and nowhere else, once per connection. It is a synchronous call, as NSS
 * has no other; the sources of a machine that runs agents (files, systemd-userdb, a cache as sssd's) answer
 * locally. */

#include "caller.h"

#include <glib.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define PASSWD_BUFFER_MAX ((size_t) 1 << 20)

static int lookup(uid_t uid, struct passwd *pw, char **ret_buffer) {
        for (size_t size = 4096; size <= PASSWD_BUFFER_MAX; size *= 4) {
                char *buffer = g_malloc(size);
                struct passwd *found;
                int r = getpwuid_r(uid, pw, buffer, size, &found);

                if (r == 0 && found) {
                        *ret_buffer = buffer;
                        return 0;
                }
                g_free(buffer);
                if (r != ERANGE)
                        return r == 0 ? -ENOENT : -r;
        }
        return -ERANGE;
}

/* A home that the policy can use: normal, else none at all. */
static char *normal_home(const char *home) {
        char *copy = g_strdup(home ? home : "");
        size_t n = strlen(copy);

        while (n > 1 && copy[n - 1] == '/')
                copy[--n] = 0;
        if (!path_is_normal(copy) || streq(copy, "/")) {
                g_free(copy);
                return NULL;
        }
        return copy;
}

/* What home is called after symbolic links, as far as they can be followed: the daemon may not look into
 * homes, but the directories above them say where /home leads to. NULL when that is home itself. */
static char *real_home(const char *home) {
        g_autofree char *prefix = g_strdup(home), *resolved = NULL, *whole = NULL;

        for (;;) {
                _cleanup_free_ char *real = realpath(prefix, NULL);
                char *slash;

                if (real) {
                        resolved = g_strdup(real);
                        break;
                }
                slash = strrchr(prefix, '/');
                if (!slash || slash == prefix)
                        return NULL;
                *slash = 0;
        }
        whole = g_strconcat(streq(resolved, "/") ? "" : resolved, home + strlen(prefix), NULL);
        return streq(whole, home) || !path_is_normal(whole) ? NULL : g_steal_pointer(&whole);
}

static bool has_group(const gid_t *groups, size_t n, gid_t gid) {
        for (size_t i = 0; i < n; i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

/* At most PLAN_GROUPS_MAX: dropping the rest can only take rights away. */
static void set_groups(Caller *c, const gid_t *groups, size_t n) {
        c->groups = calloc(MIN(n, (size_t) PLAN_GROUPS_MAX) + 1, sizeof(gid_t));
        if (!c->groups)
                g_error("Out of memory");
        c->n_groups = 0;
        for (size_t i = 0; i < n && c->n_groups < PLAN_GROUPS_MAX; i++)
                if (groups[i] != c->gid && !has_group(c->groups, c->n_groups, groups[i]))
                        c->groups[c->n_groups++] = groups[i];
}

static void set_database_groups(Caller *c, const char *user) {
        gid_t list[PLAN_GROUPS_MAX];
        int n = ELEMENTSOF(list);

        if (getgrouplist(user, c->gid, list, &n) < 0)
                n = MIN(n, (int) ELEMENTSOF(list)); /* as many as fit were stored */
        set_groups(c, list, n > 0 ? (size_t) n : 0);
}

int caller_fill(Caller *ret, uid_t uid, const gid_t *groups, size_t n_groups) {
        g_autofree char *buffer = NULL;
        struct passwd pw;
        Caller c = { .uid = uid };
        int r;

        r = lookup(uid, &pw, &buffer);
        if (r < 0)
                return r;

        c.gid = pw.pw_gid;
        if (groups) {
                /* The list is sorted, it does not say which one is primary. */
                if (n_groups > 0 && !has_group(groups, n_groups, pw.pw_gid))
                        c.gid = groups[0];
                set_groups(&c, groups, n_groups);
        } else
                set_database_groups(&c, pw.pw_name);
        c.user = strdup(pw.pw_name);
        c.shell = strdup(pw.pw_shell ? pw.pw_shell : "");
        c.home = normal_home(pw.pw_dir);
        c.home_real = c.home ? real_home(c.home) : NULL;
        if (!c.user || !c.shell)
                g_error("Out of memory");
        *ret = c;
        return 0;
}
