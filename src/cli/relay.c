/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The loop of exec, run and shell. In the ordinary case (pipes and files) it polls two descriptors, the
 * channel and the signals, and copies nothing.
 *
 * Signals to us: INT, QUIT, USR1, USR2 are passed on to the exec's process group (on a pty INT and QUIT as
 * the characters that mean them). TERM, HUP and a second INT end the exec: SIGTERM inside, after two seconds
 * SIGKILL to everything in it, after another second we go, and what is left is killed because the channel
 * closes. TSTP stops the exec and us, CONT continues both. */

#include "relay.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "terminal.h"

#define GRACE_MSEC 2000
#define KILL_MSEC 1000

int exit_status(const MsgExited *m) {
        if (m->flags & MSG_EXITED_TIMEOUT)
                return 124;
        if (m->signal > 0)
                return 128 + (int) m->signal;
        return (int) (m->code & 0xff);
}

static uint64_t now_msec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

static void finish(Relay *r, RelayEnd end) {
        r->end = end;
        r->done = true;
}

static void send_signal(Relay *r, int sig) {
        _cleanup_writer_ WireWriter w = {};
        const MsgSignal m = { .exec_id = r->exec_id, .signal = (uint32_t) sig };

        /* A monitor that is gone shows as the end of the channel. */
        msg_signal_encode(&w, &m);
        (void) wire_send(r->channel, WIRE_SIGNAL, ++r->tag, &w, NULL, 0);
}

/* Asks, then kills, then leaves; called again by the deadline. */
static void end_exec(Relay *r, int sig) {
        r->signal = sig;
        if (!r->started || r->kills >= 2) {
                finish(r, RELAY_ENDED_BY_SIGNAL);
                return;
        }
        send_signal(r, r->kills == 0 ? SIGTERM : SIGKILL);
        r->deadline = now_msec() + (r->kills == 0 ? GRACE_MSEC : KILL_MSEC);
        r->kills++;
}

static void resize(Relay *r) {
        struct winsize ws = {};

        /* Of the terminal that is looked at; without one the pty keeps what it was made with. */
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0)
                return;
        if (r->master >= 0 && ws.ws_row > 0 && ws.ws_col > 0)
                (void) ioctl(r->master, TIOCSWINSZ, &ws);
}

/* Ctrl-Z in our terminal, or a job control signal from outside. */
static void suspend(Relay *r) {
        if (r->pty)
                terminal_restore();
        else if (r->started)
                send_signal(r, SIGSTOP);
        (void) kill(getpid(), SIGSTOP);
        /* Here somebody said SIGCONT. */
        if (r->pty) {
                (void) terminal_raw(STDIN_FILENO);
                resize(r);
        } else if (r->started)
                send_signal(r, SIGCONT);
}

static void on_signal(Relay *r, int sig) {
        const char interrupt = 0x03, quit = 0x1c;

        switch (sig) {
        case SIGWINCH:
                resize(r);
                break;
        case SIGTSTP:
                suspend(r);
                break;
        case SIGTERM:
        case SIGHUP:
                end_exec(r, sig);
                break;
        default:
                if (!r->started || (sig == SIGINT && r->interrupts++ > 0 && !r->pty))
                        end_exec(r, sig);
                else if (r->pty && r->master >= 0 && (sig == SIGINT || sig == SIGQUIT))
                        (void) !write(r->master, sig == SIGINT ? &interrupt : &quit, 1);
                else
                        send_signal(r, sig);
        }
}

static int on_started(Relay *r, WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        int k;

        r->exec_id = wire_get_u32(&reader);
        (void) wire_get_u32(&reader); /* pid inside */
        if (wire_reader_finish(&reader) < 0 || r->started || r->pty != (m->n_fds == 1))
                return -EBADMSG;
        r->started = true;
        stdio_started(r->stdio);
        if (r->detach) {
                finish(r, RELAY_STARTED);
                return 0;
        }
        if (!r->pty)
                return 0;
        r->master = TAKE_FD(m->fds[0]);
        k = stdio_prepare_pty(r->master, r->stdio);
        if (k < 0)
                return k;
        (void) terminal_raw(STDIN_FILENO);
        resize(r); /* it may have changed since we asked */
        return 0;
}

/* One message of the monitor. Returns 0 or -EBADMSG. */
static int on_message(Relay *r, WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        int k;

        switch (m->type) {
        case WIRE_ACK:
                k = msg_ack_decode(&reader, &r->error, r->text, sizeof(r->text));
                /* Answers to signals: an exec that has just ended is no news. */
                if (k >= 0 && !r->started && r->error != 0)
                        finish(r, RELAY_REFUSED);
                return k;
        case WIRE_EVENT_STARTED:
                return on_started(r, m);
        case WIRE_EVENT_FAILED:
                k = msg_failed_decode(&reader, &r->failed);
                if (k >= 0)
                        finish(r, RELAY_FAILED);
                return k;
        case WIRE_EVENT_EXITED:
                k = msg_exited_decode(&reader, &r->exited);
                if (k >= 0)
                        finish(r, RELAY_EXITED);
                return k;
        default:
                return -EBADMSG;
        }
}

static int on_channel(Relay *r) {
        _cleanup_message_ WireMessage m = {};
        int k = wire_recv(r->channel, &m);

        if (k == -EAGAIN)
                return 0;
        if (k > 0)
                k = on_message(r, &m);
        else if (k == 0)
                finish(r, RELAY_LOST);
        if (k < 0) {
                r->error = -k;
                finish(r, RELAY_LOST);
        }
        return 0;
}

/* Signals that whoever started us ignores (nohup, a background job of sh) stay ignored: blocked they would
 * be queued and read. */
static int open_signals(Relay *r) {
        static const int wanted[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2,
                SIGWINCH };

        sigemptyset(&r->blocked);
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                struct sigaction sa;

                if (wanted[i] == SIGWINCH && !r->pty)
                        continue;
                if (sigaction(wanted[i], NULL, &sa) >= 0 && sa.sa_handler != SIG_IGN)
                        sigaddset(&r->blocked, wanted[i]);
        }
        if (sigprocmask(SIG_BLOCK, &r->blocked, NULL) < 0)
                return -errno;
        r->signal_fd = signalfd(-1, &r->blocked, SFD_CLOEXEC | SFD_NONBLOCK);
        return r->signal_fd < 0 ? -errno : 0;
}

static void read_signals(Relay *r) {
        struct signalfd_siginfo si;

        while (!r->done && read(r->signal_fd, &si, sizeof(si)) == (ssize_t) sizeof(si))
                on_signal(r, (int) si.ssi_signo);
}

/* One round: waits, then handles what there is. draining: the program has ended. */
static int iterate(Relay *r, bool draining) {
        struct pollfd p[2 + 2 * 3];
        uint64_t now = 0;
        int timeout = -1, k;

        p[0] = (struct pollfd) { .fd = draining ? -1 : r->channel, .events = POLLIN };
        p[1] = (struct pollfd) { .fd = r->signal_fd, .events = POLLIN };
        for (size_t i = 0; i < 3; i++) {
                stream_poll(&r->stdio->streams[i], p + 2 + 2 * i);
                /* Nothing is read for a program that is not there yet. */
                if (!r->started)
                        p[2 + 2 * i].fd = p[3 + 2 * i].fd = -1;
        }
        if (r->deadline > 0) {
                now = now_msec();
                timeout = now < r->deadline ? (int) (r->deadline - now) : 0;
        }
        if (poll(p, ELEMENTSOF(p), timeout) < 0)
                return errno == EINTR ? 0 : -errno;

        /* Data before the news of the end, signals before both. */
        if (p[1].revents)
                read_signals(r);
        for (size_t i = 0; i < 3; i++) {
                Stream *s = &r->stdio->streams[i];

                if (!p[2 + 2 * i].revents && !p[3 + 2 * i].revents)
                        continue;
                k = stream_step(s, p + 2 + 2 * i);
                if (k < 0)
                        return k;
        }
        /* A pty whose output nobody reads any more hangs up, as a terminal that was closed. */
        if (r->pty && r->master >= 0 && r->started && stream_finished(&r->stdio->streams[1])) {
                r->stdio->streams[0].start = r->stdio->streams[0].end = 0;
                r->stdio->streams[0].sink = -EBADF;
                stream_done(&r->stdio->streams[0]);
                r->master = fd_close(r->master);
        }
        if (p[0].revents && !r->done)
                k = on_channel(r);
        else
                k = 0;
        if (k >= 0 && !r->done && r->deadline > 0 && now_msec() >= r->deadline)
                end_exec(r, r->signal);
        return k;
}

/* The program is gone: what it has written is still to be delivered. */
static int drain(Relay *r) {
        RelayEnd end = r->end;
        int k;

        r->deadline = 0;
        r->done = false;
        for (;;) {
                bool left = false;

                for (size_t i = 0; i < 3; i++) {
                        Stream *s = &r->stdio->streams[i];

                        if (!stream_finished(s) && (s->start == s->end || s->input)) {
                                k = stream_drain(s);
                                if (k < 0)
                                        return k;
                        }
                        left = left || !stream_finished(s);
                }
                if (!left)
                        break;
                k = iterate(r, true);
                if (k < 0)
                        return k;
                /* A caller that does not read and wants us gone. */
                if (r->kills > 0 || r->interrupts > 1)
                        break;
        }
        r->end = end;
        return 0;
}

int relay_run(Relay *r) {
        bool outputs;
        int k;

        r->master = r->signal_fd = -EBADF;
        r->tag = RELAY_EXEC_TAG;
        r->started = r->done = false;
        r->deadline = 0;
        r->interrupts = r->kills = 0;
        k = open_signals(r);
        while (k >= 0 && !r->done)
                k = iterate(r, false);
        outputs = r->started && !r->detach && (r->end == RELAY_EXITED || r->end == RELAY_LOST);
        if (k >= 0 && outputs) {
                r->kills = r->interrupts = 0;
                k = drain(r);
        }
        terminal_restore();
        if (r->pty)
                stdio_done(r->stdio);
        r->master = fd_close(r->master);
        r->signal_fd = fd_close(r->signal_fd);
        /* What follows (a prompt, the end of a session) can be interrupted again. */
        (void) sigprocmask(SIG_UNBLOCK, &r->blocked, NULL);
        return k;
}
