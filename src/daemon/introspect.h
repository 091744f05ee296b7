/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --bus-introspect: what the objects look like, without a bus. */

/* Prints the introspection of the manager's and of a session's object. 0 or -errno. */
int introspect_print(void);
