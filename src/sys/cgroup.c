/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cgroup v2. Works on a pure v2 machine, below a delegated directory, and on the "unified" hierarchy beside v1 that
 * has no controllers: killing and freezing need none. */

#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

int cgroup_mount_point(char *buf, size_t size) {
        _cleanup_free_ char *text = NULL;
        char *line, *save = NULL;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/mountinfo", 4u << 20, &text, NULL);
        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *dash = strstr(line, " - cgroup2 "), root[1024], where[1024];

                if (!dash || sscanf(line, "%*d %*d %*s %1023s %1023s", root, where) != 2 || strchr(where, '\\'))
                        continue;
                if (strlen(where) >= size)
                        return -ENAMETOOLONG;
                strcpy(buf, where);
                return 0;
        }
        return -ENOENT;
}

int cgroup_of(pid_t pid, char *buf, size_t size) {
        _cleanup_free_ char *text = NULL;
        char path[40], *line, *save = NULL;
        int r;

        if (pid == 0)
                strcpy(path, "/proc/self/cgroup");
        else
                (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        r = file_read(AT_FDCWD, path, 65536, &text, NULL);
        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (str_has_prefix(line, "0::/")) {
                        if (strlen(line + 3) >= size)
                                return -ENAMETOOLONG;
                        strcpy(buf, line + 3);
                        return 0;
                }
        return -ENOENT;
}

int cgroup_make(int dir_fd, const char *name) {
        int fd;

        if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

static bool list_has(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
                if (strncmp(p, word, n) == 0 && strchr(" \n", p[n]))
                        return true;
        return false;
}

int cgroup_controllers(int dir_fd, char *buf, size_t size) {
        _cleanup_free_ char *text = NULL;
        int r = file_read(dir_fd, "cgroup.controllers", 4096, &text, NULL);

        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = 0;
        if (strlen(text) >= size)
                return -ENAMETOOLONG;
        strcpy(buf, text);
        return 0;
}

int cgroup_enable(int dir_fd, const char *controller) {
        _cleanup_free_ char *have = NULL, *on = NULL;
        char plus[32];
        int r;

        r = file_read(dir_fd, "cgroup.controllers", 4096, &have, NULL);
        if (r < 0)
                return r;
        if (!list_has(have, controller))
                return -ENOTSUP;
        r = file_read(dir_fd, "cgroup.subtree_control", 4096, &on, NULL);
        if (r < 0)
                return r;
        if (list_has(on, controller))
                return 0;
        (void) snprintf(plus, sizeof(plus), "+%s", controller);
        return file_write_at(dir_fd, "cgroup.subtree_control", plus);
}

int cgroup_set(int dir_fd, const char *file, uint64_t value) {
        char text[24];

        if (value == UINT64_MAX)
                strcpy(text, "max");
        else
                (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
        return file_write_at(dir_fd, file, text);
}

int cgroup_delegate(int dir_fd, uid_t uid, gid_t gid) {
        static const char *const files[] = { "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.kill",
                "cgroup.freeze" };

        if (fchown(dir_fd, uid, gid) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (fchownat(dir_fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        return 0;
}

int cgroup_kill(int dir_fd) {
        return file_write_at(dir_fd, "cgroup.kill", "1");
}

static int events_value(int fd, const char *key) {
        char text[256], *p;
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        text[n] = 0;
        p = strstr(text, key);
        return p ? p[strlen(key)] == '1' : -ENODATA;
}

/* Waits until key in cgroup.events has the wanted value; the kernel raises POLLPRI on each change. */
static int events_wait(int dir_fd, const char *key, int want, int timeout_ms) {
        _cleanup_close_ int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        struct timespec start, now;

        if (fd < 0)
                return -errno;
        (void) clock_gettime(CLOCK_MONOTONIC, &start);
        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLPRI };
                int v = events_value(fd, key), left;

                if (v < 0 || v == want)
                        return v < 0 ? v : 0;
                (void) clock_gettime(CLOCK_MONOTONIC, &now);
                left = timeout_ms - (int) ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
                if (left <= 0)
                        return -ETIMEDOUT;
                (void) poll(&p, 1, MIN(left, 100));
        }
}

int cgroup_freeze(int dir_fd, bool freeze, int timeout_ms) {
        int r = file_write_at(dir_fd, "cgroup.freeze", freeze ? "1" : "0");

        return r < 0 ? r : events_wait(dir_fd, "frozen ", freeze, timeout_ms);
}

int cgroup_counter(int dir_fd, const char *file, const char *key, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char *line, *save = NULL;
        size_t n = strlen(key);
        int r = file_read(dir_fd, file, 4096, &text, NULL);

        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (strncmp(line, key, n) == 0 && line[n] == ' ')
                        return parse_u64(line + n + 1, ret);
        return -ENODATA;
}

/* Depth first; cgroup directories hold no other directories than cgroups. */
static int remove_tree(int parent_fd, const char *name, unsigned depth) {
        int fd;
        DIR *d;

        if (unlinkat(parent_fd, name, AT_REMOVEDIR) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EBUSY && errno != ENOTEMPTY)
                return -errno;
        if (depth == 0)
                return -ELOOP;
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d) {
                fd_close(fd);
                return -errno;
        }
        for (struct dirent *e; (e = readdir(d));)
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        (void) remove_tree(dirfd(d), e->d_name, depth - 1);
        (void) closedir(d);
        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_destroy(int parent_fd, const char *name, int timeout_ms) {
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = cgroup_kill(fd);
        if (r >= 0)
                r = events_wait(fd, "populated ", 0, timeout_ms);
        if (r < 0)
                return r;
        return remove_tree(parent_fd, name, 16);
}
