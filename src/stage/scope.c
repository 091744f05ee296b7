/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ways to a session's cgroup. */

#include "scope.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/cgroup.h"
#include "sys/process.h"

void scope_name(const char *id, char buf[static 64]) {
        (void) snprintf(buf, 64, "ocsb-%s.scope", id);
}

typedef struct LimitFile {
        const char *controller, *file;
        uint64_t value;
} LimitFile;

static int set_limit(int slice_fd, int dir, const LimitFile *l, char *why, size_t why_size) {
        int r;

        if (l->value == PLAN_UNLIMITED)
                return 0;
        r = cgroup_enable(slice_fd, l->controller);
        if (r < 0) {
                (void) snprintf(why, why_size, "the cgroup controller \"%s\" is not available here, so the %s limit "
                                               "cannot be enforced: leave the limit out or boot with cgroup v2 and that controller",
                                l->controller, l->file);
                return r == -ENOENT ? -ENOTSUP : r;
        }
        r = cgroup_set(dir, l->file, l->value);
        if (r < 0)
                (void) snprintf(why, why_size, "cannot set %s: %s", l->file, strerror(-r));
        return r;
}

int scope_make(int slice_fd, const Plan *plan, int *ret_dir, char *why, size_t why_size) {
        const PlanLimits *p = &plan->limits;
        const LimitFile limits[] = {
                { "memory", "memory.max", p->memory },
                { "memory", "memory.swap.max", p->swap },
                { "pids", "pids.max", p->pids },
                { "io", "io.weight", p->io_weight },
        };
        _cleanup_close_ int dir = -EBADF;
        char name[64], text[48];
        int r = 0;

        scope_name(plan->id, name);
        dir = cgroup_make(slice_fd, name);
        if (dir < 0)
                return dir;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(limits); i++)
                r = set_limit(slice_fd, dir, &limits[i], why, why_size);
        if (r >= 0 && p->cpu != PLAN_UNLIMITED) {
                r = cgroup_enable(slice_fd, "cpu");
                if (r < 0)
                        (void) snprintf(why, why_size, "the cgroup controller \"cpu\" is not available here, so the cpu "
                                                       "limit cannot be enforced: leave the limit out or boot with cgroup v2 and that controller");
                else {
                        /* A period of 100 ms, as systemd's CPUQuota=. */
                        (void) snprintf(text, sizeof(text), "%" PRIu64 " 100000", p->cpu / 10);
                        r = file_write_at(dir, "cpu.max", text);
                }
        }
        if (r < 0) {
                (void) unlinkat(slice_fd, name, AT_REMOVEDIR);
                return r;
        }
        *ret_dir = TAKE_FD(dir);
        return 0;
}

int scope_register(const Plan *plan, int *ret_dir, char *why, size_t why_size) {
        static char *const no_env[] = { NULL };
        char values[6][24], pid[16], path[PATH_MAX], mount[512], own[512];
        const uint64_t limits[] = { plan->limits.memory, plan->limits.swap, plan->limits.pids, plan->limits.cpu,
                plan->limits.io_weight };
        char *argv[] = { (char *) "ocsb-scope", (char *) plan->id, pid, values[0], values[1], values[2], values[3],
                values[4], NULL };
        int pipe_fds[2], status, fd, r;
        ssize_t n;
        pid_t child;

        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                (void) snprintf(values[i], sizeof(values[i]), "%" PRIu64, limits[i]);
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        child = process_clone(0, -1, NULL);
        if (child == 0) {
                if (dup2(pipe_fds[1], STDOUT_FILENO) >= 0)
                        (void) execve(OCSB_LIBEXEC_DIR "/ocsb-scope", argv, no_env);
                _exit(127);
        }
        fd_close(pipe_fds[1]);
        /* On failure the helper prints one line that says why. */
        n = child < 0 ? 0 : fd_read_full(pipe_fds[0], why, why_size - 1);
        fd_close(pipe_fds[0]);
        if (child < 0)
                return child;
        why[MAX(n, 0)] = 0;
        why[strcspn(why, "\n")] = 0;
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return WIFEXITED(status) && WEXITSTATUS(status) < 127 ? -WEXITSTATUS(status) : -EIO;

        r = cgroup_mount_point(mount, sizeof(mount));
        if (r >= 0)
                r = cgroup_of(0, own, sizeof(own));
        if (r < 0)
                return r;
        (void) snprintf(path, sizeof(path), "%s%s", mount, own);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* The io controller comes with weights only when the kernel has iocost or bfq; systemd says nothing then. */
        if (plan->limits.io_weight != PLAN_UNLIMITED && faccessat(fd, "io.weight", F_OK, 0) < 0 &&
            faccessat(fd, "io.bfq.weight", F_OK, 0) < 0) {
                fd_close(fd);
                (void) snprintf(why, why_size, "the cgroup controller \"io\" has no weights on this kernel, so io-weight "
                                               "cannot be enforced: leave the limit out");
                return -ENOTSUP;
        }
        *ret_dir = fd;
        return 0;
}
