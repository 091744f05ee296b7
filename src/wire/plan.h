/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan: a fully resolved description of one sandbox. floor policy produces it, ocsbd sends it, ocsb-stage
 * decodes it and checks every invariant again before it acts on it as root. Data only: a list of mounts and
 * denials that one switch in the builder carries out. */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "codec.h"
#include "network.h"

#define PLAN_MOUNTS_MAX 512u
#define PLAN_DENIALS_MAX 512u
#define PLAN_ENV_MAX 256u
#define PLAN_GROUPS_MAX 256u
#define PLAN_FDS_MAX 16u
#define PLAN_PATH_MAX 4095u
#define PLAN_ENV_BYTES_MAX (128u << 10)
#define PLAN_FILE_BYTES_MAX (64u << 10)
#define PLAN_BPF_BYTES_MAX (32u << 10)

/* Inside each sandbox: the caller's uid and gid map to themselves, 0 … 65535 otherwise map to this range, whose
 * first id is also that of the monitors and of every PID 1. Outside systemd's container range (524288 …
 * 1879048191, UIDS-GIDS.md), in no passwd file. */
#define OCSB_SUB_ID UINT32_C(1879048192)
#define OCSB_SUB_COUNT UINT32_C(65536)

typedef enum PlanRoot {
        PLAN_ROOT_HOST_MINIMAL, /* read-only /usr, a made /etc, a workspace */
        PLAN_ROOT_HOST,         /* the host's own tree, only what is granted */
        _PLAN_ROOT_MAX,
        _PLAN_ROOT_INVALID = -EINVAL,
} PlanRoot;

/* From closed to open. */
typedef enum PlanNetwork {
        PLAN_NETWORK_NONE, /* own network namespace with lo only */
        PLAN_NETWORK_NAT,  /* and an interface: the public internet and the grants, docs/firewall.md */
        _PLAN_NETWORK_MAX,
        _PLAN_NETWORK_INVALID = -EINVAL,
} PlanNetwork;

typedef enum PlanMountKind {
        PLAN_MOUNT_PATH,    /* source: a host path, resolved with the caller's credentials */
        PLAN_MOUNT_FD,      /* fd: index into the descriptors that came with the plan */
        PLAN_MOUNT_SCRATCH, /* an empty writable directory of the session's scratch tmpfs; mode */
        PLAN_MOUNT_FILE,    /* source: contents of a read-only file, made at target; mode */
        PLAN_MOUNT_SYMLINK, /* source: what the link at target says */
        PLAN_MOUNT_DIR,     /* an empty directory at target; mode */
        _PLAN_MOUNT_MAX,
        _PLAN_MOUNT_INVALID = -EINVAL,
} PlanMountKind;

/* What the payload may do beneath a PATH, FD or SCRATCH mount: mount attributes and Landlock rights both. Read is
 * always there. */
typedef enum PlanMountFlags {
        PLAN_MOUNT_WRITE = 1 << 0,
        PLAN_MOUNT_EXEC = 1 << 1,
        PLAN_MOUNT_OPTIONAL = 1 << 2, /* PATH: skipped when the caller cannot reach the source */
        _PLAN_MOUNT_FLAGS_ALL = (1 << 3) - 1,
} PlanMountFlags;

typedef struct PlanMount {
        PlanMountKind kind;
        uint32_t flags; /* PlanMountFlags */
        uint32_t mode;  /* 0 … 01777 */
        uint32_t fd;
        char *target; /* normal absolute path inside */
        char *source; /* may be "" */
        size_t source_len;
} PlanMount;

typedef enum PlanDenialKind {
        PLAN_DENY_ALL,   /* neither read nor made: an empty, unreadable thing is there instead */
        PLAN_DENY_WRITE, /* readable, not changed, replaced, renamed or made */
        _PLAN_DENIAL_MAX,
} PlanDenialKind;

/* Applies inside granted trees only; paths are those inside the sandbox. Holds when the path does not exist (a
 * placeholder is made and taken away at the end), and for what a symlink there points to. */
typedef struct PlanDenial {
        PlanDenialKind kind;
        char *path;
} PlanDenial;

#define PLAN_UNLIMITED UINT64_MAX

typedef struct PlanLimits {
        uint64_t memory;      /* bytes; PLAN_UNLIMITED: not asked for */
        uint64_t swap;        /* bytes */
        uint64_t pids;        /* tasks */
        uint64_t cpu;         /* microseconds of CPU time per second: 1500000 is one and a half CPUs */
        uint64_t io_weight;   /* 1 … 10000, cgroup v2 io.weight */
        uint64_t scratch;     /* bytes of the session's tmpfs; always set */
        uint64_t nofile;      /* RLIMIT_NOFILE; always set */
        uint64_t nproc;       /* RLIMIT_NPROC, counted per sandbox (Linux 5.14); always set */
        uint64_t fsize;       /* RLIMIT_FSIZE, bytes */
        uint64_t execs;       /* concurrent execs; always set */
} PlanLimits;

typedef struct Plan {
        char id[SESSION_ID_MAX + 1];
        char profile[PROFILE_NAME_MAX + 1];
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* the caller's supplementary groups: for resolving sources only, never inside */
        size_t n_groups;
        PlanRoot root;
        PlanNetwork network;
        NetIntent net; /* NAT: what it may reach beyond the public internet; all zero otherwise */
        char hostname[64];
        char *workdir; /* default cwd, normal absolute path inside */
        PlanMount *mounts; /* in the order in which they are made */
        size_t n_mounts;
        PlanDenial *denials;
        size_t n_denials;
        char **env; /* NAME=value, the environment every exec starts with */
        size_t n_env;
        PlanLimits limits;
        uint64_t idle_usec; /* removed after so long without an exec; USEC_INFINITY: never */
        uint64_t age_usec;  /* removed so long after creation */
        uint32_t n_fds;     /* descriptors that travel with the plan */
        uint8_t *bpf_session; /* seccomp program of PID 1 and everything below, struct sock_filter[] */
        size_t bpf_session_len;
        uint8_t *bpf_exec; /* a second, smaller one that each exec adds */
        size_t bpf_exec_len;
} Plan;

/* All zero, which is not a valid plan: whoever fills it sets every limit. */
Plan *plan_new(void);
Plan *plan_free(Plan *p);
DEFINE_CLEANUP(Plan, plan_free)
#define _cleanup_plan_ _cleanup_(plan_freep)

/* Appends; strings are copied. 0, -ENOMEM, or -E2BIG over PLAN_MOUNTS_MAX / PLAN_DENIALS_MAX / PLAN_ENV_MAX or the
 * limit of a string. source may hold NULs only for PLAN_MOUNT_FILE, else -EINVAL. */
int plan_add_mount(Plan *p, PlanMountKind kind, uint32_t flags, uint32_t mode, uint32_t fd, const char *target,
                const void *source, size_t source_len);
/* A second denial of the same path changes the first one to the stricter of both. */
int plan_add_denial(Plan *p, PlanDenialKind kind, const char *path);
/* Replaces an earlier one of the same name; -EINVAL when not NAME=value. */
int plan_add_env(Plan *p, const char *assignment);

/* Encoding is canonical: equal plans encode to equal bytes, so that a digest of them names the plan. */
void plan_encode(WireWriter *w, const Plan *p);
/* Decodes and validates; on failure *ret is untouched and, when ret_why is given, *ret_why names the broken
 * invariant (static text). */
int plan_decode(WireReader *r, Plan **ret, const char **ret_why);
/* The invariants that the builder relies on, each listed with its reason in plan.c. 0 or -EINVAL/-EPERM. */
int plan_validate(const Plan *p, const char **ret_why);

/* Host directories that no plan may show, by any name (CVE-2026-27002): true for /, /proc, /sys, /dev, /boot, /root,
 * /run, /var/run, /etc and /var when written to, the daemons' own directories, and what lies beneath those that
 * are refused as trees. */
bool plan_source_is_forbidden(const char *path, bool write);
/* NULL, or why it is (static text); a path that is not normal is refused as well. */
const char *plan_source_refusal(const char *path, bool write);

const char *plan_root_to_string(PlanRoot v);
PlanRoot plan_root_from_string(const char *s);
const char *plan_network_to_string(PlanNetwork v);
PlanNetwork plan_network_from_string(const char *s);
