/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of errors. A handler names a code, never a D-Bus name or an errno, so that both views of an
 * error stay together. */

#include "errors.h"

typedef struct ErrorRow {
        const char *name;
        int number; /* positive errno */
} ErrorRow;

static const ErrorRow rows[_ERROR_MAX] = {
        [ERROR_NO_SUCH_SESSION] = { BUS_ERROR_PREFIX "NoSuchSession", ENXIO },
        [ERROR_NO_SUCH_EXEC] = { BUS_ERROR_PREFIX "NoSuchExec", ESRCH },
        [ERROR_NO_SUCH_PROFILE] = { BUS_ERROR_PREFIX "NoSuchProfile", ENOENT },
        [ERROR_NO_SUCH_REQUEST] = { BUS_ERROR_PREFIX "NoSuchRequest", ENOMSG },
        [ERROR_NO_SUCH_GRANT] = { BUS_ERROR_PREFIX "NoSuchGrant", EADDRNOTAVAIL },
        [ERROR_PROFILE_INVALID] = { BUS_ERROR_PREFIX "ProfileInvalid", EBADMSG },
        [ERROR_INVALID_ARGUMENT] = { BUS_ERROR_PREFIX "InvalidArgument", EINVAL },
        [ERROR_NOT_PERMITTED] = { BUS_ERROR_PREFIX "NotPermitted", EACCES },
        [ERROR_APPROVAL_PENDING] = { BUS_ERROR_PREFIX "ApprovalPending", EINPROGRESS },
        [ERROR_CEILING_EXCEEDED] = { BUS_ERROR_PREFIX "CeilingExceeded", EPERM },
        [ERROR_QUOTA_EXCEEDED] = { BUS_ERROR_PREFIX "QuotaExceeded", EDQUOT },
        [ERROR_SETUP_FAILED] = { BUS_ERROR_PREFIX "SetupFailed", EIO },
        [ERROR_NOT_SUPPORTED] = { BUS_ERROR_PREFIX "NotSupported", EOPNOTSUPP },
        [ERROR_BUSY] = { BUS_ERROR_PREFIX "Busy", EBUSY },
        [ERROR_LOCKED_DOWN] = { BUS_ERROR_PREFIX "LockedDown", EHOSTDOWN },
};

const char *error_name(ErrorCode code) {
        return code >= 0 && code < _ERROR_MAX ? rows[code].name : NULL;
}

int error_errno(ErrorCode code) {
        return code >= 0 && code < _ERROR_MAX ? rows[code].number : EIO;
}

ErrorCode error_from_name(const char *name) {
        for (size_t i = 0; i < _ERROR_MAX; i++)
                if (streq(rows[i].name, name))
                        return (ErrorCode) i;
        return _ERROR_INVALID;
}

ErrorCode error_from_errno(int error) {
        switch (error) {
        case EACCES:
        case EPERM:
        case EROFS:
                return ERROR_NOT_PERMITTED;
        case EBUSY:
        case EEXIST:
        case ETXTBSY:
                return ERROR_BUSY;
        case EDQUOT:
        case EAGAIN:
        case EMFILE:
                return ERROR_QUOTA_EXCEEDED;
        case EINVAL:
        case EBADMSG:
        case E2BIG:
        case ENOTTY:
                return ERROR_INVALID_ARGUMENT;
        case ENOSYS:
        case ENOTSUP: /* EOPNOTSUPP */
                return ERROR_NOT_SUPPORTED;
        case ESRCH:
                return ERROR_NO_SUCH_EXEC;
        default:
                return ERROR_SETUP_FAILED;
        }
}

int error_set(sd_bus_error *e, ErrorCode code, const char *format, ...) {
        va_list ap;

        assert(code >= 0 && code < _ERROR_MAX);

        if (e && !sd_bus_error_is_set(e)) {
                va_start(ap, format);
                (void) sd_bus_error_setfv(e, rows[code].name, format, ap);
                va_end(ap);
        }
        return -rows[code].number;
}
