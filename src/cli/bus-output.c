/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pager, colours, and the formats that several verbs share. */

#include "bus-output.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t pager = 0;
static int saved_stdout = -1;
static bool was_terminal = false;

static bool is_terminal(void) {
        return was_terminal || isatty(STDOUT_FILENO);
}

bool output_colors(void) {
        const char *systemd = getenv("SYSTEMD_COLORS"), *no_color = getenv("NO_COLOR"),
                   *term = getenv("TERM");

        if (systemd && *systemd)
                return !streq(systemd, "0") && !streq(systemd, "no") && !streq(systemd, "false");
        return is_terminal() && !(no_color && *no_color) && term && !streq(term, "dumb");
}

bool output_is_json(const Options *o) {
        return o->json != JSON_OFF;
}

int output_json(const Options *o, json_t *value) {
        bool pretty = o->json == JSON_PRETTY || (o->json == JSON_AUTO && is_terminal());
        int r;

        if (!value)
                return -ENOMEM;
        r = json_dumpf(value, stdout, JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT));
        json_decref(value);
        if (r < 0)
                return -EIO;
        putchar('\n');
        return 0;
}

/* Words of a pager's command line; no shell. */
static void exec_pager(const char *command) {
        char *copy = strdup(command), *argv[16], *save = NULL;
        size_t n = 0;

        for (char *w = copy ? strtok_r(copy, " \t", &save) : NULL; w && n + 1 < ELEMENTSOF(argv);
                        w = strtok_r(NULL, " \t", &save))
                argv[n++] = w;
        argv[n] = NULL;
        if (n > 0)
                (void) execvp(argv[0], argv);
        free(copy);
}

static _noreturn_ void pager_process(int input, const char *command) {
        static const char *const others[] = { "pager", "less", "more", "cat" };

        (void) dup2(input, STDIN_FILENO);
        (void) close_range(3, ~0U, 0);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) signal(SIGINT, SIG_DFL);
        (void) setenv("LESS", getenv("SYSTEMD_LESS") ? getenv("SYSTEMD_LESS") : "FRSXMK", 1);
        (void) setenv("LESSCHARSET", "utf-8", 0);
        /* What is shown comes from sandboxes: the pager shall run no commands and write no files. */
        (void) setenv("LESSSECURE", "1", 1);
        if (command)
                exec_pager(command);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                exec_pager(others[i]);
        _exit(127);
}

void output_begin(const Options *o) {
        const char *command = getenv("SYSTEMD_PAGER"), *term = getenv("TERM");
        int fds[2];

        if (!command)
                command = getenv("PAGER");
        if (pager > 0 || o->no_pager || output_is_json(o) || !isatty(STDOUT_FILENO) || !term ||
                        streq(term, "dumb") || (command && (!*command || streq(command, "cat"))))
                return;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        fflush(stdout);
        pager = fork();
        if (pager == 0)
                pager_process(fds[0], command);
        (void) close(fds[0]);
        if (pager > 0) {
                was_terminal = true;
                saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
                (void) dup2(fds[1], STDOUT_FILENO);
                /* Ctrl-C is the pager's. */
                (void) signal(SIGINT, SIG_IGN);
                (void) signal(SIGPIPE, SIG_IGN);
        }
        (void) close(fds[1]);
}

void output_end(void) {
        fflush(stdout);
        if (pager <= 0)
                return;
        (void) dup2(saved_stdout, STDOUT_FILENO);
        (void) close(saved_stdout);
        while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
                ;
        pager = 0;
}

const char *format_time(char buf[static 64], uint64_t usec) {
        time_t t = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;

        if (usec == 0 || !localtime_r(&t, &tm) || strftime(buf, 64, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                strcpy(buf, "-");
        return buf;
}

const char *format_span(char buf[static 64], uint64_t usec) {
        static const struct {
                uint64_t usec;
                const char *name;
        } units[] = { { 86400 * USEC_PER_SEC, "d" }, { 3600 * USEC_PER_SEC, "h" },
                { 60 * USEC_PER_SEC, "min" }, { USEC_PER_SEC, "s" }, { 1000, "ms" }, { 1, "us" } };
        size_t n = 0;
        int parts = 0;

        buf[0] = 0;
        /* Two units say enough. */
        for (size_t i = 0; i < ELEMENTSOF(units) && parts < 2; i++) {
                uint64_t k = usec / units[i].usec;

                if (k == 0)
                        continue;
                n += (size_t) snprintf(buf + n, 64 - n, "%s%llu%s", parts > 0 ? " " : "",
                                (unsigned long long) k, units[i].name);
                usec -= k * units[i].usec;
                parts++;
        }
        if (parts == 0)
                strcpy(buf, "0");
        return buf;
}

const char *format_user(char buf[static 64], uint32_t uid, bool local) {
        const struct passwd *pw = local ? getpwuid(uid) : NULL;

        if (pw && strlen(pw->pw_name) < 64)
                strcpy(buf, pw->pw_name);
        else
                (void) snprintf(buf, 64, "%u", uid);
        return buf;
}

static char *escape_into(unsigned slot, const char *s) {
        static char *slots[4];
        static char unknown[] = "?";

        assert(slot < ELEMENTSOF(slots));
        free(slots[slot]);
        slots[slot] = text_escape(s ? s : "", s ? strlen(s) : 0, 0);
        return slots[slot] ? slots[slot] : unknown;
}

const char *safe(unsigned slot, const char *s) {
        return escape_into(slot, s);
}

const char *safe_escaped(unsigned slot, const char *s) {
        char *r = escape_into(slot, s), *w = r;

        for (const char *p = r; *p; p++) {
                if (p[0] == '\\' && p[1] == '\\')
                        p++;
                *w++ = *p;
        }
        *w = 0;
        return r;
}
