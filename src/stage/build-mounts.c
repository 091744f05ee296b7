/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The new root. First the template: a small tmpfs with the made files, device nodes and mount points, and the
 * grants by path; read-only from then on. Then what is the session's own: a tmpfs for everything writable that does
 * not outlive it, /proc, /dev/pts, and the caller's directories. Sources and targets are descriptors. */

#include "build.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/landlock.h"
#include "sys/mount.h"
#include "sys/process.h"

#define BASE_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* The path of an fd as the kernel sees it from here. */
static int fd_path(int fd, char *buf, size_t size) {
        char link[32];
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = 0;
        return 0;
}

static int make_devices(BuildContext *c) {
        static const struct {
                const char *name;
                unsigned major, minor;
        } nodes[] = { { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 },
                { "urandom", 1, 9 }, { "tty", 5, 0 } };
        static const char *const links[][2] = { { "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" },
                { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" } };
        _cleanup_close_ int dev = -EBADF, dev_mount = -EBADF;

        c->step = "dev";
        if (mkdirat(c->root, "dev", 0755) < 0)
                return -errno;
        dev = openat(c->root, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dev < 0)
                return -errno;
        /* Made, not bound: nothing that a mask or device could be swapped for (CVE-2025-31133). */
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
                if (mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
                        return build_fail(c, -errno, "cannot make /dev/%s: the builder needs CAP_MKNOD", nodes[i].name);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                if (symlinkat(links[i][1], dev, links[i][0]) < 0)
                        return -errno;
        if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 01777) < 0)
                return -errno;

        /* Devices can be opened for writing on a read-only mount; nothing can be made there. */
        dev_mount = mount_clone_single(dev, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
        return dev_mount < 0 ? dev_mount : mount_attach(dev_mount, dev);
}

/* Attaches a new file system at a directory that the template has. */
static int attach_new(BuildContext *c, const char *type, uint64_t attr, const char *const *options, const char *where) {
        _cleanup_close_ int mount_fd = mount_new(type, attr, options), target = -EBADF;

        if (mount_fd < 0)
                return mount_fd;
        target = path_open_in_root(c->root, where, O_PATH | O_DIRECTORY, 0);
        return target < 0 ? target : mount_attach(mount_fd, target);
}

int build_kernel_mounts(BuildContext *c) {
        int r;

        c->step = "proc";
        /* subset=pid (Linux 5.8): no /proc/sys, kcore, sysrq-trigger, keys, … to mask one by one. */
        r = attach_new(c, "proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
                        (const char *const[]) { "hidepid", "2", "subset", "pid", NULL }, "/proc");
        if (r < 0)
                return build_fail(c, r, "the kernel refuses a /proc of its own (subset=pid): %s", strerror(-r));
        c->step = "devpts";
        return attach_new(c, "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                        (const char *const[]) { "ptmxmode", "0666", "mode", "0600", NULL }, "/dev/pts");
}

/* Opens target, making what is missing of it in our own tmpfs. What is missing inside a granted tree is not made:
 * that would change the host. is_dir: what the last component has to be. */
static int open_target(BuildContext *c, const char *target, bool is_dir) {
        _cleanup_close_ int cur = fd_dup(c->root);
        struct stat root_st, st;
        const char *p = target;
        char name[256];

        if (cur < 0 || fstat(c->root, &root_st) < 0)
                return cur < 0 ? cur : -errno;
        while (*p) {
                size_t k = strcspn(++p, "/");
                bool last = p[k] == 0;
                int next;

                memcpy(name, p, k);
                name[k] = 0;
                p += k;
                next = openat(cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (next >= 0 && fstat(next, &st) >= 0 && S_ISLNK(st.st_mode)) {
                        char so_far[PATH_MAX];

                        /* A link of ours, as /bin -> usr/bin, or one inside a granted tree: follow it within the
                         * new root, never out of it. */
                        fd_close(next);
                        (void) snprintf(so_far, sizeof(so_far), "%.*s", (int) (p - target), target);
                        next = path_open_in_root(c->root, so_far, O_PATH, 0);
                        if (next < 0)
                                return next;
                } else if (next < 0 && errno == ENOENT) {
                        if (fstat(cur, &st) < 0)
                                return -errno;
                        if (st.st_dev != root_st.st_dev && st.st_dev != c->scratch_dev)
                                return build_fail(c, -ENOENT, "%s does not exist inside the granted directory: make it first", target);
                        if (last && !is_dir ? mknodat(cur, name, S_IFREG | 0444, 0) < 0 : mkdirat(cur, name, 0755) < 0)
                                return -errno;
                        if (st.st_dev == c->scratch_dev &&
                                        fchownat(cur, name, c->plan->uid, c->plan->gid, AT_SYMLINK_NOFOLLOW) < 0)
                                return -errno;
                        next = openat(cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                }
                if (next < 0)
                        return -errno;
                fd_close(cur);
                cur = next;
        }
        return TAKE_FD(cur);
}

static bool is_system_tree(const char *path) {
        return path_is_beneath(path, "/usr") || path_is_beneath(path, "/opt");
}

/* The file systems of the host's sockets and devices, under whatever name they are mounted a second time. */
static bool is_runtime_fs(const struct stat *st) {
        static const char *const names[] = { "/run", "/dev", "/proc", "/sys" };
        struct stat root, other;

        if (stat("/", &root) < 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (stat(names[i], &other) >= 0 && other.st_dev != root.st_dev && other.st_dev == st->st_dev)
                        return true;
        return false;
}

static int check_source(BuildContext *c, const PlanMount *m, int fd, char *real, size_t size, bool *ret_is_dir) {
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return build_fail(c, -ENOTSUP, "%s: only directories and regular files can be granted", m->target);
        if (fd_is_kernel_fs(fd) || is_runtime_fs(&st))
                return build_fail(c, -EPERM, "%s: kernel interfaces are never granted", m->target);
        r = fd_path(fd, real, size);
        if (r < 0)
                return r;
        if (real[0] != '/')
                return build_fail(c, -EPERM, "%s: what the descriptor refers to is not in reach of the builder", m->target);
        if (plan_source_is_forbidden(real, m->flags & PLAN_MOUNT_WRITE))
                return build_fail(c, -EPERM, "%s: %s is never granted", m->target, real);
        *ret_is_dir = S_ISDIR(st.st_mode);
        return 0;
}

/* A line of MsgReady.resolved. Escaping doubles backslashes and leaves no tab or newline in a field. */
static int note_resolved(BuildContext *c, const PlanMount *m, const char *real) {
        _cleanup_free_ char *target = text_escape(m->target, strlen(m->target), 0),
                            *source = text_escape(m->source, m->source_len, 0), *to = text_escape(real, strlen(real), 0);
        char **v = realloc(c->resolved, (c->n_resolved + 1) * sizeof(char *));

        if (v)
                c->resolved = v;
        if (!v || !target || !source || !to ||
                        asprintf(&v[c->n_resolved], "%s\t%u\t%s\t%s", target, m->flags, source, to) < 0)
                return -ENOMEM;
        c->n_resolved++;
        return 0;
}

static uint64_t mount_attributes(uint32_t flags) {
        return BASE_ATTR | (flags & PLAN_MOUNT_WRITE ? 0 : (uint64_t) MOUNT_ATTR_RDONLY) |
                        (flags & PLAN_MOUNT_EXEC ? 0 : (uint64_t) MOUNT_ATTR_NOEXEC);
}

/* The daemon held the descriptor's path to the ceiling, as /proc showed it. A caller with a mount namespace of his
 * own can make that say anything, so the path has to lead to the same inode here, for him. */
static int check_claim(BuildContext *c, const PlanMount *m, int fd) {
        const Plan *p = c->plan;
        _cleanup_close_ int there = -EBADF;
        struct stat a, b;
        int r;

        if (!m->source || !*m->source)
                return 0;
        r = identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups);
        if (r < 0)
                return r;
        there = path_open(m->source, O_PATH);
        r = identity_fs_leave();
        if (r < 0)
                return r;
        if (there < 0 || fstat(there, &a) < 0 || fstat(fd, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
                return build_fail(c, -EPERM, "%s: the descriptor does not refer to the host's %s: pass a directory that "
                                             "the host shows under that name", m->target, m->source);
        return 0;
}

/* A descriptor of the caller, made one of this mount namespace when it is from another (PrivateTmp=, a container).
 * Takes the place of *fd when that is needed; *owned closes it. Whether it is needed only a clone tells, which is
 * returned. */
static int bring_here(const PlanMount *m, int *fd, int *owned) {
        int clone = mount_clone_single(*fd, mount_attributes(m->flags));

        if (clone != -EINVAL)
                return clone;
        *owned = path_reopen_here(*fd);
        if (*owned < 0)
                return *owned;
        *fd = *owned;
        return mount_clone_single(*fd, mount_attributes(m->flags));
}

/* Mounts below a granted directory are not shown: a chroot in it may hold /proc, /dev or /run. Below the system's own
 * trees they are the administrator's, as a separate /usr/local. */
static int clone_source(const PlanMount *m, int fd, const char *real, int single) {
        if (is_system_tree(real) && !(m->flags & PLAN_MOUNT_WRITE)) {
                fd_close(single);
                return mount_clone(fd, mount_attributes(m->flags));
        }
        return single >= 0 ? single : mount_clone_single(fd, mount_attributes(m->flags));
}

/* Checks what fd refers to and makes a detached mount of it. */
static int detach_source(BuildContext *c, size_t index, int fd) {
        const PlanMount *m = &c->plan->mounts[index];
        _cleanup_close_ int owned = -EBADF, single = -EBADF;
        char real[PATH_MAX];
        int r = 0;

        if (m->kind == PLAN_MOUNT_FD) {
                r = single = bring_here(m, &fd, &owned);
                if (r >= 0)
                        r = check_claim(c, m, fd);
        }
        if (r >= 0)
                r = check_source(c, m, fd, real, sizeof(real), &c->is_dir[index]);
        if (r < 0)
                return r;
        if (m->kind == PLAN_MOUNT_PATH && !streq(real, m->source)) {
                r = note_resolved(c, m, real);
                if (r < 0)
                        return r;
        }
        c->host_paths[index] = strdup(real);
        if (!c->host_paths[index])
                return -ENOMEM;
        r = c->detached[index] = clone_source(m, fd, real, TAKE_FD(single));
        if (r < 0)
                return build_fail(c, r, "%s: cannot be shown inside: %s", m->target, strerror(-r));
        return 0;
}

int build_sources(BuildContext *c) {
        size_t n = c->plan->n_mounts;

        c->step = "grant";
        c->host_paths = calloc(n + 1, sizeof(char *));
        c->detached = calloc(n + 1, sizeof(int));
        c->is_dir = calloc(n + 1, sizeof(bool));
        if (!c->host_paths || !c->detached || !c->is_dir)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                c->detached[i] = -EBADF;
        for (size_t i = 0; i < n; i++)
                if (c->plan->mounts[i].kind == PLAN_MOUNT_FD) {
                        int r = detach_source(c, i, c->fds[c->plan->mounts[i].fd]);

                        if (r < 0)
                                return build_fail(c, r, "%s: %s", c->plan->mounts[i].target, strerror(-r));
                }
        return 0;
}

void build_sources_done(BuildContext *c) {
        for (size_t i = 0; i < c->plan->n_mounts; i++) {
                if (c->detached)
                        fd_close(c->detached[i]);
                if (c->host_paths)
                        free(c->host_paths[i]);
        }
        free(c->detached);
        free(c->host_paths);
        free(c->is_dir);
        free(c->why);
}

static int attach_source(BuildContext *c, size_t index) {
        _cleanup_close_ int target = open_target(c, c->plan->mounts[index].target, c->is_dir[index]);
        int r;

        if (target < 0)
                return target;
        r = mount_attach(c->detached[index], target);
        c->detached[index] = fd_close(c->detached[index]);
        return r;
}

/* Opens every source by path with the caller's rights to files: what he cannot reach, the builder does not reach
 * for him. */
static int open_paths(BuildContext *c, int *fds) {
        const Plan *p = c->plan;
        int r = identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups);

        if (r < 0)
                return r;
        for (size_t i = 0; i < p->n_mounts; i++)
                if (p->mounts[i].kind == PLAN_MOUNT_PATH)
                        fds[i] = path_open(p->mounts[i].source, O_PATH);
        return identity_fs_leave();
}

static int mount_path(BuildContext *c, size_t index, int fd) {
        const PlanMount *m = &c->plan->mounts[index];
        TemplateSource *s = &c->template.sources[index];
        struct stat st;
        int r;

        if (fd < 0) {
                if ((m->flags & PLAN_MOUNT_OPTIONAL) && (fd == -ENOENT || fd == -EACCES || fd == -ENOTDIR))
                        return 0;
                return build_fail(c, fd, "%s: %s", m->source, strerror(-fd));
        }
        r = detach_source(c, index, fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        *s = (TemplateSource) { .present = true, .dev = st.st_dev, .ino = st.st_ino, .real = strdup(c->host_paths[index]) };
        return s->real ? attach_source(c, index) : -ENOMEM;
}

/* Opens the parent of target, making it, and points *ret_name at the last component. */
static int open_parent(BuildContext *c, const char *target, const char **ret_name) {
        _cleanup_free_ char *parent = strdup(target);
        char *slash;

        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        *slash = 0;
        *ret_name = target + strlen(parent) + 1;
        return open_target(c, parent, true);
}

/* Whether the mount's place lies in one that only the session will have. */
static bool inside_session_mount(const BuildContext *c, size_t index) {
        const Plan *p = c->plan;

        for (size_t i = 0; i < p->n_mounts; i++)
                if (i != index && (p->mounts[i].kind == PLAN_MOUNT_FD || p->mounts[i].kind == PLAN_MOUNT_SCRATCH) &&
                                path_is_beneath(p->mounts[index].target, p->mounts[i].target))
                        return true;
        return false;
}

static int make_thing(BuildContext *c, size_t index) {
        const PlanMount *m = &c->plan->mounts[index];
        _cleanup_close_ int parent = -EBADF, fd = -EBADF;
        struct stat root_st, st;
        const char *name;

        parent = open_parent(c, m->target, &name);
        if (parent < 0)
                return parent;
        if (fstat(c->root, &root_st) < 0 || fstat(parent, &st) < 0)
                return -errno;
        if (st.st_dev != root_st.st_dev || inside_session_mount(c, index))
                return build_fail(c, -EINVAL, "%s lies inside a granted directory: nothing is made there", m->target);
        if (m->kind == PLAN_MOUNT_SYMLINK)
                return symlinkat(m->source, parent, name) < 0 ? -errno : 0;
        if (m->kind == PLAN_MOUNT_DIR) {
                if (mkdirat(parent, name, m->mode) < 0 && errno != EEXIST)
                        return -errno;
                return 0;
        }
        fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, m->mode);
        return fd < 0 ? -errno : fd_write_all(fd, m->source, m->source_len);
}

/* What of a mount belongs to the template: the mount itself, or the place where it will be attached. */
static int template_mount(BuildContext *c, size_t index, int path_fd) {
        const PlanMount *m = &c->plan->mounts[index];
        int fd;

        switch (m->kind) {
        case PLAN_MOUNT_PATH:
                if (inside_session_mount(c, index))
                        return build_fail(c, -EINVAL, "a grant by path cannot lie inside %s", "a directory of the session");
                return mount_path(c, index, path_fd);
        case PLAN_MOUNT_FD:
        case PLAN_MOUNT_SCRATCH:
                if (inside_session_mount(c, index))
                        return 0; /* its place is in a mount of the session */
                fd = open_target(c, m->target, m->kind == PLAN_MOUNT_SCRATCH || c->is_dir[index]);
                fd_close(fd);
                return MIN(fd, 0);
        case PLAN_MOUNT_FILE:
        case PLAN_MOUNT_SYMLINK:
        case PLAN_MOUNT_DIR:
                return make_thing(c, index);
        case _PLAN_MOUNT_MAX:
        case _PLAN_MOUNT_INVALID:
        default:
                return -EINVAL;
        }
}

static int join_resolved(BuildContext *c) {
        size_t len = 1;
        char *p;

        for (size_t i = 0; i < c->n_resolved; i++)
                len += strlen(c->resolved[i]) + 1;
        p = c->template.resolved = malloc(len);
        if (!p)
                return -ENOMEM;
        *p = 0;
        for (size_t i = 0; i < c->n_resolved; i++)
                p = stpcpy(stpcpy(p, c->resolved[i]), "\n");
        return 0;
}

int build_template(BuildContext *c) {
        struct mount_attr attr = { .attr_set = BASE_ATTR | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC };
        _cleanup_close_ int bench = -EBADF;
        int fds[PLAN_MOUNTS_MAX], r;

        c->step = "mount-namespace";
        r = mounts_make_private();
        if (r < 0)
                return r;
        c->step = "root";
        c->root = mount_new("tmpfs", MOUNT_ATTR_NOSUID,
                        (const char *const[]) { "size", "4m", "nr_inodes", "4096", "mode", "0755", NULL });
        if (c->root < 0)
                return c->root;
        /* By name: a descriptor from before would belong to the host's mount namespace. */
        bench = path_open(OCSB_RUN_DIR "/root", O_PATH | O_DIRECTORY | O_NOFOLLOW);
        if (bench < 0)
                return bench;
        r = mount_attach(c->root, bench);
        if (r < 0)
                return r;
        r = make_devices(c);
        if (r < 0)
                return r;
        if (mkdirat(c->root, "proc", 0555) < 0)
                return -errno;

        c->step = "grant";
        c->template.n_sources = c->plan->n_mounts;
        c->template.sources = calloc(c->plan->n_mounts + 1, sizeof(TemplateSource));
        if (!c->template.sources)
                return -ENOMEM;
        for (size_t i = 0; i < c->plan->n_mounts; i++)
                fds[i] = -EBADF;
        r = open_paths(c, fds);
        for (size_t i = 0; r >= 0 && i < c->plan->n_mounts; i++) {
                r = template_mount(c, i, fds[i]);
                if (r < 0)
                        r = build_fail(c, r, "%s: %s", c->plan->mounts[i].target, strerror(-r));
        }
        fd_close_many(fds, c->plan->n_mounts);
        if (r < 0)
                return r;
        c->step = "root";
        if (mount_setattr(c->root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return -errno;
        r = join_resolved(c);
        return r < 0 ? r : root_pivot(c->root);
}

/* A directory of the scratch file system, cloned for each target: one number limits them all. */
static int clone_scratch(BuildContext *c, size_t index, int scratch) {
        const PlanMount *m = &c->plan->mounts[index];
        _cleanup_close_ int dir = -EBADF;
        char name[24];

        (void) snprintf(name, sizeof(name), "%zu", index);
        if (mkdirat(scratch, name, 0700) < 0)
                return -errno;
        dir = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || fchown(dir, c->plan->uid, c->plan->gid) < 0 || fchmod(dir, m->mode) < 0)
                return -errno;
        return c->detached[index] = mount_clone_single(dir, mount_attributes(m->flags));
}

/* Only attached mounts can be cloned before Linux 6.15: the file system is shown at /proc, where proc
 * covers it in the end. It is not unmounted: that would wait for RCU, 0.2 ms, and nobody inside can take proc off it. */
static int make_scratch(BuildContext *c) {
        _cleanup_close_ int scratch = -EBADF, where = -EBADF;
        struct stat st;
        char size[32];
        int r;

        c->step = "scratch";
        (void) snprintf(size, sizeof(size), "%llu", (unsigned long long) c->plan->limits.scratch);
        scratch = mount_new("tmpfs", BASE_ATTR, (const char *const[]) { "size", size, "mode", "0700", NULL });
        where = path_open_in_root(c->root, "/proc", O_PATH | O_DIRECTORY, 0);
        if (scratch < 0 || where < 0)
                return scratch < 0 ? scratch : where;
        if (fstat(scratch, &st) < 0)
                return -errno;
        c->scratch_dev = st.st_dev;
        r = mount_attach(scratch, where);
        for (size_t i = 0; r >= 0 && i < c->plan->n_mounts; i++)
                if (c->plan->mounts[i].kind == PLAN_MOUNT_SCRATCH)
                        r = clone_scratch(c, i, scratch);
        if (r < 0)
                return r;
        /* What covers denied things: nothing to read, nothing to enter, root's. */
        if (mkdirat(scratch, "mask", 0) < 0 || mknodat(scratch, "mask-file", S_IFREG, 0) < 0)
                return -errno;
        c->mask_dir = openat(scratch, "mask", O_PATH | O_DIRECTORY | O_CLOEXEC);
        c->mask_file = openat(scratch, "mask-file", O_PATH | O_CLOEXEC);
        return c->mask_dir < 0 || c->mask_file < 0 ? -errno : 0;
}

int build_mounts(BuildContext *c) {
        int r;

        c->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->root < 0)
                return -errno;
        r = make_scratch(c);
        c->step = "grant";
        for (size_t i = 0; r >= 0 && i < c->plan->n_mounts; i++)
                if (c->plan->mounts[i].kind == PLAN_MOUNT_SCRATCH || c->plan->mounts[i].kind == PLAN_MOUNT_FD) {
                        r = attach_source(c, i);
                        if (r < 0)
                                return build_fail(c, r, "%s: %s", c->plan->mounts[i].target, strerror(-r));
                }
        return r;
}

int build_landlock(BuildContext *c) {
        _cleanup_close_ int rules = -EBADF;
        int r;

        c->step = "landlock";
        if (c->landlock_abi == 0)
                return build_fail(c, -ENOTSUP,
                                "this kernel has no Landlock: boot with lsm=landlock,… or use a kernel that has it");
        rules = landlock_ruleset(c->landlock_abi);
        if (rules < 0)
                return rules;
        r = landlock_allow(rules, c->landlock_abi, c->root, LANDLOCK_READ);
        for (size_t i = 0; r >= 0 && i < c->plan->n_mounts; i++) {
                const PlanMount *m = &c->plan->mounts[i];
                _cleanup_close_ int fd = -EBADF;

                if (m->kind != PLAN_MOUNT_PATH && m->kind != PLAN_MOUNT_FD && m->kind != PLAN_MOUNT_SCRATCH)
                        continue;
                if (!(m->flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC)))
                        continue; /* reading is allowed beneath the root: only what is granted is there */
                fd = path_open_in_root(c->root, m->target, O_PATH, 0);
                if (fd == -ENOENT && (m->flags & PLAN_MOUNT_OPTIONAL))
                        continue;
                r = fd < 0 ? fd
                           : landlock_allow(rules, c->landlock_abi, fd,
                                             LANDLOCK_READ | (m->flags & PLAN_MOUNT_WRITE ? LANDLOCK_WRITE : 0u) |
                                                             (m->flags & PLAN_MOUNT_EXEC ? LANDLOCK_EXEC : 0u));
        }
        if (r >= 0) {
                _cleanup_close_ int dev = path_open_in_root(c->root, "/dev", O_PATH, 0);

                r = dev < 0 ? dev : landlock_allow(rules, c->landlock_abi, dev, LANDLOCK_READ | LANDLOCK_DEVICE);
        }
        return r < 0 ? r : TAKE_FD(rules);
}
