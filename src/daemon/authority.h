/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may call what: one table of methods and polkit actions, and the asynchronous questions to polkit. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

#define ACTION_PREFIX "org.openclaw.sandbox1."
#define ACTION_CREATE_SESSION ACTION_PREFIX "create-session"
#define ACTION_LAUNCH ACTION_PREFIX "launch"
#define ACTION_EXEC ACTION_PREFIX "exec"
#define ACTION_MANAGE_SESSIONS ACTION_PREFIX "manage-sessions"
#define ACTION_APPROVE_REQUEST ACTION_PREFIX "approve-request"
#define ACTION_LOCKDOWN ACTION_PREFIX "lockdown"
#define ACTION_GRANT_NETWORK ACTION_PREFIX "grant-network"
#define ACTION_MANAGE_FIREWALL ACTION_PREFIX "manage-firewall"

typedef enum AuthorityKind {
        AUTHORITY_ANYBODY, /* about the caller himself, or nothing that is secret */
        AUTHORITY_CREATE,  /* the action, or launch when the plan's root is the host's tree */
        AUTHORITY_OWNER,   /* nothing for the owner of the object, the action for others */
        AUTHORITY_WIDEN,   /* the action, unless the owner asks for what his ceiling allows: the handler says which */
        AUTHORITY_FILTER,  /* anybody; the action decides how much he sees */
        AUTHORITY_ACTION,  /* the action, always */
        _AUTHORITY_KIND_MAX,
} AuthorityKind;

typedef struct AuthorityRule {
        const char *interface, *member;
        AuthorityKind kind;
        const char *action; /* NULL for AUTHORITY_ANYBODY */
} AuthorityRule;

/* NULL when the method has no row: such a call is refused. */
const AuthorityRule *authority_rule(const char *interface, const char *member);
/* For the test that compares the table with the contract. NULL beyond the end. */
const AuthorityRule *authority_rule_at(size_t index);

typedef enum AuthorityAnswer {
        AUTHORITY_YES,
        AUTHORITY_NO,
        AUTHORITY_CHALLENGE, /* somebody would have to authenticate, and was not asked */
        AUTHORITY_DISMISSED, /* somebody was asked and turned it down */
        AUTHORITY_UNKNOWN,   /* polkit is not there, does not answer, or not sensibly: no */
        _AUTHORITY_ANSWER_MAX,
} AuthorityAnswer;

typedef struct Authority Authority;
typedef struct AuthorityCheck AuthorityCheck;

/* text is a reason for AUTHORITY_UNKNOWN, NULL otherwise. */
typedef void (*AuthorityCallback)(AuthorityAnswer answer, const char *text, void *userdata);

/* Positive answers that nobody had to authenticate for may be kept by who asked while *generation stays the
 * same: it changes with polkit's Changed signal and with polkit itself. */
Authority *authority_new(sd_bus *bus, uint64_t *generation);
Authority *authority_free(Authority *a);
DEFINE_CLEANUP(Authority, authority_free)

typedef enum AuthorityManner {
        AUTHORITY_QUIETLY,
        AUTHORITY_BRIEFLY,       /* a no only shortens the answer (AUTHORITY_FILTER): a polkit that hangs holds it up by seconds */
        AUTHORITY_INTERACTIVELY, /* somebody may be asked for a password, which takes minutes */
} AuthorityManner;

/* Asks polkit about the connection with that unique name (never about a pid: CVE-2013-4288). details: key,
 * value, …, NULL; texts are escaped already. The callback comes later, once, never from within. */
int authority_check(Authority *a, const char *sender, uid_t uid, const char *action, char *const *details,
                AuthorityManner manner, AuthorityCallback callback, void *userdata, AuthorityCheck **ret);
/* Cancels when there is no answer yet: the prompt goes away, the callback does not come. */
AuthorityCheck *authority_check_free(AuthorityCheck *c);

/* Whether polkit had an owner when it last mattered, for doctor: 1, 0, or -1 when unknown. */
int authority_polkit_state(const Authority *a);

/* Reads CheckAuthorization's answer; exported for the tests. */
AuthorityAnswer authority_parse_answer(sd_bus_message *m, const char **ret_text);
