/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Refusing callers from inside our sandboxes (threats T67, T70). No socket of the host is in a sandbox, so
 * this is the second fence: it must hold when somebody managed to connect all the same.
 *
 * What is looked at, and who could change it:
 *  - the uid map of the process. Every sandbox maps 0 … 65535 to our subordinate range, which nobody else
 * uses. A map is written once and a process cannot leave its user namespace for another but a child. Robust,
 * needs no table; a user namespace made inside would have a map of its own (seccomp refuses to make one).
 *  - the cgroup. A process cannot leave a session's cgroup: the common ancestor's cgroup.procs is root's.
 * Covers nested user namespaces. Not there on machines without cgroup v2.
 *  - the ancestors. Whoever is in a nested pid namespace has its PID 1 as ancestor (the kernel reparents
 * orphans to it), and the parent of a sandbox's PID 1 is its monitor. Covers both other cases. One of the
 * three is enough to refuse. What cannot be read refuses too.
 *
 * The pid itself: dbus-daemon 1.14 gives a number only, which the kernel recorded at connect(). When that
 * process has exited since, its children may hold the connection, and the number may name another process by
 * now. The check therefore demands that the process is there, keeps its identity while it is read (pidfd),
 * and runs under the uid of the connection. What remains is a process of the same uid outside every sandbox
 * that took over the number: whoever commands such a process can make the call himself. A bus that gives
 * ProcessFD, and SO_PEERPIDFD on our own socket, close even that. uid 0 is not checked: no sandbox has it.
 */

#include "confined.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "sys/process.h"
#include "wire/plan.h"

#define ANCESTORS_MAX 256u
#define PROC_TEXT_MAX ((size_t) 64 << 10)

/* The value of "Name:" in the manner of /proc/PID/status, or NULL. */
static const char *status_field(const char *text, const char *name) {
        size_t n = strlen(name);

        while (text && *text) {
                if (strncmp(text, name, n) == 0 && text[n] == ':')
                        return text + n + 1 + strspn(text + n + 1, " \t");
                text = strchr(text, '\n');
                if (text)
                        text++;
        }
        return NULL;
}

int proc_status_parse(const char *text, ProcStatus *ret) {
        const char *parent = status_field(text, "PPid"), *uid = status_field(text, "Uid"),
                   *levels = status_field(text, "NSpid");
        unsigned parent_pid, effective_uid;
        ProcStatus s = {};

        if (!parent || !uid || !levels)
                return -EBADMSG;
        if (sscanf(parent, "%u", &parent_pid) != 1 || sscanf(uid, "%*u %u", &effective_uid) != 1)
                return -EBADMSG;
        for (const char *p = levels; *p && *p != '\n';) {
                size_t n = strspn(p, "0123456789");

                if (n == 0)
                        return -EBADMSG;
                s.pid_levels++;
                p += n;
                p += strspn(p, " \t");
        }
        if (s.pid_levels == 0)
                return -EBADMSG;
        s.parent = (pid_t) parent_pid;
        s.uid = effective_uid;
        *ret = s;
        return 0;
}

int uid_map_has_sub_range(const char *text) {
        while (*text) {
                unsigned long long inside, outside, count;
                int n = 0;

                if (sscanf(text, " %llu %llu %llu%n", &inside, &outside, &count, &n) != 3)
                        return -EBADMSG;
                if (count > UINT32_MAX || outside > UINT32_MAX)
                        return -EBADMSG;
                /* Wholly within: a container that was given all ids has the range too, but as a part. */
                if (count > 0 && outside >= OCSB_SUB_ID &&
                                outside + count <= (unsigned long long) OCSB_SUB_ID + OCSB_SUB_COUNT)
                        return 1;
                text += n;
                text += strspn(text, " \t\n");
        }
        return 0;
}

/* Whether a path component names a session's scope: "ocsb-<id>.scope", as the builder calls them. */
static bool has_session_component(const char *path) {
        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");

                if (n > strlen("ocsb-.scope") && str_has_prefix(p, "ocsb-") &&
                                strncmp(p + n - strlen(".scope"), ".scope", strlen(".scope")) == 0)
                        return true;
                p += n;
                p += strspn(p, "/");
        }
        return false;
}

/* The session's own cgroup or one beneath it. Cuts path up. */
static bool is_in_session_cgroup(char *path, const ConfinedMarks *marks) {
        for (;;) {
                char *slash;

                if (marks->is_session_cgroup(path, marks->userdata))
                        return true;
                slash = strrchr(path, '/');
                if (!slash || slash == path)
                        return false;
                *slash = 0;
        }
}

bool cgroup_text_is_session(const char *text, const ConfinedMarks *marks) {
        for (const char *line = text; *line;) {
                size_t n = strcspn(line, "\n");
                const char *path = memchr(line, '/', n);

                if (path) {
                        char copy[4096];
                        size_t k = n - (size_t) (path - line);

                        if (k >= sizeof(copy))
                                return true; /* longer than any honest one */
                        memcpy(copy, path, k);
                        copy[k] = 0;
                        if (has_session_component(copy))
                                return true;
                        if (str_has_prefix(line, "0::") && is_in_session_cgroup(copy, marks))
                                return true;
                }
                line += n;
                if (*line)
                        line++;
        }
        return false;
}

static int open_proc(pid_t pid) {
        char path[32];
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int read_status(int proc_fd, ProcStatus *ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read(proc_fd, "status", PROC_TEXT_MAX, &text, NULL);
        return r < 0 ? r : proc_status_parse(text, ret);
}

bool pidfd_is_alive(int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

/* Walks from parent up to the first process of the namespace. 1 when a monitor is among them. */
static int ancestors_have_monitor(pid_t parent, const ConfinedMarks *marks) {
        for (unsigned i = 0; i < ANCESTORS_MAX; i++) {
                _cleanup_close_ int proc_fd = -EBADF;
                ProcStatus s;
                int r;

                if (parent <= 1)
                        return 0;
                if (marks->is_monitor(parent, marks->userdata))
                        return 1;
                proc_fd = open_proc(parent);
                if (proc_fd < 0)
                        return proc_fd;
                r = read_status(proc_fd, &s);
                if (r < 0)
                        return r;
                parent = s.parent;
        }
        return -ELOOP;
}

static ConfinedResult unknown(const char **ret_why, const char *why) {
        *ret_why = why;
        return CONFINED_UNKNOWN;
}

static ConfinedResult inside(const char **ret_why) {
        *ret_why = "it runs inside a sandbox of this service";
        return CONFINED_INSIDE;
}

static ConfinedResult examine(
                pid_t pid, int pidfd, uid_t uid, const ConfinedMarks *marks, const char **ret_why) {
        _cleanup_free_ char *map = NULL, *cgroup = NULL;
        _cleanup_close_ int proc_fd = -EBADF;
        ProcStatus status;
        int r;

        /* From here on the directory belongs to one process, whatever happens to the number. */
        proc_fd = open_proc(pid);
        if (proc_fd < 0)
                return unknown(ret_why, "its process cannot be looked at");
        r = file_read(proc_fd, "uid_map", PROC_TEXT_MAX, &map, NULL);
        if (r < 0)
                return unknown(ret_why, "its user namespace cannot be read");
        r = file_read(proc_fd, "cgroup", PROC_TEXT_MAX, &cgroup, NULL);
        if (r < 0)
                return unknown(ret_why, "its cgroup cannot be read");
        r = read_status(proc_fd, &status);
        if (r < 0)
                return unknown(ret_why, "its status cannot be read");
        if (!pidfd_is_alive(pidfd))
                return unknown(ret_why, "the process that opened the connection is gone");
        if (status.uid != uid)
                return unknown(ret_why, "its process runs under another uid than its connection");

        r = uid_map_has_sub_range(map);
        if (r < 0)
                return unknown(ret_why, "its user namespace cannot be read");
        if (r > 0 || cgroup_text_is_session(cgroup, marks))
                return inside(ret_why);
        if (status.pid_levels <= 1)
                return CONFINED_OUTSIDE;

        for (unsigned attempt = 0; attempt < 3; attempt++) {
                /* A parent may exit while the chain is read; then the chain is another one. */
                r = ancestors_have_monitor(status.parent, marks);
                if (r == 0)
                        return CONFINED_OUTSIDE;
                if (r > 0)
                        return inside(ret_why);
                r = read_status(proc_fd, &status);
                if (r < 0)
                        break;
        }
        return unknown(ret_why, "its ancestors cannot be followed");
}

ConfinedResult confined_check(pid_t pid, int pidfd, uid_t uid, const ConfinedMarks *marks, int *ret_pidfd,
                const char **ret_why) {
        _cleanup_close_ int own = -EBADF;
        ConfinedResult result;

        if (uid == 0) {
                if (ret_pidfd)
                        *ret_pidfd = -EBADF;
                return CONFINED_OUTSIDE;
        }
        if (pid <= 0)
                return unknown(ret_why, "the bus does not know its process");
        own = pidfd < 0 ? pidfd_of(pid) : fd_dup(pidfd);
        if (own < 0)
                return unknown(ret_why, "the process that opened the connection is gone");
        result = examine(pid, own, uid, marks, ret_why);
        if (result == CONFINED_OUTSIDE && ret_pidfd)
                *ret_pidfd = TAKE_FD(own);
        return result;
}
