/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The input is a source to import. Whatever it is: it ends, within the limits; a refusal leaves an empty store and has a sentence, an
 * image that comes out can be looked up with all of its layers. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "fuzz.h"
#include "import/transfer.h"
#include "import/tree.h"

static char path[] = "/dev/shm/ocsb-fuzz-XXXXXX";

static void remove_place(void) {
        (void) rmdir(path);
}

static int open_place(void) {
        static int fd = -EBADF;

        if (fd < 0) {
                must(mkdtemp(path) && atexit(remove_place) == 0);
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                must(fd >= 0);
        }
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const parts[] = { "layers", "images", "tags", "tmp", "lock" };
        static ImageImported result;
        ImageImport request = { .reference = "fuzz:1", .limits = { .bytes = 1 << 20, .entries = 1000, .ratio = 100, .layers = 4 } };
        _cleanup_close_ int source = memfd_create("source", MFD_CLOEXEC);
        _cleanup_store_image_ StoreImage image = {};
        _cleanup_store_ Store store = STORE_NONE;
        Job job = { .sock = -EBADF };
        int place = open_place(), r;

        must(source >= 0 && fd_write_all(source, data, size) == 0);
        must(store_open(place, true, &store, NULL) == 0);
        r = transfer(&job, &store, source, &request, false, &result);
        must(job.bytes_out <= request.limits.bytes && job.progress.entries <= request.limits.entries);
        if (r < 0) {
                must(r == -ENOMEM || (job.reason.text[0] && utf8_is_valid(job.reason.text, strlen(job.reason.text))));
                must(unlinkat(place, "layers", AT_REMOVEDIR) == 0 && unlinkat(place, "images", AT_REMOVEDIR) == 0);
        } else
                must(store_look_up(&store, result.id, &image, NULL) == 0 && image.config.n_layers == result.n_layers);
        must(unlinkat(place, "tmp", AT_REMOVEDIR) == 0);
        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                must(tree_remove(place, parts[i]) == 0);
        return 0;
}
