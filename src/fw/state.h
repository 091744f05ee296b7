/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What outlives ocsb-fw: a record per session and the lockdown flag in /run/ocsb/fw, and the administrator's configuration. */

#include "wire/network.h"

#define STATE_CONFIG_FILE OCSB_CONFIG_DIR "/firewall.json"

typedef struct StateRecord {
        char id[SESSION_ID_MAX + 1];
        uint32_t uid, slot;
        NetAddress ipv4, ipv6; /* ipv6.family 0: none */
        bool opened;           /* FW_OPEN_INNER was asked for */
        NetIntent intent;
} StateRecord;

/* A directory of this process's user alone; made when it is not there and may be. */
int state_open(const char *path);
int state_save(int dir_fd, const StateRecord *r);
int state_load(int dir_fd, const char *id, StateRecord *ret);
void state_remove(int dir_fd, const char *id);
/* Also takes away what a kill in the middle of a write left. */
int state_foreach(int dir_fd, int (*fn)(const char *id, void *userdata), void *userdata);

bool state_lockdown(int dir_fd);
int state_set_lockdown(int dir_fd, bool on);

typedef struct StateConfig {
        NetPrefix pool_ipv4, pool_ipv6;
} StateConfig;
/* The defaults when there is no such file. ret_why (caller frees): what is wrong with it, a sentence with its name. */
int state_read_config(const char *path, StateConfig *ret, char **ret_why);
int state_parse_config(const char *text, size_t n, const char *name, StateConfig *ret, char **ret_why);
