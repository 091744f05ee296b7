/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Denials inside granted trees. A denied name is covered by a mount on the very dentry that a component-wise walk
 * found, so that renaming cannot free it: mount points can be neither renamed nor removed, and every directory on
 * the way is made a mount point, too ("mv .git x; mkdir -p .git/hooks"). A name that does not exist gets an empty
 * placeholder, because nothing in the kernel can forbid the making of one name. */

#include "build.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "stage/record.h"
#include "sys/mount.h"
#include "sys/process.h"

#define LINKS_MAX 16u
#define MASK_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)


/* One component, never through a symlink. With root's rights: a directory that its owner cannot enter now he can
 * enter after a chmod() from inside. As the caller where root has none (FUSE, NFS). */
static int open_component(BuildContext *c, int dir, const char *name) {
        const Plan *p = c->plan;
        int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;

        if (fd >= 0 || errno != EACCES)
                return fd < 0 ? -errno : fd;
        r = identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups);
        if (r < 0)
                return r;
        fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        fd = fd < 0 ? -errno : fd;
        r = identity_fs_leave();
        if (r < 0) {
                fd_close(fd);
                return r;
        }
        return fd;
}

static int make_in(int dir, const char *name, bool is_dir) {
        int fd;

        if (is_dir)
                return mkdirat(dir, name, 0755) < 0 ? -errno : 0;
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        fd_close(fd);
        return 0;
}

/* Makes a placeholder as the caller; in a directory of his that he has no write bit for (he can give it back to
 * himself from inside) with root's rights, and his. -EACCES: nobody inside can make it, either. */
static int make_component(BuildContext *c, int dir, const char *name, bool is_dir) {
        const Plan *p = c->plan;
        struct stat st;
        int k, r;

        r = identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups);
        if (r < 0)
                return r;
        k = make_in(dir, name, is_dir);
        r = identity_fs_leave();
        if (r < 0 || k != -EACCES)
                return r < 0 ? r : k;
        if (fstat(dir, &st) < 0)
                return -errno;
        if (st.st_uid != p->uid)
                return -EACCES;
        k = make_in(dir, name, is_dir);
        if (k < 0)
                return k == -EACCES ? -EPERM : k; /* not even root: the name cannot be protected */
        return fchownat(dir, name, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static bool on_readonly_mount(int fd) {
        struct statvfs v;

        return fstatvfs(fd, &v) >= 0 && (v.f_flag & ST_RDONLY);
}

static bool is_mount_root(int fd) {
        struct statx sx;

        return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE, &sx) >= 0 &&
                        (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Covers fd with a copy of itself: same contents, but a mount point now. */
static int cover_with_itself(int fd, uint64_t attr) {
        _cleanup_close_ int m = mount_clone(fd, attr);

        return m < 0 ? m : mount_attach(m, fd);
}

static int cover_with_mask(BuildContext *c, int fd, bool is_dir) {
        _cleanup_close_ int m = mount_clone_single(is_dir ? c->mask_dir : c->mask_file, MASK_ATTR);

        return m < 0 ? m : mount_attach(m, fd);
}

/* Where a thing inside is on the host: the source of the plan's mount with the longest matching target, and what
 * follows; as the journal has it. inside is a canonical path. */
static int host_path_of(BuildContext *c, const char *inside, bool is_dir, char *buf, size_t size) {
        const char *best = NULL, *host = NULL;

        for (size_t i = 0; i < c->plan->n_mounts; i++) {
                const char *target = c->plan->mounts[i].target;
                const char *real = c->host_paths[i] ? c->host_paths[i] : c->template.sources[i].real;

                if (real && *real && path_is_beneath(inside, target) && (!best || strlen(target) > strlen(best))) {
                        best = target;
                        host = real;
                }
        }
        if (!best)
                return -ENOENT;
        if ((size_t) snprintf(buf, size, "%s%s%s", host, inside + strlen(best), is_dir ? "/" : "") >= size)
                return -ENAMETOOLONG;
        return 0;
}

/* A placeholder is a directory where it can be: git and most tools do not notice an empty one. Only what shells and
 * their like read at every start is a file, since they complain about a directory. */
static bool name_is_directory(const char *name) {
        static const char *const endings[] = { "rc", "profile", "login", "logout", "history", "zshenv", "gitconfig" };
        size_t n = strlen(name);

        if (streq(name, ".envrc"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                size_t k = strlen(endings[i]);

                if (n >= k && streq(name + n - k, endings[i]))
                        return false;
        }
        return true;
}

/* Makes name (the whole rest of a denied path, component by component) beneath parent. inside: canonical path of
 * parent. Returns the fd of the last one, or -errno; *ret_no_way when the caller may not make it anyway. */
static int make_placeholder(BuildContext *c, int parent, const char *inside, const char *rest, bool *ret_no_way) {
        _cleanup_close_ int cur = fd_dup(parent);
        char path[PATH_MAX], host[PATH_MAX], name[256];
        int r;

        *ret_no_way = false;
        (void) snprintf(path, sizeof(path), "%s", streq(inside, "/") ? "" : inside);
        while (*rest) {
                size_t k = strcspn(rest, "/");
                bool last = rest[k] == 0, dir;
                int next;

                (void) snprintf(name, sizeof(name), "%.*s", (int) k, rest);
                rest += k + !last;
                dir = !last || name_is_directory(name);
                if ((size_t) snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name) >= sizeof(path) - 1)
                        return -ENAMETOOLONG;
                r = host_path_of(c, path, dir, host, sizeof(host));
                if (r < 0) {
                        *ret_no_way = true; /* scratch: it goes with the session, nothing outside reads it */
                        return 0;
                }
                r = placeholder_note(&c->journals, c->plan, host);
                if (r < 0)
                        return r;
                FAULT("build.placeholder");
                r = make_component(c, cur, name, dir);
                if (r == -EACCES || r == -EROFS) {
                        *ret_no_way = true;
                        return 0;
                }
                if (r < 0 && r != -EEXIST)
                        return build_fail(c, r, "cannot make the placeholder that protects %s: %s", path, strerror(-r));
                next = open_component(c, cur, name);
                if (next < 0)
                        return next;
                if (!last) {
                        /* Pinned like every directory on the way. */
                        r = cover_with_itself(next, 0);
                        fd_close(next);
                        next = r < 0 ? r : open_component(c, cur, name);
                        if (next < 0)
                                return next;
                }
                fd_close(cur);
                cur = next;
        }
        return TAKE_FD(cur);
}

static int deny_found(BuildContext *c, PlanDenialKind kind, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (kind == PLAN_DENY_ALL)
                return cover_with_mask(c, fd, S_ISDIR(st.st_mode));
        return on_readonly_mount(fd) ? 0 : cover_with_itself(fd, MOUNT_ATTR_RDONLY);
}

/* An existing, empty thing may be the placeholder of another living session: then this one relies on it, too, and
 * must be in the journal, so that the other's end does not take it away. */
static int share_placeholder(BuildContext *c, int fd, const char *inside) {
        char host[PATH_MAX];
        struct stat st;

        if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size > 0) ||
                        host_path_of(c, inside, S_ISDIR(st.st_mode), host, sizeof(host)) < 0)
                return 0;
        return placeholder_is_shared(&c->journals, c->plan->id, host)
                        ? placeholder_note(&c->journals, c->plan, host)
                        : 0;
}

/* Joins dir and a link's text, lexically: dir is canonical, so ".." means what it says. */
static int join_link(const char *dir, const char *link, const char *rest, char *buf, size_t size) {
        size_t n = 0;
        char raw[PATH_MAX * 2], *save = NULL;

        if ((size_t) snprintf(raw, sizeof(raw), "%s/%s%s%s", link[0] == '/' ? "" : dir, link, *rest ? "/" : "", rest) >= sizeof(raw))
                return -ENAMETOOLONG;
        buf[0] = 0;
        for (char *p = strtok_r(raw, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
                if (streq(p, "."))
                        continue;
                if (streq(p, "..")) {
                        char *slash = strrchr(buf, '/');

                        if (slash)
                                *slash = 0;
                        n = strlen(buf);
                        continue;
                }
                if (n + strlen(p) + 2 > size)
                        return -ENAMETOOLONG;
                n += (size_t) sprintf(buf + n, "/%s", p);
        }
        if (n == 0)
                strcpy(buf, "/");
        return 0;
}

static int deny_path(BuildContext *c, PlanDenialKind kind, const char *path, unsigned links);

/* The link itself is pinned (covered, for a hidden last component), then what it names is denied under its own
 * name. */
static int deny_link(BuildContext *c, PlanDenialKind kind, int fd, const char *dir, const char *rest, unsigned links) {
        char text[PATH_MAX], target[PATH_MAX];
        ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);
        int r;

        if (n < 0)
                return -errno;
        text[n] = 0;
        if (links == 0)
                return 0; /* a loop: the kernel follows no more of it than we do */
        r = join_link(dir, text, rest, target, sizeof(target));
        if (r < 0)
                return r;
        r = deny_path(c, kind, target, links - 1);
        if (r < 0)
                return r;
        if (*rest == 0 && kind == PLAN_DENY_ALL)
                return cover_with_mask(c, fd, false);
        return on_readonly_mount(fd) || is_mount_root(fd) ? 0 : cover_with_itself(fd, 0);
}

static bool owned_by_caller(const BuildContext *c, int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 || st.st_uid == c->plan->uid;
}

static int deny_path(BuildContext *c, PlanDenialKind kind, const char *path, unsigned links) {
        _cleanup_close_ int cur = fd_dup(c->root);
        char inside[PATH_MAX] = "", name[256];
        struct stat st;
        int r;

        for (const char *p = path; *p;) {
                size_t k = strcspn(++p, "/");
                bool last = p[k] == 0, no_way;
                size_t before = strlen(inside);
                int next;

                if (k == 0)
                        return 0; /* "/" */
                (void) snprintf(name, sizeof(name), "%.*s", (int) k, p);
                next = open_component(c, cur, name);
                if (next == -ENOENT) {
                        if (on_readonly_mount(cur))
                                return 0;
                        next = make_placeholder(c, cur, before ? inside : "/", p, &no_way);
                        if (next < 0 || no_way)
                                return next;
                        r = deny_found(c, kind, next);
                        fd_close(next);
                        return r;
                }
                if (next == -ENOTDIR)
                        return 0;
                if (next == -EACCES && !owned_by_caller(c, cur))
                        return 0; /* and nobody inside can change that */
                if (next < 0)
                        return next;
                fd_close(cur);
                cur = next;
                if (fstat(cur, &st) < 0)
                        return -errno;
                if (S_ISLNK(st.st_mode))
                        return deny_link(c, kind, cur, inside, last ? "" : p + k + 1, links);
                (void) snprintf(inside + before, sizeof(inside) - before, "/%s", name);
                p += k;
                if (last) {
                        r = share_placeholder(c, cur, inside);
                        return r < 0 ? r : deny_found(c, kind, cur);
                }
                if (!on_readonly_mount(cur) && !is_mount_root(cur)) {
                        _cleanup_close_ int parent = -EBADF;

                        r = share_placeholder(c, cur, inside);
                        if (r >= 0)
                                r = cover_with_itself(cur, 0);
                        if (r < 0)
                                return r;
                        /* Walk on above the new mount, not below it. */
                        parent = path_open_in_root(c->root, inside, O_PATH | O_NOFOLLOW, 0);
                        if (parent < 0)
                                return parent;
                        fd_close(cur);
                        cur = TAKE_FD(parent);
                }
        }
        return 0;
}

int build_denials(BuildContext *c) {
        _cleanup_close_ int lock = -EBADF;

        c->step = "denial";
        if (c->plan->n_denials == 0)
                return 0;
        lock = placeholders_lock(&c->journals, c->plan->uid);
        if (lock < 0)
                return lock;
        for (size_t i = 0; i < c->plan->n_denials; i++) {
                const PlanDenial *d = &c->plan->denials[i];
                int r = deny_path(c, d->kind, d->path, LINKS_MAX);

                if (r < 0)
                        return build_fail(c, r, "cannot protect %s: %s", d->path, strerror(-r));
        }
        return 0;
}
