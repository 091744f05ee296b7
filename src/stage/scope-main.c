/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsb-scope ID PID MEMORY SWAP PIDS CPU IO-WEIGHT: registers PID as ocsb-ID.scope with systemd and waits until the
 * job is done. A program of its own, run by a monitor while it is still root, so that the builder and the monitors
 * do not link libsystemd. Prints one line and exits with an errno on failure. */

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/text.h"
#include "wire/plan.h"

typedef struct Job {
        char path[256];
        char result[32];
        bool done;
} Job;

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Job *job = userdata;
        const char *path, *unit, *result;
        uint32_t id;

        (void) error;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && streq(path, job->path)) {
                (void) snprintf(job->result, sizeof(job->result), "%s", result);
                job->done = true;
        }
        return 0;
}

static int append_limits(sd_bus_message *m, const uint64_t v[static 5]) {
        static const char *const names[] = { "MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec", "IOWeight" };
        static const char *const accounting[] = { "MemoryAccounting", NULL, "TasksAccounting", "CPUAccounting", "IOAccounting" };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(names); i++) {
                if (v[i] == PLAN_UNLIMITED)
                        continue;
                r = sd_bus_message_append(m, "(sv)", names[i], "t", v[i]);
                if (r >= 0 && accounting[i])
                        r = sd_bus_message_append(m, "(sv)", accounting[i], "b", 1);
        }
        return r;
}

static int start_scope(sd_bus *bus, const char *id, uint32_t pid, const uint64_t limits[static 5], Job *job, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        char name[64], description[96];
        const char *path;
        int r;

        (void) snprintf(name, sizeof(name), "ocsb-%s.scope", id);
        (void) snprintf(description, sizeof(description), "Sandbox session %s", id);
        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                        "org.freedesktop.systemd1.Manager", "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", description, "Slice", "s",
                                "ocsb.slice", "Delegate", "b", 1, "CollectMode", "s", "inactive-or-failed", "PIDs", "au",
                                1, pid);
        if (r >= 0)
                r = append_limits(m, limits);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 10 * USEC_PER_SEC, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                (void) snprintf(job->path, sizeof(job->path), "%s", path);
        return r;
}

/* Not strstr(): "cpuset" is not "cpu". */
static bool has_word(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; (p = strstr(p, word)); p += n)
                if ((p == list || p[-1] == ' ') && strchr(" \n", p[n]))
                        return true;
        return false;
}

/* A controller that is not there makes systemd ignore the property: the promise of a limit must not depend on it. */
static int check_controllers(const uint64_t v[static 5], const char *controllers) {
        static const char *const needs[] = { "memory", "memory", "pids", "cpu", "io" };

        for (size_t i = 0; i < ELEMENTSOF(needs); i++)
                if (v[i] != PLAN_UNLIMITED && !has_word(controllers, needs[i])) {
                        printf("the cgroup controller \"%s\" is not available here, so the limit cannot be enforced\n", needs[i]);
                        return -ENOTSUP;
                }
        return 0;
}

static int run(char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        char controllers[256] = "";
        uint64_t limits[5];
        uint32_t pid;
        Job job = {};
        FILE *f;
        int r;

        if (!session_id_valid(argv[1]) || parse_u32(argv[2], &pid) < 0)
                return -EINVAL;
        for (size_t i = 0; i < 5; i++)
                if (parse_u64(argv[3 + i], &limits[i]) < 0)
                        return -EINVAL;
        f = fopen("/sys/fs/cgroup/cgroup.controllers", "re");
        if (f) {
                (void) !fgets(controllers, sizeof(controllers), f);
                (void) fclose(f);
        }
        r = check_controllers(limits, controllers);
        if (r < 0)
                return r;
        /* Straight to PID 1: as root this needs no bus daemon. */
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL, "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
                                on_job_removed, &job);
        /* A scope of an earlier session of this name is gone from the file system a moment before systemd has
         * forgotten it. */
        for (unsigned i = 0; r >= 0 && i < 200; i++) {
                sd_bus_error_free(&error);
                r = start_scope(bus, argv[1], pid, limits, &job, &error);
                if (r >= 0 || i == 199 || !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists"))
                        break;
                (void) usleep(10000);
                r = 0;
        }
        while (r >= 0 && !job.done) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, 10 * USEC_PER_SEC);
        }
        if (r < 0) {
                printf("systemd did not make the scope: %s\n", error.message ? error.message : strerror(-r));
                return r;
        }
        if (!streq(job.result, "done")) {
                printf("systemd did not make the scope: the job ended as \"%s\"\n", job.result);
                return -EIO;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        int r = argc == 8 ? run(argv) : -EINVAL;

        return r < 0 ? MIN(-r, 125) : 0;
}
