/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends to everybody on a list, in every way in which a process without any right can, and never pauses. What arrives is
 * counted elsewhere, at the destination.
 *
 * usage: sender [--seconds N | --rounds N] [FILE]
 *
 * FILE (or standard input): a line each, "KIND ADDRESS PORT"; an address may have a zone (fe80::1%eth0). Without an option one
 * round; with --seconds until then or SIGTERM. Prints a line per kind, "KIND ATTEMPTS LEFT ERRNO…", LEFT being the attempts that
 * no system call refused, and "rounds N". */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOCK_DCCP
#define SOCK_DCCP 6
#endif

typedef enum Way {
        WAY_CONNECT, /* a socket each, connected without waiting */
        WAY_SENDTO,  /* one socket for all, a datagram each */
        WAY_CONNECTED_SEND, /* a socket each, connected, two datagrams */
        WAY_FAST_OPEN,      /* data in the SYN */
} Way;

static const struct Kind {
        const char *name;
        int type, protocol;
        Way way;
        bool mapped, routed;
} kinds[] = {
        {"tcp", SOCK_STREAM, IPPROTO_TCP, WAY_CONNECT, false, false},
        {"udp", SOCK_DGRAM, IPPROTO_UDP, WAY_SENDTO, false, false},
        {"icmp", SOCK_DGRAM, IPPROTO_ICMP, WAY_SENDTO, false, false},
        {"udp-connected", SOCK_DGRAM, IPPROTO_UDP, WAY_CONNECTED_SEND, false, false},
        {"tcp-fast-open", SOCK_STREAM, IPPROTO_TCP, WAY_FAST_OPEN, false, false},
        {"mptcp", SOCK_STREAM, IPPROTO_MPTCP, WAY_CONNECT, false, false},
        {"udplite", SOCK_DGRAM, IPPROTO_UDPLITE, WAY_SENDTO, false, false},
        {"sctp", SOCK_STREAM, IPPROTO_SCTP, WAY_CONNECT, false, false},
        {"dccp", SOCK_DCCP, IPPROTO_DCCP, WAY_CONNECT, false, false},
        {"raw", SOCK_RAW, IPPROTO_RAW, WAY_SENDTO, false, false},
        {"gre", SOCK_RAW, IPPROTO_GRE, WAY_SENDTO, false, false},
        {"tcp-mapped", SOCK_STREAM, IPPROTO_TCP, WAY_CONNECT, true, false},   /* ::ffff:A.B.C.D */
        {"udp-mapped", SOCK_DGRAM, IPPROTO_UDP, WAY_SENDTO, true, false},
        {"tcp-routed", SOCK_STREAM, IPPROTO_TCP, WAY_CONNECT, false, true},   /* IPv4 loose source route by 93.184.216.34 */
        {"udp-routed", SOCK_DGRAM, IPPROTO_UDP, WAY_CONNECTED_SEND, false, true},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

typedef struct Target {
        const struct Kind *kind;
        struct sockaddr_storage address;
        socklen_t length;
} Target;

static struct {
        uint64_t attempts, left;
        int errors[8]; /* the first different ones */
        int fd4, fd6;  /* of WAY_SENDTO */
} state[N_KINDS];

static volatile sig_atomic_t ending;

static void on_signal(int number) {
        (void)number;
        ending = 1;
}

static void note(size_t k, bool left) {
        int e = errno;

        state[k].attempts++;
        if (left) {
                state[k].left++;
                return;
        }
        for (size_t i = 0; i < 8; i++) {
                if (state[k].errors[i] == e)
                        return;
                if (state[k].errors[i] == 0) {
                        state[k].errors[i] = e;
                        return;
                }
        }
}

static int open_socket(const struct Kind *kind, int family) {
        static const uint8_t route[] = {IPOPT_NOOP, IPOPT_LSRR, 7, 4, 93, 184, 216, 34};
        int protocol = kind->protocol == IPPROTO_ICMP && family == AF_INET6 ? IPPROTO_ICMPV6 : kind->protocol;
        int fd = socket(family, kind->type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), one = 1;

        if (fd < 0)
                return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
        if (kind->routed && setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)) < 0) {
                int e = errno;

                (void)close(fd);
                errno = e;
                return -1;
        }
        return fd;
}

static int shared_socket(size_t k, int family) {
        int *fd = family == AF_INET ? &state[k].fd4 : &state[k].fd6;

        if (*fd < 0)
                *fd = open_socket(&kinds[k], family);
        return *fd;
}

static void send_one(const Target *t) {
        static const uint8_t echo[8 + 8] = {8, 0, 0, 0, 0, 1, 0, 1, 'o', 'c', 's', 'b'}, echo6[16] = {128, 0, 0, 0, 0, 1, 0, 1, 'o'};
        const struct sockaddr *sa = (const struct sockaddr *)&t->address;
        size_t k = (size_t)(t->kind - kinds);
        const void *data = sa->sa_family == AF_INET6 ? (const void *)echo6 : (const void *)echo;
        int fd;

        if (t->kind->way == WAY_SENDTO) {
                fd = shared_socket(k, sa->sa_family);
                note(k, fd >= 0 && sendto(fd, data, sizeof(echo), 0, sa, t->length) >= 0);
                return;
        }
        fd = open_socket(t->kind, sa->sa_family);
        if (fd < 0) {
                note(k, false);
                return;
        }
        if (t->kind->way == WAY_FAST_OPEN)
                note(k, sendto(fd, data, sizeof(echo), MSG_FASTOPEN, sa, t->length) >= 0 || errno == EINPROGRESS);
        else if (connect(fd, sa, t->length) < 0)
                note(k, errno == EINPROGRESS);
        else if (t->kind->way == WAY_CONNECT)
                note(k, true);
        else {
                bool left = send(fd, data, sizeof(echo), 0) >= 0;

                note(k, send(fd, data, sizeof(echo), 0) >= 0 || left);
        }
        (void)close(fd);
}

static bool parse(char *line, Target *ret) {
        struct sockaddr_in *in = (struct sockaddr_in *)&ret->address;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->address;
        char *save = NULL, *name = strtok_r(line, " \n", &save), *address = strtok_r(NULL, " \n", &save), *port = strtok_r(NULL, " \n", &save);
        char mapped[INET6_ADDRSTRLEN + 16], *zone;

        if (!name || !address || !port)
                return false;
        *ret = (Target) {};
        for (size_t k = 0; k < N_KINDS; k++)
                if (strcmp(kinds[k].name, name) == 0)
                        ret->kind = &kinds[k];
        if (!ret->kind)
                return false;
        if (ret->kind->mapped) {
                (void)snprintf(mapped, sizeof(mapped), "::ffff:%s", address);
                address = mapped;
        }
        zone = strchr(address, '%');
        if (zone)
                *zone++ = '\0';
        if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
                in->sin_family = AF_INET;
                in->sin_port = htons((uint16_t)atoi(port));
                ret->length = sizeof(*in);
                return true;
        }
        if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
                return false;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)(ret->kind->type == SOCK_RAW ? 0 : atoi(port)));
        in6->sin6_scope_id = zone ? if_nametoindex(zone) : 0;
        ret->length = sizeof(*in6);
        return true;
}

static Target *read_targets(FILE *f, size_t *ret_n) {
        char line[256];
        Target *targets = NULL;
        size_t n = 0, room = 0;

        while (fgets(line, sizeof(line), f)) {
                if (n == room) {
                        room = room ? room * 2 : 1024;
                        targets = realloc(targets, room * sizeof(Target));
                        if (!targets)
                                exit(1);
                }
                if (!parse(line, &targets[n])) {
                        (void)fprintf(stderr, "sender: what is '%s'?\n", line);
                        exit(2);
                }
                n++;
        }
        *ret_n = n;
        return targets;
}

static double now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(uint64_t rounds) {
        for (size_t k = 0; k < N_KINDS; k++) {
                if (!state[k].attempts)
                        continue;
                (void)printf("%s %llu %llu", kinds[k].name, (unsigned long long)state[k].attempts, (unsigned long long)state[k].left);
                for (size_t i = 0; i < 8 && state[k].errors[i]; i++)
                        (void)printf(" %s", strerrorname_np(state[k].errors[i]));
                (void)printf("\n");
        }
        (void)printf("rounds %llu\n", (unsigned long long)rounds);
        (void)fflush(stdout);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"seconds", required_argument, NULL, 's'}, {"rounds", required_argument, NULL, 'r'}, {}};
        double seconds = 0, end;
        uint64_t rounds = 1, done = 0;
        size_t n;
        FILE *f;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 's')
                        seconds = atof(optarg);
                else if (c == 'r')
                        rounds = strtoull(optarg, NULL, 10);
                else
                        return 2;
        f = optind < argc ? fopen(argv[optind], "re") : stdin;
        if (!f) {
                (void)fprintf(stderr, "sender: %s: %m\n", argv[optind]);
                return 1;
        }
        Target *targets = read_targets(f, &n);

        for (size_t k = 0; k < N_KINDS; k++)
                state[k].fd4 = state[k].fd6 = -1;
        (void)signal(SIGTERM, on_signal);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)printf("sending\n");
        (void)fflush(stdout);
        end = now() + seconds;
        do {
                for (size_t i = 0; i < n && !ending; i++)
                        send_one(&targets[i]);
                done++;
        } while (!ending && (seconds > 0 ? now() < end : done < rounds));
        report(done);
        return 0;
}
