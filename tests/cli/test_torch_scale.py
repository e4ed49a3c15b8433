"""A PyTorch file of 100 GB (sparse) opens at once and in little memory: no tensor byte is read."""
import json
import os
import pathlib
import sys

from conftest import BIN
from helpers import run_bounded

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from make_hostile_torch import write_sparse_zip  # noqa: E402

TOOL = os.environ.get("WEIGHTFS_CATALOG_TOOL", str(pathlib.Path(BIN).parent / "tests" / "unit" / "catalog_tool"))
N, SIDE = 100, 2**14


def test_scale__100_gigabytes(tmp_path):
    path = tmp_path / "x.pt"
    write_sparse_zip(path, N, SIDE)
    assert os.path.getsize(path) > 100 * 10**9

    plain = "asan" not in BIN and "asan" not in TOOL
    done = run_bounded([TOOL, path], cpu_s=30, data_bytes=64 << 20 if plain else None)
    assert done.returncode == 0, done.stderr
    tensors = [json.loads(line) for line in done.stdout.splitlines() if '"tensor"' in line[:12]]
    assert len(tensors) == N and all(t["bytes"] == 2**30 for t in tensors)
