/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cleanup attributes, ownership transfer and the few macros that every floor uses. */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))
#define _fallthrough_ __attribute__((fallthrough))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#ifndef MIN /* GLib has the same */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

/* gcc defines a macro, clang answers a question. */
#if defined(__SANITIZE_ADDRESS__)
#define OCSB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OCSB_ASAN 1
#endif
#endif

#define streq(a, b) (strcmp((a), (b)) == 0)

/* Move a pointer or an fd out of a variable whose cleanup would otherwise release it. */
#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                typeof(p) _taken_ = (p);                                                                    \
                (p) = NULL;                                                                                 \
                _taken_;                                                                                    \
        })
#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int _taken_ = (fd);                                                                         \
                (fd) = -EBADF;                                                                              \
                _taken_;                                                                                    \
        })

/* Defines foo_freep() for use with _cleanup_(foo_freep). */
#define DEFINE_CLEANUP(type, func)                                                                          \
        static inline void func##p(type **p) {                                                              \
                if (*p)                                                                                     \
                        func(*p);                                                                           \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

static inline bool str_has_prefix(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}
