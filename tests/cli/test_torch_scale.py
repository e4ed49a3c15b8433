"""A PyTorch file of 100 GB (sparse) opens at once and in little memory: no tensor byte is read."""
import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import time

from conftest import BIN

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from make_hostile_torch import end64, program, tensor, text  # noqa: E402

TOOL = os.environ.get("WEIGHTFS_CATALOG_TOOL", str(pathlib.Path(BIN).parent / "tests" / "unit" / "catalog_tool"))
N, SIDE = 100, 2**14


def write_sparse(path):
    """N storages of 1 GiB each, as zip64."""
    items = b"".join(text(f"layer.{i}.weight") + tensor(str(i), SIDE * SIDE, 0, (SIDE, SIDE), (SIDE, 1))
                     for i in range(N))
    with open(path, "wb") as f:
        entries = []

        def add(name, data, size):
            off, name, small = f.tell(), name.encode(), min(size, 0xffffffff)
            f.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 45, 0, 0, 0, 0, 0, small, small, len(name), 0) + name + data)
            f.seek(off + 30 + len(name) + size)
            extra = struct.pack("<HHQQQ", 1, 24, size, size, off)
            entries.append(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 45, 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1,
                                       len(name), len(extra), 0, 0, 0, 0, 2**32 - 1) + name + extra)

        pkl = program(b"}(" + items + b"u")
        add("x/data.pkl", pkl, len(pkl))
        for i in range(N):
            add(f"x/data/{i}", b"", SIDE * SIDE * 4)
        add("x/version", b"3\n", 2)
        off, directory = f.tell(), b"".join(entries)
        f.write(directory)
        end = f.tell()
        f.write(end64(len(entries), len(directory), off) + struct.pack("<IIQI", 0x07064b50, 0, end, 1))
        f.write(struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 0xffff, 0xffff, 2**32 - 1, 2**32 - 1, 0))


def test_scale__100_gigabytes(tmp_path):
    path = tmp_path / "x.pt"
    write_sparse(path)
    assert os.path.getsize(path) > 100 * 10**9

    def limited():
        if "asan" not in BIN and "asan" not in TOOL:
            resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))

    start = time.monotonic()
    done = subprocess.run([TOOL, str(path)], capture_output=True, text=True, timeout=60, preexec_fn=limited)
    took = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    tensors = [json.loads(line) for line in done.stdout.splitlines() if '"tensor"' in line[:12]]
    assert len(tensors) == N and all(t["bytes"] == 2**30 for t in tensors)
    assert took < 20  # a second where nothing else runs (tests/bench); reading 100 GB takes longer
