/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Images by name and digest, and the messages of ocsb-import. What decodes is valid: digests and references are checked here,
 * so that they can become names of files. */

#include "image.h"

static const char *const phases[] = {
        [IMAGE_PHASE_READING] = "reading",
        [IMAGE_PHASE_UNPACKING] = "unpacking",
        [IMAGE_PHASE_WRITING] = "writing",
};
_Static_assert(ELEMENTSOF(phases) == _IMAGE_PHASE_MAX, "a name for each phase");

const char *image_phase_to_string(ImagePhase v) {
        return (size_t) v < ELEMENTSOF(phases) ? phases[v] : NULL;
}

/* ---- names ---- */

bool image_hex_valid(const char *s) {
        return strspn(s, "0123456789abcdef") == IMAGE_HEX && s[IMAGE_HEX] == 0;
}

bool image_digest_valid(const char *s) {
        return str_has_prefix(s, "sha256:") && image_hex_valid(s + 7);
}

static bool lower_or_digit(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool word(char c) {
        return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* [a-z0-9] parts between single separators out of ".", "_", "__" and any number of "-": the distribution grammar. */
static bool component_valid(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++) {
                size_t k = 0;

                if (lower_or_digit(s[i]))
                        continue;
                if (s[i] == '-')
                        for (; i + k < n && s[i + k] == '-'; k++)
                                ;
                else if (s[i] == '_')
                        k = i + 1 < n && s[i + 1] == '_' ? 2 : 1;
                else if (s[i] == '.')
                        k = 1;
                if (k == 0 || i == 0 || i + k >= n || !lower_or_digit(s[i + k]))
                        return false;
                i += k;
        }
        return n > 0;
}

/* The first component is a host when it has a dot or a port, or is "localhost". */
static bool host_valid(const char *s, size_t n) {
        const char *colon = memchr(s, ':', n);
        size_t name = colon ? (size_t) (colon - s) : n;

        if (colon) {
                size_t digits = n - name - 1;

                if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits)
                        return false;
        }
        for (size_t i = 0; i < name; i++)
                if (!lower_or_digit(s[i]) && ((s[i] != '-' && s[i] != '.') || i == 0 || i + 1 == name || s[i - 1] == '.'))
                        return false;
        return name > 0;
}

/* The tag's colon is the one behind the last slash. */
static const char *tag_of(const char *s) {
        const char *slash = strrchr(s, '/'), *colon = strchr(slash ? slash : s, ':');

        return colon ? colon + 1 : NULL;
}

static bool tag_valid(const char *t) {
        size_t n = strlen(t);

        if (n == 0 || n > 128 || !word(t[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!word(t[i]) && t[i] != '.' && t[i] != '-')
                        return false;
        return true;
}

bool image_reference_valid(const char *s) {
        const char *tag = tag_of(s), *end;
        bool first = true;

        if (strlen(s) > IMAGE_REFERENCE_MAX || image_digest_valid(s) || (tag && !tag_valid(tag)))
                return false;
        end = tag ? tag - 1 : s + strlen(s);
        for (const char *p = s;; first = false) {
                const char *slash = memchr(p, '/', (size_t) (end - p));
                size_t n = slash ? (size_t) (slash - p) : (size_t) (end - p);

                if (!component_valid(p, n) && !(first && slash && host_valid(p, n)))
                        return false;
                if (!slash)
                        return true;
                p = slash + 1;
        }
}

int image_reference_normalize(const char *s, char ret[static IMAGE_REFERENCE_MAX + 1]) {
        static const char latest[] = ":latest";
        size_t n = strlen(s);
        bool tagged;

        if (!image_reference_valid(s))
                return -EINVAL;
        tagged = tag_of(s);
        if (!tagged && n + strlen(latest) > IMAGE_REFERENCE_MAX)
                return -ENAMETOOLONG;
        memmove(ret, s, n + 1);
        if (!tagged)
                memcpy(ret + n, latest, sizeof(latest));
        return 0;
}

/* ---- parts ---- */

static void get_digest(WireReader *r, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        wire_get_string_buf(r, ret, IMAGE_DIGEST_TEXT + 1);
        wire_malformed_unless(r, image_digest_valid(ret));
}

/* Only normal references travel: there is one name of each tag. */
static void get_reference(WireReader *r, char ret[static IMAGE_REFERENCE_MAX + 1], bool optional) {
        wire_get_string_buf(r, ret, IMAGE_REFERENCE_MAX + 1);
        wire_malformed_unless(r, (optional && !*ret) || (image_reference_valid(ret) && tag_of(ret)));
}

/* Texts of others: for terminals they are escaped again, here they only have to be text. */
static void get_text(WireReader *r, char *buf, size_t size) {
        wire_get_string_buf(r, buf, size);
        wire_malformed_unless(r, utf8_is_valid(buf, strlen(buf)));
}

static void put_keep(WireWriter *w, const ImageKeep *k) {
        wire_put_u32(w, (uint32_t) k->n_layers);
        for (size_t i = 0; i < k->n_layers; i++)
                wire_put_buf(w, k->layers[i], sizeof(k->layers[i]));
}

static void get_keep(WireReader *r, ImageKeep *ret) {
        size_t n = wire_get_count(r, IMAGE_KEEP_MAX, 4 + IMAGE_DIGEST_TEXT);

        if (n == 0)
                return;
        ret->layers = calloc(n, sizeof(*ret->layers));
        if (!ret->layers) {
                r->error = -ENOMEM;
                return;
        }
        for (; ret->n_layers < n && !r->error; ret->n_layers++)
                get_digest(r, ret->layers[ret->n_layers]);
}

/* ---- messages ---- */

void image_import_encode(WireWriter *w, const ImageImport *m) {
        wire_put_buf(w, m->reference, sizeof(m->reference));
        wire_put_u32(w, m->flags);
        wire_put_u64(w, m->limits.bytes);
        wire_put_u64(w, m->limits.entries);
        wire_put_u32(w, m->limits.ratio);
        wire_put_u32(w, m->limits.layers);
}

int image_import_decode(WireReader *r, ImageImport *ret, const char **ret_why) {
        const char *why = "the message is malformed";
        ImageImport m = {};
        int k;

        get_reference(r, m.reference, true);
        m.flags = wire_get_u32(r);
        m.limits.bytes = wire_get_u64(r);
        m.limits.entries = wire_get_u64(r);
        m.limits.ratio = wire_get_u32(r);
        m.limits.layers = wire_get_u32(r);
        k = wire_reader_finish(r);
        if (k >= 0 && (m.flags & ~(uint32_t) _IMAGE_IMPORT_FLAGS_ALL)) {
                why = "an unknown flag";
                k = -EBADMSG;
        }
        if (k >= 0 && (m.limits.bytes == 0 || m.limits.entries == 0 || m.limits.ratio == 0 || m.limits.layers == 0 ||
                                      m.limits.bytes > INT64_MAX || m.limits.entries > INT64_MAX || m.limits.layers > IMAGE_LAYERS_MAX)) {
                why = "a limit that is no limit";
                k = -EBADMSG;
        }
        if (k < 0) {
                if (ret_why)
                        *ret_why = why;
                return k;
        }
        *ret = m;
        return 0;
}

void image_tag_encode(WireWriter *w, const ImageTag *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_buf(w, m->reference, sizeof(m->reference));
}

int image_tag_decode(WireReader *r, ImageTag *ret) {
        ImageTag m = {};
        int k;

        get_digest(r, m.id);
        get_reference(r, m.reference, false);
        k = wire_reader_finish(r);
        if (k >= 0)
                *ret = m;
        return k;
}

void image_remove_done(ImageRemove *m) {
        free(m->keep.layers);
        *m = (ImageRemove) {};
}

void image_remove_encode(WireWriter *w, const ImageRemove *m) {
        wire_put_buf(w, m->what, sizeof(m->what));
        put_keep(w, &m->keep);
}

int image_remove_decode(WireReader *r, ImageRemove *ret) {
        _cleanup_(image_remove_done) ImageRemove m = {};
        int k;

        wire_get_string_buf(r, m.what, sizeof(m.what));
        wire_malformed_unless(r, image_digest_valid(m.what) || (image_reference_valid(m.what) && tag_of(m.what)));
        get_keep(r, &m.keep);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (ImageRemove) {};
        return 0;
}

void image_prune_done(ImagePrune *m) {
        free(m->keep.layers);
        *m = (ImagePrune) {};
}

void image_prune_encode(WireWriter *w, const ImagePrune *m) {
        wire_put_u32(w, m->all);
        put_keep(w, &m->keep);
}

int image_prune_decode(WireReader *r, ImagePrune *ret) {
        _cleanup_(image_prune_done) ImagePrune m = {};
        int k;

        m.all = wire_get_u32(r);
        wire_malformed_unless(r, m.all <= 1);
        get_keep(r, &m.keep);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (ImagePrune) {};
        return 0;
}

void image_progress_encode(WireWriter *w, const ImageProgress *m) {
        wire_put_u32(w, m->phase);
        wire_put_u64(w, m->bytes);
        wire_put_u64(w, m->total);
        wire_put_u64(w, m->entries);
        wire_put_u32(w, m->layer);
        wire_put_u32(w, m->layers);
}

int image_progress_decode(WireReader *r, ImageProgress *ret) {
        ImageProgress m = {};
        int k;

        m.phase = wire_get_u32(r);
        m.bytes = wire_get_u64(r);
        m.total = wire_get_u64(r);
        m.entries = wire_get_u64(r);
        m.layer = wire_get_u32(r);
        m.layers = wire_get_u32(r);
        wire_malformed_unless(r, m.phase < _IMAGE_PHASE_MAX && m.layers <= IMAGE_LAYERS_MAX && m.layer <= m.layers);
        k = wire_reader_finish(r);
        if (k >= 0)
                *ret = m;
        return k;
}

void image_imported_encode(WireWriter *w, const ImageImported *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_u32(w, (uint32_t) m->n_layers);
        for (size_t i = 0; i < m->n_layers; i++) {
                const ImageLayer *l = m->layers + i;

                wire_put_buf(w, l->digest, sizeof(l->digest));
                wire_put_u64(w, l->bytes);
                wire_put_u64(w, l->entries);
                wire_put_u32(w, l->shared);
        }
        wire_put_u32(w, (uint32_t) m->n_references);
        for (size_t i = 0; i < m->n_references; i++)
                wire_put_buf(w, m->references[i], sizeof(m->references[i]));
        wire_put_u64(w, m->devices);
        wire_put_u64(w, m->setuid);
        wire_put_u64(w, m->xattrs);
        wire_put_buf(w, m->note, sizeof(m->note));
}

#define LAYER_BYTES (4 + IMAGE_DIGEST_TEXT + 8 + 8 + 4)

int image_imported_decode(WireReader *r, ImageImported *ret) {
        _cleanup_free_ ImageImported *m = calloc(1, sizeof(*m)); /* 16 KiB */
        size_t n;
        int k;

        if (!m)
                return -ENOMEM;
        get_digest(r, m->id);
        n = wire_get_count(r, ELEMENTSOF(m->layers), LAYER_BYTES);
        for (; m->n_layers < n && !r->error; m->n_layers++) {
                ImageLayer *l = m->layers + m->n_layers;

                get_digest(r, l->digest);
                l->bytes = wire_get_u64(r);
                l->entries = wire_get_u64(r);
                l->shared = wire_get_u32(r);
                wire_malformed_unless(r, l->shared <= 1);
        }
        n = wire_get_count(r, ELEMENTSOF(m->references), 4);
        for (; m->n_references < n && !r->error; m->n_references++)
                get_reference(r, m->references[m->n_references], false);
        m->devices = wire_get_u64(r);
        m->setuid = wire_get_u64(r);
        m->xattrs = wire_get_u64(r);
        get_text(r, m->note, sizeof(m->note));
        k = wire_reader_finish(r);
        if (k >= 0)
                *ret = *m;
        return k;
}

void image_pruned_encode(WireWriter *w, const ImagePruned *m) {
        wire_put_u32(w, m->images);
        wire_put_u32(w, m->layers);
        wire_put_u64(w, m->bytes);
}

int image_pruned_decode(WireReader *r, ImagePruned *ret) {
        ImagePruned m = {};
        int k;

        m.images = wire_get_u32(r);
        m.layers = wire_get_u32(r);
        m.bytes = wire_get_u64(r);
        k = wire_reader_finish(r);
        if (k >= 0)
                *ret = m;
        return k;
}
