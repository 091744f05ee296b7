/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bodies of all messages but the plan. Members travel in the order of their struct. A decoder that
 * returns success has checked everything that the receiver uses as an index, a count, an errno, a signal or
 * a name. */

#include "message.h"

#define ERRNO_MAX 4095u /* the kernel's MAX_ERRNO */
#define SIGNAL_MAX 64u
#define SIZE_OF_TTY_MAX 65535u /* struct winsize has 16 bits */

/* Exec */

void msg_exec_done(MsgExec *m) {
        free(m->argv);
        free(m->env);
        free(m->cwd);
        *m = (MsgExec) {};
}

void msg_exec_encode(WireWriter *w, const MsgExec *m) {
        wire_put_u32(w, m->flags);
        wire_put_u32(w, m->rows);
        wire_put_u32(w, m->cols);
        wire_put_u64(w, m->timeout_usec);
        wire_put_strv(w, m->argv, m->n_argv);
        wire_put_strv(w, m->env, m->n_env);
        wire_put_string(w, m->cwd);
        wire_put_u32(w, (uint32_t) m->n_fds);
        for (size_t i = 0; i < m->n_fds; i++)
                wire_put_u32(w, m->fd_numbers[i]);
}

static int validate_fd_numbers(const MsgExec *m, const char **ret_why) {
        uint32_t seen = 0;

        if (m->n_fds > MSG_EXEC_FDS_MAX)
                return wire_refuse(ret_why, "fds: more than 16", -E2BIG);
        if (m->n_fds > 0 && (m->flags & MSG_EXEC_PTY))
                return wire_refuse(ret_why, "fds: none may be given with a pty", -EINVAL);
        for (size_t i = 0; i < m->n_fds; i++) {
                uint32_t n = m->fd_numbers[i];

                if (n >= MSG_EXEC_FDS_MAX)
                        return wire_refuse(ret_why, "fds: a number above 15", -EINVAL);
                if (seen & (UINT32_C(1) << n))
                        return wire_refuse(ret_why, "fds: a number twice", -EINVAL);
                seen |= UINT32_C(1) << n;
        }
        return 0;
}

int msg_exec_validate(const MsgExec *m, const char **ret_why) {
        size_t total = 0;
        int r;

        if (m->flags & ~(uint32_t) _MSG_EXEC_FLAGS_ALL)
                return wire_refuse(ret_why, "flags: an unknown one", -EINVAL);
        if (m->rows > SIZE_OF_TTY_MAX || m->cols > SIZE_OF_TTY_MAX)
                return wire_refuse(ret_why, "rows, cols: above 65535", -EINVAL);
        if (m->n_argv == 0 || m->argv[0][0] == 0)
                return wire_refuse(ret_why, "argv: empty", -EINVAL);
        if (m->n_argv > MSG_EXEC_ARGS_MAX)
                return wire_refuse(ret_why, "argv: more than 4096 arguments", -E2BIG);
        for (size_t i = 0; i < m->n_argv; i++) {
                size_t n = strlen(m->argv[i]);

                if (n > MSG_EXEC_ARG_BYTES_MAX)
                        return wire_refuse(ret_why, "argv: an argument longer than 128 KiB", -E2BIG);
                total += n + 1;
        }
        if (m->n_env > MSG_EXEC_ENV_MAX)
                return wire_refuse(ret_why, "env: more than 1024 variables", -E2BIG);
        for (size_t i = 0; i < m->n_env; i++) {
                size_t n = strlen(m->env[i]);

                if (!env_assignment_valid(m->env[i]))
                        return wire_refuse(ret_why, "env: not of the form NAME=value", -EINVAL);
                if (n > MSG_EXEC_ARG_BYTES_MAX)
                        return wire_refuse(ret_why, "env: a variable longer than 128 KiB", -E2BIG);
                total += n + 1;
        }
        if (total > MSG_EXEC_BYTES_MAX)
                return wire_refuse(ret_why, "argv, env: together more than 1 MiB", -E2BIG);
        if (m->cwd && m->cwd[0] && !path_is_normal(m->cwd))
                return wire_refuse(ret_why, "cwd: not a normal absolute path", -EINVAL);
        r = validate_fd_numbers(m, ret_why);
        if (r < 0)
                return r;
        return wire_refuse(ret_why, NULL, 0);
}

int msg_exec_decode(WireReader *r, MsgExec *ret, const char **ret_why) {
        _cleanup_msg_exec_ MsgExec m = {};
        size_t n_fds;
        int k;

        m.flags = wire_get_u32(r);
        m.rows = wire_get_u32(r);
        m.cols = wire_get_u32(r);
        m.timeout_usec = wire_get_u64(r);
        m.argv = wire_get_strv(r, MSG_EXEC_ARGS_MAX, MSG_EXEC_ARG_BYTES_MAX, &m.n_argv);
        m.env = wire_get_strv(r, MSG_EXEC_ENV_MAX, MSG_EXEC_ARG_BYTES_MAX, &m.n_env);
        m.cwd = wire_get_string(r, 4095);
        n_fds = wire_get_count(r, MSG_EXEC_FDS_MAX, sizeof(uint32_t));
        for (; m.n_fds < n_fds; m.n_fds++)
                m.fd_numbers[m.n_fds] = wire_get_u32(r);
        k = wire_reader_finish(r);
        if (k < 0)
                return wire_refuse(ret_why, wire_error_why(k), k);
        k = msg_exec_validate(&m, ret_why);
        if (k < 0)
                return k == -EINVAL ? -EBADMSG : k;
        *ret = m;
        m = (MsgExec) {};
        return 0;
}

/* Outcomes */

void msg_failed_encode(WireWriter *w, const MsgFailed *m) {
        wire_put_u32(w, m->error);
        wire_put_u32(w, m->status);
        wire_put_buf(w, m->step, sizeof(m->step));
        wire_put_buf(w, m->text, sizeof(m->text));
}

int msg_failed_decode(WireReader *r, MsgFailed *ret) {
        MsgFailed m = {};
        int k;

        m.error = wire_get_u32(r);
        m.status = wire_get_u32(r);
        wire_get_string_buf(r, m.step, sizeof(m.step));
        wire_get_string_buf(r, m.text, sizeof(m.text));
        wire_malformed_unless(r, m.error > 0 && m.error <= ERRNO_MAX && m.status <= 255);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        return 0;
}

void msg_ready_done(MsgReady *m) {
        free(m->resolved);
        *m = (MsgReady) {};
}

void msg_ready_encode(WireWriter *w, const MsgReady *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_u32(w, m->monitor_pid);
        wire_put_u32(w, m->landlock_abi);
        wire_put_buf(w, m->cgroup, sizeof(m->cgroup));
        wire_put_string(w, m->resolved);
}

int msg_ready_decode(WireReader *r, MsgReady *ret) {
        _cleanup_(msg_ready_done) MsgReady m = {};
        int k;

        wire_get_id(r, m.id);
        m.monitor_pid = wire_get_u32(r);
        m.landlock_abi = wire_get_u32(r);
        wire_get_string_buf(r, m.cgroup, sizeof(m.cgroup));
        m.resolved = wire_get_string(r, WIRE_BODY_MAX);
        /* A pid of 0 or -1 in kill() or pidfd_open() would mean a group or everyone. */
        wire_malformed_unless(r, m.monitor_pid > 0 && m.monitor_pid <= INT32_MAX);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (MsgReady) {};
        return 0;
}

void msg_ended_encode(WireWriter *w, const MsgEnded *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_buf(w, m->reason, sizeof(m->reason));
}

int msg_ended_decode(WireReader *r, MsgEnded *ret) {
        MsgEnded m = {};
        int k;

        wire_get_id(r, m.id);
        wire_get_string_buf(r, m.reason, sizeof(m.reason));
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        return 0;
}

/* Control of a running exec */

void msg_signal_encode(WireWriter *w, const MsgSignal *m) {
        wire_put_u32(w, m->exec_id);
        wire_put_u32(w, m->signal);
}

int msg_signal_decode(WireReader *r, MsgSignal *ret) {
        MsgSignal m = {};
        int k;

        m.exec_id = wire_get_u32(r);
        m.signal = wire_get_u32(r);
        wire_malformed_unless(r, m.signal >= 1 && m.signal <= SIGNAL_MAX);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        return 0;
}

void msg_resize_encode(WireWriter *w, const MsgResize *m) {
        wire_put_u32(w, m->exec_id);
        wire_put_u32(w, m->rows);
        wire_put_u32(w, m->cols);
}

int msg_resize_decode(WireReader *r, MsgResize *ret) {
        MsgResize m = {};
        int k;

        m.exec_id = wire_get_u32(r);
        m.rows = wire_get_u32(r);
        m.cols = wire_get_u32(r);
        wire_malformed_unless(r, m.rows >= 1 && m.rows <= SIZE_OF_TTY_MAX);
        wire_malformed_unless(r, m.cols >= 1 && m.cols <= SIZE_OF_TTY_MAX);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        return 0;
}

void msg_exited_encode(WireWriter *w, const MsgExited *m) {
        wire_put_u32(w, m->exec_id);
        wire_put_u32(w, m->code);
        wire_put_u32(w, m->signal);
        wire_put_u32(w, m->flags);
        wire_put_u64(w, m->user_usec);
        wire_put_u64(w, m->system_usec);
        wire_put_u64(w, m->max_rss);
}

int msg_exited_decode(WireReader *r, MsgExited *ret) {
        MsgExited m = {};
        int k;

        m.exec_id = wire_get_u32(r);
        m.code = wire_get_u32(r);
        m.signal = wire_get_u32(r);
        m.flags = wire_get_u32(r);
        m.user_usec = wire_get_u64(r);
        m.system_usec = wire_get_u64(r);
        m.max_rss = wire_get_u64(r);
        wire_malformed_unless(r, m.code <= 255 && m.signal <= SIGNAL_MAX);
        wire_malformed_unless(r, !(m.flags & ~(uint32_t) _MSG_EXITED_FLAGS_ALL));
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        return 0;
}

/* What a monitor tells about itself */

void msg_info_done(MsgInfo *m) {
        free(m->running);
        *m = (MsgInfo) {};
}

void msg_info_encode(WireWriter *w, const MsgInfo *m) {
        wire_put_u64(w, m->execs_total);
        wire_put_u32(w, m->frozen);
        wire_put_u64(w, m->last_used_usec);
        wire_put_u32(w, (uint32_t) m->n_running);
        for (size_t i = 0; i < m->n_running; i++)
                wire_put_u32(w, m->running[i]);
}

int msg_info_decode(WireReader *r, MsgInfo *ret) {
        _cleanup_(msg_info_done) MsgInfo m = {};
        size_t n;
        int k;

        m.execs_total = wire_get_u64(r);
        m.frozen = wire_get_u32(r);
        m.last_used_usec = wire_get_u64(r);
        wire_malformed_unless(r, m.frozen <= 1);
        n = wire_get_count(r, MSG_INFO_RUNNING_MAX, sizeof(uint32_t));
        if (n > 0) {
                m.running = calloc(n, sizeof(uint32_t));
                if (!m.running)
                        return -ENOMEM;
        }
        for (; m.n_running < n; m.n_running++)
                m.running[m.n_running] = wire_get_u32(r);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (MsgInfo) {};
        return 0;
}

void msg_probe_done(MsgProbe *m) {
        free(m->items);
        *m = (MsgProbe) {};
}

void msg_probe_encode(WireWriter *w, const MsgProbe *m) {
        wire_put_u32(w, (uint32_t) m->n_items);
        for (size_t i = 0; i < m->n_items; i++) {
                wire_put_u32(w, m->items[i].result);
                wire_put_buf(w, m->items[i].name, sizeof(m->items[i].name));
                wire_put_buf(w, m->items[i].detail, sizeof(m->items[i].detail));
        }
}

int msg_probe_decode(WireReader *r, MsgProbe *ret) {
        _cleanup_(msg_probe_done) MsgProbe m = {};
        size_t n;
        int k;

        n = wire_get_count(r, PROBE_ITEMS_MAX, 3 * sizeof(uint32_t));
        if (n > 0) {
                m.items = calloc(n, sizeof(ProbeItem));
                if (!m.items)
                        return -ENOMEM;
        }
        for (; m.n_items < n; m.n_items++) {
                ProbeItem *i = m.items + m.n_items;

                i->result = wire_get_u32(r);
                wire_get_string_buf(r, i->name, sizeof(i->name));
                wire_get_string_buf(r, i->detail, sizeof(i->detail));
                wire_malformed_unless(r, i->result < _PROBE_RESULT_MAX);
        }
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (MsgProbe) {};
        return 0;
}

const char *probe_result_to_string(ProbeResult v) {
        static const char *const names[_PROBE_RESULT_MAX] = {
                [PROBE_HELD] = "held",
                [PROBE_BROKEN] = "broken",
                [PROBE_NOT_PROVABLE] = "not-provable",
        };

        return v < _PROBE_RESULT_MAX ? names[v] : NULL;
}

/* Short answers */

/* At most max bytes of s that do not end within a UTF-8 sequence: these texts become D-Bus strings, and a
 * bus disconnects who sends a broken one. */
static size_t cut_text(const char *s, size_t n, size_t max) {
        if (n <= max)
                return n;
        while (max > 0 && ((uint8_t) s[max] & 0xc0) == 0x80)
                max--;
        return max;
}

void msg_ack_encode(WireWriter *w, int error, const char *text) {
        wire_put_u32(w, error < 0 ? 0u - (uint32_t) error : (uint32_t) error);
        wire_put_bytes(w, text, text ? cut_text(text, strlen(text), MSG_ACK_TEXT_MAX) : 0);
}

int msg_ack_decode(WireReader *r, int *ret_error, char *ret_text, size_t text_size) {
        uint32_t error = wire_get_u32(r);
        size_t n;
        const char *text = wire_get_bytes(r, MSG_ACK_TEXT_MAX, &n);
        int k;

        wire_malformed_unless(r, error <= ERRNO_MAX && text && !memchr(text, 0, n));
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret_error = (int) error;
        if (text_size > 0) {
                n = cut_text(text, n, text_size - 1);
                memcpy(ret_text, text, n);
                ret_text[n] = 0;
        }
        return 0;
}

int msg_id_decode(WireReader *r, char ret[static SESSION_ID_MAX + 1]) {
        char id[SESSION_ID_MAX + 1];
        int k;

        wire_get_id(r, id);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        memcpy(ret, id, sizeof(id));
        return 0;
}
