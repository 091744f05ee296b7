/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsb-fw: the firewall's owner. A user of its own with CAP_NET_ADMIN and nothing else, no child, no name to resolve, and the only
 * process that links libnftables. What it is told are typed values; what it tells the kernel is made of them alone. */

#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "fw/fw.h"
#include "fw/inner.h"
#include "fw/link.h"
#include "fw/ruleset.h"
#include "sys/process.h"
#include "sys/service.h"

#define NOFILE 65536u /* two sockets for each session */
#define ONLY_NET_ADMIN (UINT64_C(1) << CAP_NET_ADMIN)

/* ---- rights ---- */

/* Exactly one capability, and no way to another: a unit that was edited must not go unnoticed. */
static int verify_capabilities(void) {
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct d[2] = {};
        uint64_t effective, permitted, bounding = 0;

        if (syscall(SYS_capget, &h, d) < 0)
                return -errno;
        effective = d[0].effective | (uint64_t) d[1].effective << 32;
        permitted = d[0].permitted | (uint64_t) d[1].permitted << 32;
        for (unsigned long c = 0; c < 64; c++) {
                int set = prctl(PR_CAPBSET_READ, c, 0, 0, 0);

                if (set < 0)
                        break;
                bounding |= (uint64_t) (set > 0) << c;
        }
        if (effective == ONLY_NET_ADMIN && permitted == ONLY_NET_ADMIN && bounding == ONLY_NET_ADMIN)
                return 0;
        log_error("ocsb-fw has to be started with CAP_NET_ADMIN and no other capability (effective %#llx, permitted %#llx, bounding %#llx; "
                  "wanted %#llx in each): CapabilityBoundingSet= and AmbientCapabilities=CAP_NET_ADMIN of its unit",
                        (unsigned long long) effective, (unsigned long long) permitted, (unsigned long long) bounding,
                        (unsigned long long) ONLY_NET_ADMIN);
        return -EPERM;
}

static int settle_rights(void) {
        int r = verify_capabilities();

        if (r < 0)
                return r;
        /* What carried the capability over execve() goes: inheritable and ambient. */
        r = capabilities_drop(ONLY_NET_ADMIN);
        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = -errno;
        if (r < 0)
                log_error("Failed to give up rights: %s", strerror(-r));
        return r;
}

/* ---- the namespace of a sandbox ---- */

/* ocsb-stage has made the namespace and started this in it. */
static int run_namespace(void) {
        _cleanup_free_ char *why = NULL;
        int r = capabilities_drop(ONLY_NET_ADMIN);

        if (r < 0) {
                log_error("Failed to give up all capabilities but CAP_NET_ADMIN: %s", strerror(-r));
                return r;
        }
        r = inner_load(&why);
        if (r < 0) {
                log_error("Failed to load the inner fence: %s", why ? why : strerror(-r));
                return r;
        }
        /* For ICMP grants: a ping without capabilities. Where it cannot be opened, a grant is of no use, and no harm. */
        if (file_write_at(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647") < 0)
                log_debug("Failed to open ping_group_range");
        return 0;
}

/* ---- start ---- */

static void on_watchdog(void *userdata) {
        Fw *f = userdata;

        (void) service_notify("WATCHDOG=1");
        loop_timer_set(f->loop, &f->watchdog_timer, f->watchdog_usec, on_watchdog, f);
}

static void start_watchdog(Fw *f) {
        f->watchdog_usec = service_watchdog() / 2;
        if (f->watchdog_usec > 0)
                on_watchdog(f);
}

static void on_signal(LoopSource *src, uint32_t events, void *userdata) {
        Fw *f = userdata;
        struct signalfd_siginfo si;
        Answer a = {};

        (void) events;
        while (read(src->fd, &si, sizeof(si)) == sizeof(si))
                if (si.ssi_signo != SIGHUP)
                        loop_quit(f->loop, 0);
                else if (table_reload(f, &a) < 0)
                        log_error("The configuration stays as it was: %s", a.text);
}

static int open_configuration(Fw *f) {
        _cleanup_free_ char *why = NULL;
        int r = state_read_config(f->config_path, &f->config, &why);

        if (r < 0) {
                log_error("%s", why ? why : strerror(-r));
                return r;
        }
        f->host.pools[0] = f->config.pool_ipv4;
        f->host.pools[1] = f->config.pool_ipv6;
        f->state = state_open(OCSB_FW_STATE_DIR);
        if (f->state < 0) {
                log_error("%s has to be a directory of ocsb-fw's user alone, mode 0700 (systemd-tmpfiles --create): %s",
                                OCSB_FW_STATE_DIR, strerror(-f->state));
                return f->state;
        }
        f->lockdown = state_lockdown(f->state);
        return slots_init(f);
}

static int open_kernel(Fw *f) {
        Answer a = {};
        int r;

        /* Listening comes before the first look, so that nothing falls in between. */
        r = host_open(&f->host);
        if (r >= 0)
                r = drift_open(&f->drift, nft_port(f->nft));
        if (r >= 0)
                r = host_read_addresses(&f->host);
        if (r >= 0)
                r = host_read_routes(&f->host);
        if (r < 0) {
                log_error("Failed to ask the kernel about the network (rtnetlink, nfnetlink): %s", strerror(-r));
                return r;
        }
        if (f->host.collision[0])
                log_warning("%s", f->host.collision);
        r = table_build(f, &a);
        if (r < 0)
                log_error("The kernel needs nf_tables with the families inet and ip, nft_ct, nft_nat, nft_masq and nft_counter");
        return r;
}

#define STRAYS_AT_ONCE 256u

typedef struct Strays {
        const Fw *fw;
        uint32_t slots[STRAYS_AT_ONCE];
        size_t n;
} Strays;

static void on_interface(uint32_t slot, void *userdata) {
        Strays *s = userdata;

        if ((slot > s->fw->n_slots || !s->fw->slots[slot]) && s->n < STRAYS_AT_ONCE)
                s->slots[s->n++] = slot;
}

/* Interfaces of sessions that no record knows: a kill came between the two, or somebody took the records away. */
static void remove_strays(Fw *f) {
        Strays s = { .fw = f };

        do {
                s.n = 0;
                if (link_list(f->host.fd, on_interface, &s) < 0 || link_delete(f->host.fd, s.slots, s.n) < 0) {
                        log_warning("Failed to take away interfaces without a session");
                        return;
                }
        } while (s.n == STRAYS_AT_ONCE);
}

static int open_loop(Fw *f) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        f->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        f->loop = loop_new();
        return f->signals < 0 || !f->loop ? -ENOMEM : 0;
}

static int serve(Fw *f) {
        int r = loop_add(f->loop, &f->signal_source, f->signals, EPOLLIN, on_signal, f);

        if (r >= 0)
                r = loop_add(f->loop, &f->drift_source, f->drift.fd, EPOLLIN, table_on_drift, f);
        if (r >= 0)
                r = loop_add(f->loop, &f->host_source, f->host.monitor, EPOLLIN, table_on_host, f);
        if (r >= 0)
                r = loop_add(f->loop, &f->listen_source, f->listen_fd, EPOLLIN, clients_on_listen, f);
        if (r < 0)
                return r;
        (void) service_notify("READY=1");
        start_watchdog(f);
        return loop_run(f->loop);
}

static int run(const char *config) {
        Fw f = { .state = -EBADF, .listen_fd = -EBADF, .signals = -EBADF, .host = { .fd = -EBADF, .monitor = -EBADF },
                .drift.fd = -EBADF, .config_path = config, .next_until = USEC_INFINITY };
        const struct passwd *pw;
        int r;

        r = settle_rights();
        if (r < 0)
                return r;
        f.nft = nft_new();
        if (!f.nft) {
                log_error("Failed to open a netlink socket for nftables: the kernel needs nf_tables");
                return -ENOTSUP;
        }
        f.listen_fd = service_socket();
        if (f.listen_fd == -ENOENT)
                f.listen_fd = wire_listen(OCSB_FW_SOCKET, 0600);
        if (f.listen_fd < 0) {
                log_error("Failed to listen at " OCSB_FW_SOCKET ": %s", strerror(-f.listen_fd));
                return f.listen_fd;
        }
        pw = getpwnam("ocsb");
        if (!pw || pw->pw_uid == 0) {
                log_error("There is no user \"ocsb\": run systemd-sysusers, or useradd --system ocsb");
                return -ENOENT;
        }
        f.ocsb_uid = pw->pw_uid;
        umask(077);
        service_raise_files(NOFILE);
        r = open_loop(&f);
        if (r >= 0)
                r = open_configuration(&f);
        if (r >= 0)
                r = sessions_load(&f);
        if (r >= 0)
                r = open_kernel(&f);
        if (r >= 0) {
                remove_strays(&f);
                r = serve(&f);
        }
        /* Of ours only: the table and the interfaces stay. */
        clients_free(&f);
        sessions_free(&f);
        drift_close(&f.drift);
        host_close(&f.host);
        nft_free(f.nft);
        loop_free(f.loop);
        fd_close(f.signals);
        fd_close(f.state);
        return r;
}

static void help(void) {
        printf("ocsb-fw [OPTIONS…]\n\n"
               "The owner of the firewall of ocsb; started by ocsb-fw.socket or ocsbd --standalone.\n\n"
               "  -h --help         Show this help\n"
               "     --version      Show the version\n"
               "     --namespace    Load the inner fence in this network namespace, and end\n"
               "     --config=FILE  The configuration (default: " STATE_CONFIG_FILE ")\n");
}

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' }, { "namespace", no_argument, NULL, 'n' },
                { "config", required_argument, NULL, 'c' }, {} };
        const char *config = STATE_CONFIG_FILE;
        bool namespace = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case 'V':
                        printf("ocsb %s\n", OCSB_VERSION);
                        return 0;
                case 'n':
                        namespace = true;
                        break;
                case 'c':
                        config = optarg;
                        break;
                default:
                        return 2;
                }
        if (namespace)
                return run_namespace() < 0 ? 1 : 0;
        r = run(config);
        if (r < 0)
                log_error("ocsb-fw ends: %s", strerror(-r));
        return r < 0 ? 1 : 0;
}
