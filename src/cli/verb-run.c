/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* run, exec and shell: a session is made where that is asked for, the command runs, the session goes. */

#include <stdlib.h>
#include <unistd.h>

#include "front.h"
#include "report.h"

/* A session of run whose ocsbctl was killed, or whose command is detached, is removed by ocsbd after so long
 * without a running command. */
#define RUN_IDLE_USEC (5 * USEC_PER_SEC)

/* Whether the end of the session is to be waited for: whoever gave the name may want to use it again at
 * once, and in a writable workspace the placeholders of denied names should be gone when the prompt is
 * back. */
static bool end_matters(const Options *o) {
        return o->name || o->workspace || o->n_binds > 0 || o->profile_file || !o->profile ||
               !streq(o->profile, "default");
}

int verb_exec(const Options *o) {
        _cleanup_bus_ Bus bus = BUS_NONE;

        return launch(&bus, o,
                        &(Launch) { .session = o->args[0],
                                        .argv = o->args + 1,
                                        .n_argv = (size_t) o->n_args - 1,
                                        .pty = o->pty,
                                        .print_id = true });
}

int verb_run(const Options *o) {
        _cleanup_bus_ Bus bus = BUS_NONE;
        char id[SESSION_ID_MAX + 1];
        int status;

        if (create_session(&bus, o, o->keep ? 0 : RUN_IDLE_USEC, id) < 0)
                return STATUS_OWN_FAILURE;
        status = launch(&bus, o,
                        &(Launch) { .session = id,
                                        .argv = o->args,
                                        .n_argv = (size_t) o->n_args,
                                        .pty = o->pty });
        if (o->detach && status == STATUS_OK) {
                if (!o->quiet)
                        printf("%s\n", id);
        } else if (!o->keep)
                terminate_session(&bus, o, id, end_matters(o));
        return status;
}

static const char *shell_of_caller(void) {
        const char *shell = getenv("SHELL");

        return shell && path_is_normal(shell) && !streq(shell, "/") ? shell : "/bin/sh";
}

int verb_shell(const Options *o) {
        _cleanup_bus_ Bus bus = BUS_NONE;
        /* The caller's shell need not be there inside. */
        static char sh[] = "/bin/sh", c[] = "-c", script[] = "[ -x \"$0\" ] && exec \"$0\"; exec /bin/sh";
        _cleanup_free_ char *shell = strdup(shell_of_caller());
        char id[SESSION_ID_MAX + 1], *argv[] = { sh, c, script, shell, NULL };
        bool own = o->n_args == 0;
        int status;

        if (!shell)
                return STATUS_OWN_FAILURE;
        if (own) {
                if (create_session(&bus, o, o->keep ? 0 : RUN_IDLE_USEC, id) < 0)
                        return STATUS_OWN_FAILURE;
        } else
                strcpy(id, o->args[0]);
        status = launch(&bus, o, &(Launch) { .session = id, .argv = argv, .n_argv = 4, .pty = true });
        if (own && !o->keep)
                terminate_session(&bus, o, id, end_matters(o));
        return status;
}
