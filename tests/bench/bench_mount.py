"""What the mount costs, as ratios of one run: run on a quiet machine, as root.

    ninja -C build tests/bench/floor_server && tests/bench/bench_mount.py [build/weightfs] [ROUNDS]

  stored / floor        a stored tensor read cold through the mount, against a server with the same
                        settings that answers from a constant buffer          (wanted: >= 0.80)
  transposed / stored   a transposed 4096x11008 tensor, 2 and 4 bytes, against the stored one through
                        the same mount                                         (wanted: >= 0.75)

Every sample is a fresh mount (nothing in its page cache), the source in the page cache. Memory that
the host took back while the machine idled is touched before each sample, and readers read into
page-aligned buffers: either artefact would fake the numbers. Medians; kinds interleaved.
"""
import mmap
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from helpers import write_safetensors  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WARM_BYTES = 2 << 30
READ_BYTES = 1 << 20
SHAPE = (4096, 11008)


def touch_memory():
    with mmap.mmap(-1, WARM_BYTES) as m:
        for off in range(0, WARM_BYTES, 4096):
            m[off] = 1


def read_all(path):
    """Seconds to read a file front to back into one page-aligned buffer."""
    buf = mmap.mmap(-1, READ_BYTES)
    buf[:] = b"\0" * READ_BYTES
    fd = os.open(path, os.O_RDONLY)
    start, off = time.perf_counter(), 0
    while n := os.preadv(fd, [buf], off):
        off += n
    seconds = time.perf_counter() - start
    os.close(fd)
    return off / seconds


class Bench:
    def __init__(self, weightfs):
        self.weightfs = weightfs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wfs-bench-"))
        self.mnt = self.folder / "mnt"
        n = SHAPE[0] * SHAPE[1]
        block = os.urandom(1 << 20)
        data = {bits: (block * (n * bits // 8 // len(block) + 1))[:n * bits // 8] for bits in (16, 32)}
        self.source = write_safetensors(self.folder / "source.safetensors", {
            "m2.weight": ("BF16", SHAPE, data[16]), "m4.weight": ("F32", SHAPE, data[32])}, {"format": "pt"})

    def weightfs_read(self, name):
        subprocess.run([self.weightfs, "mount", "--view", "flax", "-o", "index=none", self.source, self.mnt], check=True)
        try:
            touch_memory()
            self.source.read_bytes()
            return read_all(self.mnt / name)
        finally:
            subprocess.run([self.weightfs, "umount", self.mnt], check=True)

    def floor_read(self, size):
        self.mnt.mkdir(exist_ok=True)
        server = subprocess.Popen([ROOT / "build/tests/bench/floor_server", self.mnt, str(size)])
        try:
            while not (self.mnt / "data").exists():
                time.sleep(0.01)
            dev = os.stat(self.mnt).st_dev
            pathlib.Path(f"/sys/class/bdi/{os.major(dev)}:{os.minor(dev)}/read_ahead_kb").write_text("4096")
            touch_memory()
            return read_all(self.mnt / "data")
        finally:
            subprocess.run(["umount", self.mnt], check=True)
            server.wait()

    def close(self):
        shutil.rmtree(self.folder)


def main():
    bench = Bench(sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/weightfs"))
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    kinds = {"floor": lambda: bench.floor_read(SHAPE[0] * SHAPE[1] * 4)}
    for bits in (2, 4):
        kinds[f"stored {bits} B"] = lambda b=bits: bench.weightfs_read(f"source/tensors/m{b}/weight.npy")
        kinds[f"transposed {bits} B"] = lambda b=bits: bench.weightfs_read(f"flax/tensors/m{b}/kernel.npy")
    samples = {kind: [] for kind in kinds}
    try:
        for _ in range(rounds):
            for kind, run in kinds.items():
                samples[kind].append(run())
    finally:
        bench.close()
    median = {kind: statistics.median(s) for kind, s in samples.items()}
    for kind, speed in median.items():
        print(f"{kind:16} {speed / 1e9:6.2f} GB/s   ({min(samples[kind]) / 1e9:.2f}-{max(samples[kind]) / 1e9:.2f})")
    for bits in (2, 4):
        print(f"stored/floor, {bits} B        {median[f'stored {bits} B'] / median['floor']:.2f}")
        print(f"transposed/stored, {bits} B   {median[f'transposed {bits} B'] / median[f'stored {bits} B']:.2f}")


if __name__ == "__main__":
    main()
