/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes in blocks, from below: a descriptor, a member of an archive, what comes out of a decompressor. */

#include <archive.h>

#include "import/digest.h"
#include "import/job.h"

typedef struct Stream Stream;
Stream *stream_free(Stream *s);
DEFINE_CLEANUP(Stream, stream_free)

/* Whose bytes count against the job (the source's) or not (a copy of them). The fd is borrowed; offset < 0: from where it stands. */
int stream_new_fd(Job *job, int fd, off_t offset, bool counted, Stream **ret);
/* The bytes of the entry whose header was read last; both are borrowed. */
int stream_new_member(Job *job, struct archive *a, Stream **ret);
/* Decompresses what gzip or zstd have made, and passes on what they have not; takes below. Limited by the job's ratio. */
int stream_new_unpacked(Stream *below, Stream **ret);

/* The next block, at most a MiB, until the next call. Returns its length, 0 at the end, or -errno with the job's reason. */
ssize_t stream_next(Stream *s, const void **ret);
/* What the next block begins with; fewer than n bytes only when the stream is shorter. */
ssize_t stream_peek(Stream *s, const void **ret);
/* From here on every byte goes into the digest; it may be that of two layers of one stream. */
void stream_set_digest(Stream *s, Digest *d);
bool stream_is_packed(const Stream *s); /* of stream_new_unpacked(): it is something else than what is below */
/* Reads to the end, here and below, so that the digests are of the whole. */
int stream_drain(Stream *s);
/* After the end of a stream with a digest: whether it ended as an archive does, with zeros. */
bool stream_ended_as_tar(const Stream *s);
/* Whether a first block is of a tar archive: libarchive says of more things that they might be. */
bool stream_is_tar(const void *block, size_t n);
/* The whole as text, NUL-terminated. -EFBIG over max. */
int stream_read_all(Stream *s, size_t max, char **ret, size_t *ret_len);

/* libarchive reading tar, and only tar, from a stream, which is borrowed; it skips what it can. */
int stream_open_tar(Stream *s, struct archive **ret);
static inline void archive_cleanup(struct archive **a) {
        if (*a)
                (void) archive_read_free(*a);
}
#define _cleanup_archive_ _cleanup_(archive_cleanup)
/* Says what libarchive says, unless a stream below has said it before. */
int stream_archive_failed(Job *job, struct archive *a, const char *what);
