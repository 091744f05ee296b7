/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests to a monitor and their answers. Requests are answered in the order in which they were sent or not
 * at all, so that the oldest one carries the deadline of all. */

#include "monitor-client.h"

#include <glib.h>

#include "link.h"

#define ANSWER_TIMEOUT_USEC (10 * USEC_PER_SEC)

typedef struct MonitorRequest {
        uint32_t tag;
        uint64_t deadline; /* CLOCK_MONOTONIC */
        MonitorAck ack;
        MonitorInfo info;
        MonitorEgress egress;
        size_t n_targets; /* of egress */
        void *userdata;
} MonitorRequest;

struct MonitorClient {
        sd_event *event;
        Link *link; /* NULL once it is closed */
        const MonitorHandlers *handlers;
        void *userdata;
        uint32_t last_tag;
        GQueue requests; /* MonitorRequest*, oldest first */
        sd_event_source *timer;
        unsigned depth; /* of calls into handlers, during which the memory must stay */
        bool probed, freed;
};

static void leave(MonitorClient *c) {
        if (--c->depth == 0 && c->freed)
                g_free(c);
}

static void answer(MonitorRequest *q, int error, const char *text) {
        if (q->ack)
                q->ack(error, text, q->userdata);
        else if (q->egress)
                q->egress(NULL, q->userdata);
        else
                q->info(NULL, q->userdata);
        g_free(q);
}

static void fail_all(MonitorClient *c, int error, const char *text) {
        MonitorRequest *q;

        while ((q = g_queue_pop_head(&c->requests)))
                answer(q, error, text);
}

static void client_close(MonitorClient *c, int error) {
        c->link = link_free(c->link);
        c->timer = sd_event_source_disable_unref(c->timer);
        fail_all(c, EPIPE, "the session has ended");
        if (!c->freed)
                c->handlers->closed(error, c->userdata);
}

static void on_closed(Link *l, int error, void *userdata) {
        MonitorClient *c = userdata;

        (void) l;
        c->depth++;
        client_close(c, error);
        leave(c);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_timer(MonitorClient *c) {
        const MonitorRequest *q = g_queue_peek_head(&c->requests);

        if (!q) {
                if (c->timer)
                        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
                return;
        }
        if (!c->timer) {
                if (sd_event_add_time(c->event, &c->timer, CLOCK_MONOTONIC, q->deadline, 0, on_timeout, c) <
                                0)
                        return;
                (void) sd_event_source_set_description(c->timer, "monitor-answer");
        } else
                (void) sd_event_source_set_time(c->timer, q->deadline);
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        MonitorClient *c = userdata;
        MonitorRequest *q;

        (void) source;
        c->depth++;
        while (!c->freed && (q = g_queue_peek_head(&c->requests)) && q->deadline <= usec)
                answer(g_queue_pop_head(&c->requests), ETIMEDOUT, "the session's monitor does not answer");
        if (!c->freed)
                arm_timer(c);
        leave(c);
        return 0;
}

static MonitorRequest *take_request(MonitorClient *c, uint32_t tag) {
        for (GList *l = c->requests.head; l; l = l->next) {
                MonitorRequest *q = l->data;

                if (q->tag == tag) {
                        g_queue_delete_link(&c->requests, l);
                        arm_timer(c);
                        return q;
                }
        }
        return NULL;
}

static int on_ack(MonitorClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        g_autofree char *escaped = NULL;
        MonitorRequest *q;
        char text[512];
        int error, k;

        k = msg_ack_decode(&r, &error, text, sizeof(text));
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (!q)
                return 0; /* came after its deadline */
        if (q->egress) { /* it could not be tried */
                answer(q, error, "");
                return 0;
        }
        if (!q->ack) {
                answer(q, EBADMSG, "");
                return -EBADMSG;
        }
        escaped = text_escape(text, strlen(text), 0);
        answer(q, error, escaped ? escaped : "");
        return 0;
}

static int on_info(MonitorClient *c, WireMessage *m) {
        _cleanup_(msg_info_done) MsgInfo info = {};
        WireReader r = WIRE_READER(m->body, m->len);
        MonitorRequest *q;
        int k;

        k = msg_info_decode(&r, &info);
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (!q->info) {
                answer(q, EBADMSG, "the session's monitor gave a wrong answer");
                return -EBADMSG;
        }
        q->info(&info, q->userdata);
        g_free(q);
        return 0;
}

static int on_egressed(MonitorClient *c, WireMessage *m) {
        _cleanup_msg_egressed_ MsgEgressed seen = {};
        WireReader r = WIRE_READER(m->body, m->len);
        MonitorRequest *q;
        int k;

        k = msg_egressed_decode(&r, &seen);
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (!q->egress || seen.n_seen != q->n_targets) {
                answer(q, EBADMSG, "the session's monitor gave a wrong answer");
                return -EBADMSG;
        }
        q->egress(&seen, q->userdata);
        g_free(q);
        return 0;
}

static int on_event(MonitorClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        MsgFailed failed;
        MsgExited exited;
        int k;

        switch (m->type) {
        case WIRE_EVENT_STARTED:
                c->handlers->exec_started(m->tag, c->userdata);
                return 0;
        case WIRE_EVENT_FAILED:
                k = msg_failed_decode(&r, &failed);
                if (k >= 0)
                        c->handlers->exec_failed(m->tag, &failed, c->userdata);
                return k;
        case WIRE_EVENT_EXITED:
                k = msg_exited_decode(&r, &exited);
                if (k >= 0)
                        c->handlers->exec_exited(m->tag, &exited, c->userdata);
                return k;
        default:
                return -EBADMSG;
        }
}

static int on_probed(MonitorClient *c, WireMessage *m) {
        _cleanup_(msg_probe_done) MsgProbe probe = {};
        WireReader r = WIRE_READER(m->body, m->len);
        int k;

        /* Once per connection: each one costs a write of the state file. */
        if (c->probed)
                return -EBADMSG;
        c->probed = true;
        k = msg_probe_decode(&r, &probe);
        if (k < 0)
                return k;
        c->handlers->probed(&probe, c->userdata);
        return 0;
}

static int on_message(Link *l, WireMessage *m, void *userdata) {
        MonitorClient *c = userdata;
        int r;

        (void) l;
        c->depth++;
        switch (m->type) {
        case WIRE_ACK:
                r = on_ack(c, m);
                break;
        case WIRE_INFO_REPLY:
                r = on_info(c, m);
                break;
        case WIRE_PROBED:
                r = on_probed(c, m);
                break;
        case WIRE_EGRESSED:
                r = on_egressed(c, m);
                break;
        default:
                r = on_event(c, m);
        }
        if (c->freed)
                r = 0; /* the link is freed too and must not report itself */
        leave(c);
        return r;
}

int monitor_client_new(sd_event *event, int fd, const MonitorHandlers *handlers, void *userdata,
                MonitorClient **ret) {
        MonitorClient *c = g_new0(MonitorClient, 1);
        int r;

        c->event = event;
        c->handlers = handlers;
        c->userdata = userdata;
        g_queue_init(&c->requests);
        r = link_new(event, fd, "monitor", on_message, on_closed, c, &c->link);
        if (r < 0) {
                g_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

MonitorClient *monitor_client_free(MonitorClient *c) {
        if (!c || c->freed)
                return NULL;
        c->freed = true;
        c->depth++;
        client_close(c, 0);
        leave(c);
        return NULL;
}

static int request_send(MonitorClient *c, WireType type, const WireWriter *body, const int *fds,
                size_t n_fds, const MonitorRequest *request, uint32_t *ret_tag) {
        MonitorRequest *q;
        uint64_t now;
        int r;

        if (!c->link)
                return -EPIPE;
        r = sd_event_now(c->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (++c->last_tag == 0)
                c->last_tag = 1; /* 0 is what nobody asked for */
        r = link_send(c->link, type, c->last_tag, body, fds, n_fds);
        if (r < 0)
                return r;

        q = g_memdup2(request, sizeof(*request));
        q->tag = c->last_tag;
        q->deadline = now + ANSWER_TIMEOUT_USEC;
        g_queue_push_tail(&c->requests, q);
        if (g_queue_get_length(&c->requests) == 1)
                arm_timer(c);
        if (ret_tag)
                *ret_tag = q->tag;
        return 0;
}

int monitor_call(MonitorClient *c, WireType type, const WireWriter *body, const int *fds, size_t n_fds,
                MonitorAck callback, void *userdata, uint32_t *ret_tag) {
        return request_send(c, type, body, fds, n_fds, &(MonitorRequest) { .ack = callback, .userdata = userdata }, ret_tag);
}

int monitor_info(MonitorClient *c, MonitorInfo callback, void *userdata) {
        return request_send(c, WIRE_INFO, NULL, NULL, 0, &(MonitorRequest) { .info = callback, .userdata = userdata }, NULL);
}

int monitor_egress(MonitorClient *c, const MsgEgress *what, MonitorEgress callback, void *userdata) {
        _cleanup_writer_ WireWriter body = {};

        msg_egress_encode(&body, what);
        return request_send(c, WIRE_EGRESS, &body, NULL, 0,
                        &(MonitorRequest) { .egress = callback, .n_targets = what->n_targets, .userdata = userdata }, NULL);
}
