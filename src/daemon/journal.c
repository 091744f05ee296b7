/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Log records as journal entries with fields, so that `journalctl MESSAGE_ID=…` and OCSB_SESSION=… find
 * them. */

#include "journal.h"

#define SD_JOURNAL_SUPPRESS_LOCATION 1

#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static bool attached;

#define FIELDS_MAX 8u

typedef struct Fields {
        struct iovec iov[FIELDS_MAX];
        char text[FIELDS_MAX][2200];
        size_t n;
} Fields;

static void add(Fields *f, const char *name, const char *value) {
        int k;

        if (!value || f->n >= FIELDS_MAX)
                return;
        k = snprintf(f->text[f->n], sizeof(f->text[f->n]), "%s=%s", name, value);
        if (k < 0)
                return;
        f->iov[f->n].iov_base = f->text[f->n];
        f->iov[f->n].iov_len = MIN((size_t) k, sizeof(f->text[f->n]) - 1);
        f->n++;
}

static void journal_sink(int level, const LogContext *context, const char *message_id, const char *message) {
        static Fields f; /* one thread: 17 KiB that need not be on the stack */
        char number[16];

        f.n = 0;
        (void) snprintf(number, sizeof(number), "%d", level);
        add(&f, "PRIORITY", number);
        add(&f, "MESSAGE", message);
        add(&f, "MESSAGE_ID", message_id);
        if (context) {
                add(&f, "OCSB_SESSION", context->session);
                add(&f, "OCSB_PROFILE", context->profile);
                add(&f, "OCSB_STEP", context->step);
                add(&f, "OCSB_ACTION", context->action);
                if (context->owner != (uid_t) -1) {
                        (void) snprintf(number, sizeof(number), "%u", (unsigned) context->owner);
                        add(&f, "OCSB_OWNER_UID", number);
                }
        }
        (void) sd_journal_sendv(f.iov, (int) f.n);
}

void journal_attach(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        /* The variable alone proves nothing: it is inherited by those whose stderr was redirected. */
        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return;
        if (st.st_dev != (dev_t) device || st.st_ino != (ino_t) inode)
                return;
        attached = true;
        log_set_sink(journal_sink);
}

const char *journal_target(void) {
        return attached ? "journal" : "console";
}
