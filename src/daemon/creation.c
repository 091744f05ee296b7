/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Making a session:
 *
 *   #1 read and validate the options; resolve them with the policy to a plan and its digest
 *   #2 take the id and a place in the quota
 *   #3 when polkit said yes to this uid the last time, write the state file (phase building) and ask the
 * builder #4 ask polkit; details and digest of the plan of #1 go with the question #5 yes: do #3 unless it
 * is under way; no, or the caller leaves: take down what #3 began #6 when both yes and READY are there:
 * state file (phase ready), SessionNew, reply
 *
 * Nothing is resolved a second time between question and act: what polkit was asked about is, byte for byte,
 * what the builder gets (T55). A daemon that is killed between two steps leaves either a file in phase
 * building or a monitor without a file, and adoption.c ends both; or a file in phase ready, and the session
 * is there to stay.
 *
 * #3 before #4 hides polkit's 2 ms. It is only done for those who were allowed without a question before, so
 * that somebody who may not create sessions cannot keep the builder busy. */

#include "creation.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "firewall.h"
#include "operation.h"
#include "options.h"
#include "resolved.h"

#define WAIT_TIMEOUT_USEC (60 * USEC_PER_SEC)
/* A builder that was killed is back within a second. */
#define STAGE_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define FIREWALL_TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef struct Creation {
        Manager *manager;
        SessionOptions options;
        bool ensure;
        char *config_hash;
        PolicyResult resolved;
        OperationApproval approval;

        Session *session;    /* reference: the id that is ours while this lasts, or NULL */
        bool authorised;
        bool state_written;
        bool stage_has_it;   /* the builder was asked and has not said that there is nothing */
        bool stage_asked;    /* and its answer is not here yet */
        uint32_t tag;
        bool built;
        bool retried;        /* the builder was lost once while it made the session */
        bool replaced;       /* there was another one of that id */
        char *trust_key;     /* in manager->trusted while polkit says yes to this uid without a question */
        ErrorCode build_code;
        char *build_error;
} Creation;

/* Takes down what was begun. */
static void drop_session(Creation *c) {
        Session *s = c->session;

        if (c->stage_asked)
                stage_forget(c->manager->stage, c->tag);
        c->stage_asked = false;
        if (!s)
                return;
        c->session = NULL;
        if (s->phase == SESSION_BUILDING) {
                if (c->stage_has_it)
                        session_end(s, "discarded");
                else {
                        if (c->state_written)
                                (void) state_remove(c->manager->state_fd, s->record.id);
                        session_abandon(s);
                }
        }
        c->stage_has_it = c->state_written = c->built = false;
        session_unref(s);
}

static void creation_free(void *p) {
        Creation *c = p;

        drop_session(c);
        if (c->trust_key && !c->authorised)
                g_hash_table_remove(c->manager->trusted, c->trust_key);
        g_free(c->trust_key);
        session_options_done(&c->options);
        policy_result_done(&c->resolved);
        g_free(c->config_hash);
        g_free(c->approval.key);
        g_free(c->approval.message);
        g_free(c->build_error);
        g_free(c);
}

/* A text that may go into a D-Bus string. */
static char *to_utf8(const char *s) {
        char *t = utf8_is_valid(s, strlen(s)) ? strdup(s) : text_escape(s, strlen(s), 0);

        if (!t)
                g_error("Out of memory");
        return t;
}

/* #1 */

static ErrorCode policy_error_code(int error) {
        switch (error) {
        case POLICY_E_NO_PROFILE:
                return ERROR_NO_SUCH_PROFILE;
        case POLICY_E_PROFILE_INVALID:
                return ERROR_PROFILE_INVALID;
        case POLICY_E_INVALID_ARGUMENT:
                return ERROR_INVALID_ARGUMENT;
        case POLICY_E_CEILING:
                return ERROR_CEILING_EXCEEDED;
        default:
                return ERROR_SETUP_FAILED;
        }
}

static int resolve(Operation *op, sd_bus_error *error) {
        Creation *c = op->data;
        Manager *m = op->manager;
        _cleanup_free_ char *why = NULL;
        const Caller *account;
        int r;

        account = client_account(op->client, error);
        if (!account)
                return -EACCES;
        if (!m->policy)
                return error_set(error, ERROR_SETUP_FAILED,
                                "The profiles and ceilings of this machine cannot be read, nothing is "
                                "created until an administrator mends them: %s",
                                m->policy_error);

        policy_result_done(&c->resolved);
        c->resolved = (PolicyResult) {};
        r = policy_resolve(m->policy, account, c->options.request, &c->resolved, &why);
        if (r != POLICY_OK) {
                g_autofree char *text = to_utf8(why ? why : g_strerror(r < 0 ? -r : EIO));

                c->resolved = (PolicyResult) {};
                return error_set(error, policy_error_code(r), "%s", text);
        }
        if (c->options.plan_digest && !streq(c->options.plan_digest, c->resolved.digest))
                return error_set(error, ERROR_BUSY,
                                "The plan is not the one that was explained any more; look at it again with "
                                "Explain.");
        return 0;
}

/* What an approval is bound to: the plan, and the very directories that go with it. */
static char *approval_key(const Creation *c) {
        GString *key = g_string_new(c->resolved.digest);

        for (size_t i = 0; i < c->options.request->n_fds; i++) {
                struct stat st;

                if (fstat(c->options.fds[i], &st) < 0)
                        st = (struct stat) {};
                g_string_append_printf(
                                key, " %" PRIu64 ":%" PRIu64, (uint64_t) st.st_dev, (uint64_t) st.st_ino);
        }
        return g_string_free(key, false);
}

static void describe(Operation *op, const Caller *account) {
        Creation *c = op->data;
        const Request *q = c->options.request;
        const Plan *plan = c->resolved.plan;
        g_autofree char *user = text_for_humans(account->user, strlen(account->user)), *grants = NULL;

        grants = g_strdup_printf("%u", q->grants ? q->grants->len : 0);
        operation_set_details(op,
                        "user", account->user,
                        "profile", q->profile,
                        /* A profile in the request may call itself anything. */
                        "origin", q->profile_data ? "request" : "stored",
                        "root", plan_root_to_string(plan->root),
                        "network", plan_network_to_string(plan->network),
                        "grants", grants,
                        "digest", c->resolved.digest,
                        NULL);
        operation_add_detail(op, "summary", c->resolved.summary); /* escaped by the policy */

        g_free(c->approval.key);
        g_free(c->approval.message);
        c->approval.key = approval_key(c);
        c->approval.digest = c->resolved.digest;
        c->approval.message = g_strdup_printf("User %s asks for a sandbox with the profile '%s'%s: %s", user,
                        q->profile, q->profile_data ? " of his own" : "", c->resolved.summary);
        c->approval.max_pending = c->resolved.max_pending;
        op->approval = &c->approval;
}

/* #2 */

static void make_id(char ret[static SESSION_ID_MAX + 1]) {
        static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
        uint8_t random[13];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                g_error("getrandom() failed");
        ret[0] = 's';
        for (size_t i = 0; i < sizeof(random); i++)
                ret[i + 1] = alphabet[random[i] % 32];
        ret[sizeof(random) + 1] = 0;
}

static int reserve(Operation *op, sd_bus_error *error) {
        Creation *c = op->data;
        Manager *m = op->manager;
        const Plan *plan = c->resolved.plan;
        SessionState record = {
                .phase = STATE_BUILDING,
                .uid = op->client->uid,
                .idle_usec = plan->idle_usec,
                .age_usec = plan->age_usec,
        };

        if (c->options.request->id) {
                strcpy(record.id, c->options.request->id);
                if (session_find(m, record.id))
                        return error_set(error, ERROR_BUSY, "The id '%s' is in use; choose another one.",
                                        record.id);
        } else
                do
                        make_id(record.id);
                while (session_find(m, record.id));

        if (g_hash_table_size(m->sessions) >= QUOTA_SESSIONS_TOTAL ||
                        quota_take(m->quotas, record.uid, QUOTA_SESSIONS, c->resolved.max_sessions) < 0)
                return error_set(error, ERROR_QUOTA_EXCEEDED,
                                "You have %" PRIu32 " sessions, and your ceiling allows %" PRIu32
                                "; remove one.",
                                quota_used(m->quotas, record.uid, QUOTA_SESSIONS), c->resolved.max_sessions);

        record.profile = g_strdup(c->options.request->profile);
        record.root = g_strdup(plan_root_to_string(plan->root));
        record.network = g_strdup(plan_network_to_string(plan->network));
        record.config_hash = g_strdup(c->config_hash ? c->config_hash : "");
        record.digest = g_strdup(c->resolved.digest);
        record.plan = g_strdup(c->resolved.explain);
        c->session = session_ref(session_new(m, &record));
        return 0;
}

/* #3 */

static void on_created(const MsgReady *ready, int control_fd, const MsgFailed *failed, void *userdata);

static void build_failed(Creation *c, ErrorCode code, const char *format, ...) _printf_(3, 4);
static void build_failed(Creation *c, ErrorCode code, const char *format, ...) {
        va_list ap;

        g_free(c->build_error);
        va_start(ap, format);
        c->build_error = g_strdup_vprintf(format, ap);
        va_end(ap);
        c->build_code = code;
}

/* Whether what the session stands on is there. */
static bool is_waiting_for_firewall(const Operation *op) {
        const Creation *c = op->data;

        return c->resolved.plan->network == PLAN_NETWORK_NAT && !firewall_is_ready(op->manager->firewall);
}

static void build(Operation *op) {
        Creation *c = op->data;
        Session *s = c->session;
        _cleanup_writer_ WireWriter body = {};
        const char *why = NULL;
        int r;

        if (!stage_is_connected(op->manager->stage) || is_waiting_for_firewall(op))
                return; /* proceed() waits for one, when it is time */
        strcpy(c->resolved.plan->id, s->record.id);
        if (plan_validate(c->resolved.plan, &why) < 0) {
                build_failed(c, ERROR_SETUP_FAILED, "The plan breaks a rule of the builder: %s.",
                                why ? why : "unknown");
                return;
        }
        plan_encode(&body, c->resolved.plan);

        FAULT("daemon.create.before-building-state");
        r = session_save(s);
        if (r < 0) {
                log_error("Failed to write the state of session %s: %s", s->record.id, g_strerror(-r));
                build_failed(c, ERROR_SETUP_FAILED,
                                "The state of the session cannot be written; see the log of ocsbd.");
                return;
        }
        c->state_written = true;
        FAULT("daemon.create.before-stage");
        r = stage_create(op->manager->stage, s->record.id, &body, c->options.fds, c->options.request->n_fds,
                        on_created, op, &c->tag);
        if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
                build_failed(c, ERROR_SETUP_FAILED,
                                "The builder (ocsb-stage) cannot be reached; try again, or see 'ocsbctl "
                                "doctor'.");
                return;
        }
        if (r < 0)
                return; /* just lost, which the event loop will say next */
        c->stage_asked = c->stage_has_it = true;
        FAULT("daemon.create.after-stage");
}

static void take_ready(Operation *op, const MsgReady *ready, int control_fd) {
        Creation *c = op->data;
        Session *s = c->session;
        g_autofree char *why = NULL;
        _cleanup_close_ int fd = control_fd;
        int r;

        if (!streq(ready->id, s->record.id)) {
                build_failed(c, ERROR_SETUP_FAILED, "The builder answered for another session; try again.");
                return;
        }
        s->record.monitor_pid = ready->monitor_pid;
        s->record.cgroup = ready->cgroup[0] == '/' ? to_utf8(ready->cgroup)
                                                   : g_strconcat("/", ready->cgroup, NULL);
        if (!resolved_take(op, ready->resolved, &s->record.resolved, &why)) {
                build_failed(c, ERROR_CEILING_EXCEEDED, "%s",
                                why ? why : "A grant leads above your ceiling.");
                return;
        }
        if (c->manager->landlock_abi == 0)
                c->manager->landlock_abi = ready->landlock_abi; /* a filter kept the daemon from asking */
        r = session_attach_monitor(s, TAKE_FD(fd));
        if (r < 0)
                build_failed(c, ERROR_SETUP_FAILED, "The session's monitor cannot be reached; try again.");
        else
                c->built = true;
}

static void take_failed(Creation *c, const MsgFailed *failed) {
        const Session *s = c->session;
        g_autofree char *text = to_utf8(failed->text), *step = to_utf8(failed->step);
        LogContext context = { .session = s->record.id, .profile = s->record.profile, .step = step,
                .owner = s->record.uid };
        ErrorCode code = failed->error == ENOTSUP || failed->error == ENOSYS ? ERROR_NOT_SUPPORTED
                         : failed->error == EBUSY || failed->error == EEXIST || failed->error == ECANCELED
                                         ? ERROR_BUSY
                                         : ERROR_SETUP_FAILED;

        log_record(LOG_LEVEL_WARNING, &context, MSGID_SETUP_FAILED, "Session %s could not be made: %s: %s",
                        s->record.id, step, text);
        build_failed(c, code, "%s (step %s)", text, step);
}

static void commit(Operation *op);
static void proceed(Operation *op);

static void on_created(const MsgReady *ready, int control_fd, const MsgFailed *failed, void *userdata) {
        _cleanup_close_ int fd = control_fd;
        Operation *op = userdata;
        Creation *c = op->data;

        FAULT("daemon.create.answered");
        c->stage_asked = false;
        if (failed && failed->error == ECONNRESET && !c->retried) {
                /* The builder is gone, and may have built all the same: its successor is told to kill that,
                 * and makes another one. */
                c->retried = true;
                drop_session(c);
                if (c->authorised)
                        proceed(op);
                return;
        }
        if (failed) {
                c->stage_has_it = failed->error == ECONNRESET || failed->error == ETIMEDOUT;
                take_failed(c, failed);
        } else if (c->session->phase == SESSION_BUILDING)
                take_ready(op, ready, TAKE_FD(fd));
        if (c->authorised)
                commit(op);
}

/* #6 */

static uint64_t now_realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static void reply_session(Operation *op, const char *id, const char *outcome) {
        const Creation *c = op->data;
        g_autofree char *path = session_bus_path(id), *id_copy = g_strdup(id);

        operation_reply(op, "os", path, c->ensure ? outcome : id_copy);
}

static void commit(Operation *op) {
        Creation *c = op->data;
        Session *s = c->session;
        const char *outcome = c->replaced ? "recreated" : "fresh";
        int r;

        if (op->manager->locked_down) {
                operation_fail(op, ERROR_LOCKED_DOWN, "This machine was locked down meanwhile.");
                return;
        }
        if (c->build_error) {
                operation_fail(op, c->build_code, "%s", c->build_error);
                return;
        }
        if (s->phase != SESSION_BUILDING || !s->monitor) {
                operation_fail(op, ERROR_SETUP_FAILED, "The session ended while it was made; try again.");
                return;
        }

        FAULT("daemon.create.before-state");
        s->record.phase = STATE_READY;
        s->record.created_usec = now_realtime_usec();
        r = session_save(s);
        if (r < 0) {
                log_error("Failed to write the state of session %s: %s", s->record.id, g_strerror(-r));
                operation_fail(op, ERROR_SETUP_FAILED,
                                "The state of the session cannot be written; see the log of ocsbd.");
                return;
        }
        FAULT("daemon.create.after-state");
        if (c->resolved.plan->network == PLAN_NETWORK_NAT)
                firewall_session_created(op->manager->firewall, s->record.id, &c->resolved.plan->net);
        session_announce(s);
        /* It stands on its own from here. */
        c->session = NULL;
        c->stage_has_it = false;
        FAULT("daemon.create.before-reply");
        reply_session(op, s->record.id, outcome);
        FAULT("daemon.create.after-reply");
        session_unref(s);
}

/* #5 */

static void replace(Operation *op);

static void proceed(Operation *op) {
        Creation *c = op->data;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (op->client->gone) {
                operation_free(op);
                return;
        }
        if (!c->session) {
                Session *old = c->options.request->id ? session_find(op->manager, c->options.request->id)
                                                      : NULL;

                if (old && old->phase == SESSION_ENDING && old->record.uid == op->client->uid) {
                        /* What was built ahead under this id, or the one that is being replaced. */
                        operation_await(op, old, proceed, WAIT_TIMEOUT_USEC, ERROR_BUSY,
                                        "The session of that id is still ending.");
                        return;
                }
                operation_stop_waiting(op);
                if (reserve(op, &error) < 0) {
                        operation_fail_with(op, &error);
                        return;
                }
        }
        if (!c->stage_asked && !c->built && !c->build_error && c->session->phase == SESSION_BUILDING &&
                        !op->manager->locked_down) {
                build(op);
                if (!c->stage_asked && !c->build_error && is_waiting_for_firewall(op)) {
                        operation_await(op, NULL, proceed, FIREWALL_TIMEOUT_USEC, ERROR_SETUP_FAILED, FIREWALL_MISSING);
                        g_queue_push_tail(&op->manager->firewall_waiters, op);
                        return;
                }
                if (!c->stage_asked && !c->build_error) {
                        operation_await(op, NULL, proceed, STAGE_TIMEOUT_USEC, ERROR_SETUP_FAILED,
                                        "The builder (ocsb-stage) cannot be reached; try again, or see "
                                        "'ocsbctl doctor'.");
                        g_queue_push_tail(&op->manager->stage_waiters, op);
                        return;
                }
        }
        operation_stop_waiting(op);
        if (!c->stage_asked)
                commit(op);
}

static void on_granted(Operation *op) {
        Creation *c = op->data;

        c->authorised = true;
        if (op->standing)
                g_hash_table_add(op->manager->trusted, g_strdup(c->trust_key));
        if (c->replaced)
                replace(op);
        else
                proceed(op);
}

/* Somebody will be asked, which takes a person's time: nothing is kept built for that long. */
static void on_challenge(Operation *op) {
        Creation *c = op->data;

        g_hash_table_remove(op->manager->trusted, c->trust_key);
        if (c->stage_has_it || c->build_error)
                drop_session(c);
        g_clear_pointer(&c->build_error, g_free);
}

static void on_abandoned(Operation *op) {
        operation_free(op);
}

static int check_network(const Operation *op, sd_bus_error *error) {
        const Firewall *f = op->manager->firewall;
        const Plan *plan = ((const Creation *) op->data)->resolved.plan;

        if (plan->network == PLAN_NETWORK_NONE)
                return 0;
        if (!firewall_is_ready(f) && !firewall_is_restarting(f))
                return error_set(error, ERROR_SETUP_FAILED, "%s", FIREWALL_MISSING);
        return firewall_check_plan(f, &plan->net, error);
}

static int start(Operation *op, sd_bus_error *error) {
        Creation *c = op->data;
        const Caller *account;
        int r;

        r = resolve(op, error);
        if (r < 0)
                return r;
        account = client_account(op->client, error);
        if (!account)
                return -EACCES;
        r = check_network(op, error);
        if (r < 0)
                return r;
        describe(op, account);
        op->action = c->resolved.plan->root == PLAN_ROOT_HOST ? ACTION_LAUNCH : op->rule->action;
        g_free(c->trust_key);
        c->trust_key = g_strdup_printf("%u %s", (unsigned) op->client->uid, op->action);
        if (!c->replaced) {
                r = reserve(op, error);
                if (r < 0)
                        return r;
                if (g_hash_table_contains(op->manager->trusted, c->trust_key))
                        build(op);
        }
        op->granted = on_granted;
        op->challenge = on_challenge;
        op->abandoned = on_abandoned;
        return operation_authorise_action(op, (uid_t) -1, op->action);
}

/* EnsureSession on an id that exists. */

static void resume_ensure(Operation *op);

/* 1: answered or waiting, 0: make it, negative: error. */
static int ensure_existing(Operation *op, sd_bus_error *error) {
        Creation *c = op->data;
        const char *id = c->options.request->id;
        Session *s = session_find(op->manager, id);

        c->replaced = false;
        if (!s)
                return 0;
        if (s->record.uid != op->client->uid)
                return error_set(error, ERROR_NOT_PERMITTED,
                                "The session '%s' is another user's; choose another id.", id);
        if (s->phase != SESSION_READY) {
                operation_await(op, s, resume_ensure, WAIT_TIMEOUT_USEC, ERROR_BUSY,
                                "The session of that id is being made or ended by another call; try again.");
                return 1;
        }
        if (streq(s->record.config_hash, c->config_hash)) {
                reply_session(op, id, "running");
                return 1;
        }
        c->replaced = true;
        return 0;
}

static void resume_ensure(Operation *op) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (op->client->gone) {
                operation_free(op);
                return;
        }
        r = ensure_existing(op, &error);
        if (r == 0) {
                operation_stop_waiting(op);
                r = start(op, &error);
        }
        if (r < 0)
                operation_fail_with(op, &error);
}

static void on_replace_ack(int error, const char *text, void *userdata) {
        Operation *op = userdata;
        Creation *c = op->data;
        Session *s = session_find(op->manager, c->options.request->id);

        (void) text;
        op->abandoned = on_abandoned;
        if (op->client->gone) {
                operation_free(op);
                return;
        }
        if (op->manager->exiting) {
                operation_fail(op, ERROR_BUSY, "The daemon is restarting; try again.");
                return;
        }
        if (error == EBUSY) {
                reply_session(op, c->options.request->id, "stale");
                return;
        }
        if (error != 0 && error != EPIPE) {
                operation_fail(op, ERROR_BUSY,
                                "The session that is to be replaced does not answer; try again.");
                return;
        }
        if (s)
                session_end(s, "replaced");
        proceed(op);
}

static void replace_refreshed(Session *s, void *userdata) {
        Operation *op = userdata;
        _cleanup_writer_ WireWriter body = {};

        if (s->n_running > 0 || s->manager->exiting) {
                on_replace_ack(EBUSY, "", op);
                return;
        }
        wire_put_u32(&body, 1); /* only if idle: one may start just now */
        if (!s->monitor || monitor_call(s->monitor, WIRE_TERMINATE, &body, NULL, 0, on_replace_ack, op,
                                           NULL) < 0)
                on_replace_ack(EPIPE, "", op);
}

/* Authorised; the old one goes unless it is in use. */
static void replace(Operation *op) {
        Creation *c = op->data;
        Session *s = session_find(op->manager, c->options.request->id);

        if (!s || s->phase == SESSION_ENDING) {
                proceed(op);
                return;
        }
        if (s->record.uid != op->client->uid || s->phase != SESSION_READY || !s->monitor) {
                operation_fail(op, ERROR_BUSY,
                                "The session of that id is being made by another call; try again.");
                return;
        }
        if (streq(s->record.config_hash, c->config_hash)) {
                reply_session(op, s->record.id, "running");
                return;
        }
        op->abandoned = NULL; /* the answers need the operation */
        session_refresh(s, replace_refreshed, op);
}

/* Handlers */

static int creation_new(Manager *m, sd_bus_message *message, const char *profile, const char *id,
                Operation **ret, sd_bus_error *error) {
        _cleanup_operation_ Operation *op = NULL;
        Creation *c;
        int r;

        r = operation_new(m, message, NULL, &op, error);
        if (r < 0)
                return r;
        c = g_new0(Creation, 1);
        c->manager = m;
        op->data = c;
        op->free_data = creation_free;
        r = options_read_session(message, profile, id, &c->options, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(op);
        return 0;
}

/* Who may have sessions at all. */
static int check_caller(Operation *op, sd_bus_error *error) {
        if (op->client->uid == 0)
                return error_set(error, ERROR_NOT_PERMITTED,
                                "root has no sandboxes; run as the user whom the sandbox serves.");
        if (op->manager->locked_down)
                return error_set(error, ERROR_LOCKED_DOWN,
                                "This machine is locked down; an administrator lifts it with 'ocsbctl "
                                "lockdown off'.");
        return 0;
}

int creation_create(Manager *m, sd_bus_message *message, sd_bus_error *error) {
        Operation *op;
        const char *profile;
        int r;

        r = sd_bus_message_read(message, "s", &profile);
        if (r < 0)
                return r;
        r = creation_new(m, message, profile, NULL, &op, error);
        if (r < 0)
                return r;
        r = check_caller(op, error);
        if (r >= 0)
                r = start(op, error);
        if (r < 0)
                operation_free(op);
        return r;
}

int creation_ensure(Manager *m, sd_bus_message *message, sd_bus_error *error) {
        const char *id, *config_hash, *profile;
        Operation *op;
        int r;

        r = sd_bus_message_read(message, "sss", &id, &config_hash, &profile);
        if (r < 0)
                return r;
        if (!session_id_valid(id)) {
                g_autofree char *shown = text_for_humans(id, strlen(id));

                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'id' cannot be '%s': 1 to 32 of a-z, 0-9 and _ are needed.", shown);
        }
        if (g_utf8_strlen(config_hash, -1) > CONFIG_HASH_CHARACTERS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'config_hash' is longer than %d characters.", CONFIG_HASH_CHARACTERS_MAX);
        r = creation_new(m, message, profile, id, &op, error);
        if (r < 0)
                return r;
        ((Creation *) op->data)->ensure = true;
        ((Creation *) op->data)->config_hash = g_strdup(config_hash);
        r = check_caller(op, error);
        if (r >= 0) {
                r = ensure_existing(op, error);
                if (r == 0)
                        r = start(op, error);
        }
        if (r < 0)
                operation_free(op);
        return r;
}

static void explain(Operation *op) {
        const Creation *c = op->data;
        g_autofree char *text = g_strdup(c->resolved.explain);

        operation_reply(op, "s", text);
}

int creation_explain(Manager *m, sd_bus_message *message, sd_bus_error *error) {
        const char *profile;
        Operation *op;
        int r;

        r = sd_bus_message_read(message, "s", &profile);
        if (r < 0)
                return r;
        r = creation_new(m, message, profile, NULL, &op, error);
        if (r < 0)
                return r;
        r = resolve(op, error);
        if (r < 0) {
                operation_free(op);
                return r;
        }
        op->granted = explain;
        return operation_authorise(op, op->client->uid);
}
