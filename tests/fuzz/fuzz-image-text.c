/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The JSON texts of images: configurations, manifests, indexes, Docker's list. Whatever comes out is bounded, its names are relative and
 * its digests digests; whatever is refused has a printable sentence. The first byte chooses. */

#include "base/text.h"
#include "fuzz.h"
#include "import/configuration.h"
#include "import/manifest.h"

static void must_be_part(const ManifestPart *p) {
        char path[MANIFEST_NAME_MAX + 3] = "/";

        strcpy(path + 1, p->name);
        must(path_is_normal(path) && p->name[0]);
        must(!p->digest[0] || image_digest_valid(p->digest));
}

static void must_be_reason(int r, const Reason *reason) {
        must(r == -ENOMEM || (reason->text[0] && utf8_is_valid(reason->text, strlen(reason->text))));
        for (const char *s = reason->text; *s; s++)
                must((unsigned char) *s >= ' ' && *s != 0x7f);
}

static void must_be_manifest(int r, const Manifest *m, const Reason *reason) {
        if (r < 0) {
                must_be_reason(r, reason);
                return;
        }
        must(m->n_layers > 0 && m->n_layers <= IMAGE_LAYERS_MAX);
        must_be_part(&m->config);
        for (size_t i = 0; i < m->n_layers; i++)
                must_be_part(m->layers + i);
}

static void fuzz_configuration(const char *text, size_t n) {
        _cleanup_image_config_ ImageConfig c = {};
        Reason reason = {};
        int r = image_config_parse(text, n, &c, &reason);

        if (r < 0) {
                must_be_reason(r, &reason);
                must(!c.layers && !c.env && !c.workdir);
                return;
        }
        must(c.n_layers > 0 && c.n_layers <= IMAGE_LAYERS_MAX);
        must(!*c.workdir || path_is_normal(c.workdir));
        must(strlen(c.user) <= CONFIG_USER_MAX && c.n_env <= CONFIG_ENV_MAX && c.n_cmd <= CONFIG_ARGS_MAX && c.n_entrypoint <= CONFIG_ARGS_MAX);
        for (size_t i = 0; i < c.n_env; i++)
                must(env_assignment_valid(c.env[i]));
        for (size_t i = 0; i < c.n_layers; i++)
                must(image_digest_valid(c.layers[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Manifest m;
        const char *text = (const char *) data + 1;
        bool is_index = false;
        ManifestPart part = {};
        Reason reason = {};
        int r;

        if (size == 0)
                return 0;
        m = (Manifest) {};
        size--;
        /* The corpus counts on this order: append only. */
        switch (data[0] % 4) {
        case 0:
                fuzz_configuration(text, size);
                break;
        case 1:
                must_be_manifest(manifest_parse_oci(text, size, &m, &reason), &m, &reason);
                break;
        case 2:
                must_be_manifest(manifest_parse_docker(text, size, &m, &reason), &m, &reason);
                break;
        default:
                r = manifest_choose(text, size, &m, &part, &is_index, &reason);
                if (r < 0)
                        must_be_reason(r, &reason);
                else
                        must_be_part(&part);
        }
        for (size_t i = 0; i < m.n_references; i++)
                must(image_reference_valid(m.references[i]));
        return 0;
}
