/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsbctl-bus: all of ocsbctl but exec, run and shell. Started by ocsbctl with the user's arguments; it
 * works as well when started by hand. */

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "bus-context.h"
#include "bus-output.h"

static const VerbFunction functions[_VERB_MAX] = {
        [VERB_LIST] = bus_verb_list,
        [VERB_STATUS] = bus_verb_status,
        [VERB_SHOW] = bus_verb_show,
        [VERB_CREATE] = bus_verb_create,
        [VERB_KILL] = bus_verb_kill,
        [VERB_FREEZE] = bus_verb_control,
        [VERB_THAW] = bus_verb_control,
        [VERB_RM] = bus_verb_control,
        [VERB_EXPLAIN] = bus_verb_explain,
        [VERB_PROFILES] = bus_verb_profiles,
        [VERB_PENDING] = bus_verb_pending,
        [VERB_APPROVE] = bus_verb_answer,
        [VERB_DENY] = bus_verb_answer,
        [VERB_LOCKDOWN] = bus_verb_lockdown,
        [VERB_FIREWALL] = bus_verb_firewall,
        [VERB_MONITOR] = bus_verb_monitor,
        [VERB_DOCTOR] = bus_verb_doctor,
        [VERB_VERSION] = bus_verb_version,
        [VERB_HELP] = bus_verb_help,
};

static int help(const Options *o, Verb verb) {
        output_begin(o);
        options_print_help(stdout, verb);
        return 0;
}

int bus_verb_help(Context *c) {
        Verb verb = c->o->n_args > 0 ? verb_from_string(c->o->args[0]) : _VERB_INVALID;

        if (c->o->n_args > 0 && verb < 0) {
                fprintf(stderr, "ocsbctl: Unknown verb '%s'. See ocsbctl --help\n", safe(0, c->o->args[0]));
                c->status = STATUS_USAGE;
                return -EINVAL;
        }
        return help(c->o, verb);
}

/* --help behind a verb is that verb's. */
static bool names_verb(int argc, char **argv, Verb verb) {
        for (int i = 1; i < argc; i++)
                if (verb_from_string(argv[i]) == verb)
                        return true;
        return false;
}

static int run(Context *c, int argc, char **argv) {
        int r;

        if (options_parse(argc, argv, c->o) < 0)
                return verb_is_hot(c->o->verb) ? STATUS_OWN_FAILURE : STATUS_USAGE;
        if (c->o->help)
                return help(c->o, c->o->verb == VERB_LIST && !names_verb(argc, argv, VERB_LIST)
                                                  ? _VERB_INVALID
                                                  : c->o->verb);
        if (c->o->version) {
                printf("ocsbctl %s\n", OCSB_VERSION);
                return STATUS_OK;
        }
        if (!functions[c->o->verb]) {
                fprintf(stderr, "ocsbctl: Write the options of %s behind it: ocsbctl %s …\n",
                                verb_table[c->o->verb].name, verb_table[c->o->verb].name);
                return STATUS_OWN_FAILURE;
        }
        r = functions[c->o->verb](c);
        return r >= 0 ? STATUS_OK : c->status ? c->status : STATUS_FAILURE;
}

int main(int argc, char **argv) {
        _cleanup_options_ Options o = {};
        _cleanup_context_ Context c = { .o = &o };
        int status;

        for (int fd = 0; fd < 3; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void) open("/dev/null", O_RDWR);
        (void) setlocale(LC_CTYPE, "");
        status = run(&c, argc, argv);
        output_end();
        /* A full disk must not look like success. */
        if (fflush(stdout) != 0 || ferror(stdout))
                status = status ? status : STATUS_FAILURE;
        return status;
}
