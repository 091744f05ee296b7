/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The test bed. The outermost process makes the cgroup and waits; the next one is PID 1 of the bed and
 * reaps; the third one runs the tests. When it ends, PID 1 ends and the kernel kills what is left. */

#include "bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <libgen.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/cgroup.h"

static _noreturn_ void die(const char *what) {
        printf("# test bed: %s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(77);
}

static void must(int r, const char *what) {
        if (r < 0)
                die(what);
}

void bed_write(const char *path, const char *text, mode_t mode, uid_t owner) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 || fchown(fd, owner, owner) < 0 ||
                        fchmod(fd, mode ? mode : 0644) < 0)
                die(path);
}

void bed_mkdir(const char *path, mode_t mode, uid_t owner) {
        if ((mkdir(path, 0700) < 0 && errno != EEXIST) || chown(path, owner, owner) < 0 ||
                        chmod(path, mode ? mode : 0755) < 0)
                die(path);
}

void bed_copy(const char *from, const char *to, mode_t mode) {
        _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -EBADF;
        char buf[65536];
        ssize_t n;

        if (in < 0)
                die(from);
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out < 0)
                die(to);
        while ((n = read(in, buf, sizeof(buf))) > 0)
                must(fd_write_all(out, buf, (size_t) n), to);
        must(fchmod(out, mode), to);
}

char *bed_read(const char *path) {
        char *text = NULL;

        return file_read(AT_FDCWD, path, 16u << 20, &text, NULL) < 0 ? NULL : text;
}

bool bed_exists(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                struct FTW *f _unused_) {
        (void) remove(path);
        return 0;
}

void bed_remove(const char *path) {
        (void) nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int bed_listen(const char *name) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        size_t n = strlen(name);

        if (fd < 0 || n >= sizeof(sa.sun_path))
                die(name);
        memcpy(sa.sun_path, name, n);
        if (name[0] == '@')
                sa.sun_path[0] = 0;
        else
                (void) unlink(name);
        if (bind(fd, (struct sockaddr *) &sa,
                            (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@'))) <
                                        0 ||
                        listen(fd, 8) < 0)
                die(name);
        if (name[0] != '@')
                must(chmod(name, 0666), name);
        return fd;
}

static int wait_status(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int bed_as(uid_t uid, int (*fn)(void *userdata), void *userdata) {
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return -1;
        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                        _exit(126);
                _exit(fn(userdata));
        }
        return wait_status(pid);
}

static unsigned count_lines(const char *path) {
        _cleanup_free_ char *text = bed_read(path);
        unsigned n = 0;

        for (char *p = text; p && (p = strchr(p, '\n')); p++)
                n++;
        return n;
}

static unsigned count_cgroups(const char *path) {
        DIR *d = opendir(path);
        unsigned n = 0;

        if (!d)
                return 0;
        for (struct dirent *e; (e = readdir(d));) {
                _cleanup_free_ char *sub = NULL;

                if (e->d_type != DT_DIR || e->d_name[0] == '.')
                        continue;
                if (asprintf(&sub, "%s/%s", path, e->d_name) < 0)
                        abort();
                n += 1 + count_cgroups(sub);
        }
        (void) closedir(d);
        return n;
}

static unsigned count_numbers(const char *path) {
        DIR *d = opendir(path);
        unsigned n = 0;

        if (!d)
                return 0;
        for (struct dirent *e; (e = readdir(d));)
                n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
        (void) closedir(d);
        return n;
}

BedCount bed_count(void) {
        return (BedCount){
                        .mounts = count_lines("/proc/self/mountinfo"),
                        .cgroups = count_cgroups("/sys/fs/cgroup"),
                        .processes = count_numbers("/proc"),
        };
}

unsigned bed_fds_of(pid_t pid) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        return count_numbers(path);
}

unsigned bed_memory_of(pid_t pid) {
        _cleanup_free_ char *text = NULL;
        char path[64], *p;

        (void) snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int) pid);
#if defined(__SANITIZE_ADDRESS__)
        return 0;
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
        return 0;
#endif
#endif
        text = bed_read(path);
        p = text ? strstr(text, "Private_Dirty:") : NULL;
        return p ? (unsigned) strtoul(p + 14, NULL, 10) : 0;
}

bool bed_wait(bool (*fn)(void *userdata), void *userdata, unsigned timeout_ms) {
        for (unsigned i = 0; i <= timeout_ms; i++) {
                if (fn(userdata))
                        return true;
                (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        return false;
}

static char build_dir[PATH_MAX];

const char *bed_build_dir(void) {
        char *dir = build_dir;
        const char *env = getenv("OCSB_BUILD");
        ssize_t n;

        if (dir[0])
                return dir;
        if (env && realpath(env, dir))
                return dir;
        n = readlink("/proc/self/exe", dir, sizeof(build_dir) - 1);
        must(n < 0 ? -1 : 0, "/proc/self/exe");
        dir[n] = 0;
        for (int up = 0; up < 3; up++) /* BUILD/tests/root/PROGRAM */
                *strrchr(dir, '/') = 0;
        return dir;
}

/* The bed's files */

static void mount_or_die(const char *what, const char *where, const char *type, unsigned long flags,
                const char *data) {
        if (mount(what, where, type, flags, data) < 0)
                die(where);
}

static void make_dev(void) {
        static const struct {
                const char *name;
                unsigned major, minor;
        } nodes[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8},
                        {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}, {"/dev/ptmx", 5, 2},
                        {"/dev/kmsg", 1, 11}};
        mode_t old = umask(0);

        mount_or_die("dev", "/dev", "tmpfs", MS_NOSUID, "mode=0755");
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
                must(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
                                nodes[i].name);
        must(mknod("/dev/loop0", S_IFBLK | 0600, makedev(7, 0)), "/dev/loop0");
        must(mkdir("/dev/pts", 0755), "/dev/pts");
        must(mkdir("/dev/shm", 01777), "/dev/shm");
        mount_or_die("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                        "newinstance,ptmxmode=0666,mode=620");
        must(unlink("/dev/ptmx"), "/dev/ptmx");
        must(symlink("pts/ptmx", "/dev/ptmx"), "/dev/ptmx");
        (void) umask(old);
}

static void append(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

        if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
                die(path);
}

static void make_accounts(void) {
        append("/etc/passwd",
                        "\nocsb:x:990:990::/nonexistent:/usr/sbin/nologin\n"
                        "ocsb-fw:x:991:991::/nonexistent:/usr/sbin/nologin\n"
                        "alice:x:20001:20001::/home/alice:/bin/sh\nbob:x:20002:20002::/home/bob:/bin/sh\n");
        append("/etc/group", "\nocsb:x:990:\nocsb-fw:x:991:\nalice:x:20001:\nbob:x:20002:\n");
        bed_mkdir("/home/alice", 0700, ALICE);
        bed_mkdir("/home/bob", 0700, BOB);
        bed_mkdir("/run/ocsb", 0755, 0);
        bed_write("/home/bob/secret", "bob's secret\n", 0600, BOB);
}

static void make_files(void) {
        must(unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP), "unshare");
        mount_or_die(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        /* The overlay's upper layer lives in a tmpfs that only this namespace sees. */
        mount_or_die("bed", "/mnt", "tmpfs", 0, "mode=0755");
        must(mkdir("/mnt/upper", 0755), "upper");
        must(mkdir("/mnt/work", 0755), "work");
        must(mkdir("/mnt/root", 0755), "root");
        mount_or_die("bed", "/mnt/root", "overlay", 0, "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work");
        /* The build directory may be on a file system that the overlay's lower layer does not show. */
        must(mkdir("/mnt/root/.build", 0755), ".build");
        mount_or_die(bed_build_dir(), "/mnt/root/.build", NULL, MS_BIND | MS_REC, NULL);
        must(chdir("/mnt/root"), "chdir");
        must((int) syscall(SYS_pivot_root, ".", "."), "pivot_root");
        must(umount2(".", MNT_DETACH), "umount");
        must(chdir("/"), "chdir");
        (void) snprintf(build_dir, sizeof(build_dir), "/.build");

        mount_or_die("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        mount_or_die("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
        mount_or_die("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        make_dev();
        mount_or_die("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
        mount_or_die("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
        mount_or_die("home", "/home", "tmpfs", MS_NODEV, "mode=0755");
        make_accounts();
}

static void loopback_up(void) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
                die("lo");
}

/* PID 1 of the bed. */
static _noreturn_ void first_process(int (*fn)(void *userdata), void *userdata) {
        pid_t pid, tests;
        int status, result = 1;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        make_files();
        loopback_up();
        /* The bed's root cgroup has no processes of its own, so that its controllers can be handed on. */
        must(mkdir("/sys/fs/cgroup/tests", 0755), "cgroup");
        must(file_write_at(AT_FDCWD, "/sys/fs/cgroup/tests/cgroup.procs", "1"), "cgroup");
        tests = fork();
        must(tests, "fork");
        if (tests == 0) {
                status = fn(userdata);
                fflush(stdout);
                _exit(status);
        }
        while ((pid = wait(&status)) > 0 || errno == EINTR)
                if (pid == tests) {
                        result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
                        break;
                }
        _exit(result);
}

static void make_cgroup(char *path, size_t size) {
        char mount_point[PATH_MAX], own[PATH_MAX], inner[PATH_MAX + 16], pid[16];

        errno = ENOENT;
        if (cgroup_mount_point(mount_point, sizeof(mount_point)) < 0 || cgroup_of(0, own, sizeof(own)) < 0)
                die("cgroup2");
        if ((size_t) snprintf(path, size, "%s%s/ocsb-bed.%d", mount_point, own, (int) getpid()) >= size)
                die("cgroup2");
        must(mkdir(path, 0755), path);
        (void) snprintf(inner, sizeof(inner), "%s/cgroup.procs", path);
        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        must(file_write_at(AT_FDCWD, inner, pid), inner);
}

static void remove_cgroup(const char *path, const char *back) {
        DIR *d;
        char sub[PATH_MAX + 256], pid[16];

        if (back) {
                (void) snprintf(sub, sizeof(sub), "%s/cgroup.procs", back);
                (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
                (void) file_write_at(AT_FDCWD, sub, pid);
        }
        d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));)
                if (e->d_type == DT_DIR && e->d_name[0] != '.') {
                        (void) snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
                        remove_cgroup(sub, NULL);
                }
        if (d)
                (void) closedir(d);
        /* The last processes of a killed pid namespace leave a moment later. */
        for (int i = 0; i < 2000 && rmdir(path) < 0 && errno == EBUSY; i++)
                (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static pid_t first_pid;

static void end_first(int signal _unused_) {
        (void) kill(first_pid, SIGKILL);
}

int bed_run(int (*fn)(void *userdata), void *userdata) {
        char path[PATH_MAX], back[PATH_MAX];
        pid_t outer;

        if (geteuid() != 0) {
                printf("1..0 # SKIP the test bed needs root\n");
                return 77;
        }
        (void) bed_build_dir();
        fflush(stdout);
        /* In a child: the caller's own cgroup and namespaces stay as they are. */
        outer = fork();
        must(outer, "fork");
        if (outer == 0) {
                int status;

                make_cgroup(path, sizeof(path));
                (void) snprintf(back, sizeof(back), "%s", path);
                *strrchr(back, '/') = 0;
                must(unshare(CLONE_NEWPID), "unshare");
                first_pid = fork();
                must(first_pid, "fork");
                if (first_pid == 0)
                        first_process(fn, userdata);
                /* However the tests are ended, the cgroup goes. */
                (void) signal(SIGTERM, end_first);
                (void) signal(SIGINT, end_first);
                (void) signal(SIGHUP, end_first);
                (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
                status = wait_status(first_pid);
                remove_cgroup(path, back);
                _exit(status);
        }
        return wait_status(outer);
}
