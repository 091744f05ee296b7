/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/macro.h"

/* ocsbd --standalone: the part of systemd that the daemons need where it is not PID 1. Makes the directories
 * of /run/ocsb, binds the sockets, starts ocsb-stage, ocsbd itself (as user ocsb without any privilege) and ocsb-fw (as
 * user ocsb-fw with CAP_NET_ADMIN alone), and starts them again when they end. Returns the exit status. libexec_dir: where
 * the programs are. firewall false: ocsb-fw is not started, and network "nat" is refused. */
int supervisor_run(const char *libexec_dir, bool firewall);

/* Opens (and makes, when it is missing) name beneath dir_fd as a directory of uid:gid with that mode. An
 * existing one that is a link, belongs to another or that others may write to is refused, not mended:
 * -EPERM. Exported for the tests. */
int supervisor_make_dir(int dir_fd, const char *name, unsigned uid, unsigned gid, unsigned mode);
