/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The new root: a small tmpfs with the made files and device nodes, a second tmpfs for everything writable that
 * does not outlive the session, /proc, /dev/pts, and the plan's grants. Sources and targets are descriptors. */

#include "build.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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
        _cleanup_close_ int dev = -EBADF, dev_mount = -EBADF, pts = -EBADF, pts_target = -EBADF;
        char path[32];
        int r;

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

        dev_mount = mount_clone_single(dev, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (dev_mount < 0)
                return dev_mount;
        r = mount_attach(dev_mount, dev);
        if (r < 0)
                return r;

        c->step = "devpts";
        pts = mount_new("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                        (const char *const[]) { "ptmxmode", "0666", "mode", "0600", NULL });
        if (pts < 0)
                return pts;
        (void) snprintf(path, sizeof(path), "dev/pts");
        pts_target = openat(c->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (pts_target < 0)
                return -errno;
        return mount_attach(pts, pts_target);
}

static int make_proc(BuildContext *c) {
        _cleanup_close_ int proc = -EBADF, target = -EBADF;

        c->step = "proc";
        if (mkdirat(c->root, "proc", 0555) < 0)
                return -errno;
        target = openat(c->root, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (target < 0)
                return -errno;
        /* subset=pid (Linux 5.8): no /proc/sys, kcore, sysrq-trigger, keys, … to mask one by one. */
        proc = mount_new("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
                        (const char *const[]) { "hidepid", "2", "subset", "pid", NULL });
        if (proc < 0)
                return build_fail(c, proc, "the kernel refuses a /proc of its own (subset=pid): %s", strerror(-proc));
        return mount_attach(proc, target);
}

int build_root(BuildContext *c) {
        _cleanup_close_ int bench = -EBADF;
        int r;

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
        if (mkdirat(c->root, ".mask", 0) < 0)
                return -errno;
        c->mask_dir = openat(c->root, ".mask", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->mask_dir < 0 || mknodat(c->root, ".mask-file", S_IFREG, 0) < 0)
                return -errno;
        c->mask_file = openat(c->root, ".mask-file", O_PATH | O_CLOEXEC);
        if (c->mask_file < 0)
                return -errno;
        r = make_devices(c);
        return r < 0 ? r : make_proc(c);
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
                        if (st.st_dev != root_st.st_dev)
                                return build_fail(c, -ENOENT, "%s does not exist inside the granted directory: make it first", target);
                        if (last && !is_dir ? mknodat(cur, name, S_IFREG | 0444, 0) < 0 : mkdirat(cur, name, 0755) < 0)
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

/* Kernel interfaces that are no files for a sandbox, whatever path leads to them. */
static bool is_kernel_fs(int fd) {
        struct statfs s;

        if (fstatfs(fd, &s) < 0)
                return true;
        switch ((unsigned long) s.f_type) {
        case PROC_SUPER_MAGIC:
        case SYSFS_MAGIC:
        case CGROUP_SUPER_MAGIC:
        case CGROUP2_SUPER_MAGIC:
        case DEBUGFS_MAGIC:
        case TRACEFS_MAGIC:
        case SECURITYFS_MAGIC:
        case SELINUX_MAGIC:
        case BPF_FS_MAGIC:
        case DEVPTS_SUPER_MAGIC:
        case NSFS_MAGIC:
        case EFIVARFS_MAGIC:
        case 0x62656570UL: /* configfs */
        case 0x50495045UL: /* pipefs */
                return true;
        default:
                return false;
        }
}

static int check_source(BuildContext *c, const PlanMount *m, int fd, char *real, size_t size, bool *ret_is_dir) {
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return build_fail(c, -ENOTSUP, "%s: only directories and regular files can be granted", m->target);
        if (is_kernel_fs(fd))
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

static int note_resolved(BuildContext *c, const PlanMount *m, const char *real) {
        char **v, *line = NULL;

        v = realloc(c->resolved, (c->n_resolved + 1) * sizeof(char *));
        if (!v)
                return -ENOMEM;
        c->resolved = v;
        if (asprintf(&line, "%s: %s -> %s", m->target, m->source, real) < 0)
                return -ENOMEM;
        v[c->n_resolved] = text_escape(line, strlen(line), 0);
        free(line);
        if (!v[c->n_resolved])
                return -ENOMEM;
        c->n_resolved++;
        return 0;
}

static uint64_t mount_attributes(uint32_t flags) {
        return BASE_ATTR | (flags & PLAN_MOUNT_WRITE ? 0 : (uint64_t) MOUNT_ATTR_RDONLY) |
                        (flags & PLAN_MOUNT_EXEC ? 0 : (uint64_t) MOUNT_ATTR_NOEXEC);
}

/* Clones the tree at fd; for a descriptor from another mount namespace by way of a mount of this one. */
static int clone_source(int fd, uint64_t attr) {
        _cleanup_close_ int here = -EBADF;
        int m = mount_clone(fd, attr);

        if (m != -EINVAL)
                return m;
        here = path_reopen_here(fd);
        return here < 0 ? here : mount_clone(here, attr);
}

/* Checks what fd refers to and makes a detached mount of it. */
static int detach_source(BuildContext *c, size_t index, int fd) {
        const PlanMount *m = &c->plan->mounts[index];
        char real[PATH_MAX];
        int r;

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
        r = c->detached[index] = clone_source(fd, mount_attributes(m->flags));
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

static int mount_path(BuildContext *c, size_t index) {
        const Plan *p = c->plan;
        const PlanMount *m = &p->mounts[index];
        _cleanup_close_ int fd = -EBADF;
        int r;

        /* With the caller's rights to files: what he cannot reach, the builder does not reach for him. */
        r = identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups);
        if (r < 0)
                return r;
        fd = path_open(m->source, O_PATH);
        r = identity_fs_leave();
        if (r < 0)
                return r;
        if (fd < 0) {
                if ((m->flags & PLAN_MOUNT_OPTIONAL) && (fd == -ENOENT || fd == -EACCES || fd == -ENOTDIR))
                        return 0;
                return build_fail(c, fd, "%s: %s", m->source, strerror(-fd));
        }
        r = detach_source(c, index, fd);
        return r < 0 ? r : attach_source(c, index);
}

static int mount_scratch(BuildContext *c, size_t index, int scratch) {
        const PlanMount *m = &c->plan->mounts[index];
        _cleanup_close_ int dir = -EBADF, mount_fd = -EBADF, target = -EBADF;
        char name[24];

        (void) snprintf(name, sizeof(name), "%zu", index);
        if (mkdirat(scratch, name, 0700) < 0)
                return -errno;
        dir = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || fchown(dir, c->plan->uid, c->plan->gid) < 0 || fchmod(dir, m->mode) < 0)
                return -errno;
        mount_fd = mount_clone_single(dir, mount_attributes(m->flags));
        if (mount_fd < 0)
                return mount_fd;
        target = open_target(c, m->target, true);
        if (target < 0)
                return target;
        return mount_attach(mount_fd, target);
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

static int make_thing(BuildContext *c, const PlanMount *m) {
        _cleanup_close_ int parent = -EBADF, fd = -EBADF;
        struct stat root_st, st;
        const char *name;

        parent = open_parent(c, m->target, &name);
        if (parent < 0)
                return parent;
        if (fstat(c->root, &root_st) < 0 || fstat(parent, &st) < 0)
                return -errno;
        if (st.st_dev != root_st.st_dev)
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

static int mount_one(BuildContext *c, size_t index, int scratch) {
        const PlanMount *m = &c->plan->mounts[index];

        switch (m->kind) {
        case PLAN_MOUNT_PATH:
                return mount_path(c, index);
        case PLAN_MOUNT_FD:
                return attach_source(c, index);
        case PLAN_MOUNT_SCRATCH:
                return mount_scratch(c, index, scratch);
        case PLAN_MOUNT_FILE:
        case PLAN_MOUNT_SYMLINK:
        case PLAN_MOUNT_DIR:
                return make_thing(c, m);
        case _PLAN_MOUNT_MAX:
        case _PLAN_MOUNT_INVALID:
        default:
                return -EINVAL;
        }
}

int build_mounts(BuildContext *c) {
        _cleanup_close_ int scratch = -EBADF, bench = -EBADF;
        char size[32];
        int r;

        /* One file system for everything writable that is not granted, so that one number limits it all. */
        c->step = "scratch";
        (void) snprintf(size, sizeof(size), "%llu", (unsigned long long) c->plan->limits.scratch);
        scratch = mount_new("tmpfs", BASE_ATTR, (const char *const[]) { "size", size, "mode", "0700", NULL });
        if (scratch < 0)
                return scratch;
        if (mkdirat(c->root, ".scratch", 0700) < 0)
                return -errno;
        bench = openat(c->root, ".scratch", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (bench < 0)
                return -errno;
        r = mount_attach(scratch, bench);
        if (r < 0)
                return r;

        c->step = "grant";
        for (size_t i = 0; i < c->plan->n_mounts; i++) {
                r = mount_one(c, i, scratch);
                if (r < 0)
                        return build_fail(c, r, "%s: %s", c->plan->mounts[i].target, strerror(-r));
        }

        /* The bench goes; the directories that were cloned from it stay mounted where they are. */
        c->step = "scratch";
        if (fchdir(c->root) < 0 || umount2(".scratch", MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ||
                        unlinkat(c->root, ".scratch", AT_REMOVEDIR) < 0)
                return -errno;
        return 0;
}

int build_landlock(BuildContext *c) {
        struct mount_attr attr = { .attr_set = BASE_ATTR | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC };
        _cleanup_close_ int rules = -EBADF;
        int r;

        c->step = "root";
        if (unlinkat(c->root, ".mask", AT_REMOVEDIR) < 0 || unlinkat(c->root, ".mask-file", 0) < 0)
                return -errno;
        if (mount_setattr(c->root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return -errno;

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
