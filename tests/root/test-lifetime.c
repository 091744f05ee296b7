/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever dies, and whenever: sessions that were ready live on or end whole, and nothing half-built stays.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

static ExecResult result;
static BedCount at_rest;

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static Plan *plan_with_placeholders(const char *id) {
        Plan *p = plan_sample(id);

        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.mcp.json");
        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.git/hooks");
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/.ssh");
        return p;
}

static unsigned entries_in(const char *path) {
        _cleanup_free_ char *command = NULL;
        unsigned n = 0;
        FILE *f;

        /* Locks are per user and stay. */
        if (asprintf(&command, "ls -A %s 2>/dev/null | grep -cv '^\\.lock-'", path) < 0)
                return 0;
        f = popen(command, "r");
        if (f && fscanf(f, "%u", &n) != 1)
                n = 0;
        if (f)
                (void) pclose(f);
        return n;
}

static bool is_at_rest(void *userdata _unused_) {
        BedCount now = bed_count();

        return now.mounts == at_rest.mounts && now.cgroups <= at_rest.cgroups &&
               now.processes <= at_rest.processes && entries_in("/run/ocsb/stage") == 0 &&
               entries_in("/run/ocsb/monitor") == 0;
}

/* Waits for what the kernel takes away a moment later, then says what is left. */
static void nothing_is_left(void) {
        static const char *const placeholders[] = {
                        WORKSPACE "/.mcp.json", WORKSPACE "/.git", WORKSPACE "/.ssh"};

        BedCount now;

        (void) bed_wait(is_at_rest, NULL, 300);
        now = bed_count();
        (void) tap_check(now.mounts == at_rest.mounts, "mounts: %u, were %u", now.mounts, at_rest.mounts);
        (void) tap_check(now.cgroups <= at_rest.cgroups, "cgroups: %u, were %u", now.cgroups,
                        at_rest.cgroups);
        (void) tap_check(now.processes <= at_rest.processes, "processes: %u, were %u", now.processes,
                        at_rest.processes);
        (void) tap_check(entries_in("/run/ocsb/stage") == 0, "a record is left in /run/ocsb/stage");
        (void) tap_check(entries_in("/run/ocsb/monitor") == 0, "a control socket is left");
        for (size_t i = 0; i < ELEMENTSOF(placeholders); i++)
                (void) tap_check(!bed_exists(placeholders[i]), "left: %s", placeholders[i]);
}

static void work(Session *s, unsigned execs) {
        for (unsigned i = 0; i < execs; i++)
                if (CHECK_OK(exec_run(s, (const char *const[]){"/bin/true", NULL}, NULL, &result)))
                        (void) tap_check(result.started && result.exited.code == 0, "exec: %s %s",
                                        result.failed.step, result.failed.text);
}

/* 1,000 sessions made, used and ended leave nothing behind and nothing grown. */
static void thousand_sessions(void) {
        unsigned fds, memory, n = 1000;
        uint64_t start;
        const char *env = getenv("OCSB_LEAK_SESSIONS");

        if (env)
                n = (unsigned) strtoul(env, NULL, 10);
        /* What is made once (pools, caches of the allocator) is made by the first ones. */
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
                _cleanup_session_ Session s = SESSION_NONE;

                if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready) ||
                                !CHECK_OK(session_end(&s)))
                        return;
        }
        (void) bed_wait(is_at_rest, NULL, 300);
        fds = bed_fds_of(stage_pid());
        memory = bed_memory_of(stage_pid());
        start = now_ms();
        for (unsigned i = 0; i < n && !tap_failed(); i++) {
                _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
                _cleanup_session_ Session s = SESSION_NONE;

                if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                        return;
                if (i % 4 == 0)
                        work(&s, 1);
                CHECK_OK(session_end(&s));
        }
        tap_note("%u sessions in %llu ms", n, (unsigned long long) (now_ms() - start));
        nothing_is_left();
        /* A namespace that waits in the pool is a descriptor more or less. */
        (void) tap_check(bed_fds_of(stage_pid()) <= fds + 4, "descriptors: %u, were %u",
                        bed_fds_of(stage_pid()), fds);
        (void) tap_check(bed_memory_of(stage_pid()) <= memory + 64, "private memory: %u KiB, was %u",
                        bed_memory_of(stage_pid()), memory);
}

static void thousand_execs(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        unsigned fds, memory, cgroups;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        work(&s, 100);
        (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        fds = bed_fds_of((pid_t) s.info.monitor_pid);
        memory = bed_memory_of((pid_t) s.info.monitor_pid);
        cgroups = bed_count().cgroups;
        work(&s, 1000);
        (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        (void) tap_check(bed_fds_of((pid_t) s.info.monitor_pid) <= fds,
                        "descriptors of the monitor: %u, were %u", bed_fds_of((pid_t) s.info.monitor_pid),
                        fds);
        (void) tap_check(bed_memory_of((pid_t) s.info.monitor_pid) <= memory + 32,
                        "private memory of the monitor: %u KiB, was %u",
                        bed_memory_of((pid_t) s.info.monitor_pid), memory);
        (void) tap_check(bed_count().cgroups <= cgroups, "cgroups: %u, were %u", bed_count().cgroups,
                        cgroups);
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

/* 8 clients with 200 execs each, on channels of one session and of their own. */
typedef struct Worker {
        Session session;
        unsigned good, number;
        int error;
} Worker;

static void *work_in_thread(void *userdata) {
        Worker *w = userdata;
        _cleanup_free_ ExecResult *r = malloc(sizeof(ExecResult));

        for (unsigned i = 0; r && i < 200; i++) {
                char text[32], code[8];

                (void) snprintf(text, sizeof(text), "%u.%u", w->number, i);
                (void) snprintf(code, sizeof(code), "%u", i % 100);
                w->error = exec_run(&w->session,
                                (const char *const[]){"/bin/sh", "-c", "echo $0; exit $1", text, code, NULL},
                                NULL, r);
                if (w->error < 0)
                        break;
                r->output[r->len] = 0;
                w->good += r->started && r->exited.code == i % 100 &&
                           strncmp(r->output, text, strlen(text)) == 0;
        }
        return NULL;
}

static void eight_clients(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        static Worker workers[8];
        pthread_t threads[8];
        uint64_t start = now_ms();

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        for (unsigned i = 0; i < 8; i++) {
                workers[i] = (Worker){.session = SESSION_NONE, .number = i};
                if (i < 4) { /* four on one session, four on their own */
                        workers[i].session.channel = session_open_channel(&s);
                        CHECK(workers[i].session.channel >= 0);
                } else {
                        _cleanup_plan_ Plan *own = plan_sample(NULL);

                        CHECK_OK(session_create(&workers[i].session, own, NULL, 0));
                        workers[i].session.channel = session_open_channel(&workers[i].session);
                        CHECK(workers[i].session.channel >= 0);
                }
        }
        for (unsigned i = 0; i < 8; i++)
                CHECK(pthread_create(threads + i, NULL, work_in_thread, workers + i) == 0);
        for (unsigned i = 0; i < 8; i++) {
                (void) pthread_join(threads[i], NULL);
                (void) tap_check(workers[i].good == 200, "client %u: %u of 200, %s", i, workers[i].good,
                                strerror(-workers[i].error));
                if (i >= 4)
                        CHECK_OK(session_end(&workers[i].session));
                session_done(&workers[i].session);
        }
        tap_note("1600 execs in %llu ms", (unsigned long long) (now_ms() - start));
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

static bool session_listed(const char *id) {
        static char ids[2000][SESSION_ID_MAX + 1];
        int n = stage_list(ids, ELEMENTSOF(ids));

        for (int i = 0; i < n; i++)
                if (streq(ids[i], id))
                        return true;
        return false;
}

static bool not_listed(void *userdata) {
        return !session_listed(userdata);
}

static void monitor_killed(void) {
        for (int i = 0; i < 3; i++) {
                _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
                _cleanup_session_ Session s = SESSION_NONE;
                int channel;

                (void) unlink(WORKSPACE "/alive");
                if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                        return;
                channel = session_open_channel(&s);
                CHECK_OK(exec_send(channel, 1,
                                (const char *const[]){"/bin/sh", "-c",
                                                ATTACK " daemon " WORKSPACE "/alive; exec " ATTACK " wait",
                                                NULL},
                                &(ExecOptions){.flags = i == 1 ? MSG_EXEC_DETACH : 0}));
                (void) nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
                CHECK(kill((pid_t) s.info.monitor_pid, SIGKILL) == 0);
                CHECK(bed_wait(not_listed, s.id, 5000));
                fd_close(channel);
                nothing_is_left();
                (void) unlink(WORKSPACE "/alive");
        }
}

static void init_killed(void) {
        _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        char path[64];
        _cleanup_free_ char *text = NULL;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        (void) snprintf(path, sizeof(path), "/proc/%u/task/%u/children", s.info.monitor_pid,
                        s.info.monitor_pid);
        text = bed_read(path);
        CHECK(text && atol(text) > 1 && kill((pid_t) atol(text), SIGKILL) == 0);
        CHECK(bed_wait(not_listed, s.id, 5000));
        nothing_is_left();
}

static void stage_killed(void) {
        _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_message_ WireMessage m = {};
        int channel, control;
        bool exited = false;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        channel = session_open_channel(&s);
        CHECK_OK(exec_send(channel, 7, (const char *const[]){"/bin/sh", "-c", "sleep 0.3; exit 33", NULL},
                        NULL));
        stage_kill();
        /* Without any stage the session works, also for who connects now. */
        work(&s, 3);
        control = session_connect_control(s.id);
        CHECK(control >= 0);
        fd_close(control);
        CHECK_OK(stage_start(NULL));
        CHECK(session_listed(s.id));
        while (!exited && recv_timeout(channel, &m, 5000) > 0)
                if (m.type == WIRE_EVENT_EXITED && m.tag == 7) {
                        WireReader r = WIRE_READER(m.body, m.len);
                        MsgExited e = {};

                        exited = msg_exited_decode(&r, &e) >= 0 && e.code == 33;
                }
        CHECK(exited);
        work(&s, 3);
        (void) attack_holds(&s, "create", WORKSPACE "/.mcp.json", WORKSPACE "/.git/hooks/x", NULL);
        fd_close(channel);
        /* A session of the same name is still refused, and ending it works. */
        {
                _cleanup_plan_ Plan *same = plan_sample(s.id);
                _cleanup_session_ Session t = SESSION_NONE;

                CHECK_OK(session_create(&t, same, NULL, 0));
                (void) tap_check(!t.ready && t.failed.error == EEXIST, "a second session of the name: %u",
                                t.failed.error);
        }
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

static void monitor_dies_without_stage(void) {
        _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        stage_kill();
        CHECK(kill((pid_t) s.info.monitor_pid, SIGKILL) == 0);
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        CHECK_OK(stage_start(NULL));
        CHECK(bed_wait(not_listed, s.id, 5000));
        nothing_is_left();
}

/* ocsbd kills what it does not know while a new stage is cleaning up after it: that waits for a lock here. */
static void kill_while_cleaning_up(void) {
        _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_writer_ WireWriter w = {};
        int lock;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        stage_kill();
        CHECK(kill((pid_t) s.info.monitor_pid, SIGKILL) == 0);
        lock = open("/run/ocsb/stage/.lock-20001", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        CHECK(lock >= 0 && flock(lock, LOCK_EX) == 0);
        CHECK_OK(stage_start(NULL));
        wire_put_string(&w, s.id);
        for (uint32_t tag = 1; tag <= 3; tag++)
                CHECK_OK(wire_send(stage_socket(), WIRE_KILL, tag, &w, NULL, 0));
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        fd_close(lock);
        CHECK(bed_wait(not_listed, s.id, 5000));
        CHECK_OK(stage_kill_session(s.id));
        CHECK(stage_alive());
        nothing_is_left();
}

/* At random moments: the stage, while sessions are made as fast as it can. */
static void stage_killed_at_random(void) {
        unsigned created = 0, seed = 20240607;

        for (int round = 0; round < 25 && !tap_failed(); round++) {
                uint64_t end;
                pid_t killer;

                seed = seed * 1103515245u + 12345u;
                end = seed / 65536 % 25000;
                killer = fork();
                if (killer == 0) {
                        (void) nanosleep(&(struct timespec){.tv_nsec = (long) end * 1000}, NULL);
                        _exit(kill(stage_pid(), SIGKILL) == 0 ? 0 : 1);
                }
                for (;;) {
                        _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);
                        _cleanup_session_ Session s = SESSION_NONE;

                        if (session_create(&s, p, NULL, 0) < 0)
                                break;
                        created += s.ready;
                        if (stage_kill_session(s.id) < 0)
                                break;
                }
                (void) stage_wait_death(2000);
                (void) waitpid(killer, NULL, 0);
                stage_kill();
                CHECK_OK(stage_start(NULL));
                stage_stop();
                CHECK_OK(stage_start(NULL));
                nothing_is_left();
        }
        tap_note("%u sessions were made", created);
}

/* Fault points: every name that is in the programs, so that a new one is tested from its first day. */
static size_t find_fault_points(char names[][64], size_t max) {
        static const char *const prefixes[] = {"stage.", "build.", "monitor."};
        _cleanup_free_ char *data = NULL;
        size_t n = 0, len = 0;

        if (file_read(AT_FDCWD, OCSB_LIBEXEC_DIR "/ocsb-stage", 64u << 20, &data, &len) < 0)
                return 0;
        for (size_t i = 0; i < len && n < max; i++) {
                size_t k = strnlen(data + i, 64);

                for (size_t j = 0; j < ELEMENTSOF(prefixes) && k > 8 && k < 64; j++)
                        if (str_has_prefix(data + i, prefixes[j]) &&
                                        strspn(data + i, "abcdefghijklmnopqrstuvwxyz.-") == k &&
                                        !str_has_prefix(data + i, "stage.sock")) {
                                bool known = false;

                                for (size_t x = 0; x < n; x++)
                                        known |= streq(names[x], data + i);
                                if (!known)
                                        (void) snprintf(names[n++], 64, "%s", data + i);
                        }
                i += k;
        }
        return n;
}

static void one_fault(const char *name) {
        char fault[96];
        _cleanup_plan_ Plan *p = plan_with_placeholders("faulty");
        _cleanup_session_ Session s = SESSION_NONE;
        bool hit = false;
        int r;

        (void) snprintf(fault, sizeof(fault), "OCSB_FAULT=%s", name);
        if (!CHECK_OK(stage_start(&(StageOptions){.env = {fault}})))
                return;
        r = session_create(&s, p, NULL, 0);
        if (r >= 0 && !s.ready)
                (void) tap_check(s.failed.error && s.failed.text[0], "%s: refused without a reason", name);
        if (r >= 0 && s.ready) {
                (void) exec_run(&s, (const char *const[]){"/bin/true", NULL}, NULL, &result);
                (void) exec_run(&s, (const char *const[]){"/bin/true", NULL}, NULL, &result);
                hit = !session_listed(s.id);
                if (!hit)
                        (void) session_end(&s);
        }
        (void) stage_wait_death(20);
        hit |= !stage_alive() || !s.info.monitor_pid;
        (void) tap_check(hit, "%s: nobody died there", name);
        /* The next stage finds what is there, and either it works or it is gone. */
        if (!stage_alive()) {
                stage_kill();
                CHECK_OK(stage_start(NULL));
        }
        if (session_listed("faulty")) {
                int control = session_connect_control("faulty");

                if (control >= 0) {
                        fd_close(s.control);
                        fd_close(s.channel);
                        s.channel = -EBADF;
                        s.control = control;
                        if (session_listed("faulty") &&
                                        exec_run(&s, (const char *const[]){"/bin/true", NULL}, NULL,
                                                        &result) >= 0)
                                (void) tap_check(result.started && result.exited.code == 0,
                                                "%s: a session that lives does not work: %s", name,
                                                result.failed.text);
                }
                CHECK_OK(stage_kill_session("faulty"));
        }
        stage_stop();
        CHECK_OK(stage_start(NULL));
        nothing_is_left();
        /* The name is free again. */
        {
                _cleanup_session_ Session t = SESSION_NONE;

                if (CHECK_OK(session_create(&t, p, NULL, 0)) &&
                                tap_check(t.ready, "%s: afterwards: %s", name, t.failed.text)) {
                        work(&t, 1);
                        CHECK_OK(session_end(&t));
                }
        }
        stage_stop();
        if (tap_failed())
                tap_note("… with the fault point %s", name);
}

static void fault_points(void) {
        static char names[64][64];
        size_t n = find_fault_points(names, ELEMENTSOF(names));

        stage_stop();
        if (n == 0) {
                tap_skip("a build without fault points");
                CHECK_OK(stage_start(NULL));
                return;
        }
        for (size_t i = 0; i < n && !tap_failed(); i++)
                one_fault(names[i]);
        tap_note("%zu fault points", n);
        CHECK_OK(stage_start(NULL));
}

static void many_at_once(void) {
        static Session all[100];
        unsigned ready = 0;
        uint64_t start = now_ms(), first = 0;

        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_plan_ Plan *p = plan_with_placeholders(NULL);

                all[i] = (Session) SESSION_NONE;
                if (!CHECK_OK(session_create(&all[i], p, NULL, 0)))
                        break;
                ready += all[i].ready;
                if (i == 9)
                        first = now_ms() - start;
        }
        tap_note("the first 10 in %llu ms, 100 in %llu ms", (unsigned long long) first,
                        (unsigned long long) (now_ms() - start));
        CHECK(ready == ELEMENTSOF(all));
        for (size_t i = 0; i < ELEMENTSOF(all) && !tap_failed(); i += 17)
                work(&all[i], 1);
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                CHECK_OK(session_end(&all[i]));
        nothing_is_left();
}

static const TapTest tests[] = {
                {"the monitor's death ends a session whole", monitor_killed},
                {"the death of PID 1 ends a session whole", init_killed},
                {"kill -9 of the stage: sessions and execs go on, the next one finds and ends them",
                                stage_killed},
                {"what dies while there is no stage is cleaned up by the next one",
                                monitor_dies_without_stage},
                {"KILL, three times, for a session that is being cleaned up", kill_while_cleaning_up},
                {"kill -9 at every fault point of create, exec and end leaves nothing half-made",
                                fault_points},
                {"kill -9 of the stage at random moments leaves nothing", stage_killed_at_random},
                {"100 sessions at once", many_at_once},
                {"8 clients with 200 execs each", eight_clients},
                {"1,000 execs in a session leave no descriptor, cgroup or memory in its monitor",
                                thousand_execs},
                {"1,000 sessions leave no descriptor, mount, cgroup, process or memory", thousand_sessions},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(stage_start(NULL));
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        at_rest = bed_count();
        /* The slice of the stage comes with the first session. */
        at_rest.cgroups++;
        at_rest.processes++;
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
