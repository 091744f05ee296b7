/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is calling. The bus is asked once per connection, asynchronously: sd_bus_query_sender_creds() would
 * wait for the answer, and would add what it finds in /proc to it ("augmented"), which is racy. While the
 * answer is on its way the sender's messages wait here in their order; then they are put back into the bus's
 * read queue and take the ordinary way. The answer holds for the life of the connection: its credentials
 * cannot change and unique names are never used again. */

#include "client.h"

#include "base/fd.h"
#include "base/log.h"
#include "caller.h"
#include "errors.h"
#include "manager.h"
#include "operation.h"

#define HELD_MAX 64u
#define GRANTS_MAX 32u
#define DENIALS_PER_MINUTE 20u

struct ClientTable {
        Manager *manager;
        GHashTable *clients; /* unique name → Client* (reference) */
        sd_bus_slot *gate, *departures;
};

Client *client_ref(Client *c) {
        assert(c->n_ref > 0);
        c->n_ref++;
        return c;
}

static void drop_messages(GQueue *q) {
        sd_bus_message *m;

        while ((m = g_queue_pop_head(q)))
                sd_bus_message_unref(m);
}

Client *client_unref(Client *c) {
        if (!c)
                return NULL;
        assert(c->n_ref > 0);
        if (--c->n_ref > 0)
                return NULL;
        assert(g_queue_is_empty(&c->operations));
        sd_bus_slot_unref(c->query);
        drop_messages(&c->held);
        drop_messages(&c->replayed);
        if (c->account_known)
                caller_done(&c->account);
        if (c->grants)
                g_hash_table_unref(c->grants);
        fd_close(c->pidfd);
        g_free(c->groups);
        g_free(c->refusal);
        g_free(c->name);
        g_free(c);
        return NULL;
}

static Client *client_new(ClientTable *t, const char *name) {
        Client *c = g_new0(Client, 1);

        c->n_ref = 1;
        c->table = t;
        c->name = g_strdup(name);
        c->uid = (uid_t) -1;
        c->pidfd = -EBADF;
        g_queue_init(&c->held);
        g_queue_init(&c->replayed);
        g_queue_init(&c->operations);
        g_hash_table_insert(t->clients, c->name, c);
        return c;
}

/* Left the bus, or was never on it. Nothing is done for it from here on. */
static void client_leave(Client *c) {
        ClientTable *t = c->table;
        g_autoptr(GPtrArray) operations = g_ptr_array_new();

        c->gone = true;
        g_hash_table_steal(t->clients, c->name);
        c->query = sd_bus_slot_unref(c->query);
        drop_messages(&c->held);
        drop_messages(&c->replayed);

        for (GList *l = c->operations.head; l; l = l->next)
                g_ptr_array_add(operations, l->data);
        for (size_t i = 0; i < operations->len; i++)
                /* One may have ended another. */
                if (g_queue_find(&c->operations, operations->pdata[i]))
                        operation_caller_left(operations->pdata[i]);
        client_unref(c);
}

/* Holding messages back */

/* Puts what waits back into the bus's queue, in order. */
static void release_held(Client *c) {
        sd_bus_message *m;

        while ((m = g_queue_pop_head(&c->held))) {
                if (sd_bus_enqueue_for_read(c->table->manager->bus, m) < 0) {
                        (void) sd_bus_reply_method_errnof(m, ENOBUFS, "Too many messages wait");
                        sd_bus_message_unref(m);
                        continue;
                }
                g_queue_push_tail(&c->replayed, m);
        }
}

static int hold(Client *c, sd_bus_message *m, sd_bus_error *error) {
        if (g_queue_get_length(&c->held) >= HELD_MAX)
                return error_set(error, ERROR_QUOTA_EXCEEDED,
                                "Too many calls at once; wait for the first answers.");
        g_queue_push_tail(&c->held, sd_bus_message_ref(m));
        return 1;
}

/* True when m is the next of those that were put back; false when one that came later overtook them. */
static bool is_next_replayed(Client *c, sd_bus_message *m) {
        if (g_queue_peek_head(&c->replayed) != m)
                return false;
        sd_bus_message_unref(g_queue_pop_head(&c->replayed));
        return true;
}

/* Identity */

static void refuse_client(Client *c, const char *format, ...) _printf_(2, 3);
static void refuse_client(Client *c, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        c->refusal = g_strdup_vprintf(format, ap);
        va_end(ap);
        c->state = CLIENT_REFUSED;
        log_record(LOG_LEVEL_NOTICE, &(LogContext){.owner = c->uid}, MSGID_DENIED,
                        "Denied everything to %s, uid %u: %s", c->name, (unsigned) c->uid, c->refusal);
}

typedef struct Credentials {
        bool has_uid;
        uint32_t uid, pid;
        int pidfd; /* borrowed from the message */
        const uint32_t *groups;
        size_t n_groups;
} Credentials;

static int read_one_credential(sd_bus_message *m, Credentials *c) {
        const char *key, *type;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;
        if (streq(key, "UnixUserID") && streq(type, "u")) {
                c->has_uid = true;
                return sd_bus_message_read(m, "v", "u", &c->uid);
        }
        if (streq(key, "ProcessID") && streq(type, "u"))
                return sd_bus_message_read(m, "v", "u", &c->pid);
        if (streq(key, "ProcessFD") && streq(type, "h"))
                return sd_bus_message_read(m, "v", "h", &c->pidfd);
        if (streq(key, "UnixGroupIDs") && streq(type, "au")) {
                const void *p;
                size_t n;

                r = sd_bus_message_enter_container(m, 'v', "au");
                if (r < 0)
                        return r;
                r = sd_bus_message_read_array(m, 'u', &p, &n);
                if (r < 0)
                        return r;
                c->groups = p;
                c->n_groups = n / sizeof(uint32_t);
                return sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

static int read_credentials(sd_bus_message *m, Credentials *c) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_one_credential(m, c);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

static void identify(Client *c, const Credentials *creds) {
        ConfinedMarks marks = manager_confined_marks(c->table->manager);
        const char *why = NULL;

        if (!creds->has_uid) {
                refuse_client(c, "The bus does not say who you are.");
                return;
        }
        c->uid = creds->uid;
        if (creds->uid > INT32_MAX) {
                /* Not a user: -1, and what old code takes for it (CVE-2018-19788). */
                refuse_client(c, "uid %u is beyond the range of users.", (unsigned) creds->uid);
                return;
        }
        switch (confined_check((pid_t) creds->pid, creds->pidfd, creds->uid, &marks, &c->pidfd, &why)) {
        case CONFINED_OUTSIDE:
                break;
        case CONFINED_INSIDE:
                refuse_client(c, "Calls from inside a sandbox of this service are refused.");
                return;
        case CONFINED_UNKNOWN:
                refuse_client(c, "It cannot be told that you are outside the sandboxes of this service: %s.",
                                why);
                return;
        }
        if (creds->groups) {
                c->groups = g_memdup2(creds->groups, creds->n_groups * sizeof(uint32_t));
                c->n_groups = creds->n_groups;
        }
        c->state = CLIENT_KNOWN;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Client *c = userdata;
        Credentials creds = { .pidfd = -EBADF };

        (void) error;
        c->query = sd_bus_slot_unref(c->query);
        if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                client_leave(c);
                return 0;
        }
        if (sd_bus_message_is_method_error(m, NULL) || read_credentials(m, &creds) < 0)
                refuse_client(c, "The bus does not say who you are.");
        else
                identify(c, &creds);
        release_held(c);
        return 0;
}

static int query(Client *c) {
        return sd_bus_call_method_async(c->table->manager->bus, &c->query, "org.freedesktop.DBus",
                        "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials",
                        on_credentials, c, "s", c->name);
}

/* Fresh properties */

static void on_refreshed(Session *s, void *userdata) {
        Client *c = userdata; /* the reference of refresh_first() */

        (void) s;
        c->refreshing = false;
        if (!c->gone)
                release_held(c);
        client_unref(c);
}

/* Execs and LastUsedUsec are the monitor's: a getter cannot wait for it, so the message does. Returns 1 when
 * it is held, 0 to go on. */
static int refresh_first(Client *c, sd_bus_message *m, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m), *interface = sd_bus_message_get_interface(m);
        const char *member = sd_bus_message_get_member(m), *about, *property;
        Session *s;

        if (c->refreshed == m) {
                c->refreshed = NULL;
                return 0;
        }
        if (!interface || !streq(interface, "org.freedesktop.DBus.Properties") || !path ||
                        !str_has_prefix(path, BUS_SESSION_PREFIX "/"))
                return 0;
        if (streq(member, "Get")) {
                int r = sd_bus_message_read(m, "ss", &about, &property);

                (void) sd_bus_message_rewind(m, true);
                if (r < 0 || !(streq(property, "Execs") || streq(property, "LastUsedUsec") ||
                                             streq(property, "State")))
                        return 0;
        } else if (!streq(member, "GetAll"))
                return 0;
        s = session_find(c->table->manager, path + strlen(BUS_SESSION_PREFIX "/"));
        if (!s || !s->monitor || !session_bus_is_visible_to(s, c->uid) || g_queue_get_length(&c->held) > 0)
                return 0;

        if (hold(c, m, error) < 0)
                return 0;
        c->refreshing = true;
        c->refreshed = m; /* compared, never followed: held keeps it */
        session_refresh(s, on_refreshed, client_ref(c));
        return 1;
}

/* The gate */

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ClientTable *t = userdata;
        const char *sender;
        uint8_t type;
        Client *c;

        if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        sender = sd_bus_message_get_sender(m);
        if (!sender)
                return error_set(error, ERROR_NOT_PERMITTED, "A message without a sender is refused.");

        c = g_hash_table_lookup(t->clients, sender);
        if (!c) {
                c = client_new(t, sender);
                if (query(c) < 0) {
                        client_leave(c);
                        return error_set(error, ERROR_NOT_PERMITTED, "The bus cannot be asked who you are.");
                }
        }
        if (c->state == CLIENT_ASKED || c->refreshing)
                return hold(c, m, error);
        if (!g_queue_is_empty(&c->replayed) && !is_next_replayed(c, m)) {
                if (g_queue_get_length(&c->replayed) >= HELD_MAX ||
                                sd_bus_enqueue_for_read(t->manager->bus, m) < 0)
                        return error_set(error, ERROR_QUOTA_EXCEEDED,
                                        "Too many calls at once; wait for the first answers.");
                g_queue_push_tail(&c->replayed, sd_bus_message_ref(m));
                return 1;
        }
        if (c->state == CLIENT_REFUSED)
                return error_set(error, ERROR_NOT_PERMITTED, "%s", c->refusal);
        return refresh_first(c, m, error);
}

static int on_departure(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ClientTable *t = userdata;
        const char *name, *old, *new;
        Client *c;

        (void) error;
        if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0 || new[0])
                return 0;
        c = g_hash_table_lookup(t->clients, name);
        if (c)
                client_leave(c);
        return 0;
}

ClientTable *client_table_new(Manager *m) {
        ClientTable *t = g_new0(ClientTable, 1);
        int r;

        t->manager = m;
        t->clients = g_hash_table_new(g_str_hash, g_str_equal);
        r = sd_bus_add_filter(m->bus, &t->gate, on_message, t);
        if (r >= 0)
                /* One match for all who leave, not one per client: the bus allows 512. */
                r = sd_bus_add_match(m->bus, &t->departures,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                                on_departure, t);
        if (r < 0) {
                log_error("Failed to watch the clients of the bus: %s", g_strerror(-r));
                return client_table_free(t);
        }
        return t;
}

ClientTable *client_table_free(ClientTable *t) {
        if (!t)
                return NULL;
        sd_bus_slot_unref(t->gate);
        sd_bus_slot_unref(t->departures);
        for (;;) {
                GHashTableIter i;
                void *c;

                g_hash_table_iter_init(&i, t->clients);
                if (!g_hash_table_iter_next(&i, NULL, &c))
                        break;
                /* Nobody will answer what is still open: monitors, builder and polkit are left. */
                while (!g_queue_is_empty(&((Client *) c)->operations))
                        operation_free(g_queue_peek_head(&((Client *) c)->operations));
                client_leave(c);
        }
        g_hash_table_unref(t->clients);
        g_free(t);
        return NULL;
}

Client *client_of(ClientTable *t, sd_bus_message *m) {
        const char *sender = m ? sd_bus_message_get_sender(m) : NULL;
        Client *c = sender ? g_hash_table_lookup(t->clients, sender) : NULL;

        return c && c->state == CLIENT_KNOWN ? c : NULL;
}

bool client_is_there(const Client *c) {
        return !c->gone && (c->pidfd < 0 || pidfd_is_alive(c->pidfd));
}

const Caller *client_account(Client *c, sd_bus_error *error) {
        if (!c->account_known) {
                int r = caller_fill(&c->account, c->uid, c->groups, c->n_groups);

                if (r == -ENOENT)
                        (void) error_set(error, ERROR_NOT_PERMITTED,
                                        "uid %u is not in the user database; a sandbox needs a user to "
                                        "serve.",
                                        (unsigned) c->uid);
                else if (r < 0)
                        (void) error_set(error, ERROR_SETUP_FAILED,
                                        "The user database does not answer for uid %u; try again later.",
                                        (unsigned) c->uid);
                if (r < 0)
                        return NULL;
                c->account_known = true;
        }
        return &c->account;
}

bool client_has_grant(Client *c, const char *key) {
        return c->grants && c->grants_generation == c->table->manager->authority_generation &&
                        g_hash_table_contains(c->grants, key);
}

void client_add_grant(Client *c, const char *key) {
        uint64_t generation = c->table->manager->authority_generation;

        if (!c->grants)
                c->grants = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (c->grants_generation != generation || g_hash_table_size(c->grants) >= GRANTS_MAX)
                g_hash_table_remove_all(c->grants);
        c->grants_generation = generation;
        g_hash_table_add(c->grants, g_strdup(key));
}

bool client_may_log_denial(Client *c) {
        uint64_t now = manager_now(c->table->manager);

        if (now - c->denied_window >= 60 * USEC_PER_SEC) {
                c->denied_window = now;
                c->n_denied = 0;
        }
        return c->n_denied++ < DENIALS_PER_MINUTE;
}
