/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of pending requests. It is short (a quota per uid, ten minutes each), so a list in order of
 * number is all it takes; what has expired goes when the list is next looked at. */

#include "pending.h"

#include <glib.h>

struct PendingStore {
        GQueue requests; /* PendingRequest*, by number */
        uint32_t last_number;
};

static void request_destroy(PendingRequest *r) {
        g_free(r->action);
        g_free(r->key);
        g_free(r->digest);
        g_free(r->message);
        g_free(r);
}

PendingStore *pending_store_new(void) {
        PendingStore *s = g_new0(PendingStore, 1);

        g_queue_init(&s->requests);
        return s;
}

PendingStore *pending_store_free(PendingStore *s) {
        PendingRequest *r;

        if (!s)
                return NULL;
        while ((r = g_queue_pop_head(&s->requests)))
                request_destroy(r);
        g_free(s);
        return NULL;
}

static void forget(PendingStore *s, GList *link) {
        request_destroy(link->data);
        g_queue_delete_link(&s->requests, link);
}

static void expire(PendingStore *s, uint64_t now) {
        for (GList *l = s->requests.head, *next; l; l = next) {
                PendingRequest *r = l->data;

                next = l->next;
                if (r->expires <= now)
                        forget(s, l);
        }
}

static GList *find_same(PendingStore *s, uid_t uid, const char *action, const char *key) {
        for (GList *l = s->requests.head; l; l = l->next) {
                const PendingRequest *r = l->data;

                if (r->uid == uid && streq(r->action, action) && streq(r->key, key))
                        return l;
        }
        return NULL;
}

static GList *find(PendingStore *s, uint64_t now, uint32_t number) {
        expire(s, now);
        for (GList *l = s->requests.head; l; l = l->next) {
                const PendingRequest *r = l->data;

                if (r->number == number)
                        return l;
        }
        return NULL;
}

int pending_add(PendingStore *s, uint64_t now, uid_t uid, const char *action, const char *key,
                const char *digest, const char *message, uint32_t max, uint32_t *ret_number, bool *ret_new) {
        PendingRequest *r;
        uint32_t waiting = 0;
        GList *l;

        expire(s, now);
        l = find_same(s, uid, action, key);
        if (l) {
                r = l->data;
                *ret_number = r->number;
                *ret_new = false;
                return 0;
        }
        for (l = s->requests.head; l; l = l->next) {
                r = l->data;
                /* Approved ones count too, so that approvals cannot pile up unused. */
                waiting += r->uid == uid;
        }
        if (waiting >= max)
                return -EDQUOT;

        r = g_new0(PendingRequest, 1);
        if (++s->last_number == 0)
                s->last_number = 1;
        r->number = s->last_number;
        r->uid = uid;
        r->action = g_strdup(action);
        r->key = g_strdup(key);
        r->digest = g_strdup(digest);
        r->message = g_strdup(message);
        r->expires = now + PENDING_LIFETIME_USEC;
        g_queue_push_tail(&s->requests, r);
        *ret_number = r->number;
        *ret_new = true;
        return 0;
}

const PendingRequest *pending_get(PendingStore *s, uint64_t now, uint32_t number) {
        GList *l = find(s, now, number);

        return l ? l->data : NULL;
}

int pending_approve(PendingStore *s, uint64_t now, uint32_t number) {
        GList *l = find(s, now, number);
        PendingRequest *r;

        if (!l)
                return -ENOENT;
        r = l->data;
        if (r->approved)
                return -ENOENT;
        r->approved = true;
        r->expires = now + PENDING_LIFETIME_USEC;
        return 0;
}

int pending_deny(PendingStore *s, uint64_t now, uint32_t number) {
        GList *l = find(s, now, number);

        if (!l)
                return -ENOENT;
        forget(s, l);
        return 0;
}

bool pending_consume(PendingStore *s, uint64_t now, uid_t uid, const char *action, const char *key) {
        const PendingRequest *r;
        GList *l;

        expire(s, now);
        l = find_same(s, uid, action, key);
        r = l ? l->data : NULL;
        if (!r || !r->approved)
                return false;
        forget(s, l);
        return true;
}

void pending_foreach(PendingStore *s, uint64_t now, void (*fn)(const PendingRequest *r, void *userdata),
                void *userdata) {
        expire(s, now);
        for (GList *l = s->requests.head; l; l = l->next) {
                const PendingRequest *r = l->data;

                if (!r->approved)
                        fn(r, userdata);
        }
}
