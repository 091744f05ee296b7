/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Included before everything else by the compiler's command line: what must hold in every translation unit. */

#include "config.h"
