"""Many readers at once, and reads at random places, of both views."""
import os
import random
import threading

import pytest

from conftest import run
from helpers import files_below, small_bert, write_safetensors

N_THREADS = 16


@pytest.fixture
def checkpoint(tmp_path):
    return write_safetensors(tmp_path / "model.safetensors", small_bert(width=96), {"format": "pt"})


def in_threads(n, fn):
    failures = []

    def guarded(i):
        try:
            fn(i)
        except BaseException as e:  # noqa: B902 - reported below, by the main thread
            failures.append(e)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not any(t.is_alive() for t in threads)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("name", ["source/model.safetensors", "flax/model.safetensors"])
def test_parallel__16_threads_read_one_descriptor(mount, checkpoint, seed, name):
    m = mount(checkpoint)
    wanted = run("cat", checkpoint, name, text=False).stdout
    fd = os.open(m / name, os.O_RDONLY)

    def read(i):
        rng = random.Random(seed + i)
        for _ in range(60):
            off = rng.randrange(len(wanted))
            n = rng.choice([1, 100, 4096, 65536, 300000])
            assert os.pread(fd, n, off) == wanted[off:off + n], (off, n)

    try:
        in_threads(N_THREADS, read)
    finally:
        os.close(fd)


def test_parallel__threads_read_all_files(mount, checkpoint, seed):
    m = mount(checkpoint)
    names = files_below(m.path)
    wanted = {name: run("cat", checkpoint, name, text=False).stdout for name in names}

    def read(i):
        mine = names[:]
        random.Random(seed + i).shuffle(mine)
        for name in mine:
            assert (m / name).read_bytes() == wanted[name], name

    in_threads(8, read)


def test_parallel__random_ranges_of_both_views(mount, checkpoint, seed):
    """Half of them through O_DIRECT, past the kernel's page cache: every one reaches the server."""
    m = mount(checkpoint)
    rng = random.Random(seed)
    names = [n for n in files_below(m.path) if n.startswith(("source/", "flax/"))]
    wanted = {name: run("cat", checkpoint, name, text=False).stdout for name in names}
    large = [n for n in names if len(wanted[n]) > 20000]
    for i in range(400):
        name = rng.choice(large if i % 2 else names)
        size = len(wanted[name])
        off = rng.randrange(size + 1)
        n = rng.choice([0, 1, 3, 127, 128, 129, 4095, 4096, 4097, rng.randrange(size + 2)])
        with open(m / name, "rb", buffering=0, opener=lambda p, f: os.open(p, f | (i & 1 and os.O_DIRECT))) as f:
            assert os.pread(f.fileno(), n, off) == wanted[name][off:off + n], (name, off, n)


def test_parallel__mounts_share_the_index(mount, checkpoint):
    mounts = [mount(checkpoint, "-o", "cache=always") for _ in range(3)]
    name = "flax/model.safetensors"
    wanted = run("cat", checkpoint, name, text=False).stdout

    def read(i):
        assert (mounts[i] / name).read_bytes() == wanted

    in_threads(len(mounts), read)
    for m in mounts:
        m.umount()
    again = mount(checkpoint, "-o", "cache=always")
    assert (again / name).read_bytes() == wanted
