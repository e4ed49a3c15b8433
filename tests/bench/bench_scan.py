#!/usr/bin/env python3
"""How long a torch ZIP takes to be read as a catalog: run on a quiet machine, with the loaders' Python.

  10,000 tensors     weightfs ls against torch.load(mmap=True) of the same file     <= 1.0 of its time
  100 GiB, sparse    mount                                                           < 1 s

usage: bench_scan.py [WEIGHTFS [ROUNDS]]       exit status 1 where a target is missed; medians
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from make_hostile_torch import write_sparse_zip  # noqa: E402


def timed(fn):
    start = time.perf_counter()
    fn()
    return time.perf_counter() - start


def verdict(name, value, target, unit=""):
    print(f"{'ok    ' if value <= target else 'MISSED'} {name:<40} {value:8.3f} {unit}  (<= {target} {unit})")
    return value <= target


def many(weightfs, folder, rounds):
    path = folder / "many.pt"
    torch.save({f"layers.{i}.weight": torch.zeros(4) for i in range(10000)}, path)
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(timed(lambda: torch.load(path, mmap=True)))
        ours.append(timed(lambda: subprocess.run(
            [weightfs, "ls", "-o", "view=source,files=none", path, "source/tensors/layers"], check=True,
            stdout=subprocess.DEVNULL)))
    print(f"       weightfs {statistics.median(ours):.3f} s, torch.load(mmap=True) {statistics.median(theirs):.3f} s")
    return verdict("10,000 tensors, of torch's time", statistics.median(ours) / statistics.median(theirs), 1.0)


def huge(weightfs, folder, rounds):
    path, at, times = folder / "huge.pt", folder / "mnt", []
    write_sparse_zip(path, 100, 2**14)
    for _ in range(rounds):
        times.append(timed(lambda: subprocess.run([weightfs, "mount", path, at, "-o", "index=none"], check=True)))
        subprocess.run([weightfs, "umount", at], check=True)
    return verdict("mount of 100 GiB", statistics.median(times), 1.0, "s")


def main():
    weightfs = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/weightfs"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="weightfs-bench-") as folder:
        good = [bench(weightfs, pathlib.Path(folder), rounds) for bench in (many, huge)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
