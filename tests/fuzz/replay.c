/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs every file of the directories given as arguments through a fuzz target: the seeds, and what fuzzers
 * found before, are regression tests of each build. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "fuzz.h"

static int run_directory(const char *path) {
        DIR *d = opendir(path);
        struct dirent *e;
        int n = 0;

        if (!d) {
                fprintf(stderr, "%s: %m\n", path);
                return -errno;
        }
        while ((e = readdir(d))) {
                _cleanup_free_ char *data = NULL;
                size_t len;
                int r;

                if (e->d_name[0] == '.')
                        continue;
                r = file_read(dirfd(d), e->d_name, (size_t) 4 << 20, &data, &len);
                if (r < 0) {
                        fprintf(stderr, "%s/%s: %s\n", path, e->d_name, strerror(-r));
                        closedir(d);
                        return r;
                }
                /* Before the run: the last line names the file of a crash. */
                fprintf(stderr, "%s/%s\n", path, e->d_name);
                (void) LLVMFuzzerTestOneInput((const uint8_t *) data, len);
                n++;
        }
        closedir(d);
        return n;
}

int main(int argc, char *argv[]) {
        int total = 0;

        for (int i = 1; i < argc; i++) {
                int n = run_directory(argv[i]);

                if (n < 0)
                        return EXIT_FAILURE;
                total += n;
        }
        fprintf(stderr, "%d inputs\n", total);
        return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
