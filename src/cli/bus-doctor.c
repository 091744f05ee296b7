/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doctor: what ocsbd says that this machine can and cannot enforce, and what can be seen without ocsbd, so
 * that it also helps where ocsbd does not start. */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "bus-doctor.h"
#include "bus-output.h"
#include "wire/message.h"

void report_add(Report *r, const char *name, const char *state, const char *format, ...) {
        Finding *f;
        va_list ap;

        if (r->n >= FINDINGS_MAX)
                return;
        f = &r->findings[r->n++];
        (void) snprintf(f->name, sizeof(f->name), "%s", name);
        (void) snprintf(f->state, sizeof(f->state), "%s", state);
        va_start(ap, format);
        (void) vsnprintf(f->text, sizeof(f->text), format, ap);
        va_end(ap);
}

static bool has(const Report *r, const char *name) {
        for (size_t i = 0; i < r->n; i++)
                if (streq(r->findings[i].name, name))
                        return true;
        return false;
}

/* What can be seen of this machine's kernel; left out where ocsbd has said the same with more right. */
static void check_kernel(Report *r) {
        _cleanup_free_ char *namespaces = NULL;
        struct statfs fs;
        size_t n;
        long abi;

        if (!has(r, "cgroup")) {
                if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        report_add(r, "cgroup", "ok", "cgroup v2 is mounted on /sys/fs/cgroup.");
                else if (statfs("/sys/fs/cgroup/unified", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        report_add(r, "cgroup", "limited",
                                        "cgroup v2 is mounted beside v1: limits need it alone; boot with "
                                        "systemd.unified_cgroup_hierarchy=1.");
                else
                        report_add(r, "cgroup", "limited",
                                        "cgroup v2 is not mounted on /sys/fs/cgroup: limits of memory, "
                                        "processes and CPU cannot be enforced.");
        }
        if (!has(r, "landlock")) {
                abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t) 0,
                                1U /* LANDLOCK_CREATE_RULESET_VERSION */);
                if (abi > 0)
                        report_add(r, "landlock", "ok", "The kernel has Landlock ABI %ld.", abi);
                else
                        report_add(r, "landlock", "missing", "The kernel has no Landlock%s.",
                                        errno == EOPNOTSUPP ? " enabled: boot with lsm=landlock,…" : "");
        }
        if (!has(r, "user-namespaces")) {
                if (file_read(AT_FDCWD, "/proc/sys/user/max_user_namespaces", 64, &namespaces, &n) < 0)
                        report_add(r, "user-namespaces", "missing", "The kernel has no user namespaces.");
                else if (streq(namespaces, "0\n"))
                        report_add(r, "user-namespaces", "missing",
                                        "User namespaces are switched off: set sysctl "
                                        "user.max_user_namespaces above 0.");
                else
                        report_add(r, "user-namespaces", "ok", "The kernel has user namespaces.");
        }
}

bool doctor_name_is_there(Context *c, const char *name) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        int owned = 0;

        return sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner", NULL, &m, "s", name) >= 0 &&
               sd_bus_message_read(m, "b", &owned) >= 0 && owned;
}

static bool name_is_activatable(Context *c, const char *name) {
        _cleanup_message_unref_ sd_bus_message *m = NULL;
        const char *s;

        if (sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                            "org.freedesktop.DBus", "ListActivatableNames", NULL, &m, "") < 0 ||
                        sd_bus_message_enter_container(m, 'a', "s") < 0)
                return false;
        while (sd_bus_message_read(m, "s", &s) > 0)
                if (streq(s, name))
                        return true;
        return false;
}

static void check_daemon(Context *c, Report *r) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_unref_ sd_bus_message *call = NULL, *m = NULL;
        const char *name, *state, *text;
        int k = context_new_call(c, NULL, "Doctor", &call);

        if (k >= 0)
                k = sd_bus_call(c->bus, call, UINT64_MAX, &error, &m);
        if (k < 0) {
                report_add(r, "ocsbd", "missing",
                                "%s does not answer: %s. See: systemctl status ocsbd, journalctl -u ocsbd.",
                                OCSB_BUS_NAME, error.message ? error.message : strerror(-k));
                return;
        }
        report_add(r, "ocsbd", "ok", "%s answers.", OCSB_BUS_NAME);
        if (sd_bus_message_enter_container(m, 'a', "(sss)") < 0)
                return;
        while (sd_bus_message_read(m, "(sss)", &name, &state, &text) > 0)
                report_add(r, name, state, "%s", text);
}

static void check_bus(Context *c, Report *r) {
        static const char polkit[] = "org.freedesktop.PolicyKit1";
        int k = context_open(c);

        if (k < 0) {
                report_add(r, "bus", "missing", "The system bus cannot be reached: %s.", strerror(-k));
                return;
        }
        report_add(r, "bus", "ok", "The system bus can be reached.");
        check_daemon(c, r);
        if (has(r, "polkit"))
                return;
        if (doctor_name_is_there(c, polkit))
                report_add(r, "polkit", "ok", "polkitd is running.");
        else if (name_is_activatable(c, polkit))
                report_add(r, "polkit", "ok", "polkitd is started when it is needed.");
        else
                report_add(r, "polkit", "missing",
                                "polkitd is neither running nor installed: nothing that needs "
                                "authorisation is permitted. Install package polkitd.");
}

static void check_channel(Report *r) {
        _cleanup_close_ int fd = wire_connect(OCSB_CHANNEL_SOCKET);

        if (fd >= 0)
                report_add(r, "channel", "ok", "%s takes connections.", OCSB_CHANNEL_SOCKET);
        else
                report_add(r, "channel", "limited", "%s: %s. ocsbctl exec goes over the bus, which takes longer.",
                                OCSB_CHANNEL_SOCKET, strerror(-fd));
}

int bus_verb_doctor(Context *c) {
        static const Column columns[] = {
                { "CHECK", "name", 0 },
                { "STATE", "state", 0 },
                { "FINDING", "text", COLUMN_SHORTEN },
        };
        _cleanup_free_ Report *r = calloc(1, sizeof(*r));
        _cleanup_table_ Table *t = NULL;
        size_t missing = 0;
        int k;

        if (!r)
                return -ENOMEM;
        check_bus(c, r);
        /* What is seen from here is not the other machine's. */
        if (!c->o->host) {
                check_kernel(r);
                check_channel(r);
                doctor_network(c, r);
        }

        k = table_new(c->o, columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; k >= 0 && i < r->n; i++) {
                const Finding *f = &r->findings[i];
                bool bad = streq(f->state, "missing");

                missing += bad;
                table_row(t);
                table_text(t, f->name);
                table_colored(t, f->state, bad ? "red" : streq(f->state, "ok") ? "green" : "yellow");
                table_text(t, f->text);
        }
        output_begin(c->o);
        if (k >= 0)
                k = table_print(t, "check");
        if (k < 0) {
                c->status = report_errno("print findings", k, c->o->verbose);
                return k;
        }
        if (missing > 0) {
                c->status = STATUS_FAILURE;
                return -ENOPKG;
        }
        return 0;
}

int bus_verb_version(Context *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *version = NULL;
        int r = context_open(c);

        if (r >= 0)
                r = sd_bus_get_property_string(c->bus, OCSB_BUS_NAME, OCSB_ROOT_PATH, OCSB_MANAGER_INTERFACE,
                                "Version", &error, &version);
        if (output_is_json(c->o)) {
                json_t *o = json_pack(
                                "{s:s, s:s?}", "ocsbctl", OCSB_VERSION, "ocsbd", r >= 0 ? version : NULL);

                r = output_json(c->o, o);
                return r;
        }
        printf("ocsbctl %s\n", OCSB_VERSION);
        if (r >= 0)
                printf("ocsbd %s\n", safe(0, version));
        else if (!c->o->quiet)
                fprintf(stderr, "ocsbd does not answer: %s\n",
                                safe(0, error.message ? error.message : strerror(-r)));
        return 0;
}
