/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doctor, the network: an accept in our table never overrides a drop in another one, so firewalld's default zone, ufw's forward
 * policy and Docker's stop what we let pass; a configuration that flushes everything takes our table away until ocsb-fw has made
 * it anew. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "bus-doctor.h"

#define CONF_BYTES_MAX ((size_t) 1 << 20)
#define MODULES_BYTES_MAX ((size_t) 8 << 20)

static const char *skip_blanks(const char *s) {
        return s + strspn(s, " \t");
}

bool nftables_conf_flushes(const char *text) {
        for (const char *line = text; *line;) {
                const char *s = skip_blanks(line);

                if (str_has_prefix(s, "flush")) {
                        s = skip_blanks(s + strlen("flush"));
                        if (str_has_prefix(s, "ruleset"))
                                return true;
                }
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
        return false;
}

bool ufw_conf_is_enabled(const char *text) {
        for (const char *line = text; *line;) {
                const char *s = skip_blanks(line);

                if (str_has_prefix(s, "ENABLED=")) {
                        s += strlen("ENABLED=");
                        s += *s == '"';
                        return str_has_prefix(s, "yes") || str_has_prefix(s, "YES");
                }
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
        return false;
}

bool module_list_has(const char *text, const char *module) {
        size_t n = strlen(module);

        for (const char *s = text; (s = strstr(s, module)); s += n)
                if (s > text && s[-1] == '/' && str_has_prefix(s + n, ".ko"))
                        return true;
        return false;
}

static char *read_text(const char *path, size_t max) {
        char *text = NULL;
        size_t n;

        return file_read(AT_FDCWD, path, max, &text, &n) < 0 ? NULL : text;
}

static void check_others(Context *c, Report *r) {
        _cleanup_free_ char *nftables = read_text("/etc/nftables.conf", CONF_BYTES_MAX), *ufw = read_text("/etc/ufw/ufw.conf", CONF_BYTES_MAX);

        if (doctor_name_is_there(c, "org.fedoraproject.FirewallD1"))
                report_add(r, "firewalld", "limited",
                                "firewalld runs, and drops what its default zone does not know. Unless that is done already: "
                                "firewall-cmd --permanent --zone=trusted --add-interface=ocsb+ && firewall-cmd --reload");
        if (ufw && ufw_conf_is_enabled(ufw))
                report_add(r, "ufw", "limited",
                                "ufw is on, and drops what is forwarded. Unless that is done already: ufw route allow in on ocsb+");
        if (access("/sys/class/net/docker0", F_OK) >= 0)
                report_add(r, "docker", "limited",
                                "Docker drops what it does not forward itself. Unless that is done already: iptables -I DOCKER-USER "
                                "-i ocsb+ -j ACCEPT && iptables -I DOCKER-USER -o ocsb+ -m conntrack --ctstate "
                                "ESTABLISHED,RELATED -j ACCEPT");
        if (nftables && nftables_conf_flushes(nftables))
                report_add(r, "nftables.conf", "limited",
                                "/etc/nftables.conf flushes everybody's rules; ours are back within a second, and the fences inside the "
                                "sandboxes hold meanwhile. To spare them, replace the line 'flush ruleset' by one for each table of "
                                "the file: 'table inet NAME' and 'delete table inet NAME'");
}

/* What the rules need, as far as it can be seen that it is nowhere. */
static void check_modules(Report *r) {
        static const char *const wanted[] = { "nf_tables", "nft_ct", "nft_masq", "nft_reject_inet", "nf_conntrack_netlink", "veth" };
        _cleanup_free_ char *dep = NULL, *builtin = NULL;
        char path[256], missing[256] = "";
        struct utsname u;

        if (uname(&u) < 0)
                return;
        (void) snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", u.release);
        dep = read_text(path, MODULES_BYTES_MAX);
        (void) snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", u.release);
        builtin = read_text(path, MODULES_BYTES_MAX);
        if (!dep && !builtin)
                return; /* a container, or a kernel without modules: ocsb-fw says what it lacks */
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                size_t used = strlen(missing);

                (void) snprintf(path, sizeof(path), "/sys/module/%s", wanted[i]);
                if (access(path, F_OK) >= 0 || (dep && module_list_has(dep, wanted[i])) ||
                                (builtin && module_list_has(builtin, wanted[i])))
                        continue;
                (void) snprintf(missing + used, sizeof(missing) - used, "%s%s", used > 0 ? ", " : "", wanted[i]);
        }
        if (missing[0])
                report_add(r, "nft-modules", "limited",
                                "This kernel has no %s, which network \"nat\" needs: install all of its modules, such as package "
                                "linux-image-$(uname -r) instead of a cloud or minimal variant.",
                                missing);
        else
                report_add(r, "nft-modules", "ok", "The kernel's modules for nftables and veth are there.");
}

void doctor_network(Context *c, Report *r) {
        if (c->bus)
                check_others(c, r);
        check_modules(r);
}
