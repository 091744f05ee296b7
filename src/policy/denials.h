/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is denied within every granted tree, whatever a profile or request says; only a ceiling lifts a row, by name. */

#include "wire/plan.h"

typedef enum DenialScope {
        DENIAL_HOME, /* relative to the caller's home directory */
        DENIAL_TREE, /* relative to each writable granted tree */
        DENIAL_HOST, /* an absolute path of the host */
        _DENIAL_SCOPE_MAX,
} DenialScope;

typedef struct MandatoryDenial {
        DenialScope scope;
        PlanDenialKind kind;
        const char *name; /* the path; also what "allow_denied" of a ceiling calls it */
        const char *reason;
} MandatoryDenial;

extern const MandatoryDenial mandatory_denials[];
extern const size_t n_mandatory_denials;

/* Whether some row has this name. */
bool mandatory_denial_exists(const char *name);
