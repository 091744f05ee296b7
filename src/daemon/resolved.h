/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* MsgReady.resolved: grants whose source led elsewhere, held to the ceiling once more. */

#include "manager.h"
#include "operation.h"

/* The lines of MsgReady.resolved as the property shows them. False, with a sentence, when one leads above the caller's ceiling. */
bool resolved_take(Operation *op, const char *text, char ***ret, char **ret_why);
