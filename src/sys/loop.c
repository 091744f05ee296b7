/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* epoll and a sorted list of timers: a monitor has a handful of each, and must stay small. */

#include "loop.h"

#include <linux/time_types.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define EVENTS_MAX 32

struct Loop {
        int epoll_fd;
        bool quit;
        int value;
        LoopTimer *timers; /* sorted by due */
        struct epoll_event *batch; /* the events being dispatched */
        int batch_n, batch_pos;
};

static uint64_t now_of(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * UINT64_C(1000000) + (uint64_t) t.tv_nsec / 1000;
}

uint64_t now_monotonic(void) {
        return now_of(CLOCK_MONOTONIC);
}

uint64_t now_realtime(void) {
        return now_of(CLOCK_REALTIME);
}

Loop *loop_new(void) {
        Loop *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (l->epoll_fd < 0) {
                free(l);
                return NULL;
        }
        return l;
}

Loop *loop_free(Loop *l) {
        if (!l)
                return NULL;
        fd_close(l->epoll_fd);
        free(l);
        return NULL;
}

int loop_add(Loop *l, LoopSource *s, int fd, uint32_t events, LoopHandler handler, void *userdata) {
        struct epoll_event e = { .events = events, .data.ptr = s };

        *s = (LoopSource) { .fd = fd, .handler = handler, .userdata = userdata, .active = true };
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
                s->active = false;
                return -errno;
        }
        return 0;
}

void loop_remove(Loop *l, LoopSource *s) {
        if (!s->active)
                return;
        s->active = false;
        (void) epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        for (int i = l->batch_pos + 1; i < l->batch_n; i++)
                if (l->batch[i].data.ptr == s)
                        l->batch[i].data.ptr = NULL;
}

void loop_timer_clear(Loop *l, LoopTimer *t) {
        if (!t->active)
                return;
        for (LoopTimer **p = &l->timers; *p; p = &(*p)->next)
                if (*p == t) {
                        *p = t->next;
                        break;
                }
        t->active = false;
}

void loop_timer_set(Loop *l, LoopTimer *t, uint64_t delay_usec, LoopTimerHandler handler, void *userdata) {
        uint64_t now = now_monotonic();
        LoopTimer **p;

        loop_timer_clear(l, t);
        t->due = delay_usec > UINT64_MAX - now ? UINT64_MAX : now + delay_usec;
        t->handler = handler;
        t->userdata = userdata;
        t->active = true;
        for (p = &l->timers; *p && (*p)->due <= t->due; p = &(*p)->next)
                ;
        t->next = *p;
        *p = t;
}

/* epoll_pwait2(), Linux 5.11: milliseconds would double the time that the end of a session takes. The system call,
 * since musl has no wrapper. */
static int wait_events(const Loop *l, struct epoll_event *events, int max) {
        struct __kernel_timespec ts, *timeout = NULL;

        if (l->timers) {
                uint64_t now = now_monotonic(), left = l->timers->due > now ? l->timers->due - now : 0;

                left = MIN(left, UINT64_C(3600) * 1000000);
                ts = (struct __kernel_timespec) { .tv_sec = (int64_t) (left / 1000000),
                        .tv_nsec = (long long) (left % 1000000) * 1000 };
                timeout = &ts;
        }
        return (int) syscall(SYS_epoll_pwait2, l->epoll_fd, events, max, timeout, NULL, 0);
}

static void run_timers(Loop *l) {
        uint64_t now = now_monotonic();

        while (l->timers && l->timers->due <= now && !l->quit) {
                LoopTimer *t = l->timers;

                l->timers = t->next;
                t->active = false;
                t->handler(t->userdata);
        }
}

int loop_run(Loop *l) {
        struct epoll_event events[EVENTS_MAX];

        while (!l->quit) {
                int n = wait_events(l, events, EVENTS_MAX);

                if (n < 0 && errno != EINTR)
                        return -errno;
                l->batch = events;
                l->batch_n = MAX(n, 0);
                for (l->batch_pos = 0; l->batch_pos < l->batch_n && !l->quit; l->batch_pos++) {
                        LoopSource *s = events[l->batch_pos].data.ptr;

                        if (s)
                                s->handler(s, events[l->batch_pos].events, s->userdata);
                }
                l->batch_n = 0;
                run_timers(l);
        }
        return l->value;
}

void loop_quit(Loop *l, int value) {
        l->quit = true;
        l->value = value;
}
