/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The self-probe where it belongs: in a sandbox. */

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

static Plan *plan_with_denials(void) {
        Plan *p = plan_sample(NULL);

        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/secret");
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/secrets/deep");
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/absent");
        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.git/hooks");
        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.mcp.json");
        return p;
}

static uint64_t now_us(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void report(Plan *plan, bool (*wanted)(const ProbeItem *item)) {
        _cleanup_plan_ Plan *p = plan;
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        uint64_t ready;

        if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                return;
        ready = now_us();
        if (!tap_check(s.ready, "%s: %s", s.failed.step, s.failed.text))
                return;
        if (CHECK_OK(session_probe(&s, &probe, 5000))) {
                tap_note("the probe's result came %llu us after READY",
                                (unsigned long long) (now_us() - ready));
                (void) tap_check(probe.n_items > 35, "%zu items", probe.n_items);
                for (size_t i = 0; i < probe.n_items; i++)
                        (void) tap_check(wanted(probe.items + i), "%s %s: %s",
                                        probe_result_to_string((ProbeResult) probe.items[i].result),
                                        probe.items[i].name, probe.items[i].detail);
        }
        (void) session_end(&s);
}

static bool is_held(const ProbeItem *item) {
        return item->result == PROBE_HELD ||
               (item->result == PROBE_NOT_PROVABLE && streq(item->name, "landlock-scope"));
}

static void all_held(void) {
        report(plan_with_denials(), is_held);
}

static void all_held_readonly(void) {
        Plan *p = plan_with_denials();

        for (size_t i = 0; i < p->n_mounts; i++)
                if (streq(p->mounts[i].target, WORKSPACE))
                        p->mounts[i].flags = 0;
        report(p, is_held);
}

/* A plan that tells the probe of a protection which the builder can't give: the probe has to see it. Here by
 * a filter that allows everything: the session must not live. */
static void broken_ends_the_session(void) {
        static const uint8_t allow_all[8] = {0x06, 0, 0, 0, 0, 0, 0xff, 0x7f};
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        unsigned broken = 0;

        memcpy(p->bpf_session, allow_all, sizeof(allow_all));
        memcpy(p->bpf_exec, allow_all, sizeof(allow_all));
        p->bpf_session_len = p->bpf_exec_len = sizeof(allow_all);
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !CHECK(s.ready))
                return;
        if (CHECK_OK(session_probe(&s, &probe, 5000)))
                for (size_t i = 0; i < probe.n_items; i++)
                        if (probe.items[i].result == PROBE_BROKEN) {
                                broken++;
                                tap_note("%s: %s", probe.items[i].name, probe.items[i].detail);
                        }
        CHECK(broken > 5);
        for (int i = 0; i < 5000 && stage_list((char[1][SESSION_ID_MAX + 1]){}, 1) != 0; i++)
                (void) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        CHECK(stage_list((char[1][SESSION_ID_MAX + 1]){}, 1) == 0);
}

static void nothing_left(void) {
        CHECK(!bed_exists(WORKSPACE "/absent"));
        CHECK(!bed_exists(WORKSPACE "/.mcp.json"));
        CHECK(!bed_exists(WORKSPACE "/.git"));
        CHECK(!bed_exists(WORKSPACE "/secrets"));
        _cleanup_free_ char *text = bed_read(WORKSPACE "/secret");
        CHECK(text && streq(text, "secret"));
}

static const TapTest tests[] = {
                {"every attempt of the self-probe is held in a sandbox with a writable workspace", all_held},
                {"every attempt of the self-probe is held in a sandbox with a read-only workspace",
                                all_held_readonly},
                {"one broken item ends the session", broken_ends_the_session},
                {"neither the probe nor placeholders leave anything in the workspace", nothing_left},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(stage_start(NULL));
        bed_write(WORKSPACE "/secret", "secret", 0644, ALICE);
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
