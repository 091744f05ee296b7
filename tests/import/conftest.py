# SPDX-License-Identifier: LGPL-2.1-or-later
"""A store of one's own for each test, and a look at the host's files before and after: nothing outside a store may change."""

import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from importer import Store  # noqa: E402


@pytest.fixture
def place():
    path = tempfile.mkdtemp(prefix="ocsb-import-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def store(place):
    return Store(place + "/store")


@pytest.fixture
def file(place):
    """Bytes as a file to import from."""
    count = 0

    def make(data):
        nonlocal count
        count += 1
        path = f"{place}/source-{count}"
        with open(path, "wb") as f:
            f.write(data)
        return path
    return make
