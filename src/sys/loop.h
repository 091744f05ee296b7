/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small event loop on epoll for the processes that do not link libsystemd: ocsb-stage, its monitors. */

#include <stdint.h>
#include <sys/epoll.h>

#include "base/macro.h"

typedef struct Loop Loop;
typedef struct LoopSource LoopSource;
typedef void (*LoopHandler)(LoopSource *s, uint32_t events, void *userdata);
typedef void (*LoopTimerHandler)(void *userdata);

struct LoopSource {
        int fd; /* borrowed: the owner closes it after loop_remove() */
        LoopHandler handler;
        void *userdata;
        bool active;
};

Loop *loop_new(void);
Loop *loop_free(Loop *l);
DEFINE_CLEANUP(Loop, loop_free)

/* The source lives in the caller's memory. A handler may remove (and free) any source: events that were already
 * fetched for a removed one are dropped. */
int loop_add(Loop *l, LoopSource *s, int fd, uint32_t events, LoopHandler handler, void *userdata);
void loop_remove(Loop *l, LoopSource *s);

typedef struct LoopTimer {
        uint64_t due; /* CLOCK_MONOTONIC microseconds */
        LoopTimerHandler handler;
        void *userdata;
        struct LoopTimer *next;
        bool active;
} LoopTimer;
/* Sets or moves a timer; it fires once. */
void loop_timer_set(Loop *l, LoopTimer *t, uint64_t delay_usec, LoopTimerHandler handler, void *userdata);
void loop_timer_clear(Loop *l, LoopTimer *t);

uint64_t now_monotonic(void);
uint64_t now_realtime(void);

/* Runs until loop_quit(); returns its value, or -errno. */
int loop_run(Loop *l);
void loop_quit(Loop *l, int value);
