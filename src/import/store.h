/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The store of images (docs/images.md has its layout). Layers and images have their digests as names; which layer is needed follows from
 * what is there and is written nowhere. Reading works without the importer's rights, so that ocsbd can; whatever removes
 * layers needs them, because their files belong to other ids. */

#include "import/configuration.h"
#include "import/job.h"

typedef struct Store {
        int fd, layers, images, tags, work;
        int lock; /* the file that is locked: shared by an import, alone by what removes */
} Store;
#define STORE_NONE ((Store) { .fd = -EBADF, .layers = -EBADF, .images = -EBADF, .tags = -EBADF, .work = -EBADF, .lock = -EBADF })

void store_done(Store *s);
#define _cleanup_store_ _cleanup_(store_done)
/* fd is borrowed. create: makes what is missing; without it an empty directory is an empty store. -EPERM when it belongs to somebody else
 * than expected: another uid, or writable by more than its owner. */
int store_open(int fd, bool create, Store *ret, Reason *reason);

/* ---- looking ---- */

typedef struct StoreImage {
        char id[IMAGE_DIGEST_TEXT + 1];
        ImageConfig config;
        char *config_text; /* the configuration, whose digest the id is */
        size_t config_len;
        char (*references)[IMAGE_REFERENCE_MAX + 1];
        size_t n_references;
        uint64_t bytes;         /* of its layers, each once; shared ones count for each image */
        uint64_t imported_usec; /* CLOCK_REALTIME */
} StoreImage;

typedef struct StoreImages {
        StoreImage *images; /* by their ids */
        size_t n_images;
} StoreImages;

void store_image_done(StoreImage *i);
void store_images_done(StoreImages *l);
#define _cleanup_store_image_ _cleanup_(store_image_done)
#define _cleanup_store_images_ _cleanup_(store_images_done)

/* what: a reference (":latest" is added), or an id. -ENOENT; -EBADMSG: the record is damaged, or a layer is missing. */
int store_look_up(Store *s, const char *what, StoreImage *ret, Reason *reason);
/* Damaged records are left out. */
int store_list(Store *s, StoreImages *ret);
/* An O_PATH descriptor of the layer's tree, for an overlay mount with "userxattr". */
int store_open_layer(Store *s, const char *digest);
/* What it took when it was imported. */
int store_layer_size(Store *s, const char *digest, ImageLayer *ret);

/* ---- changing ---- */

/* -EBUSY instead of waiting. */
int store_lock(Store *s, bool alone);
void store_unlock(Store *s);

/* Atomic; a name that is another image's moves. */
int store_tag(Store *s, const char *reference, const char *id);
int store_remove(Store *s, const char *what, const ImageKeep *keep, ImagePruned *ret, Reason *reason);
/* all: images without a name first. Then layers that no image names, unless they are in keep. Takes the lock alone. */
int store_prune(Store *s, bool all, const ImageKeep *keep, ImagePruned *ret, Reason *reason);

/* What a new image is made in: a directory of its own, which is empty and locked. It is removed with all its contents when it is not
 * committed, by the next store_collect() if need be. */
typedef struct StoreWork {
        Store *store;
        int fd;
        char name[32];
} StoreWork;
#define STORE_WORK_NONE ((StoreWork) { .fd = -EBADF })
void store_work_done(StoreWork *w);
#define _cleanup_store_work_ _cleanup_(store_work_done)
/* Takes the lock shared, until store_work_done(). */
int store_work_begin(Store *s, StoreWork *ret);
/* A layer's directory, empty, 0755; what is made in it becomes the layer. *ret_fd: O_RDONLY. name: any valid hexadecimal digest. */
int store_work_layer(StoreWork *w, const char *hex, int *ret_fd);
/* The layer of that name is complete (and gets the name of its digest, when it had another). */
int store_work_layer_done(StoreWork *w, const char *hex, const ImageLayer *layer);
/* Everything to the disk, then the layers, the image and its names appear, in this order. */
int store_work_commit(StoreWork *w, const ImageLayer *layers, size_t n_layers, const char *id, const char *config, size_t config_len,
                const char (*references)[IMAGE_REFERENCE_MAX + 1], size_t n_references);

/* Removes what imports that were killed have left. Waits for nobody. */
int store_collect(Store *s);
