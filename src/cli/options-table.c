/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of verbs and options. Whoever adds a row also adds it to man/ocsbctl.1.rst and to completions/:
 * the unit test check-options.py compares them. */

#include "options.h"

const VerbInfo verb_table[_VERB_MAX] = {
        [VERB_LIST] = { "list", "", "List sessions", 0, 0 },
        [VERB_STATUS] = { "status", "SESSION…", "Show what a session is, does and has proven", 1, -1 },
        [VERB_SHOW] = { "show", "[SESSION…]", "Show properties of sessions or of the daemon", 0, -1 },
        [VERB_CREATE] = { "create", "", "Make a session and print its id", 0, 0 },
        [VERB_RUN] = { "run", "[--] COMMAND [ARGUMENT…]", "Run a command in a session of its own", 1, -1 },
        [VERB_EXEC] = { "exec", "SESSION [--] COMMAND [ARGUMENT…]", "Run a command in a session", 2, -1 },
        [VERB_SHELL] = { "shell", "[SESSION]", "Open an interactive shell in a session", 0, 1 },
        [VERB_KILL] = { "kill", "SESSION [EXEC…]", "Send a signal to running commands", 1, -1 },
        [VERB_FREEZE] = { "freeze", "SESSION…", "Stop everything in a session", 1, -1 },
        [VERB_THAW] = { "thaw", "SESSION…", "Continue a frozen session", 1, -1 },
        [VERB_RM] = { "rm", "SESSION…", "Kill everything in a session and remove it", 1, -1 },
        [VERB_EXPLAIN] = { "explain", "", "Show what a session would be, and why", 0, 0 },
        [VERB_PROFILES] = { "profiles", "", "List profiles", 0, 0 },
        [VERB_PENDING] = { "pending", "", "List requests that wait for an admin", 0, 0 },
        [VERB_APPROVE] = { "approve", "REQUEST…", "Allow a pending request once", 1, -1 },
        [VERB_DENY] = { "deny", "REQUEST…", "Drop a pending request", 1, -1 },
        [VERB_LOCKDOWN] = { "lockdown", "on|off",
                        "End every session and refuse new ones, or end that", 1, 1 },
        [VERB_FIREWALL] = { "firewall", "status|verify|allow|revoke|show|reload …",
                        "See, prove and open what sessions reach", 1, 3 },
        [VERB_MONITOR] = { "monitor", "", "Follow sessions and requests as they come and go", 0, 0 },
        [VERB_DOCTOR] = { "doctor", "", "Check what this machine can enforce", 0, 0 },
        [VERB_VERSION] = { "version", "", "Show versions of ocsbctl and of the daemon", 0, 0 },
        [VERB_HELP] = { "help", "[VERB]", "Show help", 0, 1 },
};

#define V(name) (UINT64_C(1) << VERB_##name)
#define V_ALL ((UINT64_C(1) << _VERB_MAX) - 1)
#define V_HOT (V(RUN) | V(EXEC) | V(SHELL))
#define V_MAKE (V(CREATE) | V(RUN) | V(SHELL) | V(EXPLAIN))
#define V_TABLE (V(LIST) | V(EXPLAIN) | V(PROFILES) | V(PENDING) | V(DOCTOR) | V(FIREWALL))
#define V_PAGED (V_TABLE | V(STATUS) | V(SHOW) | V(HELP))
#define V_JSON (V_TABLE | V(STATUS) | V(SHOW) | V(CREATE) | V(MONITOR) | V(VERSION))

const OptionInfo option_table[] = {
        { "help", 'h', OPTION_HELP, NULL, V_ALL, "Show this help" },
        { "version", 0, OPTION_VERSION, NULL, V_ALL, "Show the version" },
        { "quiet", 'q', OPTION_QUIET, NULL, V_ALL, "Say nothing but errors" },
        { "verbose", 'v', OPTION_VERBOSE, NULL, V_ALL, "Also show D-Bus error names" },
        { "no-ask-password", 0, OPTION_NO_ASK_PASSWORD, NULL, V_ALL, "Do not ask for a password" },
        { "host", 'H', OPTION_HOST, "[USER@]HOST", V_ALL & ~V_HOT & ~V(HELP),
                        "Talk to the ocsbd of another machine, by ssh" },
        { "no-pager", 0, OPTION_NO_PAGER, NULL, V_PAGED, "Do not pipe output into a pager" },
        { "no-legend", 0, OPTION_NO_LEGEND, NULL, V_TABLE, "Leave out headers and footers" },
        { "json", 0, OPTION_JSON, "MODE", V_JSON, "Output as JSON: pretty, short or off" },
        { NULL, 'j', OPTION_JSON_AUTO, NULL, V_JSON, "As --json=pretty on a terminal, else --json=short" },
        { "full", 'l', OPTION_FULL, NULL, V_TABLE | V(STATUS), "Do not shorten anything" },
        { "property", 'p', OPTION_PROPERTY, "NAME", V(SHOW), "Show only this property" },
        { "value", 0, OPTION_VALUE, NULL, V(SHOW), "Show values without names" },
        { "signal", 's', OPTION_SIGNAL, "SIGNAL", V(KILL), "The signal to send, by default KILL" },

        { "profile", 'p', OPTION_PROFILE, "NAME", V_MAKE, "The profile (ocsb-profile(5)) to start from" },
        { "profile-file", 0, OPTION_PROFILE_FILE, "FILE", V_MAKE, "Use the profile in this file" },
        { "workspace", 'w', OPTION_WORKSPACE, "DIR", V_MAKE, "The directory to work in" },
        { "workspace-path", 0, OPTION_WORKSPACE_PATH, "PATH", V_MAKE, "Where the workspace appears inside" },
        { "ro", 0, OPTION_RO, NULL, V_MAKE, "The workspace may be read only" },
        { "bind", 0, OPTION_BIND, "SRC[:DST[:ACCESS]]", V_MAKE,
                        "Grant a directory or file: r (default), rx, rw or rwx" },
        { "deny", 0, OPTION_DENY, "PATH", V_MAKE, "Hide a path inside" },
        { "deny-write", 0, OPTION_DENY_WRITE, "PATH", V_MAKE, "Keep a path inside from being changed" },
        { "env", 'E', OPTION_ENV, "NAME[=VALUE]", V_MAKE | V(EXEC),
                        "Set a variable; without a value copy it" },
        { "workdir", 'w', OPTION_WORKDIR, "PATH", V(EXEC), "The directory inside to start in" },
        { "workdir", 0, OPTION_WORKDIR, "PATH", V_MAKE, "The directory inside to start in" },
        { "network", 0, OPTION_NETWORK, "MODE", V_MAKE, "Network: none or nat" },
        { "dns", 0, OPTION_DNS, "ADDRESS", V_MAKE, "A resolver of network nat, or none" },
        { "allow", 0, OPTION_ALLOW, "DESTINATION", V_MAKE,
                        "With network nat also reach ADDRESS[/LEN]:PORT[-PORT][/PROTO]" },
        { "memory", 0, OPTION_MEMORY, "BYTES", V_MAKE, "Limit of memory, with suffix K, M or G" },
        { "swap", 0, OPTION_SWAP, "BYTES", V_MAKE, "Limit of swap" },
        { "pids", 0, OPTION_PIDS, "N", V_MAKE, "Limit of processes and threads" },
        { "cpus", 0, OPTION_CPUS, "N", V_MAKE, "Limit of CPU time: 1.5 is one and a half CPUs" },
        { "scratch", 0, OPTION_SCRATCH, "BYTES", V_MAKE, "Size of /tmp and other scratch space" },
        { "limit", 0, OPTION_LIMIT, "NAME=N", V_MAKE,
                        "Another limit: io-weight, nofile, nproc, fsize, execs" },
        { "idle", 0, OPTION_IDLE, "TIME", V_MAKE, "Remove the session when idle for so long" },
        { "max-age", 0, OPTION_MAX_AGE, "TIME", V_MAKE, "Remove the session when so old" },
        { "hostname", 0, OPTION_HOSTNAME, "NAME", V_MAKE, "Host name inside" },
        { "name", 0, OPTION_NAME, "ID", V_MAKE & ~V(EXPLAIN), "The id of the new session" },
        { "plan-digest", 0, OPTION_PLAN_DIGEST, "DIGEST", V(CREATE),
                        "Fail when the plan is another than explained" },
        { "for", 0, OPTION_FOR, "TIME", V(FIREWALL), "allow: close it again after so long" },
        { "llm", 0, OPTION_LLM, "ADDRESS:PORT", V(FIREWALL), "verify: an LLM server, blocked unless granted" },
        { "internet", 0, OPTION_INTERNET, "ADDRESS:PORT", V(FIREWALL),
                        "verify: a public address that must be reachable" },
        { "timeout", 0, OPTION_TIMEOUT, "TIME", V(RUN) | V(EXEC), "Kill the command after so long" },
        { "pty", 't', OPTION_PTY, NULL, V(RUN) | V(EXEC), "Run on a new terminal inside" },
        { "detach", 'd', OPTION_DETACH, NULL, V(RUN) | V(EXEC), "Do not wait for the command" },
        { "keep", 0, OPTION_KEEP, NULL, V(RUN) | V(SHELL), "Do not remove the session at the end" },
};
const size_t option_table_size = ELEMENTSOF(option_table);

Verb verb_from_string(const char *s) {
        for (Verb v = 0; v < _VERB_MAX; v++)
                if (streq(s, verb_table[v].name))
                        return v;
        return _VERB_INVALID;
}

bool verb_is_hot(Verb v) {
        return v == VERB_RUN || v == VERB_EXEC || v == VERB_SHELL;
}

const char *limit_to_string(Limit l) {
        static const char *const names[_LIMIT_MAX] = {
                [LIMIT_MEMORY] = "memory", [LIMIT_SWAP] = "swap",       [LIMIT_PIDS] = "pids",
                [LIMIT_CPU] = "cpu",       [LIMIT_IO_WEIGHT] = "io-weight", [LIMIT_SCRATCH] = "scratch",
                [LIMIT_NOFILE] = "nofile", [LIMIT_NPROC] = "nproc",     [LIMIT_FSIZE] = "fsize",
                [LIMIT_EXECS] = "execs",
        };

        return l >= 0 && l < _LIMIT_MAX ? names[l] : NULL;
}

/* Width in columns of UTF-8 text that has no wide or combining characters, as this table's. */
static int columns(const char *s) {
        int n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xc0) != 0x80;
        return n;
}

static void print_options(FILE *f, Verb verb) {
        for (size_t i = 0; i < option_table_size; i++) {
                const OptionInfo *o = &option_table[i];
                char left[64];

                /* Without a verb: what is common to all, and what the listing verbs share. */
                if (!(o->verbs & (UINT64_C(1) << (verb == _VERB_INVALID ? VERB_LIST : verb))))
                        continue;
                if (o->name)
                        (void) snprintf(left, sizeof(left), "%c%c --%s%s%s", o->letter ? '-' : ' ',
                                        o->letter ? o->letter : ' ', o->name, o->value ? "=" : "",
                                        o->value ? o->value : "");
                else
                        (void) snprintf(left, sizeof(left), "-%c", o->letter);
                fprintf(f, "  %s%*s %s\n", left, MAX(32 - columns(left), 0), "", o->help);
        }
}

void options_print_help(FILE *f, Verb verb) {
        const VerbInfo *info;

        if (verb == _VERB_INVALID || verb == VERB_HELP) {
                fputs("ocsbctl [OPTIONS…] VERB …\n\n"
                      "Run commands in sandboxes and manage them.\n\nVerbs:\n", f);
                for (Verb v = 0; v < _VERB_MAX; v++) {
                        char left[64];
                        const VerbInfo *i = &verb_table[v];

                        (void) snprintf(left, sizeof(left), "%s %s", i->name, i->synopsis);
                        fprintf(f, "  %s%*s %s\n", left, MAX(38 - columns(left), 0), "", i->help);
                }
                fputs("\nOptions:\n", f);
                print_options(f, _VERB_INVALID);
                fputs("\nMore options of a verb: ocsbctl VERB --help\n"
                      "See the ocsbctl(1) man page for details.\n", f);
                return;
        }
        info = &verb_table[verb];
        fprintf(f, "ocsbctl %s [OPTIONS…]%s%s\n\n%s.\n\nOptions:\n", info->name, *info->synopsis ? " " : "",
                        info->synopsis, info->help);
        print_options(f, verb);
        fputs("\nSee the ocsbctl(1) man page for details.\n", f);
}
