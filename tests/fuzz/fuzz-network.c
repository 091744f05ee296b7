/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first byte selects what the rest is: an intent, a message of ocsb-fw, or the text of an address. What decodes encodes to the same
 * bytes again; what parses prints as a text that parses to the same value. */

#include "fuzz.h"
#include "wire/network.h"

static void check_intent(const NetIntent *n) {
        must(net_intent_validate(n, NULL) == 0);
        for (size_t i = 0; i < n->n_grants; i++)
                must(n->grants[i].to.length > 0 && net_prefix_valid(&n->grants[i].to) && n->grants[i].port_last <= 65535);
}

static void fuzz_intent(WireReader *r, WireWriter *w) {
        NetIntent n;
        const char *why = NULL;

        if (net_intent_decode(r, &n, &why) < 0) {
                must(why && r->error);
                return;
        }
        must(!why);
        check_intent(&n);
        if (wire_reader_finish(r) == 0)
                net_intent_encode(w, &n);
}

static void fuzz_attach(WireReader *r, WireWriter *w) {
        const char *why = NULL;
        FwAttach m;

        if (fw_attach_decode(r, &m, &why) < 0) {
                must(why);
                return;
        }
        must(session_id_valid(m.id) && m.uid != 0);
        check_intent(&m.intent);
        fw_attach_encode(w, &m);
}

static void fuzz_attached(WireReader *r, WireWriter *w) {
        FwAttached m;

        if (fw_attached_decode(r, &m) >= 0)
                fw_attached_encode(w, &m);
}

static void fuzz_status(WireReader *r, WireWriter *w) {
        _cleanup_(fw_status_done) FwStatus m = {};

        if (fw_status_decode(r, &m) >= 0)
                fw_status_encode(w, &m);
        else
                must(!m.sessions && !m.problems && !m.host_addresses);
}

static void fuzz_text(WireReader *r, WireWriter *w) {
        char text[128] = {}, printed[NET_ADDRESS_TEXT_MAX];
        NetAddress a, again;
        NetPrefix p, same;

        (void) w;
        memcpy(text, r->data, MIN(r->len, sizeof(text) - 1));
        if (net_address_parse(text, &a) >= 0) {
                must(net_address_valid(&a));
                must(net_address_parse(net_address_format(&a, printed), &again) == 0 && net_address_equal(&a, &again));
                must(!strchr(text, '/') && !strchr(text, '%'));
        }
        if (net_prefix_parse(text, &p) >= 0) {
                must(net_prefix_valid(&p) && net_prefix_contains(&p, &p.address) && !net_prefix_carries_ipv4(&p));
                must(net_prefix_parse(net_prefix_format(&p, printed), &same) == 0);
                must(net_address_equal(&p.address, &same.address) && p.length == same.length);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* make-corpus.c counts on this order: append only. */
        static void (*const decoders[])(WireReader *r, WireWriter *w) = { fuzz_intent, fuzz_attach, fuzz_attached, fuzz_status, fuzz_text };
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
