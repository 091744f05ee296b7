/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "retry.h"

#include <glib.h>

#include "base/log.h"

#define FIRST_USEC (20 * UINT64_C(1000))
#define MOST_USEC (2 * USEC_PER_SEC)

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Retry *r = userdata;

        (void) source;
        (void) usec;
        r->attempt(r->userdata);
        return 0;
}

void retry_schedule(Retry *r) {
        int k;

        if (r->pause == 0)
                r->pause = FIRST_USEC;
        if (!r->source) {
                k = sd_event_add_time_relative(r->event, &r->source, CLOCK_MONOTONIC, r->pause, 0, on_timer, r);
                if (k >= 0)
                        (void) sd_event_source_set_description(r->source, r->description);
        } else {
                k = sd_event_source_set_time_relative(r->source, r->pause);
                if (k >= 0)
                        k = sd_event_source_set_enabled(r->source, SD_EVENT_ONESHOT);
        }
        if (k < 0)
                log_error("Failed to arm a timer: %s", g_strerror(-k));
        r->pause = MIN(r->pause * 2, MOST_USEC);
}

void retry_reset(Retry *r) {
        r->pause = FIRST_USEC;
}

void retry_done(Retry *r) {
        r->source = sd_event_source_disable_unref(r->source);
}
