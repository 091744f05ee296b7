/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Execs: what is passed arrives, what ends ends whole, and wrong requests are refused with nothing done. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

static Session session = SESSION_NONE;
static ExecResult result;

static Session *sandbox(void) {
        _cleanup_plan_ Plan *p = NULL;

        if (session.ready && exec_run(&session, (const char *const[]){ATTACK, "exit", "0", NULL}, NULL,
                                             &result) >= 0)
                return &session;
        session_done(&session);
        session = (Session) SESSION_NONE;
        p = plan_sample(NULL);
        if (CHECK_OK(session_create(&session, p, NULL, 0)))
                (void) tap_check(session.ready, "%s: %s", session.failed.step, session.failed.text);
        return &session;
}

static bool run_one(const char *const *argv, const ExecOptions *o) {
        bool ok = CHECK_OK(exec_run(sandbox(), argv, o, &result));

        result.output[result.len] = 0;
        return ok;
}
#define RUN(options, ...) run_one((const char *const[]){__VA_ARGS__, NULL}, options)

static void output_and_codes(void) {
        if (RUN(NULL, "/bin/sh", "-c", "echo out; echo err >&2; exit 7"))
                (void) tap_check(result.exited.code == 7 && result.exited.signal == 0 &&
                                                 strstr(result.output, "out\n") &&
                                                 strstr(result.output, "err\n"),
                                "code %u: %s", result.exited.code, result.output);
        if (RUN(&(ExecOptions){.input = "from outside"}, "cat"))
                (void) tap_check(streq(result.output, "from outside"), "%s", result.output);
        if (RUN(NULL, ATTACK, "kill", "15"))
                CHECK(result.exited.signal == SIGTERM && result.exited.flags == 0);
        if (RUN(NULL, ATTACK, "kill", "11"))
                CHECK(result.exited.signal == SIGSEGV);
        if (RUN(NULL, "no-such-program"))
                (void) tap_check(!result.started && result.failed.status == 127, "status %u",
                                result.failed.status);
        if (RUN(NULL, "/no/such/program"))
                CHECK(!result.started && result.failed.status == 127);
        if (RUN(NULL, "/etc/passwd"))
                CHECK(!result.started && result.failed.status == 126);
        if (RUN(NULL, "/usr"))
                CHECK(!result.started && result.failed.status == 126);
        if (RUN(&(ExecOptions){.cwd = "/no/such"}, "true"))
                CHECK(!result.started && result.failed.status == 125);
        if (RUN(NULL, "true"))
                CHECK(result.exited.code == 0 && result.exited.max_rss > 0);
}

/* Arguments are bytes, and no program of ours takes them for options. */
static void arguments(void) {
        static char big[131072], full[131073];
        static const char *const odd[] = {"--bind", "-x", "--", "-", "\n", "a\nb", "\xff\xfe", "$(id)",
                        "`id`", ";id", "../../bin/true", " "};

        for (size_t i = 0; i < ELEMENTSOF(odd); i++)
                if (RUN(NULL, odd[i], "--help"))
                        (void) tap_check(!result.started && result.failed.status >= 125,
                                        "argv[0] '%s' was started: %s", odd[i], result.output);
        if (RUN(NULL, ATTACK, "args", "--bind", "", "a b", "\n", "*"))
                (void) tap_check(streq(result.output, "[--bind][][a b][\n][*]\n"), "%s", result.output);
        memset(big, 'x', sizeof(big) - 1);
        if (RUN(NULL, ATTACK, "exit", "3", big))
                (void) tap_check(result.exited.code == 3, "an argument of 131071 bytes: %s",
                                result.failed.text);
        memset(full, 'x', sizeof(full) - 1);
        if (RUN(NULL, ATTACK, "exit", "3", full))
                CHECK(!result.started && (result.failed.error || result.ack));
        if (RUN(NULL, ""))
                CHECK(!result.started && (result.failed.error || result.ack));
}

static void many_arguments(void) {
        static const char *argv[5000];

        argv[0] = ATTACK, argv[1] = "exit";
        for (size_t i = 2; i < 4096; i++)
                argv[i] = "4";
        argv[4096] = NULL;
        if (run_one(argv, NULL))
                (void) tap_check(result.exited.code == 4, "4096 arguments: %s", result.failed.text);
        for (size_t i = 4096; i < 4999; i++)
                argv[i] = "4";
        if (run_one(argv, NULL))
                CHECK(!result.started && (result.failed.error || result.ack));
}

static void environments(void) {
        static const char *const good[] = {"A=1", "PATH=/bin", "EMPTY=", NULL}, *const bad[] = {"NOEQUALS",
                                                                                                "1A=x",
                                                                                                "A B=x",
                                                                                                "=x", ""};

        if (RUN(&(ExecOptions){.env = good}, ATTACK, "env"))
                (void) tap_check(strstr(result.output, "A=1\n") && strstr(result.output, "PATH=/bin\n") &&
                                                 strstr(result.output, "EMPTY=\n") &&
                                                 strstr(result.output, "HOME=" ALICE_HOME "\n") &&
                                                 !strstr(result.output, "PATH=/usr"),
                                "%s", result.output);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *env[] = {bad[i], NULL};

                if (RUN(&(ExecOptions){.env = env}, "true"))
                        (void) tap_check(!result.started && (result.failed.error || result.ack),
                                        "environment '%s' was taken", bad[i]);
        }
}

static void cwds(void) {
        static const char *const bad[] = {"relative", "/tmp/..", "//tmp", "/tmp/", ".", "/home/alice/./ws"};

        if (RUN(NULL, ATTACK, "cwd"))
                CHECK(streq(result.output, WORKSPACE "\n"));
        if (RUN(&(ExecOptions){.cwd = "/tmp"}, ATTACK, "cwd"))
                CHECK(streq(result.output, "/tmp\n"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (RUN(&(ExecOptions){.cwd = bad[i]}, "true"))
                        (void) tap_check(!result.started, "cwd '%s' was taken", bad[i]);
}

static void ptys(void) {
        if (RUN(&(ExecOptions){.flags = MSG_EXEC_PTY}, "/bin/sh", "-c",
                            "test -t 0 && test -t 1 && test -t 2 && tty && stty size"))
                (void) tap_check(result.exited.code == 0 && strstr(result.output, "/dev/pts/") &&
                                                 strstr(result.output, "24 80"),
                                "code %u: %s", result.exited.code, result.output);
        if (RUN((&(ExecOptions){.flags = MSG_EXEC_PTY, .by_control = true}), "tty"))
                (void) tap_check(strstr(result.output, "/dev/pts/") != NULL, "%s", result.output);
        /* The sandbox's /dev/pts has its own terminals only. */
        if (RUN(&(ExecOptions){.flags = MSG_EXEC_PTY}, "/bin/sh", "-c", "ls /dev/pts | tr '\\n' ' '"))
                (void) tap_check(str_has_prefix(result.output, "0") || str_has_prefix(result.output, "1"),
                                "%s", result.output);
}

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static off_t size_of(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Nothing that writes to the file lives any more. */
static bool stands_still(const char *path) {
        off_t size = size_of(path);

        (void) nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
        return size == size_of(path);
}

static bool is_still(void *userdata) {
        return stands_still(userdata);
}
#define ALIVE_FILE WORKSPACE "/alive"

static void timeouts(void) {
        uint64_t start = now_ms();

        (void) unlink(ALIVE_FILE);
        if (RUN(&(ExecOptions){.timeout_usec = 200000}, "/bin/sh", "-c",
                            ATTACK " daemon " ALIVE_FILE "; exec " ATTACK " wait")) {
                (void) tap_check(result.exited.signal == SIGKILL && result.exited.flags & MSG_EXITED_TIMEOUT,
                                "signal %u flags %x", result.exited.signal, result.exited.flags);
                (void) tap_check(now_ms() - start < 3000, "it took %llu ms",
                                (unsigned long long) (now_ms() - start));
        }
        CHECK(size_of(ALIVE_FILE) > 0);
        (void) tap_check(bed_wait(is_still, (void *) (uintptr_t) ALIVE_FILE, 5),
                        "a grandchild in a session of its own lives on");
        /* One that is not reached takes nothing away. */
        if (RUN(&(ExecOptions){.timeout_usec = 10000000}, "true"))
                CHECK(result.exited.code == 0 && result.exited.flags == 0);
}

static void leftovers(void) {
        (void) unlink(ALIVE_FILE);
        if (RUN(NULL, ATTACK, "daemon", ALIVE_FILE))
                CHECK(result.exited.code == 0);
        (void) tap_check(bed_wait(is_still, (void *) (uintptr_t) ALIVE_FILE, 5),
                        "what an exec left in the background lives on");
        (void) unlink(ALIVE_FILE);
        if (RUN(&(ExecOptions){.flags = MSG_EXEC_DETACH}, ATTACK, "daemon", ALIVE_FILE))
                (void) tap_check(!stands_still(ALIVE_FILE),
                                "what a detached exec left in the background is dead");
        CHECK_OK(session_end(&session));
        (void) tap_check(bed_wait(is_still, (void *) (uintptr_t) ALIVE_FILE, 5),
                        "it outlives even the session");
}

static void client_dies(void) {
        Session *s = sandbox();

        (void) unlink(ALIVE_FILE);
        for (int i = 0; i < 2; i++) {
                _cleanup_message_ WireMessage m = {};
                int channel = session_open_channel(s);

                CHECK(channel >= 0);
                (void) unlink(ALIVE_FILE);
                CHECK_OK(exec_send(channel, 1,
                                (const char *const[]){"/bin/sh", "-c",
                                                ATTACK " daemon " ALIVE_FILE "; exec " ATTACK " wait", NULL},
                                &(ExecOptions){.flags = i ? MSG_EXEC_DETACH : 0}));
                CHECK(recv_timeout(channel, &m, 5000) > 0 && m.type == WIRE_EVENT_STARTED);
                (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
                fd_close(channel);
                (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
                if (i == 0)
                        (void) tap_check(stands_still(ALIVE_FILE), "an exec outlives the client that left");
                else
                        (void) tap_check(!stands_still(ALIVE_FILE), "a detached exec dies with the client");
        }
        CHECK_OK(session_end(&session));
}

static int send_signal(int channel, uint32_t tag, uint32_t id, uint32_t signal_number) {
        _cleanup_writer_ WireWriter w = {};
        MsgSignal m = {.exec_id = id, .signal = signal_number};

        msg_signal_encode(&w, &m);
        return wire_send(channel, WIRE_SIGNAL, tag, &w, NULL, 0);
}

/* Starts a program that waits and returns its id. */
static uint32_t start_waiting(int channel, uint32_t tag, const char *script) {
        _cleanup_message_ WireMessage m = {};
        WireReader r;

        CHECK_OK(exec_send(channel, tag, (const char *const[]){"/bin/sh", "-c", script, NULL}, NULL));
        if (!CHECK(recv_timeout(channel, &m, 5000) > 0 && m.type == WIRE_EVENT_STARTED && m.tag == tag))
                return 0;
        r = WIRE_READER(m.body, m.len);
        return wire_get_u32(&r);
}

static MsgExited wait_exited(int channel, uint32_t tag) {
        MsgExited e = {.code = 999};

        for (;;) {
                _cleanup_message_ WireMessage m = {};
                WireReader r;

                if (recv_timeout(channel, &m, 5000) <= 0)
                        return e;
                r = WIRE_READER(m.body, m.len);
                if (m.type == WIRE_EVENT_EXITED && m.tag == tag) {
                        (void) msg_exited_decode(&r, &e);
                        return e;
                }
        }
}

static void signals(void) {
        int channel = session_open_channel(sandbox()), other = session_open_channel(&session);
        _cleanup_message_ WireMessage m = {};
        MsgExited e;
        uint32_t id;
        WireReader r;
        int error = 0;

        if (!CHECK(channel >= 0 && other >= 0))
                return;
        id = start_waiting(channel, 10, "trap 'exit 42' TERM; while :; do sleep 0.01; done");
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        CHECK_OK(send_signal(channel, 11, id, SIGTERM));
        e = wait_exited(channel, 10);
        (void) tap_check(e.code == 42, "SIGTERM: code %u signal %u", e.code, e.signal);
        id = start_waiting(channel, 20, "trap '' TERM; exec " ATTACK " wait");
        CHECK_OK(send_signal(channel, 21, id, SIGKILL));
        e = wait_exited(channel, 20);
        (void) tap_check(e.signal == SIGKILL && e.flags & MSG_EXITED_KILLED,
                        "SIGKILL: code %u signal %u flags %x", e.code, e.signal, e.flags);
        /* Another channel has no say. */
        id = start_waiting(channel, 30, "exec " ATTACK " wait");
        CHECK_OK(send_signal(other, 31, id, SIGKILL));
        CHECK(recv_timeout(other, &m, 5000) > 0 && m.type == WIRE_ACK);
        r = WIRE_READER(m.body, m.len);
        CHECK(msg_ack_decode(&r, &error, NULL, 0) >= 0 && error == ESRCH);
        CHECK_OK(send_signal(channel, 32, id, SIGKILL));
        CHECK(wait_exited(channel, 30).signal == SIGKILL);
        CHECK_OK(send_signal(channel, 33, id, SIGKILL));
        CHECK(recv_timeout(channel, &m, 5000) > 0);
        fd_close(channel);
        fd_close(other);
}

/* WIRE_FREEZE and back; control is asked in order. */
static int control_call(Session *s, uint32_t type) {
        uint32_t tag = ++s->next_tag;
        int r = wire_send(s->control, type, tag, NULL, NULL, 0), error;

        while (r >= 0) {
                _cleanup_message_ WireMessage m = {};
                WireReader reader;

                r = recv_timeout(s->control, &m, 5000);
                if (r <= 0)
                        return r < 0 ? r : -EPIPE;
                reader = WIRE_READER(m.body, m.len);
                if (m.type == WIRE_ACK && m.tag == tag)
                        return msg_ack_decode(&reader, &error, NULL, 0) < 0 ? -EBADMSG : -error;
        }
        return r;
}

static void session_ends_execs(void) {
        int channel = session_open_channel(sandbox());
        _cleanup_message_ WireMessage m = {};
        MsgExited e;

        (void) start_waiting(channel, 1, "exec " ATTACK " wait");
        CHECK_OK(control_call(&session, WIRE_TERMINATE));
        e = wait_exited(channel, 1);
        (void) tap_check(e.signal == SIGKILL && e.flags & MSG_EXITED_KILLED, "code %u signal %u flags %x",
                        e.code, e.signal, e.flags);
        fd_close(channel);
        CHECK_OK(session_end(&session));
        /* By the stage, whatever the monitor does: at least the channel ends. */
        channel = session_open_channel(sandbox());
        (void) start_waiting(channel, 1, "exec " ATTACK " wait");
        CHECK_OK(session_end(&session));
        while (recv_timeout(channel, &m, 5000) > 0)
                ;
        CHECK(recv_timeout(channel, &m, 0) == 0);
        fd_close(channel);
}

static void freezing(void) {
        Session *s = sandbox();
        int channel = session_open_channel(s);

        (void) unlink(ALIVE_FILE);
        (void) start_waiting(channel, 1, ATTACK " daemon " ALIVE_FILE "; exec " ATTACK " wait");
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        CHECK_OK(control_call(s, WIRE_FREEZE));
        (void) tap_check(stands_still(ALIVE_FILE), "a frozen session runs");
        if (CHECK_OK(exec_run(s, (const char *const[]){"true", NULL}, NULL, &result)))
                CHECK(!result.started && (result.failed.error == EBUSY || result.ack == EBUSY));
        CHECK_OK(control_call(s, WIRE_THAW));
        (void) tap_check(!stands_still(ALIVE_FILE), "a thawed session does not run");
        CHECK_OK(control_call(s, WIRE_FREEZE));
        CHECK_OK(session_end(s));
        (void) tap_check(stands_still(ALIVE_FILE), "a frozen session can't be ended");
        fd_close(channel);
}

static void concurrent_limit(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        int channel;

        p->limits.execs = 3;
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        channel = session_open_channel(&s);
        for (uint32_t i = 1; i <= 3; i++)
                (void) start_waiting(channel, i, "exec " ATTACK " wait");
        if (CHECK_OK(exec_run(&s, (const char *const[]){"true", NULL}, NULL, &result)))
                (void) tap_check(!result.started && result.failed.error == EAGAIN, "the fourth: %u %s",
                                result.failed.error, result.failed.text);
        fd_close(channel);
        (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        if (CHECK_OK(exec_run(&s, (const char *const[]){"true", NULL}, NULL, &result)))
                CHECK(result.started);
        CHECK_OK(session_end(&s));
}

static void bad_requests(void) {
        Session *s = sandbox();
        int channel, null = open("/dev/null", O_RDWR | O_CLOEXEC), seventeen[16];
        uint32_t numbers[16];

        for (int i = 0; i < 16; i++) {
                seventeen[i] = null;
                numbers[i] = (uint32_t) i;
        }
        if (RUN((&(ExecOptions){.fds = seventeen, .numbers = numbers, .n_fds = 16}), ATTACK, "descriptors",
                            "15"))
                (void) tap_check(result.exited.code == 0 && result.started, "16 descriptors: %s %s",
                                result.failed.text, result.output);
        numbers[3] = 1;
        if (RUN((&(ExecOptions){.fds = seventeen, .numbers = numbers, .n_fds = 4}), "true"))
                CHECK(!result.started);
        numbers[3] = 16;
        if (RUN((&(ExecOptions){.fds = seventeen, .numbers = numbers, .n_fds = 4}), "true"))
                CHECK(!result.started);
        if (RUN((&(ExecOptions){.fds = seventeen, .numbers = numbers, .n_fds = 1, .flags = MSG_EXEC_PTY}),
                            "true"))
                CHECK(!result.started);
        if (RUN((&(ExecOptions){.flags = 1u << 7}), "true"))
                CHECK(!result.started);
        /* More descriptors than said, and garbage. */
        for (uint32_t type = 0; type < 110; type++) {
                _cleanup_writer_ WireWriter w = {};

                channel = session_open_channel(s);
                if (!tap_check(channel >= 0, "after garbage of type %u: %s", type, strerror(-channel)))
                        break;
                wire_put_u32(&w, 0xffffffff);
                wire_put_string(&w, "garbage");
                (void) wire_send(channel, type, type, &w, seventeen, type % 5);
                (void) send(channel, "x", 1, MSG_NOSIGNAL);
                fd_close(channel);
        }
        if (RUN(NULL, ATTACK, "exit", "9"))
                CHECK(result.exited.code == 9);
        fd_close(null);
}

static void throughput_of_small_ones(void) {
        uint64_t start = now_ms();
        int n = 200;

        for (int i = 0; i < n && !tap_failed(); i++)
                if (RUN(NULL, "/bin/true"))
                        (void) tap_check(result.started && result.exited.code == 0, "exec %d: %s", i,
                                        result.failed.text);
        tap_note("%d execs in %llu ms", 2 * n, (unsigned long long) (now_ms() - start));
}

static void forks_are_limited(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE, other = SESSION_NONE;
        _cleanup_plan_ Plan *q = plan_sample(NULL);

        p->limits.nproc = 30;
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready) ||
                        !CHECK_OK(session_create(&other, q, NULL, 0)) || !CHECK(other.ready))
                return;
        if (CHECK_OK(exec_run(&s, (const char *const[]){ATTACK, "forks", "100", NULL}, NULL, &result))) {
                result.output[result.len] = 0;
                (void) tap_check(atoi(result.output) > 5 && atoi(result.output) <= 30, "%s processes",
                                result.output);
        }
        /* Counted per sandbox: the other one of the same user has its own. */
        (void) attack_holds(&other, "exit", "0", NULL);
        if (CHECK_OK(exec_run(&other, (const char *const[]){ATTACK, "forks", "100", NULL}, NULL, &result))) {
                result.output[result.len] = 0;
                (void) tap_check(atoi(result.output) == 100, "%s processes in the other", result.output);
        }
        CHECK_OK(session_end(&s));
        CHECK_OK(session_end(&other));
}

/* The next exec's child waits in the same pid namespace with the same uid. The self-probe has had its turn
 * before: to kill that ends the session. */
static void payload_against_its_own(void) {
        static const char *const scripts[] = {"kill -9 -1", "kill -STOP -1", "kill -TERM -1",
                        "kill -USR1 -1", "for i in 1 2 3 4 5 6 7 8 9; do kill -KILL -1; done"};
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready) ||
                        !CHECK_OK(session_probe(&s, &probe, 5000)))
                return;
        for (size_t i = 0; i < ELEMENTSOF(scripts); i++)
                for (int k = 0; k < 3; k++) {
                        uint64_t start;
                        int r;

                        (void) exec_run(&s, (const char *const[]){"/bin/sh", "-c", scripts[i], NULL}, NULL,
                                        &result);
                        start = now_ms();
                        r = exec_run(&s, (const char *const[]){ATTACK, "exit", "6", NULL}, NULL, &result);
                        (void) tap_check(r >= 0 && result.started && result.exited.code == 6 &&
                                                         now_ms() - start < 2000,
                                        "after '%s': %s, %llu ms, code %u signal %u %s %s", scripts[i],
                                        strerror(-r), (unsigned long long) (now_ms() - start),
                                        result.exited.code, result.exited.signal, result.failed.step,
                                        result.failed.text);
                }
        CHECK_OK(session_end(&s));
}

static const TapTest tests[] = {
                {"output, exit codes, signals and the shell's 125, 126, 127 arrive", output_and_codes},
                {"T05 arguments that look like options, empty, huge or not text are arguments", arguments},
                {"4096 arguments work, more are refused", many_arguments},
                {"the environment is the session's and the request's; malformed ones are refused",
                                environments},
                {"T21 the work directory is the session's or a normal path inside", cwds},
                {"a pty is made inside", ptys},
                {"a timeout kills the whole exec, also what has left its session", timeouts},
                {"what an exec leaves behind dies with it, unless it was detached", leftovers},
                {"an exec dies with its client, unless it was detached", client_dies},
                {"signals reach the exec; another channel has no say", signals},
                {"the end of a session ends its execs and says so", session_ends_execs},
                {"freezing stops everything, and a frozen session can be ended", freezing},
                {"the limit of concurrent execs holds and is given back", concurrent_limit},
                {"the limit of processes is counted per sandbox", forks_are_limited},
                {"wrong requests and garbage start nothing and harm nobody", bad_requests},
                {"a payload that kills or stops all it can does not keep the next exec from running",
                                payload_against_its_own},
                {"hundreds of execs one after the other", throughput_of_small_ones},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(stage_start(NULL));
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        session_done(&session);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
