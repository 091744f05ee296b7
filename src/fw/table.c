/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The outer table. Every change is one transaction; when one fails, or when somebody else touched the table, it is built anew from the
 * living sessions, so that there is one way back from anything. */

#include <stdarg.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "fw/fw.h"
#include "fw/inner.h"
#include "fw/ruleset.h"

#define REPAIR_PAUSE_USEC (200 * UINT64_C(1000))

int answer(Answer *a, int error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        a->error = error;
        (void) vsnprintf(a->text, sizeof(a->text), format, ap);
        va_end(ap);
        return error;
}

static int load(Fw *f, const RulesetTable *t, char **ret_why) {
        _cleanup_free_ char *text = NULL;
        int r = ruleset_table(t, &text);

        return r < 0 ? r : nft_apply(f->nft, text, ret_why);
}

static int build(Fw *f, char **ret_why) {
        _cleanup_free_ RulesetSession *sessions = NULL;
        RulesetTable t = { .lockdown = f->lockdown, .pool_ipv4 = f->config.pool_ipv4, .pool_ipv6 = f->config.pool_ipv6,
                .no_log = f->no_log,
                .pools_are_others = f->host.collision[0] != 0,
                .host_addresses = f->host.addresses, .n_host_addresses = f->host.n_addresses };
        int r;

        sessions = calloc((size_t) f->n_sessions + 1, sizeof(*sessions));
        if (!sessions)
                return -ENOMEM;
        for (const Session *s = f->sessions; s; s = s->next)
                sessions[t.n_sessions++] = (RulesetSession) { .slot = s->record.slot, .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6,
                        .intent = &s->record.intent };
        t.sessions = sessions;
        FAULT("fw.table.before-build");
        r = load(f, &t, ret_why);
        if (r == -EIO && !t.no_log) {
                /* A fence without a log is a fence; it is not given up because a kernel was built without nft_log. */
                t.no_log = true;
                if (load(f, &t, NULL) >= 0) {
                        log_notice("The kernel lacks nft_log or nft_limit: dropped packets are counted, and not logged");
                        f->no_log = true;
                        r = 0;
                }
        }
        FAULT("fw.table.built");
        return r;
}

static void on_repair(void *userdata) {
        Answer a = {};

        (void) table_build(userdata, &a);
}

int table_build(Fw *f, Answer *a) {
        _cleanup_free_ char *why = NULL;
        int r = build(f, &why);

        if (r < 0) {
                /* The old table is still there, or the inner fences are; it is tried until it works. */
                if (!f->table_broken)
                        log_error("Failed to build table inet " RULESET_TABLE ", trying again: %s", why ? why : strerror(-r));
                if (f->loop)
                        loop_timer_set(f->loop, &f->repair_timer, REPAIR_PAUSE_USEC, on_repair, f);
                f->table_broken = true;
                return answer(a, r, "nftables refused the table: %s", why ? why : strerror(-r));
        }
        if (f->table_broken)
                log_notice("Table inet " RULESET_TABLE " is built");
        f->table_broken = false;
        if (f->loop)
                loop_timer_clear(f->loop, &f->repair_timer);
        return 0;
}

int table_change(Fw *f, char *text, Answer *a) {
        _cleanup_free_ char *owned = text, *why = NULL;
        int r;

        if (!f->table_broken) {
                r = *owned ? nft_apply(f->nft, owned, &why) : 0;
                if (r >= 0)
                        return 0;
                log_notice("A change of table inet " RULESET_TABLE " failed, building it anew: %s", why ? why : strerror(-r));
        }
        return table_build(f, a);
}

int table_lockdown(Fw *f, bool on, Answer *a) {
        char *text;
        int r;

        /* A kill on the way in either direction leaves the lock closed. */
        r = on ? state_set_lockdown(f->state, true) : 0;
        if (r < 0)
                return answer(a, r, "Failed to note the lockdown in " OCSB_FW_STATE_DIR ": %s", strerror(-r));
        FAULT("fw.lockdown.noted");
        f->lockdown = on;
        r = ruleset_lockdown(on, &text);
        if (r >= 0)
                r = table_change(f, text, a);
        FAULT("fw.lockdown.rules");
        if (r >= 0 && !on) {
                r = state_set_lockdown(f->state, false);
                if (r < 0)
                        return answer(a, r, "Failed to end the lockdown in " OCSB_FW_STATE_DIR ": %s", strerror(-r));
        }
        if (r >= 0)
                log_notice(on ? "Locked down: nothing leaves or enters any sandbox" : "The lockdown has ended");
        return r;
}

int table_reload(Fw *f, Answer *a) {
        _cleanup_free_ char *why = NULL;
        StateConfig c;
        int r = state_read_config(f->config_path, &c, &why);

        if (r < 0)
                return answer(a, r, "%s", why ? why : strerror(-r));
        if (memcmp(&c, &f->config, sizeof(c)) != 0) {
                if (f->n_sessions > 0)
                        return answer(a, -EBUSY, "The pools can change only while no session has network \"nat\"");
                f->config = c;
                f->host.pools[0] = c.pool_ipv4;
                f->host.pools[1] = c.pool_ipv6;
                r = slots_init(f);
                if (r < 0)
                        return answer(a, r, "Out of memory");
        }
        f->no_log = false; /* a module may have come since */
        r = host_read_routes(&f->host);
        if (r >= 0)
                r = host_read_addresses(&f->host);
        if (r < 0)
                return answer(a, r, "Failed to read the host's addresses and routes: %s", strerror(-r));
        return table_build(f, a);
}

/* ---- what the host does ---- */

static void tell_inner_fences(Fw *f) {
        InnerUpdate u = { .host_addresses = f->host.addresses, .n_host_addresses = f->host.n_addresses, .with_host_addresses = true };

        for (Session *s = f->sessions; s; s = s->next) {
                int r = s->netfilter >= 0 ? inner_update(s->netfilter, &u) : 0;

                if (r < 0)
                        log_record(LOG_LEVEL_WARNING, &(LogContext) { .session = s->record.id, .owner = s->record.uid }, NULL,
                                        "The inner fence did not take the host's new addresses: %s", strerror(-r));
        }
}

void table_follow_host(Fw *f) {
        Answer a = {};
        char *text;
        int r = host_read_addresses(&f->host);

        if (r < 0) {
                log_error("Failed to read the host's addresses: %s", strerror(-r));
                return;
        }
        if (r == 0)
                return;
        if (ruleset_host_addresses(f->host.addresses, f->host.n_addresses, &text) < 0)
                return;
        if (table_change(f, text, &a) < 0)
                log_error("Failed to block the host's new addresses: %s", a.text);
        FAULT("fw.host.rules");
        tell_inner_fences(f);
}

void table_on_host(LoopSource *s, uint32_t events, void *userdata) {
        Fw *f = userdata;
        bool collided = f->host.collision[0];
        HostEvents e = {};
        Answer a = {};
        int r = host_dispatch(&f->host, &e);

        (void) s;
        (void) events;
        if (r < 0)
                log_error("Failed to follow the host's network: %s", strerror(-r));
        if (e.addresses)
                table_follow_host(f);
        if (e.routes && host_read_routes(&f->host) < 0)
                log_warning("Failed to read the host's routes");
        if (collided != (f->host.collision[0] != 0)) {
                log_notice("%s", f->host.collision[0] ? f->host.collision : "No route meets the pools any more");
                (void) table_build(f, &a);
        }
}

/* ---- drift ---- */

#define WHAT "table inet " RULESET_TABLE " was changed or taken away by another program"

/* Notifications were lost. When our own transaction was the only one since the last look, they were ours. */
static bool somebody_else(Fw *f, uint32_t before) {
        uint32_t after = nft_generation(f->nft);

        return before == 0 || after != before + 1;
}

void table_on_drift(LoopSource *src, uint32_t events, void *userdata) {
        Fw *f = userdata;
        uint64_t begin = now_monotonic();
        Answer a = {};
        int r = drift_dispatch(&f->drift);

        (void) src;
        (void) events;
        /* Our own table of many sessions may be more than the socket holds. Bounded, so that two programs that insist
         * do not keep each other busy: the next notification comes here again. */
        for (int i = 0; r != 0 && i < 3; i++) {
                uint32_t before = nft_generation(f->nft);

                if (r < 0 && r != -ENOBUFS) {
                        log_error("Failed to read nftables' notifications: %s", strerror(-r));
                        return;
                }
                if (table_build(f, &a) < 0)
                        return;
                r = drift_dispatch(&f->drift);
                if (r == -ENOBUFS && !somebody_else(f, before))
                        r = 0;
                f->repairs++;
                log_record(LOG_LEVEL_WARNING, NULL, MSGID_FIREWALL_CHANGED, "Repaired: " WHAT);
                clients_tell_drift(f, now_monotonic() - begin, WHAT);
        }
}
