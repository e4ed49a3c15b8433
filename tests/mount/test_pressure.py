"""Readers and the server in less memory than they would like, page cache included."""
import hashlib
import itertools
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from conftest import run
from helpers import HANG_S, SANITIZER_BYTES, server_of, write_safetensors

MIB = 1 << 20

# Each prints the SHA-256 of the SHA-256s of the file's MiBs, and has little memory of its own.
MAP = """
import hashlib, mmap, sys
whole = hashlib.sha256()
with open(sys.argv[1], "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as data, memoryview(data) as view:
    for off in range(0, len(view), 1 << 20):
        with view[off:off + (1 << 20)] as block:
            whole.update(hashlib.sha256(block).digest())
print(whole.hexdigest())
"""
THREADS = """
import hashlib, os, sys, threading
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
digests = [None] * -(-size >> 20)
def work(first):
    for i in range(first, len(digests), 32):
        digest, off, end = hashlib.sha256(), i << 20, min(size, i + 1 << 20)
        while off < end:
            block = os.pread(fd, min(end - off, 1 << 17), off)
            digest.update(block)
            off += len(block) or size
        digests[i] = digest.digest()
threads = [threading.Thread(target=work, args=(i,)) for i in range(32)]
for t in threads: t.start()
for t in threads: t.join()
print(hashlib.sha256(b"".join(digests)).hexdigest())
"""
PROGRAMS = {"map": MAP, "32 threads": THREADS}
READERS = ["read"] * 5 + ["map"] * 2 + ["32 threads"]


def digests(data):
    """What the readers print of a file."""
    blocks = (data[off:off + MIB] for off in range(0, len(data), MIB))
    in_parts = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()
    return {"read": hashlib.sha256(data).hexdigest(), "map": in_parts, "32 threads": in_parts}


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


def state_of(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


class Reader:
    """One process of the group that reads one file in one way. It waits for a line before it begins,
    so that all it reads is charged to the group."""

    def __init__(self, group, how, path):
        self.how, self.path = how, path
        command = ["sh", "-c", 'read go; exec sha256sum "$0"', path] if how == "read" else [
            sys.executable, "-I", "-S", "-c", "input()\n" + PROGRAMS[how], path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "MALLOC_ARENA_MAX": "1"})
        group.add(self.process.pid)
        self.process.stdin.write("\n")
        self.process.stdin.close()

    def __str__(self):
        return f"{self.how} {self.path}: {self.process.returncode}, {state_of(self.process.pid)}"

    def result(self):
        with self.process.stdout as out:
            return out.read().split()[0]


def drop_pages(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def test_pressure__8_readers(mount, tmp_path):
    """Server and 8 readers in 64 MiB + memory= + 32 MiB, page cache charged, for a minute, by read,
    by mmap and with 32 threads: no deadlock, no wrong byte, nothing left waiting.
    WEIGHTFS_PRESSURE_SECONDS makes it longer."""
    seconds = float(os.environ.get("WEIGHTFS_PRESSURE_SECONDS", 60))
    rng = np.random.default_rng(9)
    source = write_safetensors(tmp_path / "model.safetensors", {
        f"encoder.layer.{i}.dense.weight": rng.random((2048, 3000 + i), np.float32) for i in range(6)},
        {"format": "pt"})
    want = {}  # from without a mount, so that no page of the mount is cached before
    for name in (f"{view}/{file}" for view in ("source", "flax") for file in (
            "model.safetensors", "flax_model.msgpack", "pytorch_model.bin", "tensors.npz")):
        want[name] = digests(run("cat", "--view", "flax", "-o", "files=all", source, name, text=False).stdout)
    m = mount(source, "--view", "flax", "-o", "memory=32M,index=none,files=all")
    pid, group = server_of(m.path), Cgroup(f"weightfs-test-{os.getpid()}", (64 + 32 + 32) * MIB + SANITIZER_BYTES)
    names = itertools.cycle(want)
    end, running, n_read = time.monotonic() + seconds, {}, dict.fromkeys(READERS, 0)
    try:
        group.add(pid)
        drop_pages(source)
        while time.monotonic() < end or running:
            for slot, how in enumerate(READERS):
                if slot not in running and time.monotonic() < end:
                    running[slot] = Reader(group, how, m / next(names))
            for slot, reader in list(running.items()):
                if reader.process.poll() is None:
                    assert time.monotonic() < end + HANG_S, str(reader)
                    continue
                assert reader.process.returncode == 0, str(reader)
                assert reader.result() == want[str(reader.path.relative_to(m.path))][reader.how], str(reader)
                del running[slot]
                n_read[reader.how] += 1
            time.sleep(0.02)
        print(n_read, m.stats())
        assert min(n_read.values()) >= 1, n_read
        assert m.stats()["errors"] == [] and state_of(pid) in ("S", "R")
        m.umount()
    finally:
        for reader in running.values():
            reader.process.kill()
            reader.process.wait(timeout=HANG_S)
        group.remove()
