/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logging with journal fields. One error is logged once, where it stops. Payload argv, environments and secrets
 * are never passed to these functions. Floors 0 to 2 do not log. */

#include <stdarg.h>
#include <sys/types.h>

#include "macro.h"

/* syslog(3) levels, repeated so that users need one header. */
#define LOG_LEVEL_ERR 3
#define LOG_LEVEL_WARNING 4
#define LOG_LEVEL_NOTICE 5
#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_DEBUG 7

/* Stable MESSAGE_ID= values (systemd.journal-fields(7)). */
#define MSGID_SESSION_CREATED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f01"
#define MSGID_SESSION_ENDED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f02"
#define MSGID_DENIED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f03"
#define MSGID_SETUP_FAILED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f04"
#define MSGID_PROBE_FAILED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f05"
#define MSGID_PENDING "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f06"
#define MSGID_FIREWALL_CHANGED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f07"
#define MSGID_FIREWALL_REFUSED "5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f08"

/* What a record is about; unset members (NULL, -1) leave their field out. */
typedef struct LogContext {
        const char *session; /* OCSB_SESSION= */
        const char *profile; /* OCSB_PROFILE= */
        const char *step;    /* OCSB_STEP= */
        const char *action;  /* OCSB_ACTION=, a polkit action */
        uid_t owner;         /* OCSB_OWNER_UID= */
} LogContext;
#define LOG_CONTEXT_NONE ((LogContext) { .owner = (uid_t) -1 })

typedef void (*LogSink)(int level, const LogContext *context, const char *message_id, const char *message);

/* Replaces stderr as the sink (journal.h of floor sys gives one). */
void log_set_sink(LogSink sink);
void log_set_max_level(int level);
int log_get_max_level(void);
/* "err", "warning", "notice", "info", "debug"; -EINVAL for others. */
int log_level_from_string(const char *s);
const char *log_level_to_string(int level);

void log_record(int level, const LogContext *context, const char *message_id, const char *format, ...)
                _printf_(4, 5);

#define log_error(...) log_record(LOG_LEVEL_ERR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_record(LOG_LEVEL_WARNING, NULL, NULL, __VA_ARGS__)
#define log_notice(...) log_record(LOG_LEVEL_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_info(...) log_record(LOG_LEVEL_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...) log_record(LOG_LEVEL_DEBUG, NULL, NULL, __VA_ARGS__)
