/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What ocsbctl's small D-Bus client takes from the bus: messages and their bodies. And addresses, which come
 * from the environment. */

#include <string.h>

#include "cli/dbus-mini.h"
#include "fuzz.h"

static void fuzz_address(const uint8_t *data, size_t size) {
        char path[108], *s = malloc(size + 1);
        size_t len, n = 0;

        must(s);
        if (size > 0)
                memcpy(s, data, size);
        s[size] = 0;
        for (const char *p = s;;) {
                int r = dbus_address_next(&p, path, &len);

                must(p >= s && p <= s + size);
                if (r == 0)
                        break;
                if (r > 0)
                        must(len >= 2 && len <= sizeof(path) &&
                                        (path[0] == 0 || (path[0] == '/' && !path[len - 1])));
                must(++n <= size);
        }
        free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ssize_t n = dbus_message_length(data, size);
        DbusMessage m;

        fuzz_address(data, size);
        must(n <= (ssize_t) DBUS_MESSAGE_MAX);
        if (n <= 0 || (size_t) n > size || dbus_message_decode(data, (size_t) n, &m) < 0)
                return 0;
        must(m.body >= data && m.body + m.body_len == data + n);
        must(m.n_fds <= DBUS_FDS_MAX && m.serial > 0 && m.signature);
        must(m.type != DBUS_ERROR || m.error_name);

        for (unsigned order = 0; order < 2; order++) {
                DbusReader r = DBUS_READER(&m);
                const char *s;

                if (order)
                        (void) dbus_get_u32(&r);
                s = dbus_get_string(&r);
                must(!s == (r.error != 0));
                if (s)
                        must((const uint8_t *) s >= m.body && (const uint8_t *) s + strlen(s) < data + n);
                must(r.pos <= m.body_len);
        }
        return 0;
}
