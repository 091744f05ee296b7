/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strict parsing of numbers, sizes, times and names, UTF-8 checks and escaping for terminals and prompts. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "macro.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

/* Decimal digits only: no sign, space, hex, leading zero (but "0"); -EINVAL, -ERANGE. */
int parse_u64(const char *s, uint64_t *ret);
int parse_u32(const char *s, uint32_t *ret);

/* A uid or gid of an ordinary user: 1 … 2^31-1. 0, -1, 4294967295 and names are refused (CVE-2026-30892, CVE-2018-19788). */
int parse_uid(const char *s, uid_t *ret);

/* "512", "512K", "2G": bytes, powers of 1024. */
int parse_size(const char *s, uint64_t *ret);
/* "90", "90s", "5m", "2h", "250ms": microseconds; a bare number is seconds. */
int parse_usec(const char *s, uint64_t *ret);

#define SESSION_ID_MAX 32
#define PROFILE_NAME_MAX 64

/* [a-z0-9_]{1,32}: goes into object paths, cgroup and file names unescaped. */
bool session_id_valid(const char *s);
/* [a-z0-9][a-z0-9._-]{0,63}, no "..". */
bool profile_name_valid(const char *s);
/* RFC 1123 label, at most 63 characters. */
bool hostname_valid(const char *s);
/* A shell variable name followed by '=': the form in which environments travel. */
bool env_assignment_valid(const char *s);
/* Absolute, no empty, "." or ".." component, no trailing slash but "/", at most 4095 bytes. */
bool path_is_normal(const char *s);
/* True when path is dir or lies beneath it; both normal. */
bool path_is_beneath(const char *path, const char *dir);

bool utf8_is_valid(const char *s, size_t n);

/* Escapes C0, C1 and DEL, bidi and zero-width controls and invalid UTF-8 as \xNN (or \u{NNNN}), a backslash as
 * "\\", and elides in the middle ("…") beyond max characters (0: no limit). For prompts, tables and logs
 * (CVE-2023-28101). Caller frees; NULL on out of memory. */
char *text_escape(const char *s, size_t n, size_t max);
