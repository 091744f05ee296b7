/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The self-probe as root, outside every sandbox, where nothing that it attempts is prevented: a probe that
 * can't fail proves nothing. Each item has to be "broken" here, and nothing that was made may be left. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "bed.h"
#include "stage/probe.h"

#define UNLESS_MAX 3

static const struct {
        const char *name;
        const char *unless[UNLESS_MAX]; /* what the detail says where this kernel can't do it for anybody */
} expected[] = {
                {"identity", {}},
                {"capabilities", {}},
                {"no-new-privs", {}},
                {"seccomp", {}},
                {"limits", {}},
                {"core-dump", {}},
                {"masked-path", {}},
                {"protected-path", {}},
                {"protected-parent", {}},
                {"write-outside", {}},
                {"metadata-outside", {}},
                {"landlock", {}},
                {"device-nodes", {}},
                {"devices", {}},
                {"mounts", {}},
                {"host-sockets", {}},
                {"abstract-sockets", {}},
                {"cgroup", {}},
                {"network", {}},
                {"interfaces", {}},
                {"network-admin", {}},
                {"tcp-fastopen", {}},
                {"transports", {"MPTCP: EPROTONOSUPPORT", "MPTCP: ENOPROTOOPT"}},
                {"raw-socket", {}},
                {"packet-socket", {"EAFNOSUPPORT"}},
                {"vsock", {"EAFNOSUPPORT"}},
                {"netlink", {"EPROTONOSUPPORT"}},
                {"socket-families", {"other families"}},
                {"proc-view", {}},
                {"processes", {}},
                {"first-process", {}},
                {"ptrace", {}},
                {"signals", {}},
                {"descriptors", {}},
                {"priority", {}},
                {"tiocsti", {}},
                {"foreign-calls", {"SIGSEGV", "one system call entry"}},
                {"mount", {}},
                {"user-namespace", {"ENOSPC"}},
                {"namespaces", {}},
                {"keyring", {"ENOSYS"}},
                {"bpf", {"ENOSYS"}},
                {"perf", {"ENOSYS", "ENOENT"}},
                {"io-uring", {"EPERM", "ENOSYS"}},
                {"userfaultfd", {"ENOSYS"}},
                {"kernel-log", {"ENOSYS"}},
                {"modules", {"init_module: ENOSYS"}},
                {"machine", {}},
                {"file-handles", {"ENOSYS", "EOPNOTSUPP"}},
};

static void lo_address(void) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq r = {.ifr_name = "lo"};
        struct sockaddr_in *sa = (struct sockaddr_in *) &r.ifr_addr;

        /* A route to 192.0.2.1 that leads nowhere. */
        sa->sin_family = AF_INET;
        sa->sin_addr.s_addr = inet_addr("192.0.2.2");
        CHECK(ioctl(fd, SIOCSIFADDR, &r) == 0);
        sa->sin_addr.s_addr = inet_addr("255.255.255.0");
        CHECK(ioctl(fd, SIOCSIFNETMASK, &r) == 0);
}

static int make_interface(void) {
        struct ifreq r = {.ifr_name = "probe0", .ifr_flags = IFF_TUN};
        int fd;

        (void) mkdir("/dev/net", 0755);
        (void) mknod("/dev/net/tun", S_IFCHR | 0600, makedev(10, 200));
        fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
                tap_note("no second interface can be made here");
        return fd;
}

static int sleep_long(void *userdata _unused_) {
        (void) pause();
        return 0;
}

static int find_left(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f) {
        if (str_has_prefix(path + f->base, ".ocsb-probe"))
                (void) tap_check(false, "left behind: %s", path);
        return 0;
}

static ProbeItem *find(MsgProbe *m, const char *name) {
        for (size_t i = 0; i < m->n_items; i++)
                if (streq(m->items[i].name, name))
                        return m->items + i;
        return NULL;
}

static MsgProbe result;

static void broken_where_nothing_holds(size_t i) {
        const ProbeItem *item = find(&result, expected[i].name);
        char name[128];

        (void) snprintf(name, sizeof(name), "unconfined, %s is broken", expected[i].name);
        if (!item)
                (void) tap_check(false, "no such item");
        else if (item->result != PROBE_BROKEN) {
                bool excused = false;

                for (size_t k = 0; k < UNLESS_MAX; k++)
                        excused |= expected[i].unless[k] && strstr(item->detail, expected[i].unless[k]);
                if (excused)
                        tap_skip("this kernel: %s", item->detail);
                else
                        (void) tap_check(false, "%s: %s", probe_result_to_string((ProbeResult) item->result),
                                        item->detail);
        } else
                tap_note("%s", item->detail);
        tap_result(!tap_failed(), name);
}

static void texts_are_valid(void) {
        for (size_t i = 0; i < result.n_items; i++) {
                const ProbeItem *item = result.items + i;
                bool known = false;

                (void) tap_check(strnlen(item->name, sizeof(item->name)) < sizeof(item->name) &&
                                                 item->name[0],
                                "a name");
                (void) tap_check(item->detail[0] && utf8_is_valid(item->detail, strlen(item->detail)),
                                "detail of %s", item->name);
                for (size_t k = 0; k < ELEMENTSOF(expected); k++)
                        known |= streq(expected[k].name, item->name);
                (void) tap_check(known, "this test does not know the item %s", item->name);
        }
        CHECK(result.n_items <= PROBE_ITEMS_MAX);
        tap_result(!tap_failed(), "every item is known here and its texts fit a D-Bus string");
}

static void no_traces(void) {
        _cleanup_free_ char *secret = bed_read("/srv/hidden/secret"),
                            *protected = bed_read("/srv/protected/file");

        (void) nftw("/", find_left, 32, FTW_PHYS | FTW_MOUNT);
        (void) nftw("/srv", find_left, 32, FTW_PHYS | FTW_MOUNT);
        (void) nftw("/tmp", find_left, 32, FTW_PHYS | FTW_MOUNT);
        CHECK(secret && streq(secret, "secret"));
        CHECK(protected && streq(protected, "protected"));
        CHECK(!bed_exists("/srv/missing"));
        CHECK(getuid() == 0 && geteuid() == 0);
        tap_result(!tap_failed(), "attempts that succeed leave nothing behind");
}

static int run(void *userdata _unused_) {
        static char *const hidden[] = {(char *) "/srv/hidden/secret", (char *) "/srv/missing",
                        (char *) "/srv/hidden/"
                                 "\xff\x1b[2Ktoo-long-a-name-to-be-shown-as-it-is-in-the-detail-of-an-item"};
        static char *const readonly[] = {(char *) "/srv/protected/file", (char *) "/srv/protected/sub"};
        ProbeContext context = {.hidden = hidden,
                        .n_hidden = ELEMENTSOF(hidden),
                        .readonly = readonly,
                        .n_readonly = ELEMENTSOF(readonly),
                        .workdir = "/home/alice",
                        .workspace_writable = true,
                        .landlock_abi = 7};
        _cleanup_close_ int listener = -EBADF, abstract = -EBADF, interface = -EBADF, leaked = -EBADF;
        struct timespec start, end;
        pid_t other;

        bed_mkdir("/srv", 0755, 0);
        bed_mkdir("/srv/hidden", 0755, 0);
        bed_mkdir("/srv/protected", 0755, 0);
        bed_mkdir("/srv/protected/sub", 0755, 0);
        bed_write("/srv/hidden/secret", "secret", 0600, 0);
        bed_write("/srv/protected/file", "protected", 0644, 0);
        listener = bed_listen("/run/docker.sock");
        abstract = bed_listen("@/tmp/.X11-unix/X0");
        lo_address();
        interface = make_interface();
        leaked = open("/etc/passwd", O_RDONLY);
        (void) setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        other = fork();
        if (other == 0) {
                if (setresuid(BOB, BOB, BOB) < 0)
                        _exit(1);
                _exit(sleep_long(NULL));
        }
        (void) nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);

        (void) clock_gettime(CLOCK_MONOTONIC, &start);
        if (!CHECK_OK(probe_run(&context, &result)))
                return 1;
        (void) clock_gettime(CLOCK_MONOTONIC, &end);
        (void) kill(other, SIGKILL);
        printf("1..%zu\n", ELEMENTSOF(expected) + 2);
        tap_note("%zu items in %ld us", result.n_items,
                        (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000);
        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                broken_where_nothing_holds(i);
        texts_are_valid();
        no_traces();
        msg_probe_done(&result);
        return tap_status();
}

int main(void) {
        return bed_run(run, NULL);
}
