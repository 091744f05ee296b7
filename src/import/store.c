/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking into the store. Everything that is read is checked as if it came from outside: a record is what its name says (its digest),
 * or it does not count. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "import/digest.h"
#include "store-private.h"

#define ENTRIES_MAX 100000u

/* ---- the store ---- */

void store_done(Store *s) {
        fd_close(s->layers);
        fd_close(s->images);
        fd_close(s->tags);
        fd_close(s->work);
        fd_close(s->lock);
        *s = STORE_NONE;
}

static int open_part(int fd, bool create, const char *name, int *ret) {
        if (create && mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        *ret = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret >= 0 || (!create && errno == ENOENT) ? 0 : -errno;
}

int store_open(int fd, bool create, Store *ret, Reason *reason) {
        _cleanup_store_ Store s = STORE_NONE;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return reason_set(reason, -ENOTDIR, "the store of images is no directory");
        if ((st.st_mode & 022) || (create && st.st_uid != geteuid()))
                return reason_set(reason, -EPERM, "the store of images has to belong to ocsb-import alone (systemd-tmpfiles --create)");
        s.fd = fd;
        r = open_part(fd, create, STORE_LAYERS, &s.layers);
        if (r >= 0)
                r = open_part(fd, create, STORE_IMAGES, &s.images);
        if (r >= 0)
                r = open_part(fd, create, STORE_TAGS, &s.tags);
        if (r >= 0)
                r = open_part(fd, create, STORE_WORK, &s.work);
        if (r >= 0) {
                s.lock = openat(fd, STORE_LOCK, (create ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC, 0644);
                r = s.lock >= 0 || (!create && errno == ENOENT) ? 0 : -errno;
        }
        if (r < 0)
                return reason_set(reason, r, "cannot open the store of images: %s", strerror(-r));
        *ret = s;
        s = STORE_NONE;
        return 0;
}

/* ---- names ---- */

void store_tag_name(const char *reference, char ret[static IMAGE_REFERENCE_MAX + 1]) {
        size_t n = MIN(strlen(reference), (size_t) IMAGE_REFERENCE_MAX);

        for (size_t i = 0; i < n; i++)
                ret[i] = reference[i] == '/' ? '+' : reference[i];
        ret[n] = 0;
}

void store_names_done(StoreNames *n) {
        free(n->names);
        *n = (StoreNames) {};
}

static int by_name(const void *a, const void *b) {
        return strcmp(a, b);
}

static int add_name(StoreNames *n, const char *name) {
        /* Doubles at each power of two. */
        if ((n->n & (n->n - 1)) == 0) {
                void *p = reallocarray(n->names, n->n ? n->n * 2 : 1, sizeof(*n->names));

                if (!p)
                        return -ENOMEM;
                n->names = p;
        }
        if (strlen(name) > IMAGE_REFERENCE_MAX)
                return -EINVAL;
        strcpy(n->names[n->n++], name);
        return 0;
}

int store_names(int dir_fd, bool (*filter)(const char *name), StoreNames *ret) {
        _cleanup_store_names_ StoreNames n = {};
        struct dirent *e;
        int fd, r = 0;
        DIR *d;

        if (dir_fd < 0) {
                *ret = (StoreNames) {};
                return 0;
        }
        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                fd_close(fd);
                return -ENOMEM;
        }
        while (r >= 0) {
                errno = 0;
                e = readdir(d);
                if (!e) {
                        r = -errno;
                        break;
                }
                if (e->d_name[0] != '.' && filter(e->d_name))
                        r = n.n < ENTRIES_MAX ? add_name(&n, e->d_name) : -E2BIG;
        }
        closedir(d);
        if (r < 0)
                return r;
        if (n.n > 1)
                qsort(n.names, n.n, sizeof(*n.names), by_name);
        *ret = n;
        n = (StoreNames) {};
        return 0;
}

static bool is_tag(const char *name) {
        char reference[IMAGE_REFERENCE_MAX + 1];
        size_t n = strlen(name);

        if (n > IMAGE_REFERENCE_MAX)
                return false;
        for (size_t i = 0; i <= n; i++)
                reference[i] = name[i] == '+' ? '/' : name[i];
        return image_reference_valid(reference);
}

int store_read_tag(Store *s, const char *reference, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        _cleanup_free_ char *text = NULL;
        char name[IMAGE_REFERENCE_MAX + 1];
        size_t n;
        int r;

        if (s->tags < 0)
                return -ENOENT;
        store_tag_name(reference, name);
        r = file_read(s->tags, name, IMAGE_DIGEST_TEXT + 1, &text, &n);
        if (r < 0)
                return r;
        if (n == IMAGE_DIGEST_TEXT + 1 && text[n - 1] == '\n')
                text[n - 1] = 0;
        if (!image_digest_valid(text))
                return -EBADMSG;
        memcpy(ret, text, IMAGE_DIGEST_TEXT + 1);
        return 0;
}

int store_tags(Store *s, StoreNames *ret_references, StoreNames *ret_ids) {
        _cleanup_store_names_ StoreNames files = {}, references = {}, ids = {};
        int r = store_names(s->tags, is_tag, &files);

        for (size_t i = 0; r >= 0 && i < files.n; i++) {
                char id[IMAGE_DIGEST_TEXT + 1];

                for (char *p = files.names[i]; *p; p++)
                        if (*p == '+')
                                *p = '/';
                r = store_read_tag(s, files.names[i], id);
                if (r < 0) {
                        r = r == -ENOMEM ? r : 0;
                        continue;
                }
                r = add_name(&references, files.names[i]);
                if (r >= 0)
                        r = add_name(&ids, id);
        }
        if (r < 0)
                return r;
        *ret_references = references;
        *ret_ids = ids;
        references = ids = (StoreNames) {};
        return 0;
}

/* ---- layers ---- */

bool store_has_layer(Store *s, const char *hex) {
        return s->layers >= 0 && faccessat(s->layers, hex, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

int store_open_layer(Store *s, const char *digest) {
        char path[IMAGE_HEX + sizeof("/" STORE_TREE)];
        int fd;

        if (!image_digest_valid(digest))
                return -EINVAL;
        if (s->layers < 0)
                return -ENOENT;
        (void) snprintf(path, sizeof(path), "%s/" STORE_TREE, digest + 7);
        fd = openat(s->layers, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int store_layer_size(Store *s, const char *digest, ImageLayer *ret) {
        char path[IMAGE_HEX + sizeof("/" STORE_INFO)], *space;
        _cleanup_free_ char *text = NULL;
        ImageLayer l = {};
        int r;

        if (!image_digest_valid(digest))
                return -EINVAL;
        if (s->layers < 0)
                return -ENOENT;
        (void) snprintf(path, sizeof(path), "%s/" STORE_INFO, digest + 7);
        r = file_read(s->layers, path, 64, &text, NULL);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = 0;
        space = strchr(text, ' ');
        if (!space)
                return -EBADMSG;
        *space = 0;
        if (parse_u64(text, &l.bytes) < 0 || parse_u64(space + 1, &l.entries) < 0)
                return -EBADMSG;
        memcpy(l.digest, digest, IMAGE_DIGEST_TEXT + 1);
        *ret = l;
        return 0;
}

/* ---- images ---- */

void store_image_done(StoreImage *i) {
        image_config_done(&i->config);
        free(i->config_text);
        free(i->references);
        *i = (StoreImage) {};
}

void store_images_done(StoreImages *l) {
        for (size_t i = 0; i < l->n_images; i++)
                store_image_done(l->images + i);
        free(l->images);
        *l = (StoreImages) {};
}

int store_read_image(Store *s, const char *id, StoreImage *ret, Reason *reason) {
        _cleanup_store_image_ StoreImage i = {};
        struct stat st;
        int r;

        if (!image_digest_valid(id))
                return -EINVAL;
        if (s->images < 0)
                return -ENOENT;
        r = file_read(s->images, id + 7, CONFIG_BYTES_MAX, &i.config_text, &i.config_len);
        if (r == -ENOENT || r == -ENOMEM)
                return r;
        if (r >= 0) {
                digest_of(i.config_text, i.config_len, i.id);
                r = streq(i.id, id) ? 0 : -EBADMSG;
        }
        if (r < 0)
                return reason_set(reason, -EBADMSG, "the record of the image %s is damaged: import it again", id);
        r = image_config_parse(i.config_text, i.config_len, &i.config, reason);
        if (r < 0)
                return r;
        if (fstatat(s->images, id + 7, &st, AT_SYMLINK_NOFOLLOW) >= 0)
                i.imported_usec = (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC + (uint64_t) st.st_mtim.tv_nsec / 1000;
        *ret = i;
        i = (StoreImage) {};
        return 0;
}

static int complete(Store *s, const StoreNames *references, const StoreNames *ids, StoreImage *i, Reason *reason) {
        for (size_t k = 0; k < i->config.n_layers; k++) {
                bool first = true;
                ImageLayer l;
                int r;

                for (size_t j = 0; j < k; j++)
                        if (streq(i->config.layers[j], i->config.layers[k]))
                                first = false;
                r = store_layer_size(s, i->config.layers[k], &l);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return reason_set(reason, -EBADMSG, "the image %s lacks its layer %s: import it again", i->id, i->config.layers[k]);
                i->bytes += first ? l.bytes : 0;
        }
        i->references = calloc(references->n + 1, sizeof(*i->references));
        if (!i->references)
                return -ENOMEM;
        for (size_t k = 0; k < references->n; k++)
                if (streq(ids->names[k], i->id))
                        strcpy(i->references[i->n_references++], references->names[k]);
        return 0;
}

int store_look_up(Store *s, const char *what, StoreImage *ret, Reason *reason) {
        _cleanup_store_names_ StoreNames references = {}, ids = {};
        char reference[IMAGE_REFERENCE_MAX + 1], id[IMAGE_DIGEST_TEXT + 1];
        _cleanup_store_image_ StoreImage i = {};
        int r;

        if (image_digest_valid(what))
                memcpy(id, what, sizeof(id));
        else {
                r = image_reference_normalize(what, reference);
                if (r < 0)
                        return reason_set(reason, -EINVAL, "\"%s\" is neither a name of an image nor a digest", what);
                r = store_read_tag(s, reference, id);
                if (r < 0)
                        return r == -ENOENT ? reason_set(reason, r, "there is no image %s", reference)
                                            : reason_set(reason, r, "the name %s is damaged: tag or import the image again", reference);
        }
        r = store_read_image(s, id, &i, reason);
        if (r == -ENOENT)
                return reason_set(reason, r, "there is no image %s", what);
        if (r >= 0)
                r = store_tags(s, &references, &ids);
        if (r >= 0)
                r = complete(s, &references, &ids, &i, reason);
        if (r < 0)
                return r;
        *ret = i;
        i = (StoreImage) {};
        return 0;
}

int store_list(Store *s, StoreImages *ret) {
        _cleanup_store_names_ StoreNames hexes = {}, references = {}, ids = {};
        _cleanup_store_images_ StoreImages l = {};
        int r = store_names(s->images, image_hex_valid, &hexes);

        if (r >= 0)
                r = store_tags(s, &references, &ids);
        if (r < 0)
                return r;
        l.images = calloc(hexes.n + 1, sizeof(*l.images));
        if (!l.images)
                return -ENOMEM;
        for (size_t i = 0; i < hexes.n; i++) {
                _cleanup_store_image_ StoreImage image = {};
                char id[IMAGE_DIGEST_TEXT + 1];

                (void) snprintf(id, sizeof(id), "sha256:%.64s", hexes.names[i]);
                r = store_read_image(s, id, &image, NULL);
                if (r >= 0)
                        r = complete(s, &references, &ids, &image, NULL);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue;
                l.images[l.n_images++] = image;
                image = (StoreImage) {};
        }
        *ret = l;
        l = (StoreImages) {};
        return 0;
}
