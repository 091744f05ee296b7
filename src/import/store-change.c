/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changing the store, in steps between which a kill does no harm:
 *
 *   import   #1 a directory in tmp, everything is made there   #2 all of it to the disk   #3 for each layer: a note in the work directory, then
 *            the rename to its place   #4 the image's record   #5 its names   #6 the work directory goes, notes and all
 *   remove   #1 names   #2 records of images   #3 for each layer that nobody needs: the rename into tmp, then it is emptied
 *
 * A kill after #3 of an import leaves a layer that no image names: the note says so, and the next store_collect() takes it away. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "import/tree.h"
#include "store-private.h"

#define NOTE "new-" /* and the layer's digits */

int store_lock(Store *s, bool alone) {
        return flock(s->lock, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 ? (errno == EWOULDBLOCK ? -EBUSY : -errno) : 0;
}

void store_unlock(Store *s) {
        (void) flock(s->lock, LOCK_UN);
}

static void unlockp(Store **s) {
        if (*s)
                store_unlock(*s);
}
#define _cleanup_unlock_ _cleanup_(unlockp)

static int lock_alone(Store *s, Reason *reason) {
        int r = store_lock(s, true);

        return r == -EBUSY ? reason_set(reason, r, "an image is being imported: try again when that has ended") : r;
}

static int random_name(const char *prefix, char *ret, size_t size) {
        uint64_t v;

        if (getrandom(&v, sizeof(v), 0) != sizeof(v))
                return -EIO;
        (void) snprintf(ret, size, "%s-%016llx", prefix, (unsigned long long) v);
        return 0;
}

/* Whole and on the disk, or not there at all. */
static int write_record(Store *s, int dir_fd, const char *name, const void *data, size_t n) {
        _cleanup_close_ int fd = -EBADF;
        char temporary[32];
        int r = random_name("record", temporary, sizeof(temporary));

        if (r < 0)
                return r;
        fd = openat(s->work, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, n);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        FAULT("store.record");
        if (r >= 0 && renameat(s->work, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(s->work, temporary, 0);
        return r;
}

static int write_tag(Store *s, const char *reference, const char *id) {
        char name[IMAGE_REFERENCE_MAX + 1], text[IMAGE_DIGEST_TEXT + 2];

        store_tag_name(reference, name);
        (void) snprintf(text, sizeof(text), "%s\n", id);
        return write_record(s, s->tags, name, text, strlen(text));
}

int store_tag(Store *s, const char *reference, const char *id) {
        _cleanup_unlock_ Store *locked = NULL;
        int r;

        if (!image_reference_valid(reference) || !image_digest_valid(id))
                return -EINVAL;
        r = store_lock(s, false);
        if (r < 0)
                return r;
        locked = s;
        if (faccessat(s->images, id + 7, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        r = write_tag(s, reference, id);
        return r < 0 ? r : fsync(s->tags) < 0 ? -errno : 0;
}

/* ---- import ---- */

void store_work_done(StoreWork *w) {
        if (w->fd < 0)
                return;
        FAULT("store.work-done");
        w->fd = fd_close(w->fd);
        (void) tree_remove(w->store->work, w->name);
        store_unlock(w->store);
}

int store_work_begin(Store *s, StoreWork *ret) {
        StoreWork w = { .store = s, .fd = -EBADF };
        int r = random_name("import", w.name, sizeof(w.name));

        if (r >= 0)
                r = store_lock(s, false);
        if (r < 0)
                return r;
        if (mkdirat(s->work, w.name, 0700) < 0)
                r = -errno;
        else {
                w.fd = openat(s->work, w.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = w.fd < 0 ? -errno : 0;
        }
        if (r < 0) {
                store_unlock(s);
                return r;
        }
        FAULT("store.work-begin");
        *ret = w;
        return 0;
}

int store_work_layer(StoreWork *w, const char *hex, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(w->fd, hex, 0755) < 0)
                return -errno;
        fd = openat(w->fd, hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || mkdirat(fd, STORE_TREE, 0755) < 0)
                return -errno;
        *ret_fd = openat(fd, STORE_TREE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 ? -errno : 0;
}

int store_work_layer_done(StoreWork *w, const char *hex, const ImageLayer *layer) {
        _cleanup_close_ int fd = openat(w->fd, hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char text[64];
        int n, r;

        if (fd < 0)
                return -errno;
        n = snprintf(text, sizeof(text), "%llu %llu\n", (unsigned long long) layer->bytes, (unsigned long long) layer->entries);
        r = file_write_atomic(fd, STORE_INFO, text, (size_t) n, 0644);
        if (r < 0)
                return r;
        FAULT("store.layer");
        return !streq(hex, layer->digest + 7) && renameat(w->fd, hex, w->fd, layer->digest + 7) < 0 ? -errno : 0;
}

static int place_layer(StoreWork *w, const char *hex) {
        char note[sizeof(NOTE) + IMAGE_HEX];
        int fd;

        (void) snprintf(note, sizeof(note), NOTE "%s", hex);
        fd = openat(w->fd, note, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        fd_close(fd);
        FAULT("store.before-rename");
        /* Another import was faster with the same layer: that one is as good. */
        if (renameat2(w->fd, hex, w->store->layers, hex, RENAME_NOREPLACE) < 0 && errno != EEXIST)
                return -errno;
        FAULT("store.after-rename");
        return 0;
}

int store_work_commit(StoreWork *w, const ImageLayer *layers, size_t n_layers, const char *id, const char *config, size_t config_len,
                const char (*references)[IMAGE_REFERENCE_MAX + 1], size_t n_references) {
        Store *s = w->store;
        int r = 0;

        FAULT("store.before-sync");
        if (syncfs(w->fd) < 0)
                return -errno;
        for (size_t i = 0; i < n_layers && r >= 0; i++)
                if (!layers[i].shared)
                        r = place_layer(w, layers[i].digest + 7);
        if (r >= 0)
                r = fsync(s->layers) < 0 ? -errno : write_record(s, s->images, id + 7, config, config_len);
        FAULT("store.after-record");
        if (r >= 0 && fsync(s->images) < 0)
                r = -errno;
        for (size_t i = 0; i < n_references && r >= 0; i++)
                r = write_tag(s, references[i], id);
        if (r >= 0 && n_references > 0 && fsync(s->tags) < 0)
                r = -errno;
        return r;
}

/* ---- removing ---- */

static int by_name(const void *a, const void *b) {
        return strcmp(a, b);
}

/* Digits of every layer that an image names, sorted. A record that cannot be read names none: it cannot be used either. */
static int needed_layers(Store *s, StoreNames *ret) {
        _cleanup_store_names_ StoreNames hexes = {}, needed = {};
        int r = store_names(s->images, image_hex_valid, &hexes);

        if (r < 0)
                return r;
        needed.names = calloc(hexes.n * IMAGE_LAYERS_MAX + 1, sizeof(*needed.names));
        if (!needed.names)
                return -ENOMEM;
        for (size_t i = 0; i < hexes.n; i++) {
                _cleanup_store_image_ StoreImage image = {};
                char id[IMAGE_DIGEST_TEXT + 1];

                (void) snprintf(id, sizeof(id), "sha256:%.64s", hexes.names[i]);
                r = store_read_image(s, id, &image, NULL);
                /* Only what is certain to be damaged counts as that. */
                if (r < 0 && r != -EBADMSG)
                        return r;
                for (size_t k = 0; r >= 0 && k < image.config.n_layers; k++)
                        strcpy(needed.names[needed.n++], image.config.layers[k] + 7);
        }
        if (needed.n > 1)
                qsort(needed.names, needed.n, sizeof(*needed.names), by_name);
        *ret = needed;
        needed = (StoreNames) {};
        return 0;
}

static bool is_needed(const StoreNames *needed, const char *hex) {
        return needed->n > 0 && bsearch(hex, needed->names, needed->n, sizeof(*needed->names), by_name);
}

static bool is_kept(const ImageKeep *keep, const char *hex) {
        for (size_t i = 0; keep && i < keep->n_layers; i++)
                if (streq(keep->layers[i] + 7, hex))
                        return true;
        return false;
}

static int drop_layer(Store *s, const char *hex, ImagePruned *pruned) {
        char name[32], digest[IMAGE_DIGEST_TEXT + 1];
        ImageLayer l = {};
        int r = random_name("layer", name, sizeof(name));

        if (r < 0)
                return r;
        (void) snprintf(digest, sizeof(digest), "sha256:%.64s", hex);
        (void) store_layer_size(s, digest, &l);
        if (renameat(s->layers, hex, s->work, name) < 0)
                return errno == ENOENT ? 0 : -errno;
        FAULT("store.drop");
        pruned->layers++;
        pruned->bytes += l.bytes;
        return tree_remove(s->work, name);
}

static int prune_layers(Store *s, const ImageKeep *keep, ImagePruned *pruned) {
        _cleanup_store_names_ StoreNames needed = {}, hexes = {};
        int r = needed_layers(s, &needed);

        if (r >= 0)
                r = store_names(s->layers, image_hex_valid, &hexes);
        for (size_t i = 0; i < hexes.n && r >= 0; i++)
                if (!is_needed(&needed, hexes.names[i]) && !is_kept(keep, hexes.names[i]))
                        r = drop_layer(s, hexes.names[i], pruned);
        return r;
}

static int remove_tag(Store *s, const char *reference) {
        char name[IMAGE_REFERENCE_MAX + 1];

        store_tag_name(reference, name);
        return unlinkat(s->tags, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_image(Store *s, const char *id, ImagePruned *pruned) {
        FAULT("store.before-unlink");
        if (unlinkat(s->images, id + 7, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        pruned->images++;
        return 0;
}

/* ---- what killed ones left ---- */

static bool is_left_over(const char *name) {
        return str_has_prefix(name, "import-") || str_has_prefix(name, "layer-") || str_has_prefix(name, "record-");
}

static bool is_note(const char *name) {
        return str_has_prefix(name, NOTE) && image_hex_valid(name + strlen(NOTE));
}

static int collect_one(Store *s, const char *name, const StoreNames *needed) {
        _cleanup_close_ int fd = openat(s->work, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_store_names_ StoreNames notes = {};
        ImagePruned pruned = {};
        int r = 0;

        if (fd >= 0)
                r = store_names(fd, is_note, &notes);
        for (size_t i = 0; i < notes.n && r >= 0; i++)
                if (!is_needed(needed, notes.names[i] + strlen(NOTE)))
                        r = drop_layer(s, notes.names[i] + strlen(NOTE), &pruned);
        return r < 0 ? r : tree_remove(s->work, name);
}

/* The lock is held alone, so that whoever made these is dead. Comes before anything else is removed: a note is only right as long as
 * the image that it is of has not been removed. */
static int collect(Store *s) {
        _cleanup_store_names_ StoreNames left = {}, needed = {};
        int r = store_names(s->work, is_left_over, &left);

        if (r < 0 || left.n == 0)
                return r;
        r = needed_layers(s, &needed);
        for (size_t i = 0; i < left.n && r >= 0; i++)
                r = collect_one(s, left.names[i], &needed);
        return r;
}

int store_collect(Store *s) {
        _cleanup_unlock_ Store *locked = NULL;
        int r = store_lock(s, true);

        /* An import under way: whoever starts after it looks again. */
        if (r == -EBUSY)
                return 0;
        if (r < 0)
                return r;
        locked = s;
        return collect(s);
}

int store_remove(Store *s, const char *what, const ImageKeep *keep, ImagePruned *ret, Reason *reason) {
        _cleanup_store_names_ StoreNames references = {}, ids = {};
        char id[IMAGE_DIGEST_TEXT + 1] = {}, reference[IMAGE_REFERENCE_MAX + 1] = {};
        _cleanup_unlock_ Store *locked = NULL;
        ImagePruned pruned = {};
        bool named = false;
        int r = lock_alone(s, reason);

        if (r < 0)
                return r;
        locked = s;
        r = collect(s);
        if (r < 0)
                return r;
        if (image_digest_valid(what)) {
                memcpy(id, what, sizeof(id));
                r = faccessat(s->images, id + 7, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        } else {
                r = image_reference_normalize(what, reference);
                if (r >= 0)
                        r = store_read_tag(s, reference, id);
                /* A name that leads nowhere can be removed all the same. */
                if (r == -EBADMSG)
                        r = 0;
        }
        if (r < 0)
                return reason_set(reason, r, "there is no image %s", what);
        r = store_tags(s, &references, &ids);
        if (r >= 0 && reference[0])
                r = remove_tag(s, reference);
        for (size_t i = 0; i < references.n && r >= 0; i++) {
                if (!streq(ids.names[i], id) || streq(references.names[i], reference))
                        continue;
                if (reference[0])
                        named = true;
                else
                        r = remove_tag(s, references.names[i]);
        }
        if (r >= 0 && id[0] && !named)
                r = remove_image(s, id, &pruned);
        if (r >= 0)
                r = prune_layers(s, keep, &pruned);
        if (r >= 0)
                *ret = pruned;
        return r;
}

int store_prune(Store *s, bool all, const ImageKeep *keep, ImagePruned *ret, Reason *reason) {
        _cleanup_store_names_ StoreNames references = {}, ids = {}, hexes = {};
        _cleanup_unlock_ Store *locked = NULL;
        ImagePruned pruned = {};
        int r = lock_alone(s, reason);

        if (r < 0)
                return r;
        locked = s;
        r = collect(s);
        if (r >= 0)
                r = store_tags(s, &references, &ids);
        if (r >= 0)
                r = store_names(s->images, image_hex_valid, &hexes);
        for (size_t i = 0; all && i < hexes.n && r >= 0; i++) {
                char id[IMAGE_DIGEST_TEXT + 1];
                bool named = false;

                (void) snprintf(id, sizeof(id), "sha256:%.64s", hexes.names[i]);
                for (size_t k = 0; k < ids.n; k++)
                        named = named || streq(ids.names[k], id);
                if (!named)
                        r = remove_image(s, id, &pruned);
        }
        if (r >= 0)
                r = prune_layers(s, keep, &pruned);
        if (r >= 0)
                *ret = pruned;
        return r;
}
