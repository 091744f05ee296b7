# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everybody who answers in the small world: one thread that serves HTTP, echo and DNS on sockets of several namespaces."""

import contextlib
import selectors
import socket
import struct
import threading

ANSWERS = {"example.com": ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")}


def dns_answer(query):
    """To a query for an A or AAAA record; None to nonsense. Unknown names do not exist."""
    if len(query) < 17:
        return None
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    found = ANSWERS.get(".".join(labels).lower())
    head = query[:2] + struct.pack("!HHHHH", 0x8180 if found else 0x8183, 1, 1 if found and kind in (1, 28) else 0, 0, 0)
    if not found or kind not in (1, 28):
        return head + question
    data = socket.inet_pton(*((socket.AF_INET, found[0]) if kind == 1 else (socket.AF_INET6, found[1])))
    return head + question + struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(data)) + data


class Servers(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True, name="servers")
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.wake_r, self.wake_w = socket.socketpair()
        self.selector.register(self.wake_r, selectors.EVENT_READ, self._woken)
        self.ending = False

    def _woken(self, sock):
        sock.recv(4096)

    def _add(self, sock, handler):
        sock.setblocking(False)
        with self.lock:
            self.selector.register(sock, selectors.EVENT_READ, handler)  # epoll sees it at once, also from another thread
        return sock

    def listen(self, namespace, port, address=None, family=None):
        """TCP: a GET gets a small page that names the server, other bytes come back, DNS on port 53."""
        for f in (family,) if family else (socket.AF_INET, socket.AF_INET6):
            with namespace:
                sock = socket.socket(f, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if f == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address or ("0.0.0.0" if f == socket.AF_INET else "::"), port))
            sock.listen(1024)
            self._add(sock, lambda s, p=port, n=namespace.name: self._accept(s, p, n))

    def resolver(self, namespace, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace:
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6,
                        15 if family == socket.AF_INET else 78, 1)  # IP_FREEBIND, IPV6_FREEBIND
        sock.bind((address, 53))
        self._add(sock, self._dns)

    def receive(self, sock, handler):
        """handler(sock) whenever it is readable."""
        self._add(sock, handler)

    def _dns(self, sock):
        with contextlib.suppress(OSError):
            query, peer = sock.recvfrom(2000)
            answer = dns_answer(query)
            if answer:
                sock.sendto(answer, peer)

    def _accept(self, sock, port, name):
        with contextlib.suppress(OSError):
            for _ in range(64):
                client, _ = sock.accept()
                local = client.getsockname()[0]
                self._add(client, lambda s: self._talk(s, port, f"{name} {local}"))

    def _talk(self, sock, port, name):
        try:
            data = sock.recv(65536)
            if not data:
                raise OSError
            if data.startswith(b"GET "):
                body = f"{name} {port}\n".encode()
                data = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            elif port == 53:
                answer = dns_answer(data[2:])
                data = struct.pack("!H", len(answer)) + answer if answer else b""
            sock.send(data)
        except OSError:
            with self.lock:
                self.selector.unregister(sock)
            sock.close()

    def run(self):
        while not self.ending:
            for key, _ in self.selector.select():
                with contextlib.suppress(KeyError):
                    key.data(key.fileobj)

    def stop(self):
        self.ending = True
        self.wake_w.send(b"x")
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
