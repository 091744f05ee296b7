/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes the seeds of the wire and text targets beneath the directory given as argument. Run by hand when an
 * encoding changes; its output is committed, so that fuzzers start from messages that decode. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/image.h"
#include "wire/egress.h"
#include "wire/message.h"
#include "wire/network.h"
#include "wire/plan.h"

static int corpus_fd = -EBADF;

static void check(int r) {
        if (r >= 0)
                return;
        fprintf(stderr, "make-corpus: %s\n", strerror(-r));
        exit(EXIT_FAILURE);
}

static void seed(const char *target, const char *name, const void *data, size_t n) {
        _cleanup_close_ int dir = -EBADF;

        if (mkdirat(corpus_fd, target, 0755) < 0 && errno != EEXIST)
                check(-errno);
        dir = openat(corpus_fd, target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check(dir < 0 ? -errno : 0);
        check(file_write_atomic(dir, name, data, n, 0644));
}

/* Plans */

static void seed_plan(const char *name, const Plan *p) {
        _cleanup_writer_ WireWriter w = {};

        plan_encode(&w, p);
        check(w.error);
        seed("plan", name, w.data, w.len);
}

static Plan *minimal_plan(void) {
        Plan *p = plan_new();

        check(p ? 0 : -ENOMEM);
        strcpy(p->id, "a");
        strcpy(p->profile, "b");
        strcpy(p->hostname, "h");
        p->uid = p->gid = 1000;
        p->workdir = strdup("/");
        p->limits = (PlanLimits) { .memory = 1 << 20, .pids = 1, .cpu = 1000, .io_weight = 1,
                        .scratch = 65536, .nofile = 16,
                .nproc = 1, .execs = 1 };
        p->bpf_session = calloc(1, 8);
        p->bpf_exec = calloc(1, 8);
        p->bpf_session_len = p->bpf_exec_len = 8;
        return p;
}

static void make_plans(void) {
        _cleanup_plan_ Plan *p = minimal_plan();
        _cleanup_writer_ WireWriter w = {};

        seed_plan("minimal", p);
        p->uid = 0;
        seed_plan("uid-zero", p);
        p->uid = 1000;

        p->root = PLAN_ROOT_HOST;
        p->groups = calloc(2, sizeof(gid_t));
        p->groups[0] = 20;
        p->groups[1] = 44;
        p->n_groups = 2;
        p->n_fds = 1;
        check(plan_add_mount(p, PLAN_MOUNT_PATH, PLAN_MOUNT_EXEC, 0, 0, "/usr", "/usr", 4));
        check(plan_add_mount(p, PLAN_MOUNT_PATH, PLAN_MOUNT_WRITE | PLAN_MOUNT_OPTIONAL, 0, 0, "/w",
                        "/home/u", 7));
        check(plan_add_mount(p, PLAN_MOUNT_FD, PLAN_MOUNT_WRITE, 0, 0, "/d", "", 0));
        check(plan_add_mount(p, PLAN_MOUNT_SCRATCH, PLAN_MOUNT_WRITE, 01777, 0, "/dev/shm", "", 0));
        check(plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0644, 0, "/etc/f", "x\0\n", 3));
        check(plan_add_mount(p, PLAN_MOUNT_SYMLINK, 0, 0, 0, "/bin", "usr/bin", 7));
        check(plan_add_mount(p, PLAN_MOUNT_DIR, 0, 0755, 0, "/mnt", "", 0));
        check(plan_add_denial(p, PLAN_DENY_ALL, "/w/.env"));
        check(plan_add_denial(p, PLAN_DENY_WRITE, "/w/.git"));
        check(plan_add_env(p, "PATH=/usr/bin"));
        check(plan_add_env(p, "LANG=C"));
        seed_plan("full", p);
        p->network = PLAN_NETWORK_NAT;
        p->net.n_resolvers = 2;
        check(net_address_parse("1.1.1.1", p->net.resolvers));
        check(net_address_parse("2606:4700:4700::1111", p->net.resolvers + 1));
        p->net.n_grants = 1;
        p->net.grants[0] = (NetGrant) { .id = 1, .protocol = NET_PROTOCOL_TCP, .port_first = 1234, .port_last = 1240,
                .until_usec = USEC_INFINITY };
        check(net_prefix_parse("10.1.2.0/24", &p->net.grants[0].to));
        seed_plan("nat", p);
        p->network = PLAN_NETWORK_NONE;
        p->net = (NetIntent) {};
        plan_encode(&w, p);
        seed("plan", "truncated", w.data, w.len / 2);

        check(plan_add_mount(p, PLAN_MOUNT_PATH, 0, 0, 0, "/proc/x", "/srv", 4));
        seed_plan("target-in-proc", p);
        strcpy(p->mounts[p->n_mounts - 1].target, "/p");
        strcpy(p->mounts[p->n_mounts - 1].source, "/run");
        seed_plan("source-in-run", p);
}

/* Messages: the first byte is the index in decoders[] of fuzz-message.c or fuzz-network.c. */

static void seed_body(const char *target, uint8_t decoder, const char *name, WireWriter *w) {
        _cleanup_free_ uint8_t *data = malloc(w->len + 1);

        check(w->error);
        check(data ? 0 : -ENOMEM);
        data[0] = decoder;
        memcpy(data + 1, w->data, w->len);
        seed(target, name, data, w->len + 1);
        wire_writer_done(w);
}

static void seed_message(uint8_t decoder, const char *name, WireWriter *w) {
        seed_body("message", decoder, name, w);
}

static void make_network(void) {
        static const char *const texts[] = { "192.168.0.0/16", "2001:db8::/32", "::ffff:10.0.0.1", "010.0.0.1", "fe80::1%eth0", "10.0.0.1/8" };
        NetIntent intent = { .n_resolvers = 2, .n_grants = 2, .resolvers = { { 4, { 1, 1, 1, 1 } }, { 6, { 0x26, [15] = 1 } } } };
        FwAttach attach = { .id = "a", .uid = 1000 };
        FwAttached attached = { .id = "a", .interface = "ocsb1", .ipv4 = { 4, { 198, 18, 0, 1 } } };
        FwSession session = { .attached = attached, .packets = { 1, 2 } };
        FwStatus status = { .ipv6 = 1, .pool_ipv4 = { { 4, { 198, 18 } }, 16 }, .pool_ipv6 = { { 6, { 0xfd, 1 } }, 64 },
                .host_addresses = intent.resolvers, .n_host_addresses = 2, .problems = (char *) "x", .sessions = &session, .n_sessions = 1 };
        WireWriter w = {};

        intent.grants[0] = (NetGrant) { 1, { { 4, { 192, 168, 1, 2 } }, 32 }, NET_PROTOCOL_TCP, 80, 81, USEC_INFINITY };
        intent.grants[1] = (NetGrant) { 2, { { 6, { 0xfd } }, 8 }, NET_PROTOCOL_ICMP, 0, 0, 5 };
        attach.intent = session.intent = intent;
        net_intent_encode(&w, &intent);
        seed_body("network", 0, "intent", &w);
        intent.grants[1].id = 1;
        net_intent_encode(&w, &intent);
        seed_body("network", 0, "intent-ids", &w);
        fw_attach_encode(&w, &attach);
        seed_body("network", 1, "attach", &w);
        fw_attached_encode(&w, &attached);
        seed_body("network", 2, "attached", &w);
        fw_status_encode(&w, &status);
        seed_body("network", 3, "status", &w);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char name[16], data[64];

                (void) snprintf(name, sizeof(name), "text-%zu", i);
                (void) snprintf(data, sizeof(data), "\x04%s", texts[i]);
                seed("network", name, data, strlen(data));
        }
}

static void make_egress(void) {
        EgressTarget targets[] = { { { 4, { 10, 0, 0, 1 } }, 80, NET_PROTOCOL_TCP }, { { 6, { 0xfd, [15] = 1 } }, 53, NET_PROTOCOL_UDP },
                { { 4, { 1, 1, 1, 1 } }, 0, NET_PROTOCOL_ICMP } };
        EgressSeen seen[] = { { EGRESS_UNREACHABLE, EHOSTUNREACH }, { EGRESS_TIMED_OUT, 0 }, { EGRESS_NOT_TRIED, EACCES } };
        MsgEgress what = { .timeout_msec = 3000, .targets = targets, .n_targets = 3 };
        MsgEgressed answer = { .seen = seen, .n_seen = 3 };
        WireWriter w = {};

        msg_egress_encode(&w, &what);
        seed_message(11, "egress", &w);
        msg_egressed_encode(&w, &answer);
        seed_message(12, "egressed", &w);
}

static void make_messages(void) {
        char *argv[] = { (char *) "sh", (char *) "-c", (char *) "true" }, *env[] = { (char *) "A=1" };
        MsgExec exec = { .flags = MSG_EXEC_DETACH, .timeout_usec = 5, .argv = argv, .n_argv = 3, .env = env,
                        .n_env = 1,
                .cwd = (char *) "/w", .fd_numbers = { 0, 1, 2 }, .n_fds = 3 };
        MsgExec pty = { .flags = MSG_EXEC_PTY, .rows = 24, .cols = 80, .argv = argv, .n_argv = 1 };
        MsgFailed failed = { .error = ENOENT, .status = 127, .step = "exec", .text = "no such program" };
        MsgReady ready = { .id = "a", .monitor_pid = 7, .landlock_abi = 3, .cgroup = "/c",
                        .resolved = (char *) "/w: /a -> /b\n" };
        MsgEnded ended = { .id = "a", .reason = "idle" };
        MsgSignal sig = { .exec_id = 1, .signal = 15 };
        MsgResize resize = { .exec_id = 1, .rows = 24, .cols = 80 };
        MsgExited exited = { .exec_id = 1, .code = 1, .flags = MSG_EXITED_OOM, .user_usec = 1,
                        .max_rss = 4096 };
        uint32_t running[] = { 1, 2 };
        MsgInfo info = { .execs_total = 2, .frozen = 1, .last_used_usec = 3, .running = running,
                        .n_running = 2 };
        ProbeItem items[] = {
                { .result = PROBE_HELD, .name = "mount", .detail = "EPERM" },
                { .result = PROBE_BROKEN, .name = "x" },
        };
        MsgProbe probe = { .items = items, .n_items = 2 };
        WireWriter w = {};

        msg_exec_encode(&w, &exec);
        seed_message(0, "exec", &w);
        msg_exec_encode(&w, &pty);
        seed_message(0, "exec-pty", &w);
        msg_failed_encode(&w, &failed);
        seed_message(1, "failed", &w);
        msg_ready_encode(&w, &ready);
        seed_message(2, "ready", &w);
        msg_ended_encode(&w, &ended);
        seed_message(3, "ended", &w);
        msg_signal_encode(&w, &sig);
        seed_message(4, "signal", &w);
        msg_resize_encode(&w, &resize);
        seed_message(5, "resize", &w);
        msg_exited_encode(&w, &exited);
        seed_message(6, "exited", &w);
        msg_info_encode(&w, &info);
        seed_message(7, "info", &w);
        msg_probe_encode(&w, &probe);
        seed_message(8, "probe", &w);
        msg_ack_encode(&w, EBUSY, "a sentence that is longer than the small buffer, with a € in it");
        seed_message(9, "ack", &w);
        wire_put_string(&w, "agent_1");
        seed_message(10, "id", &w);
}

/* Datagrams: the first byte is the mode of fuzz-transport.c. */

static void make_datagrams(void) {
        static const char good[] = "\x08" "a body";
        static const char memfd[] = "\x39" "a body in a memfd";
        static const char memfd_second[] = "\x3a" "a body in the second descriptor";
        static const char unsealed[] = "\x3b" "a body that may change";
        static const char inline_too[] = "\x19" "a body in both";
        static const char most_fds[] = "\x0d" "thirty-two descriptors";
        static const char many_fds[] = "\x0f" "more descriptors than fit";
        static const char raw[] = "\x00OCB1\x01\0\0\0\x02\0\0\0\0\0\0\0body";
        static const char short_header[] = "\x04OCB1\x01\0\0";

        seed("transport", "good", good, sizeof(good) - 1);
        seed("transport", "memfd", memfd, sizeof(memfd) - 1);
        seed("transport", "memfd-second", memfd_second, sizeof(memfd_second) - 1);
        seed("transport", "memfd-unsealed", unsealed, sizeof(unsealed) - 1);
        seed("transport", "memfd-and-inline", inline_too, sizeof(inline_too) - 1);
        seed("transport", "most-fds", most_fds, sizeof(most_fds) - 1);
        seed("transport", "too-many-fds", many_fds, sizeof(many_fds) - 1);
        seed("transport", "raw", raw, sizeof(raw) - 1);
        seed("transport", "short-header", short_header, sizeof(short_header) - 1);
}

static void make_texts(void) {
        static const struct {
                const char *name, *text;
        } texts[] = {
                { "number", "18446744073709551615" },
                { "size", "16777215T" },
                { "time", "250ms" },
                { "path", "/home/u/.config" },
                { "path-dots", "/home/../root" },
                { "env", "PATH=/usr/bin" },
                { "name", "web-1.2" },
                { "controls", "a\x1b[2K\r\n\x7f\xc2\x9b" "b\\x1b" },
                { "bidi", "\u202e\u2066\u200b\ufeff\u2028\u00ad\U000e0041" },
                { "broken-utf8", "\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xff\xe2\x82" },
                { "wide", "aä€😀" },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                seed("text", texts[i].name, texts[i].text, strlen(texts[i].text));
}

/* Images */

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void seed_image(const char *name, uint8_t decoder, const WireWriter *body) {
        uint8_t bytes[1024] = { decoder };

        check(body->error);
        check(body->len < sizeof(bytes) ? 0 : -E2BIG);
        memcpy(bytes + 1, body->data, body->len);
        seed("image", name, bytes, body->len + 1);
}

static void make_images(void) {
        static ImageImported imported = { .id = DIGEST, .layers = { { .digest = DIGEST, .bytes = 1, .entries = 2, .shared = 1 } }, .n_layers = 1,
                .references = { "debian:12" }, .n_references = 1, .devices = 3, .setuid = 4, .xattrs = 5, .note = "a note" };
        static const char *const references[] = { "debian", "localhost:5000/team/a__b-c.d:V1_2", "../x:1" };
        char layers[1][IMAGE_DIGEST_TEXT + 1] = { DIGEST };
        WireWriter w[7] = {};

        image_import_encode(w + 0, &(ImageImport) { .reference = "debian:12", .flags = IMAGE_IMPORT_ARCHIVE_NAMES, .limits = IMAGE_LIMITS_DEFAULT });
        image_tag_encode(w + 1, &(ImageTag) { .id = DIGEST, .reference = "debian:12" });
        image_remove_encode(w + 2, &(ImageRemove) { .what = "debian:12", .keep = { .layers = layers, .n_layers = 1 } });
        image_prune_encode(w + 3, &(ImagePrune) { .all = 1, .keep = { .layers = layers, .n_layers = 1 } });
        image_progress_encode(w + 4, &(ImageProgress) { .phase = IMAGE_PHASE_WRITING, .bytes = 1, .total = 2, .entries = 3, .layer = 4, .layers = 5 });
        image_imported_encode(w + 5, &imported);
        image_pruned_encode(w + 6, &(ImagePruned) { .images = 1, .layers = 2, .bytes = 3 });
        for (uint8_t i = 0; i < ELEMENTSOF(w); i++) {
                static const char *const names[] = { "import", "tag", "remove", "prune", "progress", "imported", "pruned" };

                seed_image(names[i], i, w + i);
                wire_writer_done(w + i);
        }
        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                _cleanup_writer_ WireWriter text = {};
                char name[32];

                buffer_append(&text, references[i], strlen(references[i]), 1024);
                (void) snprintf(name, sizeof(name), "reference-%zu", i);
                seed_image(name, 7, &text);
        }
}

int main(int argc, char *argv[]) {
        if (argc != 2) {
                fprintf(stderr, "Usage: make-corpus DIRECTORY\n");
                return EXIT_FAILURE;
        }
        corpus_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check(corpus_fd < 0 ? -errno : 0);
        make_plans();
        make_messages();
        make_egress();
        make_network();
        make_datagrams();
        make_texts();
        make_images();
        fd_close(corpus_fd);
        return EXIT_SUCCESS;
}
