/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attempts on other processes: what /proc shows of them, their memory, descriptors and signals, the terminal
 * of the caller, and system calls of another architecture, which would pass beside the filter. */

#include "probe-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/libc.h"

static void try_proc_view(Probe *p) {
        static const char *const readable[] = {"/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/iomem",
                        "/proc/keys", "/proc/timer_list", "/proc/vmallocinfo", "/proc/kpagecount",
                        "/proc/mtrr", "/proc/acpi"},
                                 *const writable[] = {"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
                                                 "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
                                                 "/proc/sys/kernel/hostname",
                                                 "/proc/irq/default_smp_affinity"};
        const char *ids = probe_status(p, "NSpid");

        for (size_t i = 0; i < ELEMENTSOF(readable) + ELEMENTSOF(writable); i++) {
                bool write = i >= ELEMENTSOF(readable);
                const char *path = write ? writable[i - ELEMENTSOF(readable)] : readable[i];
                int e = probe_fd_error(open(path, (write ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC));

                if (probe_judge(REFUSED_DOOR | REFUSED_ABSENT | REFUSED_READONLY, e) != PROBE_HELD)
                        probe_expect(p, REFUSED_DOOR | REFUSED_ABSENT | REFUSED_READONLY, e, "open %s",
                                        path);
        }
        /* A /proc of an outer pid namespace shows one number more. */
        if (!ids)
                probe_say(p, PROBE_NOT_PROVABLE, "no NSpid in /proc/self/status");
        else if (strtol(ids, NULL, 10) != getpid() || strcspn(ids, "\t") < strcspn(ids, "\n"))
                probe_say(p, PROBE_BROKEN, "/proc is not of our own pid namespace");
        probe_say(p, PROBE_HELD, "own pid namespace; kcore, kmsg, keys, sysrq-trigger, sys can't be opened");
}

/* Those of the sandbox belong to its user or to PID 1's; one from outside would have another owner. */
static void try_processes(Probe *p) {
        DIR *d = opendir("/proc");
        unsigned seen = 0;

        if (!d) {
                probe_say(p, PROBE_NOT_PROVABLE, "list /proc: %s", probe_error(errno));
                return;
        }
        for (struct dirent *e; seen < 256 && (e = readdir(d));) {
                struct stat st;

                if (e->d_name[0] < '1' || e->d_name[0] > '9' || fstatat(dirfd(d), e->d_name, &st, 0) < 0)
                        continue;
                seen++;
                /* PID 1 is root of the user namespace and nobody else is. */
                if (streq(e->d_name, "1") ? st.st_uid != 0 && st.st_uid != getuid()
                                          : st.st_uid != getuid() && st.st_uid != 0)
                        probe_say(p, PROBE_BROKEN, "process %.10s of uid %u can be seen", e->d_name,
                                        st.st_uid);
        }
        (void) closedir(d);
        probe_say(p, PROBE_HELD, "%u processes, all of this sandbox", seen);
}

static void try_first_process(Probe *p) {
        static const char *const files[] = {"mem", "environ", "maps", "auxv", "fd", "root", "cwd", "exe",
                        "ns/mnt", "map_files", "syscall"};
        char byte;
        struct iovec local = {.iov_base = &byte, .iov_len = 1}, remote = {.iov_base = &byte, .iov_len = 1};
        size_t good = 0;
        int fd;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                char path[64];
                int e;

                (void) snprintf(path, sizeof(path), "/proc/1/%s", files[i]);
                e = probe_fd_error(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
                /* Opens even where a byte can't be read: what counts is the byte. */
                if (e == 0 && (streq(files[i], "environ") || streq(files[i], "auxv") ||
                                              streq(files[i], "maps") || streq(files[i], "syscall"))) {
                        fd = open(path, O_RDONLY | O_CLOEXEC);
                        e = fd < 0 ? errno : read(fd, &byte, 1) < 0 ? errno : 0;
                        fd_close(fd);
                }
                if (probe_judge(REFUSED_DOOR | REFUSED_ABSENT, e) == PROBE_HELD)
                        good++;
                else
                        probe_expect(p, REFUSED_DOOR | REFUSED_ABSENT, e, "open %s", path);
        }
        probe_say(p, PROBE_HELD, "%zu files of /proc/1 can't be opened", good);
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(process_vm_readv(1, &local, 1, &remote, 1, 0)),
                        "process_vm_readv");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(process_vm_writev(1, &local, 1, &remote, 1, 0)),
                        "process_vm_writev");
        fd = (int) syscall(SYS_pidfd_open, 1, 0);
        if (fd < 0)
                probe_expect(p, REFUSED_DOOR, errno, "pidfd_open");
        else {
                probe_expect(p, REFUSED_DOOR, probe_fd_error((int) syscall(SYS_pidfd_getfd, fd, 0, 0)),
                                "pidfd_getfd");
                fd_close(fd);
        }
}

static int child_traceme(Probe *p) {
        p->shared[0] = ERRNO_OF(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        return 0;
}

static void try_ptrace(Probe *p) {
        int e, r;

        e = ERRNO_OF(ptrace(PTRACE_SEIZE, 1, NULL, NULL));
        if (e == 0) {
                (void) ptrace(PTRACE_INTERRUPT, 1, NULL, NULL);
                (void) waitpid(1, NULL, __WALL);
                (void) ptrace(PTRACE_DETACH, 1, NULL, NULL);
        }
        probe_expect(p, REFUSED_DOOR, e, "PTRACE_SEIZE of pid 1");
        r = probe_in_child(p, child_traceme);
        if (r < 0)
                probe_say(p, PROBE_NOT_PROVABLE, "fork: %s", probe_error(-r));
        else
                probe_expect(p, REFUSED_DOOR, p->shared[0], "PTRACE_TRACEME");
}

static void try_signals(Probe *p) {
        int fd;

        probe_expect(p, REFUSED_DOOR, ERRNO_OF(kill(1, 0)), "kill pid 1");
        probe_expect(p, REFUSED_DOOR, ERRNO_OF((int) syscall(SYS_tgkill, 1, 1, 0)), "tgkill");
        fd = (int) syscall(SYS_pidfd_open, 1, 0);
        if (fd < 0)
                return;
        probe_expect(p, REFUSED_DOOR, ERRNO_OF((int) syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)),
                        "pidfd_send_signal");
        fd_close(fd);
}

static void try_descriptors(Probe *p) {
        DIR *d = opendir("/proc/self/fd");
        unsigned seen = 0;

        if (!d) {
                probe_say(p, PROBE_NOT_PROVABLE, "list /proc/self/fd: %s", probe_error(errno));
                return;
        }
        for (struct dirent *e; (e = readdir(d));) {
                FdKind kind;
                int fd;

                if (e->d_name[0] < '0' || e->d_name[0] > '9')
                        continue;
                fd = atoi(e->d_name);
                if (fd == dirfd(d))
                        continue;
                seen++;
                kind = fd_kind(fd);
                if (fd > 2 && fd != p->context->report_fd)
                        probe_say(p, PROBE_BROKEN, "descriptor %d is open: %s", fd, fd_kind_to_string(kind));
                else if (fd <= 2 && !fd_kind_is_stdio(kind))
                        probe_say(p, PROBE_BROKEN, "descriptor %d is a %s", fd, fd_kind_to_string(kind));
        }
        (void) closedir(d);
        probe_say(p, PROBE_HELD, "%u descriptors: standard input, output, error and this report", seen);
}

/* CVE-2017-5226, and with bits above the 32 that the kernel looks at CVE-2019-10063. On descriptor 0, which
 * is no terminal: the filter answers before the kernel looks at what it is, and ENOTTY would mean that it
 * did not. */
static void try_tiocsti(Probe *p) {
        static const struct {
                uint64_t request;
                const char *name;
        } requests[] = {{TIOCSTI, "TIOCSTI"}, {TIOCSTI | UINT64_C(1) << 32, "with bit 32"},
                        {TIOCLINUX, "TIOCLINUX"}, {TIOCLINUX | UINT64_C(1) << 63, "with bit 63"},
                        {TIOCCONS, "TIOCCONS"}, {TIOCSETD, "TIOCSETD"}};
        char byte = 'x';

        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                probe_expect(p, REFUSED_DOOR, ERRNO_OF(syscall(SYS_ioctl, 0, requests[i].request, &byte)),
                                "%s", requests[i].name);
}

#if defined(__x86_64__)
#define X32_SYSCALL_BIT 0x40000000L
#define I386_GETPID 20

static int child_x32(Probe *p) {
        p->shared[0] = ERRNO_OF(syscall(X32_SYSCALL_BIT | SYS_getpid));
        return 0;
}

static int child_i386(Probe *p) {
        int r;

        __asm__ volatile("int $0x80" : "=a"(r) : "a"(I386_GETPID) : "memory");
        p->shared[0] = r < 0 ? -r : 0;
        return 0;
}

/* Killed by the filter; SIGSEGV: the kernel has no such entry at all. */
static void foreign_call(Probe *p, int (*fn)(Probe *p), const char *what) {
        int r = probe_in_child(p, fn);

        if (r < 0)
                probe_say(p, PROBE_NOT_PROVABLE, "fork: %s", probe_error(-r));
        else if (WIFSIGNALED(r))
                probe_say(p,
                                WTERMSIG(r) == SIGSYS || WTERMSIG(r) == SIGSEGV ? PROBE_HELD
                                                                                : PROBE_NOT_PROVABLE,
                                "getpid %s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(r)));
        else if (p->shared[0] == 0 || p->shared[0] == EPERM || p->shared[0] == ENOSYS)
                probe_expect(p, REFUSED_DOOR, p->shared[0], "getpid %s", what);
        else
                /* getpid cannot fail. User Mode Linux looks the number up in the native table, and so does its filter. */
                probe_say(p, PROBE_NOT_PROVABLE, "getpid %s: another call, which answers %s", what,
                                probe_error(p->shared[0]));
}

static void try_foreign_calls(Probe *p) {
        foreign_call(p, child_i386, "by int 0x80");
        foreign_call(p, child_x32, "with the x32 bit");
}
#else
static void try_foreign_calls(Probe *p) {
        probe_say(p, PROBE_NOT_PROVABLE, "a process of this architecture has one system call entry");
}
#endif

/* More CPU or a later turn when memory is short, at the cost of the host. */
static void try_priority(Probe *p) {
        struct sched_param fifo = {.sched_priority = 1}, other = {};
        int e, fd;

        e = ERRNO_OF(setpriority(PRIO_PROCESS, 0, -20));
        if (e == 0)
                (void) setpriority(PRIO_PROCESS, 0, 0);
        probe_expect(p, REFUSED_DOOR, e, "nice -20");
        e = ERRNO_OF(sched_setscheduler(0, SCHED_FIFO, &fifo));
        if (e == 0)
                (void) sched_setscheduler(0, SCHED_OTHER, &other);
        probe_expect(p, REFUSED_DOOR, e, "SCHED_FIFO");
        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        e = fd < 0 ? errno : write(fd, "-999", 4) < 0 ? errno : 0;
        if (e == 0)
                (void) !write(fd, "0", 1);
        fd_close(fd);
        probe_expect(p, REFUSED_DOOR | REFUSED_ABSENT | REFUSED_READONLY, e, "oom_score_adj -999");
}

const ProbeAttempt probe_process_attempts[] = {
                {"proc-view", try_proc_view},
                {"processes", try_processes},
                {"first-process", try_first_process},
                {"ptrace", try_ptrace},
                {"signals", try_signals},
                {"descriptors", try_descriptors},
                {"priority", try_priority},
                {"tiocsti", try_tiocsti},
                {"foreign-calls", try_foreign_calls},
                {},
};
