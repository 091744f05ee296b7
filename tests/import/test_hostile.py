# SPDX-License-Identifier: LGPL-2.1-or-later
"""The corpus of malicious images. Of each: nothing outside of the store changes, and what is refused leaves nothing in it."""

import ctypes
import gzip
import json
import os
import struct
import tarfile
import threading
import zlib

import pytest
from images import (PACKERS, as_archive, as_directory, configuration, directory, docker_save, entry, hardlink, layout, sha, symlink, tar, zstd)
from importer import MIB, Refused

GOOD = tar(directory("etc"), entry("etc/x", data=b"x"))


@pytest.fixture(autouse=True)
def host(place):
    """What an escape would reach: it has to be as it was, and a canary beside the store, too."""
    os.makedirs(place + "/outside/dir")
    with open(place + "/outside/file", "w", encoding="utf-8") as f:
        f.write("canary")
    os.chmod(place + "/outside", 0o777)
    os.chmod(place + "/outside/dir", 0o777)
    os.chmod(place + "/outside/file", 0o666)
    watched = [place + "/outside", place + "/outside/dir", place + "/outside/file", "/etc/passwd", "/etc/resolv.conf", "/dev/null", "/etc", "/dev", "/"]

    def state():
        seen = {}
        for path in watched:
            st = os.lstat(path)
            seen[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_ino, *((st.st_mtime_ns,) if path.startswith(place) else ()))
        return seen, sorted(os.listdir(place + "/outside")), os.listdir(place + "/outside/dir"), open(place + "/outside/file", encoding="utf-8").read()
    before = state()
    yield place + "/outside"
    assert state() == before


def refused(store, source, match, **how):
    with pytest.raises(Refused, match=match) as caught:
        store.load(source, **how)
    assert store.is_empty(), "something is left"
    assert len(caught.value.text.encode()) < 512 and "\n" not in caught.value.text and "\x1b" not in caught.value.text
    return caught.value


def tree(store, result):
    return store.listing(result["layers"][-1]["digest"])


# Names

def test_absolute_names_are_inside(store, file):
    found = tree(store, store.load(file(tar(entry("/etc/shadow", data=b"new"), entry("///a//./b/")))))
    assert found["etc/shadow"][2] == b"new" and "a/b" in found


@pytest.mark.parametrize("name", ("../x", "a/../../x", "a/..", "..", "/..", "a/../b", "./../x"))
def test_dot_dot_is_refused(store, file, name):
    refused(store, file(tar(directory("a"), entry(name, data=b"evil"))), r'has a ".." in its name')


@pytest.mark.parametrize("name", ("n" * 256, "d/" * 2048 + "f", "x" * 100000), ids=("component", "path", "both"))
def test_long_names_are_refused(store, file, name):
    refused(store, file(tar(entry(name))), "too long a name")


def test_no_terminal_is_reached_by_a_name(store, file):
    error = refused(store, file(tar(entry("\x1b]0;owned\x07\n/../x"))), r"\\x1b")
    assert "\x07" not in error.text


def test_names_that_are_no_text(store, file):
    """Bytes are names; they come out as they went in."""
    data = tar(entry("caf\udce9"), form=tarfile.GNU_FORMAT)
    found = os.listdir(os.fsencode(store.tree(store.load(file(data))["layers"][0]["digest"])))
    assert found == [b"caf\xe9"]


# Links

def test_link_out_and_through_it(store, file, host):
    """T15: what is written through a link lands inside, where the link would lead in the image."""
    result = store.load(file(tar(symlink("out", host), directory(host + "/dir"), entry("out/file", data=b"evil"), entry("out/new", data=b"evil"),
                                 symlink("up", "../../../../../../../.." + host), entry("up/dir/x", data=b"evil"))))
    found = tree(store, result)
    assert found["out"][2] == host
    assert found[host[1:] + "/new"][2] == b"evil" and found[host[1:] + "/dir/x"][2] == b"evil"


def test_link_that_leads_nowhere_in_the_image(store, file, host):
    for to in (host, "/proc/self/root", "nothing", "/proc/self/fd/3"):
        for last in (entry("out/file"), directory("out/x/y"), entry("out/.wh.file"), entry("out/.wh..wh..opq"), hardlink("z", "out/file"),
                     symlink("out/z", "a")):
            refused(store, file(tar(symlink("out", to), last)), "leads nowhere")


def test_dev_and_resolv_conf_links(store, file, host):
    """T15: /dev -> /host and /etc/resolv.conf -> … stay links, and nothing goes through them."""
    result = store.load(file(tar(symlink("dev", host), directory(host), entry("dev/null", data=b"evil"), directory("etc"),
                                 symlink("etc/resolv.conf", host + "/file"))))
    found = tree(store, result)
    assert found["dev"][2] == host and found["etc/resolv.conf"] == ("lrwxrwxrwx", (0, 0), host + "/file")
    assert found[host[1:] + "/null"][2] == b"evil"


def test_last_component_is_never_followed(store, file, host):
    """T07: a file, a directory or a mode for a name that is a link replaces the link."""
    found = tree(store, store.load(file(tar(symlink("a", host + "/file"), entry("a", data=b"evil", mode=0o600), symlink("b", host + "/dir"),
                                            directory("b", mode=0o700), symlink("c", "etc"), directory("etc"), symlink("c", host)))))
    assert found["a"] == ("-rw-------", (0, 0), b"evil") and found["b"][0] == "drwx------" and found["c"][2] == host


def test_links_in_a_circle(store, file):
    refused(store, file(tar(symlink("a", "b"), symlink("b", "a"), entry("a/x"))), "in a circle")


def test_magic_links(store, file):
    """/proc/self/… of the importer is not reached by a link."""
    found = tree(store, store.load(file(tar(symlink("p", "/proc/self/root"), directory("proc/self/root"), entry("p/x", data=b"evil")))))
    assert found["proc/self/root/x"][2] == b"evil"


def test_link_that_leads_nowhere_is_made_inside(store, file):
    found = tree(store, store.load(file(tar(symlink("lib", "usr/lib"), directory("usr"), entry("usr/lib/x"), entry("lib/y")))))
    assert "usr/lib/y" in found and found["lib"][2] == "usr/lib"


@pytest.mark.parametrize("target", ("/etc/passwd", "../../../../etc/passwd", "nothing", "dir", ".", "later"))
def test_hard_link_to_outside_or_nothing(store, file, target):
    refused(store, file(tar(directory("dir"), hardlink("x", target), entry("later"))), r'hard link|"\.\."')


def test_hard_link_through_a_link(store, file, host):
    refused(store, file(tar(symlink("out", host), directory(host), hardlink("x", "out/file"))), "hard link")


def test_hard_link_to_a_link_is_the_link(store, file, host):
    found = tree(store, store.load(file(tar(symlink("l", host + "/file"), hardlink("x", "l"), entry("x", data=b"evil")))))
    assert found["x"][2] == b"evil" and found["l"][2] == host + "/file"


def test_hard_links_share_an_inode(store, file):
    result = store.load(file(tar(entry("a", data=b"1"), hardlink("b", "/a"), hardlink("c", "./b"))))
    top = store.tree(result["layers"][0]["digest"])
    assert len({os.stat(f"{top}/{n}").st_ino for n in "abc"}) == 1


def test_directory_that_changes_while_it_is_read(store, place, host):
    """T06: names that are now a directory or file, now a link out or a fifo. What the canary holds is never in an image."""
    top = place + "/root"
    for i in range(8):
        os.makedirs(f"{top}/d{i}")
        with open(f"{top}/d{i}/file", "w", encoding="utf-8") as f:
            f.write("mine")
        os.symlink(host, f"{place}/link{i}")
        os.mkfifo(f"{place}/fifo{i}")
        with open(f"{top}/f{i}", "w", encoding="utf-8") as f:
            f.write("mine")
    stop = threading.Event()
    libc = ctypes.CDLL(None)

    def swap():
        while not stop.is_set():
            for i in range(8):
                libc.renameat2(-100, f"{top}/d{i}".encode(), -100, f"{place}/link{i}".encode(), 2)
                libc.renameat2(-100, f"{top}/f{i}".encode(), -100, f"{place}/fifo{i}".encode(), 2)
    thread = threading.Thread(target=swap)
    thread.start()
    done = 0
    try:
        for _ in range(40):
            try:
                found = tree(store, store.load(top))
                done += 1
            except Refused:
                continue
            assert not any(content == b"canary" for _, _, content in found.values())
            assert not any(name.endswith("/dir") for name in found)
    finally:
        stop.set()
        thread.join()
    assert done > 0, "none of them came through: nothing was tested"


# Whiteouts

@pytest.mark.parametrize("name", (".wh...", "a/.wh...", ".wh..", ".wh."))
def test_whiteout_of_dot_dot(store, file, name):
    refused(store, file(as_archive(layout([tar(directory("a"), entry(name))]))), "removes what is no name")


def test_whiteout_through_a_link(store, file, host):
    found = tree(store, store.load(file(tar(symlink("out", host), directory(host), entry("out/.wh.file"), entry("out/.wh..wh..opq")))))
    assert found[host[1:] + "/file"][0][0] == "c"


def test_files_instead_of_whiteouts_do_not_pass(store, file):
    """A device 0:0 in an archive is no whiteout."""
    result = store.load(file(tar(entry("a", tarfile.CHRTYPE, dev=(0, 0)), entry("b"))))
    assert set(tree(store, result)) == {".", "b"} and result["devices"] == 1


# What is no file

def test_devices_are_left_out(store, file):
    result = store.load(file(tar(entry("null", tarfile.CHRTYPE, dev=(1, 3), mode=0o666), entry("sda", tarfile.BLKTYPE, dev=(8, 0)),
                                 entry("pipe", tarfile.FIFOTYPE), entry("cont", tarfile.CONTTYPE), entry("ok"))))
    assert set(tree(store, result)) == {".", "cont", "ok"} and result["devices"] == 3


def test_setuid_bits_are_dropped(store, file):
    result = store.load(file(tar(directory("d", mode=0o7777), entry("su", mode=0o4755), entry("sg", mode=0o2755), entry("t", mode=0o1777))))
    found = tree(store, result)
    assert [found[n][0] for n in ("d", "su", "sg", "t")] == ["drwxrwxrwt", "-rwxr-xr-x", "-rwxr-xr-x", "-rwxrwxrwx"]
    assert result["setuid"] == 3


@pytest.mark.parametrize("uid,gid", ((65536, 0), (0, 65536), (1879048192, 0), (4294967295, 0), (2**40, 0)))
def test_ids_that_no_sandbox_has(store, file, uid, gid):
    refused(store, file(tar(entry("x", uid=uid, gid=gid))), "belongs to the id")


def test_all_ids_are_in_the_subordinate_range(store, file):
    result = store.load(file(tar(entry("x", uid=65535, gid=65535), directory("implied/dir"), symlink("l", "x", uid=7, gid=8))))
    found = tree(store, result)
    assert found["x"][1] == (65535, 65535) and found["l"][1] == (7, 8) and found["implied"][1] == (0, 0)


def test_directories_that_their_owner_cannot_enter(store, file):
    found = tree(store, store.load(file(tar(directory(".", mode=0), directory("d", mode=0, uid=5), entry("d/f", data=b"x"), directory("d/e", mode=0)))))
    assert found["."][0] == "d---------" and found["d"][0] == "d---------" and found["d/f"][2] == b"x"


# One name more than once

def test_duplicate_names(store, file):
    found = tree(store, store.load(file(tar(
        entry("a", data=b"1"), entry("a", data=b"2"), directory("b"), entry("b/x"), entry("b", data=b"file"), entry("c"), directory("c"), entry("c/y"),
        directory("d"), directory("d/e/f/g"), symlink("d", "c"), entry("d/z")))))
    assert found["a"][2] == b"2" and found["b"][2] == b"file" and found["d"][2] == "c"
    assert set(found) == {".", "a", "b", "c", "c/y", "c/z", "d"}


def test_directory_replaced_under_our_feet(store, file, host):
    """The place where the last entry was made becomes a link out."""
    found = tree(store, store.load(file(tar(directory("a"), entry("a/1"), symlink("a", host), directory(host), entry("a/2", data=b"evil")))))
    assert found["a"][2] == host and found[host[1:] + "/2"][2] == b"evil"


def test_file_as_directory(store, file):
    refused(store, file(tar(entry("f"), entry("f/x"))), "beneath something that is no directory")


def test_top_is_no_directory(store, file):
    refused(store, file(tar(symlink(".", "/etc"))), "top of the tree")
    refused(store, file(tar(entry("/", data=b"x"))), "top of the tree|Damaged")


# Bombs

@pytest.mark.parametrize("packed", ("gzip", "zstd"))
def test_bomb_by_ratio(store, file, packed):
    bomb = PACKERS[packed](tar(entry("zero", data=b"\0" * (64 * MIB))))
    assert len(bomb) < MIB
    refused(store, file(bomb), "packed more than")
    refused(store, file(as_archive(layout([tar(entry("zero", data=b"\0" * (64 * MIB)))], packed))), "packed more than")


def test_bomb_in_a_bomb_is_not_opened(store, file):
    """Packed twice is no archive: exactly one filter."""
    refused(store, file(gzip.compress(gzip.compress(GOOD))), "no tar archive")


def test_nested_archives_are_files(store, file):
    assert tree(store, store.load(file(tar(entry("inner.tar", data=GOOD)))))["inner.tar"][2] == GOOD


def test_limit_of_bytes(store, file):
    data = tar(entry("a", data=b"x" * MIB), entry("b", data=b"x" * MIB))
    refused(store, file(data), "more than the limit of", size=2 * MIB - 1)
    store.load(file(data), size=2 * MIB)


def test_limit_counts_all_layers(store, file):
    layers = [tar(entry(str(i), data=str(i).encode() * MIB)) for i in range(3)]
    refused(store, file(as_archive(layout(layers))), "more than the limit of", size=3 * MIB - 1)


def test_limit_of_the_source(store, file):
    refused(store, file(GOOD + b"\0" * (8 * MIB)), "the source is longer", size=MIB)


def test_sparse_file_counts_in_full(store, file):
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "huge", "GNU.sparse.realsize": str(1 << 50)}
    body = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    refused(store, file(tar(entry("GNUSparseFile.0/huge", data=body, pax=pax))), "more than the limit of")


def test_size_that_is_a_lie(store, file):
    info, _ = entry("huge", size=1 << 60)
    refused(store, file(info.tobuf(tarfile.PAX_FORMAT) + b"\0" * 2048), "more than the limit of|Truncated|too early")


def test_too_many_entries(store, file):
    """A small archive of endless entries. (10⁶ different ones: docs/images.md.)"""
    block = entry("d/f")[0].tobuf(tarfile.USTAR_FORMAT)
    refused(store, file(gzip.compress(block * 100001 + b"\0" * 1024, 1)), "more than the limit of 100000 files", entries=100000, ratio=10000)


def test_many_layers(store, file):
    layers = [tar(entry(str(i))) for i in range(129)]
    refused(store, file(as_archive(layout(layers))), "more than 128 elements")
    refused(store, file(as_archive(layout(layers[:3]))), "3 layers, over the limit of 2", layers=2)


def test_many_parts(store, file):
    entries, _ = docker_save([GOOD])
    refused(store, file(tar(*[entry(f"blobs/{i}") for i in range(4097)], *entries)), "more than 4096 parts")


def test_deep_directories_are_removed_again(store, file):
    """A chain of links makes a tree deeper than any path; refused at its end, nothing of it is left."""
    parts = []
    for i in range(60):
        parts += [directory(f"l{i}/" + "/".join("d" * 100 for _ in range(30)) if i else "/".join("d" * 100 for _ in range(30))),
                  symlink(f"l{i + 1}", (f"l{i}/" if i else "") + "/".join("d" * 100 for _ in range(30)))]
    refused(store, file(tar(*parts, entry("../x"))), r'"\.\."|too long|too many links')


# Damage

@pytest.mark.parametrize("packed", PACKERS)
def test_truncated_streams(store, file, packed):
    data = PACKERS[packed](tar(entry("a", data=os.urandom(5000)), entry("b", data=os.urandom(5000)), entry("c"), end=not not packed))
    for n in (1, 100, 511, 513, len(data) // 2, len(data) - 7):
        refused(store, file(data[:n]), ".")
    refused(store, file(b""), "empty")


def test_tar_without_its_end(store, file):
    refused(store, file(tar(entry("a", data=b"x"), end=False)), "ends too early|Truncated|no tar")


def test_truncated_image(store, file):
    files = layout([tar(entry("a", data=os.urandom(9000)))], "gzip")
    data = tar(*[entry(name, data=data) for name, data in files.items()], end=False)
    for n in range(600, len(data) - 512, 1111):
        refused(store, file(data[:n]), ".")


def test_wrong_digests(store, file, place):
    files = layout([GOOD], "gzip")
    for name in [n for n in files if n.startswith("blobs/")]:
        changed = {**files, name: files[name][:-1] + bytes([files[name][-1] ^ 1])}
        refused(store, file(as_archive(changed)), "digest says|crc|no JSON|compressed|gzip|has other contents")
    layer = next(n for n in files if files[n][:2] == b"\x1f\x8b")
    # One that unpacks to the very same contents, but is another file.
    refused(store, file(as_archive({**files, layer: gzip.compress(GOOD, 9)})), "digest says")
    refused(store, as_directory({**files, layer: gzip.compress(GOOD, 9)}, place + "/layout"), "digest says")
    # And bytes behind the end of what is packed.
    refused(store, file(as_archive({**files, layer: files[layer] + b"more"})), "digest says|compressed|gzip")


def test_wrong_diff_id(store, file):
    entries, _ = docker_save([GOOD])
    conf = configuration([tar(entry("other"))])
    listed = [{"Config": "c.json", "RepoTags": [], "Layers": [f"{sha(GOOD)}/layer.tar"]}]
    refused(store, file(tar(*entries[:2], entry("c.json", data=conf), entry("manifest.json", data=json.dumps(listed).encode()))),
            "digest says|other contents")


def test_layer_that_is_none(store, file):
    for junk in (b"#!/bin/sh\n" * 100, b"\x7fELF" + b"\0" * 600, b"PK\x03\x04" + b"x" * 600, b"070701" + b"0" * 600, b"!<arch>\n" + b" " * 600):
        refused(store, file(as_archive(layout([junk]))), "no tar archive|Unrecognized")
        refused(store, file(as_archive(layout([junk], "gzip"))), "no tar archive|Unrecognized")
        refused(store, file(junk), "no tar archive|Unrecognized")


def test_missing_parts(store, file):
    files = layout([GOOD], "gzip")
    for name in [n for n in files if n != "oci-layout"]:
        refused(store, file(as_archive({n: d for n, d in files.items() if n != name})), "is not in it|neither index")


def test_parts_that_are_links(store, file, place, host):
    """In a layout directory no link is followed, in an archive none leads out."""
    files = layout([GOOD])
    top = as_directory(files, place + "/layout")
    blob = f"{top}/blobs/sha256/{sha(GOOD)}"
    os.unlink(blob)
    os.symlink(host + "/file", blob)
    refused(store, top, "cannot open")
    os.rename(top + "/blobs", top + "/real")
    os.symlink(top + "/real", top + "/blobs")
    refused(store, top, "cannot open")
    entries, _ = docker_save([GOOD])
    for target in ("/etc/passwd", "../../../../etc/passwd", "layer.tar", "../manifest.json"):
        refused(store, file(tar(symlink(f"{sha(GOOD)}/layer.tar", target), *entries[2:])), "is not in it|no tar archive|digest says")


def test_names_in_the_lists(store, file):
    entries, _ = docker_save([GOOD])
    for name in ("../../etc/passwd", "/etc/passwd", "a/../b", "", "x" * 300, 7, None):
        listed = [{"Config": name, "RepoTags": [], "Layers": [f"{sha(GOOD)}/layer.tar"]}]
        refused(store, file(tar(*entries[:-1], entry("manifest.json", data=json.dumps(listed).encode()))), "no name")
    for digest in ("sha256:../../etc/passwd", "sha512:" + "0" * 128, "sha256:" + "A" * 64, "", 7):
        files = layout([GOOD], more={"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 5}})
        refused(store, file(as_archive(files)), "no digest|no string")


def test_media_types_that_are_not_known(store, file):
    for kind in ("application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.oci.image.layer.v1.tar+xz", "text/plain", ""):
        more = {"layers": [{"mediaType": kind, "digest": "sha256:" + sha(GOOD), "size": len(GOOD)}]}
        refused(store, file(as_archive(layout([GOOD], more=more))), "media type")


@pytest.mark.parametrize("text", (b"{", b"[]", b"{}", b"7", b"\xff", b'{"a":1,"a":2}', b"[" * 100000, b'{"manifests":{}}', b'{"manifests":[1]}', b"{}x",
                                  b'{"manifests":[{}]}', b" " * (MIB + 1)), ids=range(12))
def test_bad_lists(store, file, text):
    refused(store, file(as_archive({**layout([GOOD]), "index.json": text})), ".")
    entries, _ = docker_save([GOOD])
    refused(store, file(tar(*entries[:-1], entry("manifest.json", data=text))), ".")


def test_index_that_leads_to_itself(store, file):
    """A digest cannot be of a text that has it in it: a chain is as long as somebody likes, but not longer than we do."""
    files = layout([GOOD])
    text = files["index.json"]
    for _ in range(5):
        files[f"blobs/sha256/{sha(text)}"] = text
        text = json.dumps({"manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + sha(text), "size": len(text)}]}).encode()
    refused(store, file(as_archive({**files, "index.json": text})), "too many times")


@pytest.mark.parametrize("bad,match", (
    ({"WorkingDir": "a/../b"}, "WorkingDir"), ({"WorkingDir": "relative"}, "WorkingDir"), ({"User": "a b"}, "no user"), ({"User": "../x"}, "no user"),
    ({"User": "a\n"}, "no user"), ({"User": "x" * 256}, "longer"), ({"Env": "A=b"}, "no list"), ({"Env": [1]}, "no string"),
    ({"Env": ["A=" + "x" * 5000]}, "no string"), ({"Cmd": ["x"] * 257}, "more than"), ({"Entrypoint": {"a": 1}}, "no list"), ([], "no object")))
def test_bad_configurations(store, file, bad, match):
    files = layout([GOOD], config=bad or [7])
    refused(store, file(as_archive(files)), match)


def test_image_of_another_system(store, file):
    conf = configuration([GOOD]).replace(b'"linux"', b'"windows"')
    entries, _ = docker_save([GOOD])
    listed = [{"Config": "c.json", "RepoTags": [], "Layers": [f"{sha(GOOD)}/layer.tar"]}]
    refused(store, file(tar(*entries[:2], entry("c.json", data=conf), entry("manifest.json", data=json.dumps(listed).encode()))), "not for Linux")


def test_extra_field_of_gzip_and_trailing_data(store, file):
    """A gzip header that is longer than a block, and a second member: both are read as gzip reads them."""
    half = len(GOOD) // 2
    packed = gzip.compress(GOOD[:half]) + gzip.compress(GOOD[half:])
    assert set(tree(store, store.load(file(packed)))) == {".", "etc", "etc/x"}
    body = zlib.compressobj(1, zlib.DEFLATED, -15)
    deflated = body.compress(GOOD) + body.flush()
    long_name = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * 100000 + b"\0" + deflated + struct.pack("<II", zlib.crc32(GOOD), len(GOOD))
    refused_or_same = store.load(file(long_name)) if len(long_name) < 60000 else None
    assert refused_or_same is None or refused_or_same["layers"][0]["shared"] == 1


def test_zstd_frames(store, file):
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    assert set(tree(store, store.load(file(skippable + zstd(GOOD))))) == {".", "etc", "etc/x"}
