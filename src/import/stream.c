/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The read side of an import: blocks from a descriptor, through libarchive's decompressors, into its tar reader. Each step is a stream
 * that pulls from the one below it, counts what passes and hashes it on the way. No filter is chosen by libarchive's own bidding:
 * it nests them, and some of them are programs. */

#include "stream.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define BLOCK ((size_t) 256 << 10)
#define RATIO_SLACK (UINT64_C(1) << 20)

struct Stream {
        Job *job;
        ssize_t (*next)(Stream *s, const void **ret);
        Stream *below;           /* unpacked: owned */
        struct archive *archive; /* member: borrowed; unpacked: owned, NULL when there is nothing to unpack */
        Digest *digest;          /* borrowed */
        int fd;                  /* borrowed */
        bool counted, waits;
        off_t offset; /* < 0: read(), not pread() */
        off_t end;    /* of a file as it was at first: one that grows is not read for ever */
        int64_t member_offset;
        uint64_t in, out; /* of a decompressor */
        uint8_t *buffer;
        const void *peeked;
        ssize_t n_peeked;
        bool has_peeked;
        uint8_t tail[512]; /* with a digest: what it ended with */
};

Stream *stream_free(Stream *s) {
        if (!s)
                return NULL;
        if (s->below) {
                if (s->archive)
                        (void) archive_read_free(s->archive);
                stream_free(s->below);
        }
        free(s->buffer);
        free(s);
        return NULL;
}

static void keep_tail(Stream *s, const uint8_t *p, size_t n) {
        size_t keep = sizeof(s->tail);

        if (n >= keep) {
                memcpy(s->tail, p + n - keep, keep);
                return;
        }
        memmove(s->tail, s->tail + n, keep - n);
        memcpy(s->tail + keep - n, p, n);
}

static bool all_zero(const uint8_t *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (p[i])
                        return false;
        return true;
}

bool stream_ended_as_tar(const Stream *s) {
        return all_zero(s->tail, sizeof(s->tail));
}

bool stream_is_tar(const void *block, size_t n) {
        const uint8_t *p = block;
        size_t digits = 0;

        if (n < 512)
                return false;
        if (memcmp(p + 257, "ustar", 5) == 0 || all_zero(p, 512))
                return true;
        /* The old form has no mark, but an octal checksum. */
        while (digits < 6 && ((p[148 + digits] >= '0' && p[148 + digits] <= '7') || p[148 + digits] == ' '))
                digits++;
        return p[0] != 0 && digits == 6;
}

ssize_t stream_next(Stream *s, const void **ret) {
        ssize_t n;

        if (s->has_peeked) {
                s->has_peeked = false;
                *ret = s->peeked;
                n = s->n_peeked;
        } else
                n = s->next(s, ret);
        if (n > 0 && s->digest) {
                digest_add(s->digest, *ret, (size_t) n);
                keep_tail(s, *ret, (size_t) n);
        }
        return n;
}

ssize_t stream_peek(Stream *s, const void **ret) {
        if (!s->has_peeked) {
                s->n_peeked = s->next(s, &s->peeked);
                if (s->n_peeked < 0)
                        return s->n_peeked;
                s->has_peeked = true;
        }
        *ret = s->peeked;
        return s->n_peeked;
}

void stream_set_digest(Stream *s, Digest *d) {
        s->digest = d;
}

bool stream_is_packed(const Stream *s) {
        return s->archive;
}

/* ---- a descriptor ---- */

/* Full blocks: who looks at the first one sees all of what it begins with. */
static ssize_t fd_next(Stream *s, const void **ret) {
        size_t n = 0;
        int r;

        while (n < BLOCK) {
                size_t max = s->offset >= 0 ? (size_t) MIN((off_t) (BLOCK - n), s->end - s->offset) : BLOCK - n;
                ssize_t k;

                if (s->waits) {
                        r = job_wait(s->job, s->fd);
                        if (r < 0)
                                return r;
                }
                k = s->offset >= 0 ? pread(s->fd, s->buffer + n, max, s->offset) : read(s->fd, s->buffer + n, max);
                if (k < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (k < 0)
                        return job_failed(s->job, -errno, "cannot read the source", NULL);
                if (k == 0)
                        break;
                n += (size_t) k;
                if (s->offset >= 0)
                        s->offset += k;
        }
        r = s->counted ? job_take_in(s->job, n) : job_tick(s->job);
        *ret = s->buffer;
        return r < 0 ? r : (ssize_t) n;
}

int stream_new_fd(Job *job, int fd, off_t offset, bool counted, Stream **ret) {
        _cleanup_(stream_freep) Stream *s = calloc(1, sizeof(*s));
        struct stat st;

        if (!s)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        *s = (Stream) { .job = job, .next = fd_next, .fd = fd, .offset = offset, .counted = counted, .end = st.st_size,
                .waits = !S_ISREG(st.st_mode) };
        s->buffer = malloc(BLOCK);
        if (!s->buffer)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

/* ---- a member of an archive ---- */

static ssize_t member_next(Stream *s, const void **ret) {
        int64_t offset;
        size_t n = 0;
        int r;

        do {
                r = archive_read_data_block(s->archive, ret, &n, &offset);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r != ARCHIVE_OK)
                        return stream_archive_failed(s->job, s->archive, "the archive");
        } while (n == 0);
        if (offset != s->member_offset)
                return reason_set(&s->job->reason, -EBADMSG, "the archive has a part with holes (a sparse file), which no image tool writes");
        s->member_offset += (int64_t) n;
        return (ssize_t) n;
}

int stream_new_member(Job *job, struct archive *a, Stream **ret) {
        Stream *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (Stream) { .job = job, .next = member_next, .archive = a, .fd = -EBADF };
        *ret = s;
        return 0;
}

/* ---- decompression ---- */

static la_ssize_t feed(struct archive *a, void *userdata, const void **ret) {
        Stream *s = userdata;
        ssize_t n = stream_next(s, ret);

        if (n < 0)
                archive_set_error(a, (int) -n, "%s", s->job->reason.text);
        return n;
}

static la_ssize_t feed_packed(struct archive *a, void *userdata, const void **ret) {
        Stream *s = userdata;
        la_ssize_t n = feed(a, s->below, ret);

        if (n > 0)
                s->in += (uint64_t) n;
        return n;
}

static ssize_t unpacked_next(Stream *s, const void **ret) {
        int64_t offset;
        size_t n = 0;
        int r;

        if (!s->archive)
                return stream_next(s->below, ret);
        do {
                r = archive_read_data_block(s->archive, ret, &n, &offset);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r != ARCHIVE_OK)
                        return stream_archive_failed(s->job, s->archive, "the compressed data");
        } while (n == 0);
        s->out += n;
        if (s->out > RATIO_SLACK && (s->out - RATIO_SLACK) / s->job->limits.ratio > s->in)
                return reason_set(&s->job->reason, -E2BIG, "it is packed more than %u to one: a bomb, or a case for a higher limit",
                                s->job->limits.ratio);
        r = job_tick(s->job);
        return r < 0 ? r : (ssize_t) n;
}

static int filter_of(const uint8_t *p, ssize_t n) {
        if (n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
                return ARCHIVE_FILTER_GZIP;
        /* A zstd frame, or a skippable one in front of it. */
        if (n >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
                                      ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18)))
                return ARCHIVE_FILTER_ZSTD;
        return ARCHIVE_FILTER_NONE;
}

static int open_filter(Stream *s, int filter) {
        s->archive = archive_read_new();
        if (!s->archive)
                return -ENOMEM;
        /* Exactly this filter once, without asking what might be below it. */
        if (archive_read_support_format_raw(s->archive) != ARCHIVE_OK || archive_read_support_format_empty(s->archive) != ARCHIVE_OK ||
                        archive_read_append_filter(s->archive, filter) != ARCHIVE_OK)
                return reason_set(&s->job->reason, -ENOTSUP, "libarchive was built without zlib or zstd");
        if (archive_read_open(s->archive, s, NULL, feed_packed, NULL) != ARCHIVE_OK)
                return stream_archive_failed(s->job, s->archive, "the compressed data");
        return 0;
}

int stream_new_unpacked(Stream *below, Stream **ret) {
        _cleanup_(stream_freep) Stream *s = NULL;
        struct archive_entry *entry;
        const void *head;
        ssize_t n;
        int filter, r;

        s = calloc(1, sizeof(*s));
        if (!s) {
                stream_free(below);
                return -ENOMEM;
        }
        *s = (Stream) { .job = below->job, .next = unpacked_next, .below = below, .fd = -EBADF };
        n = stream_peek(below, &head);
        if (n < 0)
                return (int) n;
        filter = filter_of(head, n);
        if (filter != ARCHIVE_FILTER_NONE) {
                r = open_filter(s, filter);
                if (r < 0)
                        return r;
                r = archive_read_next_header(s->archive, &entry);
                if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
                        return stream_archive_failed(s->job, s->archive, "the compressed data");
        }
        *ret = TAKE_PTR(s);
        return 0;
}

/* ---- ends ---- */

int stream_drain(Stream *s) {
        const void *p;
        ssize_t n;

        do
                n = stream_next(s, &p);
        while (n > 0);
        return n == 0 && s->below ? stream_drain(s->below) : (int) n;
}

int stream_read_all(Stream *s, size_t max, char **ret, size_t *ret_len) {
        _cleanup_buffer_ Buffer b = {};
        const void *p;
        ssize_t n;

        while ((n = stream_next(s, &p)) > 0) {
                if ((size_t) n > max - b.len)
                        return -EFBIG;
                buffer_append(&b, p, (size_t) n, max);
        }
        if (n < 0)
                return (int) n;
        *ret_len = b.len;
        buffer_append(&b, "", 1, max + 1);
        if (b.error)
                return b.error;
        *ret = (char *) TAKE_PTR(b.data);
        return 0;
}

/* Members that nobody wants are not read where the source can seek and nothing is hashed. */
static la_int64_t skip(struct archive *a, void *userdata, la_int64_t n) {
        Stream *s = userdata;

        (void) a;
        if (s->next != fd_next || s->offset < 0 || s->has_peeked || s->digest || n > s->end - s->offset)
                return 0;
        s->offset += n;
        return n;
}

int stream_open_tar(Stream *s, struct archive **ret) {
        _cleanup_archive_ struct archive *a = archive_read_new();

        if (!a)
                return -ENOMEM;
        if (archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_support_format_empty(a) != ARCHIVE_OK)
                return -ENOTSUP;
        if (archive_read_open2(a, s, NULL, feed, skip, NULL) != ARCHIVE_OK)
                return stream_archive_failed(s->job, a, "the archive");
        *ret = TAKE_PTR(a);
        return 0;
}

int stream_archive_failed(Job *job, struct archive *a, const char *what) {
        const char *text = archive_error_string(a);
        int e = archive_errno(a);

        if (e == ECANCELED || e == ENOMEM || e == E2BIG)
                return reason_set(&job->reason, -e, "%s: %s", what, text ? text : strerror(e));
        return reason_set(&job->reason, -EBADMSG, "%s: %s", what, text ? text : "it cannot be read");
}
