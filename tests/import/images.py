# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes images and archives, good ones and evil ones, with Python's tarfile."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile


def sha(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, uid=0, gid=0, mtime=1000000000, size=None, dev=(0, 0), pax=None):
    t = tarfile.TarInfo(name)
    t.type, t.linkname, t.mode, t.uid, t.gid, t.mtime = kind, link, mode, uid, gid, mtime
    t.size = len(data) if size is None else size
    t.devmajor, t.devminor = dev
    t.pax_headers = pax or {}
    return t, data


def directory(name, mode=0o755, **how):
    return entry(name, tarfile.DIRTYPE, mode=mode, **how)


def symlink(name, to, **how):
    return entry(name, tarfile.SYMTYPE, link=to, mode=0o777, **how)


def hardlink(name, to, **how):
    return entry(name, tarfile.LNKTYPE, link=to, **how)


def tar(*entries, form=tarfile.PAX_FORMAT, end=True):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data) if info.isreg() else None)
            last = t.offset
    return out.getvalue() if end else out.getvalue()[:last]


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


PACKERS = {"": lambda d: d, "gzip": lambda d: gzip.compress(d, 1, mtime=0), "zstd": zstd}


def configuration(layers, config=None, **more):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": config or {},
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(layer) for layer in layers]}, **more}).encode()


def layout(layers, packed="", config=None, name=None, more=None):
    """The files of an OCI layout."""
    conf = configuration(layers, config)
    blobs = [PACKERS[packed](layer) for layer in layers]
    kind = "application/vnd.oci.image.layer.v1.tar" + (f"+{packed}" if packed else "")
    files = {f"blobs/sha256/{sha(b)}": b for b in [conf, *blobs]}
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + sha(conf), "size": len(conf)},
        "layers": [{"mediaType": kind, "digest": "sha256:" + sha(b), "size": len(b)} for b in blobs], **(more or {})}).encode()
    files[f"blobs/sha256/{sha(manifest)}"] = manifest
    item = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + sha(manifest), "size": len(manifest)}
    if name:
        item["annotations"] = {"org.opencontainers.image.ref.name": name}
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [item]}).encode()
    return files


def docker_save(layers, config=None, tags=("tool:1",), legacy=False):
    """The entries of docker save's archive, with the list at the end."""
    conf = configuration(layers, config)
    entries, names = [], []
    for layer in layers:
        name = f"{sha(layer)}/layer.tar"
        names.append(name)
        entries += [directory(sha(layer)), entry(name, data=layer)]
        if legacy:
            entries.append(symlink(f"{'f' * 63}{len(names)}/layer.tar", f"../{name}"))
            names[-1] = f"{'f' * 63}{len(names)}/layer.tar"
    entries.append(entry(f"{sha(conf)}.json", data=conf))
    listed = [{"Config": f"{sha(conf)}.json", "RepoTags": list(tags), "Layers": names}]
    entries.append(entry("manifest.json", data=json.dumps(listed).encode()))
    return entries, "sha256:" + sha(conf)


def as_archive(files):
    return tar(*[entry(name, data=data) for name, data in files.items()])


def as_directory(files, path):
    for name, data in files.items():
        os.makedirs(os.path.dirname(f"{path}/{name}"), exist_ok=True)
        with open(f"{path}/{name}", "wb") as f:
            f.write(data)
    return path
