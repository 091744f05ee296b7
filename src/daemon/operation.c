/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of every call: read, validate, authorise, act, reply. operation_authorise() is the only way from
 * the second to the fourth, and it fails closed: a method without a row, a caller without an identity, a
 * caller who left while polkit was asked, an answer that is not a clear yes, all end here. */

#include "operation.h"

#include <stdarg.h>

#include "base/log.h"
#include "manager.h"
#include "options.h"

int operation_new(Manager *manager, sd_bus_message *m, Session *session, Operation **ret,
                sd_bus_error *error) {
        const AuthorityRule *rule =
                        authority_rule(sd_bus_message_get_interface(m), sd_bus_message_get_member(m));
        Client *client = client_of(manager->clients, m);
        Operation *op;

        if (!rule || !client)
                return error_set(error, ERROR_NOT_PERMITTED, "This method may not be called.");
        if (quota_take(manager->quotas, client->uid, QUOTA_OPERATIONS, QUOTA_OPERATIONS_MAX) < 0)
                return error_set(error, ERROR_QUOTA_EXCEEDED,
                                "You have %u calls open already; wait for their answers.",
                                QUOTA_OPERATIONS_MAX);

        op = g_new0(Operation, 1);
        op->manager = manager;
        op->client = client_ref(client);
        op->message = sd_bus_message_ref(m);
        op->rule = rule;
        op->action = rule->action;
        op->session = session ? session_ref(session) : NULL;
        op->counted = true;
        g_queue_push_tail(&client->operations, op);
        *ret = op;
        return 0;
}

void operation_stop_waiting(Operation *op) {
        if (op->awaited)
                (void) g_queue_remove(&op->awaited->waiters, op);
        op->awaited = session_unref(op->awaited);
        op->deadline = sd_event_source_disable_unref(op->deadline);
        (void) g_queue_remove(&op->manager->lockdown_waiters, op);
        (void) g_queue_remove(&op->manager->stage_waiters, op);
        (void) g_queue_remove(&op->manager->firewall_waiters, op);
}

Operation *operation_free(Operation *op) {
        if (!op)
                return NULL;
        operation_stop_waiting(op);
        authority_check_free(op->check);
        g_strfreev(op->details);
        if (op->free_data)
                op->free_data(op->data);
        (void) g_queue_remove(&op->client->operations, op);
        quota_drop(op->manager->quotas, op->client->uid, QUOTA_OPERATIONS);
        session_unref(op->session);
        sd_bus_message_unref(op->message);
        client_unref(op->client);
        g_free(op);
        return NULL;
}

/* Replies */

static void log_send_failure(Operation *op, int r) {
        if (r < 0)
                log_debug("Failed to answer %s: %s", op->rule->member, g_strerror(-r));
}

void operation_reply_message(Operation *op, sd_bus_message *reply) {
        log_send_failure(op, sd_bus_send(op->manager->bus, reply, NULL));
        operation_free(op);
}

void operation_reply(Operation *op, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        log_send_failure(op, sd_bus_reply_method_returnv(op->message, types, ap));
        va_end(ap);
        operation_free(op);
}

void operation_reply_list(Operation *op, const char *element, OperationAppend append, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(op->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', element);
        if (r >= 0)
                r = append(reply, userdata);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                operation_fail(op, ERROR_SETUP_FAILED, "The list could not be made; try again.");
        else
                operation_reply_message(op, reply);
}

void operation_fail_with(Operation *op, const sd_bus_error *error) {
        log_send_failure(op, sd_bus_reply_method_error(op->message, error));
        operation_free(op);
}

void operation_fail(Operation *op, ErrorCode code, const char *format, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        (void) error_set(&error, code, "%s", text);
        operation_fail_with(op, &error);
}

/* Authorisation */

void operation_set_details(Operation *op, const char *key, ...) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();
        va_list ap;

        va_start(ap, key);
        for (const char *k = key; k; k = va_arg(ap, const char *)) {
                const char *value = va_arg(ap, const char *);

                g_ptr_array_add(list, g_strdup(k));
                g_ptr_array_add(list, text_for_humans(value, strlen(value)));
        }
        va_end(ap);
        g_ptr_array_add(list, NULL);
        g_strfreev(op->details);
        op->details = (char **) g_ptr_array_free(g_steal_pointer(&list), false);
}

void operation_add_detail(Operation *op, const char *key, const char *value) {
        size_t n = g_strv_length(op->details);

        op->details = g_renew(char *, op->details, n + 3);
        op->details[n] = g_strdup(key);
        op->details[n + 1] = g_strdup(value);
        op->details[n + 2] = NULL;
}

/* What a kept answer is about: every byte that polkit was told. */
static char *grant_key(const Operation *op) {
        GString *key = g_string_new(op->action);

        for (char **d = op->details; d && *d; d++)
                g_string_append_printf(key, "\n%s", *d);
        return g_string_free(key, false);
}

static LogContext log_context(const Operation *op) {
        return (LogContext) {
                .session = op->session ? op->session->record.id : NULL,
                .profile = op->session ? op->session->record.profile : NULL,
                .action = op->action,
                .owner = op->client->uid,
        };
}

static void grant(Operation *op) {
        op->granted(op);
}

static void refuse(Operation *op, const sd_bus_error *error) {
        LogContext context = log_context(op);

        if (op->refused) {
                op->refused(op);
                return;
        }
        if (client_may_log_denial(op->client))
                log_record(LOG_LEVEL_NOTICE, &context, MSGID_DENIED, "Denied %s to uid %u: %s",
                                op->rule->member, (unsigned) op->client->uid, error->message);
        operation_fail_with(op, error);
}

static void refuse_because(Operation *op, ErrorCode code, const char *format, ...) _printf_(3, 4);
static void refuse_because(Operation *op, ErrorCode code, const char *format, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        (void) error_set(&error, code, "%s", text);
        refuse(op, &error);
}

static void refuse_unasked(Operation *op) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_error_setf(&error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                        "%s needs authentication as an administrator; allow the call to ask for it.",
                        op->rule->member);
        refuse(op, &error);
}

/* Nobody can be asked now: leave it for an administrator. */
static void wait_for_approval(Operation *op) {
        const OperationApproval *a = op->approval;
        Manager *m = op->manager;
        LogContext context = log_context(op);
        uint32_t number;
        bool new;

        if (pending_add(m->pending, manager_now(m), op->client->uid, op->action, a->key, a->digest,
                            a->message, a->max_pending, &number, &new) < 0) {
                refuse_because(op, ERROR_QUOTA_EXCEEDED,
                                "%u of your requests wait for an administrator already; wait for them or "
                                "drop some with 'ocsbctl deny'.",
                                a->max_pending);
                return;
        }
        if (new) {
                log_record(LOG_LEVEL_NOTICE, &context, MSGID_PENDING,
                                "Request %" PRIu32 " of uid %u waits: %s", number,
                                (unsigned) op->client->uid, a->message);
                (void) sd_bus_emit_signal(m->bus, BUS_PATH, MANAGER_INTERFACE, "RequestNew", "u", number);
        }
        operation_fail(op, ERROR_APPROVAL_PENDING,
                        "Request %" PRIu32 " waits for an administrator: ocsbctl approve %" PRIu32, number,
                        number);
}

static bool was_approved(Operation *op) {
        Manager *m = op->manager;
        LogContext context = log_context(op);

        if (!op->approval || !pending_consume(m->pending, manager_now(m), op->client->uid, op->action,
                                             op->approval->key))
                return false;
        log_record(LOG_LEVEL_INFO, &context, NULL, "uid %u uses an approval for %s",
                        (unsigned) op->client->uid, op->rule->member);
        return true;
}

static void ask(Operation *op, bool interactive);

static void on_challenge(Operation *op) {
        bool may_ask = sd_bus_message_get_allow_interactive_authorization(op->message) > 0;

        if (was_approved(op)) {
                grant(op);
                return;
        }
        if (op->challenge)
                op->challenge(op);
        if (may_ask && !op->interactive_phase)
                ask(op, true);
        else if (op->approval)
                wait_for_approval(op);
        else if (may_ask)
                refuse_because(op, ERROR_NOT_PERMITTED,
                                "%s needs authentication as an administrator and there is no agent to ask; "
                                "run it in a login session or with pkttyagent.",
                                op->rule->member);
        else
                refuse_unasked(op);
}

static void on_answer(AuthorityAnswer answer, const char *text, void *userdata) {
        Operation *op = userdata;
        Client *client = op->client;

        op->check = authority_check_free(op->check);
        if (client->gone) {
                operation_free(op);
                return;
        }
        if (!client_is_there(client)) {
                refuse_because(op, ERROR_NOT_PERMITTED, "The process that asked for %s has ended meanwhile.",
                                op->rule->member);
                return;
        }

        switch (answer) {
        case AUTHORITY_YES:
                if (!op->interactive_phase) {
                        g_autofree char *key = grant_key(op);

                        client_add_grant(client, key);
                        op->standing = true;
                        grant(op);
                } else {
                        LogContext context = log_context(op);

                        log_record(LOG_LEVEL_INFO, &context, NULL,
                                        "uid %u was authorised for %s after authentication",
                                        (unsigned) client->uid, op->rule->member);
                        grant(op);
                }
                return;
        case AUTHORITY_CHALLENGE:
                on_challenge(op);
                return;
        case AUTHORITY_NO:
                refuse_because(op, ERROR_NOT_PERMITTED, "You are not authorised for %s (polkit action %s).",
                                op->rule->member, op->action);
                return;
        case AUTHORITY_DISMISSED:
                refuse_because(op, ERROR_NOT_PERMITTED, "The authentication for %s was dismissed.",
                                op->rule->member);
                return;
        case AUTHORITY_UNKNOWN:
        case _AUTHORITY_ANSWER_MAX:
                break;
        }
        refuse_because(op, ERROR_NOT_PERMITTED,
                        "%s needs polkit's permission, but %s; see 'ocsbctl doctor'.", op->rule->member,
                        text ? text : "its answer is not understood");
}

static void ask(Operation *op, bool interactive) {
        Manager *m = op->manager;
        int r;

        op->interactive_phase = interactive;
        r = authority_check(m->authority, op->client->name, op->client->uid, op->action, op->details,
                        interactive                          ? AUTHORITY_INTERACTIVELY
                        : op->rule->kind == AUTHORITY_FILTER ? AUTHORITY_BRIEFLY
                                                             : AUTHORITY_QUIETLY,
                        on_answer, op, &op->check);
        if (r < 0)
                refuse_because(op, ERROR_NOT_PERMITTED,
                                "%s needs polkit's permission, but it cannot be asked.", op->rule->member);
}

int operation_authorise_action(Operation *op, uid_t owner, const char *action) {
        const AuthorityRule *rule = op->rule;
        g_autofree char *key = NULL;

        assert(op->granted);
        op->action = action;

        if (rule->kind == AUTHORITY_ANYBODY ||
                        ((rule->kind == AUTHORITY_OWNER || rule->kind == AUTHORITY_WIDEN) && op->client->uid == owner)) {
                grant(op);
                return 1;
        }
        assert(op->action);
        if (op->client->uid == 0) {
                LogContext context = log_context(op);

                /* root needs no polkit, so that lockdown and clearing up work when polkit does not. */
                log_record(rule->kind == AUTHORITY_FILTER ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, &context, NULL,
                                "%s by root", rule->member);
                grant(op);
                return 1;
        }
        key = grant_key(op);
        if (client_has_grant(op->client, key)) {
                op->standing = true;
                grant(op);
                return 1;
        }
        ask(op, false);
        return 1;
}

int operation_authorise(Operation *op, uid_t owner) {
        return operation_authorise_action(op, owner, op->action);
}

/* Waiting for a session */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Operation *op = userdata;
        const char *text = op->deadline_text;
        ErrorCode code = op->deadline_code;

        (void) source;
        (void) usec;
        operation_stop_waiting(op);
        operation_fail(op, code, "%s", text);
        return 0;
}

void operation_await(Operation *op, Session *session, OperationFunction resume, uint64_t timeout_usec,
                ErrorCode timeout_code, const char *timeout_text) {
        assert(!op->awaited);
        if (session) {
                op->awaited = session_ref(session);
                g_queue_push_tail(&session->waiters, op);
        }
        op->resume = resume;
        op->deadline_text = timeout_text;
        op->deadline_code = timeout_code;
        /* Waking and waiting again does not start the time anew. */
        if (!op->deadline && sd_event_add_time_relative(op->manager->event, &op->deadline, CLOCK_MONOTONIC,
                                             timeout_usec, 0, on_deadline, op) >= 0)
                (void) sd_event_source_set_description(op->deadline, "operation-deadline");
}

void operation_wake(Operation *op) {
        /* The waiter's list was emptied by the one who wakes. */
        op->awaited = session_unref(op->awaited);
        op->resume(op);
}

void operation_caller_left(Operation *op) {
        if (op->check)
                operation_free(op); /* polkit is told to stop asking; nothing was done yet */
        else if (op->abandoned)
                op->abandoned(op);
        else if (op->awaited || op->deadline)
                operation_free(op); /* what it asked for is under way, only the reply has lost its reader */
        /* Else it is with a monitor, and ends with the answer. */
}
