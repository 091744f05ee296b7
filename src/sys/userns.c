/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parent and the child of a start, in this order:
 *   child  #1 waits             parent #2 writes both maps, says so
 *   child  #3 becomes the user, gives up all but the mask, takes its descriptors, executes: the end of its pipe tells #4 that it worked */

#include "userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/process.h"

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID)

static int write_map(pid_t pid, const char *which, uint32_t sub, uint32_t count, uint32_t self) {
        char path[64], text[96];

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, which);
        (void) snprintf(text, sizeof(text), "0 %u %u\n%u %u 1\n", sub, count, count, self);
        return file_write_at(AT_FDCWD, path, text);
}

/* The three numbers that the program expects; everything else closes by itself (O_CLOEXEC), and is closed to be sure. */
static int place_descriptors(const UsernsProgram *p, int status) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), program, keep;

        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                return -errno;
        program = fcntl(p->program, F_DUPFD_CLOEXEC, 10);
        keep = fcntl(status, F_DUPFD_CLOEXEC, 10);
        if (program < 0 || keep < 0 || dup2(p->socket, USERNS_SOCKET) < 0)
                return -errno;
        /* Where the socket had that number already, dup2() has changed nothing. */
        if (fcntl(USERNS_SOCKET, F_SETFD, 0) < 0)
                return -errno;
        if (dup2(program, 5) < 0 || dup2(keep, 4) < 0 || fcntl(4, F_SETFD, FD_CLOEXEC) < 0 || fcntl(5, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        return syscall(SYS_close_range, 6, ~0U, 0) < 0 ? -errno : 0;
}

static _noreturn_ void child(const UsernsProgram *p, int go, int status) {
        char byte;
        int r;

        if (fd_read_full(go, &byte, 1) != 1)
                _exit(125);
        signals_reset();
        (void) setsid();
        r = place_descriptors(p, status);
        if (r >= 0) {
                status = 4;
                r = identity_become_with((uid_t) p->sub_count, (gid_t) p->sub_count, p->capabilities);
        }
        /* After the change of ids, which clears it. */
        if (r >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                r = -errno;
        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = -errno;
        if (r >= 0) {
                (void) syscall(SYS_execveat, 5, "", p->argv, p->env, AT_EMPTY_PATH);
                r = -errno;
        }
        (void) fd_write_all(status, &r, sizeof(r));
        _exit(125);
}

static int hand_over(const UsernsProgram *p, pid_t pid, int go, int status) {
        int r, error = 0;
        ssize_t n;

        r = write_map(pid, "uid_map", p->sub_id, p->sub_count, p->uid);
        if (r >= 0)
                r = write_map(pid, "gid_map", p->sub_id, p->sub_count, p->gid);
        if (r >= 0)
                r = fd_write_all(go, "", 1);
        if (r < 0)
                return r;
        n = fd_read_full(status, &error, sizeof(error));
        if (n < 0)
                return (int) n;
        return n == sizeof(error) && error < 0 ? error : 0;
}

pid_t userns_start(const UsernsProgram *p, int *ret_pidfd) {
        _cleanup_close_ int go_read = -EBADF, go_write = -EBADF, status_read = -EBADF, status_write = -EBADF, pidfd = -EBADF;
        int go[2], status[2], r;
        pid_t pid;

        if (p->uid == 0 || p->gid == 0 || p->sub_id == 0 || p->sub_count == 0)
                return -EINVAL;
        if (pipe2(go, O_CLOEXEC) < 0)
                return -errno;
        go_read = go[0];
        go_write = go[1];
        if (pipe2(status, O_CLOEXEC) < 0)
                return -errno;
        status_read = status[0];
        status_write = status[1];
        pid = process_clone(NAMESPACES, p->cgroup_fd, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0) {
                fd_close(go_write);
                fd_close(status_read);
                child(p, go_read, status_write);
        }
        status_write = fd_close(status_write);
        go_read = fd_close(go_read);
        r = hand_over(p, pid, go_write, status_read);
        if (r < 0) {
                (void) pidfd_signal(pidfd, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                return r;
        }
        *ret_pidfd = TAKE_FD(pidfd);
        return pid;
}
