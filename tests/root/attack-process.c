/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on other processes, and questions about the own one. */

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

/* ids UID: real, effective, saved, file-system ids and groups, as the kernel has them (T13). */
static int ids(int argc, char **argv) {
        uid_t want = argc > 1 ? (uid_t) strtoul(argv[1], NULL, 10) : getuid(), r, e, s;
        gid_t rg, eg, sg, groups[4];
        int n = getgroups(4, groups);

        holds(getresuid(&r, &e, &s) == 0 && r == want && e == want && s == want, "uids %u %u %u", r, e, s);
        holds(getresgid(&rg, &eg, &sg) == 0 && rg == want && eg == want && sg == want, "gids %u %u %u", rg,
                        eg, sg);
        holds(n == 0, "%d supplementary groups", n);
        REFUSED("setuid(0)", setuid(0));
        REFUSED("setgid(0)", setgid(0));
        REFUSED("setgroups", setgroups(0, NULL));
        REFUSED("setresuid to init's", setresuid(0, 0, 0));
        REFUSED("setfsuid", (setfsuid(0), setfsuid(0) == 0 ? 0 : (errno = EPERM, -1)));
        return 0;
}

static uint64_t status_value(const char *name, int base) {
        char line[512];
        uint64_t v = UINT64_MAX;
        FILE *f = fopen("/proc/self/status", "re");

        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
                        v = strtoull(line + strlen(name) + 1, NULL, base);
        if (f)
                (void) fclose(f);
        return v;
}

/* privileges: all five sets, no_new_privs, the filter (T14). */
static int privileges(int argc _unused_, char **argv _unused_) {
        static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
        struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct d[2] = {{.effective = 1, .permitted = 1}};

        for (size_t i = 0; i < ELEMENTSOF(sets); i++)
                holds(status_value(sets[i], 16) == 0, "%s is %llx", sets[i],
                                (unsigned long long) status_value(sets[i], 16));
        holds(status_value("NoNewPrivs", 10) == 1, "no NoNewPrivs");
        holds(status_value("Seccomp", 10) == 2, "seccomp mode %d", (int) status_value("Seccomp", 10));
        holds(status_value("Seccomp_filters", 10) == 2, "%d seccomp filters",
                        (int) status_value("Seccomp_filters", 10));
        holds(status_value("Threads", 10) == 1, "%d threads", (int) status_value("Threads", 10));
        REFUSED("capset", syscall(SYS_capset, &h, d));
        REFUSED("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
        return 0;
}

/* setuid PROGRAM: a set-user-id program of root gains nothing. */
static int setuid_program(int argc, char **argv) {
        pid_t pid = fork();
        int status;

        if (argc != 3)
                return 2;
        if (pid == 0) {
                (void) execl(argv[1], argv[1], "ids", argv[2], NULL);
                _exit(errno == EPERM || errno == EACCES ? 0 : 2);
        }
        (void) waitpid(pid, &status, 0);
        holds(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s has other ids", argv[1]);
        return 0;
}

/* descriptors MAX: nothing above MAX, no socket, nothing of outside (T09, T42). */
static int descriptors(int argc, char **argv) {
        int max = argc > 1 ? atoi(argv[1]) : 2;
        DIR *d = opendir("/proc/self/fd");

        if (!d)
                return 2;
        for (struct dirent *e; (e = readdir(d));) {
                int fd = atoi(e->d_name);
                struct stat st;

                if (e->d_name[0] == '.' || fd == dirfd(d))
                        continue;
                holds(fd <= max, "descriptor %d is open", fd);
                holds(fstat(fd, &st) == 0 && !S_ISSOCK(st.st_mode) && !S_ISDIR(st.st_mode),
                                "descriptor %d is of mode %o", fd, st.st_mode);
        }
        (void) closedir(d);
        return 0;
}

/* signals PID...: neither PID 1 nor anybody outside (T33). */
static int signals(int argc, char **argv) {
        int pair[2], fd;

        REFUSED("kill(1)", kill(1, SIGKILL));
        REFUSED("kill(1, 0)", kill(1, 0));
        REFUSED("tgkill", syscall(SYS_tgkill, 1, 1, SIGKILL));
        REFUSED("rt_sigqueueinfo", sigqueue(1, SIGTERM, (union sigval){0}));
        fd = (int) syscall(SYS_pidfd_open, 1, 0);
        if (fd >= 0)
                REFUSED("pidfd_send_signal", syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
        for (int i = 1; i < argc; i++)
                REFUSED("a process outside", kill((pid_t) atol(argv[i]), 0), ESRCH, EPERM);
        holds(getppid() == 1 || getppid() == 0, "the parent is %d", (int) getppid());
        /* By way of SIGIO: PID 1 has to live on, which the test sees. */
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
                (void) fcntl(pair[0], F_SETSIG, SIGKILL);
                (void) fcntl(pair[0], F_SETOWN, 1);
                (void) fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK);
                (void) !write(pair[1], "x", 1);
        }
        return 0;
}

/* processes: all of /proc is ours or PID 1. */
static int processes(int argc _unused_, char **argv _unused_) {
        DIR *d = opendir("/proc");
        unsigned n = 0;

        if (!d)
                return 2;
        for (struct dirent *e; (e = readdir(d));) {
                struct stat st;
                char path[300];

                if (e->d_name[0] < '1' || e->d_name[0] > '9')
                        continue;
                n++;
                if (fstatat(dirfd(d), e->d_name, &st, 0) < 0)
                        continue;
                holds(st.st_uid == getuid() || (st.st_uid == 0), "process %s of uid %u", e->d_name,
                                st.st_uid);
                if (st.st_uid == getuid())
                        continue;
                for (size_t i = 0; i < 4; i++) {
                        static const char *const files[] = {"mem", "environ", "maps", "fd"};
                        char byte;
                        int fd;

                        (void) snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, files[i]);
                        fd = open(path, O_RDONLY);
                        holds(fd < 0 || read(fd, &byte, 1) <= 0, "%s can be read", path);
                }
        }
        (void) closedir(d);
        holds(n < 100, "%u processes", n);
        return 0;
}

/* limits: can't be raised. */
static int limits(int argc _unused_, char **argv _unused_) {
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                struct rlimit l, raised;

                if (getrlimit((__rlimit_resource_t) i, &l) < 0 || l.rlim_max == RLIM_INFINITY)
                        continue;
                raised = (struct rlimit){l.rlim_max + 1, l.rlim_max + 1};
                REFUSED("raise a limit", setrlimit((__rlimit_resource_t) i, &raised));
        }
        (void) syscall(SYS_personality, 0);
        return 0;
}

/* wait: until killed. */
static int wait_long(int argc _unused_, char **argv _unused_) {
        printf("waiting\n");
        (void) fflush(stdout);
        for (;;)
                (void) pause();
        return 0;
}

/* daemon FILE: a grandchild in a session of its own writes to FILE for ever. */
static int daemonise(int argc, char **argv) {
        if (argc != 2)
                return 2;
        if (fork() == 0) {
                (void) setsid();
                if (fork() == 0) {
                        for (int fd = 0; fd < 3; fd++)
                                (void) close(fd);
                        for (;;) {
                                int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);

                                if (fd >= 0) {
                                        (void) !write(fd, "x", 1);
                                        (void) close(fd);
                                }
                                (void) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
                        }
                }
                _exit(0);
        }
        (void) wait(NULL);
        (void) nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        return 0;
}

/* exit N, kill N */
static int exit_with(int argc, char **argv) {
        exit(argc > 1 ? atoi(argv[1]) : 0);
}

static int kill_self(int argc, char **argv) {
        (void) raise(argc > 1 ? atoi(argv[1]) : SIGKILL);
        return 0;
}

static int print_args(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                printf("[%s]", argv[i]);
        printf("\n");
        return 0;
}

static int print_env(int argc _unused_, char **argv _unused_) {
        for (char **e = environ; *e; e++)
                printf("%s\n", *e);
        return 0;
}

static int print_cwd(int argc _unused_, char **argv _unused_) {
        char path[4096];

        printf("%s\n", getcwd(path, sizeof(path)) ? path : strerror(errno));
        return 0;
}

/* forks N: as many children at once as there may be; prints how many. */
static int forks(int argc, char **argv) {
        int n = 0, max = argc > 1 ? atoi(argv[1]) : 100;

        for (; n < max; n++) {
                pid_t pid = fork();

                if (pid < 0)
                        break;
                if (pid == 0) {
                        (void) pause();
                        _exit(0);
                }
        }
        printf("%d\n", n);
        (void) fflush(stdout);
        return 0; /* what is left dies with the exec */
}

const Attack process_attacks[] = {
                {"ids", ids},
                {"privileges", privileges},
                {"setuid", setuid_program},
                {"descriptors", descriptors},
                {"signals", signals},
                {"processes", processes},
                {"limits", limits},
                {"wait", wait_long},
                {"daemon", daemonise},
                {"exit", exit_with},
                {"kill", kill_self},
                {"args", print_args},
                {"env", print_env},
                {"cwd", print_cwd},
                {"forks", forks},
                {},
};
