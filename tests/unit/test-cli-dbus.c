/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small D-Bus client against libsystemd: what it sends is read by sd-bus, what sd-bus answers is read by
 * it. Then servers that are no bus. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cli/bus-context.h"
#include "cli/front.h"
#include "cli/report.h"
#include "wire/transport.h"

typedef struct Fixture {
        char dir[64], path[96], address[128];
        int listener;
        pid_t client;
        sd_bus *bus;
        unsigned calls;
        bool interactive[4]; /* of each call */
        const char *error;   /* what CreateSession answers the first time */
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->dir, "/tmp/ocsb-cli-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        (void) snprintf(f->path, sizeof(f->path), "%s/bus", f->dir);
        (void) snprintf(f->address, sizeof(f->address), "unix:path=%s", f->path);
        f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        {
                struct sockaddr_un sa = { .sun_family = AF_UNIX };

                strcpy(sa.sun_path, f->path);
                assert_int_equal(bind(f->listener, (struct sockaddr *) &sa, sizeof(sa)), 0);
                assert_int_equal(listen(f->listener, 5), 0);
        }
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (f->client > 0) {
                (void) kill(f->client, SIGKILL);
                (void) waitpid(f->client, NULL, 0);
        }
        sd_bus_close_unref(f->bus);
        fd_close(f->listener);
        (void) unlink(f->path);
        (void) rmdir(f->dir);
        free(f);
        return 0;
}

/* Runs fn in a child with standard input closed and the bus's address in the environment. */
static void start(Fixture *f, int (*fn)(const Fixture *f)) {
        f->client = fork();
        assert_true(f->client >= 0);
        if (f->client == 0) {
                fd_close(f->listener);
                (void) dup2(open("/dev/null", O_RDWR), 0);
                (void) dup2(0, 2);
                (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", f->address, 1);
                _exit(fn(f));
        }
}

static int wait_status(Fixture *f) {
        int status;

        assert_int_equal(waitpid(f->client, &status, 0), f->client);
        f->client = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void read_bytes(sd_bus_message *m, const char *expected) {
        const void *p;
        size_t n;

        assert_true(sd_bus_message_read_array(m, 'y', &p, &n) >= 0);
        assert_int_equal(n, strlen(expected));
        assert_memory_equal(p, expected, n);
}

static void enter(sd_bus_message *m, const char *key, const char *contents) {
        const char *k;

        assert_true(sd_bus_message_enter_container(m, 'e', "sv") > 0);
        assert_true(sd_bus_message_read(m, "s", &k) > 0);
        assert_string_equal(k, key);
        assert_true(sd_bus_message_enter_container(m, 'v', contents) > 0);
}

static void leave(sd_bus_message *m) {
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_exit_container(m) >= 0);
}

static void same_file(int fd, const char *path) {
        struct stat a, b;

        assert_int_equal(fstat(fd, &a), 0);
        assert_int_equal(stat(path, &b), 0);
        assert_int_equal(a.st_ino, b.st_ino);
        assert_true(fcntl(fd, F_GETFL) & O_PATH);
}

/* Every option of CreateSession, as sd-bus reads it. */
static void check_destination(sd_bus_message *m, const char *to, const char *ports, const char *proto) {
        const char *key, *value;

        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
        assert_true(sd_bus_message_read(m, "{sv}", &key, "s", &value) > 0);
        assert_string_equal(key, "to");
        assert_string_equal(value, to);
        if (ports) {
                assert_true(sd_bus_message_read(m, "{sv}", &key, "s", &value) > 0);
                assert_string_equal(key, "ports");
                assert_string_equal(value, ports);
        }
        assert_true(sd_bus_message_read(m, "{sv}", &key, "s", &value) > 0);
        assert_string_equal(key, "proto");
        assert_string_equal(value, proto);
        assert_true(sd_bus_message_exit_container(m) >= 0);
}

static void check_create(sd_bus_message *m) {
        const char *s;
        uint64_t t;
        int fd;

        assert_string_equal(sd_bus_message_get_signature(m, true), "sa{sv}");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "custom");
        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
        enter(m, "id", "s");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "my_id");
        leave(m);
        enter(m, "workspace", "h");
        assert_true(sd_bus_message_read(m, "h", &fd) > 0);
        same_file(fd, "/usr");
        leave(m);
        enter(m, "workspace-access", "s");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "ro");
        leave(m);
        enter(m, "workspace-path", "ay");
        read_bytes(m, "/src");
        leave(m);
        enter(m, "workdir", "ay");
        read_bytes(m, "/src/sub");
        leave(m);
        enter(m, "grants", "a(hays)");
        assert_true(sd_bus_message_enter_container(m, 'a', "(hays)") > 0);
        for (int i = 0; i < 2; i++) {
                assert_true(sd_bus_message_enter_container(m, 'r', "hays") > 0);
                assert_true(sd_bus_message_read(m, "h", &fd) > 0);
                same_file(fd, i == 0 ? "/etc" : "/etc/passwd");
                read_bytes(m, i == 0 ? "/opt/etc" : "/etc/passwd");
                assert_true(sd_bus_message_read(m, "s", &s) > 0);
                assert_string_equal(s, i == 0 ? "rx" : "r");
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "deny", "aay");
        assert_true(sd_bus_message_enter_container(m, 'a', "ay") > 0);
        read_bytes(m, "/a");
        read_bytes(m, "/b\xff");
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "deny-write", "aay");
        assert_true(sd_bus_message_enter_container(m, 'a', "ay") > 0);
        read_bytes(m, "/c");
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "hostname", "s");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "box");
        leave(m);
        enter(m, "limits", "a{st}");
        assert_true(sd_bus_message_enter_container(m, 'a', "{st}") > 0);
        for (int i = 0; i < 2; i++) {
                assert_true(sd_bus_message_read(m, "{st}", &s, &t) > 0);
                assert_string_equal(s, i == 0 ? "memory" : "cpu");
                assert_int_equal(t, i == 0 ? 64 << 20 : 1500000);
        }
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "idle-usec", "t");
        assert_true(sd_bus_message_read(m, "t", &t) > 0);
        assert_int_equal(t, 5000000);
        leave(m);
        enter(m, "max-age-usec", "t");
        assert_true(sd_bus_message_read(m, "t", &t) > 0);
        assert_int_equal(t, UINT64_C(3600000000));
        leave(m);
        enter(m, "network", "s");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "nat");
        leave(m);
        enter(m, "dns", "as");
        assert_true(sd_bus_message_enter_container(m, 'a', "s") > 0);
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "1.1.1.1");
        assert_true(sd_bus_message_read(m, "s", &s) > 0);
        assert_string_equal(s, "fd00::53");
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "allow", "aa{sv}");
        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        check_destination(m, "192.0.2.10", "1234", "tcp");
        check_destination(m, "fd00::/64", "80-90", "udp");
        check_destination(m, "10.1.2.3", NULL, "icmp");
        assert_true(sd_bus_message_exit_container(m) >= 0);
        leave(m);
        enter(m, "profile-data", "ay");
        read_bytes(m, "{}\n");
        leave(m);
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_at_end(m, true) > 0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;

        (void) error;
        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello")) {
                assert_true(sd_bus_reply_method_return(m, "s", ":1.1") >= 0);
                /* What every client of a bus gets unasked. */
                assert_true(sd_bus_emit_signal(sd_bus_message_get_bus(m), "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "NameAcquired", "s", ":1.1") >= 0);
                return 1;
        }
        if (sd_bus_message_is_method_call(m, OCSB_MANAGER_INTERFACE, "CreateSession")) {
                assert_string_equal(sd_bus_message_get_destination(m), OCSB_BUS_NAME);
                assert_string_equal(sd_bus_message_get_path(m), OCSB_ROOT_PATH);
                f->interactive[f->calls++ & 3] = sd_bus_message_get_allow_interactive_authorization(m);
                check_create(m);
                if (f->error)
                        assert_true(sd_bus_reply_method_errorf(m, f->error, "not %s", "so") >= 0);
                else
                        assert_true(sd_bus_reply_method_return(m, "os", OCSB_SESSION_PATH_PREFIX "my_id",
                                                    "my_id") >= 0);
                return 1;
        }
        if (sd_bus_message_is_method_call(m, OCSB_SESSION_INTERFACE, "OpenChannel")) {
                int sv[2];

                assert_string_equal(sd_bus_message_get_path(m), OCSB_SESSION_PATH_PREFIX "my_id");
                f->calls++;
                assert_int_equal(wire_pair(sv), 0);
                assert_int_equal(send(sv[0], "hello", 5, 0), 5);
                assert_true(sd_bus_reply_method_return(m, "h", sv[1]) >= 0);
                fd_close(sv[0]);
                fd_close(sv[1]);
                return 1;
        }
        if (sd_bus_message_is_method_call(m, OCSB_SESSION_INTERFACE, "Terminate")) {
                f->calls++;
                if (sd_bus_message_get_expect_reply(m))
                        assert_true(sd_bus_reply_method_return(m, NULL) >= 0);
                return 1;
        }
        return 0;
}

/* Serves one connection until the client is gone. */
static void serve(Fixture *f) {
        sd_id128_t id;
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

        assert_true(fd >= 0);
        assert_true(sd_id128_randomize(&id) >= 0);
        assert_true(sd_bus_new(&f->bus) >= 0);
        assert_true(sd_bus_set_fd(f->bus, fd, fd) >= 0);
        assert_true(sd_bus_set_server(f->bus, 1, id) >= 0);
        assert_true(sd_bus_negotiate_fds(f->bus, 1) >= 0);
        assert_true(sd_bus_add_filter(f->bus, NULL, on_message, f) >= 0);
        assert_true(sd_bus_start(f->bus) >= 0);
        for (;;) {
                r = sd_bus_process(f->bus, NULL);
                if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE)
                        break;
                assert_true(r >= 0);
                if (r == 0 && sd_bus_wait(f->bus, 5000000) == 0)
                        fail_msg("the client sent nothing for 5 s");
        }
        f->bus = sd_bus_close_unref(f->bus);
}

typedef enum Way {
        WAY_FRONT,
        WAY_FRONT_AND_TERMINATE,
        WAY_BUS, /* ocsbctl-bus, with sd-bus */
} Way;

static int create(const Fixture *f, Way way) {
        static const char *const args[] = { "ocsbctl", "create", "-pcustom", "--name=my_id", "-w/usr",
                "--ro", "--workspace-path=/src", "--workdir=/src/sub", "--bind=/etc:/opt/etc:rx",
                "--bind=/etc/passwd", "--deny=/a", "--deny=/b\xff", "--deny-write=/c", "--hostname=box",
                "--memory=64M", "--cpus=1.5", "--max-age=1h", "--network=nat", "--dns=1.1.1.1",
                "--dns=fd00::53", "--allow=192.0.2.10:1234", "--allow=[fd00::]/64:80-90/udp", "--allow=10.1.2.3/icmp", "-q" };
        char *argv[ELEMENTSOF(args) + 3] = {}, id[SESSION_ID_MAX + 1], file[128], idle[] = "--idle=5s";
        _cleanup_bus_ Bus bus = BUS_NONE;
        int argc = 0, r;
        Options o;

        for (; argc < (int) ELEMENTSOF(args); argc++)
                argv[argc] = (char *) args[argc];
        (void) snprintf(file, sizeof(file), "--profile-file=%s/profile", f->dir);
        argv[argc++] = file;
        if (way == WAY_BUS)
                argv[argc++] = idle;
        r = open(strchr(file, '=') + 1, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd_write_all(r, "{}\n", 3) < 0 || options_parse(argc, argv, &o) < 0)
                return 10;
        if (way == WAY_BUS) {
                Context c = { .o = &o };

                r = bus_verb_create(&c);
                context_done(&c);
                strcpy(id, "my_id");
        } else
                r = create_session(&bus, &o, 5000000, id);
        (void) unlink(strchr(file, '=') + 1);
        if (r < 0)
                return 11;
        if (!streq(id, "my_id"))
                return 12;
        if (way == WAY_FRONT_AND_TERMINATE)
                terminate_session(&bus, &o, id, true);
        return 0;
}

static int create_only(const Fixture *f) {
        return create(f, WAY_FRONT);
}

static int create_and_terminate(const Fixture *f) {
        return create(f, WAY_FRONT_AND_TERMINATE);
}

static int create_by_bus(const Fixture *f) {
        return create(f, WAY_BUS);
}

/* The two programs say the same. */
static void test_create_by_bus(void **state) {
        Fixture *f = *state;

        start(f, create_by_bus);
        serve(f);
        assert_int_equal(wait_status(f), 0);
        assert_int_equal(f->calls, 1);
}

static void test_create(void **state) {
        Fixture *f = *state;

        start(f, create_only);
        serve(f);
        assert_int_equal(wait_status(f), 0);
        assert_int_equal(f->calls, 1);
        assert_false(f->interactive[0]);
}

static void test_create_and_terminate(void **state) {
        Fixture *f = *state;

        start(f, create_and_terminate);
        serve(f);
        assert_int_equal(wait_status(f), 0);
        assert_int_equal(f->calls, 2);
}

/* Without a terminal nobody is asked, and so nothing is asked twice. */
static void test_create_error(void **state) {
        Fixture *f = *state;

        f->error = OCSB_ERROR_PREFIX "ApprovalPending";
        start(f, create_only);
        serve(f);
        assert_int_equal(wait_status(f), 11);
        assert_int_equal(f->calls, 1);
}

static int open_channel(const Fixture *f) {
        const DbusCall call = { .destination = OCSB_BUS_NAME,
                .path = OCSB_SESSION_PATH_PREFIX "my_id",
                .interface = OCSB_SESSION_INTERFACE,
                .member = "OpenChannel" };
        _cleanup_dbus_client_ DbusClient c = DBUS_CLIENT_NONE;
        char buf[16];

        if (dbus_client_connect(f->address, &c) < 0)
                return 20;
        /* Twice: descriptors of one answer must not be taken for those of the next. */
        for (int i = 0; i < 2; i++) {
                _cleanup_dbus_reply_ DbusReply reply = {};
                DbusReader r;

                if (dbus_client_call(&c, &call, &reply) != 0)
                        return 21;
                r = DBUS_READER(&reply.message);
                if (!streq(reply.message.signature, "h") || dbus_get_u32(&r) != 0 || reply.n_fds != 1)
                        return 22;
                if (!(fcntl(reply.fds[0], F_GETFD) & FD_CLOEXEC))
                        return 23;
                if (recv(reply.fds[0], buf, sizeof(buf), 0) != 5 || memcmp(buf, "hello", 5) != 0)
                        return 24;
        }
        return 0;
}

static void test_descriptors(void **state) {
        Fixture *f = *state;

        start(f, open_channel);
        serve(f);
        assert_int_equal(wait_status(f), 0);
        assert_int_equal(f->calls, 2);
}

/* Peers that are no bus. The child's exit status is the errno that connect or the first call gave. */
static int try_connect(const Fixture *f) {
        _cleanup_dbus_client_ DbusClient c = DBUS_CLIENT_NONE;
        _cleanup_dbus_reply_ DbusReply reply = {};
        int r = dbus_client_connect(f->address, &c);

        if (r >= 0)
                r = dbus_client_call(&c,
                                &(DbusCall) { .destination = "a.b",
                                                .path = "/",
                                                .interface = "a.b",
                                                .member = "C" },
                                &reply);
        return r < 0 ? -r : 0;
}

static void play(Fixture *f, const void *auth, size_t n_auth, const void *data, size_t n, int expected) {
        char buf[512];
        int fd;

        start(f, try_connect);
        fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
        assert_int_equal(buf[0], 0);
        assert_memory_equal(buf + 1, "AUTH EXTERNAL ", 14);
        assert_int_equal(send(fd, auth, n_auth, MSG_NOSIGNAL), n_auth);
        if (n > 0) {
                assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
                assert_int_equal(send(fd, data, n, MSG_NOSIGNAL), n);
        }
        (void) shutdown(fd, SHUT_WR);
        assert_int_equal(wait_status(f), expected);
        fd_close(fd);
}

static void test_bad_servers(void **state) {
        static const uint8_t huge[16] = { 'l', 2, 0, 1, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 8, 0, 0, 0 };
        static const uint8_t hello_error[] = { 'l', 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0x14, 0, 0, 0, 5, 1,
                'u', 0, 1, 0, 0, 0, 4, 1, 's', 0, 3, 0, 0, 0, 'a', '.', 'b', 0, 0, 0, 0, 0 };
        /* A descriptor is announced that did not come. */
        static const uint8_t no_fd[] = { 'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0x10, 0, 0, 0, 5, 1, 'u', 0,
                2, 0, 0, 0, 9, 1, 'u', 0, 1, 0, 0, 0 };
        static const char good[] = "OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
        char line[2000];
        Fixture *f = *state;

        play(f, "REJECTED EXTERNAL\r\n", 19, NULL, 0, EACCES);
        play(f, "OK x\r\nERROR\r\n", 13, NULL, 0, EOPNOTSUPP);
        play(f, "OK x\n", 5, NULL, 0, EBADMSG);
        play(f, "OK x\r\n", 6, NULL, 0, ECONNRESET);
        memset(line, 'x', sizeof(line));
        play(f, line, sizeof(line), NULL, 0, EBADMSG);
        play(f, good, sizeof(good) - 1, huge, sizeof(huge), EMSGSIZE);
        play(f, good, sizeof(good) - 1, "HTTP/1.1 400 Bad Request", 24, EBADMSG);
        play(f, good, sizeof(good) - 1, huge, 8, ECONNRESET);
        play(f, good, sizeof(good) - 1, hello_error, sizeof(hello_error), ECONNREFUSED);
        play(f, good, sizeof(good) - 1, no_fd, sizeof(no_fd), EBADMSG);
}

static void test_no_bus(void **state) {
        Fixture *f = *state;

        (void) unlink(f->path);
        start(f, try_connect);
        assert_int_equal(wait_status(f), ENOENT);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_create),
                CASE(test_create_by_bus),
                CASE(test_create_and_terminate),
                CASE(test_create_error),
                CASE(test_descriptors),
                CASE(test_bad_servers),
                CASE(test_no_bus),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
