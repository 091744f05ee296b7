/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ownership of what a caller asked for. */

#include "request.h"

void caller_done(Caller *c) {
        free(c->groups);
        free(c->user);
        free(c->home);
        free(c->home_real);
        free(c->shell);
        *c = (Caller) {};
}

static void grant_destroy(void *p) {
        RequestGrant *g = p;

        if (!g)
                return;
        g_free(g->path);
        g_free(g->host_path);
        g_free(g);
}

Request *request_new(void) {
        Request *r = g_new0(Request, 1);

        r->workspace_fd = -1;
        r->grants = g_ptr_array_new_with_free_func(grant_destroy);
        return r;
}

Request *request_free(Request *r) {
        if (!r)
                return NULL;
        g_free(r->id);
        g_free(r->profile);
        g_free(r->profile_data);
        g_free(r->workspace_host_path);
        g_free(r->workspace_access);
        g_free(r->workspace_path);
        g_free(r->workdir);
        if (r->grants)
                g_ptr_array_unref(r->grants);
        g_strfreev(r->deny);
        g_strfreev(r->deny_write);
        g_strfreev(r->env);
        g_free(r->hostname);
        g_free(r->network);
        if (r->dns)
                g_array_unref(r->dns);
        if (r->allow)
                g_array_unref(r->allow);
        g_free(r);
        return NULL;
}
