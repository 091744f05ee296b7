/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests to ocsb-fw and their answers. What ocsb-fw says is checked as what anybody says: it is another process with another
 * user. */

#include "firewall-client.h"

#include <glib.h>
#include <pwd.h>

#include "base/fd.h"
#include "base/log.h"
#include "link.h"
#include "retry.h"

#define ANSWER_TIMEOUT_USEC (15 * USEC_PER_SEC)
#define SHOW_BYTES_MAX (WIRE_BODY_MAX - 16)

typedef struct FirewallRequest {
        uint32_t tag;
        uint64_t deadline; /* CLOCK_MONOTONIC */
        FirewallAck ack;   /* one of the three */
        FirewallStatus status;
        FirewallText text;
        void *userdata;
} FirewallRequest;

struct FirewallClient {
        sd_event *event;
        char *path;
        const FirewallHandlers *handlers;
        void *userdata;
        Link *link;
        uint32_t last_tag;
        GQueue requests; /* FirewallRequest*, oldest first */
        sd_event_source *timer;
        Retry retry;
        bool warned;
};

static void attempt(void *userdata);

FirewallClient *firewall_client_new(sd_event *event, const char *path, const FirewallHandlers *handlers, void *userdata) {
        FirewallClient *c = g_new0(FirewallClient, 1);

        c->event = event;
        c->path = g_strdup(path);
        c->handlers = handlers;
        c->userdata = userdata;
        c->retry = (Retry) { .event = event, .description = "firewall-retry", .attempt = attempt, .userdata = c };
        g_queue_init(&c->requests);
        return c;
}

static void fail(FirewallRequest *q, int error, const char *text) {
        if (q->ack)
                q->ack(error, text, q->userdata);
        else if (q->status)
                q->status(NULL, q->userdata);
        else
                q->text(NULL, q->userdata);
        g_free(q);
}

/* What the callbacks begin is not part of what failed. */
static void fail_all(FirewallClient *c) {
        GQueue requests = c->requests;
        FirewallRequest *q;

        g_queue_init(&c->requests);
        while ((q = g_queue_pop_head(&requests)))
                fail(q, EPIPE, "the connection to ocsb-fw was lost");
}

FirewallClient *firewall_client_free(FirewallClient *c) {
        if (!c)
                return NULL;
        c->link = link_free(c->link);
        fail_all(c);
        sd_event_source_disable_unref(c->timer);
        retry_done(&c->retry);
        g_free(c->path);
        g_free(c);
        return NULL;
}

static FirewallRequest *take_request(FirewallClient *c, uint32_t tag) {
        for (GList *l = c->requests.head; l; l = l->next) {
                FirewallRequest *q = l->data;

                if (q->tag == tag) {
                        g_queue_delete_link(&c->requests, l);
                        return q;
                }
        }
        return NULL; /* answered after its deadline */
}

/* Messages */

static int on_ack(FirewallClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        _cleanup_free_ char *escaped = NULL;
        char text[MSG_ACK_TEXT_MAX + 1];
        FirewallRequest *q;
        int error, k;

        k = msg_ack_decode(&r, &error, text, sizeof(text));
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (!q->ack) { /* a status or text that could not be given */
                fail(q, error, "");
                return 0;
        }
        escaped = text_escape(text, strlen(text), 0);
        fail(q, error, escaped ? escaped : "");
        return 0;
}

static int on_status(FirewallClient *c, WireMessage *m) {
        _cleanup_(fw_status_done) FwStatus status = {};
        WireReader r = WIRE_READER(m->body, m->len);
        FirewallRequest *q;
        int k;

        k = fw_status_decode(&r, &status);
        if (k < 0)
                return k;
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (!q->status) {
                fail(q, EBADMSG, "ocsb-fw gave a wrong answer");
                return -EBADMSG;
        }
        q->status(&status, q->userdata);
        g_free(q);
        return 0;
}

static int on_show(FirewallClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        _cleanup_free_ char *text = NULL;
        FirewallRequest *q;
        int k;

        text = wire_get_string(&r, SHOW_BYTES_MAX);
        k = wire_reader_finish(&r);
        if (k < 0)
                return k;
        if (!utf8_is_valid(text, strlen(text)))
                return -EBADMSG;
        q = take_request(c, m->tag);
        if (!q)
                return 0;
        if (!q->text) {
                fail(q, EBADMSG, "ocsb-fw gave a wrong answer");
                return -EBADMSG;
        }
        q->text(text, q->userdata);
        g_free(q);
        return 0;
}

static int on_drift(FirewallClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        _cleanup_free_ char *what = NULL, *escaped = NULL;
        uint64_t usec = wire_get_u64(&r);
        int k;

        what = wire_get_string(&r, 4096);
        k = wire_reader_finish(&r);
        if (k < 0)
                return k;
        escaped = text_escape(what, strlen(what), 200);
        c->handlers->drift(usec, escaped ? escaped : "", c->userdata);
        return 0;
}

static int on_expired(FirewallClient *c, WireMessage *m) {
        WireReader r = WIRE_READER(m->body, m->len);
        char id[SESSION_ID_MAX + 1];
        uint32_t grant;
        int k;

        wire_get_id(&r, id);
        grant = wire_get_u32(&r);
        k = wire_reader_finish(&r);
        if (k < 0)
                return k;
        c->handlers->expired(id, grant, c->userdata);
        return 0;
}

static int on_message(Link *l, WireMessage *m, void *userdata) {
        FirewallClient *c = userdata;

        (void) l;
        switch (m->type) {
        case WIRE_ACK:
                return on_ack(c, m);
        case FW_STATUS_REPLY:
                return on_status(c, m);
        case FW_SHOW_REPLY:
                return on_show(c, m);
        case FW_DRIFT:
                return on_drift(c, m);
        case FW_EXPIRED:
                return on_expired(c, m);
        default:
                return -EBADMSG;
        }
}

/* Connecting */

static void on_closed(Link *l, int error, void *userdata) {
        FirewallClient *c = userdata;

        (void) l;
        c->link = link_free(c->link);
        if (error == 0)
                log_warning("ocsb-fw closed the connection; its rules stay, connecting again");
        else
                log_warning("Lost the connection to ocsb-fw: %s; its rules stay, connecting again", g_strerror(-error));
        retry_reset(&c->retry);
        fail_all(c);
        c->handlers->disconnected(c->userdata);
        retry_schedule(&c->retry);
}

/* Whoever listens there decides what sandboxes reach: root, or the service's own user. */
static int check_peer(int fd) {
        const struct passwd *pw;
        struct ucred peer;
        int r = wire_peer(fd, &peer);

        if (r < 0)
                return r;
        if (peer.uid == 0)
                return 0;
        pw = getpwnam("ocsb-fw");
        return pw && pw->pw_uid == peer.uid ? 0 : -EPERM;
}

static int try_connect(FirewallClient *c) {
        _cleanup_close_ int fd = link_connect(c->path);
        int r;

        if (fd < 0)
                return fd;
        r = check_peer(fd);
        if (r < 0)
                return r;
        return link_new(c->event, TAKE_FD(fd), "firewall", on_message, on_closed, c, &c->link);
}

static void attempt(void *userdata) {
        FirewallClient *c = userdata;
        int r = try_connect(c);

        if (r < 0) {
                if (!c->warned)
                        log_info("Cannot reach ocsb-fw at %s: %s; sessions with network \"nat\" are refused until it is there",
                                        c->path, g_strerror(-r));
                c->warned = true;
                retry_schedule(&c->retry);
                return;
        }
        c->warned = false;
        retry_reset(&c->retry);
        c->handlers->connected(c->userdata);
}

void firewall_client_start(FirewallClient *c) {
        attempt(c);
}

bool firewall_is_connected(const FirewallClient *c) {
        return c && c->link;
}

/* Requests */

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_timer(FirewallClient *c) {
        const FirewallRequest *q = g_queue_peek_head(&c->requests);

        if (!q) {
                if (c->timer)
                        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
                return;
        }
        if (!c->timer) {
                if (sd_event_add_time(c->event, &c->timer, CLOCK_MONOTONIC, q->deadline, 0, on_timeout, c) < 0)
                        return;
                (void) sd_event_source_set_description(c->timer, "firewall-answer");
        } else
                (void) sd_event_source_set_time(c->timer, q->deadline);
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        FirewallClient *c = userdata;
        FirewallRequest *q;

        (void) source;
        while ((q = g_queue_peek_head(&c->requests)) && q->deadline <= usec)
                fail(g_queue_pop_head(&c->requests), ETIMEDOUT, "ocsb-fw does not answer");
        arm_timer(c);
        return 0;
}

static int send_request(FirewallClient *c, FwType type, const WireWriter *body, const FirewallRequest *request) {
        FirewallRequest *q;
        uint64_t now = 0;
        int r;

        if (!c->link)
                return -ENOTCONN;
        if (++c->last_tag == 0)
                c->last_tag = 1;
        r = link_send(c->link, type, c->last_tag, body, NULL, 0);
        if (r < 0)
                return r;
        (void) sd_event_now(c->event, CLOCK_MONOTONIC, &now);
        q = g_memdup2(request, sizeof(*request));
        q->tag = c->last_tag;
        q->deadline = now + ANSWER_TIMEOUT_USEC;
        g_queue_push_tail(&c->requests, q);
        arm_timer(c);
        return 0;
}

int firewall_call(FirewallClient *c, FwType type, const WireWriter *body, FirewallAck callback, void *userdata) {
        return send_request(c, type, body, &(FirewallRequest) { .ack = callback, .userdata = userdata });
}

int firewall_set(FirewallClient *c, const char *id, const NetIntent *intent, FirewallAck callback, void *userdata) {
        _cleanup_writer_ WireWriter body = {};

        wire_put_string(&body, id);
        net_intent_encode(&body, intent);
        return firewall_call(c, FW_SET, &body, callback, userdata);
}

int firewall_status(FirewallClient *c, FirewallStatus callback, void *userdata) {
        return send_request(c, FW_STATUS, NULL, &(FirewallRequest) { .status = callback, .userdata = userdata });
}

int firewall_show(FirewallClient *c, FirewallText callback, void *userdata) {
        return send_request(c, FW_SHOW, NULL, &(FirewallRequest) { .text = callback, .userdata = userdata });
}
