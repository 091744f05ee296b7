/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Session records and the placeholder journal of ocsb-stage. */

#include "record.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "wire/plan.h"

#define RECORD_VERSION 2u
#define JOURNAL_MAX ((size_t) 4 << 20)

Record *record_free(Record *r) {
        if (r)
                free(r->intent);
        free(r);
        return NULL;
}

int record_save(int dir_fd, const Record *r) {
        _cleanup_writer_ WireWriter w = {};

        wire_put_u32(&w, RECORD_VERSION);
        wire_put_string(&w, r->id);
        wire_put_u32(&w, (uint32_t) r->monitor);
        wire_put_u64(&w, r->starttime);
        wire_put_u32(&w, r->uid);
        wire_put_string(&w, r->cgroup);
        wire_put_u32(&w, r->intent != NULL);
        if (r->intent) {
                wire_put_u32(&w, r->attached);
                wire_put_u64(&w, r->netns);
                net_intent_encode(&w, r->intent);
        }
        if (w.error)
                return w.error;
        return file_write_atomic(dir_fd, r->id, w.data, w.len, 0600);
}

static void load_network(WireReader *in, Record *r) {
        if (wire_get_u32(in) != 1)
                return;
        r->attached = wire_get_u32(in) == 1;
        r->netns = wire_get_u64(in);
        r->intent = calloc(1, sizeof(*r->intent));
        if (!r->intent || net_intent_decode(in, r->intent, NULL) < 0)
                in->error = -EBADMSG;
}

int record_load(int dir_fd, const char *id, Record **ret) {
        _cleanup_(record_freep) Record *r = calloc(1, sizeof(*r));
        _cleanup_free_ char *data = NULL;
        uint32_t version;
        WireReader in;
        size_t len;
        int k;

        if (!r)
                return -ENOMEM;
        k = file_read(dir_fd, id, 65536, &data, &len);
        if (k < 0)
                return k;
        in = WIRE_READER((const uint8_t *) data, len);
        version = wire_get_u32(&in);
        if (version != RECORD_VERSION && version != 1)
                return -EBADMSG;
        wire_get_string_buf(&in, r->id, sizeof(r->id));
        r->monitor = (pid_t) wire_get_u32(&in);
        r->starttime = wire_get_u64(&in);
        r->uid = wire_get_u32(&in);
        wire_get_string_buf(&in, r->cgroup, sizeof(r->cgroup));
        if (version > 1) /* 1 is of the time before there was a network */
                load_network(&in, r);
        if (wire_reader_finish(&in) < 0 || !streq(r->id, id) || r->uid == 0 || strstr(r->cgroup, ".."))
                return -EBADMSG;
        *ret = TAKE_PTR(r);
        return 0;
}

void record_remove(int dir_fd, const char *id) {
        (void) unlinkat(dir_fd, id, 0);
}

int record_foreach(int dir_fd, int (*fn)(const char *id, void *userdata), void *userdata) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d) {
                fd_close(fd);
                return -errno;
        }
        for (struct dirent *e; r >= 0 && (e = readdir(d));)
                if (session_id_valid(e->d_name))
                        r = fn(e->d_name, userdata);
        (void) closedir(d);
        return r;
}

typedef struct Tidy {
        int dir;
        bool (*is_there)(const char *id, void *userdata);
        void *userdata;
} Tidy;

static int tidy_user(const char *id, void *userdata) {
        const Tidy *t = userdata;

        if (!t->is_there(id, t->userdata))
                (void) unlinkat(t->dir, id, 0);
        return 0;
}

void records_tidy(int dir_fd, bool (*is_there)(const char *id, void *userdata), void *userdata) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d) {
                fd_close(fd);
                return;
        }
        for (struct dirent *e; (e = readdir(d));) {
                size_t n = strlen(e->d_name);

                if (n > 5 && e->d_name[0] == '.' && streq(e->d_name + n - 4, ".tmp"))
                        (void) unlinkat(dir_fd, e->d_name, 0);
                else if (str_has_prefix(e->d_name, ".p-")) {
                        _cleanup_close_ int users = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                        Tidy t = { .dir = users, .is_there = is_there, .userdata = userdata };

                        if (users >= 0)
                                (void) record_foreach(users, tidy_user, &t);
                        (void) unlinkat(dir_fd, e->d_name, AT_REMOVEDIR);
                }
        }
        (void) closedir(d);
}

/* A journal is a list of NUL-terminated strings: "uid gid group…" of the owner, then paths. A torn last one (a kill
 * in the middle of a write) has no NUL. */
typedef struct Journal {
        char *text;
        size_t len;
        const char *paths; /* in text */
        uid_t uid;
        gid_t gid;
        gid_t groups[PLAN_GROUPS_MAX];
        size_t n_groups;
} Journal;

static int write_owner(int fd, const Plan *p) {
        char text[16 * (PLAN_GROUPS_MAX + 2)];
        size_t n = (size_t) sprintf(text, "%u %u", p->uid, p->gid);

        for (size_t i = 0; i < p->n_groups; i++)
                n += (size_t) sprintf(text + n, " %u", p->groups[i]);
        return fd_write_all(fd, text, n + 1);
}

static int parse_owner(Journal *j) {
        char *save = NULL, *word;
        uint32_t v;

        for (word = strtok_r(j->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                if (parse_u32(word, &v) < 0 || j->n_groups >= ELEMENTSOF(j->groups))
                        return -EBADMSG;
                j->groups[j->n_groups++] = v;
        }
        if (j->n_groups < 2 || j->groups[0] == 0)
                return -EBADMSG;
        j->uid = j->groups[0];
        j->gid = j->groups[1];
        j->n_groups -= 2;
        memmove(j->groups, j->groups + 2, j->n_groups * sizeof(gid_t));
        return 0;
}

static int journal_load(int dir_fd, const char *id, Journal *ret) {
        int r = file_read(dir_fd, id, JOURNAL_MAX, &ret->text, &ret->len);
        size_t owner;

        if (r < 0)
                return r;
        while (ret->len > 0 && ret->text[ret->len - 1] != 0)
                ret->len--;
        if (ret->len == 0)
                return -EBADMSG;
        owner = strlen(ret->text) + 1;
        ret->paths = ret->text + owner;
        return parse_owner(ret);
}

static void journal_done(Journal *j) {
        free(j->text);
}

/* Who relies on a placeholder: a directory per path in /run/ocsb/stage with an empty file per session, so that the
 * question costs the same whatever the number of sessions. Two paths of the same hash share a directory: then a
 * placeholder may stay that could have gone, and nothing else. */
static void users_name(const char *host_path, char buf[static 24]) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (const char *p = host_path; *p; p++)
                h = (h ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
        (void) snprintf(buf, 24, ".p-%016llx", (unsigned long long) h);
}

static int users_add(const Journals *j, const char *id, const char *host_path) {
        char name[24], entry[24 + SESSION_ID_MAX + 2];

        users_name(host_path, name);
        (void) snprintf(entry, sizeof(entry), "%s/%s", name, id);
        if (mkdirat(j->locks, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return mknodat(j->locks, entry, S_IFREG | 0600, 0) < 0 && errno != EEXIST ? -errno : 0;
}

static void users_drop(const Journals *j, const char *id, const char *host_path) {
        char name[24], entry[24 + SESSION_ID_MAX + 2];

        users_name(host_path, name);
        (void) snprintf(entry, sizeof(entry), "%s/%s", name, id);
        (void) unlinkat(j->locks, entry, 0);
        (void) unlinkat(j->locks, name, AT_REMOVEDIR); /* as long as others use it: ENOTEMPTY */
}

static int is_other(const char *id, void *userdata) {
        return streq(id, (const char *) userdata) ? 0 : -EEXIST; /* ends the walk */
}

/* Opened with the first note: most sessions make no placeholder, and those that do make a dozen. */
static int open_own(Journals *j, const Plan *plan) {
        _cleanup_close_ int fd = openat(j->dir, plan->id, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        r = st.st_size == 0 ? write_owner(fd, plan) : 0;
        if (r >= 0)
                j->own = TAKE_FD(fd);
        return r;
}

int placeholder_note(Journals *j, const Plan *plan, const char *host_path) {
        int r = j->own >= 0 ? 0 : open_own(j, plan);

        if (r >= 0)
                r = fd_write_all(j->own, host_path, strlen(host_path) + 1);
        return r < 0 ? r : users_add(j, plan->id, host_path);
}

bool placeholder_is_shared(const Journals *j, const char *id, const char *host_path) {
        _cleanup_close_ int dir = -EBADF;
        char name[24];

        users_name(host_path, name);
        dir = openat(j->locks, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return dir >= 0 && record_foreach(dir, is_other, (void *) (uintptr_t) id) == -EEXIST;
}

static int remove_in(int parent, const char *name, bool is_dir) {
        struct stat st;

        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        /* Something else by now, or in use: it stays. */
        if (is_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode) || st.st_size > 0)
                return 0;
        return unlinkat(parent, name, is_dir ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

/* In the child, with the owner's rights: an empty file or directory of his may go, whatever else is there stays.
 * Without following symlinks: the journal's paths had none, so one that is there now was planted
 * (GHSA-2fxp-43j9-pwvc). */
static int remove_one(const char *host_path, int *ret_parent, char ret_name[static 256], bool *ret_is_dir) {
        size_t n = strlen(host_path);
        char parent[PATH_MAX];
        const char *slash;

        if (n < 2 || n >= sizeof(parent))
                return -EINVAL;
        *ret_is_dir = host_path[n - 1] == '/';
        n -= *ret_is_dir;
        slash = memrchr(host_path, '/', n);
        if (!slash || slash + 1 == host_path + n || n - (size_t) (slash + 1 - host_path) > 255)
                return -EINVAL;
        (void) snprintf(ret_name, 256, "%.*s", (int) (host_path + n - slash - 1), slash + 1);
        (void) snprintf(parent, sizeof(parent), "%.*s", (int) MAX(slash - host_path, 1), host_path);
        *ret_parent = path_open_in_root(AT_FDCWD, parent, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
        return *ret_parent < 0 ? *ret_parent : remove_in(*ret_parent, ret_name, *ret_is_dir);
}

/* His own directory without the write bit: it was made there with root's rights, too (build-denials.c). */
static void remove_as_root(const Journal *own, int parent, const char *name, bool is_dir) {
        struct stat st;

        if (fstat(parent, &st) >= 0 && st.st_uid == own->uid)
                (void) remove_in(parent, name, is_dir);
}

int placeholders_lock(const Journals *j, uid_t uid) {
        _cleanup_close_ int fd = -EBADF;
        char name[24];

        (void) snprintf(name, sizeof(name), ".lock-%u", (unsigned) uid);
        fd = openat(j->locks, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
}

static void remove_all(const Journals *j, const char *id, const Journal *own) _noreturn_;

static void remove_all(const Journals *j, const char *id, const Journal *own) {
        const char **paths = calloc(own->len, sizeof(char *)); /* each has a byte at least */
        size_t n = 0;

        if (!paths || placeholders_lock(j, own->uid) < 0)
                _exit(1);
        for (const char *p = own->paths; p < own->text + own->len; p += strlen(p) + 1)
                paths[n++] = p;
        /* The journals are root's; the things themselves are the owner's: one change of identity for all of them. */
        for (size_t i = 0; i < n; i++)
                if (placeholder_is_shared(j, id, paths[i])) {
                        users_drop(j, id, paths[i]);
                        paths[i] = NULL;
                }
        if (identity_fs_enter(own->uid, own->gid, own->groups, own->n_groups) < 0)
                _exit(1);
        for (size_t i = n; i-- > 0;) {
                _cleanup_close_ int parent = -EBADF;
                char name[256];
                bool is_dir;

                if (!paths[i] || remove_one(paths[i], &parent, name, &is_dir) != -EACCES || parent < 0)
                        continue;
                if (identity_fs_leave() < 0)
                        _exit(1);
                remove_as_root(own, parent, name, is_dir);
                if (identity_fs_enter(own->uid, own->gid, own->groups, own->n_groups) < 0)
                        _exit(1);
        }
        if (identity_fs_leave() < 0)
                _exit(1);
        for (size_t i = 0; i < n; i++)
                if (paths[i])
                        users_drop(j, id, paths[i]);
        (void) unlinkat(j->dir, id, 0);
        _exit(0);
}

int placeholders_remove(const Journals *j, const char *id, pid_t *ret_pid, int *ret_pidfd) {
        _cleanup_(journal_done) Journal own = {};
        int r = journal_load(j->dir, id, &own);
        pid_t pid;

        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                (void) unlinkat(j->dir, id, 0);
                return r;
        }
        pid = process_clone(0, -1, ret_pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0) {
                signals_unblock();
                remove_all(j, id, &own);
        }
        *ret_pid = pid;
        return 1;
}
