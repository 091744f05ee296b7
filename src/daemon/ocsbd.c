/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsbd: the policy daemon. It owns the name on the bus, knows who may do what, keeps the records, and
 * leaves the building to ocsb-stage and the running to the monitors. No privilege, no child, one thread, one
 * event loop. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "introspect.h"
#include "journal.h"
#include "manager.h"
#include "supervisor.h"

static const char *arg_libexec = OCSB_LIBEXEC_DIR;

static void help(void) {
        printf("ocsbd [OPTIONS…]\n\n"
               "The policy daemon of the OpenClaw Sandbox Broker; started by ocsbd.service.\n\n"
               "  -h --help            Show this help\n"
               "     --version         Show the version\n"
               "     --standalone      As root, where systemd is not PID 1: start ocsb-stage and, as user\n"
               "                       ocsb, this daemon, and ocsb-fw, and again when they end\n"
               "     --no-firewall     With --standalone: never start ocsb-fw; network \"nat\" is refused\n"
               "     --libexec=DIR     With --standalone: where ocsb-stage, ocsb-init and ocsbd are\n"
               "     --log-level=LEVEL err, warning, notice, info or debug\n"
               "     --bus-introspect  Print what the objects on the bus look like\n");
}

/* The listening socket of channels, from the service manager (sd_listen_fds(3)). -EBADF without one. */
static int channel_socket(void) {
        char **names = NULL;
        int n, ret = -EBADF;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (ret < 0 && streq(names[i], "channel") &&
                                sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0)
                        ret = fd;
                else
                        fd_close(fd);
                free(names[i]);
        }
        free(names);
        return ret;
}

/* What the unit does too, for whoever starts the daemon without it. */
static int harden(void) {
        struct rlimit nofile;

        (void) umask(077);
        if (geteuid() == 0) {
                log_error("ocsbd runs as user ocsb: start ocsbd.service, or ocsbd --standalone");
                return -EPERM;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
#if !defined(OCSB_ASAN)
        /* No other process of this uid looks into this one. The leak checker would have to. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
#endif
        if (getrlimit(RLIMIT_NOFILE, &nofile) >= 0) {
                nofile.rlim_cur = MIN(nofile.rlim_max, (rlim_t) 65536);
                (void) setrlimit(RLIMIT_NOFILE, &nofile);
        }
        return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;
        uint64_t now = manager_now(m);

        (void) source;
        (void) si;
        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now);
        if (manager_load_policy(m) >= 0)
                log_info("Profiles and ceilings were read again");
        (void) sd_notify(false, "READY=1");
        return 0;
}

static int add_signals(sd_event *event) {
        static const int ending[] = { SIGTERM, SIGINT };
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++) {
                r = sd_event_add_signal(event, NULL, ending[i], NULL, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int run(void) {
        _cleanup_close_ int channel = channel_socket();
        sd_event *event = NULL;
        Manager *m = NULL;
        int r;

        journal_attach();
        r = harden();
        if (r < 0)
                return r;
        r = sd_event_default(&event);
        if (r >= 0)
                r = add_signals(event);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r >= 0)
                r = manager_new(event, TAKE_FD(channel), &m);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_reload, m);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                log_error("ocsbd ends: %s", g_strerror(-r));
        (void) sd_notify(false, "STOPPING=1");
        manager_free(m);
        sd_event_unref(event);
        return r;
}

int main(int argc, char *argv[]) {
        enum {
                ARG_VERSION = 0x100,
                ARG_STANDALONE,
                ARG_NO_FIREWALL,
                ARG_LIBEXEC,
                ARG_LOG_LEVEL,
                ARG_INTROSPECT,
        };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "standalone", no_argument, NULL, ARG_STANDALONE },
                { "no-firewall", no_argument, NULL, ARG_NO_FIREWALL },
                { "libexec", required_argument, NULL, ARG_LIBEXEC },
                { "log-level", required_argument, NULL, ARG_LOG_LEVEL },
                { "bus-introspect", no_argument, NULL, ARG_INTROSPECT },
                {},
        };
        bool standalone = false, firewall = true;
        int c, level;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return EXIT_SUCCESS;
                case ARG_VERSION:
                        printf("ocsb %s\n", OCSB_VERSION);
                        return EXIT_SUCCESS;
                case ARG_STANDALONE:
                        standalone = true;
                        break;
                case ARG_NO_FIREWALL:
                        firewall = false;
                        break;
                case ARG_LIBEXEC:
                        arg_libexec = optarg;
                        break;
                case ARG_LOG_LEVEL:
                        level = log_level_from_string(optarg);
                        if (level < 0) {
                                log_error("Unknown log level: %s", optarg);
                                return 2;
                        }
                        log_set_max_level(level);
                        break;
                case ARG_INTROSPECT:
                        return introspect_print() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                default:
                        return 2;
                }
        if (optind < argc) {
                log_error("ocsbd takes no arguments");
                return 2;
        }
        if (standalone)
                return supervisor_run(arg_libexec, firewall);
        c = run();
        return c < 0 ? EXIT_FAILURE : c;
}
