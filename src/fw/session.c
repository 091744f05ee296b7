/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions: a record, rules outside, rules inside, an interface, in this order; and the way back in the other one. Wherever a kill
 * falls, the next ocsb-fw finds either the record, and builds what it says, or nothing but an interface without rules. */

#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "fw/conntrack.h"
#include "fw/fw.h"
#include "fw/inner.h"
#include "fw/link.h"
#include "fw/netlink.h"
#include "fw/ruleset.h"

#define LEAVING_TICK_USEC USEC_PER_SEC
#define LEAVING_FLOWS_USEC (10 * USEC_PER_SEC)
#define LEAVING_PATIENCE_USEC (2 * USEC_PER_SEC) /* a namespace takes its interface along after 30 to 65 ms */
#define LEAVING_AT_ONCE 64u
#define EXPIRY_AGAIN_USEC (100 * UINT64_C(1000))
#define EXPIRY_LOOK_USEC (60 * USEC_PER_SEC) /* CLOCK_REALTIME may be set */

static unsigned bucket(const char *id) {
        uint32_t h = 2166136261u;

        for (; *id; id++)
                h = (h ^ (uint8_t) *id) * 16777619u;
        return h % BUCKETS;
}

Session *session_find(Fw *f, const char *id) {
        Session *s = f->by_id[bucket(id)];

        while (s && !streq(s->record.id, id))
                s = s->next_by_id;
        return s;
}

static void log_session(int level, const Session *s, const char *text) {
        log_record(level, &(LogContext) { .session = s->record.id, .owner = s->record.uid }, NULL, "%s", text);
}

static void unlink_session(Fw *f, Session *s) {
        for (Session **p = &f->by_id[bucket(s->record.id)]; *p; p = &(*p)->next_by_id)
                if (*p == s) {
                        *p = s->next_by_id;
                        break;
                }
        for (Session **p = &f->sessions; *p; p = &(*p)->next)
                if (*p == s) {
                        *p = s->next;
                        break;
                }
        f->n_sessions--;
        if (f->loop)
                loop_remove(f->loop, &s->log_source);
        fd_close(s->route);
        fd_close(s->netfilter);
        free(s);
}

static Session *link_session(Fw *f, const StateRecord *r) {
        Session *s = calloc(1, sizeof(*s));
        unsigned b = bucket(r->id);

        if (!s)
                return NULL;
        *s = (Session) { .fw = f, .record = *r, .route = -EBADF, .netfilter = -EBADF, .next_until = USEC_INFINITY };
        s->next_by_id = f->by_id[b];
        f->by_id[b] = s;
        s->next = f->sessions;
        f->sessions = s;
        f->n_sessions++;
        f->slots[r->slot] = 1;
        return s;
}

void sessions_free(Fw *f) {
        while (f->sessions)
                unlink_session(f, f->sessions);
        while (f->leaving) {
                Leaving *l = f->leaving;

                f->leaving = l->next;
                free(l);
        }
        free(f->slots);
        f->slots = NULL;
}

/* ---- slots and addresses ---- */

int slots_init(Fw *f) {
        uint32_t host_bits = 32 - f->config.pool_ipv4.length;
        uint32_t n = host_bits > 16 ? FW_SESSIONS_MAX : MIN((UINT32_C(1) << host_bits) - 2, FW_SESSIONS_MAX);
        uint8_t *slots = calloc((size_t) n + 1, 1);

        if (!slots)
                return -ENOMEM;
        free(f->slots);
        f->slots = slots;
        f->n_slots = n;
        f->slot_hint = 1;
        for (const Leaving *l = f->leaving; l; l = l->next)
                if (l->slot <= n)
                        slots[l->slot] = 1;
        return 0;
}

static uint32_t slot_take(Fw *f) {
        /* Onwards from the last one: addresses are used again as late as possible. */
        for (uint32_t i = 0; i < f->n_slots; i++) {
                uint32_t slot = (f->slot_hint + i - 1) % f->n_slots + 1;

                if (!f->slots[slot]) {
                        f->slots[slot] = 1;
                        f->slot_hint = slot % f->n_slots + 1;
                        return slot;
                }
        }
        return 0;
}

/* The slot is a number behind the network's own bits. */
static NetAddress address_of(const NetPrefix *pool, uint32_t slot) {
        NetAddress a = pool->address;
        size_t last = (a.family == 4 ? 4 : 16) - 1;

        for (size_t i = 0; i < 4 && slot; i++, slot >>= 8)
                a.bytes[last - i] |= (uint8_t) slot;
        return a;
}

static void leaving_tick(void *userdata);

static void slot_leaves(Fw *f, const Session *s) {
        Leaving *l = calloc(1, sizeof(*l)), **p;

        if (!l)
                return; /* the slot stays taken: better than used too early */
        *l = (Leaving) { .slot = s->record.slot, .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6, .since = now_monotonic() };
        for (p = &f->leaving; *p; p = &(*p)->next)
                ;
        *p = l;
        if (!f->leaving_timer.active)
                loop_timer_set(f->loop, &f->leaving_timer, LEAVING_TICK_USEC, leaving_tick, f);
}

/* Off the way of every answer: a look whether interfaces are gone, and, when a namespace lives on, their end. Flows are cut for many
 * at a time: the kernel walks its whole table of them, which takes 10 ms even when it is empty. */
static void leaving_look(Fw *f, bool now_please) {
        NetAddress flows[2 * LEAVING_AT_ONCE];
        uint32_t late[LEAVING_AT_ONCE];
        size_t n_flows = 0, n_late = 0;
        uint64_t now = now_monotonic(), oldest = now;
        unsigned seen = 0;

        for (Leaving *l = f->leaving; l && seen < LEAVING_AT_ONCE; l = l->next, seen++)
                if (!link_exists(f->host.fd, l->slot)) {
                        flows[n_flows++] = l->ipv4;
                        flows[n_flows++] = l->ipv6;
                        oldest = MIN(oldest, l->since);
                } else if (now - l->since > LEAVING_PATIENCE_USEC)
                        late[n_late++] = l->slot;
        if (n_late > 0 && link_delete(f->host.fd, late, n_late) < 0)
                log_warning("Failed to take away %zu interfaces of sessions that have ended", n_late);
        if (n_flows == 0 || !(now_please || n_flows == ELEMENTSOF(flows) || now - oldest > LEAVING_FLOWS_USEC) ||
                        conntrack_cut(flows, n_flows, NULL, NULL) < 0)
                return;
        for (Leaving **p = &f->leaving, *l = *p; l && seen > 0; l = *p, seen--) {
                bool over = false;

                for (size_t i = 0; i < n_flows; i += 2)
                        over = over || net_address_equal(flows + i, &l->ipv4);
                if (!over) {
                        p = &l->next;
                        continue;
                }
                *p = l->next;
                if (l->slot <= f->n_slots)
                        f->slots[l->slot] = 0;
                free(l);
        }
}

static void leaving_tick(void *userdata) {
        Fw *f = userdata;

        leaving_look(f, false);
        if (f->leaving)
                loop_timer_set(f->loop, &f->leaving_timer, LEAVING_TICK_USEC, leaving_tick, f);
}

/* ---- what may be asked for ---- */

static int refuse_host(const Host *h, const NetAddress *a, const char *what, Answer *ret) {
        char text[NET_ADDRESS_TEXT_MAX];

        if (!host_has_address(h, a))
                return 0;
        return answer(ret, -EADDRNOTAVAIL, "%s %s is an address of this host: no sandbox reaches the host itself", what,
                        net_address_format(a, text));
}

static int check_intent(const Fw *f, const NetIntent *n, Answer *a) {
        int r = 0;

        for (size_t i = 0; i < n->n_resolvers && r >= 0; i++)
                r = refuse_host(&f->host, n->resolvers + i, "Resolver", a);
        for (size_t i = 0; i < n->n_grants && r >= 0; i++)
                if (n->grants[i].to.length == (n->grants[i].to.address.family == 4 ? 32u : 128u))
                        r = refuse_host(&f->host, &n->grants[i].to.address, "Grant:", a);
        return r;
}

/* ---- grants that end ---- */

static void on_expiry(void *userdata);

static void arm_expiry(Fw *f) {
        uint64_t now = now_realtime(), next = USEC_INFINITY;

        for (const Session *s = f->sessions; s; s = s->next)
                next = MIN(next, s->next_until);
        f->next_until = next;
        if (next == USEC_INFINITY)
                loop_timer_clear(f->loop, &f->expiry_timer);
        else
                /* One that is over already was not to be taken away: not again at once. */
                loop_timer_set(f->loop, &f->expiry_timer, next > now ? MIN(next - now, EXPIRY_LOOK_USEC) : EXPIRY_AGAIN_USEC,
                                on_expiry, f);
}

/* Keeps next_until in order without a walk over all sessions, when it can. */
static void note_until(Fw *f, Session *s) {
        uint64_t before = s->next_until;

        s->next_until = USEC_INFINITY;
        for (size_t i = 0; i < s->record.intent.n_grants; i++)
                s->next_until = MIN(s->next_until, s->record.intent.grants[i].until_usec);
        if (f->loop && (s->next_until < f->next_until || before == f->next_until) && before != s->next_until)
                arm_expiry(f);
}

/* Takes out what is over at now; expired: their ids. Returns how many. */
static size_t strip_expired(NetIntent *n, uint64_t now, uint32_t *expired) {
        size_t kept = 0, gone = 0;

        for (size_t i = 0; i < n->n_grants; i++)
                if (n->grants[i].until_usec <= now)
                        expired[gone++] = n->grants[i].id;
                else
                        n->grants[kept++] = n->grants[i];
        memset(n->grants + kept, 0, gone * sizeof(*n->grants));
        n->n_grants = kept;
        return gone;
}

static int apply_intent(Fw *f, Session *s, const NetIntent *intent, Answer *a);

static void on_expiry(void *userdata) {
        Fw *f = userdata;
        uint64_t now = now_realtime();

        for (Session *s = f->sessions; s; s = s->next) {
                NetIntent n = s->record.intent;
                uint32_t expired[NET_GRANTS_MAX];
                size_t gone;
                Answer a = {};

                if (s->next_until > now)
                        continue;
                gone = strip_expired(&n, now, expired);
                if (apply_intent(f, s, &n, &a) < 0)
                        log_session(LOG_LEVEL_ERR, s, a.text);
                for (size_t i = 0; i < gone; i++)
                        clients_tell_expired(f, s->record.id, expired[i]);
        }
        arm_expiry(f);
}

/* ---- changing ---- */

typedef struct Lost {
        const NetIntent *before, *after;
} Lost;

static bool grant_covers(const NetGrant *g, const NetAddress *to, uint8_t protocol, uint16_t port) {
        static const uint8_t v4[] = { 6, 17, 1 }, v6[] = { 6, 17, 58 };

        return net_prefix_contains(&g->to, to) && protocol == (to->family == 4 ? v4 : v6)[g->protocol] &&
                        (g->protocol == NET_PROTOCOL_ICMP || (port >= g->port_first && port <= g->port_last));
}

static bool intent_covers(const NetIntent *n, const NetAddress *to, uint8_t protocol, uint16_t port) {
        for (size_t i = 0; port == 53 && i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, to))
                        return true;
        for (size_t i = 0; i < n->n_grants; i++)
                if (grant_covers(n->grants + i, to, protocol, port))
                        return true;
        return false;
}

/* A flow that only something that is gone now had allowed. One to the public internet may be in it: it begins anew. */
static bool is_lost(const NetAddress *to, uint8_t protocol, uint16_t port, void *userdata) {
        const Lost *l = userdata;

        return intent_covers(l->before, to, protocol, port) && !intent_covers(l->after, to, protocol, port);
}

/* In that family. */
static bool loses(const NetIntent *before, const NetIntent *after, uint32_t family) {
        for (size_t i = 0; i < before->n_resolvers; i++) {
                bool kept = before->resolvers[i].family != family;

                for (size_t k = 0; k < after->n_resolvers; k++)
                        kept = kept || net_address_equal(before->resolvers + i, after->resolvers + k);
                if (!kept)
                        return true;
        }
        for (size_t i = 0; i < before->n_grants; i++) {
                bool kept = before->grants[i].to.address.family != family;

                for (size_t k = 0; k < after->n_grants; k++)
                        kept = kept || net_grant_equal(before->grants + i, after->grants + k);
                if (!kept)
                        return true;
        }
        return false;
}

static RulesetSession rules_of(const Session *s) {
        return (RulesetSession) { .slot = s->record.slot, .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6, .intent = &s->record.intent };
}

static int update_inner(Fw *f, Session *s, bool with_host, Answer *a) {
        InnerUpdate u = { .intent = &s->record.intent, .host_addresses = f->host.addresses, .n_host_addresses = f->host.n_addresses,
                .with_host_addresses = with_host };
        int r = s->netfilter >= 0 ? inner_update(s->netfilter, &u) : 0;

        if (r == -ESTALE)
                return answer(a, r, "The sandbox's namespace has no inner fence (table inet " RULESET_INNER_TABLE ")");
        return r < 0 ? answer(a, r, "The inner fence refused the change: %s", strerror(-r)) : 0;
}

/* Record, outer fence, inner fence, flows. */
static int apply_intent(Fw *f, Session *s, const NetIntent *intent, Answer *a) {
        const NetAddress own[] = { s->record.ipv4, s->record.ipv6 };
        NetIntent before = s->record.intent;
        Lost lost = { .before = &before, .after = &s->record.intent };
        RulesetSession rules, old;
        char *text;
        int r, k;

        s->record.intent = *intent;
        FAULT("fw.set.before-record");
        r = state_save(f->state, &s->record);
        if (r < 0) {
                s->record.intent = before;
                return answer(a, r, "Failed to write the session's record in " OCSB_FW_STATE_DIR ": %s", strerror(-r));
        }
        FAULT("fw.set.record");
        rules = rules_of(s);
        old = rules;
        old.intent = &before;
        r = ruleset_replace(&old, &rules, &text);
        r = r < 0 ? answer(a, r, "Out of memory") : table_change(f, text, a);
        if (r < 0) {
                s->record.intent = before;
                (void) state_save(f->state, &s->record);
                return r;
        }
        FAULT("fw.set.rules");
        r = update_inner(f, s, false, a);
        FAULT("fw.set.inner");
        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                k = loses(&before, &s->record.intent, own[i].family) ? conntrack_cut(own + i, 1, is_lost, &lost) : 0;
                if (k < 0 && r >= 0)
                        r = answer(a, k, "The rules hold, but flows that were established are not cut: %s", strerror(-k));
        }
        FAULT("fw.set.flows");
        note_until(f, s);
        return r;
}

int session_set(Fw *f, Session *s, const NetIntent *intent, Answer *a) {
        uint32_t expired[NET_GRANTS_MAX];
        NetIntent n = *intent;
        size_t gone;
        int r = check_intent(f, intent, a);

        if (r < 0)
                return r;
        gone = strip_expired(&n, now_realtime(), expired);
        r = apply_intent(f, s, &n, a);
        for (size_t i = 0; r >= 0 && i < gone; i++)
                clients_tell_expired(f, s->record.id, expired[i]);
        return r;
}

int session_open_inner(Fw *f, Session *s, Answer *a) {
        int r;

        if (s->netfilter < 0)
                return answer(a, -EAGAIN, "ocsb-stage has not attached this session since ocsb-fw was started");
        s->record.opened = true;
        r = state_save(f->state, &s->record);
        if (r >= 0)
                r = inner_open(s->netfilter);
        return r < 0 ? answer(a, r, "The inner fence could not be opened: %s", strerror(-r)) : 0;
}

/* ---- attaching ---- */

void session_attached(const Session *s, FwAttached *ret) {
        *ret = (FwAttached) { .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6 };
        memcpy(ret->id, s->record.id, sizeof(ret->id));
        (void) snprintf(ret->interface, sizeof(ret->interface), "ocsb%u", s->record.slot);
}

static void log_refusal(const InnerRefusal *r, void *userdata) {
        static const struct {
                uint32_t number;
                const char *name;
        } names[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_ICMP, "icmp" }, { IPPROTO_ICMPV6, "icmpv6" } };
        const Session *s = userdata;
        char to[NET_ADDRESS_TEXT_MAX], port[24] = "", protocol[24];

        (void) snprintf(protocol, sizeof(protocol), "protocol %u", r->protocol);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].number == r->protocol)
                        (void) snprintf(protocol, sizeof(protocol), "%s", names[i].name);
        if (r->port > 0)
                (void) snprintf(port, sizeof(port), " port %u", r->port);
        log_record(LOG_LEVEL_INFO, &(LogContext) { .session = s->record.id, .owner = s->record.uid }, MSGID_FIREWALL_REFUSED,
                        "Refused %s to %s%s (%s)", protocol, net_address_format(&r->to, to), port, r->reason);
}

static void on_refusal(LoopSource *src, uint32_t events, void *userdata) {
        Session *s = userdata;

        /* The namespace is gone, and with it what there is to read. */
        if (inner_log_read(src->fd, log_refusal, s) < 0 || (events & (EPOLLERR | EPOLLHUP)))
                loop_remove(s->fw->loop, src);
}

/* Best effort: a log that is missing opens nothing. */
static void follow_refusals(Session *s) {
        int r = inner_log_bind(s->netfilter);

        if (r >= 0)
                r = loop_add(s->fw->loop, &s->log_source, s->netfilter, EPOLLIN, on_refusal, s);
        if (r < 0)
                log_session(LOG_LEVEL_WARNING, s, "What the sandbox is refused will not be logged: the kernel needs nfnetlink_log");
}

static int make_link(Fw *f, Session *s, int netns, Answer *a) {
        LinkAddresses l = { .slot = s->record.slot, .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6 };
        const char *step = NULL;
        int r;

        r = host_forward(&f->host, s->record.ipv6.family != 0, &step);
        if (r < 0)
                return answer(a, r, "Failed to turn forwarding on in %s: %s", step, strerror(-r));
        r = link_make(f->host.fd, s->route, netns, &l, &step);
        return r < 0 ? answer(a, r, "Failed to %s: %s", step, strerror(-r)) : 0;
}

/* What this gives holds the rules before the interface is there, in both fences. */
static int bring_up(Fw *f, Session *s, int netns, Answer *a) {
        RulesetSession rules = rules_of(s);
        char *text;
        int r;

        FAULT("fw.attach.before-record");
        r = state_save(f->state, &s->record);
        if (r < 0)
                return answer(a, r, "Failed to write the session's record in " OCSB_FW_STATE_DIR ": %s", strerror(-r));
        FAULT("fw.attach.record");
        r = ruleset_add(&rules, &text);
        r = r < 0 ? answer(a, r, "Out of memory") : table_change(f, text, a);
        if (r < 0)
                return r;
        FAULT("fw.attach.rules");
        r = update_inner(f, s, true, a);
        if (r < 0)
                return r;
        follow_refusals(s);
        FAULT("fw.attach.inner");
        r = make_link(f, s, netns, a);
        FAULT("fw.attach.link");
        return r;
}

static int attach_new(Client *c, const FwAttach *m, int fds[static 3], FwAttached *ret, Answer *a) {
        Fw *f = c->fw;
        StateRecord r = { .uid = m->uid, .intent = m->intent };
        uint32_t expired[NET_GRANTS_MAX];
        Session *s;
        int k;

        if (f->host.collision[0])
                return answer(a, -EADDRINUSE, "%s", f->host.collision);
        k = check_intent(f, &m->intent, a);
        if (k < 0)
                return k;
        memcpy(r.id, m->id, sizeof(r.id));
        r.slot = slot_take(f);
        if (r.slot == 0) {
                leaving_look(f, true);
                r.slot = slot_take(f);
        }
        if (r.slot == 0)
                return answer(a, -EADDRINUSE, "Every address of pool_ipv4 is in use");
        r.ipv4 = address_of(&f->config.pool_ipv4, r.slot);
        if (host_has_ipv6(&f->host))
                r.ipv6 = address_of(&f->config.pool_ipv6, r.slot);
        (void) strip_expired(&r.intent, now_realtime(), expired);
        s = link_session(f, &r);
        if (!s) {
                f->slots[r.slot] = 0;
                return answer(a, -ENOMEM, "Out of memory");
        }
        s->route = TAKE_FD(fds[1]);
        s->netfilter = TAKE_FD(fds[2]);
        s->attached_by = c->serial;
        k = bring_up(f, s, fds[0], a);
        if (k < 0) {
                session_detach(f, s);
                return k;
        }
        note_until(f, s);
        session_attached(s, ret);
        return 0;
}

/* The same namespace as before: its interface is in it. Then ocsb-fw's own record says what it may reach. */
static int attach_again(Client *c, Session *s, int fds[static 3], FwAttached *ret, Answer *a) {
        Fw *f = c->fw;
        int r;

        loop_remove(f->loop, &s->log_source);
        fd_close(s->route);
        fd_close(s->netfilter);
        s->route = TAKE_FD(fds[1]);
        s->netfilter = TAKE_FD(fds[2]);
        r = update_inner(f, s, true, a);
        if (r >= 0)
                follow_refusals(s);
        if (r >= 0 && s->record.opened)
                r = session_open_inner(f, s, a);
        if (r >= 0 && !f->host.forwards_ipv4) {
                const char *what;

                r = host_forward(&f->host, s->record.ipv6.family != 0, &what);
                if (r < 0)
                        (void) answer(a, r, "Failed to turn forwarding on in %s: %s", what, strerror(-r));
        }
        FAULT("fw.attach.again");
        if (r < 0)
                return r;
        s->attached_by = c->serial;
        session_attached(s, ret);
        return 0;
}

int session_attach(Client *c, const FwAttach *m, int fds[static 3], FwAttached *ret, Answer *a) {
        Session *s = session_find(c->fw, m->id);

        if (!nl_is(fds[1], NETLINK_ROUTE) || !nl_is(fds[2], NETLINK_NETFILTER))
                return answer(a, -EINVAL, "FW_ATTACH: the descriptors are not a namespace and its two netlink sockets");
        if (s && s->record.uid == m->uid && link_exists(c->fw->host.fd, s->record.slot) && link_is_inside(fds[1]))
                return attach_again(c, s, fds, ret, a);
        /* Another session of that name, or one whose interface somebody took away: what it may reach comes from the
         * plan, never from one that has ended. */
        if (s)
                session_detach(c->fw, s);
        return attach_new(c, m, fds, ret, a);
}

/* ---- ending ---- */

void session_detach(Fw *f, Session *s) {
        Answer a = {};
        char *text;
        Session copy = *s;
        RulesetSession rules = rules_of(&copy);

        FAULT("fw.detach.before-rules");
        state_remove(f->state, s->record.id);
        FAULT("fw.detach.record");
        /* Out of the list before the table could have to be built anew. */
        unlink_session(f, s);
        if (ruleset_remove(&rules, &text) >= 0 && table_change(f, text, &a) < 0)
                log_session(LOG_LEVEL_ERR, &copy, a.text);
        FAULT("fw.detach.rules");
        slot_leaves(f, &copy);
        if (copy.next_until == f->next_until && f->next_until != USEC_INFINITY)
                arm_expiry(f);
}

void sessions_synced(Client *c) {
        Fw *f = c->fw;

        for (Session *s = f->sessions, *next; s; s = next) {
                next = s->next;
                if (s->attached_by == c->serial)
                        continue;
                log_session(LOG_LEVEL_NOTICE, s, "The session is no more: taking its rules and interface away");
                session_detach(f, s);
        }
}

/* ---- start ---- */

static int load_one(const char *id, void *userdata) {
        Fw *f = userdata;
        StateRecord r;
        Session *s;
        int k = state_load(f->state, id, &r);

        if (k >= 0 && (r.slot > f->n_slots || f->slots[r.slot]))
                k = -EBADMSG;
        if (k < 0) {
                /* Its interface has no rules then, and passes nothing. ocsb-stage attaches the session anew. */
                log_error("The record of session %s is damaged: removing it", id);
                state_remove(f->state, id);
                return 0;
        }
        s = link_session(f, &r);
        if (!s)
                return -ENOMEM;
        note_until(f, s);
        f->next_until = MIN(f->next_until, s->next_until);
        return 0;
}

int sessions_load(Fw *f) {
        int r = state_foreach(f->state, load_one, f);

        if (r >= 0)
                arm_expiry(f);
        return r;
}
