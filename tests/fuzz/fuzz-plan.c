/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes that decode are a valid plan and encode to the same bytes again; all others leave nothing behind. */

#include "fuzz.h"
#include "wire/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_plan_ Plan *p = NULL;
        _cleanup_writer_ WireWriter w = {};
        WireReader r = WIRE_READER(data, size);
        const char *why = NULL;
        int k = plan_decode(&r, &p, &why);

        if (k < 0) {
                must(!p);
                must(why);
                return 0;
        }
        must(p && !why);
        must(plan_validate(p, NULL) == 0);
        must(p->uid != 0 && p->gid != 0);
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                must(path_is_normal(m->target));
                must(m->source[m->source_len] == 0);
                if (m->kind == PLAN_MOUNT_PATH)
                        must(!plan_source_is_forbidden(m->source, m->flags & PLAN_MOUNT_WRITE));
                if (m->kind == PLAN_MOUNT_FD)
                        must(m->fd < p->n_fds && m->fd < PLAN_FDS_MAX);
        }
        plan_encode(&w, p);
        must(w.error == 0 && w.len == size && memcmp(w.data, data, size) == 0);
        return 0;
}
