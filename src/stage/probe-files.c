/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attempts on the file system: what the plan hides or protects, what the builder mounted, the host's
 * sockets, and writing anywhere outside. Whatever an attempt makes is called .ocsb-probe-PID and is taken
 * away at once; nothing is ever unlinked that an attempt did not make, and what could be renamed is renamed
 * back. */

#include "probe-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/libc.h"
#include "base/text.h"

#define PATHS_MAX 16u /* of each kind: a plan may have hundreds, and a create waits for us */
#define NAME_SIZE 4160u

/* An attempt of a series: only what does not hold is worth its own words. Returns whether it held. */
static bool held(Probe *p, unsigned refusals, int error, const char *what, const char *path) {
        if (probe_judge(refusals, error) == PROBE_HELD)
                return true;
        probe_expect(p, refusals, error, "%s %s", what, probe_path(path).text);
        return false;
}

/* A name for what we make, in the directory or beside the file. */
static void own_name(char out[static NAME_SIZE], const char *dir, size_t dir_len) {
        (void) snprintf(out, NAME_SIZE, "%.*s/.ocsb-probe-%d", (int) MIN(dir_len, (size_t) 4095), dir,
                        (int) getpid());
}

static size_t parent_len(const char *path) {
        return (size_t) (strrchr(path, '/') - path);
}

static int try_create(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return errno;
        (void) close(fd);
        (void) unlink(path);
        return 0;
}

static int try_create_in(const char *dir) {
        char name[NAME_SIZE];

        own_name(name, dir, strlen(dir));
        return try_create(name);
}

static int try_open(const char *path, int flags) {
        return probe_fd_error(open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

static int try_rename(const char *path) {
        char aside[NAME_SIZE];

        own_name(aside, path, parent_len(path));
        if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) < 0)
                return errno;
        (void) renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE);
        return 0;
}

static int try_link(const char *path) {
        char aside[NAME_SIZE];

        own_name(aside, path, parent_len(path));
        if (link(path, aside) < 0)
                return errno;
        (void) unlink(aside);
        return 0;
}

/* The same mode again: nothing changes where it succeeds. */
static int try_chmod(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return errno;
        return ERRNO_OF(chmod(path, st.st_mode & 07777));
}

static int try_utimes(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return errno;
        return ERRNO_OF(utimensat(AT_FDCWD, path, (struct timespec[]){st.st_atim, st.st_mtim}, 0));
}

/* XATTR_REPLACE of one that is not there: ENODATA would say that it could have been set. */
static int try_setxattr(const char *path) {
        return ERRNO_OF(setxattr(path, "user.ocsb-probe", "", 0, XATTR_REPLACE));
}

#define REFUSED_WRITE (REFUSED_DOOR | REFUSED_ABSENT | REFUSED_READONLY)

/* Replacing a protected path is as good as writing to it: under its own name, or under another one. */
static bool cannot_be_replaced(Probe *p, const char *path) {
        bool ok = held(p, REFUSED_WRITE | REFUSED_MOUNTPOINT, try_rename(path), "rename", path);

        /* Directories have no hard links (EPERM). */
        return held(p, REFUSED_WRITE | REFUSED_MOUNTPOINT, try_link(path), "link", path) && ok;
}

static void try_masked_paths(Probe *p) {
        size_t n = MIN(p->context->n_hidden, (size_t) PATHS_MAX), good = 0;

        for (size_t i = 0; i < n; i++) {
                const char *path = p->context->hidden[i];
                int e = try_open(path, O_RDONLY);
                bool ok = held(p, REFUSED_DOOR | REFUSED_ABSENT, e, "read", path);

                if (e == ENOENT)
                        ok = held(p, REFUSED_WRITE, try_create(path), "make", path) && ok;
                else
                        ok = held(p, REFUSED_WRITE | REFUSED_KIND, try_open(path, O_WRONLY), "write",
                                             path) &&
                             ok;
                ok = held(p, REFUSED_WRITE, try_create_in(path), "make a file in", path) && ok;
                good += cannot_be_replaced(p, path) && ok;
        }
        if (n > 0)
                probe_say(p, PROBE_HELD,
                                "%zu of %zu hidden paths: not read, written, made, renamed or linked", good,
                                p->context->n_hidden);
}

static void try_protected_paths(Probe *p) {
        size_t n = MIN(p->context->n_readonly, (size_t) PATHS_MAX), good = 0;

        for (size_t i = 0; i < n; i++) {
                const char *path = p->context->readonly[i];
                int e = try_open(path, O_WRONLY);
                bool ok = held(p, REFUSED_WRITE | REFUSED_KIND, e, "write", path);

                if (e == ENOENT)
                        ok = held(p, REFUSED_WRITE, try_create(path), "make", path) && ok;
                ok = held(p, REFUSED_WRITE, try_create_in(path), "make a file in", path) && ok;
                ok = held(p, REFUSED_WRITE, try_chmod(path), "chmod", path) && ok;
                good += cannot_be_replaced(p, path) && ok;
        }
        if (n > 0)
                probe_say(p, PROBE_HELD,
                                "%zu of %zu protected paths: not written, made, changed, renamed or linked",
                                good, p->context->n_readonly);
}

/* Who renames a directory above a protected name frees that name: mv a b; mkdir a; write a/protected. */
static size_t parents_held(Probe *p, char *const *paths, size_t n_paths) {
        char last[NAME_SIZE] = "", dir[NAME_SIZE];
        size_t good = 0;

        for (size_t i = 0; i < MIN(n_paths, (size_t) PATHS_MAX); i++) {
                (void) snprintf(dir, sizeof(dir), "%s", paths[i]);
                for (;;) {
                        dir[parent_len(dir)] = 0;
                        /* Shared parents once. */
                        if (!dir[0] || streq(dir, p->context->workdir) || path_is_beneath(last, dir))
                                break;
                        good += held(p, REFUSED_WRITE | REFUSED_MOUNTPOINT, try_rename(dir), "rename", dir);
                }
                (void) snprintf(last, sizeof(last), "%.*s", (int) MIN(parent_len(paths[i]), (size_t) 4095),
                                paths[i]);
        }
        return good;
}

static void try_protected_parents(Probe *p) {
        size_t good = parents_held(p, p->context->hidden, p->context->n_hidden) +
                      parents_held(p, p->context->readonly, p->context->n_readonly);

        if (good > 0)
                probe_say(p, PROBE_HELD, "%zu directories above them: not renamed", good);
}

static void try_write_outside(Probe *p) {
        static const char *const dirs[] = {"/", "/usr", "/usr/bin", "/usr/lib", "/usr/local/bin", "/etc",
                        "/dev", "/proc", "/sys", "/boot", "/root", "/home", "/var", "/var/lib", "/opt"};
        size_t good = 0;

        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                /* A plan can make the workspace one of these. */
                if (p->context->workspace_writable && streq(dirs[i], p->context->workdir))
                        continue;
                good += held(p, REFUSED_WRITE, try_create_in(dirs[i]), "make a file in", dirs[i]);
        }
        probe_say(p, PROBE_HELD, "no file can be made in %zu directories of the system", good);
}

static void try_metadata(Probe *p) {
        static const char program[] = "/usr/bin/env";

        probe_expect(p, REFUSED_WRITE, try_open(program, O_WRONLY), "write /usr/bin/env");
        probe_expect(p, REFUSED_WRITE, try_chmod(program), "chmod");
        probe_expect(p, REFUSED_WRITE, try_utimes(program), "utimensat");
        probe_expect(p, REFUSED_WRITE, try_setxattr(program), "setxattr");
        probe_expect(p, REFUSED_WRITE | REFUSED_MOUNTPOINT, try_rename(program), "rename");
        probe_expect(p, REFUSED_WRITE | REFUSED_MOUNTPOINT, try_link(program), "link");
}

/* Where files can be made: /tmp rather than the workspace, which is the host's. */
static const char *scratch_dir(const Probe *p) {
        return access("/tmp", W_OK) == 0 || !p->context->workspace_writable ? "/tmp" : p->context->workdir;
}

static void try_device_nodes(Probe *p) {
        static const struct {
                const char *what;
                mode_t type;
                unsigned major, minor;
        } nodes[] = {{"mknod c 1:1", S_IFCHR, 1, 1}, {"b 8:0", S_IFBLK, 8, 0}, {"whiteout", S_IFCHR, 0, 0}};
        char name[NAME_SIZE];

        own_name(name, scratch_dir(p), strlen(scratch_dir(p)));
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                int e = ERRNO_OF(mknod(name, nodes[i].type | 0600, makedev(nodes[i].major, nodes[i].minor)));

                if (e == 0)
                        (void) unlink(name);
                probe_expect(p, REFUSED_WRITE, e, "%s", nodes[i].what);
        }
}

static bool device_expected(const struct stat *st) {
        unsigned ma = major(st->st_rdev), mi = minor(st->st_rdev);

        if (S_ISBLK(st->st_mode))
                return false;
        if (!S_ISCHR(st->st_mode))
                return true;
        return (ma == 1 && (mi == 3 || mi == 5 || mi == 7 || mi == 8 || mi == 9)) ||
               (ma == 5 && (mi == 0 || mi == 2)) || (ma >= 136 && ma <= 143);
}

static void devices_in(Probe *p, const char *path, unsigned *seen) {
        DIR *d = opendir(path);

        if (!d) {
                probe_expect(p, REFUSED_ABSENT, errno, "list %s", path);
                return;
        }
        for (struct dirent *e; (e = readdir(d));) {
                struct stat st;

                if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                        (*seen)++;
                if (!device_expected(&st))
                        probe_say(p, PROBE_BROKEN, "%s/%s is %s device %u:%u", path,
                                        probe_path(e->d_name).text,
                                        S_ISBLK(st.st_mode) ? "block" : "character", major(st.st_rdev),
                                        minor(st.st_rdev));
        }
        (void) closedir(d);
}

static void try_devices(Probe *p) {
        unsigned seen = 0;

        devices_in(p, "/dev", &seen);
        devices_in(p, "/dev/pts", &seen);
        probe_say(p, PROBE_HELD, "%u devices: null, zero, full, random, urandom and terminals", seen);
}

/* Mount attributes as the kernel has them, not as they were asked for. */
static void check_mount(Probe *p, char *line) {
        char *fields[7], *save = NULL;
        size_t n = 0;

        for (char *f = strtok_r(line, " ", &save); f && n < ELEMENTSOF(fields);
                        f = strtok_r(NULL, " ", &save))
                fields[n++] = f;
        if (n < ELEMENTSOF(fields))
                return;
        if (!strstr(fields[5], "nosuid"))
                probe_say(p, PROBE_BROKEN, "%s is mounted without nosuid", probe_path(fields[4]).text);
        if (!strstr(fields[5], "nodev") && !str_has_prefix(fields[4], "/dev"))
                probe_say(p, PROBE_BROKEN, "%s is mounted without nodev", probe_path(fields[4]).text);
        if (streq(fields[4], "/") && !str_has_prefix(fields[5], "ro"))
                probe_say(p, PROBE_BROKEN, "the root is mounted writable");
        if (str_has_prefix(fields[6], "shared:"))
                probe_say(p, PROBE_BROKEN, "%s shares its mounts with another namespace",
                                probe_path(fields[4]).text);
}

static void try_mounts(Probe *p) {
        _cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = malloc((256u << 10) + 1);
        char *save = NULL;
        unsigned seen = 0;
        ssize_t n;

        n = fd >= 0 && text ? fd_read_full(fd, text, 256u << 10) : -1;
        if (n <= 0) {
                probe_say(p, PROBE_NOT_PROVABLE, "/proc/self/mountinfo can't be read");
                return;
        }
        text[n] = 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), seen++)
                check_mount(p, line);
        probe_say(p, PROBE_HELD,
                        "%u mounts: all nosuid, nodev outside /dev, none shared, the root read-only", seen);
}

static int try_unix(const struct sockaddr_un *sa, socklen_t len) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) sa, len) < 0)
                return errno == EAGAIN ? EISCONN : errno; /* a full queue is somebody's queue */
        return 0;
}

static void try_host_sockets(Probe *p) {
        static const char *const paths[] = {"/run/dbus/system_bus_socket", "/var/run/docker.sock",
                        "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
                        "/run/crio/crio.sock", "/run/systemd/private", "/run/systemd/notify",
                        "/run/systemd/journal/socket", "/run/systemd/journal/stdout", "/dev/log",
                        "/run/ocsb/channel.sock", "/run/ocsb/stage.sock", "/run/libvirt/libvirt-sock",
                        "/run/snapd.socket", "/run/nscd/socket", "/run/cups/cups.sock", "/tmp/.X11-unix/X0"};
        static const char *const users[] = {"bus", "systemd/private", "wayland-0", "docker.sock",
                        "podman/podman.sock", "gnupg/S.gpg-agent", "gnupg/S.gpg-agent.ssh", "keyring/ssh",
                        "pipewire-0", "gvfsd"};
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        size_t good = 0;

        for (size_t i = 0; i < ELEMENTSOF(paths) + ELEMENTSOF(users); i++) {
                if (i < ELEMENTSOF(paths))
                        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", paths[i]);
                else
                        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "/run/user/%u/%s", getuid(),
                                        users[i - ELEMENTSOF(paths)]);
                good += held(p, REFUSED_DOOR | REFUSED_ABSENT | REFUSED_NOBODY | REFUSED_FAMILY,
                                try_unix(&sa, sizeof(sa)), "connect to", sa.sun_path);
        }
        probe_say(p, PROBE_HELD, "none of %zu sockets of the host's services is there", good);
}

static void try_abstract_sockets(Probe *p) {
        static const char *const names[] = {"/tmp/.X11-unix/X0", "/tmp/.X11-unix/X1",
                        "/org/freedesktop/systemd1/notify", "/org/kernel/linux/storage/multipathd",
                        "/tmp/.ICE-unix/1"};
        size_t good = 0;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct sockaddr_un sa = {.sun_family = AF_UNIX};
                size_t n = strlen(names[i]);

                memcpy(sa.sun_path + 1, names[i], n);
                good += held(p, REFUSED_DOOR | REFUSED_NOBODY | REFUSED_FAMILY,
                                try_unix(&sa, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + n)),
                                "connect to abstract", names[i]);
        }
        probe_say(p, PROBE_HELD, "none of %zu abstract sockets of the host is there", good);
}

static void try_cgroup(Probe *p) {
        static const char *const dirs[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        struct statfs fs;

        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                char name[NAME_SIZE];
                int e;

                if (statfs(dirs[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        probe_say(p, PROBE_BROKEN, "cgroup2 is mounted on %s", dirs[i]);
                own_name(name, dirs[i], strlen(dirs[i]));
                e = ERRNO_OF(mkdir(name, 0700));
                if (e == 0)
                        (void) rmdir(name);
                probe_expect(p, REFUSED_WRITE, e, "mkdir in %s", dirs[i]);
        }
}

/* Landlock domains nest up to a depth of 16 (landlock(7)). How many more a child can enter tells how many it
 * is in: the one proof that needs no file, and that no other wall can give instead. */
#define LANDLOCK_DEPTH_MAX 16

static int child_landlock(Probe *p) {
        struct {
                uint64_t fs;
        } attr = {.fs = 1}; /* execution: what every ABI knows */
        int depth = 0, fd = -1;

        p->shared[0] = 0;
        while (depth <= LANDLOCK_DEPTH_MAX) {
                fd = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
                if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                        break;
                (void) close(fd);
                depth++;
        }
        p->shared[0] = errno;
        return depth;
}

static void try_landlock(Probe *p) {
        int r, depth;

        if (p->context->landlock_abi == 0) {
                probe_say(p, PROBE_BROKEN, "the kernel has no Landlock");
                return;
        }
        r = probe_in_child(p, child_landlock);
        depth = r < 0 || !WIFEXITED(r) ? 0 : LANDLOCK_DEPTH_MAX - WEXITSTATUS(r);
        if (r < 0 || !WIFEXITED(r) || p->shared[0] != E2BIG)
                probe_say(p, PROBE_NOT_PROVABLE, "the depth of domains can't be counted: %s",
                                probe_error(r < 0 ? -r : p->shared[0]));
        else if (depth < 1)
                probe_say(p, PROBE_BROKEN, "ABI %u, but this process is in no domain",
                                p->context->landlock_abi);
        else
                probe_say(p, PROBE_HELD, "ABI %u, %d domain%s: %d more could be entered before E2BIG",
                                p->context->landlock_abi, depth, depth == 1 ? "" : "s",
                                LANDLOCK_DEPTH_MAX - depth);
}

/* Which walls stand where this kernel's Landlock has none. */
static void try_landlock_scope(Probe *p) {
        if (p->context->landlock_abi < 6)
                probe_say(p, PROBE_NOT_PROVABLE,
                                "Landlock ABI %u has no scopes: the pid namespace holds signals, the "
                                "network namespace abstract sockets",
                                p->context->landlock_abi);
}

const ProbeAttempt probe_file_attempts[] = {
                {"masked-path", try_masked_paths},
                {"protected-path", try_protected_paths},
                {"protected-parent", try_protected_parents},
                {"write-outside", try_write_outside},
                {"metadata-outside", try_metadata},
                {"landlock", try_landlock},
                {"landlock-scope", try_landlock_scope},
                {"device-nodes", try_device_nodes},
                {"devices", try_devices},
                {"mounts", try_mounts},
                {"host-sockets", try_host_sockets},
                {"abstract-sockets", try_abstract_sockets},
                {"cgroup", try_cgroup},
                {},
};
