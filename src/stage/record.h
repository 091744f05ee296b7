/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What ocsb-stage has to know of a session after it was itself killed and started again: a record per session in
 * /run/ocsb/stage (root, 0700), written before anything it names exists; and a journal of the session's placeholders in
 * /var/lib/ocsb-stage (root, 0700), since what was made in a workspace is still there after a power cut. */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "wire/plan.h"

typedef struct Record {
        char id[SESSION_ID_MAX + 1];
        pid_t monitor;      /* 0 until it is known */
        uint64_t starttime; /* of the monitor: with the pid it names the process for good */
        uid_t uid;
        char cgroup[512]; /* path of its directory */
        /* Network "nat", else NULL: what it may reach. The interface is there, or ocsb-fw may be making it. */
        NetIntent *intent;
        bool attached;  /* ocsb-fw has said that the interface and the rules are there: what the session needs to live on */
        uint64_t netns; /* inode of its network namespace; 0 until attached */
} Record;

Record *record_free(Record *r);
DEFINE_CLEANUP(Record, record_free)

int record_save(int dir_fd, const Record *r);
/* -EBADMSG on a damaged file. */
int record_load(int dir_fd, const char *id, Record **ret);
void record_remove(int dir_fd, const char *id);
/* Calls fn for the id of each record. */
int record_foreach(int dir_fd, int (*fn)(const char *id, void *userdata), void *userdata);

/* At start: takes away what a kill -9 in the middle of a write has left in /run/ocsb/stage: temporary files, and
 * entries of sessions that are not there any more among those who rely on a placeholder. */
void records_tidy(int dir_fd, bool (*is_there)(const char *id, void *userdata), void *userdata);

/* Placeholders: things made on the host so that a denied name that did not exist cannot be made from inside. The
 * host path, with a "/" behind it when it is a directory, goes into the journal before the thing is made. */
typedef struct Journals {
        int dir;   /* /var/lib/ocsb-stage */
        int locks; /* /run/ocsb/stage: locks, and who relies on what */
        int own;   /* the session's own journal, open once placeholder_note() was called; start with -EBADF */
} Journals;

/* Appends; a new journal starts with whose the things are. */
int placeholder_note(Journals *j, const Plan *plan, const char *host_path);
/* Whether any living session but this one relies on the path. */
bool placeholder_is_shared(const Journals *j, const char *id, const char *host_path);
/* Takes away what a session's journal names, newest first, with the owner's rights to files, when it is still empty
 * and no other session relies on it, then the journal. It does so in a child, since the owner's file systems may let
 * it wait for ever (FUSE): 1 with *ret_pid and *ret_pidfd set when one was started, 0 when there is no journal. */
int placeholders_remove(const Journals *j, const char *id, pid_t *ret_pid, int *ret_pidfd);
/* One of a user's sessions at a time makes or removes placeholders: between the look whether another session relies
 * on one and the deed nobody may change that. Per user, so that nobody waits for another's file systems. Returns an
 * fd that holds the lock until it is closed. */
int placeholders_lock(const Journals *j, uid_t uid);
