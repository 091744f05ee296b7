/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other end of /run/ocsb/fw.sock. */

#include "fake-firewall.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/message.h"

FakeState *fake;
static int listen_fd = -EBADF;
static pid_t pid;

static void problem(const char *what) {
        if (!fake->problem[0])
                (void) snprintf(fake->problem, sizeof(fake->problem), "%s", what);
}

int fake_find(const char *id) {
        for (int i = 0; i < FAKE_SESSIONS_MAX; i++)
                if (streq(fake->sessions[i].id, id))
                        return i;
        return -1;
}

unsigned fake_sessions(void) {
        unsigned n = 0;

        for (int i = 0; i < FAKE_SESSIONS_MAX; i++)
                n += fake->sessions[i].id[0] != 0;
        return n;
}

/* RTM_NEWLINK by hand: eth0, a bridge without ports, up. By the right of this process and of who opened the socket. */
static int make_interface(int route) {
        struct {
                struct nlmsghdr h;
                struct ifinfomsg i;
                struct {
                        struct rtattr a;
                        char name[8];
                } name;
                struct {
                        struct rtattr info, kind;
                        char text[8];
                } link;
        } m = {.h = {.nlmsg_len = sizeof(m),
                               .nlmsg_type = RTM_NEWLINK,
                               .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
                        .i = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP},
                        .name = {{12, IFLA_IFNAME}, "eth0"},
                        .link = {{16, IFLA_LINKINFO}, {12, IFLA_INFO_KIND}, "bridge"}};
        struct {
                struct nlmsghdr h;
                struct nlmsgerr e;
                char rest[256];
        } answer = {};

        if (send(route, &m, sizeof(m), 0) < 0 || recv(route, &answer, sizeof(answer), 0) < 0)
                return -errno;
        return answer.h.nlmsg_type == NLMSG_ERROR ? answer.e.error : -EBADMSG;
}

/* RTM_NEWADDR: 169.254.99.1/16 on eth0, which is the first one after lo. */
static int add_address(int route) {
        struct {
                struct nlmsghdr h;
                struct ifaddrmsg i;
                struct {
                        struct rtattr a;
                        uint8_t bytes[4];
                } address;
        } m = {.h = {.nlmsg_len = sizeof(m),
                               .nlmsg_type = RTM_NEWADDR,
                               .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
                        .i = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = 2},
                        .address = {{8, IFA_LOCAL}, {169, 254, 99, 1}}};
        struct {
                struct nlmsghdr h;
                struct nlmsgerr e;
                char rest[256];
        } answer = {};

        if (send(route, &m, sizeof(m), 0) < 0 || recv(route, &answer, sizeof(answer), 0) < 0)
                return -errno;
        return answer.h.nlmsg_type == NLMSG_ERROR ? answer.e.error : -EBADMSG;
}

static int mtu_of_loopback(int route) {
        struct {
                struct nlmsghdr h;
                struct ifinfomsg i;
        } m = {.h = {.nlmsg_len = sizeof(m), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST}, .i = {.ifi_index = 1}};
        static char answer[16384];
        ssize_t n;

        if (send(route, &m, sizeof(m), 0) < 0 || (n = recv(route, answer, sizeof(answer), 0)) < (ssize_t) sizeof(m))
                return -1;
        n -= (ssize_t) sizeof(m);
        for (struct rtattr *a = (struct rtattr *) (void *) (answer + sizeof(m)); RTA_OK(a, n); a = RTA_NEXT(a, n))
                if (a->rta_type == IFLA_MTU)
                        return *(int *) RTA_DATA(a);
        return -1;
}

static int look_at(const WireMessage *m, const FwAttach *a) {
        struct stat st, own;
        int protocol = -1, i, r;
        socklen_t len = sizeof(protocol);

        if (m->n_fds != 3 || fstat(m->fds[0], &st) < 0 || stat("/proc/self/ns/net", &own) < 0 || st.st_ino == own.st_ino)
                problem("not a namespace of its own");
        if (getsockopt(m->fds[2], SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 || protocol != NETLINK_NETFILTER)
                problem("the third descriptor is no netfilter socket");
        if (mtu_of_loopback(m->fds[1]) != FENCE_MARK)
                problem("the namespace has no fence in it");
        i = fake_find(a->id);
        if (i < 0) {
                i = fake_find("");
                (void) strcpy(fake->sessions[i].id, a->id);
                fake->sessions[i].netns = st.st_ino;
                fake->sessions[i].times = 0;
                fake->sessions[i].n_grants = a->intent.n_grants;
                r = make_interface(m->fds[1]);
                if (r >= 0 && fake->open && add_address(m->fds[1]) < 0)
                        problem("the address cannot be added");
                if (r < 0)
                        problem(r == -EOPNOTSUPP ? "no bridges in this kernel" : "the interface cannot be made");
        } else {
                if (fake->sessions[i].netns != st.st_ino)
                        problem("another namespace than the first time");
                fake->sessions[i].n_grants_again += a->intent.n_grants;
        }
        fake->sessions[i].times++;
        fake->sessions[i].this_time = true;
        return i;
}

static void answer_attach(int fd, const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        _cleanup_writer_ WireWriter w = {};
        FwAttached done = {.interface = "ocsb1", .ipv4 = {4, {198, 18, 0, 1}}};
        FwAttach a;

        if (fw_attach_decode(&reader, &a, NULL) < 0) {
                problem("a malformed FW_ATTACH");
                return;
        }
        fake->attaches++;
        if (fake->delay_ms)
                (void) nanosleep(&(struct timespec){fake->delay_ms / 1000, fake->delay_ms % 1000 * 1000000}, NULL);
        if (fake->answer == FAKE_IS_SILENT)
                return;
        if (fake->answer == FAKE_REFUSES) {
                msg_ack_encode(&w, EADDRINUSE, FAKE_REFUSAL);
                (void) wire_send(fd, WIRE_ACK, m->tag, &w, NULL, 0);
                return;
        }
        (void) look_at(m, &a);
        (void) strcpy(done.id, a.id);
        fw_attached_encode(&w, &done);
        (void) wire_send(fd, FW_ATTACHED, m->tag, &w, NULL, 0);
}

static bool scope_exists(const char *id) {
        char path[256];

        (void) snprintf(path, sizeof(path), "/sys/fs/cgroup/tests/ocsb.slice/ocsb-%s.scope", id);
        return access(path, F_OK) == 0;
}

static void take_detach(const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        char id[SESSION_ID_MAX + 1];
        int i;

        if (msg_id_decode(&reader, id) < 0)
                return;
        fake->detaches++;
        i = fake_find(id);
        if (i < 0)
                return;
        /* Of a session that is being made anew the scope may be there already. */
        fake->early_detaches += scope_exists(id) && fake->sessions[i].this_time;
        memset(fake->sessions + i, 0, sizeof(fake->sessions[i]));
}

static void acknowledge(int fd, const WireMessage *m) {
        _cleanup_writer_ WireWriter w = {};

        msg_ack_encode(&w, 0, NULL);
        (void) wire_send(fd, WIRE_ACK, m->tag, &w, NULL, 0);
}

static void serve(int fd) {
        fake->connections++;
        for (int i = 0; i < FAKE_SESSIONS_MAX; i++)
                fake->sessions[i].this_time = false;
        for (;;) {
                _cleanup_message_ WireMessage m = {};
                int r = wire_recv(fd, &m);

                if (r <= 0)
                        return;
                switch (m.type) {
                case FW_ATTACH:
                        if (fake->answer == FAKE_HANGS_UP)
                                return;
                        answer_attach(fd, &m);
                        break;
                case FW_DETACH:
                        take_detach(&m);
                        acknowledge(fd, &m);
                        break;
                case FW_SYNCED:
                        fake->syncs++;
                        for (int i = 0; i < FAKE_SESSIONS_MAX; i++)
                                if (!fake->sessions[i].this_time)
                                        memset(fake->sessions + i, 0, sizeof(fake->sessions[i]));
                        acknowledge(fd, &m);
                        break;
                default:
                        problem("an unknown request");
                }
        }
}

int fake_start(void) {
        if (!fake) {
                fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
                if (fake == MAP_FAILED)
                        return -errno;
        }
        if (listen_fd < 0)
                listen_fd = wire_listen(OCSB_FW_SOCKET, 0660);
        if (listen_fd < 0)
                return listen_fd;
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                (void) fd_set_nonblock(listen_fd, false);
                for (;;) {
                        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

                        if (fd >= 0)
                                serve(fd);
                        fd_close(fd);
                }
        }
        return pid < 0 ? -errno : 0;
}

void fake_kill(void) {
        if (pid <= 0)
                return;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        pid = 0;
}

void fake_pause(void) {
        (void) kill(pid, SIGSTOP);
}

void fake_stop(void) {
        fake_kill();
        listen_fd = fd_close(listen_fd);
        (void) unlink(OCSB_FW_SOCKET);
}
