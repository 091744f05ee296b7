/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Evaluates an expression of integers, + - * / and parentheses. 0, or -1 when it is none or divides by zero. */
int calc(const char *text, long *ret);
