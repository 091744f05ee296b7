/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Firewall.Verify: proof instead of reading rules back. A process of the session tries what must work and what must not.
 *
 * Without a session a throwaway one is made: of the user nobody, below the built-in ceiling, never on the bus, so that nobody else of that
 * uid gets into it, and without a state file, so that a restart in between clears it away as one that nobody knows. There everything is tried twice, the second time
 * with the fence inside opened, which shows the outer one alone. */

#include <stdio.h>
#include <sys/random.h>

#include "base/log.h"
#include "caller.h"
#include "firewall.h"
#include "grant.h"
#include "operation.h"
#include "options.h"
#include "verify-rows.h"

#define NOBODY ((uid_t) 65534) /* which the builder lets have sandboxes, unlike the daemon's own user */
#define PROOF_TIMEOUT_USEC (20 * USEC_PER_SEC)
#define PROFILE "{\"root\": \"host-minimal\", \"network\": \"nat\", \"max_age\": \"2m\"}"


typedef struct Verify {
        Manager *manager;
        VerifyOptions options;
        Session *throwaway; /* reference */
        bool stage_asked;
        uint32_t tag;
        GPtrArray *targets, *rows;
        bool outer; /* the second time */
        MsgEgressed seen; /* of the outer fence alone */
        uint64_t dropped_before;
} Verify;

static void drop_throwaway(Verify *v) {
        Manager *m = v->manager;
        Session *s = v->throwaway;

        if (v->stage_asked)
                stage_forget(m->stage, v->tag);
        v->stage_asked = false;
        v->throwaway = NULL;
        if (!s)
                return;
        m->verifying = false;
        if (!m->exiting)
                session_end(s, "verified");
        session_unref(s);
}

static void verify_free(void *p) {
        Verify *v = p;

        drop_throwaway(v);
        if (v->targets)
                g_ptr_array_unref(v->targets);
        if (v->rows)
                g_ptr_array_unref(v->rows);
        msg_egressed_done(&v->seen);
        g_free(v);
}

static void fail(Operation *op, ErrorCode code, const char *text) {
        drop_throwaway(op->data);
        operation_fail(op, code, "%s", text);
}

/* The caller left, or the daemon ends. */
static bool is_pointless(Operation *op) {
        if (op->manager->exiting) {
                fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
                return true;
        }
        if (!op->client->gone)
                return false;
        drop_throwaway(op->data);
        operation_free(op);
        return true;
}

static int append_rows(sd_bus_message *m, void *userdata) {
        const GPtrArray *rows = userdata;
        int r = 0;

        for (guint i = 0; r >= 0 && i < rows->len; i++) {
                const VerifyRow *row = rows->pdata[i];

                r = sd_bus_message_append(m, "(sssssb)", row->target, row->what, row->fence, row->expected, row->seen,
                                (int) row->ok);
        }
        return r;
}

static void reply(Operation *op) {
        Verify *v = op->data;
        unsigned failures = 0;

        drop_throwaway(v);
        for (guint i = 0; i < v->rows->len; i++)
                failures += !((const VerifyRow *) v->rows->pdata[i])->ok;
        log_record(failures > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, &LOG_CONTEXT_NONE, MSGID_FIREWALL_CHANGED,
                        "The firewall was verified for uid %u: %u of %u rows are not as expected", (unsigned) op->client->uid,
                        failures, v->rows->len);
        operation_reply_list(op, "(sssssb)", append_rows, v->rows);
}

/* Trying */

static uint64_t dropped_packets(const FwStatus *status, const char *id) {
        static const FwCounter reasons[] = { FW_COUNTER_RESOLVER, FW_COUNTER_PRIVATE, FW_COUNTER_HOST, FW_COUNTER_PROTOCOL,
                FW_COUNTER_SPOOFED };
        uint64_t n = 0;

        for (size_t i = 0; i < status->n_sessions; i++)
                for (size_t k = 0; streq(status->sessions[i].attached.id, id) && k < ELEMENTSOF(reasons); k++)
                        n += status->sessions[i].packets[reasons[k]];
        return n;
}

static void on_counted(const FwStatus *status, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;

        if (is_pointless(op))
                return;
        if (!status) {
                fail(op, ERROR_SETUP_FAILED, FIREWALL_MISSING);
                return;
        }
        verify_rows_add_counted(v->rows, &v->seen, dropped_packets(status, v->throwaway->record.id) - v->dropped_before);
        reply(op);
}

static void try_everything(Operation *op);

static void on_counted_before(const FwStatus *status, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;

        if (is_pointless(op))
                return;
        if (!status) {
                fail(op, ERROR_SETUP_FAILED, FIREWALL_MISSING);
                return;
        }
        v->dropped_before = dropped_packets(status, v->throwaway->record.id);
        try_everything(op);
}

static void on_opened(int error, const char *text, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;

        if (is_pointless(op))
                return;
        if (error != 0) {
                g_autofree char *why = g_strdup_printf("The fence inside the sandbox could not be opened to see the outer one: %s.",
                                text[0] ? text : g_strerror(error));

                fail(op, ERROR_SETUP_FAILED, why);
                return;
        }
        v->outer = true;
        firewall_refresh(op->manager->firewall, on_counted_before, op);
}

static void open_inner(Operation *op) {
        _cleanup_writer_ WireWriter body = {};
        Verify *v = op->data;

        wire_put_string(&body, v->throwaway->record.id);
        if (firewall_call(firewall_client(op->manager->firewall), FW_OPEN_INNER, &body, on_opened, op) < 0)
                fail(op, ERROR_SETUP_FAILED, FIREWALL_MISSING);
}

static void on_tried(const MsgEgressed *seen, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;

        if (is_pointless(op))
                return;
        if (!seen) {
                fail(op, ERROR_BUSY, "The session could not try it: it is ending or frozen, or its process was killed; try again.");
                return;
        }
        verify_rows_add(v->rows, v->targets, seen, v->outer ? "outer" : "both");
        if (v->outer) {
                v->seen = (MsgEgressed) { .seen = calloc(seen->n_seen, sizeof(EgressSeen)), .n_seen = seen->n_seen };
                if (!v->seen.seen)
                        g_error("Out of memory");
                memcpy(v->seen.seen, seen->seen, seen->n_seen * sizeof(EgressSeen));
                firewall_refresh(op->manager->firewall, on_counted, op);
        } else if (v->throwaway)
                open_inner(op);
        else
                reply(op);
}

static void try_everything(Operation *op) {
        Verify *v = op->data;
        Session *s = v->throwaway ? v->throwaway : op->session;
        _cleanup_msg_egress_ MsgEgress question = verify_question(v->targets);

        if (s->phase >= SESSION_ENDING || !s->monitor || monitor_egress(s->monitor, &question, on_tried, op) < 0)
                fail(op, ERROR_NO_SUCH_SESSION, "The session is ending.");
}

/* A throwaway session */

/* The self-probe first. It would end a session in which a fence has been opened, and one whose kernel is kept from answering: of a
 * hundred packets that are rejected at once, the kernel's limit of ICMP errors lets some go without one. */
static void wait_for_proof(Operation *op) {
        const Verify *v = op->data;
        Session *s = v->throwaway ? v->throwaway : op->session;

        if (s->phase >= SESSION_ENDING) {
                operation_stop_waiting(op);
                fail(op, ERROR_NO_SUCH_SESSION, "The session ended before it could try anything; see the log of ocsbd.");
        } else if (s->record.n_proven == 0)
                operation_await(op, s, wait_for_proof, PROOF_TIMEOUT_USEC, ERROR_SETUP_FAILED,
                                "The self-probe of the session did not end in time; see the log of ocsbd.");
        else {
                operation_stop_waiting(op);
                op->abandoned = NULL; /* from here on the answers need the operation */
                try_everything(op);
        }
}

static void on_created(const MsgReady *ready, int control_fd, const MsgFailed *failed, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;

        v->stage_asked = false;
        if (failed) {
                g_autofree char *why = NULL, *text = g_utf8_make_valid(failed->text, -1);

                why = g_strdup_printf("No sandbox could be made to try it in: %s", text);
                fail(op, ERROR_SETUP_FAILED, why);
                return;
        }
        (void) ready;
        if (session_attach_monitor(v->throwaway, control_fd) < 0) {
                fail(op, ERROR_SETUP_FAILED, "The monitor of the sandbox cannot be reached; try again.");
                return;
        }
        wait_for_proof(op);
}

static void on_abandoned(Operation *op) {
        drop_throwaway(op->data);
        operation_free(op);
}

static int make_plan(PolicyResult *ret, uid_t *ret_uid, char **ret_why) {
        _cleanup_(policy_freep) Policy *policy = policy_new();
        _cleanup_(caller_done) Caller caller = {};
        Request *q = request_new();
        int r;

        q->profile = g_strdup("verify");
        q->profile_data = g_strdup(PROFILE);
        q->profile_data_len = strlen(PROFILE);
        r = caller_fill(&caller, NOBODY, NULL, 0);
        if (r >= 0)
                r = policy_resolve(policy, &caller, q, ret, ret_why);
        request_free(q);
        *ret_uid = caller.uid;
        return r > 0 ? -EINVAL : r;
}

static Session *throwaway_new(Manager *m, const PolicyResult *p, uid_t uid) {
        SessionState record = { .phase = STATE_BUILDING, .uid = uid, .profile = g_strdup("verify"),
                .root = g_strdup("host-minimal"), .network = g_strdup("nat"), .config_hash = g_strdup(""),
                .digest = g_strdup(p->digest), .plan = g_strdup(p->explain), .idle_usec = USEC_INFINITY,
                .age_usec = USEC_INFINITY };
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                g_error("getrandom() failed");
        (void) snprintf(record.id, sizeof(record.id), "verify_%016" PRIx64, random);
        (void) quota_take(m->quotas, uid, QUOTA_SESSIONS, UINT32_MAX);
        return session_ref(session_new(m, &record));
}

static void make_throwaway(Operation *op) {
        Verify *v = op->data;
        Manager *m = op->manager;
        _cleanup_(policy_result_done) PolicyResult p = {};
        _cleanup_writer_ WireWriter body = {};
        _cleanup_free_ char *why = NULL;
        uid_t uid;
        int r;

        r = make_plan(&p, &uid, &why);
        if (r < 0) {
                operation_fail(op, ERROR_SETUP_FAILED, "No sandbox can be made for the user nobody: %s.",
                                why ? why : g_strerror(-r));
                return;
        }
        v->targets = verify_targets(&v->options, &p.plan->net, firewall_last_status(m->firewall));
        v->throwaway = throwaway_new(m, &p, uid);
        m->verifying = true;
        strcpy(p.plan->id, v->throwaway->record.id);
        plan_encode(&body, p.plan);
        if (stage_create(m->stage, p.plan->id, &body, NULL, 0, on_created, op, &v->tag) < 0) {
                fail(op, ERROR_SETUP_FAILED, "The builder (ocsb-stage) cannot be reached; try again, or see 'ocsbctl doctor'.");
                return;
        }
        v->stage_asked = true;
        op->abandoned = on_abandoned;
}

/* The call */

static void on_refreshed(const FwStatus *status, void *userdata) {
        Operation *op = userdata;
        Verify *v = op->data;
        const FirewallSession *f = NULL;

        if (is_pointless(op))
                return;
        if (!status) {
                fail(op, ERROR_SETUP_FAILED, FIREWALL_MISSING);
                return;
        }
        v->rows = verify_rows_new();
        if (!op->session) {
                if (op->manager->locked_down)
                        fail(op, ERROR_LOCKED_DOWN, "This machine is locked down; nothing leaves any sandbox.");
                else if (op->manager->verifying)
                        fail(op, ERROR_BUSY, "The firewall is being verified already; wait for the end of that.");
                else
                        make_throwaway(op);
                return;
        }
        f = firewall_session(op->manager->firewall, op->session->record.id);
        if (!f) {
                fail(op, ERROR_NO_SUCH_SESSION, "The session has no network that ocsb-fw knows of; it may be ending.");
                return;
        }
        v->targets = verify_targets(&v->options, &f->intent, status);
        wait_for_proof(op);
}

static void verify(Operation *op) {
        firewall_refresh(op->manager->firewall, on_refreshed, op);
}

int firewall_verify(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        g_autofree char *owner = NULL;
        Manager *manager = userdata;
        VerifyOptions options;
        Session *s = NULL;
        const char *id;
        Operation *op;
        Verify *v;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = options_read_verify(m, &options, error);
        if (r >= 0 && id[0])
                r = grant_find_session(manager, m, id, &s, error);
        if (r >= 0)
                r = operation_new(manager, m, s, &op, error);
        if (r < 0)
                return r;
        v = g_new0(Verify, 1);
        v->manager = manager;
        v->options = options;
        op->data = v;
        op->free_data = verify_free;
        op->granted = verify;
        owner = g_strdup_printf("%u", s ? (unsigned) s->record.uid : 0);
        operation_set_details(op, "session", s ? s->record.id : "", "owner", s ? owner : "", "verb", "Verify", NULL);
        return operation_authorise(op, s ? s->record.uid : (uid_t) -1);
}
