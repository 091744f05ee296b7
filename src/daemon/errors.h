/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The errors that callers see. One table gives each its D-Bus name and the errno that the channel carries.
 */

#include <stdarg.h>
#include <systemd/sd-bus.h>

#include "base/macro.h"

#define BUS_NAME "org.openclaw.Sandbox1"
#define BUS_ERROR_PREFIX BUS_NAME ".Error."

typedef enum ErrorCode {
        ERROR_NO_SUCH_SESSION,
        ERROR_NO_SUCH_EXEC,
        ERROR_NO_SUCH_PROFILE,
        ERROR_NO_SUCH_REQUEST,
        ERROR_NO_SUCH_GRANT,
        ERROR_PROFILE_INVALID,
        ERROR_INVALID_ARGUMENT,
        ERROR_NOT_PERMITTED,
        ERROR_APPROVAL_PENDING,
        ERROR_CEILING_EXCEEDED,
        ERROR_QUOTA_EXCEEDED,
        ERROR_SETUP_FAILED,
        ERROR_NOT_SUPPORTED,
        ERROR_BUSY,
        ERROR_LOCKED_DOWN,
        _ERROR_MAX,
        _ERROR_INVALID = -EINVAL,
} ErrorCode;

const char *error_name(ErrorCode code);
/* A positive errno, for messages that have no room for a name. */
int error_errno(ErrorCode code);
ErrorCode error_from_name(const char *name);

/* What an errno that a helper reported means to the caller. */
ErrorCode error_from_errno(int error);

/* Fills e (which may be NULL) and returns the negative errno: `return error_set(e, ERROR_BUSY, "…")` in a
 * handler makes sd-bus send the error. The text is a sentence that says what to do; strings of the caller go
 * through text_escape() first. */
int error_set(sd_bus_error *e, ErrorCode code, const char *format, ...) _printf_(3, 4);
