/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Telling sources apart and finding parts in them. An archive may have its parts in any order (docker save has the list at the end):
 * one that can be read again is read again for each part; of one that cannot, a pipe or a compressed file, the members are put
 * into the working directory first. */

#include "source.h"

#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define LINKS_MAX 4

void source_done(Source *s) {
        for (size_t i = 0; i < s->n_members; i++) {
                free(s->members[i].name);
                free(s->members[i].target);
        }
        free(s->members);
        stream_free(s->stream);
        *s = (Source) { .fd = -EBADF, .spool_fd = -EBADF };
}

void blob_done(Blob *b) {
        stream_free(b->stream);
        if (b->archive)
                (void) archive_read_free(b->archive);
        stream_free(b->below);
        fd_close(b->fd);
        *b = BLOB_NONE;
}

/* No link is followed: a layout has none, and whoever made it must not lead us to files that he cannot read himself. */
static int open_beneath(int fd, const char *name, int flags) {
        struct open_how how = { .flags = (uint64_t) (flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        long r = syscall(SYS_openat2, fd, name, &how, sizeof(how));

        return r < 0 ? -errno : (int) r;
}

/* ---- names ---- */

/* "./blobs/x" and "blobs/x/" are "blobs/x". NULL when it is no name inside, or on out of memory (*ret_r). */
static char *normal_name(const char *name, int *ret_r) {
        char *copy = malloc(strlen(name) + 2), *to = copy;

        *ret_r = copy ? 0 : -ENOMEM;
        if (!copy)
                return NULL;
        *to++ = '/';
        for (const char *p = name; *p;) {
                size_t n = strcspn(p, "/");

                if (n > 0 && !(n == 1 && *p == '.')) {
                        if (to > copy + 1)
                                *to++ = '/';
                        memcpy(to, p, n);
                        to += n;
                }
                p += n + strspn(p + n, "/");
        }
        *to = 0;
        if (path_is_normal(copy)) {
                memmove(copy, copy + 1, strlen(copy));
                return copy;
        }
        free(copy);
        return NULL;
}

/* What a link in the directory of "name" leads to, by names alone. */
static char *resolve_target(const char *name, const char *target, int *ret_r) {
        const char *slash = strrchr(name, '/');
        size_t n = slash && target[0] != '/' ? (size_t) (slash - name) : 0;
        _cleanup_free_ char *base = strndup(name, n);
        char *joined = NULL, *normal;

        *ret_r = base ? 0 : -ENOMEM;
        if (!base)
                return NULL;
        while (str_has_prefix(target, "../")) {
                char *up = strrchr(base, '/');

                if (!*base)
                        return NULL;
                if (up)
                        *up = 0;
                else
                        *base = 0;
                target += 3;
        }
        if (asprintf(&joined, "%s/%s", base, target) < 0) {
                *ret_r = -ENOMEM;
                return NULL;
        }
        normal = normal_name(joined, ret_r);
        free(joined);
        return normal;
}

/* Names that only an image's archive begins with. */
static bool is_image_part(const char *name) {
        static const char *const files[] = { "oci-layout", "index.json", "manifest.json", "repositories", "blobs", NULL };
        char hex[IMAGE_HEX + 1];

        for (const char *const *f = files; *f; f++)
                if (streq(name, *f))
                        return true;
        if (str_has_prefix(name, "blobs/"))
                return true;
        (void) snprintf(hex, sizeof(hex), "%s", name);
        return image_hex_valid(hex) && (name[IMAGE_HEX] == 0 || name[IMAGE_HEX] == '/' || name[IMAGE_HEX] == '.');
}

/* ---- archives ---- */

static int add_member(Source *s, struct archive_entry *e, size_t index, const char **ret_name) {
        const char *name = archive_entry_pathname(e);
        SourceMember m = { .index = index };
        int r = 0;

        *ret_name = NULL;
        if (!name || (archive_entry_filetype(e) != AE_IFREG && archive_entry_filetype(e) != AE_IFLNK) || archive_entry_hardlink(e))
                return 0;
        m.name = normal_name(name, &r);
        if (!m.name)
                return r < 0 ? r : 0;
        if (archive_entry_filetype(e) == AE_IFLNK) {
                m.target = resolve_target(m.name, archive_entry_symlink(e) ? archive_entry_symlink(e) : "", &r);
                if (!m.target) {
                        free(m.name);
                        return r < 0 ? r : 0;
                }
        }
        if (s->n_members >= SOURCE_MEMBERS_MAX) {
                free(m.name);
                free(m.target);
                return reason_set(&s->job->reason, -E2BIG, "the archive has more than %u parts", SOURCE_MEMBERS_MAX);
        }
        if (!s->members)
                s->members = calloc(SOURCE_MEMBERS_MAX, sizeof(*s->members));
        if (!s->members) {
                free(m.name);
                free(m.target);
                return -ENOMEM;
        }
        s->members[s->n_members++] = m;
        *ret_name = m.target ? NULL : m.name;
        return 0;
}

static int spool_member(Source *s, struct archive *a, size_t index, uint64_t *spooled) {
        _cleanup_(stream_freep) Stream *member = NULL;
        _cleanup_close_ int fd = -EBADF;
        char name[32];
        const void *p;
        ssize_t n;
        int r = stream_new_member(s->job, a, &member);

        if (r < 0)
                return r;
        (void) snprintf(name, sizeof(name), "part-%zu", index);
        fd = openat(s->spool_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return job_failed(s->job, -errno, "cannot keep a part of the archive", NULL);
        while ((n = stream_next(member, &p)) > 0) {
                *spooled += (uint64_t) n;
                if (*spooled > s->job->limits.bytes)
                        return reason_set(&s->job->reason, -E2BIG, "the archive's parts are more than the limit of %llu bytes",
                                        (unsigned long long) s->job->limits.bytes);
                r = fd_write_all(fd, p, (size_t) n);
                if (r < 0)
                        return job_failed(s->job, r, "cannot keep a part of the archive", NULL);
        }
        return (int) n;
}

/* All members by name; where spool_fd is set, their contents too. */
static int read_members(Source *s, Stream *below) {
        _cleanup_archive_ struct archive *a = NULL;
        uint64_t spooled = 0;
        int r = stream_open_tar(below, &a);

        if (r < 0)
                return r;
        s->job->progress.phase = IMAGE_PHASE_READING;
        for (size_t index = 0;; index++) {
                struct archive_entry *e;
                const char *name;

                r = archive_read_next_header(a, &e);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return stream_archive_failed(s->job, a, "the archive");
                if (index >= SOURCE_MEMBERS_MAX * 4)
                        return reason_set(&s->job->reason, -E2BIG, "the archive has more than %u parts", SOURCE_MEMBERS_MAX);
                r = add_member(s, e, index, &name);
                if (r >= 0 && name && s->spool_fd >= 0)
                        r = spool_member(s, a, index, &spooled);
                if (r >= 0)
                        r = job_tick(s->job);
                if (r < 0)
                        return r;
        }
}

static bool begins_like_image(const void *block, size_t n) {
        _cleanup_archive_ struct archive *a = archive_read_new();
        struct archive_entry *e;

        if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_open_memory(a, block, n) != ARCHIVE_OK)
                return false;
        /* The first name but ".". */
        for (int i = 0; i < 2; i++) {
                _cleanup_free_ char *normal = NULL;
                const char *name;
                int r;

                r = archive_read_next_header(a, &e);
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return false;
                name = archive_entry_pathname(e);
                normal = name ? normal_name(name, &r) : NULL;
                if (normal && *normal)
                        return is_image_part(normal);
        }
        return false;
}

static int open_archive(Source *s, int work_fd, bool seekable) {
        _cleanup_(stream_freep) Stream *stream = NULL;
        Stream *below;
        const void *head;
        ssize_t n;
        int r;

        r = stream_new_fd(s->job, s->fd, seekable ? 0 : -1, true, &below);
        if (r >= 0)
                r = stream_new_unpacked(below, &stream);
        if (r < 0)
                return r;
        n = stream_peek(stream, &head);
        if (n < 0)
                return (int) n;
        if (n == 0)
                return reason_set(&s->job->reason, -EBADMSG, "the source is empty");
        if (!stream_is_tar(head, (size_t) n))
                return reason_set(&s->job->reason, -EBADMSG, "the source is no tar archive, neither plain nor packed by gzip or zstd");
        if (!begins_like_image(head, (size_t) n)) {
                s->kind = SOURCE_TREE_TAR;
                s->stream = TAKE_PTR(stream);
                return 0;
        }
        s->kind = SOURCE_ARCHIVE;
        if (seekable && !stream_is_packed(stream)) {
                _cleanup_(stream_freep) Stream *again = NULL;

                r = stream_new_fd(s->job, s->fd, 0, false, &again);
                return r < 0 ? r : read_members(s, again);
        }
        s->spool_fd = work_fd;
        return read_members(s, stream);
}

static bool has_file(int fd, const char *name) {
        _cleanup_close_ int f = open_beneath(fd, name, O_RDONLY);

        return fd_kind(f) == FD_KIND_FILE;
}

int source_open(Job *job, int fd, int work_fd, Source *ret) {
        _cleanup_source_ Source s = { .job = job, .fd = fd, .spool_fd = -EBADF };
        struct stat st;
        int r = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        switch (st.st_mode & S_IFMT) {
        case S_IFDIR:
                s.kind = has_file(fd, "oci-layout") && has_file(fd, "index.json") ? SOURCE_LAYOUT : SOURCE_DIRECTORY;
                break;
        case S_IFREG:
                job->progress.total = (uint64_t) st.st_size;
                r = job_check_in(job, job->progress.total);
                if (r >= 0)
                        r = open_archive(&s, work_fd, true);
                break;
        case S_IFIFO:
                r = open_archive(&s, work_fd, false);
                break;
        default:
                return reason_set(&job->reason, -ENOTSUP, "the source has to be a file, a pipe or a directory");
        }
        if (r < 0)
                return r;
        *ret = s;
        s = (Source) {};
        return 0;
}

/* ---- parts ---- */

static const SourceMember *find_member(const Source *s, const char *name) {
        for (int links = 0; links <= LINKS_MAX; links++) {
                const SourceMember *m = NULL;

                /* As tar does: the last one of a name counts. */
                for (size_t i = s->n_members; i > 0 && !m; i--)
                        if (streq(s->members[i - 1].name, name))
                                m = s->members + i - 1;
                if (!m || !m->target)
                        return m;
                name = m->target;
        }
        return NULL;
}

static int open_spooled(Source *s, const SourceMember *m, Blob *b) {
        char name[32];

        (void) snprintf(name, sizeof(name), "part-%zu", m->index);
        b->fd = openat(s->spool_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (b->fd < 0)
                return -errno;
        return stream_new_fd(s->job, b->fd, 0, false, &b->stream);
}

static int open_member(Source *s, const SourceMember *m, Blob *b) {
        int r = stream_new_fd(s->job, s->fd, 0, true, &b->below);

        if (r >= 0)
                r = stream_open_tar(b->below, &b->archive);
        if (r < 0)
                return r;
        for (size_t i = 0; i <= m->index; i++) {
                struct archive_entry *e;

                r = archive_read_next_header(b->archive, &e);
                if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                        return r == ARCHIVE_EOF ? reason_set(&s->job->reason, -EBADMSG, "the source changes while it is read")
                                                : stream_archive_failed(s->job, b->archive, "the archive");
        }
        return stream_new_member(s->job, b->archive, &b->stream);
}

int source_open_blob(Source *s, const char *name, Blob *ret) {
        _cleanup_blob_ Blob b = BLOB_NONE;
        const SourceMember *m;
        int r;

        if (s->kind == SOURCE_LAYOUT) {
                b.fd = open_beneath(s->fd, name, O_RDONLY);
                if (b.fd == -ENOENT)
                        return -ENOENT;
                if (b.fd < 0)
                        return job_failed(s->job, b.fd, "cannot open", name);
                if (fd_kind(b.fd) != FD_KIND_FILE)
                        return reason_set(&s->job->reason, -EBADMSG, "\"%s\" is no file", name);
                r = stream_new_fd(s->job, b.fd, 0, true, &b.stream);
        } else {
                m = find_member(s, name);
                if (!m)
                        return -ENOENT;
                r = s->spool_fd >= 0 ? open_spooled(s, m, &b) : open_member(s, m, &b);
        }
        if (r < 0)
                return r;
        *ret = b;
        b = BLOB_NONE;
        return 0;
}

int source_read(Source *s, const ManifestPart *part, size_t max, char **ret, size_t *ret_len) {
        char found[IMAGE_DIGEST_TEXT + 1];
        _cleanup_blob_ Blob b = BLOB_NONE;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r = source_open_blob(s, part->name, &b);

        if (r == -ENOENT)
                return reason_set(&s->job->reason, -EBADMSG, "\"%s\" is not in it", part->name);
        if (r >= 0)
                r = stream_read_all(b.stream, max, &text, &n);
        if (r == -EFBIG)
                return reason_set(&s->job->reason, -EBADMSG, "\"%s\" is longer than %zu bytes", part->name, max);
        if (r < 0)
                return r;
        digest_of(text, n, found);
        if (part->digest[0] && !streq(part->digest, found))
                return reason_set(&s->job->reason, -EBADMSG, "\"%s\" is not what its digest says: it has been changed or damaged", part->name);
        *ret = TAKE_PTR(text);
        *ret_len = n;
        return 0;
}

static int read_index(Source *s, Manifest *m) {
        ManifestPart part = { .name = "index.json" };

        /* An index may point to an index, as those of several machines do: not endlessly. */
        for (int depth = 0; depth < 4; depth++) {
                _cleanup_free_ char *text = NULL;
                bool is_index = false;
                ManifestPart next;
                size_t n;
                int r = source_read(s, &part, MANIFEST_BYTES_MAX, &text, &n);

                if (r >= 0)
                        r = manifest_choose(text, n, m, &next, &is_index, &s->job->reason);
                if (r < 0)
                        return r;
                part = next;
                if (!is_index) {
                        _cleanup_free_ char *manifest = NULL;

                        r = source_read(s, &part, MANIFEST_BYTES_MAX, &manifest, &n);
                        return r < 0 ? r : manifest_parse_oci(manifest, n, m, &s->job->reason);
                }
        }
        return reason_set(&s->job->reason, -EBADMSG, "the image's index points to an index too many times");
}

int source_manifest(Source *s, Manifest *ret) {
        static const ManifestPart docker = { .name = "manifest.json" };
        bool oci = s->kind == SOURCE_LAYOUT || find_member(s, "index.json");
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        *ret = (Manifest) {};
        if (oci)
                return read_index(s, ret);
        if (!find_member(s, "manifest.json"))
                return reason_set(&s->job->reason, -EBADMSG, "the archive looks like an image's, but has neither index.json nor manifest.json");
        r = source_read(s, &docker, MANIFEST_BYTES_MAX, &text, &n);
        return r < 0 ? r : manifest_parse_docker(text, n, ret, &s->job->reason);
}
