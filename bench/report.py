# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of scripts/bench: the table with targets, the kept ones, and whether something has become slower."""

import datetime
import json
import os
import platform
import subprocess
import sys

WORSE = 1.15
OURS = ("stage-create", "bus-create", "bus-first", "bus-remove", "ocsbctl-run", "channel-exec", "bus-exec", "ocsbctl-exec",
        "cold", "warm", "pipe-exec", "growth")
LABELS = {
    "true": "true: vfork, exec and wait of /bin/true",
    "floor": "floor: the least that makes a sandbox, exec /bin/true",
    "stage-create": "create to READY, asked of ocsb-stage",
    "bus-create": "create to READY over D-Bus, polkit asked before",
    "bus-first": "create to READY over D-Bus, new connection",
    "bus-remove": "remove, until nothing is left",
    "ocsbctl-run": "ocsbctl run -- /bin/true",
    "bwrap": "bwrap --unshare-all, as user",
    "bwrap-root": "bwrap --unshare-all, as root",
    "crun-run": "crun run, as root, no seccomp",
    "runc-run": "runc run, as root, no seccomp",
    "podman-run": "podman run (crun), as root",
    "floor-exec": "floor: a message to a resident PID 1, exec /bin/true",
    "channel-exec": "exec through an open channel",
    "bus-exec": "exec by the D-Bus method",
    "ocsbctl-exec": "ocsbctl exec, whole process",
    "crun-exec": "crun exec, as root",
    "runc-exec": "runc exec, as root",
    "podman-exec": "podman exec (crun), as root",
    "fork": "fork and exec", "floors": "floor", "cold": "create, exec, remove", "warm": "exec through a channel each",
    "pipe-plain": "head -c, plain pipe", "pipe-exec": "head -c, in a sandbox",
}


def p50(result, name):
    return result.get("latency", {}).get(name, {}).get("p50_ms")


def rate(result, name):
    return result.get("rate", {}).get(name, {}).get("p50_per_s")


def ratio(a, b):
    return a / b if a and b else None


def growth(result):
    """create beside the most idle sessions against create beside none, each as a multiple of its own "true"."""
    levels = result.get("growth") or []
    if len(levels) < 2:
        return None
    first, last = (x["bus-create_p50_ms"] / x["true_p50_ms"] for x in (levels[0], levels[-1]))
    return last / first


def memory(result, idle=None):
    """KiB for each idle session, between none and so many."""
    levels = result.get("growth") or []
    level = next((x for x in levels[1:] if idle in (None, x["idle"])), None)
    return (level["pss_kib"] - levels[0]["pss_kib"]) / level["idle"] if level else None


def network_level(result, present):
    levels = result.get("network", {}).get("levels", [])
    return next((level for level in levels if level["present"] == present), None)


def network_added(result):
    """What nat adds to a create beside 100 others, in units of the "true" of the same round."""
    level = network_level(result, 100)
    return (level["create-nat"]["p50_ms"] - level["create-none"]["p50_ms"]) / level["true"]["p50_ms"] if level else None


def network_growth(result):
    levels = result.get("network", {}).get("levels", [])
    return levels[-1]["add"]["p50_ms"] / levels[0]["add"]["p50_ms"] if len(levels) > 1 else None


def forward_ratio(what, beside):
    def value(result):
        rows = result.get("network", {}).get("forward", {})
        return ratio(rows.get("ours", {}).get(what, {}).get("p50_per_s"), rows.get(beside, {}).get(what, {}).get("p50_per_s"))
    return value


# What performance.md aims for: name, value of a result, limit, whether more is better, unit.
TARGETS = (
    ("create over D-Bus / floor", lambda r: ratio(p50(r, "bus-create"), p50(r, "floor")), 1.3, False, "×"),
    ("ocsbctl run / bwrap as user", lambda r: ratio(p50(r, "ocsbctl-run"), p50(r, "bwrap")), 0.9, False, "×"),
    ("exec by channel / true", lambda r: ratio(p50(r, "channel-exec"), p50(r, "true")), 1.3, False, "×"),
    ("ocsbctl exec / true", lambda r: ratio(p50(r, "ocsbctl-exec"), p50(r, "true")), 3, False, "×"),
    ("ocsbctl exec / crun exec", lambda r: ratio(p50(r, "ocsbctl-exec"), p50(r, "crun-exec")), 0.45, False, "×"),
    ("8 callers, cold / fork and exec", lambda r: ratio(rate(r, "cold"), rate(r, "fork")), 0.13, True, "×"),
    ("8 callers, warm / fork and exec", lambda r: ratio(rate(r, "warm"), rate(r, "fork")), 0.33, True, "×"),
    ("create beside idle sessions / alone", growth, 1.2, False, "×"),
    ("memory of an idle session", memory, 350, False, "KiB"),
    ("bytes out of a sandbox / plain pipe", lambda r: ratio(rate(r, "pipe-exec"), rate(r, "pipe-plain")), 0.9, True, "×"),
    ("network nat in a create, beside 100", network_added, 2.5, False, "true"),
    ("add a network, beside most / beside 1", network_growth, 1.5, False, "×"),
    ("connections/s, ours / reference set-up", forward_ratio("connects", "seed"), 0.9, True, "×"),
    ("bytes/s, ours / no rules", forward_ratio("bytes", "none"), 0.8, True, "×"),
)


def difference(result, a, b):
    a, b = p50(result, a), p50(result, b)
    return a - b if a and b else None


# What stands behind the targets, measured in the same run: the same work done by the least that can do it, and what asking
# polkit costs a caller that it does not know yet.
CONTEXT = (
    ("exec by channel / exec by the floor's PID 1", lambda r: ratio(p50(r, "channel-exec"), p50(r, "floor-exec")), "×"),
    ("exec by the floor's PID 1 / true", lambda r: ratio(p50(r, "floor-exec"), p50(r, "true")), "×"),
    ("create, asked of ocsb-stage / floor", lambda r: ratio(p50(r, "stage-create"), p50(r, "floor")), "×"),
    ("a new connection and polkit's first answer", lambda r: difference(r, "bus-first", "bus-create"), "ms"),
    ("ocsbctl run without those / bwrap as user", lambda r: ratio(
        p50(r, "ocsbctl-run") - (difference(r, "bus-first", "bus-create") or 0), p50(r, "bwrap")) if p50(r, "ocsbctl-run") else None,
     "×"),
    ("8 callers: floors / fork and exec", lambda r: ratio(rate(r, "floors"), rate(r, "fork")), "×"),
    ("8 callers: cold / floors", lambda r: ratio(rate(r, "cold"), rate(r, "floors")), "×"),
)


def describe(source, quick):
    git = subprocess.run(["git", "-C", source, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False, text=True)
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_kib = int(f.readline().split()[1])
    return {"schema": 1, "date": datetime.date.today().isoformat(), "commit": git.stdout.strip(), "quick": quick,
            "host": {"cpus": os.cpu_count(), "machine": platform.machine(), "memory_gib": round(memory_kib / (1 << 20)),
                     "linux": ".".join(platform.release().split(".")[:2])}}


def host_words(result):
    h = result["host"]
    return f"{h['machine']}-{h['cpus']}cpu-{h['memory_gib']}g-linux{h['linux']}"


def load(path):
    with open(path, encoding="ascii") as f:
        return json.load(f)


def save(result, path):
    text = json.dumps(result, indent=1, sort_keys=True) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def keep(source, result):
    directory = source + "/bench/results"
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/{result['date']}-{host_words(result)}.json"
    save(result, path)
    return path


def last_kept(source, result):
    """Of the same kind of machine when there is one, else of any."""
    directory = source + "/bench/results"
    names = sorted(n for n in os.listdir(directory) if n.endswith(".json")) if os.path.isdir(directory) else []
    same = [n for n in names if n.endswith(f"-{host_words(result)}.json")]
    return load(f"{directory}/{(same or names)[-1]}") if names else None


def number(value, digits=2):
    return "" if value is None else f"{value:.{digits}f}"


def print_latencies(result, out):
    true = p50(result, "true")
    print(f"{'whole time to the end, ms':<56}{'p50':>9}{'p99':>9}{'n':>6}{'× true':>9}{'× floor':>9}", file=out)
    for name, label in LABELS.items():
        row = result["latency"].get(name)
        if row:
            print(f"{label:<56}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['n']:>6}{number(row['p50_ms'] / true):>9}"
                  f"{number(ratio(row['p50_ms'], p50(result, 'floor'))):>9}", file=out)


def print_rates(result, out):
    print(f"\n{'8 callers at once; one pipe':<56}{'per second':>18}{'ratio':>9}", file=out)
    for name in ("fork", "floors", "cold", "warm", "pipe-plain", "pipe-exec"):
        value, unit = rate(result, name), "pipe-plain" if name.startswith("pipe") else "fork"
        if value:
            shown = f"{value / 1e9:.2f} GB" if name.startswith("pipe") else f"{value:.0f}"
            print(f"{LABELS[name]:<56}{shown:>18}{number(ratio(value, rate(result, unit))):>9}", file=out)


def print_growth(result, out):
    print(f"\n{'idle sessions':<14}{'create ms':>10}{'× true':>8}{'remove ms':>11}{'× true':>8}{'exec ms':>9}{'× true':>8}"
          f"{'PSS MiB':>9}{'processes':>11}{'KiB a session':>15}", file=out)
    for level in result["growth"]:
        create, remove, execute, true = (level[k + "_p50_ms"] for k in ("bus-create", "bus-remove", "channel-exec", "true"))
        print(f"{level['idle']:<14}{create:>10.3f}{create / true:>8.2f}{remove:>11.3f}{remove / true:>8.2f}{execute:>9.3f}"
              f"{execute / true:>8.2f}{level['pss_kib'] / 1024:>9.1f}{level['processes']:>11}"
              f"{number(memory(result, level['idle']), 0):>15}", file=out)


NETWORK_ROWS = (("add", "add a session's network, asked of ocsb-fw"), ("remove", "remove it"),
                ("nft-reload", "nft -f of the same policy, whole"), ("netavark-add", "netavark setup"),
                ("netavark-remove", "netavark teardown"), ("create-none", "create to READY, network none"),
                ("create-nat", "create to READY, network nat"), ("remove-none", "remove, network none"),
                ("remove-nat", "remove, network nat"), ("true", "true"))
FORWARD_ROWS = (("none", "no rules"), ("masquerade", "masquerading alone"), ("seed", "the reference set-up's rules, docker0"),
                ("ours", "ours, both fences"))


def print_network(network, out):
    for what, why in network.get("skipped", {}).items():
        print(f"left out of the network: {what}: {why}", file=out)
    levels = network.get("levels", [])
    if levels:
        print(f"\n{'ms, p50 and p99, beside so many networks':<46}" + "".join(f"{level['present']:>18}" for level in levels), file=out)
    for name, label in NETWORK_ROWS if levels else ():
        cells = (level.get(name) for level in levels)
        print(f"{label:<46}" + "".join(f"{c['p50_ms']:>10.3f}{c['p99_ms']:>8.2f}" if c else f"{'':>18}" for c in cells), file=out)
    rows = network.get("forward", {})
    if rows:
        print(f"\n{'through the host':<46}{'IPv4 GB/s':>12}{'IPv6 GB/s':>12}{'connections/s':>15}", file=out)
    for name, label in FORWARD_ROWS if rows else ():
        cells = [rows.get(name, {}).get(what, {}).get("p50_per_s") for what in ("bytes", "bytes-ipv6", "connects")]
        print(f"{label:<46}{number(cells[0] and cells[0] / 1e9):>12}{number(cells[1] and cells[1] / 1e9):>12}{number(cells[2], 0):>15}",
              file=out)


def print_table(result, out):
    h = result["host"]
    print(f"\nocsb {result['commit'] or '?'}, {result['date']}: {h['cpus']} CPUs, {h['memory_gib']} GiB, Linux {h['linux']}"
          + (", quick run" if result["quick"] else "") + "\n", file=out)
    print_latencies(result, out)
    if result.get("rate"):
        print_rates(result, out)
    if result.get("growth"):
        print_growth(result, out)
    if result.get("network"):
        print_network(result["network"], out)
    print(f"\n{'target':<40}{'is':>12}{'wanted':>14}", file=out)
    for name, value_of, limit, more, unit in TARGETS:
        value = value_of(result)
        if value is not None:
            met = value >= limit if more else value <= limit
            print(f"{name:<40}{number(value) + ' ' + unit:>12}{('≥ ' if more else '≤ ') + str(limit) + ' ' + unit:>14}  "
                  + ("met" if met else "MISSED"), file=out)
    print("", file=out)
    for name, value_of, unit in CONTEXT:
        value = value_of(result)
        if value is not None:
            print(f"{name:<48}{number(value) + ' ' + unit:>12}", file=out)
    for name, why in result["skipped"].items():
        print(f"left out: {LABELS.get(name, name)}: {why}", file=out)


def comparable(result):
    """What a change of ours can make worse: name to a number that is better when smaller."""
    values = {LABELS[n]: ratio(p50(result, n), p50(result, "true")) for n in OURS if n in LABELS}
    for name, unit in (("cold", "fork"), ("warm", "fork"), ("pipe-exec", "pipe-plain")):
        values[LABELS[name]] = ratio(rate(result, unit), rate(result, name))
    values["memory of an idle session"] = memory(result)
    values["create beside idle sessions"] = growth(result)
    return {name: value for name, value in values.items() if value}


def print_comparison(result, baseline, out):
    """The names of what has become worse."""
    if not baseline:
        print("\nno kept result to compare with (--keep makes one)", file=out)
        return []
    print(f"\nbeside {baseline['date']} {baseline['commit']}" + ("" if baseline["host"] == result["host"] else
                                                                " (another machine)"), file=out)
    old, new, worse = comparable(baseline), comparable(result), []
    for name in old.keys() & new.keys():
        if new[name] > old[name] * WORSE:
            worse.append(name)
    for name in [n for n in new if n in old]:
        print(f"{name:<56}{old[name]:>9.2f} ->{new[name]:>9.2f}" + ("  WORSE" if name in worse else ""), file=out)
    return worse
