/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is imported, whatever its form: which of the forms it is (by its content, never by a name), and its parts by name. */

#include "import/manifest.h"
#include "import/stream.h"

typedef enum SourceKind {
        SOURCE_LAYOUT,    /* a directory with an OCI layout */
        SOURCE_ARCHIVE,   /* a tar with an image in it: OCI, docker save, podman save */
        SOURCE_TREE_TAR,  /* a tar with a root file system */
        SOURCE_DIRECTORY, /* a root file system */
} SourceKind;

#define SOURCE_MEMBERS_MAX 4096u

typedef struct SourceMember {
        char *name;   /* normal, relative */
        char *target; /* of a symlink; NULL for a file */
        size_t index; /* of the entry in the archive */
} SourceMember;

typedef struct Source {
        Job *job;
        SourceKind kind;
        int fd;       /* borrowed */
        int spool_fd; /* the directory where members lie that could not be read twice, borrowed; -EBADF: they can */
        SourceMember *members;
        size_t n_members;
        Stream *stream; /* SOURCE_TREE_TAR: the uncompressed tar from its beginning */
} Source;

/* fd: as IMAGE_IMPORT says; work_fd: an empty directory for parts that have to be kept meanwhile. Both are borrowed. */
int source_open(Job *job, int fd, int work_fd, Source *ret);
void source_done(Source *s);
#define _cleanup_source_ _cleanup_(source_done)

/* One part as it is in there, compressed where it is. */
typedef struct Blob {
        Stream *stream;
        struct archive *archive; /* under it, when it is a member */
        Stream *below;
        int fd;
} Blob;
#define BLOB_NONE ((Blob) { .fd = -EBADF })
/* -ENOENT without a reason when there is no such part. */
int source_open_blob(Source *s, const char *name, Blob *ret);
void blob_done(Blob *b);
#define _cleanup_blob_ _cleanup_(blob_done)
/* A small one as text, held to its digest where that is known. Missing ones are an error with a reason. */
int source_read(Source *s, const ManifestPart *part, size_t max, char **ret, size_t *ret_len);

/* The image's lists, whichever of them it has. */
int source_manifest(Source *s, Manifest *ret);
