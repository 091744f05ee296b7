/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What ocsb-stage has to know of a session after it was itself killed and started again: a file per session in
 * /run/ocsb/stage (root, 0700), written before anything it names exists, and beside it a journal of placeholders. */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

typedef struct Record {
        char id[SESSION_ID_MAX + 1];
        pid_t monitor;      /* 0 until it is known */
        uint64_t starttime; /* of the monitor: with the pid it names the process for good */
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        char cgroup[512]; /* below the cgroup2 mount */
} Record;

Record *record_free(Record *r);
DEFINE_CLEANUP(Record, record_free)

int record_save(int dir_fd, const Record *r);
/* -EBADMSG on a damaged file. */
int record_load(int dir_fd, const char *id, Record **ret);
void record_remove(int dir_fd, const char *id);
/* Calls fn for the id of each record. */
int record_foreach(int dir_fd, int (*fn)(const char *id, void *userdata), void *userdata);

/* Placeholders: things made on the host so that a denied name that did not exist cannot be made from inside. The
 * host path goes into the journal before the thing is made. */
int placeholder_note(int dir_fd, const char *id, const char *host_path);
/* Whether the journal of any session but this one names the path. */
bool placeholder_is_shared(int dir_fd, const char *id, const char *host_path);
/* Takes away what this session's journal names, newest first, with the owner's rights to files, when it is still
 * empty and no other session relies on it. Forks: the calling process keeps its own identity. */
int placeholders_remove(int dir_fd, const Record *r);
