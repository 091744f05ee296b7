# SPDX-License-Identifier: LGPL-2.1-or-later
"""The measuring, within an instance that scripts/with-ocsb has made: python3 bench/inside.py OPTIONS-AS-JSON.

Runs as root of the instance. The stopwatches (bench/measure) run as the user whom the example rule lets create sessions,
and as root. Contenders take turns, a few times each and round after round, so that whatever else the machine does
meets all of them alike. Prints one JSON object."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE) + "/scripts/lib"]

import kernel  # noqa: E402
import peers   # noqa: E402

USER = "openclaw"
STANDING = "bench_standing"
SLOW_NS = 20e6  # what takes longer has its turn once a round, not BURST times
BURST = 5


class Refused(Exception):
    """What the stopwatch or the thing measured had to say."""


class Stopwatch:
    """As the user, or as root, with or without the mounts that peers need."""

    def __init__(self, program, workspace, user=None, for_peers=False):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/root"}
        how = {"preexec_fn": peers.enter_mounts} if for_peers else {}
        if user:
            env.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
            how = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.process = subprocess.Popen([program, workspace, USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=env, **how)

    def ask(self, *words):
        self.process.stdin.write("\t".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Refused(f"the stopwatch ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(f"{words[0]}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Contender:
    """One row: words for a stopwatch. every: takes part in each so many rounds."""

    def __init__(self, name, watch, words, every=1):
        self.name, self.watch, self.words, self.every = name, watch, words, every
        self.burst, self.samples = BURST, []

    def once(self, count):
        return self.watch.ask(self.words[0], count, *self.words[1:])["ns"]


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.options, self.skipped, self.result = options, {}, {}
        account = pwd.getpwnam(USER)
        self.workspace = account.pw_dir + "/bench"
        os.mkdir(self.workspace)
        os.chown(self.workspace, account.pw_uid, account.pw_gid)
        self.root_workspace = peers.DIRECTORY + "/workspace"
        os.makedirs(self.root_workspace)
        measure = options["build"] + "/bench/measure"
        self.user = Stopwatch(measure, self.workspace, user=account)
        self.builder = Stopwatch(measure, self.workspace)
        self.root = Stopwatch(measure, self.root_workspace, for_peers=True)
        self.user.ask("open", STANDING)
        self.builder.ask("open-stage")

    def contenders(self):
        floor = [self.options["build"] + "/bench/floor", self.workspace, "/bin/true"]
        found = [
            Contender("true", self.user, ["spawn", "/bin/true"]),
            Contender("floor", self.user, ["spawn", *floor]),
            Contender("stage-create", self.builder, ["stage"]),
            Contender("bus-create", self.user, ["create"]),
            Contender("bus-first", self.user, ["first"]),
            Contender("bus-remove", self.user, ["remove"]),
            Contender("ocsbctl-run", self.user, ["spawn", "ocsbctl", "run", "--", "/bin/true"]),
            Contender("bwrap", self.user, ["spawn", *peers.bubblewrap(self.workspace)]),
            Contender("bwrap-root", self.root, ["spawn", *peers.bubblewrap(self.root_workspace)]),
            Contender("floor-exec", self.user, ["floor-exec"]),
            Contender("channel-exec", self.user, ["channel"]),
            Contender("bus-exec", self.user, ["bus"]),
            Contender("ocsbctl-exec", self.user, ["spawn", "ocsbctl", "exec", STANDING, "--", "/bin/true"]),
        ]
        for names, every, make in ((("crun-run", "crun-exec"), 1, lambda: peers.oci_runtime("crun", self.root_workspace)),
                                   (("runc-run", "runc-exec"), 1, lambda: peers.oci_runtime("runc", self.root_workspace)),
                                   (("podman-run", "podman-exec"), 5, lambda: peers.podman(self.root_workspace))):
            try:
                found += [Contender(n, self.root, ["spawn", *argv], every=every) for n, argv in zip(names, make())]
            except (OSError, subprocess.SubprocessError) as e:
                self.skipped.update(dict.fromkeys(names, str(e)))
        return [c for c in found if not self.options["only"] or c.name in ("true", *self.options["only"])]

    def warm_up(self, contenders):
        ready = []
        for c in contenders:
            try:
                c.once(1)
                c.burst = 1 if quantile(c.once(2), 0) > SLOW_NS else BURST
                ready.append(c)
            except Refused as e:
                self.skipped[c.name] = str(e)
        return ready

    def latencies(self):
        contenders = self.warm_up(self.contenders())
        rounds = self.options["rounds"]
        for r in range(rounds):
            if r % 10 == 0:
                say(f"round {r} of {rounds}")
            for c in list(contenders):
                try:
                    if r % c.every == 0:
                        c.samples += c.once(c.burst)
                except Refused as e:
                    self.skipped[c.name] = f"in round {r}: {e}"
                    contenders.remove(c)
        self.result["latency"] = {
            c.name: {"n": len(c.samples), **{f"p{q}_ms": quantile(c.samples, q / 100) / 1e6 for q in (10, 50, 99)}}
            for c in contenders}

    def rates(self):
        """8 callers, each its own connection; and bytes through one pipe."""
        say("throughput")
        quick = self.options["quick"]
        kinds = {"fork": ("parallel", "fork", 8, 200 if quick else 500), "floors": ("parallel", "floor", 8, 20 if quick else 60), "cold": ("parallel", "cold", 8, 10 if quick else 40),
                 "warm": ("parallel", "warm", 8, 100 if quick else 300)}
        size = 256 << 20 if quick else 1 << 30
        kinds.update({"pipe-plain": ("throughput", "plain", size), "pipe-exec": ("throughput", "exec", size)})
        samples = {name: [] for name in kinds}
        for _ in range(3 if quick else 7):
            for name in list(samples):
                try:
                    samples[name].append(self.user.ask(*kinds[name])["per_second"])
                except Refused as e:
                    self.skipped[name] = str(e)
                    del samples[name]
        self.result["rate"] = {name: {"p50_per_s": quantile(v, 0.5), "n": len(v)} for name, v in samples.items()}

    def growth(self):
        """create, remove and exec beside so many idle sessions, each level with its own "true"; memory of all that is ours."""
        rows = [Contender("true", self.user, ["spawn", "/bin/true"]), Contender("bus-create", self.user, ["create"]),
                Contender("bus-remove", self.user, ["remove"]), Contender("channel-exec", self.user, ["channel"])]
        levels = []
        try:
            for idle in self.options["levels"]:
                say(f"{idle} idle sessions")
                start = time.monotonic()
                self.user.ask("fill", idle)
                filled = time.monotonic() - start
                time.sleep(1)  # self-probes and spare children
                memory = memory_of_ours()
                for c in rows:
                    c.samples = []
                for _ in range(4 if self.options["quick"] else 20):
                    for c in rows:
                        c.samples += c.once(BURST)
                levels.append({"idle": idle, "fill_s": filled, **memory,
                               **{c.name + "_p50_ms": quantile(c.samples, 0.5) / 1e6 for c in rows}})
        except Refused as e:
            self.skipped["growth"] = str(e)
        self.result["growth"] = levels

    def run(self):
        try:
            self.latencies()
            if not self.options["only"]:
                self.rates()
                self.growth()
        finally:
            for watch in (self.user, self.builder, self.root):
                watch.close()
            shutil.rmtree(self.workspace, ignore_errors=True)
        return {**self.result, "skipped": self.skipped}


def memory_of_ours():
    """Proportional set size of every process in the subtree of the cgroup in which with-ocsb has started the daemons."""
    top = os.path.dirname(kernel.own_cgroup()) + "/ocsb"
    total, count = 0, 0
    for directory, _, _ in os.walk(top):
        with open(directory + "/cgroup.procs", encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                    total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
                    count += 1
            except (OSError, StopIteration):
                pass  # it has just ended
    return {"pss_kib": total, "processes": count}


def main():
    json.dump(Bench(json.loads(sys.argv[1])).run(), sys.stdout)
    print()


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(f"bench: {refusal}")
    except KeyboardInterrupt:
        sys.exit(130)
