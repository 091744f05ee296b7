# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every form that an image can come in gives the same store."""

import json
import os
import shutil
import subprocess
import threading

import pytest
from images import (PACKERS, as_archive, as_directory, configuration, directory, docker_save, entry, hardlink, layout, sha, symlink, tar)
from importer import ARCHIVE_NAMES, Refused, listing

BASE = tar(directory("."), directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib"), directory("etc"),
           entry("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n"), directory("home"), directory("home/u", uid=1000, gid=1000, mode=0o700),
           entry("home/u/f", data=b"x" * 70000, uid=1000, gid=1000, mode=0o600))
UPPER = tar(directory("etc"), entry("etc/motd", data=b"hello\n"), entry("home/.wh.u"))
CONFIG = {"Env": ["PATH=/bin", "A=b"], "WorkingDir": "/w", "User": "1000:1000", "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "id"]}


def expected_base(found):
    assert found["."] == ("drwxr-xr-x", (0, 0), None)
    assert found["lib"] == ("lrwxrwxrwx", (0, 0), "usr/lib")
    assert found["home/u"] == ("drwx------", (1000, 1000), None)
    assert found["home/u/f"] == ("-rw-------", (1000, 1000), b"x" * 70000)
    assert set(found) == {".", "usr", "usr/lib", "lib", "etc", "etc/passwd", "home", "home/u", "home/u/f"}


def expected(store, result):
    assert [x["digest"] for x in result["layers"]] == ["sha256:" + sha(BASE), "sha256:" + sha(UPPER)]
    expected_base(store.listing(result["layers"][0]["digest"]))
    found = store.listing(result["layers"][1]["digest"])
    assert set(found) == {".", "etc", "etc/motd", "home", "home/u"}
    assert found["home/u"][0][0] == "c" and found["home/u"][2] == (0, 0)
    assert store.names("tmp") == []


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("form", ("directory", "archive", "packed archive", "pipe"))
def test_oci(store, place, file, packed, form):
    files = layout([BASE, UPPER], packed, CONFIG, "example/tool:2")
    want = "sha256:" + sha(configuration([BASE, UPPER], CONFIG))
    if form == "directory":
        result = store.load(as_directory(files, place + "/layout"), flags=ARCHIVE_NAMES)
    elif form == "archive":
        result = store.load(file(as_archive(files)), flags=ARCHIVE_NAMES)
    elif form == "packed archive":
        result = store.load(file(PACKERS["gzip"](as_archive(files))), flags=ARCHIVE_NAMES)
    else:
        result = through_pipe(store, as_archive(files), flags=ARCHIVE_NAMES)
    assert result["id"] == want
    assert result["references"] == ["example/tool:2"] and store.names("tags") == ["example+tool:2"]
    expected(store, result)
    assert json.load(open(f"{store.path}/images/{want[7:]}", encoding="utf-8"))["config"] == CONFIG


def through_pipe(store, data, **how):
    r, w = os.pipe()

    def feed():
        with os.fdopen(w, "wb") as f:
            f.write(data)
    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return store.load(r, **how)
    finally:
        os.close(r)
        thread.join()


@pytest.mark.parametrize("legacy", (False, True))
@pytest.mark.parametrize("form", ("file", "pipe", "gzip", "zstd"))
def test_docker_save(store, file, form, legacy):
    entries, want = docker_save([BASE, UPPER], CONFIG, ("tool:1", "other/tool"), legacy)
    data = tar(*entries)
    if form == "pipe":
        result = through_pipe(store, data, flags=ARCHIVE_NAMES)
    else:
        result = store.load(file(PACKERS["" if form == "file" else form](data)), flags=ARCHIVE_NAMES)
    assert result["id"] == want
    assert result["references"] == ["tool:1", "other/tool:latest"]
    expected(store, result)


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("form", ("file", "pipe"))
def test_root_file_system_as_tar(store, file, packed, form):
    data = PACKERS[packed](BASE)
    result = store.load(file(data), "base:1") if form == "file" else through_pipe(store, data, reference="base:1")
    assert [x["digest"] for x in result["layers"]] == ["sha256:" + sha(BASE)]
    expected_base(store.listing(result["layers"][0]["digest"]))
    again = store.load(file(data), "base:2")
    assert again["id"] == result["id"] and again["layers"][0]["shared"] == 1


def test_root_file_system_as_directory(store, place):
    top = place + "/root"
    os.makedirs(top + "/etc")
    os.symlink("/etc/passwd", top + "/link")
    with open(top + "/etc/file", "w", encoding="utf-8") as f:
        f.write("text")
    os.chmod(top + "/etc/file", 0o6755)
    os.mkfifo(top + "/fifo")
    result = store.load(top, "dir:1")
    assert store.listing(result["layers"][0]["digest"]) == {
        ".": ("drwxr-xr-x", (0, 0), None), "etc": ("drwxr-xr-x", (0, 0), None), "etc/file": ("-rwxr-xr-x", (0, 0), b"text"),
        "link": ("lrwxrwxrwx", (0, 0), "/etc/passwd")}
    assert (result["devices"], result["setuid"]) == (1, 1)
    assert store.load(top)["id"] == result["id"], "the same tree is the same image"


def test_hard_links_of_a_directory(store, place):
    """A file with many names is one file; names outside of the directory do not count."""
    top = place + "/root"
    os.makedirs(top + "/z")
    for i in range(300):
        with open(f"{top}/f{i}", "w", encoding="utf-8") as f:
            f.write(str(i))
        os.link(f"{top}/f{i}", f"{top}/z/g{i}")
    os.link(top + "/f0", place + "/elsewhere")
    result = store.load(top)
    tree = store.tree(result["layers"][0]["digest"])
    for i in range(300):
        assert os.stat(f"{tree}/f{i}").st_ino == os.stat(f"{tree}/z/g{i}").st_ino
        assert open(f"{tree}/f{i}", encoding="utf-8").read() == str(i) and os.stat(f"{tree}/f{i}").st_nlink == 2
    assert result["layers"][0]["bytes"] == sum(len(str(i)) for i in range(300))


def test_directory_that_others_cannot_read_names_the_way_out(store, place):
    top = place + "/root"
    os.makedirs(top + "/secret")
    os.chmod(top + "/secret", 0o700)
    with pytest.raises(Refused, match="secret.*tar -C"):
        store.load(top)
    assert store.is_empty()


def test_layers_are_shared(store, file):
    first = store.load(file(as_archive(layout([BASE], "gzip"))), "a:1")
    second = store.load(file(as_archive(layout([BASE, UPPER], "zstd"))), "a:2")
    assert [x["shared"] for x in first["layers"]] == [0]
    assert [x["shared"] for x in second["layers"]] == [1, 0]
    assert second["layers"][0]["bytes"] == first["layers"][0]["bytes"] == 70000 + 22


def test_one_layer_twice(store, file):
    result = store.load(file(as_archive(layout([BASE, UPPER, BASE]))))
    assert [x["shared"] for x in result["layers"]] == [0, 0, 1]


def test_index_of_several_machines(store, file):
    """The manifest for this machine is taken, through an index in the index; attestations are none."""
    files = layout([BASE], "gzip")
    item = json.loads(files["index.json"])["manifests"][0]
    other = {**item, "digest": "sha256:" + "1" * 64, "platform": {"os": "linux", "architecture": "s390x"}}
    attestation = {**item, "digest": "sha256:" + "2" * 64, "platform": {"os": "unknown", "architecture": "unknown"}}
    ours = {**item, "platform": {"os": "linux", "architecture": "amd64"}}
    inner = json.dumps({"schemaVersion": 2, "manifests": [other, ours, attestation]}).encode()
    files[f"blobs/sha256/{sha(inner)}"] = inner
    files["index.json"] = json.dumps({"manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + sha(inner),
                                                     "size": len(inner)}]}).encode()
    assert store.load(file(as_archive(files)))["layers"][0]["digest"] == "sha256:" + sha(BASE)


def test_whiteouts(store, file):
    """As overlayfs wants them, whatever their order is in the archive."""
    data = tar(directory("a"), entry("a/.wh..wh..opq"), entry("a/new", data=b"n"), entry(".wh.gone"), entry("kept", data=b"k"), entry(".wh.kept"),
               directory("dir"), entry(".wh.dir"), entry(".wh.late"), directory("late"), entry("late/x"), entry(".wh.file"), entry("file", data=b"f"),
               entry(".wh..wh.plnk"))
    found = (result := store.load(file(as_archive(layout([BASE, data])))))["layers"][1]["digest"]
    tree = store.tree(found)
    found = listing(tree)
    assert set(found) == {".", "a", "a/new", "gone", "kept", "dir", "late", "late/x", "file"}
    assert found["gone"][0][0] == "c" and found["gone"][2] == (0, 0)
    assert (found["kept"][2], found["file"][2]) == (b"k", b"f")
    opaque = {name: "user.overlay.opaque" in os.listxattr(f"{tree}/{name}") for name in ("a", "dir", "late")}
    assert opaque == {"a": True, "dir": True, "late": True}
    assert result["layers"][1]["shared"] == 0


def test_overlay_of_the_layers(store, place, file):
    """The kernel merges them as the image means it."""
    data = tar(entry("etc/.wh..wh..opq"), entry("etc/only", data=b"o"), entry("home/.wh.u"), hardlink("etc/same", "etc/only"))
    result = store.load(file(as_archive(layout([BASE, data]))))
    os.mkdir(place + "/merged")
    lower = ":".join(store.tree(x["digest"]) for x in reversed(result["layers"]))
    subprocess.run(["mount", "-t", "overlay", "o", "-o", f"ro,userxattr,lowerdir={lower}", place + "/merged"], check=True)
    try:
        assert set(listing(place + "/merged")) == {".", "usr", "usr/lib", "lib", "etc", "etc/only", "etc/same", "home"}
    finally:
        subprocess.run(["umount", place + "/merged"], check=True)


def test_attributes(store, file):
    """user.* stays, all others go and are counted: file capabilities, ACLs, overlayfs's own."""
    names = ("user.note", "user.overlay.redirect", "user.overlay.opaque", "trusted.overlay.opaque", "security.capability", "system.posix_acl_access")
    data = tar(directory("d", pax={"SCHILY.xattr." + n: "y" for n in names}), entry("f", data=b"x", pax={"SCHILY.xattr." + n: "v" for n in names}))
    result = store.load(file(data))
    tree = store.tree(result["layers"][0]["digest"])
    for name in ("d", "f"):
        assert os.listxattr(f"{tree}/{name}") == ["user.note"]
    assert result["xattrs"] == 10


def test_times_are_those_of_the_archive(store, file):
    result = store.load(file(tar(directory("d", mtime=1111), entry("d/f", mtime=2222), symlink("d/l", "f", mtime=3333))))
    tree = store.tree(result["layers"][0]["digest"])
    assert [os.lstat(f"{tree}/{n}").st_mtime for n in ("d", "d/f", "d/l")] == [1111, 2222, 3333]


def test_names_of_all_bytes(store, file):
    long = "n" * 255
    deep = "/".join("d" * 200 for _ in range(15))
    data = tar(entry("ä ö\n\t\x01"), entry(long), entry(f"{deep}/f", data=b"deep"))
    found = store.listing(store.load(file(data))["layers"][0]["digest"])
    assert {"ä ö\n\t\x01", long, f"{deep}/f"} <= set(found)


@pytest.mark.parametrize("tool", ("skopeo", "podman", "buildah"))
def test_real_tools(store, place, file, tool):
    """What they write, of an image that was made here."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    source = as_directory(layout([BASE, UPPER], "gzip", CONFIG), place + "/source")
    env = {**os.environ, "XDG_RUNTIME_DIR": place}
    storage = ["--root", place + "/storage", "--runroot", place + "/runroot", "--storage-driver", "vfs"]
    outputs = {place + "/out-oci.tar": "oci-archive", place + "/out-docker.tar": "docker-archive"}
    for path, form in outputs.items():
        name = "example.org/team/tool:3"
        commands = {
            "skopeo": [["skopeo", "--insecure-policy", "copy", "-q", f"oci:{source}", f"{form}:{path}:{name}"]],
            "podman": [["podman", *storage, "pull", "-q", "--signature-policy", place + "/policy", f"oci:{source}"],
                       ["podman", *storage, "save", "-q", "--format", form, "-o", path]],
            "buildah": [["buildah", *storage, "pull", "-q", "--signature-policy", place + "/policy", f"oci:{source}"],
                        ["buildah", *storage, "push", "-q", "--signature-policy", place + "/policy"]],
        }[tool]
        with open(place + "/policy", "w", encoding="utf-8") as f:
            f.write('{"default": [{"type": "insecureAcceptAnything"}]}')
        done = subprocess.run(commands[0], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
        if done.returncode == 0 and len(commands) > 1:
            image = done.stdout.split()[-1]
            last = [*commands[1], image] + ([f"{form}:{path}:{name}"] if tool == "buildah" else [])
            done = subprocess.run(last, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
        if done.returncode and tool != "skopeo" and "namespace" in done.stderr:
            pytest.skip(f"{tool} does not work here: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        result = store.load(path, flags=ARCHIVE_NAMES)
        expected(store, result)
