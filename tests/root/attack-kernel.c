/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on entry points of the kernel and on the network. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "attack.h"

static int fd_result(long fd) {
        if (fd >= 0)
                (void) close((int) fd);
        return (int) fd;
}

static void terminal_requests(int fd) {
        static const uint64_t high[] = {
                        0, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_C(0xffffffff00000000)};
        static const uint64_t requests[] = {
                        TIOCSTI, 0x541c /* TIOCLINUX */, 0x541d /* TIOCCONS */, 0x5423 /* TIOCSETD */};
        char byte = 'X';

        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                for (size_t k = 0; k < ELEMENTSOF(high); k++)
                        REFUSED("terminal request", syscall(SYS_ioctl, fd, requests[i] | high[k], &byte),
                                        EPERM, EACCES);
}

/* tiocsti: on what we have been given, and on a controlling terminal of our own (T01, T02). */
static int tiocsti(int argc _unused_, char **argv _unused_) {
        int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), slave = -1, unlock = 0, tty;

        for (int fd = 0; fd < 3; fd++)
                terminal_requests(fd);
        if (master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0)
                slave = ioctl(master, TIOCGPTPEER, O_RDWR);
        holds(slave >= 0, "no pty can be made: %s", strerror(errno));
        terminal_requests(slave);
        tty = open("/dev/tty", O_RDWR);
        if (tty >= 0)
                terminal_requests(tty);
        return 0;
}

/* calls: the new ones and those that nobody knows (T03). */
static int calls(int argc _unused_, char **argv _unused_) {
        static const struct {
                long nr;
                const char *name;
        } list[] = {{SYS_mount, "mount"}, {SYS_umount2, "umount2"}, {SYS_pivot_root, "pivot_root"},
                        {SYS_chroot, "chroot"}, {SYS_open_tree, "open_tree"}, {SYS_move_mount, "move_mount"},
                        {SYS_fsopen, "fsopen"}, {SYS_fsconfig, "fsconfig"}, {SYS_fsmount, "fsmount"},
                        {SYS_fspick, "fspick"}, {SYS_mount_setattr, "mount_setattr"}, {457, "statmount"},
                        {458, "listmount"}, {467, "open_tree_attr"}, {SYS_setns, "setns"},
                        {SYS_clone3, "clone3"}, {SYS_ptrace, "ptrace"},
                        {SYS_process_vm_readv, "process_vm_readv"},
                        {SYS_process_vm_writev, "process_vm_writev"}, {SYS_pidfd_getfd, "pidfd_getfd"},
                        {SYS_kcmp, "kcmp"}, {SYS_bpf, "bpf"}, {SYS_perf_event_open, "perf_event_open"},
                        {SYS_userfaultfd, "userfaultfd"}, {SYS_io_uring_setup, "io_uring_setup"},
                        {SYS_io_uring_enter, "io_uring_enter"}, {SYS_io_uring_register, "io_uring_register"},
                        {SYS_add_key, "add_key"}, {SYS_request_key, "request_key"}, {SYS_keyctl, "keyctl"},
                        {SYS_init_module, "init_module"}, {SYS_finit_module, "finit_module"},
                        {SYS_delete_module, "delete_module"}, {SYS_kexec_file_load, "kexec_file_load"},
                        {SYS_reboot, "reboot"}, {SYS_swapon, "swapon"}, {SYS_acct, "acct"},
                        {SYS_syslog, "syslog"}, {SYS_quotactl, "quotactl"},
                        {SYS_open_by_handle_at, "open_by_handle_at"},
                        {SYS_name_to_handle_at, "name_to_handle_at"}, {SYS_fanotify_init, "fanotify_init"},
                        {SYS_clock_settime, "clock_settime"}, {SYS_settimeofday, "settimeofday"},
                        {SYS_sethostname, "sethostname"}, {SYS_setdomainname, "setdomainname"},
                        {SYS_vhangup, "vhangup"}};

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                REFUSED(list[i].name, syscall(list[i].nr, 0, 0, 0, 0, 0, 0), EPERM, ENOSYS);
        /* Numbers that no kernel had when this was written. */
        for (long nr = 480; nr < 700; nr++)
                REFUSED("an unknown system call", syscall(nr, 0, 0, 0, 0, 0, 0), ENOSYS);
        return 0;
}

static int namespaces(int argc _unused_, char **argv _unused_) {
        static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                        CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80 /* CLONE_NEWTIME */,
                        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID};

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                REFUSED("unshare", unshare(flags[i]), EPERM);
                REFUSED("unshare with high bits",
                                syscall(SYS_unshare, (uint64_t) flags[i] | UINT64_C(1) << 40), EPERM,
                                EINVAL);
                if (flags[i] != 0x80)
                        REFUSED("clone",
                                        syscall(SYS_clone, (uint64_t) flags[i] | SIGCHLD, NULL, NULL, NULL,
                                                        NULL),
                                        EPERM);
        }
        return 0;
}

/* int80, x32: the process does not live to tell (T46). */
static int int80(int argc _unused_, char **argv _unused_) {
#if defined(__x86_64__)
        long r;

        __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
        holds(false, "getpid by int 0x80 gave %ld", r);
#endif
        return 0;
}

static int x32(int argc _unused_, char **argv _unused_) {
#if defined(__x86_64__)
        long r = syscall(0x40000000L | SYS_getpid);

        holds(false, "getpid with the x32 bit gave %ld", r);
#endif
        return 0;
}

static int try_socket(int family, int type, int protocol) {
        return fd_result(socket(family, type, protocol));
}

/* families: one client per family (T34, T36). */
static int families(int argc _unused_, char **argv _unused_) {
        for (int family = 0; family < 64; family++) {
                if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
                        continue;
                for (int type = 1; type <= 5; type++)
                        REFUSED("a socket family", try_socket(family, type, 0), EAFNOSUPPORT, EPERM, EACCES);
                REFUSED("high bits in the family",
                                (int) syscall(SYS_socket, UINT64_C(1) << 32 | (uint64_t) family, SOCK_DGRAM,
                                                0),
                                EAFNOSUPPORT, EPERM);
        }
        for (int i = 0; i < 2; i++) {
                int family = i ? AF_INET6 : AF_INET;

                REFUSED("raw", try_socket(family, SOCK_RAW, IPPROTO_ICMP), EPERM);
                REFUSED("ping", try_socket(family, SOCK_DGRAM, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP),
                                EPROTONOSUPPORT, EPERM, EACCES);
                REFUSED("MPTCP", try_socket(family, SOCK_STREAM, 262), EPROTONOSUPPORT, EPERM);
                REFUSED("SMC", try_socket(family, SOCK_STREAM, 256), EPROTONOSUPPORT, EPERM);
                REFUSED("SCTP", try_socket(family, SOCK_STREAM, IPPROTO_SCTP), EPROTONOSUPPORT, EPERM);
                REFUSED("SCTP seqpacket", try_socket(family, SOCK_SEQPACKET, IPPROTO_SCTP), EPROTONOSUPPORT,
                                ESOCKTNOSUPPORT, EPERM);
                REFUSED("DCCP", try_socket(family, SOCK_DCCP, 0), EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM);
                REFUSED("UDP-Lite", try_socket(family, SOCK_DGRAM, IPPROTO_UDPLITE), EPROTONOSUPPORT, EPERM);
                REFUSED("high bits in the protocol",
                                (int) syscall(SYS_socket, family, SOCK_STREAM, UINT64_C(1) << 32 | 262u),
                                EPROTONOSUPPORT, EPERM);
                REFUSED("type with flags",
                                try_socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW),
                                EPERM);
        }
        for (int protocol = 1; protocol < 32; protocol++)
                REFUSED("netlink", try_socket(AF_NETLINK, SOCK_RAW, protocol), EPROTONOSUPPORT, EPERM);
        return 0;
}

static int outside(int family, int type, const char *address, int port) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};
        int fd = socket(family, type | SOCK_NONBLOCK, 0), r;

        if (fd < 0)
                return -1;
        (void) inet_pton(family, address,
                        family == AF_INET ? (void *) &in.sin_addr : (void *) &in6.sin6_addr);
        r = family == AF_INET ? connect(fd, (struct sockaddr *) &in, sizeof(in))
                              : connect(fd, (struct sockaddr *) &in6, sizeof(in6));
        if (r >= 0 && type == SOCK_STREAM)
                printf("connected to %s\n", address);
        (void) close(fd);
        return r;
}

/* network [PORT]: no way out; a port of the host's loopback is not ours. */
static int network(int argc, char **argv) {
        static const char *const four[] = {"1.1.1.1", "192.0.2.1", "10.0.0.1", "169.254.169.254",
                        "172.17.0.1", "224.0.0.1", "255.255.255.255"},
                                 *const six[] = {"2001:db8::1", "fd00:ec2::254", "fe80::1", "ff02::1",
                                                 "64:ff9b::101:101"};

        for (size_t i = 0; i < ELEMENTSOF(four); i++) {
                REFUSED(four[i], outside(AF_INET, SOCK_DGRAM, four[i], 53), ENETUNREACH, EACCES);
                REFUSED(four[i], outside(AF_INET, SOCK_STREAM, four[i], 443), ENETUNREACH, EACCES);
        }
        for (size_t i = 0; i < ELEMENTSOF(six); i++)
                REFUSED(six[i], outside(AF_INET6, SOCK_DGRAM, six[i], 53), ENETUNREACH, EINVAL,
                                EADDRNOTAVAIL, EACCES);
        for (int i = 1; i < argc; i++) {
                struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
                int fd = socket(AF_INET, SOCK_STREAM, 0), port = 0;

                (void) sscanf(argv[i], "%d", &port);
                sa.sin_port = htons((uint16_t) port);
                REFUSED("a port of the host", connect(fd, (struct sockaddr *) &sa, sizeof(sa)),
                                ECONNREFUSED);
        }
        return 0;
}

/* fastopen (T35): not even to our own loopback. */
static int fastopen(int argc _unused_, char **argv _unused_) {
        struct sockaddr_in sa = {.sin_family = AF_INET,
                        .sin_port = htons(9),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        struct iovec iov = {(char *) "x", 1};
        struct msghdr mh = {.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &iov, .msg_iovlen = 1};
        struct mmsghdr mmh = {.msg_hdr = mh};

        REFUSED("sendto", sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *) &sa, sizeof(sa)), EOPNOTSUPP,
                        EPERM);
        REFUSED("sendmsg", sendmsg(fd, &mh, MSG_FASTOPEN), EOPNOTSUPP, EPERM);
        REFUSED("sendmmsg", sendmmsg(fd, &mmh, 1, MSG_FASTOPEN), EOPNOTSUPP, EPERM);
        REFUSED("sendto with high bits",
                        syscall(SYS_sendto, fd, "x", 1, (uint64_t) MSG_FASTOPEN | UINT64_C(1) << 32, &sa,
                                        sizeof(sa)),
                        EOPNOTSUPP, EPERM, EINVAL);
        REFUSED("TCP_FASTOPEN_CONNECT", setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)),
                        ENOPROTOOPT, EPERM);
        REFUSED("TCP_FASTOPEN", setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &one, sizeof(one)), ENOPROTOOPT,
                        EPERM);
        return 0;
}

/* memfd (T47): a program in memory runs, as documented, and is as confined as any other. */
static int memfd(int argc _unused_, char **argv _unused_) {
        int in = open("/proc/self/exe", O_RDONLY), fd = memfd_create("program", 0), status;
        char buf[65536];
        ssize_t n;
        pid_t pid;

        if (in < 0 || fd < 0)
                return 77;
        while ((n = read(in, buf, sizeof(buf))) > 0)
                if (write(fd, buf, (size_t) n) != n)
                        return 2;
        pid = fork();
        if (pid == 0) {
                char *args[] = {(char *) "attack", (char *) "calls", NULL}, *none[] = {NULL};

                (void) syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
                _exit(errno == EACCES || errno == EPERM ? 0 : 2);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return 2;
        holds(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a program from a memfd is less confined");
        return 0;
}

const Attack kernel_attacks[] = {
                {"tiocsti", tiocsti},
                {"calls", calls},
                {"namespaces", namespaces},
                {"int80", int80},
                {"x32", x32},
                {"families", families},
                {"network", network},
                {"fastopen", fastopen},
                {"memfd", memfd},
                {},
};
