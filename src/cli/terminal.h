/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The caller's terminal: raw mode that is always undone, its size, and a non-blocking door to it. */

#include <stdint.h>

#include "base/macro.h"

/* Puts the terminal on fd into raw mode; terminal_restore() and the end of the process undo it. Nothing
 * happens when fd is no terminal, or when it is raw already. */
int terminal_raw(int fd);
void terminal_restore(void);

/* Size of the terminal on fd; 24 × 80 when there is none or it does not know. */
void terminal_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols);

/* Opens the terminal on fd again, non-blocking: O_NONBLOCK belongs to the open file, which the caller's
 * shell shares. flags: O_RDONLY or O_WRONLY. -errno when it cannot be opened (after su it belongs to
 * somebody else). */
int terminal_reopen(int fd, int flags);
