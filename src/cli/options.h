/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs and options of ocsbctl as one table: both programs parse by it and --help is printed from it.
 * Shared by the static front (ocsbctl) and the full program (ocsbctl-bus), hence libc only. */

#include <stdio.h>

#include "base/text.h"

typedef enum Verb {
        VERB_LIST,
        VERB_STATUS,
        VERB_SHOW,
        VERB_CREATE,
        VERB_RUN,
        VERB_EXEC,
        VERB_SHELL,
        VERB_KILL,
        VERB_FREEZE,
        VERB_THAW,
        VERB_RM,
        VERB_EXPLAIN,
        VERB_PROFILES,
        VERB_PENDING,
        VERB_APPROVE,
        VERB_DENY,
        VERB_LOCKDOWN,
        VERB_FIREWALL,
        VERB_MONITOR,
        VERB_DOCTOR,
        VERB_VERSION,
        VERB_HELP,
        _VERB_MAX,
        _VERB_INVALID = -EINVAL,
} Verb;

typedef struct VerbInfo {
        const char *name;
        const char *synopsis; /* what follows the name and the options */
        const char *help;
        int min_args, max_args; /* -1: any number */
} VerbInfo;

/* Indexed by Verb. */
extern const VerbInfo verb_table[_VERB_MAX];
Verb verb_from_string(const char *s);
/* exec, run and shell: carried out by the static front, own failures are exit status 125. */
bool verb_is_hot(Verb v);

/* One row per option and group of verbs for which it means the same. */
typedef struct OptionInfo {
        const char *name;
        char letter;       /* 0: none */
        int key;           /* OPTION_* of options-table.c */
        const char *value; /* name of its value; NULL: takes none */
        uint64_t verbs;    /* bit per Verb */
        const char *help;
} OptionInfo;

extern const OptionInfo option_table[];
extern const size_t option_table_size;

typedef enum OptionKey {
        OPTION_HELP = 0x100,
        OPTION_VERSION,
        OPTION_HOST,
        OPTION_QUIET,
        OPTION_VERBOSE,
        OPTION_NO_ASK_PASSWORD,
        OPTION_NO_PAGER,
        OPTION_NO_LEGEND,
        OPTION_JSON,
        OPTION_JSON_AUTO,
        OPTION_FULL,
        OPTION_PROPERTY,
        OPTION_VALUE,
        OPTION_SIGNAL,
        OPTION_PROFILE,
        OPTION_PROFILE_FILE,
        OPTION_WORKSPACE,
        OPTION_WORKSPACE_PATH,
        OPTION_RO,
        OPTION_BIND,
        OPTION_DENY,
        OPTION_DENY_WRITE,
        OPTION_ENV,
        OPTION_WORKDIR,
        OPTION_NETWORK,
        OPTION_DNS,
        OPTION_ALLOW,
        OPTION_FOR,
        OPTION_LLM,
        OPTION_INTERNET,
        OPTION_MEMORY,
        OPTION_SWAP,
        OPTION_PIDS,
        OPTION_CPUS,
        OPTION_SCRATCH,
        OPTION_LIMIT,
        OPTION_IDLE,
        OPTION_MAX_AGE,
        OPTION_NAME,
        OPTION_HOSTNAME,
        OPTION_PLAN_DIGEST,
        OPTION_TIMEOUT,
        OPTION_PTY,
        OPTION_DETACH,
        OPTION_KEEP,
} OptionKey;

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,
        JSON_PRETTY,
        JSON_AUTO, /* -j: pretty on a terminal, else short */
} JsonMode;

/* Keys of the option "limits" of the D-Bus contract. */
typedef enum Limit {
        LIMIT_MEMORY,
        LIMIT_SWAP,
        LIMIT_PIDS,
        LIMIT_CPU,
        LIMIT_IO_WEIGHT,
        LIMIT_SCRATCH,
        LIMIT_NOFILE,
        LIMIT_NPROC,
        LIMIT_FSIZE,
        LIMIT_EXECS,
        _LIMIT_MAX,
        _LIMIT_INVALID = -EINVAL,
} Limit;
const char *limit_to_string(Limit l);

#define OPTIONS_BINDS_MAX 14u /* descriptors of one D-Bus message, less workspace and one spare */
#define OPTIONS_LIST_MAX 256u

typedef struct BindOption {
        char *source;       /* path of the caller */
        char *target;       /* path inside; absolute */
        const char *access; /* "r", "rx", "rw", "rwx" */
} BindOption;

/* The words behind "firewall". */
typedef enum FirewallVerb {
        FIREWALL_STATUS,
        FIREWALL_VERIFY,
        FIREWALL_ALLOW,
        FIREWALL_REVOKE,
        FIREWALL_SHOW,
        FIREWALL_RELOAD,
        _FIREWALL_VERB_MAX,
        _FIREWALL_VERB_INVALID = -EINVAL,
} FirewallVerb;
FirewallVerb firewall_verb_from_string(const char *s);

#define OPTIONS_DESTINATIONS_MAX 64u /* as many as a session has */

/* ADDRESS[/LENGTH]:PORT[-PORT][/PROTOCOL], an IPv6 address in brackets; ADDRESS[/LENGTH]/icmp. */
typedef struct DestinationOption {
        char *to;          /* ADDRESS[/LENGTH] */
        char *ports;       /* NULL for icmp */
        const char *proto; /* static */
} DestinationOption;
void destination_option_done(DestinationOption *d);
/* 0, -EINVAL or -ENOMEM. */
int destination_option_parse(const char *s, DestinationOption *ret);

typedef struct StringList {
        char **items; /* NULL-terminated; strings owned */
        size_t n;
} StringList;
int string_list_add(StringList *l, const char *s);
void string_list_done(StringList *l);

/* The command line, parsed and checked. const char * members point into argv. */
typedef struct Options {
        Verb verb;
        bool help, version, quiet, verbose, no_ask_password, no_pager, no_legend, full;
        JsonMode json;
        const char *host;
        /* show, kill */
        StringList properties;
        bool value;
        int signal; /* 0: not given */
        /* what a session is made of */
        const char *profile, *profile_file, *workspace, *workspace_path, *workdir, *network, *name,
                        *hostname, *plan_digest;
        bool ro;
        BindOption binds[OPTIONS_BINDS_MAX];
        size_t n_binds;
        StringList deny, deny_write, env;
        StringList dns;               /* with no_dns: empty, and meant so */
        bool no_dns;
        DestinationOption allow[OPTIONS_DESTINATIONS_MAX];
        size_t n_allow;
        uint64_t limits[_LIMIT_MAX];
        uint32_t limits_set;          /* bit per Limit */
        uint64_t idle_usec, age_usec; /* 0: not given */
        /* exec */
        bool pty, detach, keep;
        uint64_t timeout_usec;
        /* firewall */
        FirewallVerb firewall;
        uint64_t for_usec; /* 0: not given */
        StringList llm, internet;
        DestinationOption destination; /* of firewall allow */
        char **args; /* what follows the verb and the options; NULL-terminated */
        int n_args;
} Options;

void options_done(Options *o);
#define _cleanup_options_ _cleanup_(options_done)

/* Parses argv. Complaints go to stderr. 0, or -EINVAL: usage error. With o->help set nothing else is
 * checked. o->verb is right as far as it was found even on failure. */
int options_parse(int argc, char **argv, Options *ret);

/* "KILL", "SIGKILL", "9"; -EINVAL. */
int signal_from_string(const char *s);

/* --help of the program or of one verb. */
void options_print_help(FILE *f, Verb verb);
