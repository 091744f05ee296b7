/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line. Everything is checked here, before anything is opened or sent. Options of a verb follow
 * it; the common ones may precede it. For exec, run and shell the first word that is neither an option nor
 * the session ends the options, so that options of the command stay with the command. */

#include "options.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>

int string_list_add(StringList *l, const char *s) {
        char **p, *copy;

        if (l->n >= OPTIONS_LIST_MAX)
                return -E2BIG;
        p = realloc(l->items, (l->n + 2) * sizeof(char *));
        if (!p)
                return -ENOMEM;
        l->items = p;
        copy = strdup(s);
        if (!copy) {
                l->items[l->n] = NULL;
                return -ENOMEM;
        }
        l->items[l->n++] = copy;
        l->items[l->n] = NULL;
        return 0;
}

void string_list_done(StringList *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
        *l = (StringList) {};
}

void options_done(Options *o) {
        for (size_t i = 0; i < o->n_binds; i++) {
                free(o->binds[i].source);
                free(o->binds[i].target);
        }
        o->n_binds = 0;
        string_list_done(&o->properties);
        string_list_done(&o->deny);
        string_list_done(&o->deny_write);
        string_list_done(&o->env);
        string_list_done(&o->dns);
        string_list_done(&o->llm);
        string_list_done(&o->internet);
        for (size_t i = 0; i < o->n_allow; i++)
                destination_option_done(o->allow + i);
        o->n_allow = 0;
        destination_option_done(&o->destination);
}

static int _printf_(1, 2) complain(const char *format, ...) {
        va_list ap;

        fputs("ocsbctl: ", stderr);
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return -EINVAL;
}

int signal_from_string(const char *s) {
        static const struct {
                const char *name;
                int number;
        } names[] = {
                { "HUP", SIGHUP },
                { "INT", SIGINT },
                { "QUIT", SIGQUIT },
                { "ILL", SIGILL },
                { "TRAP", SIGTRAP },
                { "ABRT", SIGABRT },
                { "BUS", SIGBUS },
                { "FPE", SIGFPE },
                { "KILL", SIGKILL },
                { "USR1", SIGUSR1 },
                { "SEGV", SIGSEGV },
                { "USR2", SIGUSR2 },
                { "PIPE", SIGPIPE },
                { "ALRM", SIGALRM },
                { "TERM", SIGTERM },
                { "CHLD", SIGCHLD },
                { "CONT", SIGCONT },
                { "STOP", SIGSTOP },
                { "TSTP", SIGTSTP },
                { "TTIN", SIGTTIN },
                { "TTOU", SIGTTOU },
                { "URG", SIGURG },
                { "XCPU", SIGXCPU },
                { "XFSZ", SIGXFSZ },
                { "VTALRM", SIGVTALRM },
                { "PROF", SIGPROF },
                { "WINCH", SIGWINCH },
                { "IO", SIGIO },
                { "PWR", SIGPWR },
                { "SYS", SIGSYS },
        };
        uint32_t n;

        if (parse_u32(s, &n) >= 0)
                return n >= 1 && n <= 64 ? (int) n : -EINVAL;
        if (str_has_prefix(s, "SIG"))
                s += 3;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(s, names[i].name))
                        return names[i].number;
        return -EINVAL;
}

/* "2", "1.5", "0.25": microseconds of CPU time per second. */
static int parse_cpus(const char *s, uint64_t *ret) {
        char whole[24];
        size_t k = strcspn(s, ".");
        uint64_t v, fraction = 0, unit = USEC_PER_SEC;
        int r;

        if (k == 0 || k >= sizeof(whole))
                return -EINVAL;
        memcpy(whole, s, k);
        whole[k] = 0;
        r = parse_u64(whole, &v);
        if (r < 0)
                return r;
        if (s[k] == '.') {
                const char *p = s + k + 1;

                if (!*p || strlen(p) > 6)
                        return -EINVAL;
                for (; *p; p++) {
                        if (*p < '0' || *p > '9')
                                return -EINVAL;
                        unit /= 10;
                        fraction += (uint64_t) (*p - '0') * unit;
                }
        }
        if (__builtin_mul_overflow(v, USEC_PER_SEC, &v) || __builtin_add_overflow(v, fraction, &v))
                return -ERANGE;
        *ret = v;
        return 0;
}

static int set_limit(Options *o, Limit limit, const char *option, const char *value) {
        int r;

        switch (limit) {
        case LIMIT_MEMORY:
        case LIMIT_SWAP:
        case LIMIT_SCRATCH:
        case LIMIT_FSIZE:
                r = parse_size(value, &o->limits[limit]);
                break;
        case LIMIT_CPU:
                r = parse_cpus(value, &o->limits[limit]);
                break;
        case LIMIT_PIDS:
        case LIMIT_IO_WEIGHT:
        case LIMIT_NOFILE:
        case LIMIT_NPROC:
        case LIMIT_EXECS:
                r = parse_u64(value, &o->limits[limit]);
                break;
        case _LIMIT_MAX:
        case _LIMIT_INVALID:
        default:
                return -EINVAL;
        }
        if (r < 0)
                return complain("Invalid value of %s: %s", option, value);
        o->limits_set |= UINT32_C(1) << limit;
        return 0;
}

static int parse_limit(Options *o, const char *value) {
        const char *eq = strchr(value, '=');

        for (Limit l = 0; eq && l < _LIMIT_MAX; l++) {
                const char *name = limit_to_string(l);

                if (strlen(name) == (size_t) (eq - value) &&
                                strncmp(name, value, (size_t) (eq - value)) == 0)
                        return set_limit(o, l, "--limit", eq + 1);
        }
        return complain("Invalid --limit '%s'. It is NAME=N with one of memory, swap, pids, cpu, io-weight, "
                        "scratch, nofile, nproc, fsize, execs",
                        value);
}

/* The next field of a --bind value, with "\:" for a colon; *p is moved past its end. */
static char *bind_field(const char **p) {
        char *field = malloc(strlen(*p) + 1), *w = field;

        if (!field)
                return NULL;
        while (**p && **p != ':') {
                if ((*p)[0] == '\\' && ((*p)[1] == ':' || (*p)[1] == '\\'))
                        (*p)++;
                *w++ = *(*p)++;
        }
        *w = 0;
        return field;
}

static int parse_bind(Options *o, const char *value) {
        static const char *const accesses[] = { "r", "rx", "rw", "rwx" };
        _cleanup_free_ char *source = NULL, *target = NULL, *access = NULL;
        const char *p = value, *found = NULL;

        if (o->n_binds >= OPTIONS_BINDS_MAX)
                return complain("At most %u --bind", OPTIONS_BINDS_MAX);
        source = bind_field(&p);
        if (source && *p == ':') {
                p++;
                target = bind_field(&p);
        } else if (source)
                target = strdup(source);
        if (!source || !target)
                return -ENOMEM;
        if (*p == ':') {
                p++;
                access = bind_field(&p);
                if (!access)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTSOF(accesses); i++)
                if (streq(access ? access : "r", accesses[i]))
                        found = accesses[i];
        if (*p || !*source || !found)
                return complain("Invalid --bind '%s'. It is SRC[:DST[:ACCESS]] with access r, rx, rw or rwx",
                                value);
        if (!path_is_normal(target))
                return complain("Invalid --bind '%s': the path inside must be absolute, without '.', '..' "
                                "and a "
                                "slash at the end; write SRC:DST",
                                value);
        o->binds[o->n_binds++] = (BindOption) { TAKE_PTR(source), TAKE_PTR(target), found };
        return 0;
}

static int parse_env(Options *o, const char *value) {
        _cleanup_free_ char *assignment = NULL;
        const char *copied;

        if (strchr(value, '=')) {
                if (!env_assignment_valid(value))
                        return complain("Invalid --env '%s': not a variable's name", value);
                return string_list_add(&o->env, value);
        }
        assignment = malloc(strlen(value) + 2);
        if (!assignment)
                return -ENOMEM;
        stpcpy(stpcpy(assignment, value), "=");
        if (!env_assignment_valid(assignment))
                return complain("Invalid --env '%s': not a variable's name", value);
        copied = getenv(value);
        if (!copied)
                return 0; /* nothing to copy: it stays unset inside too */
        free(assignment);
        assignment = malloc(strlen(value) + strlen(copied) + 2);
        if (!assignment)
                return -ENOMEM;
        stpcpy(stpcpy(stpcpy(assignment, value), "="), copied);
        return string_list_add(&o->env, assignment);
}

static int parse_inside_path(const char *option, const char *value) {
        return path_is_normal(value) ? 0
                                     : complain("Invalid %s '%s': an absolute path inside, without '.', "
                                                "'..' and a "
                                                "slash at the end",
                                                       option, value);
}

static int parse_json(Options *o, const char *value) {
        if (streq(value, "pretty"))
                o->json = JSON_PRETTY;
        else if (streq(value, "short"))
                o->json = JSON_SHORT;
        else if (streq(value, "off"))
                o->json = JSON_OFF;
        else
                return complain("Invalid --json '%s'. It is pretty, short or off", value);
        return 0;
}

#define DESTINATION_FORM "ADDRESS[/LENGTH]:PORT[-PORT][/tcp|/udp] or ADDRESS[/LENGTH]/icmp, an IPv6 address in brackets"

static int parse_destination(const char *what, const char *value, DestinationOption *ret) {
        int r = destination_option_parse(value, ret);

        return r == -EINVAL ? complain("Invalid %s '%s'. It is " DESTINATION_FORM, what, value) : r;
}

static int parse_allow(Options *o, const char *value) {
        int r;

        if (o->n_allow >= OPTIONS_DESTINATIONS_MAX)
                return -E2BIG;
        r = parse_destination("--allow", value, o->allow + o->n_allow);
        if (r >= 0)
                o->n_allow++;
        return r;
}

static int parse_dns(Options *o, const char *value) {
        bool none = streq(value, "none");

        if ((none && o->dns.n > 0) || (!none && o->no_dns))
                return complain("--dns=none and a resolver exclude each other");
        o->no_dns = none;
        if (!none && (!*value || value[strspn(value, "0123456789abcdefABCDEF:.")]))
                return complain("Invalid --dns '%s': an address is needed, such as 1.1.1.1, or none", value);
        return none ? 0 : string_list_add(&o->dns, value);
}

static int parse_time(const char *option, const char *value, uint64_t *ret) {
        uint64_t v;

        if (parse_usec(value, &v) < 0 || v == 0)
                return complain("Invalid %s '%s': a time such as 30, 90s, 5m, 2h or 250ms", option, value);
        *ret = v;
        return 0;
}

/* Options without further checks. Returns whether it was one. */
static bool set_plain(Options *o, OptionKey key, const char *value) {
        switch ((int) key) {
        case OPTION_HELP:
                o->help = true;
                return true;
        case OPTION_VERSION:
                o->version = true;
                return true;
        case OPTION_QUIET:
                o->quiet = true;
                return true;
        case OPTION_VERBOSE:
                o->verbose = true;
                return true;
        case OPTION_NO_ASK_PASSWORD:
                o->no_ask_password = true;
                return true;
        case OPTION_NO_PAGER:
                o->no_pager = true;
                return true;
        case OPTION_NO_LEGEND:
                o->no_legend = true;
                return true;
        case OPTION_JSON_AUTO:
                o->json = JSON_AUTO;
                return true;
        case OPTION_FULL:
                o->full = true;
                return true;
        case OPTION_VALUE:
                o->value = true;
                return true;
        case OPTION_PROFILE_FILE:
                o->profile_file = value;
                return true;
        case OPTION_WORKSPACE:
                o->workspace = value;
                return true;
        case OPTION_RO:
                o->ro = true;
                return true;
        case OPTION_NETWORK:
                o->network = value;
                return true;
        case OPTION_PLAN_DIGEST:
                o->plan_digest = value;
                return true;
        case OPTION_PTY:
                o->pty = true;
                return true;
        case OPTION_DETACH:
                o->detach = true;
                return true;
        case OPTION_KEEP:
                o->keep = true;
                return true;
        default:
                return false;
        }
}

static int set_option(Options *o, OptionKey key, const char *value) {
        int r;

        if (set_plain(o, key, value))
                return 0;
        switch ((int) key) {
        case OPTION_HOST:
                /* ssh would take it for an option. */
                if (!*value || *value == '-')
                        return complain("Invalid --host '%s'", value);
                o->host = value;
                return 0;
        case OPTION_JSON:
                return parse_json(o, value);
        case OPTION_PROPERTY:
                return string_list_add(&o->properties, value);
        case OPTION_SIGNAL:
                r = signal_from_string(value);
                if (r < 0)
                        return complain("Unknown signal '%s'", value);
                o->signal = r;
                return 0;
        case OPTION_PROFILE:
                if (!profile_name_valid(value))
                        return complain("Invalid profile name '%s'", value);
                o->profile = value;
                return 0;
        case OPTION_NAME:
                if (!session_id_valid(value))
                        return complain("Invalid --name '%s': 1 to %d of a-z, 0-9 and _", value,
                                        SESSION_ID_MAX);
                o->name = value;
                return 0;
        case OPTION_HOSTNAME:
                if (!hostname_valid(value))
                        return complain("Invalid --hostname '%s'", value);
                o->hostname = value;
                return 0;
        case OPTION_WORKSPACE_PATH:
                o->workspace_path = value;
                return parse_inside_path("--workspace-path", value);
        case OPTION_WORKDIR:
                o->workdir = value;
                return parse_inside_path("--workdir", value);
        case OPTION_DENY:
                r = parse_inside_path("--deny", value);
                return r < 0 ? r : string_list_add(&o->deny, value);
        case OPTION_DENY_WRITE:
                r = parse_inside_path("--deny-write", value);
                return r < 0 ? r : string_list_add(&o->deny_write, value);
        case OPTION_BIND:
                return parse_bind(o, value);
        case OPTION_ENV:
                return parse_env(o, value);
        case OPTION_DNS:
                return parse_dns(o, value);
        case OPTION_ALLOW:
                return parse_allow(o, value);
        case OPTION_LLM:
                return string_list_add(&o->llm, value);
        case OPTION_INTERNET:
                return string_list_add(&o->internet, value);
        case OPTION_FOR:
                return parse_time("--for", value, &o->for_usec);
        case OPTION_MEMORY:
                return set_limit(o, LIMIT_MEMORY, "--memory", value);
        case OPTION_SWAP:
                return set_limit(o, LIMIT_SWAP, "--swap", value);
        case OPTION_PIDS:
                return set_limit(o, LIMIT_PIDS, "--pids", value);
        case OPTION_CPUS:
                return set_limit(o, LIMIT_CPU, "--cpus", value);
        case OPTION_SCRATCH:
                return set_limit(o, LIMIT_SCRATCH, "--scratch", value);
        case OPTION_LIMIT:
                return parse_limit(o, value);
        case OPTION_IDLE:
                return parse_time("--idle", value, &o->idle_usec);
        case OPTION_MAX_AGE:
                return parse_time("--max-age", value, &o->age_usec);
        case OPTION_TIMEOUT:
                return parse_time("--timeout", value, &o->timeout_usec);
        default:
                return -EINVAL;
        }
}

#define TABLE_MAX 64

typedef struct Getopt {
        struct option longs[TABLE_MAX];
        char shorts[2 * TABLE_MAX + 2];
        int keys[128]; /* of a letter */
} Getopt;

/* Makes getopt_long()'s tables of the options that the verb knows. "+": stop at the first other word. */
static void getopt_tables(Getopt *g, Verb verb, bool stop) {
        size_t n = 0, k = 0;

        *g = (Getopt) {};
        if (stop)
                g->shorts[k++] = '+';
        for (size_t i = 0; i < option_table_size; i++) {
                const OptionInfo *o = &option_table[i];

                if (!(o->verbs & (UINT64_C(1) << verb)))
                        continue;
                assert(n + 1 < TABLE_MAX);
                if (o->name)
                        g->longs[n++] = (struct option) { o->name,
                                o->value ? required_argument : no_argument, NULL, o->key };
                if (o->letter) {
                        g->shorts[k++] = o->letter;
                        if (o->value)
                                g->shorts[k++] = ':';
                        g->keys[(int) o->letter] = o->key;
                }
        }
}

/* Runs getopt over argv[optind…]. Returns 1 when "--" ended it, 0 when a word or the end of argv did,
 * -EINVAL. */
static int parse_some(Options *o, const Getopt *g, int argc, char **argv) {
        for (;;) {
                int before = MAX(optind, 1), c = getopt_long(argc, argv, g->shorts, g->longs, NULL), r;

                /* At the end of the options getopt consumes "--" and nothing else. */
                if (c < 0)
                        return optind > before && streq(argv[optind - 1], "--");
                if (c == '?' || c == ':')
                        return -EINVAL;
                r = set_option(o, c < 128 ? (OptionKey) g->keys[c] : (OptionKey) c, optarg);
                if (r == -ENOMEM || r == -E2BIG)
                        (void) complain("Too many options");
                if (r < 0)
                        return -EINVAL;
        }
}

static int check_combination(const Options *o) {
        bool makes = o->profile || o->profile_file || o->workspace || o->workspace_path || o->ro ||
                     o->n_binds > 0 || o->deny.n > 0 || o->deny_write.n > 0 || o->network || o->no_dns ||
                     o->dns.n > 0 || o->n_allow > 0 || o->limits_set ||
                     o->idle_usec || o->age_usec || o->hostname || o->name || o->keep;

        if (o->host && verb_is_hot(o->verb))
                return complain("%s works on this machine only: descriptors do not travel over ssh. Try: "
                                "ssh -t %s "
                                "ocsbctl %s …",
                                verb_table[o->verb].name, o->host, verb_table[o->verb].name);
        if (o->json != JSON_OFF && verb_is_hot(o->verb))
                return complain("%s has no JSON output", verb_table[o->verb].name);
        if (o->detach && o->pty)
                return complain("--detach and --pty exclude each other: nobody would hold the terminal");
        if (o->verb == VERB_SHELL && o->n_args > 0 && makes)
                return complain("The session is there already: options of a new one do not apply");
        return 0;
}

/* What stands behind "firewall". */
static int check_firewall(Options *o) {
        static const struct {
                int min_args, max_args; /* behind the word */
                const char *usage;
        } words[_FIREWALL_VERB_MAX] = {
                [FIREWALL_STATUS] = { 0, 0, "status" },
                [FIREWALL_VERIFY] = { 0, 1, "verify [SESSION]" },
                [FIREWALL_ALLOW] = { 2, 2, "allow SESSION DESTINATION" },
                [FIREWALL_REVOKE] = { 2, 2, "revoke SESSION GRANT" },
                [FIREWALL_SHOW] = { 0, 0, "show" },
                [FIREWALL_RELOAD] = { 0, 0, "reload" },
        };
        int n = o->n_args - 1;
        uint32_t number;

        o->firewall = firewall_verb_from_string(o->args[0]);
        if (o->firewall < 0)
                return complain("firewall takes status, verify, allow, revoke, show or reload, not '%s'", o->args[0]);
        if (n < words[o->firewall].min_args || n > words[o->firewall].max_args)
                return complain("%s arguments. Usage: ocsbctl firewall %s",
                                n < words[o->firewall].min_args ? "Too few" : "Too many", words[o->firewall].usage);
        if (n > 0 && !session_id_valid(o->args[1]))
                return complain("Invalid session id '%s': 1 to %d of a-z, 0-9 and _", o->args[1], SESSION_ID_MAX);
        if (o->for_usec && o->firewall != FIREWALL_ALLOW)
                return complain("--for is for firewall allow");
        if ((o->llm.n > 0 || o->internet.n > 0) && o->firewall != FIREWALL_VERIFY)
                return complain("--llm and --internet are for firewall verify");
        if (o->firewall == FIREWALL_REVOKE && parse_u32(o->args[2], &number) < 0)
                return complain("Not a number: '%s'", o->args[2]);
        if (o->firewall == FIREWALL_ALLOW)
                return parse_destination("destination", o->args[2], &o->destination);
        return 0;
}

/* The ids and numbers among the arguments. */
static int check_arguments(Options *o) {
        const VerbInfo *v = &verb_table[o->verb];
        int ids = o->verb == VERB_STATUS || o->verb == VERB_SHOW || o->verb == VERB_FREEZE ||
                                                  o->verb == VERB_THAW || o->verb == VERB_RM
                                  ? o->n_args
                  : o->verb == VERB_EXEC || o->verb == VERB_KILL || o->verb == VERB_SHELL ? MIN(o->n_args, 1)
                                                                                          : 0;
        uint32_t n;

        if (o->n_args < v->min_args || (v->max_args >= 0 && o->n_args > v->max_args))
                return complain("%s arguments. Usage: ocsbctl %s [OPTIONS…] %s",
                                o->n_args < v->min_args ? "Too few" : "Too many", v->name, v->synopsis);
        for (int i = 0; i < ids; i++)
                if (!session_id_valid(o->args[i]))
                        return complain("Invalid session id '%s': 1 to %d of a-z, 0-9 and _", o->args[i],
                                        SESSION_ID_MAX);
        for (int i = o->verb == VERB_KILL;
                        (o->verb == VERB_KILL || o->verb == VERB_APPROVE || o->verb == VERB_DENY) &&
                        i < o->n_args;
                        i++)
                if (parse_u32(o->args[i], &n) < 0)
                        return complain("Not a number: '%s'", o->args[i]);
        if (o->verb == VERB_FIREWALL && check_firewall(o) < 0)
                return -EINVAL;
        if (o->verb == VERB_LOCKDOWN && !streq(o->args[0], "on") && !streq(o->args[0], "off"))
                return complain("lockdown takes on or off");
        if ((o->verb == VERB_RUN && !*o->args[0]) || (o->verb == VERB_EXEC && !*o->args[1]))
                return complain("The command is empty");
        return check_combination(o);
}

/* Options of a verb and its arguments; argv[0] is the verb. */
static int parse_verb(Options *o, int argc, char **argv) {
        Getopt g;
        int r;

        getopt_tables(&g, o->verb, verb_is_hot(o->verb));
        optind = 0; /* makes glibc forget what it knows of another argv */
        r = parse_some(o, &g, argc, argv);
        if (r < 0)
                return r;
        if (r == 0 && (o->verb == VERB_EXEC || o->verb == VERB_SHELL) && optind < argc) {
                /* The session was found: options may follow it. It is moved behind them, to stand right
                 * before the command. */
                char *session = argv[optind];
                int first = optind++;

                r = parse_some(o, &g, argc, argv);
                if (r < 0)
                        return r;
                for (int i = first; i + 1 < optind; i++)
                        argv[i] = argv[i + 1];
                optind--;
                argv[optind] = session;
        }
        o->args = argv + optind;
        o->n_args = argc - optind;
        return 0;
}

int options_parse(int argc, char **argv, Options *ret) {
        Getopt g;
        char *verb;
        int r, at;

        *ret = (Options) { .verb = VERB_LIST };
        ret->args = argv + argc;
        getopt_tables(&g, VERB_LIST, true);
        optind = 0;
        r = parse_some(ret, &g, argc, argv);
        if (r < 0)
                return r;
        at = optind;
        if (at < argc) {
                verb = argv[at];
                ret->verb = verb_from_string(verb);
                if (ret->verb < 0) {
                        ret->verb = VERB_HELP;
                        return complain("Unknown verb '%s'. See ocsbctl --help", verb);
                }
                argv[at] = argv[0]; /* for getopt's messages */
                r = parse_verb(ret, argc - at, argv + at);
                argv[at] = verb;
                if (r < 0)
                        return r;
        }
        if (ret->help || ret->version)
                return 0;
        return check_arguments(ret);
}
