/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The floor under every sandbox: the least work that gives a process namespaces of all kinds, a root of its own made of
 * a tmpfs and binds, /proc, /dev, a seccomp filter and no capabilities, and then runs a program. One static program, no
 * configuration, no check, nobody asked; any user may run it. What a sandbox costs beyond this is what it adds.
 *
 *   floor DIRECTORY PROGRAM [ARGUMENT…]        DIRECTORY is shown at /workspace
 *   floor DIRECTORY --serve    PID 1 stays, and runs /bin/true for each message on standard input, a SEQPACKET socket: the
 *                              message's three descriptors become its 0, 1 and 2; the answer is a byte, its exit status */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"

/* As many instructions as the filter of a real sandbox has. */
#define FILTER_CALLS 210

static void check(long r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        _exit(125);
}

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        check(fd, path);
        check(write(fd, text, strlen(text)), path);
        (void) close(fd);
}

static void map_ids(uid_t uid, gid_t gid) {
        char text[64];

        (void) snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
        write_file("/proc/self/uid_map", text);
        write_file("/proc/self/setgroups", "deny");
        (void) snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
        write_file("/proc/self/gid_map", text);
}

static void loopback_up(void) {
        struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        check(fd, "socket");
        check(ioctl(fd, SIOCSIFFLAGS, &ifr), "lo");
        (void) close(fd);
}

static void bind_to(const char *from, const char *to, unsigned long flags) {
        check(mount(from, to, NULL, MS_BIND | MS_REC, NULL), to);
        if (flags)
                check(mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | flags, NULL), to);
}

static void make_dev(void) {
        static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
        char from[32], to[32];

        check(mkdir("dev", 0755), "dev");
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                (void) snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
                (void) snprintf(to, sizeof(to), "dev/%s", nodes[i]);
                check(mknod(to, S_IFREG | 0444, 0), to);
                bind_to(from, to, 0);
        }
        check(mkdir("dev/pts", 0755), "dev/pts");
        check(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666"), "dev/pts");
        check(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
}

static void make_root(const char *workspace) {
        static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
        char source[32], target[16];
        int fd;

        /* By descriptor: the new root may cover it. */
        fd = open(workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
        check(fd, workspace);
        (void) snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "/");
        check(mount("root", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"), "root");
        check(chdir("/tmp"), "root");
        check(mkdir("usr", 0755) | mkdir("proc", 0755) | mkdir("tmp", 01777) | mkdir("workspace", 0755), "mkdir");
        bind_to("/usr", "usr", MS_RDONLY | MS_NOSUID | MS_NODEV);
        bind_to(source, "workspace", MS_NOSUID | MS_NODEV);
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                (void) snprintf(target, sizeof(target), "usr/%s", links[i]);
                check(symlink(target, links[i]), links[i]);
        }
        check(mount("tmp", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"), "tmp");
        check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
        make_dev();
        check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
        check(umount2(".", MNT_DETACH), "umount");
        check(chdir("/workspace"), "workspace");
}

static void drop_capabilities(void) {
        for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
                check(prctl(PR_CAPBSET_DROP, c, 0, 0, 0), "capabilities");
        check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

/* Allows what there is call by call, as an allow-list does. */
static void load_filter(void) {
        struct sock_filter f[4 + 2 * FILTER_CALLS + 1] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        };
        struct sock_fprog prog = { .filter = f };
        unsigned n = 4;

        for (unsigned call = 0; call < FILTER_CALLS; call++) {
                f[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
                f[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        }
        f[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        prog.len = (unsigned short) n;
        check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), "seccomp");
}

/* The floor under an exec: a request with descriptors to PID 1, fork, exec, wait, an answer. */
static void serve(void) {
        for (;;) {
                union {
                        struct cmsghdr header;
                        char space[CMSG_SPACE(3 * sizeof(int))];
                } control;
                char byte = 0;
                struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
                struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
                int fds[3], status;
                pid_t pid;

                if (recvmsg(STDIN_FILENO, &m, MSG_CMSG_CLOEXEC) <= 0)
                        _exit(0);
                if (!CMSG_FIRSTHDR(&m) || CMSG_FIRSTHDR(&m)->cmsg_len != CMSG_LEN(sizeof(fds)))
                        _exit(125);
                memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fds));
                pid = fork();
                check(pid, "fork");
                if (pid == 0) {
                        for (int i = 0; i < 3; i++)
                                check(dup2(fds[i], i), "dup2");
                        (void) execv("/bin/true", (char *[]) { (char *) "/bin/true", NULL });
                        check(-1, "/bin/true");
                }
                for (int i = 0; i < 3; i++)
                        (void) close(fds[i]);
                check(waitpid(pid, &status, 0), "wait");
                byte = (char) (WIFEXITED(status) ? WEXITSTATUS(status) : 128);
                check(send(STDIN_FILENO, &byte, 1, MSG_NOSIGNAL), "send");
        }
}

int main(int argc, char *argv[]) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        pid_t pid;
        int status;

        if (argc < 3) {
                fprintf(stderr, "usage: floor DIRECTORY PROGRAM [ARGUMENT…]\n");
                return 2;
        }
        check(unshare(CLONE_NEWUSER), "unshare");
        map_ids(uid, gid);
        check(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP),
                        "unshare");
        pid = fork();
        check(pid, "fork");
        if (pid == 0) {
                loopback_up();
                make_root(argv[1]);
                drop_capabilities();
                load_filter();
                if (strcmp(argv[2], "--serve") == 0)
                        serve();
                (void) execv(argv[2], argv + 2);
                check(-1, argv[2]);
        }
        if (waitpid(pid, &status, 0) < 0)
                return 125;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
