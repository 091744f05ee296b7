/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A layer, or a whole root file system, into a tree. */

#include "import/stream.h"
#include "import/tree.h"

/* From an uncompressed tar; whiteouts are translated. Does not read what is behind the archive's end. */
int layer_from_tar(Tree *t, Stream *tar);
/* From a directory that somebody else may be changing: what can be read of it with our rights. Owners that are not known in our
 * user namespace become root. The digest is of everything that was taken. */
int layer_from_directory(Tree *t, int fd, Digest *digest);
