/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* State files: what the daemon must know about a session after it was killed and started again. One file per
 * session in a directory of ours, replaced atomically, written before the caller is answered: a line of
 * JSON, and behind it the plan as it is, which would be large and slow as a JSON string. */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "wire/message.h"

#define STATE_DIR OCSB_RUN_DIR "/state" /* 0700 ocsb */
#define STATE_BYTES_MAX ((size_t) 4 << 20)

typedef enum StatePhase {
        STATE_BUILDING, /* the builder was or may have been asked for it; nobody was told about it */
        STATE_READY,    /* the caller has it */
        _STATE_PHASE_MAX,
        _STATE_PHASE_INVALID = -EINVAL,
} StatePhase;

typedef struct StateProof {
        char *name, *result, *detail;
} StateProof;

typedef struct SessionState {
        StatePhase phase;
        char id[SESSION_ID_MAX + 1];
        uid_t uid;
        char *profile, *root, *network;
        char *config_hash; /* EnsureSession's, or "" */
        char *digest;
        char *plan;        /* JSON, as Explain gave it */
        uint64_t created_usec; /* CLOCK_REALTIME */
        uint64_t idle_usec, age_usec;
        /* Known once it is ready: */
        uint32_t monitor_pid;
        uint32_t last_grant; /* the highest id of a network grant that was given out */
        char *cgroup;
        char **resolved;   /* NULL-terminated */
        StateProof *proven;
        size_t n_proven;
} SessionState;

void session_state_done(SessionState *s);
void state_proofs_free(StateProof *p, size_t n);

/* The text of a state file; NULL on out of memory or when a member is not UTF-8. g_free() it. */
char *state_encode(const SessionState *s, size_t *ret_len);
/* Strict: every member, once, of its type, in its range. -EBADMSG with *ret_why (static text). */
int state_decode(const char *text, size_t n, SessionState *ret, const char **ret_why);

/* Opens a directory of ours after a check by descriptor: a directory, not a link, owned by the calling user,
 * not writable by others. -EPERM when it is not so (CVE-2021-30465, CVE-2022-3328). */
int state_open_dir(const char *path);

int state_save(int dir_fd, const SessionState *s);
/* Also checks that the file is ours and that it is about the id in its name. */
int state_load(int dir_fd, const char *id, SessionState *ret, const char **ret_why);
int state_remove(int dir_fd, const char *id);
/* Calls fn for each state file's id; temporary files of an interrupted write are removed. */
int state_foreach(int dir_fd, void (*fn)(const char *id, void *userdata), void *userdata);
