/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One image from its source into the store. */

#include "import/job.h"
#include "import/store.h"

/* source_fd: as IMAGE_IMPORT says. Nothing of it is in the store unless it succeeds. chown: false in tests without a user namespace. */
int transfer(Job *job, Store *store, int source_fd, const ImageImport *request, bool chown, ImageImported *ret);
