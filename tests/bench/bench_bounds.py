#!/usr/bin/env python3
"""How long a mount of much takes, and how much memory: run on a quiet machine.

  mount       a sparse 200 GB file of 1,000 tensors; 100,000 tensors                      < 1 s
  find        cold, over the 100,000 tensors in two views                                 < 2 s
  memory      RssAnon after reading 20 tensors of each view of the 200 GB   < 64 MiB + memory=

usage: bench_bounds.py [WEIGHTFS [ROUNDS]]       exit status 1 where a target is missed; medians
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from helpers import server_of, status_kb, write_sparse_safetensors  # noqa: E402

MIB = 1 << 20
missed = []


def verdict(name, value, target, unit):
    good = value < target
    print(f"{'ok    ' if good else 'MISSED'} {name:<40} {value:8.2f} {unit}  (< {target} {unit})")
    if not good:
        missed.append(name)


def drain(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(4 * MIB):
            pass


class Bench:
    def __init__(self, weightfs, folder, repeats):
        self.bin, self.folder, self.repeats = weightfs, folder, repeats
        self.at = folder / "mnt"
        self.env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}

    def mount(self, source, *args):
        start = time.perf_counter()
        subprocess.run([self.bin, "mount", source, self.at, "-o", "index=none", *args], check=True, env=self.env)
        return time.perf_counter() - start

    def umount(self):
        subprocess.run([self.bin, "umount", self.at], check=True)

    def huge(self):
        path = write_sparse_safetensors(
            self.folder / "huge.safetensors",
            {f"model.layers.{i}.mlp.up_proj.weight": ("F32", (5120, 9766)) for i in range(1000)}, {"format": "pt"})
        times = []
        for _ in range(self.repeats):
            times.append(self.mount(path))
            self.umount()
        verdict("mount of 200 GB", statistics.median(times), 1.0, "s")
        self.mount(path, "-o", f"memory={64 * MIB}")
        pid, peak = server_of(self.at), 0
        for view, name in (("source", "weight"), ("flax", "kernel")):
            for i in range(20):
                drain(self.at / f"{view}/tensors/model/layers/{i}/mlp/up_proj/{name}.npy")
                peak = max(peak, status_kb(pid, "RssAnon"))
        self.umount()
        verdict("RssAnon, 20 tensors of each view", peak / 1024, 64 + 64, "MiB")

    def many(self):
        path = write_sparse_safetensors(
            self.folder / "many.safetensors",
            {f"layers.{i // 1000}.p{i % 1000}": ("F32", (2, 2)) for i in range(100_000)}, {"format": "pt"})
        mounts, finds = [], []
        for _ in range(self.repeats):
            mounts.append(self.mount(path))
            start = time.perf_counter()
            subprocess.run(["find", self.at], stdout=subprocess.DEVNULL, check=True)
            finds.append(time.perf_counter() - start)
            self.umount()
        verdict("mount of 100,000 tensors", statistics.median(mounts), 1.0, "s")
        verdict("find, cold, 100,000 tensors in 2 views", statistics.median(finds), 2.0, "s")


def main():
    weightfs = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/weightfs"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="weightfs-bench-") as folder:
        bench = Bench(weightfs, pathlib.Path(folder), rounds)
        bench.huge()
        bench.many()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
