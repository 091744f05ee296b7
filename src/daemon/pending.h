/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Requests that wait for an administrator because their caller has no way to be asked, and what was
 * approved. Memory only: a restart forgets both, which denies. */

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

#define PENDING_LIFETIME_USEC (10 * 60 * USEC_PER_SEC)

typedef struct PendingRequest {
        uint32_t number;
        uid_t uid;
        char *action;
        char *key;     /* what exactly was asked for: the digest of the plan and of the descriptors */
        char *digest;  /* of the plan, as Explain shows it */
        char *message; /* for the administrator; escaped */
        uint64_t expires; /* CLOCK_MONOTONIC */
        bool approved;
} PendingRequest;

typedef struct PendingStore PendingStore;

PendingStore *pending_store_new(void);
PendingStore *pending_store_free(PendingStore *s);
DEFINE_CLEANUP(PendingStore, pending_store_free)

/* The request of that uid, action and key, a new one when there is none; *ret_new says which. -EDQUOT when
 * the uid has max waiting ones already. now: CLOCK_MONOTONIC, everywhere here. */
int pending_add(PendingStore *s, uint64_t now, uid_t uid, const char *action, const char *key,
                const char *digest, const char *message, uint32_t max, uint32_t *ret_number, bool *ret_new);

/* A request that still waits, or was approved and not used yet, or NULL. */
const PendingRequest *pending_get(PendingStore *s, uint64_t now, uint32_t number);
/* -ENOENT when it does not wait (any more). Approval starts a new lifetime. */
int pending_approve(PendingStore *s, uint64_t now, uint32_t number);
/* Also takes back an approval that was not used. */
int pending_deny(PendingStore *s, uint64_t now, uint32_t number);

/* True once after an approval of the very same thing. */
bool pending_consume(PendingStore *s, uint64_t now, uid_t uid, const char *action, const char *key);

/* Waiting requests in the order of their numbers. */
void pending_foreach(PendingStore *s, uint64_t now, void (*fn)(const PendingRequest *r, void *userdata),
                void *userdata);
