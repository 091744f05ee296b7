/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The option readers of ocsbd. The bytes are a little program that writes a D-Bus message: mostly well-typed
 * options, now and then a wrong type, key or value. libsystemd does the framing on both sides, as a bus
 * would; what is looked for here is our own code: leaked or wrongly closed descriptors, reads beyond, a
 * result that breaks its own rules. */

#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"
#include "../unit/daemon-message.h"

typedef struct Program {
        const uint8_t *data;
        size_t left;
} Program;

static uint8_t byte(Program *p) {
        if (p->left == 0)
                return 0;
        p->left--;
        return *p->data++;
}

static size_t take(Program *p, const void **ret) {
        size_t n = byte(p);

        if (n == 255)
                n = (size_t) byte(p) << 8;
        n = MIN(n, p->left);
        *ret = p->data;
        p->data += n;
        p->left -= n;
        return n;
}

static uint64_t number(Program *p) {
        uint64_t v = 0;

        for (unsigned n = byte(p) % 9; n > 0; n--)
                v = v << 8 | byte(p);
        return v;
}

static int some_fd(Program *p) {
        static int fds[4] = { -1, -1, -1, -1 };

        if (fds[0] < 0) {
                int pair[2];

                fds[0] = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
                fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
                must(pipe2(pair, O_CLOEXEC) == 0);
                fds[2] = pair[0];
                fds[3] = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        }
        return fds[byte(p) % 4];
}

/* A string that D-Bus allows: from the bytes, with what UTF-8 forbids replaced. */
static void append_string(sd_bus_message *m, Program *p) {
        const void *bytes;
        size_t n = take(p, &bytes);
        char *s = malloc(n + 1);

        must(s);
        memcpy(s, bytes, n);
        s[n] = 0;
        for (size_t i = 0; i < n; i++)
                if ((uint8_t) s[i] >= 0x80 || !s[i])
                        s[i] = '?';
        must(sd_bus_message_append(m, "s", s) >= 0);
        free(s);
}

static void append_bytes(sd_bus_message *m, Program *p) {
        const void *bytes;
        size_t n = take(p, &bytes);

        must(sd_bus_message_append_array(m, 'y', bytes, n) >= 0);
}

static void open_container(sd_bus_message *m, char type, const char *contents) {
        must(sd_bus_message_open_container(m, type, contents) >= 0);
}

static void close_container(sd_bus_message *m) {
        must(sd_bus_message_close_container(m) >= 0);
}

static void append_destination(sd_bus_message *m, Program *p) {
        static const char *const texts[] = {"to", "ports", "proto", "x"};

        open_container(m, 'a', "{sv}");
        for (unsigned n = byte(p) % 5; n > 0; n--) {
                uint8_t choice = byte(p);

                open_container(m, 'e', "sv");
                must(sd_bus_message_append(m, "s", choice & 8 ? "until-usec" : choice & 16 ? "for-usec" : texts[choice % 4]) >= 0);
                open_container(m, 'v', choice & 24 ? "t" : "s");
                if (choice & 24)
                        must(sd_bus_message_append(m, "t", number(p)) >= 0);
                else
                        append_string(m, p);
                close_container(m);
                close_container(m);
        }
        close_container(m);
}

static void append_value(sd_bus_message *m, Program *p, const char *type) {
        if (strcmp(type, "s") == 0)
                append_string(m, p);
        else if (strcmp(type, "ay") == 0)
                append_bytes(m, p);
        else if (strcmp(type, "aay") == 0) {
                open_container(m, 'a', "ay");
                for (unsigned n = byte(p) % 8; n > 0; n--)
                        append_bytes(m, p);
                close_container(m);
        } else if (strcmp(type, "t") == 0)
                must(sd_bus_message_append(m, "t", number(p)) >= 0);
        else if (strcmp(type, "q") == 0)
                must(sd_bus_message_append(m, "q", (uint16_t) number(p)) >= 0);
        else if (strcmp(type, "b") == 0)
                must(sd_bus_message_append(m, "b", byte(p) & 1) >= 0);
        else if (strcmp(type, "h") == 0)
                must(sd_bus_message_append(m, "h", some_fd(p)) >= 0);
        else if (strcmp(type, "a{st}") == 0) {
                static const char *const names[] = {"memory", "swap", "pids", "cpu", "io-weight", "scratch",
                                "nofile", "nproc", "fsize", "execs", "x"};

                open_container(m, 'a', "{st}");
                for (unsigned n = byte(p) % 6; n > 0; n--) {
                        const char *name = names[byte(p) % (sizeof(names) / sizeof(names[0]))];

                        must(sd_bus_message_append(m, "{st}", name, number(p)) >= 0);
                }
                close_container(m);
        } else if (strcmp(type, "as") == 0) {
                open_container(m, 'a', "s");
                for (unsigned n = byte(p) % 8; n > 0; n--)
                        append_string(m, p);
                close_container(m);
        } else if (strcmp(type, "aa{sv}") == 0) {
                open_container(m, 'a', "a{sv}");
                for (unsigned n = byte(p) % 80; n > 0; n--)
                        append_destination(m, p);
                close_container(m);
        } else {
                open_container(m, 'a', "(hays)");
                for (unsigned n = byte(p) % 20; n > 0; n--) {
                        open_container(m, 'r', "hays");
                        must(sd_bus_message_append(m, "h", some_fd(p)) >= 0);
                        append_bytes(m, p);
                        append_string(m, p);
                        close_container(m);
                }
                close_container(m);
        }
}

typedef struct Key {
        const char *name, *type;
} Key;

static const Key session_keys[] = {
                {"id", "s"},
                {"workspace", "h"},
                {"workspace-access", "s"},
                {"workspace-path", "ay"},
                {"workdir", "ay"},
                {"grants", "a(hays)"},
                {"deny", "aay"},
                {"deny-write", "aay"},
                {"env", "aay"},
                {"hostname", "s"},
                {"limits", "a{st}"},
                {"idle-usec", "t"},
                {"max-age-usec", "t"},
                {"network", "s"},
                {"profile-data", "ay"},
                {"plan-digest", "s"},
                {"dns", "as"},
                {"allow", "aa{sv}"},
};
static const Key update_keys[] = {
                {"dns", "as"},
                {"allow", "aa{sv}"},
};
static const Key verify_keys[] = {
                {"internet", "as"},
                {"llm", "as"},
};
static const Key exec_keys[] = {
                {"env", "aay"},
                {"timeout-usec", "t"},
                {"pty", "b"},
                {"rows", "q"},
                {"cols", "q"},
                {"detach", "b"},
};

static void append_options(sd_bus_message *m, Program *p, const Key *keys, size_t n_keys) {
        open_container(m, 'a', "{sv}");
        while (p->left > 0) {
                uint8_t choice = byte(p);
                const Key *key = keys + choice % n_keys;
                const char *type = choice >= 0xf0 ? keys[byte(p) % n_keys].type : key->type;

                open_container(m, 'e', "sv");
                if (choice == 0xff)
                        append_string(m, p);
                else
                        must(sd_bus_message_append(m, "s", key->name) >= 0);
                open_container(m, 'v', type);
                append_value(m, p, type);
                close_container(m);
                close_container(m);
        }
        close_container(m);
}

static unsigned n_open(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        must(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static void check_network(const GArray *dns, const GArray *allow);

static void check_session(const SessionOptions *o) {
        const Request *r = o->request;

        must(profile_name_valid(r->profile));
        must(!r->id || session_id_valid(r->id));
        must(r->n_fds <= PLAN_FDS_MAX);
        must(r->workspace_fd < (int) r->n_fds);
        for (uint32_t i = 0; i < r->n_fds; i++)
                must(o->fds[i] >= 3 && fcntl(o->fds[i], F_GETFD) == FD_CLOEXEC);
        for (unsigned i = 0; i < r->grants->len; i++) {
                const RequestGrant *g = r->grants->pdata[i];

                must(g->fd < r->n_fds && path_is_normal(g->path));
                must(!(g->flags & ~(uint32_t) (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC)));
        }
        must(!r->workdir || path_is_normal(r->workdir));
        must(!r->workspace_path || path_is_normal(r->workspace_path));
        must(!r->hostname || hostname_valid(r->hostname));
        for (char **e = r->env; e && *e; e++)
                must(env_assignment_valid(*e));
        for (char **d = r->deny; d && *d; d++)
                must(path_is_normal(*d));
        check_network(r->dns, r->allow);
}

/* What the policy and ocsb-fw take for granted. */
static void check_network(const GArray *dns, const GArray *allow) {
        NetIntent n = {};

        must(!dns || dns->len <= NET_RESOLVERS_MAX);
        must(!allow || allow->len <= NET_GRANTS_MAX);
        for (unsigned i = 0; dns && i < dns->len; i++)
                n.resolvers[n.n_resolvers++] = ((const NetAddress *) (const void *) dns->data)[i];
        for (unsigned i = 0; allow && i < allow->len; i++) {
                n.grants[n.n_grants] = ((const NetGrant *) (const void *) allow->data)[i];
                n.grants[n.n_grants].id = i + 1;
                n.n_grants++;
        }
        must(net_intent_validate(&n, NULL) == 0);
}

static void read_network(sd_bus_message *m, uint8_t kind) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        UpdateOptions update = {};
        VerifyOptions verify = {};
        int r;

        r = kind & 8 ? options_read_verify(m, &verify, &error) : options_read_update(m, &update, &error);
        must((r < 0) == (sd_bus_error_is_set(&error) > 0));
        if (r >= 0)
                check_network(update.dns, update.allow);
        must(verify.n_llm <= VERIFY_ADDRESSES_MAX && verify.n_internet <= VERIFY_ADDRESSES_MAX);
        update_options_done(&update);
        sd_bus_error_free(&error);
}

static void read_session(sd_bus_message *m, const char *id) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        SessionOptions o = {};
        int r;

        r = options_read_session(m, "", id, &o, &error);
        must((r < 0) == (sd_bus_error_is_set(&error) > 0));
        if (r >= 0)
                check_session(&o);
        else
                must(!o.request && utf8_is_valid(error.message, strlen(error.message)));
        session_options_done(&o);
        sd_bus_error_free(&error);
}

static void read_exec(sd_bus_message *m) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        ExecArguments a = {};
        int r;

        r = options_read_exec(m, &a, &error);
        must((r < 0) == (sd_bus_error_is_set(&error) > 0));
        if (r >= 0) {
                must(msg_exec_validate(&a.exec, NULL) == 0);
                for (size_t i = 0; i < a.exec.n_fds; i++)
                        must(fd_kind_is_stdio(fd_kind(a.fds[i])));
        }
        exec_arguments_done(&a);
        sd_bus_error_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static sd_bus *bus;
        static int peer;
        Program p = { data, size };
        sd_bus_message *m;
        unsigned before;
        uint8_t kind;

        if (!bus)
                bus = message_bus_new(&peer);
        (void) some_fd(&(Program) {});
        before = n_open();

        m = message_new(bus);
        kind = byte(&p);
        if (kind & 1) {
                append_value(m, &p, "aay");
                append_bytes(m, &p);
                open_container(m, 'a', "{uh}");
                for (unsigned n = byte(&p) % 20; n > 0; n--) {
                        uint32_t inside = byte(&p) % 20;

                        must(sd_bus_message_append(m, "{uh}", inside, some_fd(&p)) >= 0);
                }
                close_container(m);
                append_options(m, &p, exec_keys, sizeof(exec_keys) / sizeof(exec_keys[0]));
        } else if (kind & 4)
                append_options(m, &p, kind & 8 ? verify_keys : update_keys, 2);
        else
                append_options(m, &p, session_keys, sizeof(session_keys) / sizeof(session_keys[0]));
        message_turn(m);
        if (kind & 1)
                read_exec(m);
        else if (kind & 4)
                read_network(m, kind);
        else
                read_session(m, kind & 2 ? "mine" : NULL);
        sd_bus_message_unref(m);
        must(n_open() == before);
        return 0;
}
