"""Views larger than memory should be, and readers in less memory than they would like."""
import os
import pathlib
import struct
import subprocess
import time

import numpy as np
import pytest

from helpers import server_of, write_safetensors, write_sparse_safetensors

MIB = 1 << 20
GIB = 1 << 30


def status(pid):
    """VmHWM and the like, in bytes."""
    with open(f"/proc/{pid}/status") as f:
        rows = dict(line.split(":", 1) for line in f)
    return {k: int(v.split()[0]) * 1024 for k, v in rows.items() if v.strip().endswith("kB")}


def put(path, name_off, values):
    with open(path, "r+b") as f:
        base = 8 + struct.unpack("<Q", f.read(8))[0]
        for off, value in values:
            f.seek(base + name_off + off)
            f.write(np.float32(value).tobytes())


def test_large__8_gib_view_is_read_in_bounded_memory(mount, tmp_path):
    """32 matrices of 256 MiB, transposed: 2**31 elements and offsets beyond 2**32."""
    side, n = 8192, 32
    source = write_sparse_safetensors(
        tmp_path / "model.safetensors",
        {f"encoder.layer.{i}.dense.weight": ("F32", (side, side)) for i in range(n)}, {"format": "pt"})
    rng = np.random.default_rng(3)
    marks = {}
    for i in range(n):
        for k in range(4):
            row, column = (int(x) for x in rng.integers(0, side, 2))
            marks[i, row, column] = float(i * 10 + k + 1)
            put(source, i * side * side * 4, [((row * side + column) * 4, marks[i, row, column])])
    m = mount(source, "--view", "flax", "-o", "memory=64M,index=none")
    pid, found = server_of(m.path), {}
    with open(m / "flax" / "model.safetensors", "rb", buffering=0) as f:
        base = 8 + struct.unpack("<Q", f.read(8))[0]
        order = sorted(range(n), key=lambda i: f"encoder.layer.{i}.dense.kernel")
        for i in order:
            for part in range(16):
                f.seek(base + (order.index(i) * side * side + part * side * side // 16) * 4)
                block = np.frombuffer(f.read(side * side // 4), np.float32)
                for at in np.flatnonzero(block):
                    row, column = divmod(int(at) + part * side * side // 16, side)
                    found[i, column, row] = float(block[at])
    assert found == marks
    now = status(pid)
    assert now["RssAnon"] < (64 + 64) * MIB
    # Mapped source is clean page cache: in proportion to memory=, see WINDOWS_SHARE in cache.c.
    assert now["VmHWM"] < (64 + 64 + 16 * 64) * MIB


# ---- memory pressure --------------------------------------------------------------------------------

class Cgroup:
    """A memory limit for some processes, page cache included; version 1 or 2."""

    def __init__(self, name, limit):
        old = pathlib.Path("/sys/fs/cgroup/memory")
        self.path = (old if old.is_dir() else pathlib.Path("/sys/fs/cgroup")) / name
        try:
            self.path.mkdir()
            (self.path / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")).write_text(str(limit))
        except OSError as e:
            pytest.skip(f"no memory cgroup can be made here: {e}")

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self):
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def digest(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True,
                          timeout=300).stdout.split()[0]


def state_of(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def test_large__memory_pressure(mount, tmp_path):
    """Server and 8 readers in 64 MiB + memory= + 32 MiB, page cache charged, for a minute: no
    deadlock, no wrong byte, nothing left waiting. WEIGHTFS_PRESSURE_SECONDS makes it longer."""
    seconds = float(os.environ.get("WEIGHTFS_PRESSURE_SECONDS", 60))
    rng = np.random.default_rng(9)
    source = write_safetensors(tmp_path / "model.safetensors", {
        f"encoder.layer.{i}.dense.weight": rng.random((2048, 3000 + i), np.float32) for i in range(6)},
        {"format": "pt"})
    m = mount(source, "--view", "flax", "-o", "memory=32M,index=none,files=all")
    names = [m / view / name for view in ("source", "flax")
             for name in ("model.safetensors", "flax_model.msgpack", "pytorch_model.bin", "tensors.npz")]
    want = {name: digest(name) for name in names}
    pid, group = server_of(m.path), Cgroup(f"weightfs-test-{os.getpid()}", (64 + 32 + 32) * MIB)
    end, running, n_read = time.monotonic() + seconds, {}, 0
    try:
        group.add(pid)
        while time.monotonic() < end or running:
            for name in names:
                if name not in running and time.monotonic() < end:
                    running[name] = subprocess.Popen(["sha256sum", name], stdout=subprocess.PIPE,
                                                     text=True)
                    group.add(running[name].pid)
            for name, process in list(running.items()):
                if process.poll() is None:
                    assert time.monotonic() < end + 240, f"{name}: {state_of(process.pid)}"
                    continue
                assert process.returncode == 0
                assert process.stdout.read().split()[0] == want[name]
                process.stdout.close()
                del running[name]
                n_read += 1
            time.sleep(0.02)
        assert n_read >= len(names)
        assert state_of(pid) in ("S", "R")
        m.umount()
    finally:
        for process in running.values():
            process.kill()
            process.wait(timeout=60)
        group.remove()
