/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of the host no plan shows, whoever asks: the table, and the one question about it. */

#include "plan.h"

/* Directories of the host that no plan shows. A tree is refused with all that is beneath it; the others only
 * themselves. Names are compared after the caller made them normal, and the builder asks again with the name
 * that the kernel gives for what it opened (CVE-2026-27002: a denied directory under another name). */
typedef struct Forbidden {
        const char *path;
        bool tree;
        bool write_only; /* may be shown, not written to */
        const char *why;
} Forbidden;

static const Forbidden forbidden[] = {
        { "/", false, false, "the root directory holds every other refused directory" },
        { "/proc", true, false, "the host's /proc shows and controls processes outside the sandbox" },
        { "/sys", true, false, "the host's /sys controls devices and cgroups" },
        { "/dev", true, false, "the host's /dev gives devices to the sandbox" },
        { "/boot", true, false, "/boot holds the kernel and its boot parameters" },
        { "/root", true, false, "/root is the administrator's home directory" },
        { "/run", true, false, "/run holds the sockets of the host's services" },
        { "/var/run", true, false, "/var/run holds the sockets of the host's services" },
        { "/etc/ocsb", true, false, "/etc/ocsb holds the ceilings of this service" },
        { "/var/lib/ocsb", true, false, "/var/lib/ocsb holds the state of this service" },
        { "/var/lib/docker", true, false, "/var/lib/docker holds other containers" },
        { "/var/lib/containers", true, false, "/var/lib/containers holds other containers" },
        { "/var/lib/containerd", true, false, "/var/lib/containerd holds other containers" },
        { "/var/lib/systemd", true, false, "/var/lib/systemd holds credentials and the random seed" },
        { "/var/lib/polkit-1", true, false, "/var/lib/polkit-1 holds authorisation rules" },
        { "/etc/polkit-1", true, false, "/etc/polkit-1 holds authorisation rules" },
        { "/etc/sudoers", true, false, "/etc/sudoers holds authorisation rules" },
        { "/etc/sudoers.d", true, false, "/etc/sudoers.d holds authorisation rules" },
        { "/etc/shadow", true, false, "/etc/shadow holds password hashes" },
        { "/etc/shadow-", true, false, "/etc/shadow- holds password hashes" },
        { "/etc/gshadow", true, false, "/etc/gshadow holds password hashes" },
        { "/etc/gshadow-", true, false, "/etc/gshadow- holds password hashes" },
        { "/etc/ssh", true, false, "/etc/ssh holds the host's private keys" },
        { "/etc/ssl/private", true, false, "/etc/ssl/private holds the host's private keys" },
        { "/lost+found", true, false, "/lost+found holds files of any owner" },
        { "/etc", true, true, "/etc configures the host and is never writable" },
        { "/usr", true, true, "/usr holds the host's programs and is never writable" },
        { "/bin", true, true, "/bin holds the host's programs and is never writable" },
        { "/sbin", true, true, "/sbin holds the host's programs and is never writable" },
        { "/lib", true, true, "/lib holds the host's libraries and is never writable" },
        { "/lib32", true, true, "/lib32 holds the host's libraries and is never writable" },
        { "/lib64", true, true, "/lib64 holds the host's libraries and is never writable" },
        { "/libx32", true, true, "/libx32 holds the host's libraries and is never writable" },
        { "/opt", true, true, "/opt holds the host's programs and is never writable" },
        { "/var", false, true, "/var as a whole is never writable: name a directory in it" },
        { "/home", false, true, "/home as a whole is never writable: name a directory in it" },
        { "/srv", false, true, "/srv as a whole is never writable: name a directory in it" },
        { "/mnt", false, true, "/mnt as a whole is never writable: name a directory in it" },
        { "/media", false, true, "/media as a whole is never writable: name a directory in it" },
        { "/tmp", false, true, "/tmp as a whole is never writable: name a directory in it" },
        { "/var/tmp", false, true, "/var/tmp as a whole is never writable: name a directory in it" },
        { "/var/lib", false, true, "/var/lib as a whole is never writable: name a directory in it" },
        { "/var/log", false, true, "/var/log as a whole is never writable: name a directory in it" },
        { "/var/spool", false, true, "/var/spool as a whole is never writable: name a directory in it" },
        { "/var/cache", false, true, "/var/cache as a whole is never writable: name a directory in it" },
};

const char *plan_source_refusal(const char *path, bool write) {
        if (!path_is_normal(path))
                return "a source is not a normal absolute path";
        for (size_t i = 0; i < ELEMENTSOF(forbidden); i++) {
                const Forbidden *f = forbidden + i;

                if (f->write_only && !write)
                        continue;
                if (f->tree ? path_is_beneath(path, f->path) : streq(path, f->path))
                        return f->why;
        }
        return NULL;
}

bool plan_source_is_forbidden(const char *path, bool write) {
        return plan_source_refusal(path, write) != NULL;
}
