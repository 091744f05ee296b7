/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a process of ours meets who started it, systemd or ocsbd --standalone: the listening socket (sd_listen_fds(3)), readiness and
 * the watchdog (sd_notify(3)). Without libsystemd, which root's processes do not load. */

#include <stdint.h>

/* The one socket that was handed over, now O_CLOEXEC and non-blocking; -ENOENT: none was. */
int service_socket(void);
/* "READY=1", "WATCHDOG=1", …; 0 also when nobody wants to hear it. */
int service_notify(const char *text);
/* Microseconds within which WATCHDOG=1 is expected; 0: it is not. */
uint64_t service_watchdog(void);
/* RLIMIT_NOFILE up to wanted, or to what the hard limit allows. */
void service_raise_files(uint64_t wanted);
