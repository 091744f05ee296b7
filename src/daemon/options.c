/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strict readers of a{sv}: an unknown key, a known one twice or of another type, a value out of its range is
 * an error that names the key (threats T53, T57, T64). sd-bus has checked the framing; it bounds descriptor
 * indices too, but hands out borrowed descriptors, which are duplicated here to numbers of our own. */

#include "options-private.h"

#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "errors.h"

#define PROFILE_DATA_MAX ((size_t) 64 << 10)

char *text_for_humans(const char *s, size_t n) {
        char *t = text_escape(s, n, 80);

        if (!t)
                g_error("Out of memory");
        return t;
}

int option_malformed(sd_bus_error *error, const char *key) {
        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' is malformed.", key);
}

int option_invalid(sd_bus_error *error, const char *key, const char *value, const char *wanted) {
        g_autofree char *shown = text_for_humans(value, strlen(value));

        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' cannot be '%s': %s.", key, shown, wanted);
}

int options_read(sd_bus_message *m, const Option *table, size_t n_table, void *target, sd_bus_error *error) {
        uint32_t seen = 0;
        int r;

        assert(n_table <= 32);

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return option_malformed(error, "options");
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key, *type;
                size_t i;

                if (sd_bus_message_read_basic(m, 's', &key) < 0)
                        return option_malformed(error, "options");
                for (i = 0; i < n_table; i++)
                        if (streq(table[i].key, key))
                                break;
                if (i == n_table) {
                        g_autofree char *shown = text_for_humans(key, strlen(key));

                        return error_set(error, ERROR_INVALID_ARGUMENT, "Unknown option '%s'.", shown);
                }
                key = table[i].key;
                if (seen & (UINT32_C(1) << i))
                        return error_set(error, ERROR_INVALID_ARGUMENT, "Option '%s' is given twice.", key);
                seen |= UINT32_C(1) << i;

                r = sd_bus_message_peek_type(m, NULL, &type);
                if (r <= 0)
                        return option_malformed(error, key);
                if (!streq(type, table[i].type)) {
                        g_autofree char *shown = text_for_humans(type, strlen(type));

                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                        "Option '%s' has type '%s', it must be '%s'.", key, shown,
                                        table[i].type);
                }
                if (sd_bus_message_enter_container(m, 'v', table[i].type) < 0)
                        return option_malformed(error, key);
                r = table[i].read(m, key, target, error);
                if (r < 0)
                        return r;
                if (sd_bus_message_exit_container(m) < 0 || sd_bus_message_exit_container(m) < 0)
                        return option_malformed(error, key);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, "options");
        return 0;
}

/* Values */

/* Bytes without a NUL as a string. */
static int read_bytes(sd_bus_message *m, const char *key, size_t max, char **ret, size_t *ret_len,
                sd_bus_error *error) {
        const void *p;
        size_t n;
        char *s;

        if (sd_bus_message_read_array(m, 'y', &p, &n) < 0)
                return option_malformed(error, key);
        if (n > max)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' is longer than %zu bytes.", key, max);
        if (n > 0 && memchr(p, 0, n))
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' contains a NUL byte.", key);
        s = g_malloc(n + 1);
        if (n > 0)
                memcpy(s, p, n);
        s[n] = 0;
        *ret = s;
        if (ret_len)
                *ret_len = n;
        return 0;
}

/* A NULL-terminated list of byte strings. */
static int read_bytes_list(sd_bus_message *m, const char *key, size_t max_n, size_t max_each,
                size_t max_total, char ***ret, size_t *ret_n, sd_bus_error *error) {
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
        size_t total = 0;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "ay") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                char *s;
                size_t n;

                if (list->len >= max_n)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' has more than %zu elements.",
                                        key, max_n);
                r = read_bytes(m, key, max_each, &s, &n, error);
                if (r < 0)
                        return r;
                g_ptr_array_add(list, s);
                total += n + 1;
                if (total > max_total)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                        "'%s' is longer than %zu bytes in all.", key, max_total);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, key);
        if (ret_n)
                *ret_n = list->len;
        g_ptr_array_add(list, NULL);
        *ret = (char **) g_ptr_array_free(g_steal_pointer(&list), false);
        return 0;
}

static int read_path(sd_bus_message *m, const char *key, char **ret, sd_bus_error *error) {
        g_autofree char *s = NULL;
        int r;

        r = read_bytes(m, key, PLAN_PATH_MAX, &s, NULL, error);
        if (r < 0)
                return r;
        if (!path_is_normal(s))
                return option_invalid(error, key, s,
                                "an absolute path without '.', '..' and double slashes is needed");
        *ret = g_steal_pointer(&s);
        return 0;
}

static int read_path_list(sd_bus_message *m, const char *key, char ***ret, sd_bus_error *error) {
        g_auto(GStrv) list = NULL;
        int r;

        r = read_bytes_list(m, key, PLAN_DENIALS_MAX, PLAN_PATH_MAX, (size_t) 1 << 20, &list, NULL, error);
        if (r < 0)
                return r;
        for (char **p = list; *p; p++)
                if (!path_is_normal(*p))
                        return option_invalid(error, key, *p,
                                        "an absolute path without '.', '..' and double slashes is needed");
        *ret = g_steal_pointer(&list);
        return 0;
}

static int read_env(sd_bus_message *m, const char *key, size_t max_n, size_t max_total, char ***ret,
                size_t *ret_n, sd_bus_error *error) {
        g_auto(GStrv) list = NULL;
        int r;

        r = read_bytes_list(m, key, max_n, MSG_EXEC_ARG_BYTES_MAX, max_total, &list, ret_n, error);
        if (r < 0)
                return r;
        for (char **p = list; *p; p++)
                if (!env_assignment_valid(*p)) {
                        /* The name only: values may be secrets. */
                        g_autofree char *shown = text_for_humans(*p, strcspn(*p, "="));

                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                        "'%s' has an element '%s' that is not of the form NAME=value.", key,
                                        shown);
                }
        *ret = g_steal_pointer(&list);
        return 0;
}

/* Session options */

void session_options_done(SessionOptions *o) {
        if (o->request)
                fd_close_many(o->fds, o->request->n_fds);
        request_free(o->request);
        g_free(o->plan_digest);
        *o = (SessionOptions) {};
}

static int read_string(sd_bus_message *m, const char *key, const char **ret, sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 's', ret) < 0 ? option_malformed(error, key) : 0;
}

static int read_id(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        const char *s;
        int r;

        r = read_string(m, key, &s, error);
        if (r < 0)
                return r;
        if (o->request->id)
                return error_set(error, ERROR_INVALID_ARGUMENT, "Option 'id' is not for EnsureSession.");
        if (!session_id_valid(s))
                return option_invalid(error, key, s, "1 to 32 of a-z, 0-9 and _ are needed");
        o->request->id = g_strdup(s);
        return 0;
}

/* Where a descriptor was found to be, for explanations and an early refusal; the builder checks what it is.
 */
static char *fd_path(int fd) {
        char link[32], path[PLAN_PATH_MAX + 1];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path));
        if (n <= 0 || (size_t) n >= sizeof(path))
                return NULL;
        path[n] = 0;
        return path_is_normal(path) ? g_strdup(path) : NULL;
}

/* Reads an 'h' that must be a directory (or a regular file) and keeps a duplicate; *ret is its index. */
static int read_tree_fd(sd_bus_message *m, const char *key, SessionOptions *o, bool file_too, uint32_t *ret,
                char **ret_path, sd_bus_error *error) {
        struct stat st;
        FdKind kind;
        int fd;

        if (sd_bus_message_read_basic(m, 'h', &fd) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'%s' names a descriptor that did not come with the message.", key);
        if (o->request->n_fds >= PLAN_FDS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "More than %u descriptors.", PLAN_FDS_MAX);

        kind = fd_kind(fd);
        if ((int) kind < 0 || fstat(fd, &st) < 0)
                return option_malformed(error, key);
        /* An O_PATH descriptor may stand for anything, a socket or a symbolic link too: st_mode tells. */
        if ((kind != FD_KIND_PATH && kind != FD_KIND_DIRECTORY && kind != FD_KIND_FILE) ||
                        !(S_ISDIR(st.st_mode) || (file_too && S_ISREG(st.st_mode))))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'%s' must be a directory%s, opened by the caller; this is a %s.", key,
                                file_too ? " or a regular file" : "",
                                kind == FD_KIND_PATH && S_ISREG(st.st_mode) ? "file"
                                                                            : fd_kind_to_string(kind));
        if (st.st_nlink == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' has been deleted.", key);

        fd = fd_dup(fd);
        if (fd < 0)
                return error_set(error, ERROR_QUOTA_EXCEEDED, "No descriptor is free; try again later.");
        *ret = o->request->n_fds;
        o->fds[o->request->n_fds++] = fd;
        *ret_path = fd_path(fd);
        return 0;
}

static int refuse_forbidden(const char *key, const char *path, bool write, sd_bus_error *error) {
        g_autofree char *shown = NULL;

        if (!path || !plan_source_is_forbidden(path, write))
                return 0;
        shown = text_for_humans(path, strlen(path));
        return error_set(error, ERROR_NOT_PERMITTED,
                        "'%s': %s is never %s a sandbox; name a directory below it or beside it.", key,
                        shown, write ? "writable from" : "shown in");
}

static int read_workspace(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        uint32_t index;
        int r;

        r = read_tree_fd(m, key, o, false, &index, &o->request->workspace_host_path, error);
        if (r < 0)
                return r;
        o->request->workspace_fd = (int) index;
        return 0;
}

static int read_workspace_access(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        const char *s;
        int r;

        r = read_string(m, key, &s, error);
        if (r < 0)
                return r;
        if (!streq(s, "rw") && !streq(s, "ro") && !streq(s, "none"))
                return option_invalid(error, key, s, "'rw', 'ro' or 'none' is needed");
        o->request->workspace_access = g_strdup(s);
        return 0;
}

static int read_workspace_path(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_path(m, key, &((SessionOptions *) target)->request->workspace_path, error);
}

static int read_workdir(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_path(m, key, &((SessionOptions *) target)->request->workdir, error);
}

static int access_from_string(const char *s, uint32_t *ret) {
        static const struct {
                const char *name;
                uint32_t flags;
        } table[] = {
                { "r", 0 },
                { "rx", PLAN_MOUNT_EXEC },
                { "rw", PLAN_MOUNT_WRITE },
                { "rwx", PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].name, s)) {
                        *ret = table[i].flags;
                        return 0;
                }
        return -EINVAL;
}

static int read_one_grant(sd_bus_message *m, const char *key, SessionOptions *o, sd_bus_error *error) {
        g_autofree char *path = NULL, *host_path = NULL;
        uint32_t index, flags;
        const char *access;
        RequestGrant *g;
        int r;

        r = read_tree_fd(m, key, o, true, &index, &host_path, error);
        if (r < 0)
                return r;
        r = read_path(m, key, &path, error);
        if (r < 0)
                return r;
        r = read_string(m, key, &access, error);
        if (r < 0)
                return r;
        if (access_from_string(access, &flags) < 0)
                return option_invalid(error, key, access, "'r', 'rx', 'rw' or 'rwx' is needed");
        r = refuse_forbidden(key, host_path, flags & PLAN_MOUNT_WRITE, error);
        if (r < 0)
                return r;

        g = g_new0(RequestGrant, 1);
        g->fd = index;
        g->flags = flags;
        g->path = g_steal_pointer(&path);
        g->host_path = g_steal_pointer(&host_path);
        g_ptr_array_add(o->request->grants, g);
        return 0;
}

static int read_grants(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "(hays)") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_enter_container(m, 'r', "hays")) > 0) {
                r = read_one_grant(m, key, o, error);
                if (r < 0)
                        return r;
                if (sd_bus_message_exit_container(m) < 0)
                        return option_malformed(error, key);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, key);
        return 0;
}

static int read_deny(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_path_list(m, key, &((SessionOptions *) target)->request->deny, error);
}

static int read_deny_write(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_path_list(m, key, &((SessionOptions *) target)->request->deny_write, error);
}

static int read_session_env(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_env(m, key, PLAN_ENV_MAX, PLAN_ENV_BYTES_MAX, &((SessionOptions *) target)->request->env,
                        NULL, error);
}

static int read_hostname(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        const char *s;
        int r;

        r = read_string(m, key, &s, error);
        if (r < 0)
                return r;
        if (!hostname_valid(s))
                return option_invalid(error, key, s, "1 to 63 letters, digits and inner hyphens are needed");
        o->request->hostname = g_strdup(s);
        return 0;
}

/* The members of PlanLimits in their order, which is that of the bits in limits_set. */
static const struct {
        const char *name;
        size_t offset;
        uint64_t min, max;
} limits_table[] = {
        { "memory", offsetof(PlanLimits, memory), 1, INT64_MAX },
        { "swap", offsetof(PlanLimits, swap), 0, INT64_MAX },
        { "pids", offsetof(PlanLimits, pids), 1, INT32_MAX },
        { "cpu", offsetof(PlanLimits, cpu), 1, INT64_MAX },
        { "io-weight", offsetof(PlanLimits, io_weight), 1, 10000 },
        { "scratch", offsetof(PlanLimits, scratch), 1, INT64_MAX },
        { "nofile", offsetof(PlanLimits, nofile), 1, INT32_MAX },
        { "nproc", offsetof(PlanLimits, nproc), 1, INT32_MAX },
        { "fsize", offsetof(PlanLimits, fsize), 1, INT64_MAX },
        { "execs", offsetof(PlanLimits, execs), 1, UINT16_MAX },
};

static int read_one_limit(sd_bus_message *m, Request *request, sd_bus_error *error) {
        g_autofree char *shown = NULL;
        const char *name;
        uint64_t v;

        if (sd_bus_message_read(m, "st", &name, &v) < 0)
                return option_malformed(error, "limits");
        for (size_t i = 0; i < ELEMENTSOF(limits_table); i++) {
                if (!streq(limits_table[i].name, name))
                        continue;
                if (request->limits_set & (UINT32_C(1) << i))
                        return error_set(error, ERROR_INVALID_ARGUMENT, "Limit '%s' is given twice.",
                                        limits_table[i].name);
                if (v < limits_table[i].min || v > limits_table[i].max)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                        "Limit '%s' must be between %" PRIu64 " and %" PRIu64 ".",
                                        limits_table[i].name, limits_table[i].min, limits_table[i].max);
                request->limits_set |= UINT32_C(1) << i;
                memcpy((uint8_t *) &request->limits + limits_table[i].offset, &v, sizeof(v));
                return 0;
        }
        shown = text_for_humans(name, strlen(name));
        return error_set(error, ERROR_INVALID_ARGUMENT, "Unknown limit '%s'.", shown);
}

static int read_limits(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "{st}") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_enter_container(m, 'e', "st")) > 0) {
                r = read_one_limit(m, o->request, error);
                if (r < 0)
                        return r;
                if (sd_bus_message_exit_container(m) < 0)
                        return option_malformed(error, key);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, key);
        return 0;
}

static int read_duration(sd_bus_message *m, const char *key, uint64_t *ret, sd_bus_error *error) {
        uint64_t v;

        if (sd_bus_message_read_basic(m, 't', &v) < 0)
                return option_malformed(error, key);
        /* Half of the range, so that sums with a clock do not overflow; "never" is the greatest number. */
        if (v == 0 || (v > INT64_MAX && v != USEC_INFINITY))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'%s' must be a number of microseconds, at least 1; the greatest t is "
                                "\"never\".",
                                key);
        *ret = v;
        return 0;
}

static int read_idle(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_duration(m, key, &((SessionOptions *) target)->request->idle_usec, error);
}

static int read_max_age(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_duration(m, key, &((SessionOptions *) target)->request->age_usec, error);
}

static int read_network(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        const char *s;
        int r;

        r = read_string(m, key, &s, error);
        if (r < 0)
                return r;
        if (plan_network_from_string(s) < 0)
                return option_invalid(error, key, s, "'none' or 'nat' is needed");
        o->request->network = g_strdup(s);
        return 0;
}

static int read_dns(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return options_read_resolvers(m, key, &((SessionOptions *) target)->request->dns, error);
}

static int read_allow(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return options_read_destinations(m, key, &((SessionOptions *) target)->request->allow, error);
}

static int read_profile_data(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        Request *request = ((SessionOptions *) target)->request;

        return read_bytes(
                        m, key, PROFILE_DATA_MAX, &request->profile_data, &request->profile_data_len, error);
}

static int read_plan_digest(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        SessionOptions *o = target;
        const char *s;
        int r;

        r = read_string(m, key, &s, error);
        if (r < 0)
                return r;
        if (strlen(s) != 64 || s[strspn(s, "0123456789abcdef")])
                return option_invalid(error, key, s, "64 digits in lower-case hexadecimal are needed");
        o->plan_digest = g_strdup(s);
        return 0;
}

static const Option session_table[] = {
        { "id", "s", read_id },
        { "workspace", "h", read_workspace },
        { "workspace-access", "s", read_workspace_access },
        { "workspace-path", "ay", read_workspace_path },
        { "workdir", "ay", read_workdir },
        { "grants", "a(hays)", read_grants },
        { "deny", "aay", read_deny },
        { "deny-write", "aay", read_deny_write },
        { "env", "aay", read_session_env },
        { "hostname", "s", read_hostname },
        { "limits", "a{st}", read_limits },
        { "idle-usec", "t", read_idle },
        { "max-age-usec", "t", read_max_age },
        { "network", "s", read_network },
        { "dns", "as", read_dns },
        { "allow", "aa{sv}", read_allow },
        { "profile-data", "ay", read_profile_data },
        { "plan-digest", "s", read_plan_digest },
};

int options_read_session(sd_bus_message *m, const char *profile, const char *id, SessionOptions *ret,
                sd_bus_error *error) {
        _cleanup_(session_options_done) SessionOptions o = {};
        int r;

        if (!profile[0])
                profile = "default";
        if (!profile_name_valid(profile))
                return option_invalid(error, "profile", profile, "the name of a profile is needed");

        o.request = request_new();
        o.request->profile = g_strdup(profile);
        o.request->id = g_strdup(id);

        r = options_read(m, session_table, ELEMENTSOF(session_table), &o, error);
        if (r < 0)
                return r;
        if (o.request->workspace_fd >= 0) {
                const char *access = o.request->workspace_access;

                /* Without the option the profile decides, and the policy looks at the path. */
                r = refuse_forbidden("workspace", o.request->workspace_host_path,
                                access && streq(access, "rw"), error);
                if (r < 0)
                        return r;
        }
        *ret = o;
        o = (SessionOptions) {};
        return 0;
}

/* Exec */

void exec_arguments_done(ExecArguments *a) {
        fd_close_many(a->fds, a->exec.n_fds);
        g_strfreev(a->exec.argv);
        g_strfreev(a->exec.env);
        g_free(a->exec.cwd);
        *a = (ExecArguments) {};
}

static int read_exec_env(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        MsgExec *e = target;

        return read_env(m, key, MSG_EXEC_ENV_MAX, MSG_EXEC_BYTES_MAX, &e->env, &e->n_env, error);
}

static int read_timeout(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_duration(m, key, &((MsgExec *) target)->timeout_usec, error);
}

static int read_flag(sd_bus_message *m, const char *key, MsgExec *e, uint32_t flag, sd_bus_error *error) {
        int b;

        if (sd_bus_message_read_basic(m, 'b', &b) < 0)
                return option_malformed(error, key);
        if (b)
                e->flags |= flag;
        return 0;
}

static int read_pty(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_flag(m, key, target, MSG_EXEC_PTY, error);
}

static int read_detach(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_flag(m, key, target, MSG_EXEC_DETACH, error);
}

static int read_size(sd_bus_message *m, const char *key, uint32_t *ret, sd_bus_error *error) {
        uint16_t v;

        if (sd_bus_message_read_basic(m, 'q', &v) < 0)
                return option_malformed(error, key);
        if (v == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' must be at least 1.", key);
        *ret = v;
        return 0;
}

static int read_rows(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_size(m, key, &((MsgExec *) target)->rows, error);
}

static int read_cols(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_size(m, key, &((MsgExec *) target)->cols, error);
}

static const Option exec_table[] = {
        { "env", "aay", read_exec_env },
        { "timeout-usec", "t", read_timeout },
        { "pty", "b", read_pty },
        { "rows", "q", read_rows },
        { "cols", "q", read_cols },
        { "detach", "b", read_detach },
};

static int read_one_fd(sd_bus_message *m, ExecArguments *a, sd_bus_error *error) {
        uint32_t number;
        FdKind kind;
        int fd;

        if (sd_bus_message_read_basic(m, 'u', &number) < 0)
                return option_malformed(error, "fds");
        if (sd_bus_message_read_basic(m, 'h', &fd) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'fds' names a descriptor that did not come with the message.");
        if (a->exec.n_fds >= MSG_EXEC_FDS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "More than %u descriptors.",
                                MSG_EXEC_FDS_MAX);

        kind = fd_kind(fd);
        if ((int) kind < 0)
                return option_malformed(error, "fds");
        if (!fd_kind_is_stdio(kind)) {
                const char *hint = kind == FD_KIND_TTY ? "a terminal would let the program type into your "
                                                         "shell; use the option 'pty' or pipes"
                                   : kind == FD_KIND_SOCKET
                                                   ? "a socket would let descriptors pass into the sandbox; "
                                                     "use a pipe"
                                                   : "pipes, regular files and /dev/null are possible";

                return error_set(error, ERROR_INVALID_ARGUMENT, "Descriptor %" PRIu32 " is of kind %s: %s.",
                                number, fd_kind_to_string(kind), hint);
        }
        fd = fd_dup(fd);
        if (fd < 0)
                return error_set(error, ERROR_QUOTA_EXCEEDED, "No descriptor is free; try again later.");
        a->exec.fd_numbers[a->exec.n_fds] = number;
        a->fds[a->exec.n_fds++] = fd;
        return 0;
}

static int read_fds(sd_bus_message *m, ExecArguments *a, sd_bus_error *error) {
        int r;

        if (sd_bus_message_enter_container(m, 'a', "{uh}") < 0)
                return option_malformed(error, "fds");
        while ((r = sd_bus_message_enter_container(m, 'e', "uh")) > 0) {
                r = read_one_fd(m, a, error);
                if (r < 0)
                        return r;
                if (sd_bus_message_exit_container(m) < 0)
                        return option_malformed(error, "fds");
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, "fds");
        return 0;
}

int options_read_exec(sd_bus_message *m, ExecArguments *ret, sd_bus_error *error) {
        _cleanup_(exec_arguments_done) ExecArguments a = {};
        const char *why = NULL;
        int r;

        r = read_bytes_list(m, "argv", MSG_EXEC_ARGS_MAX, MSG_EXEC_ARG_BYTES_MAX, MSG_EXEC_BYTES_MAX,
                        &a.exec.argv, &a.exec.n_argv, error);
        if (r < 0)
                return r;
        r = read_bytes(m, "cwd", PLAN_PATH_MAX, &a.exec.cwd, NULL, error);
        if (r < 0)
                return r;
        r = read_fds(m, &a, error);
        if (r < 0)
                return r;
        r = options_read(m, exec_table, ELEMENTSOF(exec_table), &a.exec, error);
        if (r < 0)
                return r;
        if ((a.exec.rows || a.exec.cols) && !(a.exec.flags & MSG_EXEC_PTY))
                return error_set(error, ERROR_INVALID_ARGUMENT, "'rows' and 'cols' need 'pty'.");

        r = msg_exec_validate(&a.exec, &why);
        if (r < 0)
                return error_set(
                                error, ERROR_INVALID_ARGUMENT, "Invalid exec: %s.", why ? why : "malformed");
        *ret = a;
        a = (ExecArguments) {};
        return 0;
}
