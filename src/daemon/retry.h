/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Trying again with growing pauses. */

#include <systemd/sd-event.h>

#include "base/text.h"

typedef struct Retry {
        sd_event *event; /* borrowed */
        const char *description; /* static */
        void (*attempt)(void *userdata);
        void *userdata;
        uint64_t pause;
        sd_event_source *source;
} Retry;

/* Calls attempt after the pause, and doubles that. */
void retry_schedule(Retry *r);
/* It worked: the next pause is the first one again. */
void retry_reset(Retry *r);
void retry_done(Retry *r);
