/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Doctor: what this machine has of what the sandboxes stand on, each with a sentence that says what follows
 * or what to do. Looked at when asked, from files that every process may read; the daemon has no rights to
 * look further. */

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "firewall.h"
#include "manager.h"
#include "operation.h"
#include "sys/cgroup.h"
#include "sys/landlock.h"

typedef struct Findings {
        sd_bus_message *reply;
        int r;
} Findings;

static void find(Findings *f, const char *name, const char *state, const char *format, ...) _printf_(4, 5);
static void find(Findings *f, const char *name, const char *state, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        if (f->r >= 0)
                f->r = sd_bus_message_append(f->reply, "(sss)", name, state, text);
}

/* The controllers of the cgroup2 mount, as far as they reach into it. */
static char **read_controllers(void) {
        char mount[512], list[512] = "";
        _cleanup_close_ int fd = -EBADF;

        if (cgroup_mount_point(mount, sizeof(mount)) >= 0) {
                fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0 || cgroup_controllers(fd, list, sizeof(list)) < 0)
                        list[0] = 0;
        }
        g_strstrip(list);
        return list[0] ? g_strsplit(list, " ", -1) : g_new0(char *, 1);
}

void doctor_read_machine(Manager *m) {
        m->landlock_abi = landlock_abi();
        m->controllers = read_controllers();
}

static void examine_kernel(Findings *f, const Manager *m) {
        static const struct {
                const char *controller, *limits;
        } wanted[] = {
                { "memory", "memory and swap" },
                { "pids", "pids" },
                { "cpu", "cpu" },
                { "io", "io-weight" },
        };
        char mount[512];
        struct utsname u;

        if (uname(&u) >= 0)
                find(f, "kernel", "ok", "Linux %s.", u.release);
        if (m->landlock_abi == 0)
                find(f, "landlock", "missing",
                                "The kernel has no Landlock, or it is not in the list of its security "
                                "modules (boot parameter lsm=).");
        else if (m->landlock_abi < 6)
                find(f, "landlock", "limited",
                                "Landlock ABI %" PRIu32
                                "; from 6 on (Linux 6.12) it also fences signals and abstract sockets, "
                                "which namespaces do alone here.",
                                m->landlock_abi);
        else
                find(f, "landlock", "ok", "Landlock ABI %" PRIu32 ".", m->landlock_abi);
        if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) >= 0)
                find(f, "seccomp", "ok", "The kernel filters system calls.");
        else
                find(f, "seccomp", "missing",
                                "The kernel cannot filter system calls (CONFIG_SECCOMP_FILTER).");

        if (cgroup_mount_point(mount, sizeof(mount)) < 0) {
                find(f, "cgroup", "missing",
                                "No cgroup2 file system is mounted: sessions with limits are refused.");
                return;
        }
        find(f, "cgroup", "ok", "cgroup v2 at %s.", mount);
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                g_autofree char *name = g_strconcat("cgroup.", wanted[i].controller, NULL);

                if (g_strv_contains((const char *const *) m->controllers, wanted[i].controller))
                        find(f, name, "ok", "Limits on %s can be enforced.", wanted[i].limits);
                else
                        find(f, name, "missing",
                                        "Limits on %s cannot be enforced; sessions that ask for them are "
                                        "refused.",
                                        wanted[i].limits);
        }
}

static void examine_services(Findings *f, const Manager *m) {
        int polkit = authority_polkit_state(m->authority);

        if (polkit == 1)
                find(f, "polkit", "ok", "polkit is running.");
        else
                find(f, "polkit", polkit == 0 ? "missing" : "limited",
                                "polkit is not running; the bus starts it on demand where it is installed. "
                                "Without it everything that needs authorisation is denied.");
        if (stage_is_connected(m->stage))
                find(f, "builder", "ok", "ocsb-stage is connected.");
        else
                find(f, "builder", "missing",
                                "ocsb-stage cannot be reached: no session can be made; see 'systemctl "
                                "status ocsb-stage.service'.");
        if (m->policy)
                find(f, "policy", "ok", "Profiles and ceilings are in order.");
        else
                find(f, "policy", "missing",
                                "No session is created until this is mended and ocsbd reloaded: %s",
                                m->policy_error);
        if (access("/run/systemd/system", F_OK) >= 0)
                find(f, "systemd", "ok", "Each session is a scope in ocsb.slice.");
        else
                find(f, "systemd", "limited",
                                "systemd is not the init of this machine: the daemons manage cgroups and "
                                "each other themselves.");
}

/* What stands in the way on this machine is seen by ocsb-fw, which has the rights to look, and by ocsbctl, which is not shut off
 * from its network. */
static void examine_firewall(Findings *f, const Manager *m) {
        const FwStatus *s = firewall_last_status(m->firewall);
        g_auto(GStrv) lines = NULL;

        if (!firewall_is_ready(m->firewall) || !s) {
                find(f, "firewall", "limited",
                                "ocsb-fw cannot be reached: sessions with network \"nat\" are refused. Start it with 'systemctl "
                                "start ocsb-fw.service'.");
                return;
        }
        lines = g_strsplit(s->problems ? s->problems : "", "\n", -1);
        for (char **line = lines; *line; line++) {
                g_autofree char *text = g_utf8_make_valid(*line, -1);

                if (*text)
                        find(f, "firewall", "missing", "%s", text);
        }
        find(f, "firewall", "ok", "ocsb-fw is connected; %" PRIu64 " repairs of its table since it was started.", s->repairs);
        if (s->ipv6)
                find(f, "firewall.ipv6", "ok", "Sandboxes with network \"nat\" have IPv6.");
        else
                find(f, "firewall.ipv6", "limited",
                                "This host has no default route for IPv6, so sandboxes have none, either.");
}

static void examine_daemon(Findings *f, const Manager *m) {
        if (access("/proc/1/status", R_OK) >= 0)
                find(f, "proc", "ok", "Callers can be looked at.");
        else
                find(f, "proc", "missing",
                                "/proc is mounted with hidepid: whether callers are in a sandbox cannot be "
                                "told, so they are refused. Mount it with gid= of a group that the user "
                                "ocsb is in.");
        if (m->persistent_fd >= 0)
                find(f, "state", "ok", "A lockdown survives a restart.");
        else
                find(f, "state", "limited",
                                "/var/lib/ocsb is not a directory of the user ocsb: a lockdown does not "
                                "survive a restart.");
        if (m->locked_down)
                find(f, "lockdown", "limited",
                                "This machine is locked down; 'ocsbctl lockdown off' lifts it.");
}

static int append_findings(sd_bus_message *reply, void *userdata) {
        Manager *m = userdata;
        Findings f = { .reply = reply };

        examine_kernel(&f, m);
        examine_services(&f, m);
        examine_firewall(&f, m);
        examine_daemon(&f, m);
        return f.r;
}

void doctor_run(Operation *op) {
        operation_reply_list(op, "(sss)", append_findings, op->manager);
}
