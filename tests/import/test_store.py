# SPDX-License-Identifier: LGPL-2.1-or-later
"""The store: what is shared, what goes, and that an end at any step leaves nothing but what the next start takes away."""

import errno
import gzip
import os
import subprocess
import threading
import time

import pytest
from images import as_archive, directory, docker_save, entry, layout, sha, tar
from importer import BUILD, IMPORT, IMPORTED, MIB, UID, Died, Refused, Request, Store

ONE = tar(directory("etc"), entry("etc/one", data=b"1" * 1000))
TWO = tar(entry("two", data=b"2" * 2000))
THREE = tar(directory("d"), entry("d/three", data=b"3" * 3000))


def hexes(*layers):
    return sorted(sha(layer) for layer in layers)


def digest(layer):
    return "sha256:" + sha(layer)


# Names and references

def test_tags(store, file):
    image = store.load(file(as_archive(layout([ONE]))), "a:1")
    store.tag(image["id"], "localhost:5000/b/c:2")
    assert store.names("tags") == ["a:1", "localhost:5000+b+c:2"]
    assert open(store.path + "/tags/a:1", encoding="utf-8").read() == image["id"] + "\n"
    other = store.load(file(as_archive(layout([TWO]))), "a:1")
    assert open(store.path + "/tags/a:1", encoding="utf-8").read() == other["id"] + "\n", "the name moves"
    with pytest.raises(Refused, match="no image sha256"):
        store.tag("sha256:" + "0" * 64, "x:1")


def test_remove_by_name_takes_the_image_with_its_last_name(store, file):
    image = store.load(file(as_archive(layout([ONE]))), "a:1")
    store.tag(image["id"], "b:1")
    assert store.remove("a:1") == {"images": 0, "layers": 0, "bytes": 0}
    assert store.names("layers") == hexes(ONE)
    assert store.remove("b:1") == {"images": 1, "layers": 1, "bytes": 1000}
    assert store.is_empty()


def test_remove_by_digest_takes_all_names(store, file):
    image = store.load(file(as_archive(layout([ONE]))), "a:1")
    store.tag(image["id"], "b:1")
    assert store.remove(image["id"])["images"] == 1
    assert store.is_empty()


def test_remove_what_is_not_there(store, file):
    store.load(file(as_archive(layout([ONE]))), "a:1")
    for what in ("b:1", "sha256:" + "0" * 64):
        with pytest.raises(Refused, match="there is no image"):
            store.remove(what)
    assert store.names("tags") == ["a:1"]


def test_shared_layers_stay(store, file):
    store.load(file(as_archive(layout([ONE, TWO]))), "a:1")
    store.load(file(as_archive(layout([ONE, THREE]))), "b:1")
    assert store.names("layers") == hexes(ONE, TWO, THREE)
    assert store.remove("a:1") == {"images": 1, "layers": 1, "bytes": 2000}
    assert store.names("layers") == hexes(ONE, THREE)


def test_layers_of_living_sessions_stay(store, file):
    store.load(file(as_archive(layout([ONE, TWO]))), "a:1")
    assert store.remove("a:1", keep=[digest(ONE)])["layers"] == 1
    assert store.names("layers") == hexes(ONE) and store.names("images") == []
    assert store.prune(keep=[digest(ONE)])["layers"] == 0
    assert store.prune() == {"images": 0, "layers": 1, "bytes": 1000}
    assert store.is_empty()


def test_prune(store, file):
    store.load(file(as_archive(layout([ONE]))), "a:1")
    store.load(file(as_archive(layout([TWO]))))
    assert store.prune()["images"] == 0
    assert store.prune(everything=True) == {"images": 1, "layers": 1, "bytes": 2000}
    assert store.names("layers") == hexes(ONE) and store.names("tags") == ["a:1"]


def test_damaged_record(store, file):
    """An image whose record is not what its name says is none; a new import mends it."""
    image = store.load(file(as_archive(layout([ONE]))), "a:1")
    with open(f"{store.path}/images/{image['id'][7:]}", "a", encoding="utf-8") as f:
        f.write(" ")
    again = store.load(file(as_archive(layout([ONE]))), "a:1")
    assert again["id"] == image["id"]
    assert store.prune()["layers"] == 0


# Who may

def test_store_of_somebody_else(place, file):
    for change in (lambda p: os.chown(p, 0, 0), lambda p: os.chmod(p, 0o770), lambda p: os.chmod(p, 0o707)):
        path = f"{place}/store-{time.monotonic_ns()}"
        store = Store(path)
        change(path)
        with pytest.raises(Refused, match="has to belong to ocsb-import alone"):
            store.load(file(ONE))
        assert os.listdir(path) == []


def test_importer_does_not_work_in_the_first_user_namespace():
    """T12: with real capabilities it would be over everything."""
    done = subprocess.run([f"{BUILD}/src/import/ocsb-import"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 1 and "user namespace of its own" in done.stderr


def test_rights_of_the_importer(store):
    """No capability but three, no network, no other process, an id that is no image's, no descriptor but its own."""
    r, w = os.pipe()
    request = store.begin(r)
    try:
        for _ in range(100):
            status = dict(line.split(":\t", 1) for line in open(f"/proc/{request.pid}/status", encoding="utf-8").read().splitlines() if ":\t" in line)
            if status["CapEff"] == "000000000000000b" and status["NoNewPrivs"] == "1" and len(os.listdir(f"/proc/{request.pid}/fd")) > 5:
                break
            time.sleep(0.02)
        assert {status[n] for n in ("CapEff", "CapPrm", "CapBnd")} == {"000000000000000b"}
        assert {status[n] for n in ("CapInh", "CapAmb")} == {"0000000000000000"}
        assert status["Uid"].split() == [str(UID)] * 4 and status["Gid"].split() == [str(UID)] * 4 and not status["Groups"].split()
        assert status["NSpid"].split()[1] == "1"
        for name in ("user", "net", "mnt", "pid", "ipc", "uts"):
            assert os.readlink(f"/proc/{request.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
        links = [os.readlink(f"/proc/{request.pid}/fd/{n}") for n in os.listdir(f"/proc/{request.pid}/fd")]
        assert all(x.startswith((store.path, "/dev/null", "socket:", "pipe:", "/tmp")) for x in links), links
        environment = open(f"/proc/{request.pid}/environ", "rb").read().split(b"\0")
        assert not [v for v in environment if v and not v.startswith(b"ASAN_OPTIONS=")], environment
    finally:
        os.close(w)
        os.close(r)
        with pytest.raises(Refused, match="empty"):
            request.answer()


# The end at any moment (at any step: test_faults.py)

def test_kill_at_any_moment(store, file):
    source = file(tar(*[entry(f"d{i % 7}/f{i}", data=os.urandom(3000)) for i in range(3000)]))
    for i in range(12):
        request = store.begin(source, "a:1")
        time.sleep(0.004 * i * i % 0.4)
        try:
            request.kill()
        except ProcessLookupError:
            pass
        try:
            request.answer()
        except (Died, ConnectionError):
            pass
        store.prune(everything=False)
        assert store.names("tmp") == []
        assert len(store.names("layers")) == len(store.names("images"))
    assert store.load(source, "a:1")["layers"][0]["entries"] == 3007


# Cancel

@pytest.mark.parametrize("when", ("before the first byte", "while it reads", "while it unpacks"))
def test_cancel(store, when):
    """The asker leaves; the importer ends soon, and leaves nothing."""
    r, w = os.pipe()
    request = store.begin(r)
    data = tar(*[entry(f"f{i}", data=os.urandom(MIB)) for i in range(4)])
    if when == "while it reads":
        data = as_archive(layout([data]))
    if when != "before the first byte":
        threading.Thread(target=lambda: os.write(w, data[:3 * MIB]), daemon=True).start()
        time.sleep(0.3)
    begin = time.monotonic()
    request.end()
    assert time.monotonic() - begin < 2
    os.close(r)
    os.close(w)
    assert store.names("tmp") == [] and store.is_empty()


def test_progress(store, file):
    result = store.load(file(tar(*[entry(f"f{i}", data=os.urandom(1000)) for i in range(6000)])))
    seen = result["progress"]
    assert len(seen) >= 2
    assert [p[0] for p in seen] == sorted(p[0] for p in seen) and seen[-1][0] == 2
    assert all(p[1] <= p[2] for p in seen) and [p[1] for p in seen] == sorted(p[1] for p in seen)


def test_asker_who_does_not_read(store, file):
    """Progress is dropped then, and the answer waits."""
    request = store.begin(file(tar(*[entry(f"f{i}", data=b"x" * 100) for i in range(6000)])))
    time.sleep(1)
    assert request.answer()[0] == IMPORTED


# Disk full

def test_disk_full_at_every_step(place):
    """A small disk, a little less of it free each time: a sentence, and nothing left."""
    image = place + "/disk"
    with open(image, "wb") as f:
        f.truncate(12 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "400", "-O", "^has_journal", image], check=True)
    os.mkdir(place + "/mnt")
    done = subprocess.run(["mount", "-o", "loop", image, place + "/mnt"], stderr=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    try:
        store = Store(place + "/mnt/store")
        entries, _ = docker_save([tar(*[entry(f"f{i}", data=os.urandom(20000)) for i in range(40)]),
                                  tar(*[directory(f"d{i}") for i in range(50)], *[entry(f"d{i}/f", data=os.urandom(9000)) for i in range(50)])])
        sources = [tar(*entries), gzip.compress(tar(*entries), 1)]
        names = []
        for i, data in enumerate(sources):
            names.append(f"{place}/source-{i}")
            with open(names[-1], "wb") as f:
                f.write(data)
        refused = 0
        for source in names:
            for free in (0, 4, 16, 100, 300, 700, 900, 1000, 1150, 1300, 1500, 2000):
                fill(place + "/mnt", free << 10)
                try:
                    store.load(source, "a:1")
                    store.remove("a:1")
                except Refused as e:
                    refused += 1
                    assert e.error in (errno.ENOSPC, errno.EBADMSG) and "disk is full" in e.text or "No space left" in e.text, e
                os.unlink(place + "/mnt/filler")
                assert store.is_empty(), free
        assert refused >= 8
        # No inode left is a full disk, too.
        for i in range(400):
            try:
                open(f"{place}/mnt/i{i}", "w", encoding="utf-8").close()
            except OSError:
                break
        for i in range(60):
            os.unlink(f"{place}/mnt/i{i}")
        with pytest.raises(Refused, match="disk is full"):
            store.load(names[0], "a:1")
        assert store.is_empty()
    finally:
        subprocess.run(["umount", place + "/mnt"], check=True)


def fill(mount, free):
    """Takes all of the disk but that many bytes."""
    with open(mount + "/filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 65536)
        except OSError:
            pass
        os.fsync(f.fileno())
        f.truncate(max(0, os.fstat(f.fileno()).st_size - free))
        os.fsync(f.fileno())


# Together

def test_imports_at_the_same_time(store, file):
    """Of one layer, by two: it is there once; while one runs nothing is removed."""
    sources = [file(as_archive(layout([ONE, tar(entry(f"own{i}", data=b"x" * i))]))) for i in range(4)]
    requests = [store.begin(s, f"t:{i}") for i, s in enumerate(sources)]
    for request in requests:
        assert request.answer()[0] == IMPORTED
    assert len(store.names("layers")) == 5 and len(store.names("images")) == 4 and store.names("tmp") == []


def test_nothing_is_removed_while_an_import_runs(store, file):
    store.load(file(as_archive(layout([ONE]))), "a:1")
    r, w = os.pipe()
    request = store.begin(r)
    try:
        deadline = time.monotonic() + 10
        while not store.names("tmp") and time.monotonic() < deadline:
            time.sleep(0.01)
        for act in (lambda: store.remove("a:1"), store.prune):
            with pytest.raises(Refused, match="being imported: try again") as caught:
                act()
            assert caught.value.error == errno.EBUSY
        store.tag("sha256:" + open(store.path + "/tags/a:1", encoding="utf-8").read()[7:71], "b:1")
        store.load(file(as_archive(layout([TWO]))), "c:1")
    finally:
        request.end()
        os.close(r)
        os.close(w)
    assert store.remove("a:1")["images"] == 0 and store.names("tags") == ["b:1", "c:1"]


def test_store_removed_under_the_importer(store, file, place):
    """T12: nothing is made anew where somebody else might have put a directory."""
    r, w = os.pipe()
    request = store.begin(r)
    deadline = time.monotonic() + 10
    while not store.names("tmp") and time.monotonic() < deadline:
        time.sleep(0.01)
    subprocess.run(["rm", "-rf", store.path + "/tmp", store.path + "/layers"], check=True)
    os.symlink(place, store.path + "/layers")
    os.mkdir(store.path + "/tmp")
    threading.Thread(target=lambda: (os.write(w, ONE), os.close(w)), daemon=True).start()
    with pytest.raises(Refused):
        request.answer()
    os.close(r)
    assert sha(ONE) not in os.listdir(place)


def test_garbage_requests(store):
    for body, fds in ((b"", 2), (b"\xff" * 100, 2), (b"", 0)):
        opened = [store.open() for _ in range(fds)]
        with pytest.raises(Refused):
            Request(IMPORT, body, opened).answer()
        for fd in opened:
            os.close(fd)
    with pytest.raises(Refused):
        store.request(299, b"")
    assert store.is_empty()
