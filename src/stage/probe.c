/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The self-probe: the tables of attempts, how each answer of the kernel is judged, and the attempts that
 * only look at what this process is. Files, kernel entry points, processes and network have files of their
 * own. An attempt is one static function and one line of a table. */

#include "probe-private.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/libc.h"
#include "base/text.h"

ProbeResult probe_judge(unsigned refusals, int error) {
        unsigned class;

        switch (error) {
        case EPERM:
        case EACCES:
        case ENOSYS:
                class = REFUSED_DOOR;
                break;
        case ENOENT:
        case ENOTDIR:
        case ENODEV:
        case ENXIO:
        case ELOOP:
                class = REFUSED_ABSENT;
                break;
        case EROFS:
                class = REFUSED_READONLY;
                break;
        case EAFNOSUPPORT:
        case EPROTONOSUPPORT:
        case ESOCKTNOSUPPORT:
                class = REFUSED_FAMILY;
                break;
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EADDRNOTAVAIL:
                class = REFUSED_UNREACHABLE;
                break;
        case ECONNREFUSED:
                class = REFUSED_NOBODY;
                break;
        case EBUSY:
        case EXDEV:
                class = REFUSED_MOUNTPOINT;
                break;
        case ENOSPC:
        case EUSERS:
                class = REFUSED_QUOTA;
                break;
        case EISDIR:
                class = REFUSED_KIND;
                break;
        case EOPNOTSUPP:
        case ENOPROTOOPT:
                class = REFUSED_OPTION;
                break;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EAGAIN:
        case EINTR:
                return PROBE_NOT_PROVABLE;
        default:
                class = 0;
        }
        return class & refusals ? PROBE_HELD : PROBE_BROKEN;
}

const char *probe_error(int error) {
        const char *name = error == 0 ? "possible" : strerrorname_np(error);

        return name ? name : "an unknown error";
}

/* PROBE_NOT_PROVABLE is worse than PROBE_HELD: of two attempts one is open. */
static unsigned badness(ProbeResult r) {
        return r == PROBE_BROKEN ? 2 : r == PROBE_NOT_PROVABLE ? 1 : 0;
}

static void say(Probe *p, ProbeResult result, const char *text) {
        ProbeItem *i = p->item;
        size_t n = 0;

        if (p->said && badness(result) < badness((ProbeResult) i->result))
                return;
        if (p->said && badness(result) == badness((ProbeResult) i->result)) {
                /* What does not fit is left out whole: a detail is a list of complete statements. */
                n = strlen(i->detail);
                if (n + 2 + strlen(text) >= sizeof(i->detail))
                        return;
                n = (size_t) (stpcpy(i->detail + n, "; ") - i->detail);
        }
        i->result = result;
        (void) snprintf(i->detail + n, sizeof(i->detail) - n, "%s", text);
        p->said = true;
}

void probe_say(Probe *p, ProbeResult result, const char *format, ...) {
        char text[sizeof(p->item->detail)];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        say(p, result, text);
}

void probe_expect(Probe *p, unsigned refusals, int error, const char *format, ...) {
        char text[sizeof(p->item->detail)];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n >= 0 && (size_t) n < sizeof(text))
                (void) snprintf(text + n, sizeof(text) - (size_t) n, ": %s", probe_error(error));
        say(p, probe_judge(refusals, error), text);
}

ProbePath probe_path(const char *path) {
        _cleanup_free_ char *escaped = text_escape(path, strlen(path), 40);
        ProbePath ret = {};
        size_t n;

        if (!escaped)
                return ret;
        /* 40 characters may be more bytes than there is room for; the result stays valid UTF-8. */
        n = strnlen(escaped, sizeof(ret.text));
        if (n >= sizeof(ret.text)) {
                n = sizeof(ret.text) - 1;
                while (n > 0 && ((uint8_t) escaped[n] & 0xc0) == 0x80)
                        n--;
        }
        memcpy(ret.text, escaped, n);
        return ret;
}

const char *probe_status(const Probe *p, const char *name) {
        size_t n = strlen(name);

        for (const char *line = p->status; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return line + n + 1 + strspn(line + n + 1, "\t ");
        }
        return NULL;
}

int probe_in_child(Probe *p, int (*fn)(Probe *p)) {
        int status;
        pid_t pid;

        /* Shares our memory, so that its answers are in p->shared and no page table is copied: a fork()
         * would cost more than all of its attempts. */
        pid = vfork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(fn(p));
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status;
}

/* What this process is */

/* Changes that succeed are taken back, so that the attempts after this one are made by the same user. */
static int try_uid(uid_t old) {
        if (setresuid(0, (uid_t) -1, (uid_t) -1) < 0)
                return errno;
        return ERRNO_OF(setresuid(old, (uid_t) -1, (uid_t) -1));
}

static int try_gid(gid_t old) {
        if (setresgid(0, (gid_t) -1, (gid_t) -1) < 0)
                return errno;
        return ERRNO_OF(setresgid(old, (gid_t) -1, (gid_t) -1));
}

static void try_identity(Probe *p) {
        uid_t ru, eu, su;
        gid_t rg, eg, sg, groups[2];
        int n;

        if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0)
                return;
        if (ru == 0 || ru != eu || eu != su)
                probe_say(p, PROBE_BROKEN, "user ids are %u, %u, %u", ru, eu, su);
        if (rg == 0 || rg != eg || eg != sg)
                probe_say(p, PROBE_BROKEN, "group ids are %u, %u, %u", rg, eg, sg);
        n = getgroups(ELEMENTSOF(groups), groups);
        if (n < 0 || n > 1 || (n == 1 && groups[0] != rg))
                probe_say(p, PROBE_BROKEN, "there are supplementary groups");
        probe_say(p, PROBE_HELD, "uid %u, gid %u, no other group", ru, rg);
        probe_expect(p, REFUSED_DOOR, ERRNO_OF(setgroups(0, NULL)), "setgroups");
        probe_expect(p, REFUSED_DOOR, try_gid(rg), "setresgid to 0");
        probe_expect(p, REFUSED_DOOR, try_uid(ru), "setresuid to 0");
}

static void try_capabilities(Probe *p) {
        static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        /* The kernel's own answer first: it does not depend on what is mounted on /proc. */
        if (syscall(SYS_capget, &header, data) < 0)
                probe_say(p, PROBE_NOT_PROVABLE, "capget: %s", probe_error(errno));
        if (data[0].effective || data[0].permitted || data[0].inheritable || data[1].effective ||
                        data[1].permitted || data[1].inheritable)
                probe_say(p, PROBE_BROKEN, "capget shows capabilities");
        for (unsigned long c = 0; c < 64; c++) {
                int r = prctl(PR_CAPBSET_READ, c, 0, 0, 0);

                if (r < 0)
                        break;
                if (r > 0) {
                        probe_say(p, PROBE_BROKEN, "capability %lu is in the bounding set", c);
                        break;
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(sets); i++) {
                const char *v = probe_status(p, sets[i]);

                if (!v)
                        probe_say(p, PROBE_NOT_PROVABLE, "no %s in /proc/self/status", sets[i]);
                else if (strtoull(v, NULL, 16) != 0)
                        probe_say(p, PROBE_BROKEN, "%s is %.16s", sets[i], v);
        }
        probe_say(p, PROBE_HELD, "inheritable, permitted, effective, bounding and ambient set are empty");
}

static void try_no_new_privs(Probe *p) {
        int r = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

        if (r < 0)
                probe_say(p, PROBE_NOT_PROVABLE, "PR_GET_NO_NEW_PRIVS: %s", probe_error(errno));
        else
                probe_say(p, r == 1 ? PROBE_HELD : PROBE_BROKEN, "PR_GET_NO_NEW_PRIVS: %d", r);
}

static void try_seccomp(Probe *p) {
        const char *mode = probe_status(p, "Seccomp"), *filters = probe_status(p, "Seccomp_filters");

        if (!mode)
                probe_say(p, PROBE_NOT_PROVABLE, "no Seccomp in /proc/self/status");
        else if (atoi(mode) != SECCOMP_MODE_FILTER)
                probe_say(p, PROBE_BROKEN, "seccomp mode %d", atoi(mode));
        else
                probe_say(p, PROBE_HELD, "mode 2, %d filters", filters ? atoi(filters) : 1);
        /* No exec may run with the session's filter alone. */
        if (filters && atoi(filters) < 2)
                probe_say(p, PROBE_BROKEN, "%d seccomp filters, not 2", atoi(filters));
}

/* The limits that were set can't be raised: the hard value plus one. */
static void try_limits(Probe *p) {
        static const struct {
                int resource;
                const char *name;
        } limits[] = {{RLIMIT_NOFILE, "NOFILE"}, {RLIMIT_NPROC, "NPROC"}, {RLIMIT_CORE, "CORE"}};

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                struct rlimit old, raised;
                int e;

                if (getrlimit(limits[i].resource, &old) < 0)
                        continue;
                if (old.rlim_max == RLIM_INFINITY) {
                        probe_say(p, PROBE_BROKEN, "%s is not limited", limits[i].name);
                        continue;
                }
                raised = old;
                raised.rlim_max++;
                e = ERRNO_OF(setrlimit(limits[i].resource, &raised));
                if (e == 0)
                        (void) setrlimit(limits[i].resource, &old);
                probe_expect(p, REFUSED_DOOR, e, "raise %s", limits[i].name);
        }
}

/* A limit of 0 keeps core files away, but the kernel still starts a helper that core_pattern pipes to; of 1
 * it does neither (do_coredump() in fs/coredump.c). */
static void try_core_dump(Probe *p) {
        struct rlimit l;

        if (getrlimit(RLIMIT_CORE, &l) < 0)
                return;
        if (l.rlim_max > 1)
                probe_say(p, PROBE_BROKEN, "the hard limit of core files is not 0 or 1");
        else
                probe_say(p, PROBE_HELD, "the hard limit of core files is %d", (int) l.rlim_max);
}

static const ProbeAttempt self_attempts[] = {
                {"identity", try_identity},
                {"capabilities", try_capabilities},
                {"no-new-privs", try_no_new_privs},
                {"seccomp", try_seccomp},
                {"limits", try_limits},
                {"core-dump", try_core_dump},
                {},
};

static void run_table(Probe *p, const ProbeAttempt *table, MsgProbe *m) {
        for (const ProbeAttempt *a = table; a->name && m->n_items < PROBE_ITEMS_MAX; a++) {
                p->item = m->items + m->n_items;
                p->said = false;
                (void) snprintf(p->item->name, sizeof(p->item->name), "%s", a->name);
                a->attempt(p);
                /* An attempt that has nothing to say did not apply to this plan. */
                if (p->said)
                        m->n_items++;
        }
}

int probe_run(const ProbeContext *context, MsgProbe *ret) {
        _cleanup_(msg_probe_done) MsgProbe m = {};
        _cleanup_free_ char *status = NULL;
        Probe p = {.context = context};

        m.items = calloc(PROBE_ITEMS_MAX, sizeof(ProbeItem));
        if (!m.items)
                return -ENOMEM;
        /* A child that the kernel kills must not start the host's core dump helper, nor take its parent,
         * whose memory it shares, into the dump. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        if (file_read(AT_FDCWD, "/proc/self/status", 16384, &status, NULL) >= 0)
                p.status = status;

        run_table(&p, self_attempts, &m);
        run_table(&p, probe_file_attempts, &m);
        run_table(&p, probe_network_attempts, &m);
        run_table(&p, probe_process_attempts, &m);
        /* Last: a namespace or a personality that could be changed would change what the others see. */
        run_table(&p, probe_kernel_attempts, &m);

        *ret = m;
        m = (MsgProbe){};
        return 0;
}
