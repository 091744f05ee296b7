/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of construction. Everything here is done or the session is refused: no step has a fallback that
 * protects less. */

#include "build.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/keyctl.h>

#include "base/fault.h"
#include "base/fd.h"
#include "stage/netns.h"
#include "sys/landlock.h"
#include "sys/mount.h"
#include "sys/process.h"

int build_fail(BuildContext *c, int error, const char *format, ...) {
        va_list ap;

        if (!c->why) {
                va_start(ap, format);
                if (vasprintf(&c->why, format, ap) < 0)
                        c->why = NULL;
                va_end(ap);
        }
        return error;
}

static void send_failed(BuildContext *c, int error) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_free_ char *escaped = NULL;
        MsgFailed m = { .error = (uint32_t) -error, .status = 125 };

        (void) snprintf(m.step, sizeof(m.step), "%s", c->step);
        if (c->why)
                escaped = text_escape(c->why, strlen(c->why), sizeof(m.text) / 5);
        (void) snprintf(m.text, sizeof(m.text), "%s", escaped ? escaped : strerror(-error));
        msg_failed_encode(&w, &m);
        (void) wire_send(c->control, WIRE_FAILED, 0, &w, NULL, 0);
}

static int set_rlimit(int what, uint64_t value) {
        struct rlimit l;

        if (getrlimit((__rlimit_resource_t) what, &l) < 0)
                return -errno;
        /* Without CAP_SYS_RESOURCE a hard limit can only fall: an inherited lower one stays, which is stricter. */
        l.rlim_max = l.rlim_max == RLIM_INFINITY ? value : MIN(l.rlim_max, value);
        l.rlim_cur = l.rlim_max;
        return setrlimit((__rlimit_resource_t) what, &l) < 0 ? -errno : 0;
}

static int build_rlimits(BuildContext *c) {
        const PlanLimits *l = &c->plan->limits;
        int r;

        c->step = "rlimits";
        /* RLIMIT_NOFILE is set by each exec's child, which needs some descriptors to get that far. */
        r = set_rlimit(RLIMIT_NPROC, l->nproc);
        if (r >= 0 && l->fsize != PLAN_UNLIMITED)
                r = set_rlimit(RLIMIT_FSIZE, l->fsize);
        /* 1, not 0: with a pipe in core_pattern the kernel runs the handler for 0, too, and for 1 it does not
         * (do_coredump()); for a file one byte is too few for any dump. */
        if (r >= 0)
                r = set_rlimit(RLIMIT_CORE, 1);
        if (r >= 0)
                r = set_rlimit(RLIMIT_MEMLOCK, UINT64_C(64) << 20);
        if (r >= 0)
                r = set_rlimit(RLIMIT_MSGQUEUE, 819200);
        return r;
}

/* Own host name, no inherited session keyring, own cgroup view. */
static int build_surroundings(BuildContext *c) {
        c->step = "network-namespace";
        if (c->netns >= 0) {
                if (setns(c->netns, CLONE_NEWNET) < 0)
                        return -errno;
        } else if (c->plan->network != PLAN_NETWORK_NONE) {
                return build_fail(c, -EINVAL, "there is no network namespace with its fence in it");
        } else {
                int r = netns_loopback_up(); /* the pool was empty: this one is fresh */

                if (r < 0)
                        return r;
        }
        c->step = "hostname";
        if (sethostname(c->plan->hostname, strlen(c->plan->hostname)) < 0)
                return -errno;
        c->step = "keyring";
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
                return -errno;
        /* Only now that the process is in its cgroup: the namespace's root is where it is at this moment. */
        c->step = "cgroup-namespace";
        if (unshare(CLONE_NEWCGROUP) < 0)
                return -errno;
        return 0;
}

/* #0: the template is this process's namespace as it is now. It is kept for others and left at once. */
static int share_template(BuildContext *c) {
        _cleanup_writer_ WireWriter w = {};

        c->step = "template";
        c->template.namespace_fd = openat(c->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (c->template.namespace_fd < 0)
                return -errno;
        template_encode(&w, &c->template);
        return wire_send(c->control, WIRE_TEMPLATE, 0, &w, &c->template.namespace_fd, 1);
}

/* Enters a private copy of the template, making one when none fits. */
static int enter_template(BuildContext *c) {
        int r;

        c->step = "mount-namespace";
        if (c->template.namespace_fd >= 0) {
                if (setns(c->template.namespace_fd, CLONE_NEWNS) < 0)
                        return -errno;
        } else {
                if (unshare(CLONE_NEWNS) < 0)
                        return -errno;
                r = build_template(c);
                if (r >= 0)
                        r = share_template(c);
                if (r < 0)
                        return r;
        }
        c->step = "mount-namespace";
        return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
}

static int send_resolved(BuildContext *c) {
        _cleanup_writer_ WireWriter w = {};
        MsgReady m = { .landlock_abi = c->landlock_abi, .monitor_pid = (uint32_t) getpid(),
                .resolved = c->template.resolved };

        (void) snprintf(m.id, sizeof(m.id), "%s", c->plan->id);
        msg_ready_encode(&w, &m);
        return wire_send(c->control, WIRE_READY, 0, &w, NULL, 0);
}

/* #1 and #2: the maps of a user namespace can only be written from outside by a process with rights over both. */
static int enter_user_namespace(BuildContext *c) {
        _cleanup_message_ WireMessage m = {};
        int r;

        c->step = "user-namespace";
        if (unshare(CLONE_NEWUSER) < 0)
                return build_fail(c, -errno, errno == ENOSPC
                                                ? "user namespaces are used up or turned off: raise "
                                                  "/proc/sys/user/max_user_namespaces"
                                                : "cannot make a user namespace: %m");
        r = send_resolved(c);
        if (r < 0)
                return r;
        r = wire_recv(c->control, &m);
        if (r <= 0 || m.type != WIRE_ACK)
                return r < 0 ? r : -EPROTO;
        return identity_become(0, 0);
}

static int pass_fds(BuildContext *c, int ruleset, int plan_fd) {
        int fds[] = { c->control, ruleset, plan_fd, c->init_exe }, moved[ELEMENTSOF(fds)];

        /* Out of the way of the target numbers first. */
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
                if (moved[i] < 0)
                        return -errno;
        }
        if (dup2(moved[0], INIT_FD_CONTROL) < 0 || dup2(moved[1], INIT_FD_RULESET) < 0 ||
                        dup2(moved[2], INIT_FD_PLAN) < 0)
                return -errno;
        if (dup3(moved[3], _INIT_FD_END, O_CLOEXEC) < 0)
                return -errno;
        c->control = INIT_FD_CONTROL;
        if (close_range(_INIT_FD_END + 1, ~0u, 0) < 0)
                return -errno;
        return 0;
}

static int build_all(BuildContext *c) {
        static char *const no_env[] = { NULL };
        _cleanup_writer_ WireWriter w = {};
        char *argv[] = { (char *) "ocsb-init", NULL };
        int ruleset, plan_fd, r;

        r = build_surroundings(c);
        if (r < 0)
                return r;
        r = enter_template(c);
        if (r < 0)
                return r;
        FAULT("build.before-mounts");
        r = build_mounts(c);
        if (r < 0)
                return r;
        FAULT("build.before-denials");
        r = build_denials(c);
        if (r < 0)
                return r;
        FAULT("build.after-denials");
        r = build_kernel_mounts(c);
        if (r < 0)
                return r;
        ruleset = build_landlock(c);
        if (ruleset < 0)
                return ruleset;

        c->step = "plan";
        plan_encode(&w, c->plan);
        if (w.error)
                return w.error;
        plan_fd = memfd_sealed("ocsb-plan", w.data, w.len);
        if (plan_fd < 0)
                return plan_fd;

        if (chdir("/") < 0)
                return -errno;
        r = build_rlimits(c);
        if (r < 0)
                return r;
        FAULT("build.before-user-namespace");
        r = enter_user_namespace(c);
        if (r < 0)
                return r;
        c->step = "descriptors";
        r = pass_fds(c, ruleset, plan_fd);
        if (r < 0)
                return r;
        c->step = "capabilities";
        r = capabilities_drop(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETPCAP |
                        UINT64_C(1) << CAP_KILL);
        if (r < 0)
                return r;
        c->step = "no-new-privileges";
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        FAULT("build.before-init");
        c->step = "init";
        (void) execveat(_INIT_FD_END, "", argv, no_env, AT_EMPTY_PATH);
        return -errno;
}

void build_run(BuildContext *c) {
        int r;

        c->step = "start";
        /* The modes that are given are meant: a /dev/null of 0644 stops git. */
        (void) umask(0);
        r = build_all(c);
        send_failed(c, r);
        _exit(1);
}
