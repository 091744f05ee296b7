/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests to the builder. It may be killed and started again at any time; sessions live on without it, and
 * what was under way fails with a reason that says so. */

#include "stage-client.h"

#include <glib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "link.h"
#include "retry.h"

#define CREATE_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define SESSIONS_MAX 65536u

typedef struct StageRequest {
        uint32_t tag;
        WireType type;
        char id[SESSION_ID_MAX + 1];
        StageCreated created; /* NULL after stage_forget() */
        void *userdata;
        sd_event_source *timer;
} StageRequest;

struct StageClient {
        sd_event *event;
        char *path;
        const StageHandlers *handlers;
        void *userdata;
        Link *link;
        uint32_t last_tag;
        GHashTable *requests; /* tag → StageRequest* */
        Retry retry;
        bool warned;
};

static void request_destroy(void *p) {
        StageRequest *q = p;

        sd_event_source_disable_unref(q->timer);
        g_free(q);
}

static void attempt(void *userdata);

StageClient *stage_client_new(
                sd_event *event, const char *path, const StageHandlers *handlers, void *userdata) {
        StageClient *c = g_new0(StageClient, 1);

        c->event = event;
        c->path = g_strdup(path);
        c->handlers = handlers;
        c->userdata = userdata;
        c->requests = g_hash_table_new(g_direct_hash, g_direct_equal);
        c->retry = (Retry) { .event = event, .description = "stage-retry", .attempt = attempt, .userdata = c };
        return c;
}

static void fail_request(StageClient *c, StageRequest *q, int error, const char *text) {
        if (q->type == WIRE_CREATE && q->created) {
                MsgFailed failed = { .error = (uint32_t) error, .step = "stage" };

                (void) g_strlcpy(failed.text, text, sizeof(failed.text));
                q->created(NULL, -EBADF, &failed, q->userdata);
        } else if (q->type == WIRE_KILL)
                c->handlers->kill_lost(q->userdata, c->userdata);
        request_destroy(q);
}

static void fail_all(StageClient *c) {
        g_autoptr(GHashTable) requests = c->requests;
        GHashTableIter i;
        void *q;

        /* What the callbacks begin is not part of what failed. */
        c->requests = g_hash_table_new(g_direct_hash, g_direct_equal);
        g_hash_table_iter_init(&i, requests);
        while (g_hash_table_iter_next(&i, NULL, &q))
                fail_request(c, q, ECONNRESET, "The builder ended while it made the session; try again.");
}

StageClient *stage_client_free(StageClient *c) {
        GHashTableIter i;
        void *q;

        if (!c)
                return NULL;
        c->link = link_free(c->link);
        retry_done(&c->retry);
        g_hash_table_iter_init(&i, c->requests);
        while (g_hash_table_iter_next(&i, NULL, &q)) {
                if (((StageRequest *) q)->type == WIRE_KILL)
                        c->handlers->kill_lost(((StageRequest *) q)->userdata, c->userdata);
                request_destroy(q);
        }
        g_hash_table_unref(c->requests);
        g_free(c->path);
        g_free(c);
        return NULL;
}

static StageRequest *take_request(StageClient *c, uint32_t tag) {
        void *q = NULL;

        (void) g_hash_table_steal_extended(c->requests, GUINT_TO_POINTER(tag), NULL, &q);
        return q;
}

static int on_ready(StageClient *c, WireMessage *m) {
        _cleanup_(msg_ready_done) MsgReady ready = {};
        WireReader r = WIRE_READER(m->body, m->len);
        StageRequest *q;
        int k;

        k = msg_ready_decode(&r, &ready);
        if (k < 0)
                return k;
        if (m->n_fds != 1)
                return -EBADMSG;
        q = take_request(c, m->tag);
        if (q && q->type != WIRE_CREATE) {
                fail_request(c, q, EBADMSG, "");
                return -EBADMSG;
        }
        if (q && q->created)
                q->created(&ready, TAKE_FD(m->fds[0]), NULL, q->userdata);
        /* Nobody waits for it any more: stage_forget()'s caller has sent the KILL. */
        if (q)
                request_destroy(q);
        return 0;
}

static int on_failed(StageClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        StageRequest *q;
        MsgFailed failed;
        int k;

        k = msg_failed_decode(&r, &failed);
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (q && q->type != WIRE_CREATE) {
                fail_request(c, q, EBADMSG, "");
                return -EBADMSG;
        }
        if (q && q->created)
                q->created(NULL, -EBADF, &failed, q->userdata);
        if (q)
                request_destroy(q);
        return 0;
}

/* Killed before it was answered: the builder says nothing about that CREATE any more. */
static void cancel_create(StageClient *c, const char *id, uint32_t kill_tag) {
        GHashTableIter i;
        void *p;

        g_hash_table_iter_init(&i, c->requests);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                StageRequest *q = p;

                /* One that was asked for behind the KILL is another session of that name (tags count up, and around). */
                if (q->type != WIRE_CREATE || !streq(q->id, id) || (int32_t) (q->tag - kill_tag) > 0)
                        continue;
                g_hash_table_iter_steal(&i);
                fail_request(c, q, ECANCELED, "The session was ended while it was made.");
                return; /* the table may have changed; there is one of an id */
        }
}

static int on_ended(StageClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        StageRequest *q;
        MsgEnded ended;
        int k;

        k = msg_ended_decode(&r, &ended);
        if (k < 0)
                return k;
        if (m->tag == 0) {
                c->handlers->ended(ended.id, ended.reason, c->userdata);
                return 0;
        }
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (q->type != WIRE_KILL || !streq(q->id, ended.id)) {
                fail_request(c, q, EBADMSG, "The builder gave a wrong answer; try again.");
                return -EBADMSG;
        }
        cancel_create(c, ended.id, m->tag);
        c->handlers->killed(ended.reason, q->userdata, c->userdata);
        request_destroy(q);
        return 0;
}

static int on_sessions(StageClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        _cleanup_free_ char **ids = NULL;
        size_t n;
        int k;

        ids = wire_get_strv(&r, SESSIONS_MAX, SESSION_ID_MAX, &n);
        k = wire_reader_finish(&r);
        if (k < 0)
                return k;
        for (size_t i = 0; i < n; i++)
                if (!session_id_valid(ids[i]))
                        return -EBADMSG;
        c->handlers->listed(ids, n, c->userdata);
        return 0;
}

static int on_message(Link *l, WireMessage *m, void *userdata) {
        StageClient *c = userdata;

        (void) l;
        switch (m->type) {
        case WIRE_READY:
                return on_ready(c, m);
        case WIRE_FAILED:
                return on_failed(c, m);
        case WIRE_ENDED:
                return on_ended(c, m);
        case WIRE_SESSIONS:
                return on_sessions(c, m);
        default:
                return -EBADMSG;
        }
}

static void on_closed(Link *l, int error, void *userdata) {
        StageClient *c = userdata;

        (void) l;
        c->link = link_free(c->link);
        if (error == 0)
                log_warning("ocsb-stage closed the connection; sessions live on, connecting again");
        else
                log_warning("Lost the connection to ocsb-stage: %s; sessions live on, connecting again",
                                g_strerror(-error));
        retry_reset(&c->retry);
        fail_all(c);
        retry_schedule(&c->retry);
}

/* The builder runs as root, and only root can bind its path: but look, it costs nothing. */
static int check_peer(int fd) {
        struct ucred peer;
        int r = wire_peer(fd, &peer);

        if (r < 0)
                return r;
        return peer.uid == 0 ? 0 : -EPERM;
}

static int try_connect(StageClient *c) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = link_connect(c->path);
        if (fd < 0)
                return fd;
        r = check_peer(fd);
        if (r < 0)
                return r;
        r = link_new(c->event, TAKE_FD(fd), "stage", on_message, on_closed, c, &c->link);
        if (r < 0)
                return r;
        r = link_send(c->link, WIRE_LIST, 0, NULL, NULL, 0);
        if (r < 0) {
                c->link = link_free(c->link);
                return r;
        }
        return 0;
}

static void attempt(void *userdata) {
        StageClient *c = userdata;
        int r = try_connect(c);

        if (r < 0) {
                if (!c->warned)
                        log_warning("Cannot reach ocsb-stage at %s: %s; trying on", c->path, g_strerror(-r));
                c->warned = true;
                retry_schedule(&c->retry);
                c->handlers->unreachable(c->userdata);
                return;
        }
        c->warned = false;
        retry_reset(&c->retry);
        c->handlers->connected(c->userdata);
}

void stage_client_start(StageClient *c) {
        attempt(c);
}

bool stage_is_connected(const StageClient *c) {
        return c->link;
}

static uint32_t next_tag(StageClient *c) {
        do
                c->last_tag++;
        while (c->last_tag == 0 || g_hash_table_contains(c->requests, GUINT_TO_POINTER(c->last_tag)));
        return c->last_tag;
}

static int on_create_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        StageRequest *q = userdata;
        StageCreated created = q->created;
        MsgFailed failed = { .error = ETIMEDOUT, .step = "stage",
                .text = "The builder did not finish the session in time; try again." };

        (void) source;
        (void) usec;
        /* The request stays: its answer may still come and must find it forgotten. */
        q->created = NULL;
        if (created)
                created(NULL, -EBADF, &failed, q->userdata);
        return 0;
}

int stage_create(StageClient *c, const char *id, const WireWriter *plan, const int *fds, size_t n_fds,
                StageCreated callback, void *userdata, uint32_t *ret_tag) {
        StageRequest *q;
        uint32_t tag;
        int r;

        if (!c->link)
                return -ENOTCONN;
        tag = next_tag(c);
        r = link_send(c->link, WIRE_CREATE, tag, plan, fds, n_fds);
        if (r < 0)
                return r;

        q = g_new0(StageRequest, 1);
        q->tag = tag;
        q->type = WIRE_CREATE;
        (void) g_strlcpy(q->id, id, sizeof(q->id));
        q->created = callback;
        q->userdata = userdata;
        if (sd_event_add_time_relative(c->event, &q->timer, CLOCK_MONOTONIC, CREATE_TIMEOUT_USEC,
                            USEC_PER_SEC, on_create_timeout, q) >= 0)
                (void) sd_event_source_set_description(q->timer, "stage-create");
        g_hash_table_insert(c->requests, GUINT_TO_POINTER(tag), q);
        *ret_tag = tag;
        return 0;
}

void stage_forget(StageClient *c, uint32_t tag) {
        StageRequest *q = g_hash_table_lookup(c->requests, GUINT_TO_POINTER(tag));

        if (q && q->type == WIRE_CREATE)
                q->created = NULL;
}

int stage_kill(StageClient *c, const char *id, void *kill_userdata) {
        _cleanup_writer_ WireWriter body = {};
        StageRequest *q;
        uint32_t tag;
        int r;

        if (!c->link)
                return -ENOTCONN;
        tag = next_tag(c);
        wire_put_string(&body, id);
        r = link_send(c->link, WIRE_KILL, tag, &body, NULL, 0);
        if (r < 0)
                return r;

        q = g_new0(StageRequest, 1);
        q->tag = tag;
        q->type = WIRE_KILL;
        (void) g_strlcpy(q->id, id, sizeof(q->id));
        q->userdata = kill_userdata;
        g_hash_table_insert(c->requests, GUINT_TO_POINTER(tag), q);
        return 0;
}
