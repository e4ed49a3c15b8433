"""Views larger than memory should be."""
import struct

import numpy as np

from helpers import SANITIZER_BYTES, server_of, write_sparse_safetensors

MIB = 1 << 20


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
    assert now["RssAnon"] < (64 + 64) * MIB + SANITIZER_BYTES
    # Mapped source is clean page cache: in proportion to memory=, see WINDOWS_SHARE in cache.c.
    assert now["VmHWM"] < (64 + 64 + 16 * 64) * MIB + SANITIZER_BYTES
