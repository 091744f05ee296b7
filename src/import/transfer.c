/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of an import: what is it, which parts has it, each new layer unpacked while both of its digests are computed (of the part
 * as it came, of what it contains), and all of it put into its place at once. */

#include "transfer.h"

#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "import/layer.h"
#include "import/source.h"

/* The digest of a root file system is known at its end only. */
#define UNKNOWN "0000000000000000000000000000000000000000000000000000000000000000"

typedef struct Transfer {
        Job *job;
        Store *store;
        StoreWork *work;
        Source *source;
        ImageImported *result;
        bool chown;
} Transfer;

static int failed(Transfer *t, int error) {
        return job_failed(t->job, error, "cannot write to the store of images", NULL);
}

static int refuse_layer(Transfer *t, size_t i, const char *why) {
        return reason_set(&t->job->reason, -EBADMSG, "layer %zu %s", i + 1, why);
}

/* The part's own digest and that of its contents, computed on the way; for one that is not packed they are the same. */
static int unpack_blob(Transfer *t, size_t i, const ManifestPart *part, Tree *tree, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        _cleanup_(stream_freep) Stream *stream = NULL;
        _cleanup_blob_ Blob blob = BLOB_NONE;
        char packed[IMAGE_DIGEST_TEXT + 1];
        Digest outer, inner;
        const void *head;
        Stream *below;
        ssize_t n;
        int r;

        r = source_open_blob(t->source, part->name, &blob);
        if (r == -ENOENT)
                return reason_set(&t->job->reason, -EBADMSG, "layer %zu (\"%s\") is not in it", i + 1, part->name);
        if (r < 0)
                return r;
        digest_init(&outer);
        digest_init(&inner);
        below = TAKE_PTR(blob.stream);
        if (part->digest[0])
                stream_set_digest(below, &outer);
        r = stream_new_unpacked(below, &stream);
        if (r < 0)
                return r;
        if (!stream_is_packed(stream))
                stream_set_digest(below, NULL);
        stream_set_digest(stream, &inner);
        n = stream_peek(stream, &head);
        if (n < 0)
                return (int) n;
        if (n > 0 && !stream_is_tar(head, (size_t) n))
                return refuse_layer(t, i, "is no tar archive, neither plain nor packed by gzip or zstd");
        r = layer_from_tar(tree, stream);
        if (r >= 0)
                r = stream_drain(stream);
        if (r < 0)
                return r;
        digest_text(&inner, ret);
        if (!part->digest[0])
                return 0;
        if (stream_is_packed(stream))
                digest_text(&outer, packed);
        else
                memcpy(packed, ret, sizeof(packed));
        return streq(packed, part->digest) ? 0 : refuse_layer(t, i, "is not what its digest says: it has been changed or damaged");
}

static int import_layer(Transfer *t, size_t i, const ManifestPart *part, const char *digest) {
        ImageLayer *l = t->result->layers + i;
        uint64_t bytes = t->job->bytes_out, entries = t->job->progress.entries;
        _cleanup_tree_ Tree tree = { .root = -EBADF, .cached_fd = -EBADF };
        char found[IMAGE_DIGEST_TEXT + 1];
        int fd, r;

        t->job->progress.layer = (uint32_t) i + 1;
        *l = (ImageLayer) { .shared = 1 };
        memcpy(l->digest, digest, sizeof(l->digest));
        for (size_t k = 0; k < i; k++)
                if (streq(t->result->layers[k].digest, digest)) {
                        *l = t->result->layers[k];
                        l->shared = 1;
                        return 0;
                }
        /* Its contents were verified when they came. */
        if (store_layer_size(t->store, digest, l) >= 0) {
                l->shared = 1;
                return 0;
        }
        r = store_work_layer(t->work, digest + 7, &fd);
        if (r < 0)
                return failed(t, r);
        tree_init(&tree, t->job, fd, t->chown);
        r = unpack_blob(t, i, part, &tree, found);
        if (r < 0)
                return r;
        if (!streq(found, digest))
                return refuse_layer(t, i, "has other contents than the image's configuration says");
        l->bytes = t->job->bytes_out - bytes;
        l->entries = t->job->progress.entries - entries;
        l->shared = 0;
        r = store_work_layer_done(t->work, digest + 7, l);
        FAULT("import.layer");
        return r < 0 ? failed(t, r) : 0;
}

static int commit(Transfer *t, const char *config, size_t config_len) {
        ImageImported *m = t->result;
        int r;

        t->job->progress.phase = IMAGE_PHASE_WRITING;
        t->job->last_tick = 0;
        r = job_tick(t->job);
        if (r < 0)
                return r;
        digest_of(config, config_len, m->id);
        r = store_work_commit(t->work, m->layers, m->n_layers, m->id, config, config_len, (const char (*)[IMAGE_REFERENCE_MAX + 1]) m->references,
                        m->n_references);
        return r < 0 ? failed(t, r) : 0;
}

static int import_image(Transfer *t, const ImageImport *request) {
        _cleanup_free_ Manifest *m = calloc(1, sizeof(*m)); /* 80 KiB */
        _cleanup_image_config_ ImageConfig config = {};
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        if (!m)
                return -ENOMEM;
        r = source_manifest(t->source, m);
        if (r >= 0)
                r = source_read(t->source, &m->config, CONFIG_BYTES_MAX, &text, &n);
        if (r >= 0)
                r = image_config_parse(text, n, &config, &t->job->reason);
        if (r < 0)
                return r;
        if (config.n_layers != m->n_layers)
                return reason_set(&t->job->reason, -EBADMSG, "the image's manifest has %zu layers, its configuration %zu", m->n_layers, config.n_layers);
        if (m->n_layers > request->limits.layers)
                return reason_set(&t->job->reason, -E2BIG, "it has %zu layers, over the limit of %u", m->n_layers, request->limits.layers);
        if (config.architecture[0] && image_architecture() && !streq(config.architecture, image_architecture()))
                (void) snprintf(t->result->note, sizeof(t->result->note), "The image is for %s, this machine is %s.", config.architecture,
                                image_architecture());
        t->job->progress.phase = IMAGE_PHASE_UNPACKING;
        t->job->progress.layers = (uint32_t) m->n_layers;
        for (size_t i = 0; i < m->n_layers; i++) {
                r = import_layer(t, i, m->layers + i, config.layers[i]);
                if (r < 0)
                        return r;
                t->result->n_layers++;
        }
        for (size_t i = 0; !request->reference[0] && (request->flags & IMAGE_IMPORT_ARCHIVE_NAMES) && i < m->n_references; i++)
                strcpy(t->result->references[t->result->n_references++], m->references[i]);
        return commit(t, text, n);
}

static int unpack_tree(Transfer *t, Tree *tree, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        Source *s = t->source;
        Digest digest;
        int r;

        digest_init(&digest);
        if (s->kind == SOURCE_DIRECTORY)
                r = layer_from_directory(tree, s->fd, &digest);
        else {
                stream_set_digest(s->stream, &digest);
                r = layer_from_tar(tree, s->stream);
                if (r >= 0)
                        r = stream_drain(s->stream);
                /* No digest tells that all of it has come. */
                if (r >= 0 && !stream_ended_as_tar(s->stream))
                        r = reason_set(&t->job->reason, -EBADMSG, "the archive ends too early");
        }
        if (r < 0)
                return r;
        digest_text(&digest, ret);
        if (t->job->progress.entries == 0)
                return reason_set(&t->job->reason, -EBADMSG, "there is nothing in it");
        return 0;
}

static int import_tree(Transfer *t) {
        _cleanup_tree_ Tree tree = { .root = -EBADF, .cached_fd = -EBADF };
        ImageLayer *l = t->result->layers, known;
        _cleanup_free_ char *config = NULL;
        int fd, r;

        t->job->progress.phase = IMAGE_PHASE_UNPACKING;
        t->job->progress.layer = t->job->progress.layers = 1;
        r = store_work_layer(t->work, UNKNOWN, &fd);
        if (r < 0)
                return failed(t, r);
        tree_init(&tree, t->job, fd, t->chown);
        r = unpack_tree(t, &tree, l->digest);
        if (r < 0)
                return r;
        l->bytes = t->job->bytes_out;
        l->entries = t->job->progress.entries;
        r = store_work_layer_done(t->work, UNKNOWN, l);
        if (r < 0)
                return failed(t, r);
        l->shared = store_layer_size(t->store, l->digest, &known) >= 0;
        t->result->n_layers = 1;
        FAULT("import.layer");
        config = image_config_make(l->digest);
        return config ? commit(t, config, strlen(config)) : -ENOMEM;
}

int transfer(Job *job, Store *store, int source_fd, const ImageImport *request, bool chown, ImageImported *ret) {
        _cleanup_store_work_ StoreWork work = STORE_WORK_NONE;
        _cleanup_source_ Source source = { .fd = -EBADF, .spool_fd = -EBADF };
        Transfer t = { .job = job, .store = store, .work = &work, .source = &source, .result = ret, .chown = chown };
        int r;

        *ret = (ImageImported) {};
        job->limits = request->limits;
        r = store_work_begin(store, &work);
        if (r == -EBUSY)
                return reason_set(&job->reason, r, "images are being removed: try again when that has ended");
        if (r < 0)
                return failed(&t, r);
        r = source_open(job, source_fd, work.fd, &source);
        if (r < 0)
                return r;
        FAULT("import.source");
        if (request->reference[0])
                strcpy(ret->references[ret->n_references++], request->reference);
        r = source.kind == SOURCE_TREE_TAR || source.kind == SOURCE_DIRECTORY ? import_tree(&t) : import_image(&t, request);
        if (r < 0)
                return r;
        ret->devices = job->devices;
        ret->setuid = job->setuid;
        ret->xattrs = job->xattrs;
        return 0;
}
