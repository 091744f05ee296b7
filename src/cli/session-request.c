/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths become descriptors here, in the caller's process and with the caller's rights: no path of a caller
 * travels to ocsbd, which could be made to look at something else by then. */

#include "session-request.h"

#include <fcntl.h>

#include "base/fd.h"

#define PROFILE_FILE_MAX ((size_t) 64 << 10) /* as ocsbd's limit of profile-data */

void session_request_done(SessionRequest *r) {
        r->workspace = fd_close(r->workspace);
        fd_close_many(r->binds, r->n_binds);
        r->n_binds = 0;
        free(r->profile_data);
        r->profile_data = NULL;
}

static int complain(const char *what, const char *path, int error) {
        _cleanup_free_ char *escaped = text_escape(path, strlen(path), 0);

        fprintf(stderr, "Failed to open %s '%s': %s.\n", what, escaped ? escaped : "?", strerror(-error));
        return error;
}

static int open_path(const char *what, const char *path, int flags) {
        int fd = open(path, O_PATH | O_CLOEXEC | flags);

        return fd < 0 ? complain(what, path, -errno) : fd;
}

static int read_profile(const char *path, SessionRequest *r) {
        int k = file_read(AT_FDCWD, path, PROFILE_FILE_MAX, &r->profile_data, &r->profile_data_len);

        return k < 0 ? complain("profile", path, k) : 0;
}

int session_request_open(const Options *o, SessionRequest *ret) {
        _cleanup_session_request_ SessionRequest r = { .workspace = -EBADF };
        const char *workspace = o->workspace;
        int k;

        r.profile = o->profile               ? o->profile
                    : o->profile_file        ? CUSTOM_PROFILE
                    : o->verb == VERB_CREATE ? CREATE_PROFILE
                                             : RUN_PROFILE;
        if (!workspace && !o->profile_file &&
                        (streq(r.profile, "workspace") || streq(r.profile, "readonly")))
                workspace = ".";
        if (workspace) {
                r.workspace = open_path("workspace", workspace, O_DIRECTORY);
                if (r.workspace < 0)
                        return r.workspace;
        } else if (o->ro || o->workspace_path) {
                fprintf(stderr, "%s needs --workspace=DIR with profile '%s'.\n",
                                o->ro ? "--ro" : "--workspace-path", r.profile);
                return -EINVAL;
        }
        for (size_t i = 0; i < o->n_binds; i++) {
                int fd = open_path("bind source", o->binds[i].source, 0);

                if (fd < 0)
                        return fd;
                r.binds[r.n_binds++] = fd;
        }
        if (o->profile_file) {
                k = read_profile(o->profile_file, &r);
                if (k < 0)
                        return k;
        }
        *ret = r;
        r = (SessionRequest) { .workspace = -EBADF };
        return 0;
}
