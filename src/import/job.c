/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "job.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "wire/transport.h"

#define TICK_USEC (USEC_PER_SEC / 10)

/* Whoever asked has nothing more to say: a message is a mistake, an end is the cancel. */
static bool asker_is_gone(Job *j) {
        struct pollfd p = { .fd = j->sock, .events = POLLIN | POLLRDHUP };

        return j->sock >= 0 && poll(&p, 1, 0) > 0;
}

static uint64_t now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

int job_tick(Job *j) {
        _cleanup_writer_ WireWriter w = {};
        uint64_t t = now();
        int r;

        if (t - j->last_tick < TICK_USEC)
                return 0;
        j->last_tick = t;
        if (asker_is_gone(j))
                return -ECANCELED;
        if (j->sock < 0)
                return 0;
        j->progress.bytes = j->progress.total > 0 ? MIN(j->bytes_in, j->progress.total) : j->bytes_in;
        image_progress_encode(&w, &j->progress);
        r = wire_send(j->sock, IMAGE_PROGRESS, 0, &w, NULL, 0);
        /* One who does not read them gets fewer. */
        return r < 0 && r != -EAGAIN ? -ECANCELED : 0;
}

int job_wait(Job *j, int fd) {
        struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = j->sock, .events = POLLIN | POLLRDHUP } };

        for (;;) {
                int n = poll(p, j->sock >= 0 ? 2 : 1, 1000), r;

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && p[1].revents)
                        return -ECANCELED;
                if (n > 0 && p[0].revents)
                        return 0;
                r = job_tick(j);
                if (r < 0)
                        return r;
        }
}

int job_check_in(Job *j, uint64_t n) {
        /* Headers and padding of archives are no content: a third more than the limit is still not endless. */
        if (n / 4 > j->limits.bytes / 3)
                return reason_set(&j->reason, -E2BIG, "the source is longer than the limit of %llu bytes allows",
                                (unsigned long long) j->limits.bytes);
        return job_tick(j);
}

int job_take_in(Job *j, uint64_t n) {
        j->bytes_in += n;
        /* A file is as long as it is, and read again for its parts. */
        return j->progress.total > 0 ? job_tick(j) : job_check_in(j, j->bytes_in);
}

int job_take_out(Job *j, uint64_t n) {
        if (n > j->limits.bytes - MIN(j->bytes_out, j->limits.bytes))
                return reason_set(&j->reason, -E2BIG, "unpacked it is more than the limit of %llu bytes", (unsigned long long) j->limits.bytes);
        j->bytes_out += n;
        return 0;
}

int job_take_entry(Job *j) {
        if (j->progress.entries >= j->limits.entries)
                return reason_set(&j->reason, -E2BIG, "it has more than the limit of %llu files and directories",
                                (unsigned long long) j->limits.entries);
        j->progress.entries++;
        return job_tick(j);
}

int job_failed(Job *j, int error, const char *what, const char *name) {
        const char *why = strerror(-error);

        if (error == -ECANCELED || error == -ENOMEM)
                return error;
        if (error == -ENOSPC)
                why = "the disk is full";
        else if (error == -EDQUOT)
                why = "the quota of the disk is used up";
        return name ? reason_set(&j->reason, error, "%s \"%s\": %s", what, name, why) : reason_set(&j->reason, error, "%s: %s", what, why);
}
