/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The front of logging; the sink is stderr until a process with libsystemd installs the journal's. */

#include "log.h"

#include <stdio.h>

static int max_level = LOG_LEVEL_INFO;

static void stderr_sink(int level, const LogContext *context, const char *message_id, const char *message) {
        (void) message_id;
        fprintf(stderr, "<%d>%s%s%s%s\n", level, context && context->session ? "session " : "",
                        context && context->session ? context->session : "",
                        context && context->session ? ": " : "", message);
}

static LogSink the_sink = stderr_sink;

void log_set_sink(LogSink sink) {
        the_sink = sink ? sink : stderr_sink;
}

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

int log_level_from_string(const char *s) {
        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(s, levels[i]))
                        return (int) i;
        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t) level < ELEMENTSOF(levels) ? levels[level] : NULL;
}

void log_record(int level, const LogContext *context, const char *message_id, const char *format, ...) {
        char buf[2048];
        int saved = errno;
        va_list ap;

        if (level > max_level)
                return;
        va_start(ap, format);
        (void) vsnprintf(buf, sizeof(buf), format, ap);
        va_end(ap);
        the_sink(level, context, message_id, buf);
        errno = saved;
}
