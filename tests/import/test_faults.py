# SPDX-License-Identifier: LGPL-2.1-or-later
"""An end at any step leaves nothing but what the next start takes away. Needs a build with fault points."""

import os
import re

import pytest
from images import as_archive, directory, docker_save, entry, layout, sha, tar
from importer import BUILD, Died, Refused

ONE = tar(directory("etc"), entry("etc/one", data=b"1" * 1000))
TWO = tar(entry("two", data=b"2" * 2000))
THREE = tar(directory("d"), entry("d/three", data=b"3" * 3000))


def hexes(*layers):
    return sorted(sha(layer) for layer in layers)


def digest(layer):
    return "sha256:" + sha(layer)


def fault_points():
    text = "".join(open(f"{os.path.dirname(__file__)}/../../src/import/{name}.c", encoding="utf-8").read() for name in ("store-change", "transfer", "import"))
    return sorted(set(re.findall(r'FAULT\("([^"]+)"\)', text)))


@pytest.fixture(autouse=True)
def build_with_fault_points():
    with open(f"{BUILD}/src/import/ocsb-import", "rb") as program:
        if b"OCSB_FAULT" not in program.read():
            pytest.skip("a build without fault points")


@pytest.mark.parametrize("point", fault_points())
@pytest.mark.parametrize("nth", (1, 2))
def test_kill_at_a_fault_point(store, file, point, nth):
    kept = store.load(file(as_archive(layout([ONE, TWO], "gzip"))), "kept:1")
    before = {part: store.names(part) for part in ("layers", "images", "tags")}
    entries, image = docker_save([ONE, THREE])
    source = file(tar(*entries))

    def work():
        store.load(source, "new:1", fault=f"{point}:{nth}")
        store.remove("new:1", fault=f"{point}:{nth}")
    try:
        work()
        reached = False
    except Died:
        reached = True
    if nth == 1:
        assert reached, "the point is not on the way"
    # The next start, whatever it is for, takes away what is left.
    with pytest.raises(Refused):
        store.tag("sha256:" + "0" * 64, "x:1")
    assert store.names("tmp") == []
    after = {part: store.names(part) for part in ("layers", "images", "tags")}
    if image[7:] not in after["images"]:
        # A layer may be left of a remove, until the next prune; of an import none.
        assert after["tags"] in (before["tags"], [*before["tags"], "new:1"])
        store.prune()
        after["layers"] = store.names("layers")
        assert after["images"] == before["images"] and after["layers"] == before["layers"]
    again = store.load(source, "new:1")
    assert again["id"] == image and store.names("layers") == hexes(ONE, TWO, THREE)
    assert store.listing(digest(THREE))["d/three"][2] == b"3" * 3000
    assert store.remove("new:1")["layers"] == 1 and kept["id"][7:] in store.names("images")


def test_killed_import_leaves_no_layer(store, file):
    """Not even one that had its place already."""
    source = file(as_archive(layout([ONE, TWO])))
    for point in ("store.before-rename:2", "store.after-rename:1", "store.after-rename:2", "store.record"):
        with pytest.raises(Died):
            store.load(source, fault=point)
        assert store.names("layers") or point == "store.before-rename:1"
        assert store.prune() == {"images": 0, "layers": 0, "bytes": 0}, "the start alone has done it"
        assert store.is_empty()
