/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What CreateSession and Explain need beyond the options: the descriptors that stand for the caller's paths,
 * and the text of a profile. Both programs. */

#include "options.h"

#define RUN_PROFILE "workspace" /* of run, shell and explain when none is named */
#define CREATE_PROFILE "default"
#define CUSTOM_PROFILE "custom" /* what one of --profile-file is called that does not say its name */

typedef struct SessionRequest {
        const char *profile;
        int workspace; /* -EBADF: none */
        int binds[OPTIONS_BINDS_MAX];
        size_t n_binds;
        char *profile_data; /* owned, or NULL */
        size_t profile_data_len;
} SessionRequest;

void session_request_done(SessionRequest *r);
#define _cleanup_session_request_ _cleanup_(session_request_done)

/* Opens everything (O_PATH: with our own rights to it, and nothing more). The working directory becomes the
 * workspace when no other is named and the profile is one of the built-in ones that need one, "workspace"
 * and "readonly". Complains on stderr. */
int session_request_open(const Options *o, SessionRequest *ret);
