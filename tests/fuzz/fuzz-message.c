/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first byte selects the decoder of the rest. What decodes encodes to the same bytes again. */

#include "fuzz.h"
#include "wire/egress.h"
#include "wire/message.h"

static void fuzz_exec(WireReader *r, WireWriter *w) {
        _cleanup_msg_exec_ MsgExec m = {};
        const char *why = NULL;

        if (msg_exec_decode(r, &m, &why) < 0) {
                must(!m.argv && !m.env && !m.cwd && why);
                return;
        }
        must(msg_exec_validate(&m, NULL) == 0);
        must(m.n_argv > 0 && m.argv[0][0] && !m.argv[m.n_argv] && !m.env[m.n_env]);
        msg_exec_encode(w, &m);
}

static void fuzz_ack(WireReader *r, WireWriter *w) {
        char text[MSG_ACK_TEXT_MAX + 1], small[16];
        WireReader again = *r;
        int error, same;

        if (msg_ack_decode(r, &error, text, sizeof(text)) < 0)
                return;
        must(error >= 0);
        must(msg_ack_decode(&again, &same, small, sizeof(small)) == 0);
        must(same == error && strlen(small) < sizeof(small) && str_has_prefix(text, small));
        msg_ack_encode(w, error, text);
}

static void fuzz_id(WireReader *r, WireWriter *w) {
        char id[SESSION_ID_MAX + 1];

        if (msg_id_decode(r, id) < 0)
                return;
        must(session_id_valid(id));
        wire_put_string(w, id);
}

#define PLAIN(type, name)                                                                                   \
        static void fuzz_##name(WireReader *r, WireWriter *w) {                                             \
                type m = {};                                                                                \
                                                                                                            \
                if (msg_##name##_decode(r, &m) < 0)                                                         \
                        return;                                                                             \
                msg_##name##_encode(w, &m);                                                                 \
        }
#define OWNING(type, name)                                                                                  \
        static void fuzz_##name(WireReader *r, WireWriter *w) {                                             \
                _cleanup_(msg_##name##_done) type m = {};                                                   \
                                                                                                            \
                if (msg_##name##_decode(r, &m) < 0)                                                         \
                        return;                                                                             \
                msg_##name##_encode(w, &m);                                                                 \
        }

PLAIN(MsgFailed, failed)
PLAIN(MsgEnded, ended)
PLAIN(MsgSignal, signal)
PLAIN(MsgResize, resize)
PLAIN(MsgExited, exited)
OWNING(MsgReady, ready)
OWNING(MsgInfo, info)
OWNING(MsgProbe, probe)
OWNING(MsgEgress, egress)
OWNING(MsgEgressed, egressed)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* make-corpus.c counts on this order: append only. */
        static void (*const decoders[])(WireReader *r, WireWriter *w) = {
                fuzz_exec,   fuzz_failed, fuzz_ready, fuzz_ended, fuzz_signal, fuzz_resize,
                fuzz_exited, fuzz_info,   fuzz_probe, fuzz_ack,   fuzz_id,
                fuzz_egress, fuzz_egressed,
        };
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        if (size == 0)
                return 0;
        r = WIRE_READER(data + 1, size - 1);
        decoders[data[0] % ELEMENTSOF(decoders)](&r, &w);
        if (w.len > 0)
                must(w.error == 0 && w.len == size - 1 && memcmp(w.data, data + 1, size - 1) == 0);
        return 0;
}
