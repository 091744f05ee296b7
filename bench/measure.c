/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stopwatch of scripts/bench. It reads requests from standard input, a line each, words separated by tabs, does
 * what they say so many times, and answers each by a line of JSON: {"ns": […]}, {"per_second": X}, {"ok": true}, or
 * {"error": "…"}. The order of all contenders is the script's; only the clock is here, so that no interpreter runs
 * between its two ends.
 *
 *   measure WORKSPACE [USER]     USER: the user for whom "stage" builds sandboxes */

#include "client.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define WORDS_MAX 128
#define COUNT_MAX 100000u
#define WORKERS_MAX 64u

typedef struct Measure {
        FILE *answers;
        const char *workspace, *user;
        Client client;
        StageClient stage;
        int floor; /* the socket of "floor --serve" */
        BenchSession standing; /* for warm execs */
        BenchSession *idle;
        size_t n_idle;
        uint64_t *samples;
        size_t n_samples;
} Measure;

static const char *const true_argv[] = { "/bin/true", NULL };

/* ---- what is timed ---- */

/* vfork(), execve(), wait: the parent's size does not matter. out: standard output, or -1 for /dev/null. */
static int spawn(char *const *argv, int out, pid_t *ret) {
        pid_t pid = vfork();

        if (pid == 0) {
                if (out >= 0 && dup2(out, STDOUT_FILENO) < 0)
                        _exit(125);
                (void) execvp(argv[0], argv);
                _exit(127);
        }
        if (pid < 0)
                return client_fail(-errno, "vfork: %s", strerror(errno));
        *ret = pid;
        return 0;
}

static int wait_for(pid_t pid, const char *what) {
        int status;

        if (waitpid(pid, &status, 0) != pid)
                return client_fail(-errno, "wait: %s", strerror(errno));
        if (status != 0)
                return client_fail(-EIO, "%s ended with status %d", what,
                                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return 0;
}

static int spawn_and_wait(char *const *argv) {
        pid_t pid;
        int r = spawn(argv, -1, &pid);

        return r < 0 ? r : wait_for(pid, argv[0]);
}

static int time_spawn(Measure *m, char *const *argv, uint64_t *ret) {
        uint64_t start = now_nsec();
        int r = spawn_and_wait(argv);

        (void) m;
        *ret = now_nsec() - start;
        return r;
}

static int time_create(Measure *m, char *const *argv, uint64_t *ret) {
        BenchSession s;
        uint64_t start = now_nsec();
        int r = session_create(&m->client, NULL, NULL, &s);

        (void) argv;
        *ret = now_nsec() - start;
        return r < 0 ? r : session_terminate(&m->client, &s);
}

/* On a connection of its own, for which polkit has to be asked. */
static int time_first(Measure *m, char *const *argv, uint64_t *ret) {
        Client c = { .workspace = -EBADF };
        BenchSession s;
        uint64_t start;
        int r = client_open(&c, m->workspace);

        (void) argv;
        start = now_nsec();
        if (r >= 0)
                r = session_create(&c, NULL, NULL, &s);
        *ret = now_nsec() - start;
        if (r >= 0)
                r = session_terminate(&c, &s);
        client_close(&c);
        return r;
}

static int time_remove(Measure *m, char *const *argv, uint64_t *ret) {
        BenchSession s;
        uint64_t start;
        int r = session_create(&m->client, NULL, NULL, &s);

        (void) argv;
        start = now_nsec();
        if (r >= 0)
                r = session_terminate(&m->client, &s);
        *ret = now_nsec() - start;
        return r;
}

static int time_stage(Measure *m, char *const *argv, uint64_t *ret) {
        (void) argv;
        return stage_create(&m->stage, ret);
}

static int time_channel(Measure *m, char *const *argv, uint64_t *ret) {
        uint64_t start = now_nsec();
        int r = exec_by_channel(&m->standing, true_argv, -1);

        (void) argv;
        *ret = now_nsec() - start;
        return r;
}

/* The program beside this one. */
static const char *floor_program(void) {
        static char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
        char *slash;

        path[MAX(n, 0)] = 0;
        slash = strrchr(path, '/');
        if (slash)
                strcpy(slash + 1, "floor");
        return path;
}

static int start_floor(Measure *m) {
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return client_fail(-errno, "socketpair: %s", strerror(errno));
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (dup2(pair[1], STDIN_FILENO) >= 0)
                        (void) execl(floor_program(), "floor", m->workspace, "--serve", NULL);
                _exit(125);
        }
        fd_close(pair[1]);
        m->floor = pair[0];
        return pid < 0 ? client_fail(-errno, "fork: %s", strerror(errno)) : 0;
}

/* What "channel" is measured against: the same request to the least sandbox, by a server that does nothing else. */
static int time_floor_exec(Measure *m, _unused_ char *const *argv, uint64_t *ret) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(3 * sizeof(int))];
        } control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(3 * sizeof(int)) } };
        char byte = 0;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        uint64_t start;
        int r = m->floor >= 0 ? 0 : start_floor(m);

        if (r < 0)
                return r;
        memcpy(CMSG_DATA(&control.header), (int[]) { 0, 1, 2 }, 3 * sizeof(int));
        start = now_nsec();
        if (sendmsg(m->floor, &msg, MSG_NOSIGNAL) < 0 || recv(m->floor, &byte, 1, 0) != 1 || byte != 0)
                return client_fail(-EIO, "floor --serve does not answer");
        *ret = now_nsec() - start;
        return 0;
}

static int time_bus(Measure *m, char *const *argv, uint64_t *ret) {
        uint64_t start = now_nsec();
        int r = exec_by_bus(&m->client, &m->standing, true_argv);

        (void) argv;
        *ret = now_nsec() - start;
        return r;
}

static int timed(Measure *m, char *const *words, int (*fn)(Measure *m, char *const *argv, uint64_t *ret)) {
        uint32_t n;

        if (!words[1] || parse_u32(words[1], &n) < 0 || n > COUNT_MAX)
                return client_fail(-EINVAL, "a count is missing");
        free(m->samples);
        m->samples = calloc(n + 1, sizeof(uint64_t));
        m->n_samples = 0;
        if (!m->samples)
                return -ENOMEM;
        for (; n > 0; n--) {
                int r = fn(m, words + 2, &m->samples[m->n_samples]);

                if (r < 0)
                        return r;
                m->n_samples++;
        }
        return 0;
}

/* ---- sessions that just are there, each with a directory of its own ---- */

static int fill(Measure *m, uint32_t wanted) {
        int r = 0;

        while (r >= 0 && m->n_idle > wanted)
                r = session_terminate(&m->client, &m->idle[--m->n_idle]);
        if (r >= 0 && m->n_idle < wanted) {
                BenchSession *idle = reallocarray(m->idle, wanted, sizeof(BenchSession));

                if (!idle)
                        return -ENOMEM;
                m->idle = idle;
        }
        while (r >= 0 && m->n_idle < wanted) {
                char directory[24];

                (void) snprintf(directory, sizeof(directory), "idle-%zu", m->n_idle);
                r = session_create(&m->client, NULL, directory, &m->idle[m->n_idle]);
                m->n_idle += r >= 0;
        }
        return r;
}

/* ---- many callers at once ---- */

typedef enum Work {
        WORK_FORK, /* vfork, exec, wait */
        WORK_FLOOR, /* the least that makes a sandbox */
        WORK_COLD, /* create, exec, remove */
        WORK_WARM, /* exec in a session of its own */
        _WORK_MAX,
} Work;

static int cold_start(Client *c) {
        BenchSession s;
        int r = session_create(c, NULL, NULL, &s), k;

        if (r < 0)
                return r;
        r = session_say_hello(&s);
        if (r >= 0)
                r = exec_by_channel(&s, true_argv, -1);
        k = session_terminate(c, &s);
        return r < 0 ? r : k;
}

static int work(Measure *m, Work w, Client *c, BenchSession *s) {
        switch (w) {
        case WORK_FORK:
                return spawn_and_wait((char *const *) (uintptr_t) true_argv);
        case WORK_FLOOR:
                return spawn_and_wait((char *[]) { (char *) (uintptr_t) floor_program(), (char *) (uintptr_t) m->workspace,
                                (char *) "/bin/true", NULL });
        case WORK_COLD:
                return cold_start(c);
        case WORK_WARM:
                return exec_by_channel(s, true_argv, -1);
        case _WORK_MAX:
        default:
                return -EINVAL;
        }
}

/* A byte when ready, waits for the end of gate, a byte when done: 0, or a sentence. */
static void worker(Measure *m, Work w, uint32_t n, int gate, int done) _noreturn_;

static void worker(Measure *m, Work w, uint32_t n, int gate, int done) {
        BenchSession s = { .channel = -EBADF };
        Client c = { .workspace = -EBADF };
        int r = 0;
        char byte;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (w != WORK_FORK && w != WORK_FLOOR)
                r = client_open(&c, m->workspace);
        if (r >= 0 && w == WORK_WARM)
                r = session_create(&c, NULL, NULL, &s);
        if (r >= 0 && w == WORK_WARM)
                r = session_open_channel(&c, &s);
        for (uint32_t i = 0; r >= 0 && i < 5; i++)
                r = work(m, w, &c, &s);
        (void) !write(done, "r", 1);
        (void) !read(gate, &byte, 1);
        for (; r >= 0 && n > 0; n--)
                r = work(m, w, &c, &s);
        if (r < 0)
                fprintf(stderr, "measure: %s\n", client_error);
        (void) !write(done, r < 0 ? "f" : "d", 1);
        if (w == WORK_WARM && s.path[0])
                (void) session_terminate(&c, &s);
        _exit(r < 0);
}

static int read_bytes(int fd, uint32_t n, char wanted) {
        char byte;

        for (; n > 0; n--)
                if (read(fd, &byte, 1) != 1 || byte != wanted)
                        return client_fail(-EIO, "a caller failed");
        return 0;
}

static int parallel(Measure *m, Work w, uint32_t workers, uint32_t n, double *ret) {
        int gate[2], done[2], r;
        pid_t pids[WORKERS_MAX];
        uint64_t start;

        if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
                return client_fail(-errno, "pipe: %s", strerror(errno));
        for (uint32_t i = 0; i < workers; i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        fd_close(gate[1]);
                        fd_close(done[0]);
                        worker(m, w, n, gate[0], done[1]);
                }
        }
        fd_close(gate[0]);
        fd_close(done[1]);
        r = read_bytes(done[0], workers, 'r');
        start = now_nsec();
        fd_close(gate[1]);
        if (r >= 0)
                r = read_bytes(done[0], workers, 'd');
        *ret = (double) workers * n * 1e9 / (double) (now_nsec() - start);
        fd_close(done[0]);
        for (uint32_t i = 0; i < workers; i++) /* not "floor --serve", which stays */
                if (pids[i] > 0)
                        (void) waitpid(pids[i], NULL, 0);
        return r;
}

/* ---- bytes ---- */

/* Reads what a program writes to its standard output, in a sandbox or not. */
static int throughput(Measure *m, bool inside, char *bytes, double *ret) {
        char *argv[] = { (char *) "/usr/bin/head", (char *) "-c", bytes, (char *) "/dev/zero", NULL };
        static char buffer[256 << 10];
        uint64_t start = now_nsec(), total = 0, wanted;
        int p[2], r;
        pid_t pid = 0;
        ssize_t k;

        if (parse_u64(bytes, &wanted) < 0 || pipe2(p, O_CLOEXEC) < 0)
                return client_fail(-EINVAL, "a number of bytes is needed");
        r = inside ? exec_start(&m->standing, (const char *const *) (uintptr_t) argv, p[1]) : spawn(argv, p[1], &pid);
        fd_close(p[1]);
        while (r >= 0 && (k = read(p[0], buffer, sizeof(buffer))) > 0)
                total += (uint64_t) k;
        fd_close(p[0]);
        if (r >= 0)
                r = inside ? exec_wait(m->standing.channel) : wait_for(pid, argv[0]);
        *ret = (double) total * 1e9 / (double) (now_nsec() - start);
        if (r >= 0 && total != wanted)
                r = client_fail(-EIO, "%llu bytes arrived", (unsigned long long) total);
        return r;
}

/* ---- requests ---- */

static void answer_error(Measure *m) {
        fprintf(m->answers, "{\"error\": \"");
        for (const char *p = client_error; *p; p++)
                if ((unsigned char) *p >= ' ' && !strchr("\"\\", *p))
                        fputc(*p, m->answers);
        fprintf(m->answers, "\"}\n");
}

static void answer_samples(Measure *m) {
        fprintf(m->answers, "{\"ns\": [");
        for (size_t i = 0; i < m->n_samples; i++)
                fprintf(m->answers, "%s%llu", i ? ", " : "", (unsigned long long) m->samples[i]);
        fprintf(m->answers, "]}\n");
}

/* "open ID": the connection to the bus and the session in which warm execs run. */
static int open_standing(Measure *m, const char *id) {
        int r = client_open(&m->client, m->workspace);

        if (r >= 0)
                r = session_create(&m->client, id, NULL, &m->standing);
        return r < 0 ? r : session_open_channel(&m->client, &m->standing);
}

static int handle(Measure *m, char **words, size_t n) {
        static const struct {
                const char *name;
                int (*fn)(Measure *m, char *const *argv, uint64_t *ret);
        } loops[] = { { "spawn", time_spawn }, { "create", time_create }, { "first", time_first },
                { "remove", time_remove }, { "stage", time_stage }, { "channel", time_channel }, { "bus", time_bus },
                { "floor-exec", time_floor_exec } };
        static const char *const works[] = { [WORK_FORK] = "fork", [WORK_FLOOR] = "floor", [WORK_COLD] = "cold", [WORK_WARM] = "warm" };
        uint32_t a, b;
        double rate = 0;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(loops); i++)
                if (streq(words[0], loops[i].name)) {
                        r = timed(m, words, loops[i].fn);
                        if (r >= 0)
                                answer_samples(m);
                        return r;
                }
        if (streq(words[0], "parallel") && n == 4 && parse_u32(words[2], &a) >= 0 && parse_u32(words[3], &b) >= 0 &&
                        a <= WORKERS_MAX && b <= COUNT_MAX) {
                for (Work w = 0; w < _WORK_MAX; w++)
                        if (streq(words[1], works[w])) {
                                r = parallel(m, w, a, b, &rate);
                                if (r >= 0)
                                        fprintf(m->answers, "{\"per_second\": %.3f}\n", rate);
                                return r;
                        }
        }
        if (streq(words[0], "throughput") && n == 3) {
                r = throughput(m, streq(words[1], "exec"), words[2], &rate);
                if (r >= 0)
                        fprintf(m->answers, "{\"per_second\": %.0f}\n", rate);
                return r;
        }
        r = client_fail(-EINVAL, "unknown request %s", words[0]);
        if (streq(words[0], "open") && n == 2)
                r = open_standing(m, words[1]);
        else if (streq(words[0], "open-stage") && n == 1)
                r = stage_open(&m->stage, m->user, m->workspace);
        else if (streq(words[0], "network") && n == 2) {
                m->client.nat = streq(words[1], "nat");
                r = 0;
        } else if (streq(words[0], "fill") && n == 2 && parse_u32(words[1], &a) >= 0)
                r = fill(m, a);
        if (r >= 0)
                fprintf(m->answers, "{\"ok\": true}\n");
        return r;
}

/* Answers go to the original standard output, which what is measured must not write to. */
static FILE *take_stdout(void) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

        if (null < 0 || out < 0 || dup2(null, STDOUT_FILENO) < 0)
                return NULL;
        return fdopen(out, "w");
}

int main(int argc, char *argv[]) {
        Measure m = { .client.workspace = -EBADF, .stage = { .sock = -EBADF, .next = 1 }, .standing.channel = -EBADF,
                .floor = -EBADF };
        _cleanup_free_ char *line = NULL;
        FILE *requests = NULL;
        size_t size = 0;
        ssize_t k;
        int in, null;

        if (argc < 2) {
                fprintf(stderr, "usage: measure WORKSPACE [USER]\n");
                return 2;
        }
        m.workspace = argv[1];
        m.user = argc > 2 ? argv[2] : "nobody";
        m.answers = take_stdout();
        in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (in >= 0 && null >= 0 && dup2(null, STDIN_FILENO) >= 0)
                requests = fdopen(in, "r");
        if (!m.answers || !requests || chdir(m.workspace) < 0) {
                fprintf(stderr, "measure: %s: %s\n", m.workspace, strerror(errno));
                return 1;
        }
        while ((k = getline(&line, &size, requests)) > 0) {
                char *words[WORDS_MAX + 1] = {}, *save = NULL;
                size_t n = 0;

                line[strcspn(line, "\n")] = 0;
                for (char *w = strtok_r(line, "\t", &save); w && n < WORDS_MAX; w = strtok_r(NULL, "\t", &save))
                        words[n++] = w;
                if (n > 0 && handle(&m, words, n) < 0)
                        answer_error(&m);
                (void) fflush(m.answers);
        }
        return 0;
}
