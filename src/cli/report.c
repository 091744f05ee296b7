/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* D-Bus error names to advice and exit statuses. */

#include "report.h"

#include <stdio.h>

#include "base/text.h"

#define OURS(name) OCSB_ERROR_PREFIX name
#define BUS(name) "org.freedesktop.DBus.Error." name

static const struct {
        const char *name;
        int status;
        bool wants_interaction;
        const char *hint;
} errors[] = {
        { OURS("NoSuchSession"), STATUS_NO_SUCH, false, "ocsbctl list shows the sessions that there are." },
        { OURS("NoSuchExec"), STATUS_NO_SUCH, false,
                        "It has ended; ocsbctl status SESSION shows what runs." },
        { OURS("NoSuchProfile"), STATUS_NO_SUCH, false, NULL },
        { OURS("NoSuchRequest"), STATUS_NO_SUCH, false, NULL },
        { OURS("NoSuchGrant"), STATUS_NO_SUCH, false, NULL },
        { OURS("NotPermitted"), STATUS_NOT_PERMITTED, true, NULL },
        { OURS("ApprovalPending"), STATUS_NOT_PERMITTED, true, NULL },
        { OURS("CeilingExceeded"), STATUS_NOT_PERMITTED, false,
                        "The admin sets the ceiling in /etc/ocsb/ceilings.d; ocsbctl explain shows what is "
                        "granted." },
        { OURS("LockedDown"), STATUS_NOT_PERMITTED, false, "An admin ends it with ocsbctl lockdown off." },
        { OURS("QuotaExceeded"), STATUS_FAILURE, false,
                        "ocsbctl list shows what counts; ocsbctl rm SESSION makes room." },
        { OURS("SetupFailed"), STATUS_FAILURE, false, "ocsbctl doctor shows what this machine lacks." },
        { OURS("NotSupported"), STATUS_FAILURE, false, "ocsbctl doctor shows what this machine lacks." },
        /* What sd-bus says for the path of a session that is not there, or not ours to know of. */
        { BUS("UnknownObject"), STATUS_NO_SUCH, false, "ocsbctl list shows the sessions that there are." },
        { BUS("AccessDenied"), STATUS_NOT_PERMITTED, false, NULL },
        { BUS("InteractiveAuthorizationRequired"), STATUS_NOT_PERMITTED, true, NULL },
        { BUS("ServiceUnknown"), STATUS_NOT_RUNNING, false,
                        "ocsbd is not running; ocsbctl doctor says more." },
        { BUS("NameHasNoOwner"), STATUS_NOT_RUNNING, false,
                        "ocsbd is not running; ocsbctl doctor says more." },
        { BUS("NoServer"), STATUS_NOT_RUNNING, false,
                        "The system bus is not running; ocsbctl doctor says more." },
        { BUS("NoReply"), STATUS_NOT_RUNNING, false,
                        "ocsbd ended while it worked on this; ocsbctl doctor says more." },
        { BUS("Disconnected"), STATUS_NOT_RUNNING, false, NULL },
};

static size_t find(const char *name) {
        size_t i = 0;

        while (i < ELEMENTSOF(errors) && !(name && streq(name, errors[i].name)))
                i++;
        return i;
}

/* Activation failures: Spawn.ChildExited and its relatives. */
static bool is_spawn(const char *name) {
        return name && str_has_prefix(name, BUS("Spawn."));
}

int error_exit_status(const char *name) {
        size_t i = find(name);

        return i < ELEMENTSOF(errors) ? errors[i].status
               : is_spawn(name)       ? STATUS_NOT_RUNNING
                                      : STATUS_FAILURE;
}

bool error_is_absent(const char *name) {
        return error_exit_status(name) == STATUS_NOT_RUNNING;
}

bool error_wants_interaction(const char *name) {
        size_t i = find(name);

        return i < ELEMENTSOF(errors) && errors[i].wants_interaction;
}

int report_error(const char *what, const char *name, const char *text, bool verbose) {
        _cleanup_free_ char *escaped = NULL;
        size_t i, n;
        const char *hint;

        if (name && streq(name, BUS("UnknownObject")))
                text = "There is no such session";
        escaped = text_escape(text ? text : "", text ? strlen(text) : 0, 2000);
        n = escaped ? strlen(escaped) : 0;
        i = find(name);
        hint = i < ELEMENTSOF(errors) ? errors[i].hint
               : is_spawn(name)       ? "ocsbd could not be started; ocsbctl doctor says more."
                                      : NULL;

        fprintf(stderr, "Failed to %s: %s%s\n", what, n > 0 ? escaped : "no reason given",
                        n > 0 && strchr(".!?", escaped[n - 1]) ? "" : ".");
        if (verbose && name) {
                _cleanup_free_ char *safe = text_escape(name, strlen(name), 255);

                fprintf(stderr, "Error: %s\n", safe ? safe : "?");
        }
        if (hint)
                fprintf(stderr, "Hint: %s\n", hint);
        return error_exit_status(name);
}

int report_errno(const char *what, int error, bool verbose) {
        error = error < 0 ? -error : error;
        /* What connect() says when nobody listens. */
        if (error == ENOENT || error == ECONNREFUSED)
                return report_error(
                                what, BUS("NoServer"), "Nobody listens on the system bus's socket", verbose);
        return report_error(what, NULL, strerror(error), verbose);
}
