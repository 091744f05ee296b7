/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions with network "nat" as far as they are ocsb-stage's: with a fake in the place of ocsb-fw, which can be slow,
 * wrong, silent and dead. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"
#include "fake-firewall.h"

static ExecResult result;
static BedCount at_rest;

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static Plan *plan_nat(const char *id) {
        Plan *p = plan_sample(id);

        p->network = PLAN_NETWORK_NAT;
        p->net = (NetIntent){.resolvers = {{4, {1, 1, 1, 1}}},
                        .n_resolvers = 1,
                        .grants = {{.id = 1,
                                        .to = {{4, {192, 168, 7, 7}}, 32},
                                        .protocol = NET_PROTOCOL_TCP,
                                        .port_first = 1234,
                                        .port_last = 1234,
                                        .until_usec = USEC_INFINITY}},
                        .n_grants = 1};
        return p;
}

static bool is_at_rest(void *userdata _unused_) {
        BedCount now = bed_count();

        return now.mounts == at_rest.mounts && now.cgroups <= at_rest.cgroups && now.processes <= at_rest.processes &&
               fake_sessions() == 0;
}

static bool stage_has_no_record(void) {
        FILE *f = popen("ls -A /run/ocsb/stage /run/ocsb/monitor | grep -c '^[a-z]'", "r");
        unsigned n = 1;

        if (f && fscanf(f, "%u", &n) != 1)
                n = 1;
        if (f)
                (void) pclose(f);
        return n == 0;
}

static void nothing_is_left(void) {
        BedCount now;

        /* The pool of namespaces is filled up 10 ms after a take, by a process for each. */
        (void) nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
        (void) bed_wait(is_at_rest, NULL, 2000);
        now = bed_count();
        (void) tap_check(now.mounts == at_rest.mounts, "mounts: %u, were %u", now.mounts, at_rest.mounts);
        (void) tap_check(now.cgroups <= at_rest.cgroups, "cgroups: %u, were %u", now.cgroups, at_rest.cgroups);
        (void) tap_check(now.processes <= at_rest.processes, "processes: %u, were %u", now.processes, at_rest.processes);
        CHECK(stage_has_no_record());
        (void) tap_check(fake_sessions() == 0, "ocsb-fw still knows %u sessions", fake_sessions());
        (void) tap_check(!fake->problem[0], "%s", fake->problem);
        CHECK(fake->early_detaches == 0);
}

static bool create(Session *s, const char *id) {
        _cleanup_plan_ Plan *p = plan_nat(id);

        return CHECK_OK(session_create(s, p, NULL, 0)) && tap_check(s->ready, "%s: %s", s->failed.step, s->failed.text);
}

static void refused(const char *id, int error, const char *text) {
        _cleanup_plan_ Plan *p = plan_nat(id);
        _cleanup_session_ Session s = SESSION_NONE;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                return;
        (void) tap_check(!s.ready && streq(s.failed.step, "network") && (error == 0 || s.failed.error == (uint32_t) error) &&
                                         strstr(s.failed.text, text),
                        "%s: error %u: %s", s.failed.step, s.failed.error, s.failed.text);
        if (s.ready)
                (void) session_end(&s);
}

/* ls of the interfaces, as the sandbox sees them. */
static void has_interface(Session *s) {
        if (!CHECK_OK(exec_run(s, (const char *const[]){"/bin/sh", "-c", "cat /proc/self/net/dev", NULL}, NULL, &result)))
                return;
        result.output[result.len] = 0;
        (void) tap_check(result.exited.code == 0 && strstr(result.output, "eth0:") && strstr(result.output, "lo:"),
                        "no eth0: %s %s", result.failed.text, result.output);
}

static void ready_waits(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        uint64_t start = now_ms();
        int i;

        fake->delay_ms = 400;
        if (!create(&s, "slow"))
                return;
        fake->delay_ms = 0;
        CHECK(now_ms() - start >= 400);
        i = fake_find("slow");
        CHECK(i >= 0 && fake->sessions[i].times == 1 && fake->sessions[i].n_grants == 1);
        has_interface(&s);
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

static void none_needs_nobody(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        unsigned before = fake->attaches;

        fake_stop();
        if (CHECK_OK(session_create(&s, p, NULL, 0)) && CHECK(s.ready))
                CHECK_OK(session_end(&s));
        CHECK(fake->attaches == before);
        CHECK_OK(fake_start());
        nothing_is_left();
}

static void refusal_has_its_text(void) {
        fake->answer = FAKE_REFUSES;
        refused("refused", EADDRINUSE, FAKE_REFUSAL);
        fake->answer = FAKE_ATTACHES;
        nothing_is_left();
}

static void silence(void) {
        uint64_t start = now_ms();

        fake->answer = FAKE_IS_SILENT;
        refused("silent", ETIMEDOUT, "5 seconds");
        fake->answer = FAKE_ATTACHES;
        (void) tap_check(now_ms() - start >= 4900 && now_ms() - start < 8000, "after %u ms", (unsigned) (now_ms() - start));
        nothing_is_left();
}

static void hang_up(void) {
        unsigned before = fake->connections;

        fake->answer = FAKE_HANGS_UP;
        refused("hung_up", ETIMEDOUT, "5 seconds");
        fake->answer = FAKE_ATTACHES;
        CHECK(fake->connections > before);
        nothing_is_left();
}

static void nobody_listens(void) {
        uint64_t start;
        _cleanup_session_ Session s = SESSION_NONE;

        fake_stop();
        start = now_ms();
        refused("nobody", EOPNOTSUPP, "ocsb-fw.socket");
        CHECK(now_ms() - start < 1000);
        CHECK_OK(fake_start());
        if (create(&s, "somebody"))
                CHECK_OK(session_end(&s));
        nothing_is_left();
}

static void fence_fails(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        unsigned before = fake->attaches;

        stage_stop();
        bed_write("/run/fence", "the kernel has no nf_tables", 0644, 0);
        CHECK_OK(stage_start(NULL));
        refused("unfenced", EIO, "the kernel has no nf_tables");
        refused("unfenced", EIO, "the kernel has no nf_tables");
        CHECK(fake->attaches == before);
        CHECK(unlink("/run/fence") == 0);
        if (create(&s, "fenced"))
                CHECK_OK(session_end(&s));
        nothing_is_left();
}

static void fence_hangs(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_writer_ WireWriter w = {};
        _cleanup_plan_ Plan *q = plan_nat("hanging"), *killed = plan_nat("killed");
        uint64_t start;
        _cleanup_message_ WireMessage m = {};
        unsigned ended = 0;

        stage_stop();
        bed_write("/run/fence", "hang", 0644, 0);
        CHECK_OK(stage_start(NULL));
        /* Others are served meanwhile, and one that waits can be killed. */
        plan_encode(&w, q);
        CHECK_OK(wire_send(stage_socket(), WIRE_CREATE, 77, &w, NULL, 0));
        wire_writer_done(&w);
        w = (WireWriter){};
        plan_encode(&w, killed);
        CHECK_OK(wire_send(stage_socket(), WIRE_CREATE, 78, &w, NULL, 0));
        start = now_ms();
        if (CHECK_OK(session_create(&s, p, NULL, 0)) && CHECK(s.ready))
                CHECK_OK(session_end(&s));
        CHECK(now_ms() - start < 2000);
        CHECK_OK(stage_kill_session("killed"));
        CHECK(now_ms() - start < 2000);
        while (ended < 1 && recv_timeout(stage_socket(), &m, 8000) > 0)
                if (m.type == WIRE_FAILED && m.tag == 77) {
                        WireReader r = WIRE_READER(m.body, m.len);
                        MsgFailed f = {};

                        CHECK_OK(msg_failed_decode(&r, &f));
                        (void) tap_check(streq(f.step, "network") && f.text[0], "%s: %s", f.step, f.text);
                        ended++;
                }
        CHECK(ended == 1);
        CHECK(unlink("/run/fence") == 0);
        (void) bed_wait(is_at_rest, NULL, 6000);
        nothing_is_left();
}

static void no_user(void) {
        _cleanup_free_ char *passwd = bed_read("/etc/passwd");
        char *line = passwd ? strstr(passwd, "ocsb-fw:") : NULL;

        stage_stop();
        if (!CHECK(line))
                return;
        line[0] = 'x';
        bed_write("/etc/passwd", passwd, 0644, 0);
        CHECK_OK(stage_start(NULL));
        refused("homeless", EOPNOTSUPP, "ocsb-fw");
        line[0] = 'o';
        bed_write("/etc/passwd", passwd, 0644, 0);
        nothing_is_left();
}

static bool attached_again(void *userdata) {
        int i = fake_find("living");

        return i >= 0 && fake->sessions[i].times >= *(unsigned *) userdata;
}

/* However the two die, a living session keeps its namespace, is attached again, and ends whole. */
static void either_is_killed(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        unsigned times = 1;

        if (!create(&s, "living"))
                return;
        for (int i = 0; i < 6 && !tap_failed(); i++) {
                unsigned syncs = fake->syncs;

                if (i % 3 != 1)
                        fake_kill();
                if (i % 3 != 0)
                        stage_kill();
                has_interface(&s);
                if (i % 3 != 1)
                        CHECK_OK(fake_start());
                if (i % 3 != 0)
                        CHECK_OK(stage_start(NULL));
                times++;
                (void) tap_check(bed_wait(attached_again, &times, 3000), "round %d: not attached again", i);
                for (int k = 0; k < 1000 && fake->syncs == syncs; k++)
                        (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
                CHECK(fake->syncs > syncs);
                has_interface(&s);
        }
        /* A grant of the plan may have been revoked since: ocsb-fw's own record counts, and no other. */
        CHECK(fake_find("living") >= 0 && fake->sessions[fake_find("living")].n_grants_again == 0);
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

/* What cannot be attached again is tried again, and works meanwhile as far as it goes. */
static void tried_again(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        unsigned times, before = fake->attaches;

        if (!create(&s, "living"))
                return;
        fake_kill();
        fake->answer = FAKE_REFUSES;
        CHECK_OK(fake_start());
        for (int i = 0; i < 4000 && fake->attaches < before + 3; i++)
                (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        (void) tap_check(fake->attaches >= before + 3, "%u attempts", fake->attaches - before - 1);
        has_interface(&s);
        fake->answer = FAKE_ATTACHES;
        times = fake->sessions[fake_find("living")].times + 1;
        CHECK(bed_wait(attached_again, &times, 5000));
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

/* A session ends while ocsb-fw is away, and another one takes its name: it must not get what the first one had. */
static void name_used_again(void) {
        _cleanup_session_ Session s = SESSION_NONE, t = SESSION_NONE;
        unsigned before;
        int i;

        if (!create(&s, "again"))
                return;
        fake_kill();
        CHECK_OK(session_end(&s));
        before = fake->detaches;
        CHECK_OK(fake_start());
        if (!create(&t, "again"))
                return;
        i = fake_find("again");
        CHECK(fake->detaches > before);
        CHECK(i >= 0 && fake->sessions[i].times == 1);
        CHECK_OK(session_end(&t));
        nothing_is_left();
}

static bool nobody_known(void *userdata _unused_) {
        return fake_sessions() == 0;
}

/* The last session ends, and ocsb-fw dies before it has read that, or is away: the next one is told, though there is no session. */
static void end_is_told(void) {
        for (int i = 0; i < 2; i++) {
                _cleanup_session_ Session s = SESSION_NONE;

                if (!create(&s, "last"))
                        return;
                if (i == 0)
                        fake_pause();
                else
                        fake_kill();
                CHECK_OK(session_end(&s));
                fake_kill();
                CHECK(fake_find("last") >= 0);
                (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
                CHECK_OK(fake_start());
                CHECK(bed_wait(nobody_known, NULL, 3000));
                nothing_is_left();
        }
        /* And then it is left alone: whoever stops ocsb-fw wants it stopped. */
        {
                unsigned before = fake->connections;

                (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
                fake_kill();
                CHECK_OK(fake_start());
                (void) nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL);
                (void) tap_check(fake->connections == before, "connected again without a reason");
        }
}

static void died_meanwhile(void) {
        _cleanup_session_ Session s = SESSION_NONE;

        if (!create(&s, "meanwhile"))
                return;
        stage_kill();
        CHECK(kill((pid_t) s.info.monitor_pid, SIGKILL) == 0);
        (void) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        CHECK_OK(stage_start(NULL));
        nothing_is_left();
}

static void probe_holds(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        bool interfaces = false;

        if (!create(&s, "probed"))
                return;
        if (CHECK_OK(session_probe(&s, &probe, 5000)))
                for (size_t i = 0; i < probe.n_items; i++) {
                        const ProbeItem *p = probe.items + i;

                        (void) tap_check(p->result == PROBE_HELD || streq(p->name, "landlock-scope"), "%s %s: %s",
                                        probe_result_to_string((ProbeResult) p->result), p->name, p->detail);
                        interfaces |= streq(p->name, "interfaces") && strstr(p->detail, "eth0");
                        if (streq(p->name, "network") || streq(p->name, "network-admin") || streq(p->name, "interfaces"))
                                tap_note("%s: %s", p->name, p->detail);
                }
        CHECK(interfaces);
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

static void attacks_fail(void) {
        static const char *const verbs[] = {"privileges", "calls", "namespaces", "processes", "tiocsti", "families", "fastopen",
                        "metadata", "proc", "limits"};
        _cleanup_session_ Session s = SESSION_NONE;

        if (!create(&s, "attacked"))
                return;
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) attack_holds(&s, verbs[i], NULL);
        CHECK_OK(session_end(&s));
        nothing_is_left();
}

/* Here the fence is a fake that keeps nothing in, and eth0 leads somewhere. */
static void probe_sees_a_missing_fence(void) {
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        char ids[1][SESSION_ID_MAX + 1];
        bool broken = false;

        fake->open = true;
        if (create(&s, "unfenced") && CHECK_OK(session_probe(&s, &probe, 5000)))
                for (size_t i = 0; i < probe.n_items; i++)
                        if (streq(probe.items[i].name, "network")) {
                                broken = probe.items[i].result == PROBE_BROKEN;
                                tap_note("%s", probe.items[i].detail);
                        }
        fake->open = false;
        CHECK(broken);
        for (int i = 0; i < 3000 && stage_list(ids, 1) != 0; i++)
                (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        nothing_is_left();
}

static size_t find_fault_points(char names[][64], size_t max) {
        _cleanup_free_ char *data = NULL;
        size_t n = 0, len = 0;

        if (file_read(AT_FDCWD, OCSB_LIBEXEC_DIR "/ocsb-stage", 64u << 20, &data, &len) < 0)
                return 0;
        for (size_t i = 0; i < len && n < max; i++) {
                size_t k = strnlen(data + i, 64);

                if (k > 10 && k < 64 && str_has_prefix(data + i, "network.") && strspn(data + i, "abcdefghijklmnopqrstuvwxyz.-") == k) {
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

/* Who passes it is killed there; what is found afterwards is whole or gone, and both sides agree. */
static void one_fault(const char *name, bool both) {
        char fault[96];
        _cleanup_plan_ Plan *p = plan_nat("faulty");
        _cleanup_session_ Session s = SESSION_NONE;
        char ids[4][SESSION_ID_MAX + 1];
        bool hit;
        int n;

        (void) snprintf(fault, sizeof(fault), "OCSB_FAULT=%s", name);
        if (!CHECK_OK(stage_start(&(StageOptions){.env = {fault}})))
                return;
        if (stage_alive() && session_create(&s, p, NULL, 0) >= 0 && s.ready)
                (void) session_end(&s);
        hit = stage_wait_death(500);
        (void) tap_check(hit, "%s: nobody died there", name);
        stage_kill();
        if (both)
                fake_kill();
        if (both)
                CHECK_OK(fake_start());
        CHECK_OK(stage_start(NULL));
        (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        n = stage_list(ids, 4);
        if (n == 1 && streq(ids[0], "faulty")) {
                int i;

                (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
                i = fake_find("faulty");
                (void) tap_check(stage_list(ids, 4) == 0 || (i >= 0 && fake->sessions[i].this_time),
                                "%s: the session lives and is not attached", name);
                CHECK_OK(stage_kill_session("faulty"));
        }
        nothing_is_left();
        stage_stop();
        if (tap_failed())
                tap_note("… with the fault point %s", name);
}

static void fault_points(void) {
        static char names[32][64];
        size_t n = find_fault_points(names, ELEMENTSOF(names));

        stage_stop();
        if (n == 0)
                tap_skip("a build without fault points");
        for (size_t i = 0; i < n && !tap_failed(); i++) {
                one_fault(names[i], false);
                if (!tap_failed())
                        one_fault(names[i], true);
        }
        tap_note("%zu fault points", n);
        CHECK_OK(stage_start(NULL));
}

static void stage_killed_at_random(void) {
        unsigned created = 0, seed = 20261122;

        for (int round = 0; round < 20 && !tap_failed(); round++) {
                uint64_t delay;
                pid_t killer;

                seed = seed * 1103515245u + 12345u;
                delay = seed / 65536 % 30000;
                killer = fork();
                if (killer == 0) {
                        (void) nanosleep(&(struct timespec){.tv_nsec = (long) delay * 1000}, NULL);
                        _exit(kill(stage_pid(), SIGKILL) == 0 ? 0 : 1);
                }
                for (;;) {
                        _cleanup_plan_ Plan *p = plan_nat(NULL);
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
                if (round % 3 == 0) {
                        fake_kill();
                        CHECK_OK(fake_start());
                }
                CHECK_OK(stage_start(NULL));
                stage_stop();
                CHECK_OK(stage_start(NULL));
                nothing_is_left();
        }
        tap_note("%u sessions were made", created);
}

static void twenty_at_once(void) {
        static Session all[20];
        uint64_t start = now_ms();
        unsigned ready = 0;

        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_plan_ Plan *p = plan_nat(NULL);
                _cleanup_writer_ WireWriter w = {};

                all[i] = (Session) SESSION_NONE;
                (void) strcpy(all[i].id, p->id);
                plan_encode(&w, p);
                CHECK_OK(wire_send(stage_socket(), WIRE_CREATE, 5000 + (uint32_t) i, &w, NULL, 0));
        }
        while (ready < ELEMENTSOF(all)) {
                _cleanup_message_ WireMessage m = {};

                if (!CHECK(recv_timeout(stage_socket(), &m, 5000) > 0))
                        break;
                if (!CHECK(m.type == WIRE_READY))
                        break;
                ready++;
        }
        tap_note("20 in %u ms", (unsigned) (now_ms() - start));
        CHECK(fake_sessions() == ELEMENTSOF(all));
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                CHECK_OK(stage_kill_session(all[i].id));
        nothing_is_left();
}

/* Objects of the kernel's cache of network namespaces. Others on the machine move it, too: it is noted, not judged. A
 * namespace lives by a process, a descriptor or a mount, and those are counted. */
static int namespaces(void) {
        _cleanup_free_ char *text = bed_read("/proc/slabinfo");
        char *p = text ? strstr(text, "\nnet_namespace ") : NULL;

        return p ? atoi(p + 15) : -1;
}

static void two_hundred(void) {
        unsigned fds, memory, n = 200;
        int before;
        uint64_t start, creating = 0;

        for (unsigned i = 0; i < 20; i++) {
                _cleanup_session_ Session s = SESSION_NONE;

                if (!create(&s, NULL) || !CHECK_OK(session_end(&s)))
                        return;
        }
        nothing_is_left();
        fds = bed_fds_of(stage_pid());
        memory = bed_memory_of(stage_pid());
        before = namespaces();
        start = now_ms();
        for (unsigned i = 0; i < n && !tap_failed(); i++) {
                _cleanup_session_ Session s = SESSION_NONE;
                uint64_t begin = now_ms();

                if (create(&s, NULL)) {
                        creating += now_ms() - begin;
                        CHECK_OK(session_end(&s));
                }
        }
        tap_note("%u sessions in %u ms, %u of them for create", n, (unsigned) (now_ms() - start), (unsigned) creating);
        nothing_is_left();
        (void) tap_check(bed_fds_of(stage_pid()) <= fds + 1, "descriptors: %u, were %u", bed_fds_of(stage_pid()), fds);
        (void) tap_check(bed_memory_of(stage_pid()) <= memory + 256, "KiB: %u, were %u", bed_memory_of(stage_pid()), memory);
        tap_note("network namespaces of the whole machine: %d, were %d", namespaces(), before);
}

static const TapTest tests[] = {
                {"READY of a session with a network waits for ocsb-fw, which gets namespace, sockets and intent", ready_waits},
                {"a session without a network needs no ocsb-fw", none_needs_nobody},
                {"what ocsb-fw refuses is refused, with its text", refusal_has_its_text},
                {"no answer within 5 seconds refuses the session", silence},
                {"an ocsb-fw that hangs up is asked again, until the time is over", hang_up},
                {"without ocsb-fw a session with a network is refused at once, and works when it is there", nobody_listens},
                {"no namespace without its inner fence: the session is refused with the reason", fence_fails},
                {"an ocsb-fw --namespace that hangs holds nobody else up, and who waits for it can be killed", fence_hangs},
                {"without the user ocsb-fw a session with a network is refused with a sentence", no_user},
                {"kill -9 of ocsb-fw, ocsb-stage or both: a living session is attached again, to the same namespace", either_is_killed},
                {"what ocsb-fw refuses to attach again lives on, and is tried again until it does", tried_again},
                {"a name that is used again while ocsb-fw was away starts from nothing", name_used_again},
                {"the end of the last session is told to the next ocsb-fw when this one dies before it heard", end_is_told},
                {"a session that dies without a stage is taken from ocsb-fw by the next one", died_meanwhile},
                {"the self-probe of a session with a network holds", probe_holds},
                {"every attack fails in a session with a network as in one without", attacks_fail},
                {"the self-probe sees that a fence is missing, and the session ends", probe_sees_a_missing_fence},
                {"20 sessions with a network at once", twenty_at_once},
                {"kill -9 of the stage at every network fault point, alone and with ocsb-fw: whole or gone", fault_points},
                {"kill -9 of the stage at random moments leaves no network half-made", stage_killed_at_random},
                {"200 sessions with a network leave no process, mount, descriptor, record or memory", two_hundred},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(fake_start());
        CHECK_OK(stage_start(NULL));
        {
                /* The pool and its maker come with the first session. */
                _cleanup_session_ Session s = SESSION_NONE;

                if (create(&s, NULL))
                        CHECK_OK(session_end(&s));
        }
        (void) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        at_rest = bed_count();
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        stage_stop();
        fake_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
