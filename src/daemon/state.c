/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing and reading state files. The reader trusts nothing but the ownership of the directory: a
 * truncated, older, newer or mixed up file is an error, and the session it stood for is ended by the caller
 * of state_load(). */

#include "state.h"

#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/plan.h"

#define STATE_VERSION 1
#define RESOLVED_MAX 1024u

static const char *const phases[_STATE_PHASE_MAX] = {
        [STATE_BUILDING] = "building",
        [STATE_READY] = "ready",
};

void state_proofs_free(StateProof *p, size_t n) {
        for (size_t i = 0; i < n; i++) {
                g_free(p[i].name);
                g_free(p[i].result);
                g_free(p[i].detail);
        }
        g_free(p);
}

void session_state_done(SessionState *s) {
        g_free(s->profile);
        g_free(s->root);
        g_free(s->network);
        g_free(s->config_hash);
        g_free(s->digest);
        g_free(s->plan);
        g_free(s->cgroup);
        g_strfreev(s->resolved);
        state_proofs_free(s->proven, s->n_proven);
        *s = (SessionState) {};
}

char *state_encode(const SessionState *s, size_t *ret_len) {
        json_t *resolved = json_array(), *proven = json_array(), *o;
        /* Of no use for a session that will only be cleared away. */
        const char *plan = s->phase == STATE_READY ? s->plan : "";
        size_t n_plan = strlen(plan);
        _cleanup_free_ char *line = NULL;
        GString *text;

        for (char **i = s->resolved; i && *i; i++)
                (void) json_array_append_new(resolved, json_string(*i));
        for (size_t i = 0; i < s->n_proven; i++)
                (void) json_array_append_new(
                                proven, json_pack("[sss]", s->proven[i].name, s->proven[i].result,
                                                        s->proven[i].detail));

        /* json_pack() takes "o" references also when it fails. The 64 bits of the limits have one value
         * beyond JSON's signed integers, "never", which is written as -1. */
        o = json_pack("{si ss ss sI ss ss ss ss ss sI sI sI sI sI sI ss so so}", "version", STATE_VERSION,
                        "phase", phases[s->phase], "id", s->id, "uid", (json_int_t) s->uid, "profile",
                        s->profile, "root", s->root, "network", s->network, "config-hash", s->config_hash,
                        "digest", s->digest, "plan-bytes", (json_int_t) n_plan, "created-usec",
                        (json_int_t) s->created_usec, "idle-usec",
                        s->idle_usec == USEC_INFINITY ? (json_int_t) -1 : (json_int_t) s->idle_usec,
                        "age-usec",
                        s->age_usec == USEC_INFINITY ? (json_int_t) -1 : (json_int_t) s->age_usec,
                        "monitor-pid", (json_int_t) s->monitor_pid, "last-grant",
                        (json_int_t) s->last_grant, "cgroup", s->cgroup ? s->cgroup : "",
                        "resolved", resolved, "proven", proven);
        if (o)
                line = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        if (!line || !utf8_is_valid(plan, n_plan))
                return NULL;

        text = g_string_sized_new(strlen(line) + 1 + n_plan);
        g_string_append(text, line);
        g_string_append_c(text, '\n');
        g_string_append_len(text, plan, (gssize) n_plan);
        *ret_len = text->len;
        return g_string_free(text, false);
}

static bool usec_from_json(json_int_t v, uint64_t *ret) {
        if (v < -1)
                return false;
        *ret = v == -1 ? USEC_INFINITY : (uint64_t) v;
        return true;
}

static bool strv_from_json(const json_t *array, char ***ret) {
        size_t n = json_array_size(array);
        char **strv;

        if (n > RESOLVED_MAX)
                return false;
        strv = g_new0(char *, n + 1);
        for (size_t i = 0; i < n; i++) {
                const char *s = json_string_value(json_array_get(array, i));

                if (!s) {
                        g_strfreev(strv);
                        return false;
                }
                strv[i] = g_strdup(s);
        }
        *ret = strv;
        return true;
}

static bool proofs_from_json(json_t *array, SessionState *ret) {
        size_t n = json_array_size(array);

        if (n > PROBE_ITEMS_MAX)
                return false;
        ret->proven = g_new0(StateProof, n);
        for (size_t i = 0; i < n; i++) {
                const char *name, *result, *detail;

                if (json_unpack_ex(json_array_get(array, i), NULL, JSON_STRICT, "[sss]", &name, &result,
                                    &detail) < 0)
                        return false;
                ret->proven[i] = (StateProof) { g_strdup(name), g_strdup(result), g_strdup(detail) };
                ret->n_proven++;
        }
        return true;
}

typedef struct Unpacked {
        int version;
        const char *phase, *id, *profile, *root, *network, *config_hash, *digest, *cgroup;
        json_int_t uid, plan_bytes, created, idle, age, monitor_pid, last_grant;
        json_t *resolved, *proven;
} Unpacked;

/* What is wrong with the plain members, or NULL. */
static const char *unpacked_complaint(const Unpacked *u) {
        if (u->version != STATE_VERSION)
                return "of another version";
        if (!session_id_valid(u->id))
                return "with an invalid id";
        if (u->uid <= 0 || u->uid > INT32_MAX)
                return "with an invalid uid";
        if (!profile_name_valid(u->profile))
                return "with an invalid profile name";
        if (plan_root_from_string(u->root) < 0 || plan_network_from_string(u->network) < 0)
                return "with an unknown root or network";
        if (u->monitor_pid < 0 || u->monitor_pid > INT32_MAX || u->created < 0 || u->last_grant < 0 ||
                        u->last_grant > UINT32_MAX)
                return "with a number out of range";
        if (!json_is_array(u->resolved) || !json_is_array(u->proven))
                return "with a list that is none";
        return NULL;
}

static int state_unpack(json_t *o, const char *plan, size_t n_plan, SessionState *s, const char **ret_why) {
        Unpacked u = {};

        if (json_unpack_ex(o, NULL, JSON_STRICT,
                            "{si ss ss sI ss ss ss ss ss sI sI sI sI sI s?I ss so so}",
                            "version", &u.version,
                            "phase", &u.phase,
                            "id", &u.id,
                            "uid", &u.uid,
                            "profile", &u.profile,
                            "root", &u.root,
                            "network", &u.network,
                            "config-hash", &u.config_hash,
                            "digest", &u.digest,
                            "plan-bytes", &u.plan_bytes,
                            "created-usec", &u.created,
                            "idle-usec", &u.idle,
                            "age-usec", &u.age,
                            "monitor-pid", &u.monitor_pid,
                            "last-grant", &u.last_grant, /* newer than the first state files */
                            "cgroup", &u.cgroup,
                            "resolved", &u.resolved,
                            "proven", &u.proven) < 0) {
                *ret_why = "with missing, unknown or mistyped members";
                return -EBADMSG;
        }
        *ret_why = unpacked_complaint(&u);
        if (*ret_why)
                return -EBADMSG;
        if (u.plan_bytes < 0 || (uint64_t) u.plan_bytes != n_plan || memchr(plan, 0, n_plan) ||
                        !utf8_is_valid(plan, n_plan)) {
                *ret_why = "with a plan that is not whole";
                return -EBADMSG;
        }

        for (s->phase = 0; s->phase < _STATE_PHASE_MAX; s->phase++)
                if (streq(phases[s->phase], u.phase))
                        break;
        if (s->phase == _STATE_PHASE_MAX || !usec_from_json(u.idle, &s->idle_usec) ||
                        !usec_from_json(u.age, &s->age_usec) || !strv_from_json(u.resolved, &s->resolved) ||
                        !proofs_from_json(u.proven, s)) {
                *ret_why = "with a member of the wrong form";
                return -EBADMSG;
        }

        strcpy(s->id, u.id); /* session_id_valid() bounds it */
        s->uid = (uid_t) u.uid;
        s->profile = g_strdup(u.profile);
        s->root = g_strdup(u.root);
        s->network = g_strdup(u.network);
        s->config_hash = g_strdup(u.config_hash);
        s->digest = g_strdup(u.digest);
        s->plan = g_strndup(plan, n_plan);
        s->cgroup = g_strdup(u.cgroup);
        s->created_usec = (uint64_t) u.created;
        s->monitor_pid = (uint32_t) u.monitor_pid;
        s->last_grant = (uint32_t) u.last_grant;
        return 0;
}

int state_decode(const char *text, size_t n, SessionState *ret, const char **ret_why) {
        _cleanup_(session_state_done) SessionState s = {};
        const char *why = NULL, *end = memchr(text, '\n', n);
        json_t *o = NULL;
        int r = -EBADMSG;

        if (end)
                o = json_loadb(text, (size_t) (end - text), JSON_REJECT_DUPLICATES, NULL);
        if (!o)
                why = "that is not JSON";
        else
                r = state_unpack(o, end + 1, n - (size_t) (end + 1 - text), &s, &why);
        json_decref(o);
        if (ret_why)
                *ret_why = why;
        if (r < 0)
                return r;
        *ret = s;
        s = (SessionState) {};
        return 0;
}

int state_open_dir(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return -EPERM;
        return TAKE_FD(fd);
}

int state_save(int dir_fd, const SessionState *s) {
        size_t n;
        g_autofree char *text = state_encode(s, &n);

        if (!text)
                return -EINVAL;
        return file_write_atomic(dir_fd, s->id, text, n, 0600);
}

int state_load(int dir_fd, const char *id, SessionState *ret, const char **ret_why) {
        _cleanup_(session_state_done) SessionState s = {};
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        size_t n;
        int r;

        fd = openat(dir_fd, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 022)) {
                *ret_why = "that is not ours";
                return -EPERM;
        }
        r = fd_read_file(fd, STATE_BYTES_MAX, &text, &n);
        if (r < 0) {
                *ret_why = "that cannot be read";
                return r;
        }
        r = state_decode(text, n, &s, ret_why);
        if (r < 0)
                return r;
        if (!streq(s.id, id)) {
                *ret_why = "under the name of another session";
                return -EBADMSG;
        }
        *ret = s;
        s = (SessionState) {};
        return 0;
}

int state_remove(int dir_fd, const char *id) {
        return unlinkat(dir_fd, id, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int state_foreach(int dir_fd, void (*fn)(const char *id, void *userdata), void *userdata) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *e;
        DIR *d;

        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                int r = -errno;

                fd_close(fd);
                return r;
        }
        while ((e = readdir(d))) {
                if (session_id_valid(e->d_name))
                        fn(e->d_name, userdata);
                else if (e->d_name[0] == '.' && g_str_has_suffix(e->d_name, ".tmp"))
                        (void) unlinkat(dir_fd, e->d_name, 0);
        }
        (void) closedir(d);
        return 0;
}
