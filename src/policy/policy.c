/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The store: built-in and admin's profiles and the ceilings, read once. An admin's file that is not valid, or that
 * others than root could have written, is an error for the whole store: a ceiling that is left out because of a
 * misplaced comma would let everybody through below it. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy-private.h"
#include "seccomp-filter.h"

static void profile_destroy(void *p) {
        profile_free(p);
}

static void ceiling_destroy(void *c) {
        ceiling_free(c);
}

Policy *policy_new(void) {
        Policy *p = g_new0(Policy, 1);
        Ceiling *builtin = NULL;
        char *why = NULL;

        p->profiles = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, profile_destroy);
        p->flat = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, profile_destroy);
        p->names = g_ptr_array_new_with_free_func(g_free);
        p->ceilings = g_ptr_array_new_with_free_func(ceiling_destroy);
        if (ceiling_parse("built-in ceiling", ceiling_builtin, strlen(ceiling_builtin), &builtin, &why) < 0)
                g_error("%s", why);
        g_ptr_array_add(p->ceilings, builtin);
        return p;
}

Policy *policy_free(Policy *p) {
        if (!p)
                return NULL;
        g_hash_table_unref(p->flat);
        g_hash_table_unref(p->profiles);
        g_ptr_array_unref(p->names);
        g_ptr_array_unref(p->ceilings);
        g_free(p);
        return NULL;
}

const Profile *policy_lookup(const char *name, void *policy) {
        return g_hash_table_lookup(((Policy *) policy)->profiles, name);
}

void policy_prepend_ceiling(Policy *p, Ceiling *c) {
        g_ptr_array_insert(p->ceilings, 0, c);
}

const Ceiling *policy_ceiling(const Policy *p, const Caller *caller) {
        guint i = 0;

        while (!ceiling_matches(p->ceilings->pdata[i], caller))
                i++; /* the built-in one, which is last, matches everybody */
        return p->ceilings->pdata[i];
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What a stored profile extends may be read after it, so flattening waits until all are there. */
static int flatten_all(Policy *p, char **ret_why) {
        GHashTableIter i;
        void *v;

        g_hash_table_remove_all(p->flat);
        g_ptr_array_set_size(p->names, 0);
        g_hash_table_iter_init(&i, p->profiles);
        while (g_hash_table_iter_next(&i, NULL, &v)) {
                const Profile *raw = v;
                Profile *flat;
                int r = profile_flatten(raw, policy_lookup, p, &flat, ret_why);

                if (r < 0) {
                        g_autofree char *why = *ret_why;

                        *ret_why = g_strdup_printf("%s: %s", raw->origin, why);
                        return r;
                }
                g_hash_table_insert(p->flat, flat->name, flat);
                g_ptr_array_add(p->names, g_strdup(flat->name));
        }
        g_ptr_array_sort(p->names, compare_names);
        return 0;
}

int policy_add_profile(Policy *p, Profile *profile, char **ret_why) {
        g_hash_table_replace(p->profiles, profile->name, profile);
        return flatten_all(p, ret_why);
}

/* Loading */

typedef struct Loader {
        Policy *policy;
        uid_t owner;
        char **ret_why;
} Loader;

static int refuse(Loader *l, int error, const char *path, const char *format, ...) _printf_(4, 5);
static int refuse(Loader *l, int error, const char *path, const char *format, ...) {
        _cleanup_free_ char *escaped = text_escape(path, strlen(path), 200);
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        if (l->ret_why && !*l->ret_why)
                *l->ret_why = g_strdup_printf("%s: %s", escaped ? escaped : "?", text);
        return error;
}

static int check_owner(Loader *l, int fd, const char *path) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return refuse(l, -errno, path, "%s", g_strerror(errno));
        if (st.st_uid != l->owner && st.st_uid != 0)
                return refuse(l, -EPERM, path, "belongs to uid %u instead of root: chown root it", st.st_uid);
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return refuse(l, -EPERM, path, "can be written to by others than root: chmod go-w it");
        return 0;
}

static int read_entry(Loader *l, int dir_fd, const char *name, const char *path, char **ret, size_t *ret_len) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ELOOP)
                return refuse(l, -ELOOP, path, "is a symbolic link: put the file itself there");
        if (fd < 0)
                return refuse(l, -errno, path, "%s", g_strerror(errno));
        r = check_owner(l, fd, path);
        if (r < 0)
                return r;
        r = fd_read_file(fd, JSON_BYTES_MAX, ret, ret_len);
        if (r == -EFBIG)
                return refuse(l, r, path, "longer than %zu KiB", JSON_BYTES_MAX >> 10);
        if (r == -ENOTSUP)
                return refuse(l, r, path, "is not a regular file");
        return r < 0 ? refuse(l, r, path, "%s", g_strerror(-r)) : 0;
}

typedef int (*LoadOne)(Loader *l, const char *stem, const char *path, const char *text, size_t n);

static int load_profile(Loader *l, const char *stem, const char *path, const char *origin, const char *text, size_t n) {
        Profile *profile;
        int r;

        if (!profile_name_valid(stem))
                return refuse(l, -EINVAL, path,
                                "the file's name without \".json\" is the profile's: [a-z0-9][a-z0-9._-]{0,63}");
        r = profile_parse(path, stem, stem, text, n, &profile, l->ret_why);
        if (r < 0)
                return r;
        if (!profile->description) {
                profile_free(profile);
                return refuse(l, -EINVAL, path, "a stored profile needs a \"description\"");
        }
        g_free(profile->origin);
        profile->origin = g_strdup(origin);
        /* The admin's, which is read second, replaces a built-in one of the same name. */
        g_hash_table_replace(l->policy->profiles, profile->name, profile);
        return 0;
}

static int load_builtin(Loader *l, const char *stem, const char *path, const char *text, size_t n) {
        return load_profile(l, stem, path, "built-in", text, n);
}

static int load_admin(Loader *l, const char *stem, const char *path, const char *text, size_t n) {
        return load_profile(l, stem, path, path, text, n);
}

static int load_ceiling(Loader *l, _unused_ const char *stem, const char *path, const char *text, size_t n) {
        Ceiling *c;
        int r = ceiling_parse(path, text, n, &c, l->ret_why);

        if (r < 0)
                return r;
        g_ptr_array_insert(l->policy->ceilings, (int) l->policy->ceilings->len - 1, c);
        return 0;
}

/* Files that are read: *.json, but neither hidden nor a schema, which lies beside the profiles in the sources. */
static bool is_wanted(const char *name) {
        return name[0] != '.' && g_str_has_suffix(name, ".json") && !g_str_has_suffix(name, ".schema.json");
}

static int list_dir(Loader *l, const char *path, bool required, int *ret_fd, GPtrArray *names) {
        _cleanup_close_ int fd = -EBADF;
        const struct dirent *e;
        DIR *d;
        int r;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && !required)
                return 0;
        if (fd < 0)
                return refuse(l, -errno, path, "%s", g_strerror(errno));
        r = check_owner(l, fd, path);
        if (r < 0)
                return r;
        *ret_fd = fd_dup(fd);
        if (*ret_fd < 0)
                return *ret_fd;
        d = fdopendir(fd);
        if (!d)
                return -errno;
        TAKE_FD(fd);
        while ((e = readdir(d)))
                if (is_wanted(e->d_name))
                        g_ptr_array_add(names, g_strdup(e->d_name));
        closedir(d);
        g_ptr_array_sort(names, compare_names);
        return 1;
}

/* Who can write to the directory above can put another one in its place. */
static int check_parent(Loader *l, const char *path, bool required) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && !required)
                return 0;
        return fd < 0 ? refuse(l, -errno, path, "%s", g_strerror(errno)) : check_owner(l, fd, path);
}

static int load_dir(Loader *l, const char *parent, const char *sub, bool required, LoadOne load) {
        g_autofree char *dir = g_build_filename(parent, sub, NULL);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = list_dir(l, dir, required, &fd, names);
        if (r <= 0)
                return r;
        for (guint i = 0; i < names->len; i++) {
                const char *name = names->pdata[i];
                g_autofree char *path = g_build_filename(dir, name, NULL);
                g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".json"));
                _cleanup_free_ char *text = NULL;
                size_t n;

                r = read_entry(l, fd, name, path, &text, &n);
                if (r == 0)
                        r = load(l, stem, path, text, n);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Now, not when the first session waits for it. */
static int compile_filters(char **ret_why) {
        const uint8_t *session, *exec;
        size_t session_len, exec_len;
        int r = seccomp_compile(SECCOMP_FILTER_DEFAULT, &session, &session_len, &exec, &exec_len);

        if (r < 0)
                *ret_why = g_strdup_printf("the system call filter: %s", g_strerror(-r));
        return r;
}

int policy_load_owned(const char *data_dir, const char *config_dir, uid_t owner, Policy **ret, char **ret_why) {
        _cleanup_(policy_freep) Policy *p = policy_new();
        Loader l = { .policy = p, .owner = owner, .ret_why = ret_why };
        int r;

        *ret_why = NULL;
        r = check_parent(&l, data_dir, true);
        if (r == 0)
                r = check_parent(&l, config_dir, false);
        if (r == 0)
                r = load_dir(&l, data_dir, "profiles", true, load_builtin);
        if (r == 0)
                r = load_dir(&l, config_dir, "profiles", false, load_admin);
        if (r == 0)
                r = load_dir(&l, config_dir, "ceilings.d", false, load_ceiling);
        if (r == 0)
                r = flatten_all(p, ret_why);
        if (r < 0)
                return r;
        r = compile_filters(ret_why);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int policy_load(const char *data_dir, const char *config_dir, Policy **ret, char **ret_why) {
        return policy_load_owned(data_dir, config_dir, 0, ret, ret_why);
}

void policy_foreach_profile(const Policy *p, void (*fn)(const char *name, const char *description,
                const char *origin, void *userdata), void *userdata) {
        for (guint i = 0; i < p->names->len; i++) {
                const Profile *profile = g_hash_table_lookup(p->flat, p->names->pdata[i]);

                fn(profile->name, profile->description ?: "", profile->origin, userdata);
        }
}

void policy_quota(const Policy *p, const Caller *caller, PolicyResult *ret) {
        const Ceiling *c = policy_ceiling(p, caller);

        ret->max_sessions = (uint32_t) c->sessions;
        ret->max_execs = (uint32_t) c->execs;
        ret->max_pending = (uint32_t) c->pending;
}
