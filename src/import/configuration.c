/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of an image's configuration concerns a sandbox. The text comes from whoever made the image: nothing in it can ask for
 * more than a caller can ask for (no capability, no port, no volume is read), and strings are bounded. */

#include "configuration.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "import/json.h"

#define WHAT "the image's configuration"

void image_config_done(ImageConfig *c) {
        free(c->workdir);
        free(c->user);
        for (size_t i = 0; i < c->n_env; i++)
                free(c->env[i]);
        free(c->env);
        for (size_t i = 0; i < c->n_entrypoint; i++)
                free(c->entrypoint[i]);
        free(c->entrypoint);
        for (size_t i = 0; i < c->n_cmd; i++)
                free(c->cmd[i]);
        free(c->cmd);
        free(c->layers);
        *c = (ImageConfig) {};
}

static int get_strings(json_t *object, const char *key, size_t max, char ***ret, size_t *ret_n, Reason *reason) {
        json_t *list, *item;
        size_t i;
        int r = json_get_list(object, key, max, WHAT, &list, reason);

        if (r < 0)
                return r;
        *ret = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!*ret)
                return -ENOMEM;
        json_array_foreach(list, i, item) {
                if (!json_is_string(item) || json_string_length(item) > CONFIG_STRING_MAX)
                        return reason_set(reason, -EBADMSG, WHAT ": \"%s\" has an element that is no string of at most %u bytes", key,
                                        CONFIG_STRING_MAX);
                (*ret)[i] = strdup(json_string_value(item));
                if (!(*ret)[i])
                        return -ENOMEM;
                ++*ret_n;
        }
        return 0;
}

static int get_string(json_t *object, const char *key, size_t max, char **ret, Reason *reason) {
        const char *s;
        int r = json_get_string(object, key, max, WHAT, &s, reason);

        if (r < 0)
                return r;
        *ret = strdup(s ? s : "");
        return *ret ? 0 : -ENOMEM;
}

/* "/a/b/" and "//a" are written by hand in many images; what is left has to be normal. */
static int normalize_workdir(char *path, Reason *reason) {
        char *to = path;

        if (!*path)
                return 0;
        for (const char *p = path; *p; p++)
                if (*p != '/' || to == path || to[-1] != '/')
                        *to++ = *p;
        if (to > path + 1 && to[-1] == '/')
                to--;
        *to = 0;
        return path_is_normal(path) ? 0 : reason_set(reason, -EBADMSG, WHAT ": WorkingDir \"%s\" is no absolute path without \"..\"", path);
}

static int check_user(const char *user, Reason *reason) {
        for (const char *p = user; *p; p++)
                if ((uint8_t) *p <= ' ' || (uint8_t) *p >= 0x7f || *p == '/')
                        return reason_set(reason, -EBADMSG, WHAT ": \"%s\" is no user", user);
        return 0;
}

/* Docker writes "PATH" without "=" for a variable to be taken from its caller: there is nothing to take, so it is left out, like names that no
 * shell knows. */
static void drop_odd_env(ImageConfig *c) {
        size_t n = 0;

        for (size_t i = 0; i < c->n_env; i++)
                if (env_assignment_valid(c->env[i]))
                        c->env[n++] = c->env[i];
                else
                        free(c->env[i]);
        for (size_t i = n; i < c->n_env; i++)
                c->env[i] = NULL;
        c->n_env = n;
}

static int get_layers(json_t *root, ImageConfig *c, Reason *reason) {
        json_t *rootfs = json_object_get(root, "rootfs"), *list, *item;
        size_t i;
        int r;

        if (!json_is_object(rootfs))
                return reason_set(reason, -EBADMSG, WHAT " names no layers (rootfs.diff_ids)");
        r = json_get_list(rootfs, "diff_ids", IMAGE_LAYERS_MAX, WHAT, &list, reason);
        if (r < 0)
                return r;
        if (json_array_size(list) == 0)
                return reason_set(reason, -EBADMSG, WHAT " names no layers (rootfs.diff_ids)");
        c->layers = calloc(json_array_size(list), sizeof(*c->layers));
        if (!c->layers)
                return -ENOMEM;
        json_array_foreach(list, i, item) {
                const char *s = json_string_value(item);

                if (!s || !image_digest_valid(s))
                        return reason_set(reason, -EBADMSG, WHAT ": layer %zu has no digest of the form sha256:…", i + 1);
                memcpy(c->layers[i], s, IMAGE_DIGEST_TEXT + 1);
                c->n_layers++;
        }
        return 0;
}

static int get_platform(json_t *root, ImageConfig *c, Reason *reason) {
        const char *os, *architecture;
        int r = json_get_string(root, "os", 64, WHAT, &os, reason);

        if (r >= 0)
                r = json_get_string(root, "architecture", sizeof(c->architecture) - 1, WHAT, &architecture, reason);
        if (r < 0)
                return r;
        if (os && *os && !streq(os, "linux"))
                return reason_set(reason, -EBADMSG, "the image is for %s, not for Linux", os);
        strcpy(c->architecture, architecture ? architecture : "");
        return 0;
}

int image_config_parse(const char *text, size_t n, ImageConfig *ret, Reason *reason) {
        _cleanup_image_config_ ImageConfig c = {};
        _cleanup_json_ json_t *root = NULL;
        json_t *config;
        int r;

        r = json_parse(text, n, CONFIG_BYTES_MAX, WHAT, &root, reason);
        if (r < 0)
                return r;
        config = json_object_get(root, "config");
        if (config && !json_is_null(config) && !json_is_object(config))
                return reason_set(reason, -EBADMSG, WHAT ": \"config\" is no object");
        r = get_platform(root, &c, reason);
        if (r >= 0)
                r = get_layers(root, &c, reason);
        if (r >= 0)
                r = get_string(config, "WorkingDir", CONFIG_STRING_MAX, &c.workdir, reason);
        if (r >= 0)
                r = normalize_workdir(c.workdir, reason);
        if (r >= 0)
                r = get_string(config, "User", CONFIG_USER_MAX, &c.user, reason);
        if (r >= 0)
                r = check_user(c.user, reason);
        if (r >= 0)
                r = get_strings(config, "Env", CONFIG_ENV_MAX, &c.env, &c.n_env, reason);
        if (r >= 0)
                r = get_strings(config, "Entrypoint", CONFIG_ARGS_MAX, &c.entrypoint, &c.n_entrypoint, reason);
        if (r >= 0)
                r = get_strings(config, "Cmd", CONFIG_ARGS_MAX, &c.cmd, &c.n_cmd, reason);
        if (r < 0)
                return r;
        drop_odd_env(&c);
        *ret = c;
        c = (ImageConfig) {};
        return 0;
}

const char *image_architecture(void) {
        static const char *const names[][2] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "i686", "386" }, { "armv7l", "arm" },
                { "riscv64", "riscv64" }, { "ppc64le", "ppc64le" }, { "s390x", "s390x" } };
        struct utsname u;

        if (uname(&u) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(u.machine, names[i][0]))
                        return names[i][1];
        return NULL;
}

char *image_config_make(const char *layer) {
        const char *architecture = image_architecture();
        char *text = NULL;

        if (asprintf(&text, "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
                            architecture ? architecture : "", layer) < 0)
                return NULL;
        return text;
}
