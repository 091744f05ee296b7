/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One import under way: what it may still take, how far it is, and whether anybody still waits for it. */

#include "import/reason.h"
#include "wire/image.h"

typedef struct Job {
        int sock; /* progress goes there, its end is the cancel; -EBADF: nobody is told */
        ImageLimits limits;
        ImageProgress progress;
        uint64_t bytes_in, bytes_out; /* of the source; written beneath the store */
        uint64_t devices, setuid, xattrs;
        uint64_t last_tick;
        Reason reason;
} Job;

/* To be called between any two steps that take their time, as often as one likes. 0, or -ECANCELED when the asker is gone. */
int job_tick(Job *j);
/* Waits until fd can be read from. */
int job_wait(Job *j, int fd);
/* Takes n of what the limits allow; -E2BIG with a reason. */
int job_take_in(Job *j, uint64_t n);
/* Whether a source may have n bytes. */
int job_check_in(Job *j, uint64_t n);
int job_take_out(Job *j, uint64_t n);
int job_take_entry(Job *j);
/* A step that has failed for a reason of the system's: disk full, quota, whatever else. name: of the entry, or NULL. */
int job_failed(Job *j, int error, const char *what, const char *name);
