/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The messages of ocsb-import, one of which is one process's whole work, and the names of images. The first message on its
 * socket is the request, the last one that it sends is the answer; then it ends. The end of the stream is the cancel.
 *
 *   who started it ──► ocsb-import    IMAGE_IMPORT | TAG | REMOVE | PRUNE   ◄── IMAGE_PROGRESS …, IMAGE_IMPORTED | PRUNED | ACK */

#include <stdint.h>

#include "base/text.h"
#include "codec.h"

#define IMAGE_DIGEST_TEXT 71u /* "sha256:" and 64 digits */
#define IMAGE_HEX 64u
#define IMAGE_REFERENCE_MAX 255u
#define IMAGE_LAYERS_MAX 128u /* overlayfs takes 500; a page of mount options takes fewer */
#define IMAGE_NOTE_MAX 511u

/* "sha256:" and 64 lower-case hexadecimal digits; the second form takes the digits alone. */
bool image_digest_valid(const char *s);
bool image_hex_valid(const char *s);

/* [HOST[:PORT]/]PATH[:TAG], as "debian:bookworm" or "localhost:5000/team/tool:1.2"; no digest form. Lower-case path. */
bool image_reference_valid(const char *s);
/* The same with ":latest" added where no tag is. -EINVAL; -ENAMETOOLONG when it becomes too long. */
int image_reference_normalize(const char *s, char ret[static IMAGE_REFERENCE_MAX + 1]);

typedef enum ImageType {
        IMAGE_IMPORT = 224, /* body: ImageImport; fds: [0] the store, [1] the source: a pipe or regular file with an archive, or a
                               directory. IMAGE_PROGRESS any number of times, then IMAGE_IMPORTED or ACK with an error */
        IMAGE_TAG,          /* body: ImageTag; fds: [0] the store. ACK */
        IMAGE_REMOVE,       /* body: ImageRemove; fds: [0] the store. IMAGE_PRUNED or ACK with an error */
        IMAGE_PRUNE,        /* body: ImagePrune; fds: [0] the store. IMAGE_PRUNED or ACK with an error */
        IMAGE_PROGRESS = 240, /* body: ImageProgress */
        IMAGE_IMPORTED,       /* body: ImageImported */
        IMAGE_PRUNED,         /* body: ImagePruned */
} ImageType;

/* What one import may take. 0 is no value: each has to be said. */
typedef struct ImageLimits {
        uint64_t bytes;     /* on disk, of all new layers together; also what is read of the source */
        uint64_t entries;   /* files, directories, links of all new layers together */
        uint32_t ratio;     /* most bytes unpacked for each byte packed */
        uint32_t layers;    /* at most IMAGE_LAYERS_MAX */
} ImageLimits;
#define IMAGE_LIMITS_DEFAULT                                                                                \
        ((ImageLimits) { .bytes = UINT64_C(16) << 30, .entries = 1000000, .ratio = 200, .layers = IMAGE_LAYERS_MAX })

typedef enum ImageImportFlags {
        IMAGE_IMPORT_ARCHIVE_NAMES = 1 << 0, /* without a reference: the names that the archive gives itself */
        _IMAGE_IMPORT_FLAGS_ALL = (1 << 1) - 1,
} ImageImportFlags;

typedef struct ImageImport {
        char reference[IMAGE_REFERENCE_MAX + 1]; /* "": none, or the archive's own (flags) */
        uint32_t flags;                          /* ImageImportFlags */
        ImageLimits limits;
} ImageImport;
void image_import_encode(WireWriter *w, const ImageImport *m);
int image_import_decode(WireReader *r, ImageImport *ret, const char **ret_why);

typedef struct ImageTag {
        char id[IMAGE_DIGEST_TEXT + 1];
        char reference[IMAGE_REFERENCE_MAX + 1];
} ImageTag;
void image_tag_encode(WireWriter *w, const ImageTag *m);
int image_tag_decode(WireReader *r, ImageTag *ret);

/* Layers that stay although no image names them: those of living sessions. */
#define IMAGE_KEEP_MAX 8192u
typedef struct ImageKeep {
        char (*layers)[IMAGE_DIGEST_TEXT + 1];
        size_t n_layers;
} ImageKeep;

typedef struct ImageRemove {
        char what[IMAGE_REFERENCE_MAX + 1]; /* a reference: this name, and the image with its last name; or a digest: the
                                               image and all of its names */
        ImageKeep keep;
} ImageRemove;
void image_remove_done(ImageRemove *m);
void image_remove_encode(WireWriter *w, const ImageRemove *m);
int image_remove_decode(WireReader *r, ImageRemove *ret);

typedef struct ImagePrune {
        uint32_t all; /* 1: images without a name, too; 0: layers without an image only */
        ImageKeep keep;
} ImagePrune;
void image_prune_done(ImagePrune *m);
void image_prune_encode(WireWriter *w, const ImagePrune *m);
int image_prune_decode(WireReader *r, ImagePrune *ret);

typedef enum ImagePhase {
        IMAGE_PHASE_READING,   /* an archive that has to be read to its end before its parts are known */
        IMAGE_PHASE_UNPACKING,
        IMAGE_PHASE_WRITING,   /* everything is unpacked and goes to the disk */
        _IMAGE_PHASE_MAX,
} ImagePhase;
const char *image_phase_to_string(ImagePhase v); /* "reading", … */

typedef struct ImageProgress {
        uint32_t phase;             /* ImagePhase */
        uint64_t bytes, total;      /* of the source; total 0: not known, as of a pipe */
        uint64_t entries;           /* written so far */
        uint32_t layer, layers;     /* layer: 1 … layers; 0 of 0: not known yet */
} ImageProgress;
void image_progress_encode(WireWriter *w, const ImageProgress *m);
int image_progress_decode(WireReader *r, ImageProgress *ret);

typedef struct ImageLayer {
        char digest[IMAGE_DIGEST_TEXT + 1]; /* of the uncompressed archive */
        uint64_t bytes, entries;
        uint32_t shared; /* 1: was in the store already */
} ImageLayer;

typedef struct ImageImported {
        char id[IMAGE_DIGEST_TEXT + 1]; /* of the configuration */
        ImageLayer layers[IMAGE_LAYERS_MAX];
        size_t n_layers;
        char references[16][IMAGE_REFERENCE_MAX + 1];
        size_t n_references;
        /* What was left out of the new layers, for the report. */
        uint64_t devices;      /* device nodes, fifos, sockets */
        uint64_t setuid;       /* setuid and setgid bits */
        uint64_t xattrs;       /* extended attributes, file capabilities and ACLs among them */
        char note[IMAGE_NOTE_MAX + 1]; /* a sentence, or "" */
} ImageImported;
void image_imported_encode(WireWriter *w, const ImageImported *m);
int image_imported_decode(WireReader *r, ImageImported *ret);

typedef struct ImagePruned {
        uint32_t images, layers;
        uint64_t bytes;
} ImagePruned;
void image_pruned_encode(WireWriter *w, const ImagePruned *m);
int image_pruned_decode(WireReader *r, ImagePruned *ret);
