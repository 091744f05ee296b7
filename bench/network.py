# SPDX-License-Identifier: LGPL-2.1-or-later
"""What network "nat" costs, within an instance of scripts/with-ocsb --net: python3 bench/network.py OPTIONS-AS-JSON.

Adding and removing one session's network beside 1, 10, 100 and 1,000 others, against "nft -f" of the same policy and against netavark
(podman's); the whole of creating and removing a session with and without; bytes and connections through our rules, against
none, masquerading alone, and the rule set that the reference set-up has. All in turn, round after round. Prints one JSON
object."""

import array
import contextlib
import json
import os
import pwd
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE) + "/tests/network", os.path.dirname(HERE) + "/tests/bus", os.path.dirname(HERE) + "/scripts/lib"]

import wire  # noqa: E402
from inside import USER, Contender, Refused, Stopwatch, quantile, say  # noqa: E402
from namespace import ENVIRONMENT, CommandFailed, Namespace, veth  # noqa: E402

TABLE = "inet oc_sandbox"
NETAVARK = next((p for p in ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark") if os.path.exists(p)), None)
NETAVARK_MOST = 100  # each takes tens of milliseconds to set up
DIRECTORY = "/run/ocsb-bench-network"
FW = "/usr/libexec/ocsb/ocsb-fw"
FW_SOCKET = "/run/ocsb/fw.sock"
FW_ATTACH, FW_DETACH, FW_ATTACHED = 160, 161, 192
SERVER, SERVER_IPV6, PORT = "93.184.216.34", "2606:2800:220:1::34", 7000
SEED = """
table inet oc_seed {
  set private_ipv4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 } }
  set dns_servers { type ipv4_addr; elements = { 1.1.1.1, 8.8.8.8 } }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "docker0" oifname "docker0" accept
    iifname "docker0" ip daddr @private_ipv4 drop
    iifname "docker0" ip daddr @dns_servers tcp dport 53 accept
    iifname "docker0" ip daddr @dns_servers udp dport 53 accept
    iifname "docker0" accept
  }
}
"""
MASQUERADE = 'table ip nat { chain postrouting { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname "uplink" masquerade; }; }\n'


class Sessionless:
    """Networks of nobody's sessions, asked of ocsb-fw directly, in the place of ocsb-stage: the time of the network alone."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(30)
        self.sock.connect(FW_SOCKET)
        self.namespaces, self.tag = [], 0

    def prepare(self, count):
        """As the pool of ocsb-stage has them: the constant part of the fence inside is loaded."""
        while len(self.namespaces) < count:
            n = Namespace("bench")
            n.run([FW, "--namespace"])
            self.namespaces.append(n)

    def ask(self, kind, body, fds=()):
        self.tag += 1
        begin = time.perf_counter_ns()
        wire.send(self.sock, kind, self.tag, body, fds)
        while True:
            data = self.sock.recv(1 << 16)
            taken = time.perf_counter_ns() - begin
            _, answer, tag, _ = struct.unpack_from("<IIII", data)
            if tag == self.tag:
                break
        if answer == wire.ACK and struct.unpack_from("<I", data, 16)[0]:
            raise Refused(f"ocsb-fw: {data[20:].decode(errors='replace')}")
        return taken

    def once(self):
        """Added and removed; both times."""
        self.prepare(1)
        n = self.namespaces.pop()
        with n:
            sockets = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, f) for f in (0, 12)]  # ROUTE, NETFILTER
        ident = wire.string("bench_network")
        resolvers = b"".join(wire.string(socket.inet_aton(a)) for a in ("1.1.1.1", "8.8.8.8"))
        body = ident + struct.pack("<I", 1000) + struct.pack("<I", 2) + resolvers + struct.pack("<I", 0)
        try:
            added = self.ask(FW_ATTACH, body, array.array("i", [n.fd, *(s.fileno() for s in sockets)]))
            return added, self.ask(FW_DETACH, ident)
        finally:
            for s in sockets:
                s.close()
            n.close()


class Netavark:
    """In a host of its own: one bridge, a container for each."""

    def __init__(self):
        self.host = Namespace("netavark")
        self.host.sysctl(ipv4__ip_forward=1)
        self.present = []

    def options(self, i):
        path = f"{DIRECTORY}/netavark-{i}.json"
        network = {"name": "bench", "id": "b" * 64, "driver": "bridge", "network_interface": "podman9",
                   "subnets": [{"subnet": "10.89.0.0/16", "gateway": "10.89.0.1"}], "ipv6_enabled": False, "internal": False,
                   "dns_enabled": False, "ipam_options": {"driver": "host-local"}}
        with open(path, "w", encoding="ascii") as f:
            json.dump({"container_id": f"{i:064x}", "container_name": f"c{i}", "network_info": {"bench": network},
                       "networks": {"bench": {"interface_name": "eth0", "static_ips": [f"10.89.{i // 250}.{2 + i % 250}"]}}}, f)
        return path

    def command(self, i, what, n):
        return [NETAVARK, "--config", DIRECTORY, "--file", self.options(i), what, n.path]

    def fill(self, count):
        while len(self.present) < count:
            n = Namespace("c")
            self.host.run(self.command(len(self.present), "setup", n))
            self.present.append(n)

    def once(self, watch):
        n = Namespace("c")
        try:
            added = watch.ask("spawn", 1, *self.command(60000, "setup", n))["ns"][0]
            return added, watch.ask("spawn", 1, *self.command(60000, "teardown", n))["ns"][0]
        finally:
            n.close()


class Way:
    """A client, a host that forwards, a server; for ours the host is the instance's and the client a session."""

    def __init__(self, name, flow, host=None, rules="", bridge=False):
        self.name, self.flow, self.samples = name, flow, {"bytes": [], "connects": [], "bytes-ipv6": []}
        self.host, self.server = host or Namespace("host"), Namespace("server")
        self.client = None
        self.host.sysctl(ipv6__conf__default__accept_dad=0)
        self.server.sysctl(ipv6__conf__default__accept_dad=0, ipv4__conf__all__rp_filter=0)
        veth(self.host, "uplink", self.server, "eth0")
        self.host.ip("addr add 5.9.10.2/24 dev uplink", "addr add 2a01:4f8:10::2/64 dev uplink nodad", "route add default via 5.9.10.1",
                     "route add ::/0 via 2a01:4f8:10::1")
        self.server.ip("addr add 5.9.10.1/24 dev eth0", "addr add 2a01:4f8:10::1/64 dev eth0 nodad", f"addr add {SERVER}/32 dev eth0",
                       f"addr add {SERVER_IPV6}/128 dev eth0 nodad", "route add default via 5.9.10.2", "route add ::/0 via 2a01:4f8:10::2")
        if not host:
            self.client = Namespace("client")
            self.client.sysctl(ipv6__conf__default__accept_dad=0)
            self.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
            inner = "docker0"
            if bridge:
                self.host.ip("link add docker0 type bridge", "link set docker0 up")
                veth(self.host, "port", self.client, "eth0")
                self.host.ip("link set port master docker0")
            else:
                veth(self.host, "docker0", self.client, "eth0")
            self.host.ip(f"addr add 172.17.0.1/16 dev {inner}", f"addr add fd00:d0c::1/64 dev {inner} nodad")
            self.client.ip("addr add 172.17.0.2/16 dev eth0", "addr add fd00:d0c::2/64 dev eth0 nodad", "route add default via 172.17.0.1",
                           "route add ::/0 via fd00:d0c::1")
        if rules:
            self.host.nft(rules)
        self.serving = self.server.start([flow, "serve", str(PORT)], stdout=subprocess.PIPE, text=True)
        self.serving.stdout.readline()

    def once(self, what, seconds):
        address = SERVER_IPV6 if what.endswith("-ipv6") else SERVER
        out = self.client.run([self.flow, what.partition("-")[0], address, str(PORT), str(seconds)])
        self.samples[what].append(float(out.splitlines()[-1]))

    def close(self):
        self.serving.kill()
        self.serving.wait()


class Bench:
    def __init__(self, options):
        self.options, self.skipped = options, {}
        os.makedirs(DIRECTORY, exist_ok=True)
        build = options["build"]
        self.flow, measure = build + "/bench/flow", build + "/bench/measure"
        self.here = Namespace.here("host")
        self.ours = Way("ours", self.flow, host=self.here)  # before any session: they have IPv6 when the host has it
        account = pwd.getpwnam(USER)
        self.workspace = account.pw_dir + "/bench"
        os.mkdir(self.workspace)
        os.chown(self.workspace, account.pw_uid, account.pw_gid)
        self.none, self.nat = (Stopwatch(measure, self.workspace, user=account) for _ in range(2))
        self.nat.ask("network", "nat")
        self.none.ask("open", "bench_none")
        self.nat.ask("open", "bench_nat")
        self.elsewhere = Namespace("nft")
        with self.elsewhere:
            self.root = Stopwatch(measure, DIRECTORY)
        self.direct = Sessionless()
        self.netavark = None
        if not NETAVARK:
            self.skipped["netavark"] = "not installed"
        else:
            self.netavark = Netavark()
            with self.netavark.host:
                self.netavark_watch = Stopwatch(measure, DIRECTORY)

    def reload_file(self, present):
        """The policy of all present sessions as a file, in the way in which nftables.service would load it."""
        path = f"{DIRECTORY}/reload-{present}.nft"
        with open(path, "w", encoding="ascii") as f:
            f.write(f"add table {TABLE}\ndelete table {TABLE}\n" + self.here.run(["nft", "-s", "list", "table", *TABLE.split()]))
        return path

    def level(self, present):
        say(f"networks of {present} sessions present")
        self.nat.ask("fill", max(present - 1, 0))  # and the standing one
        time.sleep(0.5)
        rows = {name: [] for name in ("add", "remove", "netavark-add", "netavark-remove")}
        reload = self.reload_file(present)
        contenders = [Contender("true", self.none, ["spawn", "/bin/true"]),
                      Contender("create-none", self.none, ["create"]), Contender("create-nat", self.nat, ["create"]),
                      Contender("remove-none", self.none, ["remove"]), Contender("remove-nat", self.nat, ["remove"]),
                      Contender("nft-reload", self.root, ["spawn", "nft", "-f", reload])]
        if self.netavark and present <= NETAVARK_MOST:
            self.netavark.fill(present)
        for r in range(self.options["rounds"]):
            for c in contenders:
                c.samples += c.once(3 if c.name != "nft-reload" or present < 1000 else 1)
            for _ in range(3):
                self.direct.prepare(1)
                added, removed = self.direct.once()
                rows["add"].append(added)
                rows["remove"].append(removed)
            if self.netavark and present <= NETAVARK_MOST and r % 2 == 0:
                added, removed = self.netavark.once(self.netavark_watch)
                rows["netavark-add"].append(added)
                rows["netavark-remove"].append(removed)
        rows.update({c.name: c.samples for c in contenders})
        return {"present": present, **{name: {"n": len(v), "p50_ms": quantile(v, 0.5) / 1e6, "p99_ms": quantile(v, 0.99) / 1e6}
                                       for name, v in rows.items() if v}}

    def forwarding(self):
        say("forwarding")
        ways = [Way("none", self.flow), Way("masquerade", self.flow, rules=MASQUERADE),
                Way("seed", self.flow, rules=SEED + MASQUERADE, bridge=True), self.ours]
        inode = subprocess.run(["ocsbctl", "exec", "bench_nat", "--", "readlink", "/proc/self/ns/net"], stdout=subprocess.PIPE, check=True,
                               text=True, env=ENVIRONMENT).stdout.strip()
        self.ours.client = next(Namespace.of_process(p, "session") for p in os.listdir("/proc") if p.isdigit() and has_network(p, inode))
        seconds = 0.3 if self.options["quick"] else 0.5
        for r in range(self.options["forward_rounds"]):
            turn = ways[r % len(ways):] + ways[:r % len(ways)]
            for what in ("bytes", "connects", "bytes-ipv6"):
                for way in turn:
                    if f"{way.name}/{what}" in self.skipped:
                        continue
                    try:
                        way.once(what, seconds)
                    except (CommandFailed, ValueError, IndexError) as e:
                        self.skipped[f"{way.name}/{what}"] = str(e).splitlines()[-1]
        for way in ways:
            way.close()
        return {way.name: {what: {"n": len(v), "p50_per_s": quantile(v, 0.5)} for what, v in way.samples.items() if v} for way in ways}

    def run(self):
        result = {}
        try:
            result["forward"] = self.forwarding()
            result["levels"] = [self.level(n) for n in self.options["network_levels"]]
        except (Refused, CommandFailed, OSError, subprocess.SubprocessError) as e:
            self.skipped["network"] = f"{type(e).__name__}: {e}"
        with contextlib.suppress(Refused):
            self.nat.ask("fill", 0)
        return {**result, "skipped": self.skipped}


def has_network(pid, wanted):
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == wanted
    except OSError:
        return False


if __name__ == "__main__":
    json.dump(Bench(json.loads(sys.argv[1])).run(), sys.stdout)
    print()
