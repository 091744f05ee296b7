/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A throwaway root for the tests: own mount, pid, ipc, uts and network namespace, an overlay over the
 * machine's files (nothing of the machine is written to), own /run, /tmp, /home and /dev, a cgroup of its
 * own, and the accounts ocsb, alice and bob. */

#include <sys/types.h>

#include "tap.h"

#define BED_OCSB 990
#define ALICE 20001
#define BOB 20002
#define ALICE_HOME "/home/alice"
#define WORKSPACE ALICE_HOME "/ws"

/* Runs fn in a bed and returns the exit status it ended with, 77 when there can be none here. Everything
 * that fn started is killed and gone afterwards. */
int bed_run(int (*fn)(void *userdata), void *userdata);

/* The build directory: OCSB_BUILD, or the one this program lies in. */
const char *bed_build_dir(void);

/* Files, as root. mode 0: the usual. */
void bed_write(const char *path, const char *text, mode_t mode, uid_t owner);
void bed_mkdir(const char *path, mode_t mode, uid_t owner);
void bed_copy(const char *from, const char *to, mode_t mode);
/* Contents, or NULL. Caller frees. */
char *bed_read(const char *path);
bool bed_exists(const char *path);
/* Removes a tree. */
void bed_remove(const char *path);

/* A listening stream socket; abstract when the name starts with '@'. */
int bed_listen(const char *name);

/* Runs fn in a child with the identity; returns its exit status or 128 + signal. */
int bed_as(uid_t uid, int (*fn)(void *userdata), void *userdata);

/* Counts what a leak would raise: mounts of this namespace, cgroups below ours, processes of ours. */
typedef struct BedCount {
        unsigned mounts, cgroups, processes;
} BedCount;
BedCount bed_count(void);
/* Open descriptors and resident pages (private, KiB) of a process. */
unsigned bed_fds_of(pid_t pid);
unsigned bed_memory_of(pid_t pid); /* 0 under a sanitizer, which keeps freed memory for a while */
/* Waits at most timeout_ms until fn() is true. */
bool bed_wait(bool (*fn)(void *userdata), void *userdata, unsigned timeout_ms);
