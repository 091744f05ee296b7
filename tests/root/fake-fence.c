/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In the place of ocsb-fw for the tests of ocsb-stage: "--namespace" looks at what it was given and leaves a mark in its
 * namespace, the MTU of lo. What /run/fence says, when it is there, is its error. */

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-firewall.h"

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "fence: %s\n", what);
        exit(1);
}

static void look_at_rights(void) {
        struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct d[2] = {};

        if (getuid() == 0 || getuid() != geteuid() || getgroups(0, NULL) != 0)
                fail("the wrong user");
        if (syscall(SYS_capget, &h, d) < 0 || d[0].permitted != 1u << CAP_NET_ADMIN ||
                        d[0].effective != d[0].permitted || d[1].permitted || d[1].inheritable ||
                        d[0].inheritable != d[0].permitted)
                fail("the wrong capabilities");
        for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
                if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) != (c == CAP_NET_ADMIN))
                        fail("the wrong bounding set");
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                fail("no_new_privs is not set");
}

static void look_at_descriptors(void) {
        DIR *d = opendir("/proc/self/fd");

        for (struct dirent *e; d && (e = readdir(d));)
                if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(d))
                        fail("a descriptor too many");
}

int main(int argc, char **argv) {
        struct ifreq r = {.ifr_name = "lo", .ifr_mtu = FENCE_MARK};
        char text[300] = "";
        FILE *f;

        if (argc != 2 || strcmp(argv[1], "--namespace") != 0)
                fail("the wrong arguments");
        if (environ && environ[0])
                fail("the environment is not empty");
        f = fopen("/run/fence", "re");
        if (f && fgets(text, sizeof(text), f) && strcmp(text, "hang") == 0)
                for (;;)
                        (void) pause();
        if (f && text[0])
                fail(text);
        look_at_rights();
        look_at_descriptors();
        if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFMTU, &r) < 0)
                fail("the namespace cannot be changed");
        return 0;
}
