/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records are written before the rules that they stand for: a table that is built anew from them is never wider than what was asked
 * for last. */

#include "state.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define RECORD_VERSION 1u
#define LOCKDOWN_FILE ".lockdown" /* no session's name: those have no dot */

int state_open(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 07777) != 0700)
                return -EPERM;
        return TAKE_FD(fd);
}

static void put_address(WireWriter *w, const NetAddress *a) {
        wire_put_bytes(w, a->bytes, a->family == 4 ? 4 : a->family == 6 ? 16 : 0);
}

static bool get_address(WireReader *r, uint32_t family, bool required, NetAddress *ret) {
        size_t n, size = family == 4 ? 4 : 16;
        const void *p = wire_get_bytes(r, size, &n);

        *ret = (NetAddress) {};
        if (r->error || (n != size && (n != 0 || required)))
                return false;
        if (n > 0) {
                ret->family = family;
                memcpy(ret->bytes, p, n);
        }
        return true;
}

int state_save(int dir_fd, const StateRecord *r) {
        _cleanup_writer_ WireWriter w = {};

        wire_put_u32(&w, RECORD_VERSION);
        wire_put_string(&w, r->id);
        wire_put_u32(&w, r->uid);
        wire_put_u32(&w, r->slot);
        put_address(&w, &r->ipv4);
        put_address(&w, &r->ipv6);
        wire_put_u32(&w, r->opened);
        net_intent_encode(&w, &r->intent);
        if (w.error)
                return w.error;
        return file_write_atomic(dir_fd, r->id, w.data, w.len, 0600);
}

int state_load(int dir_fd, const char *id, StateRecord *ret) {
        _cleanup_free_ char *data = NULL;
        StateRecord r = {};
        uint32_t opened;
        WireReader in;
        bool good;
        size_t len;
        int k;

        k = file_read(dir_fd, id, 65536, &data, &len);
        if (k < 0)
                return k;
        in = WIRE_READER((const uint8_t *) data, len);
        if (wire_get_u32(&in) != RECORD_VERSION)
                return -EBADMSG;
        wire_get_string_buf(&in, r.id, sizeof(r.id));
        r.uid = wire_get_u32(&in);
        r.slot = wire_get_u32(&in);
        good = get_address(&in, 4, true, &r.ipv4) && get_address(&in, 6, false, &r.ipv6);
        opened = wire_get_u32(&in);
        r.opened = opened == 1;
        k = net_intent_decode(&in, &r.intent, NULL);
        if (k < 0)
                return k;
        if (wire_reader_finish(&in) < 0 || !good || opened > 1 || !streq(r.id, id) || r.uid == 0 || r.slot == 0 ||
                        r.slot > UINT32_C(0xffffff))
                return -EBADMSG;
        *ret = r;
        return 0;
}

void state_remove(int dir_fd, const char *id) {
        (void) unlinkat(dir_fd, id, 0);
}

int state_foreach(int dir_fd, int (*fn)(const char *id, void *userdata), void *userdata) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        for (struct dirent *e; r >= 0 && (e = readdir(d));) {
                size_t n = strlen(e->d_name);

                if (session_id_valid(e->d_name))
                        r = fn(e->d_name, userdata);
                else if (n > 5 && e->d_name[0] == '.' && streq(e->d_name + n - 4, ".tmp"))
                        (void) unlinkat(dir_fd, e->d_name, 0);
        }
        (void) closedir(d);
        return r;
}

bool state_lockdown(int dir_fd) {
        /* What cannot be asked counts as on. */
        return faccessat(dir_fd, LOCKDOWN_FILE, F_OK, AT_SYMLINK_NOFOLLOW) >= 0 || errno != ENOENT;
}

int state_set_lockdown(int dir_fd, bool on) {
        _cleanup_close_ int fd = -EBADF;

        if (!on)
                return unlinkat(dir_fd, LOCKDOWN_FILE, 0) < 0 && errno != ENOENT ? -errno : 0;
        fd = openat(dir_fd, LOCKDOWN_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : 0;
}

/* ---- configuration ---- */

#define CONFIG_MAX ((size_t) 64 << 10)

static int refuse(char **ret_why, const char *format, ...) _printf_(2, 3);

static int refuse(char **ret_why, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if (vasprintf(ret_why, format, ap) < 0)
                *ret_why = NULL;
        va_end(ap);
        return -EINVAL;
}

/* A pool has room for a session beside the address of the network itself, and is small enough to be somebody's choice. */
static int read_pool(const char *name, const char *key, const json_t *v, uint32_t family, NetPrefix *ret, char **ret_why) {
        /* Where addresses mean nothing outside. */
        static const char *const homes[] = { "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "fc00::/7" };
        uint32_t shortest = family == 4 ? 8 : 16, longest = family == 4 ? 28 : 112;
        NetPrefix p;

        if (!json_is_string(v))
                return refuse(ret_why, "%s: \"%s\" is not a string such as \"%s\"", name, key,
                                family == 4 ? "198.18.0.0/16" : "fd6f:6373:6200::/64");
        if (net_prefix_parse(json_string_value(v), &p) < 0 || p.address.family != family)
                return refuse(ret_why, "%s: \"%s\" is not an IPv%u network: the address of the network, a slash, its length", name, key,
                                family);
        if (p.length < shortest || p.length > longest)
                return refuse(ret_why, "%s: the length of \"%s\" is not between %u and %u", name, key, shortest, longest);
        for (size_t i = 0; i < ELEMENTSOF(homes); i++) {
                NetPrefix home;

                if (net_prefix_parse(homes[i], &home) >= 0 && home.length <= p.length && net_prefix_overlaps(&home, &p)) {
                        *ret = p;
                        return 0;
                }
        }
        return refuse(ret_why, "%s: \"%s\" is not in %s", name, key,
                        family == 4 ? "10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 or 198.18.0.0/15" : "fc00::/7");
}
static int config_default(StateConfig *ret) {
        int r = net_prefix_parse("198.18.0.0/16", &ret->pool_ipv4);

        return r < 0 ? r : net_prefix_parse("fd6f:6373:6200::/64", &ret->pool_ipv6);
}

int state_parse_config(const char *text, size_t n, const char *name, StateConfig *ret, char **ret_why) {
        json_error_t error;
        json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error), *v;
        StateConfig c = {};
        const char *key;
        int r;

        if (!root)
                return refuse(ret_why, "%s: line %d: %s", name, error.line, error.text);
        r = config_default(&c);
        if (r >= 0 && !json_is_object(root))
                r = refuse(ret_why, "%s: not a JSON object", name);
        else
                json_object_foreach(root, key, v) {
                        if (streq(key, "pool_ipv4"))
                                r = read_pool(name, key, v, 4, &c.pool_ipv4, ret_why);
                        else if (streq(key, "pool_ipv6"))
                                r = read_pool(name, key, v, 6, &c.pool_ipv6, ret_why);
                        else {
                                _cleanup_free_ char *shown = text_escape(key, strlen(key), 64);

                                r = refuse(ret_why, "%s: unknown key \"%s\"; there are pool_ipv4 and pool_ipv6", name,
                                                shown ? shown : "?");
                        }
                        if (r < 0)
                                break;
                }
        json_decref(root);
        if (r >= 0)
                *ret = c;
        return r;
}

int state_read_config(const char *path, StateConfig *ret, char **ret_why) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &n);

        if (r == -ENOENT)
                return config_default(ret);
        if (r < 0) {
                (void) refuse(ret_why, "%s: %s", path, strerror(-r));
                return r;
        }
        return state_parse_config(text, n, path, ret, ret_why);
}
