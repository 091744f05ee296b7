/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ocsbctl, the program that users call. It is static and small, because the time that exec and run take is
 * mostly that of starting a process. Those verbs and shell are done here; everything else, and all help, is
 * ocsbctl-bus, which is executed with the same arguments. */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/libc.h"
#include "front.h"
#include "report.h"

/* Tries DIR/relative of the directory that holds our own binary. */
static void exec_beside(char **argv, const char *relative) {
        char path[PATH_MAX + 64];
        ssize_t k = readlink("/proc/self/exe", path, PATH_MAX);
        char *slash;

        if (k <= 0 || k >= PATH_MAX)
                return;
        path[k] = 0;
        slash = strrchr(path, '/');
        if (!slash)
                return;
        strcpy(slash + 1, relative);
        (void) execv(path, argv);
}

/* The full program: of the same build tree or installation as this one where there is one. */
static int hand_over(char **argv) {
#if defined(OCSB_FAULT_POINTS) && OCSB_FAULT_POINTS
        const char *dir = getenv("OCSB_LIBEXEC");

        if (dir) {
                char path[PATH_MAX];

                (void) snprintf(path, sizeof(path), "%s/ocsbctl-bus", dir);
                (void) execv(path, argv);
        }
#endif
        exec_beside(argv, "ocsbctl-bus");
        exec_beside(argv, "../libexec/ocsb/ocsbctl-bus");
        (void) execv(OCSB_LIBEXEC_DIR "/ocsbctl-bus", argv);
        return report_error("start " OCSB_LIBEXEC_DIR "/ocsbctl-bus", NULL, strerror(errno), false);
}

/* Whether the command line is one of exec, run or shell, as far as that can be seen without understanding
 * it. */
static bool is_hot(int argc, char **argv) {
        static const char *const harmless[] = { "-q", "--quiet", "-v", "--verbose", "--no-ask-password",
                "--no-pager" };

        for (int i = 1; i < argc; i++) {
                bool skip = false;

                for (size_t k = 0; k < ELEMENTSOF(harmless); k++)
                        skip = skip || streq(argv[i], harmless[k]);
                if (skip)
                        continue;
                return argv[i][0] != '-' && verb_from_string(argv[i]) >= 0 &&
                       verb_is_hot(verb_from_string(argv[i]));
        }
        return false;
}

/* Descriptors 0 to 2 that are closed would be given to the next thing that is opened. */
static void occupy_stdio(void) {
        for (int fd = 0; fd < 3; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void) open("/dev/null", O_PATH);
}

int main(int argc, char **argv) {
        _cleanup_options_ Options o = {};

        if (argc < 1)
                return STATUS_USAGE;
        if (!is_hot(argc, argv))
                return hand_over(argv);

        /* Nothing that whoever started us left open may come near a sandbox. */
        occupy_stdio();
        (void) close_range(3, ~0U, 0);
        (void) signal(SIGPIPE, SIG_IGN);

        if (options_parse(argc, argv, &o) < 0)
                return STATUS_OWN_FAILURE;
        if (o.help || o.version)
                return hand_over(argv);
        return o.verb == VERB_EXEC ? verb_exec(&o) : o.verb == VERB_RUN ? verb_run(&o) : verb_shell(&o);
}
