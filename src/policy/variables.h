/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* $HOME and its like in the paths of profiles and ceilings, from what the user database says, never from an
 * environment. */

#include <sys/types.h>

#include "base/macro.h"
#include "request.h"

typedef struct Variables {
        uid_t uid;
        const char *user;    /* NULL: not known */
        const char *home;    /* NULL: the user has none that could be one */
        const char *workdir; /* NULL: there is no workspace */
} Variables;

/* A home directory that may stand for $HOME: not a directory of the system, which service accounts have (/, /bin,
 * /dev, /var/mail, …), as "beneath $HOME" would then allow the system. */
bool home_is_usable(const char *home);

/* Of a caller; borrowed from it. workdir is left NULL. */
Variables variables_of(const Caller *c);

/* Expands $NAME and ${NAME}; the result is a normal absolute path. 0, -EINVAL with *ret_why a sentence that quotes
 * raw, or -ENXIO (with *ret_why as well) when a variable is known but unset. Both results g_free(). */
int path_expand(const char *raw, const Variables *v, char **ret, char **ret_why);

/* Whether raw could be expanded if every variable were set: for reading profiles. */
int path_check(const char *raw, char **ret_why);
