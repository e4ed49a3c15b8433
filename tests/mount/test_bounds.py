"""Memory stays bounded whatever the checkpoint's size; how long it takes is measured by tests/bench."""
import os
import subprocess
import time

import numpy as np
import pytest

from conftest import run
from helpers import header, server_of, status_kb, write_sparse_safetensors

plain = pytest.mark.skipif(bool(os.environ.get("WEIGHTFS_SANITIZED")),
                           reason="a sanitizer's memory is not the program's")

MIB = 1 << 20
MEMORY = 64 * MIB


@pytest.fixture
def huge(tmp_path):
    """200 GB in 1,000 tensors of 5120 x 9765 float32, as a hole."""
    tensors = {f"model.layers.{i}.mlp.up_proj.weight": ("F32", (5120, 9766)) for i in range(1000)}
    path = write_sparse_safetensors(tmp_path / "huge.safetensors", tensors, {"format": "pt"})
    assert path.stat().st_size > 200e9
    return path


def drain(path):
    """Reads whole files as cat does; the bytes are all zeros."""
    total = 0
    with open(path, "rb", buffering=0) as f:
        while True:
            part = f.read(4 * MIB)
            if not part:
                return total
            total += len(part)


@plain
def test_bounds__200_gb_mount_small(mount, huge):
    m = mount(huge, "-o", f"view=flax,memory={MEMORY}")
    pid = server_of(m.path)
    assert (m / "source/model.safetensors").stat().st_size == huge.stat().st_size
    paths = []
    for view in ("source", "flax"):
        found = subprocess.run(["find", m / view / "tensors", "-type", "f"], capture_output=True, text=True,
                               check=True).stdout.split()
        paths += sorted(found)[::200][:5]
    assert len(paths) == 10
    peak = 0
    for path in paths:
        assert drain(path) == os.stat(path).st_size
        peak = max(peak, status_kb(pid, "RssAnon"))
    assert peak * 1024 < 64 * MIB + MEMORY, f"{peak} KiB of anonymous memory"


@plain
def test_bounds__parallel_readers_stay_within_memory(mount, huge):
    m = mount(huge, "-o", f"view=flax,memory={MEMORY}")
    pid = server_of(m.path)
    folder = m / "flax/tensors/model/layers"
    readers = []
    for i in range(8):
        [path] = [p for p in (folder / str(i) / "mlp/up_proj").iterdir()]
        readers.append(subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL))
    peak = 0
    while any(r.poll() is None for r in readers):
        peak = max(peak, status_kb(pid, "RssAnon"))
        time.sleep(0.01)
    assert all(r.returncode == 0 for r in readers)
    assert peak * 1024 < 64 * MIB + MEMORY, f"{peak} KiB of anonymous memory"


@plain
def test_bounds__100000_tensors(mount, tmp_path):
    tensors = {f"layers.{i // 1000}.p{i % 1000}": ("F32", (2, 2)) for i in range(100_000)}
    path = write_sparse_safetensors(tmp_path / "many.safetensors", tensors, {"format": "pt"})
    m = mount(path)
    for _ in range(2):
        found = subprocess.run(["find", m.path, "-type", "f", "-name", "*.npy"], capture_output=True, check=True)
        assert found.stdout.count(b"\n") == 200_000


@plain
def test_bounds__100_mb_header(tmp_path):
    """Just under the format's limit of 100,000,000 bytes."""
    n = 780_000
    entries = [(f"model.layers.{i}.some.module.that.has.a.longer.name.weight", "F32", (1,), 4 * i, 4 * i + 4)
               for i in range(n)]
    head = header(entries)
    assert 90e6 < len(head) < 100e6
    path = tmp_path / "header.safetensors"
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(len(head) + 4 * n)
    assert run("ls", "-o", "view=flax,files=none", path, "flax/tensors/model").stdout == "layers\n"
    last = f"source/tensors/model/layers/{n - 1}/some/module/that/has/a/longer/name"
    assert run("ls", "-o", "view=flax,files=none", path, last).stdout == "weight.npy\n"


def test_bounds__holes_of_the_source_read_as_zeros(mount, tmp_path):
    path = write_sparse_safetensors(tmp_path / "s.safetensors", {"a.weight": ("F32", (300, 500))})
    m = mount(path)
    assert not np.load(m / "source/tensors/a/weight.npy").any()
    assert not np.load(m / "nnx/tensors/a/kernel.npy").any()
