/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a user sees of an error, and the exit statuses. Both programs; libc only. */

#include "base/macro.h"

#define OCSB_BUS_NAME "org.openclaw.Sandbox1"
#define OCSB_ROOT_PATH "/org/openclaw/Sandbox1"
#define OCSB_SESSION_PATH_PREFIX OCSB_ROOT_PATH "/session/"
#define OCSB_MANAGER_INTERFACE OCSB_BUS_NAME ".Manager"
#define OCSB_SESSION_INTERFACE OCSB_BUS_NAME ".Session"
#define OCSB_FIREWALL_INTERFACE OCSB_BUS_NAME ".Firewall"
#define OCSB_ERROR_PREFIX OCSB_BUS_NAME ".Error."

/* ocsbctl(1) "Exit status". */
enum {
        STATUS_OK = 0,
        STATUS_FAILURE = 1,
        STATUS_USAGE = 2,
        STATUS_NOT_RUNNING = 3, /* no bus, no ocsbd */
        STATUS_NO_SUCH = 4,     /* session, exec, request or profile */
        STATUS_NOT_PERMITTED = 77,
        STATUS_TIMEOUT = 124,     /* exec, run: the command's --timeout was over */
        STATUS_OWN_FAILURE = 125, /* exec, run, shell: whatever kept the command from being started */
};

/* "Failed to WHAT: text", the error's name with verbose, and a line of advice when there is one for that
 * error. name may be NULL; text is escaped. Returns the exit status of an admin verb. */
int report_error(const char *what, const char *name, const char *text, bool verbose);
/* The same for an errno of ours. */
int report_errno(const char *what, int error, bool verbose);

int error_exit_status(const char *name);
/* The connection to the bus could not be made, or ocsbd is not there. */
bool error_is_absent(const char *name);
/* Asking again with somebody at a prompt may help. */
bool error_wants_interaction(const char *name);
