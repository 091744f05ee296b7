/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the two halves of the store: looking and changing. */

#include "import/store.h"

#define STORE_LOCK "lock"
#define STORE_LAYERS "layers"
#define STORE_IMAGES "images"
#define STORE_TAGS "tags"
#define STORE_WORK "tmp"
#define STORE_TREE "tree" /* of a layer's directory */
#define STORE_INFO "info"

/* A reference as the name of a file: "/" becomes "+", which no reference has. */
void store_tag_name(const char *reference, char ret[static IMAGE_REFERENCE_MAX + 1]);

typedef struct StoreNames {
        char (*names)[IMAGE_REFERENCE_MAX + 1];
        size_t n;
} StoreNames;
void store_names_done(StoreNames *n);
#define _cleanup_store_names_ _cleanup_(store_names_done)
/* The entries of a directory that filter() takes, sorted. */
int store_names(int dir_fd, bool (*filter)(const char *name), StoreNames *ret);
/* Tags whose record is whole: references, and the id of each in ids. */
int store_tags(Store *s, StoreNames *ret_references, StoreNames *ret_ids);
int store_read_tag(Store *s, const char *reference, char ret[static IMAGE_DIGEST_TEXT + 1]);
/* The record alone: neither its layers are looked for nor its names. */
int store_read_image(Store *s, const char *id, StoreImage *ret, Reason *reason);
bool store_has_layer(Store *s, const char *hex);
