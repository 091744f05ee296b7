/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on paths. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attack.h"

static int fd_result(int fd) {
        if (fd >= 0)
                (void) close(fd);
        return fd;
}

/* hidden PATH...: nothing of it can be read, listed, changed or replaced. */
static int hidden(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                const char *p = argv[i];
                char beneath[4096], buf[256];
                struct stat st;

                (void) snprintf(beneath, sizeof(beneath), "%s/x", p);
                REFUSED(p, fd_result(open(p, O_RDONLY | O_NONBLOCK)), EACCES, EPERM, ENOENT, ENOTDIR);
                REFUSED(p, fd_result(open(p, O_RDONLY | O_DIRECTORY)), EACCES, EPERM, ENOENT, ENOTDIR);
                REFUSED(p, fd_result(open(p, O_WRONLY | O_NONBLOCK)), EACCES, EPERM, ENOENT, EROFS, EISDIR,
                                ENOTDIR);
                REFUSED(p, fd_result(open(p, O_WRONLY | O_CREAT | O_EXCL, 0600)), EACCES, EPERM, EROFS,
                                EEXIST, ENOENT, ENOTDIR);
                REFUSED(beneath, fd_result(open(beneath, O_WRONLY | O_CREAT, 0600)), EACCES, EPERM, EROFS,
                                ENOTDIR, ENOENT);
                REFUSED("stat beneath", stat(beneath, &st), EACCES, EPERM, ENOENT, ENOTDIR);
                REFUSED("chmod", chmod(p, 0777), EPERM, EACCES, EROFS, ENOENT, ENOTDIR);
                REFUSED("rmdir", rmdir(p), EBUSY, EACCES, EPERM, EROFS, ENOTDIR, ENOENT);
                REFUSED("unlink", unlink(p), EBUSY, EACCES, EPERM, EROFS, EISDIR, ENOENT, ENOTDIR);
                (void) snprintf(beneath, sizeof(beneath), "%s.aside", p);
                REFUSED("rename", rename(p, beneath), EBUSY, EACCES, EPERM, EROFS, ENOENT, ENOTDIR);
                REFUSED("link", link(p, beneath), EXDEV, EACCES, EPERM, EROFS, ENOENT, ENOTDIR);
                REFUSED("getxattr", getxattr(p, "user.x", buf, sizeof(buf)), EACCES, EPERM, ENODATA, ENOTSUP,
                                ENOENT, ENOTDIR);
                if (stat(p, &st) == 0)
                        holds(st.st_size == 0 || S_ISDIR(st.st_mode), "stat of %s shows a size of %lld", p,
                                        (long long) st.st_size);
        }
        return 0;
}

/* unwritable PATH...: can be looked at, not changed, replaced or made. */
static int unwritable(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                const char *p = argv[i];
                char other[4096];
                struct stat st;

                REFUSED(p, fd_result(open(p, O_WRONLY | O_NONBLOCK)), EACCES, EPERM, ENOENT, EROFS, EISDIR,
                                ENXIO);
                REFUSED(p, fd_result(open(p, O_RDWR | O_CREAT | O_TRUNC, 0600)), EACCES, EPERM, EROFS,
                                EISDIR, ENOENT);
                REFUSED("truncate", truncate(p, 0), EACCES, EPERM, EROFS, EISDIR, ENOENT, EINVAL);
                REFUSED("unlink", unlink(p), EBUSY, EACCES, EPERM, EROFS, EISDIR, ENOENT);
                REFUSED("rmdir", rmdir(p), EBUSY, EACCES, EPERM, EROFS, ENOTDIR, ENOENT);
                REFUSED("mkdir", mkdir(p, 0700), EEXIST, EACCES, EPERM, EROFS, ENOENT);
                REFUSED("symlink", symlink("/tmp", p), EEXIST, EACCES, EPERM, EROFS, ENOENT);
                REFUSED("mkfifo", mkfifo(p, 0600), EEXIST, EACCES, EPERM, EROFS, ENOENT);
                if (stat(p, &st) == 0) {
                        REFUSED("chmod", chmod(p, 0777), EACCES, EPERM, EROFS);
                        REFUSED("chown", chown(p, getuid(), getgid()), EACCES, EPERM, EROFS);
                        REFUSED("utimensat", utimensat(AT_FDCWD, p, NULL, 0), EACCES, EPERM, EROFS);
                        REFUSED("setxattr", setxattr(p, "user.x", "x", 1, 0), EACCES, EPERM, EROFS, ENOTSUP);
                }
                (void) snprintf(other, sizeof(other), "%s/made-in-it", p);
                REFUSED(other, fd_result(open(other, O_WRONLY | O_CREAT, 0600)), EACCES, EPERM, EROFS,
                                ENOTDIR, ENOENT);
                (void) snprintf(other, sizeof(other), "%s.aside", p);
                REFUSED("rename away", rename(p, other), EBUSY, EACCES, EPERM, EROFS, ENOENT);
                REFUSED("link", link(p, other), EXDEV, EACCES, EPERM, EROFS, ENOENT);
                (void) unlink(other);
        }
        return 0;
}

/* replace PATH: PATH can't be got out of its place by a rename over it or by an exchange. */
static int replace(int argc, char **argv) {
        char other[4096];
        int fd;

        if (argc != 2)
                return 2;
        (void) snprintf(other, sizeof(other), "%s.new", argv[1]);
        fd = open(other, O_WRONLY | O_CREAT, 0600);
        if (fd < 0)
                return errno == EROFS || errno == EACCES ? 0 : 2; /* nothing can be put beside it either */
        (void) close(fd);
        REFUSED("rename over", rename(other, argv[1]), EBUSY, EACCES, EPERM, EROFS, EXDEV, EISDIR);
        REFUSED("exchange", renameat2(AT_FDCWD, other, AT_FDCWD, argv[1], RENAME_EXCHANGE), EBUSY, EACCES,
                        EPERM, EROFS, EXDEV);
        (void) unlink(other);
        if (mkdir(other, 0700) == 0) {
                REFUSED("rename directory over", rename(other, argv[1]), EBUSY, EACCES, EPERM, EROFS, EXDEV,
                                ENOTDIR);
                REFUSED("exchange with directory",
                                renameat2(AT_FDCWD, other, AT_FDCWD, argv[1], RENAME_EXCHANGE), EBUSY,
                                EACCES, EPERM, EROFS, EXDEV);
                (void) rmdir(other);
        }
        /* A file without a name, linked to it. */
        *strrchr(other, '/') = 0;
        fd = open(other, O_TMPFILE | O_RDWR, 0600);
        if (fd >= 0) {
                char link_path[64];

                (void) snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
                REFUSED("linkat of an O_TMPFILE",
                                linkat(AT_FDCWD, link_path, AT_FDCWD, argv[1], AT_SYMLINK_FOLLOW), EEXIST,
                                EBUSY, EACCES, EPERM, EROFS, EXDEV);
                (void) close(fd);
        }
        return 0;
}

/* rename-parent TOP REST: mv TOP TOP.x; mkdir -p TOP/…; write TOP/REST (T18). */
static int rename_parent(int argc, char **argv) {
        char aside[4096], path[4096];
        int fd;

        if (argc != 3)
                return 2;
        (void) snprintf(aside, sizeof(aside), "%s.x", argv[1]);
        REFUSED("rename of the parent", rename(argv[1], aside), EBUSY, EACCES, EPERM, EROFS, EXDEV);
        (void) mkdir(aside, 0700);
        REFUSED("exchange of the parent", renameat2(AT_FDCWD, argv[1], AT_FDCWD, aside, RENAME_EXCHANGE),
                        EBUSY, EACCES, EPERM, EROFS, EXDEV);
        (void) rmdir(aside);
        (void) snprintf(path, sizeof(path), "%s/%s", argv[1], argv[2]);
        for (char *p = path + strlen(argv[1]) + 1; (p = strchr(p, '/')); p++) {
                *p = 0;
                (void) mkdir(path, 0700);
                *p = '/';
        }
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        holds(fd < 0, "%s can be written after all", path);
        return 0;
}

/* chmod-parent DIR PATH: the owner opens the directory first. */
static int chmod_parent(int argc, char **argv) {
        char path[4096];
        int fd;

        if (argc != 3)
                return 2;
        (void) chmod(argv[1], 0700);
        (void) snprintf(path, sizeof(path), "%s", argv[2]);
        for (char *p = path + strlen(argv[1]) + 1; (p = strchr(p, '/')); p++) {
                *p = 0;
                (void) mkdir(path, 0700);
                *p = '/';
        }
        fd = open(argv[2], O_WRONLY | O_CREAT, 0600);
        holds(fd < 0, "%s can be written once its parent is opened", argv[2]);
        fd = open(argv[2], O_RDONLY);
        holds(fd < 0 || read(fd, path, 1) <= 0, "%s can be read once its parent is opened", argv[2]);
        return 0;
}

static int create(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                REFUSED(argv[i], fd_result(open(argv[i], O_WRONLY | O_CREAT | O_EXCL, 0600)), EACCES, EPERM,
                                EROFS, ENOENT, ENOTDIR, EEXIST);
        return 0;
}

static int absent(int argc, char **argv) {
        struct stat st;

        for (int i = 1; i < argc; i++)
                REFUSED(argv[i], lstat(argv[i], &st), ENOENT, ENOTDIR, EACCES);
        return 0;
}

/* contains PATH TEXT: for the other side: what has to work works. */
static int contains(int argc, char **argv) {
        char buf[4096];
        ssize_t n;
        int fd;

        if (argc != 3)
                return 2;
        fd = open(argv[1], O_RDONLY);
        n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
        if (n >= 0)
                buf[n] = 0;
        holds(n >= 0 && strstr(buf, argv[2]), "%s does not contain %s: %s", argv[1], argv[2],
                        n < 0 ? strerror(errno) : buf);
        return 0;
}

static int writable(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                int fd = open(argv[i], O_WRONLY | O_CREAT | O_APPEND, 0644);

                holds(fd >= 0 && write(fd, "x", 1) == 1, "%s can't be written: %s", argv[i],
                                strerror(errno));
        }
        return 0;
}

/* metadata: of what is shown read-only (T30). */
static int metadata(int argc _unused_, char **argv _unused_) {
        static const char *const paths[] = {
                        "/usr", "/usr/bin/env", "/etc/passwd", "/", "/etc", "/dev", "/proc"};

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                const char *p = paths[i];

                REFUSED(p, chmod(p, 0777), EPERM, EACCES, EROFS);
                REFUSED(p, chown(p, getuid(), getgid()), EPERM, EACCES, EROFS);
                REFUSED(p, utimensat(AT_FDCWD, p, NULL, 0), EPERM, EACCES, EROFS);
                REFUSED(p, setxattr(p, "user.x", "x", 1, 0), EPERM, EACCES, EROFS, ENOTSUP);
                REFUSED(p, removexattr(p, "user.x"), EPERM, EACCES, EROFS, ENOTSUP, ENODATA);
        }
        return 0;
}

/* whiteout DIR (T39) */
static int whiteout(int argc, char **argv) {
        char a[4096], b[4096];
        int fd;

        if (argc != 2)
                return 2;
        (void) snprintf(a, sizeof(a), "%s/w1", argv[1]);
        (void) snprintf(b, sizeof(b), "%s/w2", argv[1]);
        fd = open(a, O_WRONLY | O_CREAT, 0600);
        if (fd < 0)
                return 2;
        REFUSED("RENAME_WHITEOUT", renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_WHITEOUT), EPERM, EACCES,
                        EINVAL);
        REFUSED("mknod 0:0", mknod(b, S_IFCHR | 0600, makedev(0, 0)), EPERM, EACCES);
        REFUSED("mknod 1:1", mknod(b, S_IFCHR | 0600, makedev(1, 1)), EPERM, EACCES);
        REFUSED("mknod block", mknod(b, S_IFBLK | 0600, makedev(8, 0)), EPERM, EACCES);
        (void) unlink(a);
        (void) unlink(b);
        return 0;
}

/* devices: nothing in /dev but the usual; none can be opened for what it is not. */
static int devices(int argc _unused_, char **argv _unused_) {
        static const char *const wanted[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx",
                        "pts", "shm", "fd", "stdin", "stdout", "stderr", "console", ".", "..", NULL};
        DIR *d = opendir("/dev");

        if (!d)
                return 2;
        for (struct dirent *e; (e = readdir(d));) {
                bool known = false;

                for (size_t i = 0; wanted[i]; i++)
                        known |= streq(wanted[i], e->d_name);
                holds(known, "/dev/%s", e->d_name);
        }
        (void) closedir(d);
        return 0;
}

static int connect_to(const char *name, int type) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, type, 0), r;
        size_t n = strlen(name);

        if (fd < 0 || n >= sizeof(sa.sun_path))
                return -1;
        memcpy(sa.sun_path, name, n);
        if (name[0] == '@')
                sa.sun_path[0] = 0;
        r = connect(fd, (struct sockaddr *) &sa,
                        (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@')));
        (void) close(fd);
        return r;
}

/* sockets NAME...: none of them answers (T31, T33). */
static int sockets(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                REFUSED(argv[i], connect_to(argv[i], SOCK_STREAM), ENOENT, ECONNREFUSED, EACCES, EPERM,
                                ENOTDIR);
                REFUSED(argv[i], connect_to(argv[i], SOCK_DGRAM), ENOENT, ECONNREFUSED, EACCES, EPERM,
                                ENOTDIR);
                REFUSED(argv[i], connect_to(argv[i], SOCK_SEQPACKET), ENOENT, ECONNREFUSED, EACCES, EPERM,
                                ENOTDIR);
        }
        return 0;
}

static int run_program(char *const argv[]) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                (void) execv(argv[0], argv);
                _exit(126 + (errno == ENOENT));
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* noexec PATH: neither itself nor by the loader (T47). */
static int noexec(int argc, char **argv) {
        char *direct[] = {argv[1], NULL},
             *loaded[] = {(char *) "/lib64/ld-linux-x86-64.so.2", argv[1], NULL};
        void *map;
        int fd;

        if (argc != 2)
                return 2;
        holds(run_program(direct) == 126, "%s was executed", argv[1]);
        holds(run_program(loaded) != 0, "%s was executed by ld.so", argv[1]);
        fd = open(argv[1], O_RDONLY);
        map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        holds(map == MAP_FAILED, "%s was mapped for execution", argv[1]);
        return 0;
}

/* self-exe (T08): the program that started us can't be written to. */
static int self_exe(int argc _unused_, char **argv _unused_) {
        REFUSED("/proc/self/exe", fd_result(open("/proc/self/exe", O_WRONLY)), ETXTBSY, EACCES, EPERM,
                        EROFS);
        REFUSED("/proc/1/exe", fd_result(open("/proc/1/exe", O_RDONLY)), EACCES, EPERM, ENOENT);
        REFUSED("/proc/1/exe", fd_result(open("/proc/1/exe", O_WRONLY)), EACCES, EPERM, ENOENT, ETXTBSY);
        REFUSED("/proc/1/root", fd_result(open("/proc/1/root/", O_RDONLY)), EACCES, EPERM, ENOENT);
        REFUSED("/proc/1/fd", fd_result(open("/proc/1/fd", O_RDONLY)), EACCES, EPERM, ENOENT);
        REFUSED("/proc/1/cwd", fd_result(open("/proc/1/cwd/", O_RDONLY)), EACCES, EPERM, ENOENT);
        return 0;
}

/* proc: it is procfs, shows processes only, and has nothing mounted in it (T11). */
static int proc(int argc _unused_, char **argv _unused_) {
        struct statfs fs;
        struct stat top, self;
        DIR *d = opendir("/proc");

        holds(statfs("/proc", &fs) == 0 && fs.f_type == 0x9fa0, "/proc is no procfs");
        holds(stat("/proc", &top) == 0 && stat("/proc/self/attr", &self) == 0 && top.st_dev == self.st_dev,
                        "something is mounted in it");
        for (struct dirent *e; d && (e = readdir(d));)
                holds((e->d_name[0] >= '1' && e->d_name[0] <= '9') || e->d_name[0] == '.' ||
                                                streq(e->d_name, "self") || streq(e->d_name, "thread-self"),
                                "/proc/%s", e->d_name);
        return 0;
}

/* edit DIR (T43): an editor's way of saving, 100 times. */
static int edit(int argc, char **argv) {
        char tmp[4096], path[4096], text[16], got[16];

        if (argc != 2)
                return 2;
        (void) snprintf(tmp, sizeof(tmp), "%s/.saved.tmp", argv[1]);
        (void) snprintf(path, sizeof(path), "%s/saved", argv[1]);
        for (int i = 0; i < 100; i++) {
                int n = snprintf(text, sizeof(text), "%d", i),
                    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);

                holds(fd >= 0 && write(fd, text, (size_t) n) == n && close(fd) == 0 &&
                                                rename(tmp, path) == 0,
                                "save %d: %s", i, strerror(errno));
                fd = open(path, O_RDONLY);
                holds(fd >= 0 && read(fd, got, sizeof(got)) == n && memcmp(got, text, (size_t) n) == 0,
                                "read %d", i);
                if (fd >= 0)
                        (void) close(fd);
        }
        return 0;
}

/* move FROM TO ERRNO (T44): 0, or the errno that it has to give. */
static int move(int argc, char **argv) {
        if (argc != 4)
                return 2;
        errno = 0;
        (void) rename(argv[1], argv[2]);
        holds(errno == atoi(argv[3]), "rename %s %s: %s", argv[1], argv[2], strerror(errno));
        return 0;
}

/* inode PATH: prints device:inode, for the test outside to compare. */
static int inode(int argc, char **argv) {
        struct stat st;

        for (int i = 1; i < argc; i++)
                if (lstat(argv[i], &st) == 0)
                        printf("%s %lu:%lu %o %u\n", argv[i], (unsigned long) st.st_dev,
                                        (unsigned long) st.st_ino, st.st_mode, st.st_uid);
                else
                        printf("%s %s\n", argv[i], strerror(errno));
        return 0;
}

const Attack file_attacks[] = {
                {"hidden", hidden},
                {"unwritable", unwritable},
                {"replace", replace},
                {"rename-parent", rename_parent},
                {"chmod-parent", chmod_parent},
                {"create", create},
                {"absent", absent},
                {"contains", contains},
                {"writable", writable},
                {"metadata", metadata},
                {"whiteout", whiteout},
                {"devices", devices},
                {"sockets", sockets},
                {"noexec", noexec},
                {"self-exe", self_exe},
                {"proc", proc},
                {"edit", edit},
                {"move", move},
                {"inode", inode},
                {},
};
