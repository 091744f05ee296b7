/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sandbox has without being granted anything: for root "host-minimal" the system's programs and the parts of
 * /etc that they need; for both roots generated files and scratch directories. Nothing here depends on what the host
 * has: what may be missing is optional, and /bin, /lib and their like are links into /usr, as on every current
 * distribution (Debian since 12 with usrmerge). */

#include <stdio.h>

#include "policy-private.h"

/* Each is for a program that fails or lies without it; one mount each, so the list is short. Never the whole of
 * /etc: it has Wi-Fi passwords, tokens of services, host keys. */
static const char *const etc_paths[] = {
        "/etc/alternatives",           /* cc, java, editor, … on Debian */
        "/etc/bash.bashrc",
        "/etc/ca-certificates",        /* Arch: the bundle itself */
        "/etc/crypto-policies",        /* Fedora: included by openssl.cnf */
        "/etc/debian_version",
        "/etc/fonts",
        "/etc/gitconfig",
        "/etc/inputrc",
        "/etc/java-11-openjdk",        /* the JDK links its configuration here and does not start without */
        "/etc/java-17-openjdk",
        "/etc/java-21-openjdk",
        "/etc/java-25-openjdk",
        "/etc/java",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",             /* ld(1) looks for libraries of libraries by it */
        "/etc/ld.so.conf.d",
        "/etc/localtime",
        "/etc/magic",
        "/etc/maven",
        "/etc/mime.types",
        "/etc/perl",                   /* first in @INC */
        "/etc/pki/ca-trust/extracted", /* Fedora */
        "/etc/pki/tls/cert.pem",
        "/etc/pki/tls/certs",
        "/etc/pki/tls/openssl.cnf",
        "/etc/profile",
        "/etc/protocols",
        "/etc/python3",
        "/etc/python3.11",
        "/etc/python3.13",
        "/etc/services",
        "/etc/shells",
        "/etc/ssl/ca-bundle.pem",      /* openSUSE */
        "/etc/ssl/cert.pem",
        "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
        "/etc/terminfo",
        "/etc/timezone",
};

static const struct {
        const char *target, *to;
} merged_links[] = {
        { "/bin", "usr/bin" },
        { "/lib", "usr/lib" },
        { "/lib64", "usr/lib64" },
        { "/sbin", "usr/sbin" },
};

static const struct {
        const char *target, *to;
} links[] = {
        { "/etc/mtab", "../proc/self/mounts" },
        { "/etc/os-release", "../usr/lib/os-release" },
        { "/var/run", "../run" },
};

static const struct {
        const char *target;
        uint32_t mode, flags;
} scratch[] = {
        { "/dev/shm", 01777, PLAN_MOUNT_WRITE },
        { "/run", 0755, PLAN_MOUNT_WRITE },
        { "/tmp", 01777, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC },
        { "/var/tmp", 01777, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC },
};

bool base_is_merged_link(const char *path) {
        for (size_t i = 0; i < ELEMENTSOF(merged_links); i++)
                if (path_is_beneath(path, merged_links[i].target))
                        return true;
        return false;
}

bool usable_shell(const char *shell) {
        const char *name;

        if (!shell || !path_is_normal(shell) || strpbrk(shell, ":\n"))
                return false;
        name = strrchr(shell, '/') + 1;
        return (path_is_beneath(shell, "/bin") || path_is_beneath(shell, "/usr/bin")) && !streq(name, "false") &&
                        !streq(name, "nologin") && !streq(name, "true");
}

static void add_file(Resolution *r, const char *target, const char *contents) {
        ResolvedMount *m = mount_new(r, PLAN_MOUNT_FILE, 0, target, "built-in", MOUNT_BASE);

        m->mode = 0644;
        m->source = resolution_intern(r, contents);
        m->source_len = strlen(m->source);
}

static void add_link(Resolution *r, const char *target, const char *to) {
        ResolvedMount *m = mount_new(r, PLAN_MOUNT_SYMLINK, 0, target, "built-in", MOUNT_BASE);

        m->source = to;
        m->source_len = strlen(to);
}

static void add_path(Resolution *r, const char *path, uint32_t flags) {
        ResolvedMount *m = mount_new(r, PLAN_MOUNT_PATH, flags, path, "built-in", MOUNT_BASE);

        m->source = m->host = path;
        m->source_len = strlen(path);
}

static ResolvedMount *add_scratch(Resolution *r, const char *target, uint32_t mode, uint32_t flags) {
        ResolvedMount *m = mount_new(r, PLAN_MOUNT_SCRATCH, flags, target, "built-in", MOUNT_BASE);

        m->mode = mode;
        return m;
}

/* The user database inside: root (who owns what the kernel shows as its own), the caller, nobody (who owns all that
 * is mapped to no one). */
static void add_user_database(Resolution *r) {
        const Plan *p = r->plan;
        GString *passwd = g_string_new("root:x:0:0:root:/root:/usr/sbin/nologin\n");
        GString *group = g_string_new("root:x:0:\ntty:x:5:\n");

        g_string_append_printf(passwd, "%s:x:%u:%u:%s:%s:%s\n", r->user, p->uid, p->gid, r->user, r->home, r->shell);
        if (p->uid != 65534)
                g_string_append(passwd, "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        if (p->gid != 5)
                g_string_append_printf(group, "%s:x:%u:\n", p->gid == 65534 ? "nogroup" : r->user, p->gid);
        if (p->gid != 65534)
                g_string_append(group, "nogroup:x:65534:\n");
        add_file(r, "/etc/passwd", passwd->str);
        add_file(r, "/etc/group", group->str);
        g_string_free(passwd, TRUE);
        g_string_free(group, TRUE);
}

/* Lists exactly the resolvers that the rules let through: a program that asked another one would wait for nothing. */
static const char *resolv_conf(Resolution *r) {
        const NetIntent *net = &r->plan->net;
        GString *s;
        const char *text;

        if (r->plan->network == PLAN_NETWORK_NONE)
                return "# This sandbox has no network, so there is no one to ask.\n";
        if (net->n_resolvers == 0)
                return "# This sandbox has no resolvers.\n";
        s = g_string_new("# The resolvers that this sandbox may ask.\n");
        for (size_t i = 0; i < net->n_resolvers; i++) {
                char address[NET_ADDRESS_TEXT_MAX];

                g_string_append_printf(s, "nameserver %s\n", net_address_format(net->resolvers + i, address));
        }
        /* One that does not answer costs a second, not the five of the default. */
        g_string_append(s, "options timeout:1 attempts:2\n");
        text = resolution_intern(r, s->str);
        g_string_free(s, TRUE);
        return text;
}

static void add_network_files(Resolution *r) {
        const char *name = r->plan->hostname;

        add_file(r, "/etc/hostname", resolution_format(r, "%s\n", name));
        add_file(r, "/etc/hosts", resolution_format(r, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n"
                        "::1\tlocalhost ip6-localhost ip6-loopback\n", name));
        add_file(r, "/etc/nsswitch.conf", resolution_format(r, "passwd: files\ngroup: files\nshadow: files\nhosts: files%s\n"
                        "services: files\nprotocols: files\nnetworks: files\n",
                        r->plan->net.n_resolvers > 0 ? " dns" : ""));
        add_file(r, "/etc/resolv.conf", resolv_conf(r));
}

void base_mounts(Resolution *r) {
        if (r->plan->root == PLAN_ROOT_HOST_MINIMAL) {
                add_path(r, "/usr", PLAN_MOUNT_EXEC);
                for (size_t i = 0; i < ELEMENTSOF(etc_paths); i++)
                        add_path(r, etc_paths[i], PLAN_MOUNT_OPTIONAL);
        }
        for (size_t i = 0; i < ELEMENTSOF(merged_links); i++)
                add_link(r, merged_links[i].target, merged_links[i].to);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                add_link(r, links[i].target, links[i].to);
        for (size_t i = 0; i < ELEMENTSOF(scratch); i++)
                add_scratch(r, scratch[i].target, scratch[i].mode, scratch[i].flags);
        if (r->variables.home)
                add_scratch(r, r->home, 0700, PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC)->home = true;
        add_user_database(r);
        add_network_files(r);
}
