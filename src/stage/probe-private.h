/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the self-probe share: how an attempt is judged and reported, and the lists of attempts.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe.h"

typedef struct Probe {
        const ProbeContext *context;
        ProbeItem *item; /* of the attempt that runs */
        bool said;       /* item holds something */
        char *status;    /* /proc/self/status as it was at the start, or NULL */
        int shared[4];   /* answers of a child (probe_in_child()) */
} Probe;

typedef struct ProbeAttempt {
        const char *name;
        void (*attempt)(Probe *p);
} ProbeAttempt;

/* What the kernel may answer when a protection holds. Any other answer means that the call was let through
 * to where only its arguments were wrong, which is "broken" too; a lack of memory or descriptors proves
 * nothing. */
typedef enum Refusal {
        REFUSED_DOOR = 1 << 0,        /* EPERM, EACCES, ENOSYS */
        REFUSED_ABSENT = 1 << 1,      /* ENOENT, ENOTDIR, ENODEV, ENXIO, ELOOP */
        REFUSED_READONLY = 1 << 2,    /* EROFS */
        REFUSED_FAMILY = 1 << 3,      /* EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT */
        REFUSED_UNREACHABLE = 1 << 4, /* ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL */
        REFUSED_NOBODY = 1 << 5,      /* ECONNREFUSED */
        REFUSED_MOUNTPOINT = 1 << 6,  /* EBUSY, EXDEV: rename and link of something that is mounted over */
        REFUSED_QUOTA = 1 << 7,       /* ENOSPC, EUSERS: no namespace more */
        REFUSED_KIND = 1 << 8,        /* EISDIR */
        REFUSED_OPTION = 1 << 9,      /* EOPNOTSUPP, ENOPROTOOPT */
} Refusal;

/* error: an errno, 0 when the call worked. */
ProbeResult probe_judge(unsigned refusals, int error);

/* Adds to the item: the worst result stays, equal ones are put behind each other. */
void probe_say(Probe *p, ProbeResult result, const char *format, ...) _printf_(3, 4);

/* Judges and says "what: ERRNO" or "what: possible". */
void probe_expect(Probe *p, unsigned refusals, int error, const char *format, ...) _printf_(4, 5);

/* A path of the plan as the detail shows it: escaped and shortened. */
typedef struct ProbePath {
        char text[72];
} ProbePath;
ProbePath probe_path(const char *path);
/* The errno's name, "possible" for 0. */
const char *probe_error(int error);

/* The value of a line of /proc/self/status, up to its newline; NULL when there is none. */
const char *probe_status(const Probe *p, const char *name);

/* Runs fn in a child: for what would end or change the probe itself. fn writes its answers to p->shared and
 * to nothing else. Returns the wait status (fn's value is the exit code) or -errno. */
int probe_in_child(Probe *p, int (*fn)(Probe *p));

/* The errno of a call that answers -1. */
#define ERRNO_OF(call) ((call) < 0 ? errno : 0)

/* The same for a call that makes a descriptor, which is closed. */
static inline int probe_fd_error(int fd) {
        if (fd < 0)
                return errno;
        (void) close(fd);
        return 0;
}

extern const ProbeAttempt probe_file_attempts[], probe_kernel_attempts[], probe_network_attempts[],
                probe_process_attempts[]; /* each ends with a name of NULL */
