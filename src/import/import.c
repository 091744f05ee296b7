/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsb-import: one request about images, then the end. Archives are made by anybody, so whoever reads them has as little as can be: a user
 * and a user namespace of its own, whose ids are those of the images on the disk; no network; three capabilities, over the store's
 * files only; descriptors of the store and the source, and no path. How it is started is in sys/userns.h. */

#include <fcntl.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "import/transfer.h"
#include "sys/landlock.h"
#include "sys/process.h"
#include "wire/message.h"

#define SOCKET_FD 3
/* To give files to the image's ids, to go on working in their directories, to set their modes and times. */
#define CAPABILITIES (UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_FOWNER)
/* More than anything needs: zstd takes windows of at most 128 MiB, jansson's trees of a MiB of text stay below 100 MiB. */
#define MEMORY_MAX (UINT64_C(2) << 30)

/* ---- rights ---- */

/* In the first user namespace the capabilities would be over everything: there it does not work at all. */
static int verify_namespace(void) {
        _cleanup_free_ char *map = NULL;
        unsigned inside, outside, count;
        int r = file_read(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL);

        if (r < 0)
                return r;
        if (sscanf(map, "%u %u %u", &inside, &outside, &count) != 3 || (inside == 0 && outside == 0) || geteuid() == 0) {
                log_error("ocsb-import has to be started in a user namespace of its own (ocsb-stage does that)");
                return -EPERM;
        }
        return 0;
}

static int settle_rights(void) {
        const struct rlimit memory = { .rlim_cur = MEMORY_MAX, .rlim_max = MEMORY_MAX }, none = {}, files = { .rlim_cur = 256, .rlim_max = 256 };
        int r = verify_namespace();

        if (r >= 0)
                r = capabilities_drop(CAPABILITIES);
        if (r >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
                                      setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0))
                r = -errno;
#ifndef OCSB_ASAN /* which maps terabytes */
        if (r >= 0 && setrlimit(RLIMIT_AS, &memory) < 0)
                r = -errno;
#else
        (void) memory;
#endif
        if (r < 0)
                log_error("Failed to settle the rights: %s", strerror(-r));
        return r;
}

/* From here on there is no file but those beneath the store, and the source when it is a directory: what a taken-over importer can read
 * is what it was given. ABI 1 (before Linux 5.19) refuses renames from one directory to another, so it is of no use here. */
static int confine(int store_fd, int source_fd) {
        unsigned abi = landlock_abi();
        _cleanup_close_ int rules = -EBADF, root = -EBADF;
        struct stat st;
        int r;

        if (abi < 2)
                return 0;
        rules = landlock_ruleset(abi);
        if (rules < 0)
                return rules;
        r = landlock_allow(rules, abi, store_fd, LANDLOCK_READ | LANDLOCK_WRITE | LANDLOCK_CHAR);
        if (r >= 0 && source_fd >= 0 && fstat(source_fd, &st) >= 0 && S_ISDIR(st.st_mode))
                r = landlock_allow(rules, abi, source_fd, LANDLOCK_READ);
        if (r >= 0)
                r = landlock_enforce(rules);
        if (r < 0)
                return r;
        /* Seen, not believed. */
        root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return root >= 0 || errno != EACCES ? -EPERM : 0;
}

/* ---- requests ---- */

static int answer(int sock, uint32_t type, uint32_t tag, const WireWriter *w) {
        /* The answer is worth waiting for; progress is not. */
        int r = fd_set_nonblock(sock, false);

        return r < 0 ? r : wire_send(sock, type, tag, w, NULL, 0);
}

static int answer_error(int sock, uint32_t tag, int error, const Reason *reason) {
        _cleanup_writer_ WireWriter w = {};

        msg_ack_encode(&w, error, reason->text[0] ? reason->text : error < 0 ? strerror(-error) : "");
        return answer(sock, WIRE_ACK, tag, &w);
}

static int answer_pruned(int sock, uint32_t tag, int r, const ImagePruned *m, const Reason *reason) {
        _cleanup_writer_ WireWriter w = {};

        if (r < 0)
                return answer_error(sock, tag, r, reason);
        image_pruned_encode(&w, m);
        return answer(sock, IMAGE_PRUNED, tag, &w);
}

static int do_import(int sock, Store *store, WireMessage *m, WireReader *body) {
        _cleanup_free_ ImageImported *result = calloc(1, sizeof(*result));
        _cleanup_writer_ WireWriter w = {};
        Job job = { .sock = sock };
        const char *why = NULL;
        ImageImport request;
        int r;

        if (!result)
                return -ENOMEM;
        r = image_import_decode(body, &request, &why);
        if (r < 0)
                reason_set(&job.reason, r, "%s", why);
        else if (m->n_fds != 2)
                r = reason_set(&job.reason, -EBADMSG, "an import needs two descriptors: the store and the source");
        else
                r = transfer(&job, store, m->fds[1], &request, true, result);
        FAULT("import.answer");
        if (r < 0)
                return answer_error(sock, m->tag, r, &job.reason);
        image_imported_encode(&w, result);
        return answer(sock, IMAGE_IMPORTED, m->tag, &w);
}

static int do_tag(int sock, Store *store, WireMessage *m, WireReader *body) {
        Reason reason = {};
        ImageTag request;
        int r = image_tag_decode(body, &request);

        if (r >= 0)
                r = store_tag(store, request.reference, request.id);
        if (r == -ENOENT)
                reason_set(&reason, r, "there is no image %s", request.id);
        else if (r == -EBUSY)
                reason_set(&reason, r, "images are being removed: try again when that has ended");
        return answer_error(sock, m->tag, r < 0 ? r : 0, &reason);
}

static int do_remove(int sock, Store *store, WireMessage *m, WireReader *body) {
        _cleanup_(image_remove_done) ImageRemove request = {};
        ImagePruned result = {};
        Reason reason = {};
        int r = image_remove_decode(body, &request);

        if (r >= 0)
                r = store_remove(store, request.what, &request.keep, &result, &reason);
        return answer_pruned(sock, m->tag, r, &result, &reason);
}

static int do_prune(int sock, Store *store, WireMessage *m, WireReader *body) {
        _cleanup_(image_prune_done) ImagePrune request = {};
        ImagePruned result = {};
        Reason reason = {};
        int r = image_prune_decode(body, &request);

        if (r >= 0)
                r = store_prune(store, request.all, &request.keep, &result, &reason);
        return answer_pruned(sock, m->tag, r, &result, &reason);
}

static int serve(int sock, WireMessage *m) {
        WireReader body = WIRE_READER(m->body, m->len);
        _cleanup_store_ Store store = STORE_NONE;
        Reason reason = {};
        int r;

        if (m->n_fds < 1)
                return answer_error(sock, m->tag, -EBADMSG, &reason);
        r = confine(m->fds[0], m->n_fds > 1 ? m->fds[1] : -EBADF);
        if (r < 0)
                return answer_error(sock, m->tag, reason_set(&reason, r, "ocsb-import could not restrict itself (Landlock): %s", strerror(-r)), &reason);
        r = store_open(m->fds[0], true, &store, &reason);
        if (r >= 0)
                r = store_collect(&store);
        if (r < 0)
                return answer_error(sock, m->tag, r, &reason);
        switch ((ImageType) m->type) {
        case IMAGE_IMPORT:
                return do_import(sock, &store, m, &body);
        case IMAGE_TAG:
                return do_tag(sock, &store, m, &body);
        case IMAGE_REMOVE:
                return do_remove(sock, &store, m, &body);
        case IMAGE_PRUNE:
                return do_prune(sock, &store, m, &body);
        case IMAGE_PROGRESS:
        case IMAGE_IMPORTED:
        case IMAGE_PRUNED:
        default:
                return answer_error(sock, m->tag, -ENOTSUP, &reason);
        }
}

static int run(void) {
        _cleanup_message_ WireMessage m = {};
        int r = settle_rights();

        if (r < 0)
                return r;
        /* Names in pax headers are UTF-8; with any other locale libarchive would have to translate them. */
        if (!setlocale(LC_CTYPE, "C.UTF-8")) {
                log_error("The C library has no locale C.UTF-8");
                return -ENOENT;
        }
        umask(022);
        (void) signal(SIGPIPE, SIG_IGN);
        if (fd_set_nonblock(SOCKET_FD, false) < 0)
                return -errno;
        r = wire_recv(SOCKET_FD, &m);
        if (r <= 0)
                return r;
        r = fd_set_nonblock(SOCKET_FD, true);
        return r < 0 ? r : serve(SOCKET_FD, &m);
}

static void help(void) {
        printf("ocsb-import [OPTIONS…]\n\n"
               "Reads one image into the store of images, or tags or removes one; started by ocsb-stage, with a socket as descriptor 3.\n\n"
               "  -h --help     Show this help\n"
               "     --version  Show the version\n");
}

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, {} };
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case 'V':
                        printf("ocsb %s\n", OCSB_VERSION);
                        return 0;
                default:
                        return 2;
                }
        r = run();
        if (r < 0 && r != -EPIPE)
                log_error("ocsb-import ends: %s", strerror(-r));
        return r < 0 ? 1 : 0;
}
