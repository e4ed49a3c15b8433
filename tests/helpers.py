"""A tiny safetensors writer and other small tools of the tests, without any package but numpy."""
import json
import os
import pathlib
import re
import resource
import signal
import struct
import subprocess
import threading
import time

import numpy as np

# How long something that must end may take: a guard against hanging for good, far above what a loaded
# machine needs. What hostile input may cost is bounded in CPU time and memory (run_bounded).
HANG_S = 600
# What a sanitizer's own memory may come to.
SANITIZER_BYTES = 512 << 20 if os.environ.get("WEIGHTFS_SANITIZED") else 0

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32",
          "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
        "U8": 8, "BOOL": 8, "F8_E4M3": 8}


def header(entries, metadata=None, align=8):
    """entries: [(name, dtype, shape, begin, end)] -> the length and the padded JSON."""
    head = {"__metadata__": metadata} if metadata else {}
    for name, dtype, shape, begin, end in entries:
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % align)
    return struct.pack("<Q", len(text)) + text


def write_safetensors(path, tensors, metadata=None):
    """tensors: {name: array} or {name: (dtype, shape, bytes)}, in this order."""
    entries, blobs, at = [], [], 0
    for name, value in tensors.items():
        if isinstance(value, tuple):
            dtype, shape, blob = value
        else:
            value = np.asarray(value, order="C")  # which leaves scalars scalars
            dtype, shape, blob = DTYPES[value.dtype.name], value.shape, value.tobytes()
        entries.append((name, dtype, shape, at, at + len(blob)))
        blobs.append(blob)
        at += len(blob)
    with open(path, "wb") as f:
        f.write(header(entries, metadata))
        for blob in blobs:
            f.write(blob)
    return pathlib.Path(path)


def write_sparse_safetensors(path, tensors, metadata=None):
    """tensors: {name: (dtype, shape)}; the data is a hole, so that 200 GB cost nothing."""
    entries, at = [], 0
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape, dtype=object)) * BITS[dtype] // 8
        entries.append((name, dtype, shape, at, at + size))
        at += size
    head = header(entries, metadata)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(len(head) + at)
    return pathlib.Path(path)


def small_bert(n_layers=2, width=64, seed=0):
    """Names and shapes as a BERT has them: 1-D and 2-D tensors that map to Flax."""
    rng = np.random.default_rng(seed)

    def weight(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    tensors = {"embeddings.word_embeddings.weight": weight(503, width),
               "embeddings.LayerNorm.weight": weight(width),
               "embeddings.LayerNorm.bias": weight(width)}
    for i in range(n_layers):
        at = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            tensors[f"{at}attention.self.{name}.weight"] = weight(width, width)
            tensors[f"{at}attention.self.{name}.bias"] = weight(width)
        tensors[f"{at}intermediate.dense.weight"] = weight(4 * width, width)
        tensors[f"{at}intermediate.dense.bias"] = weight(4 * width)
    return tensors


def files_below(folder):
    """Relative paths of all files, sorted; without the live ones."""
    folder = pathlib.Path(folder)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")
                  if p.is_file() and p.name not in LIVE)


LIVE = ("stats.json", "norms.tsv")


def holds_socket(proc, inodes):
    for fd in list((proc / "fd").iterdir()):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd))
        except OSError:  # closed meanwhile
            continue
        if match and match[1] in inodes:
            return True
    return False


def processes_of(path):
    """The process ids of those who were called with this path, zombies excepted."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (proc / "cmdline").read_bytes().split(b"\0"):
                found.append(int(proc.name))
        except OSError:  # gone meanwhile
            continue
    return found


def server_of(path):
    """The process id of the server of a mount: it was called with this path, and listens under the
    mount's device number (as a server that is just ending may, too)."""
    dev = os.stat(path).st_dev
    name = f"@weightfs/mount/{os.major(dev)}:{os.minor(dev)}/"
    inodes = {line.split()[6] for line in open("/proc/net/unix") if name in line}
    for pid in processes_of(path):
        try:
            if holds_socket(pathlib.Path(f"/proc/{pid}"), inodes):
                return pid
        except OSError:
            continue
    raise AssertionError(f"no server for {path}")


def is_alive(pid):
    """False for a zombie too: its files are closed and its memory is gone."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=HANG_S, what="it"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {seconds} s"
        time.sleep(0.02)


def status_kb(pid, field):
    """A field of /proc/PID/status in KiB."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {field} in the status of {pid}")


def run_bounded(command, cpu_s, anon_bytes=None, data_bytes=None, **kwargs):
    """A command that may use so much CPU time and memory; returns the finished process (text).

    cpu_s is its own limit: past it SIGXCPU ends it. data_bytes is one too (RLIMIT_DATA): it counts what is
    reserved, stacks of threads included, so it suits programs without threads. anon_bytes counts what is
    touched (RssAnon), sampled: a process above it is killed, and the test fails.
    """
    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
        if data_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))

    process = subprocess.Popen([str(arg) for arg in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, preexec_fn=limits, **kwargs)
    peak, ended = 0, threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(0.002):
            try:
                peak = max(peak, status_kb(process.pid, "RssAnon") * 1024)
            except (AssertionError, OSError):  # a zombie has no memory, what is gone no status
                return
            if peak > anon_bytes:
                process.kill()

    watcher = threading.Thread(target=watch)
    if anon_bytes is not None:
        watcher.start()
    try:
        stdout, stderr = process.communicate(timeout=HANG_S)
    finally:
        process.kill()
        ended.set()
        if anon_bytes is not None:
            watcher.join()
    assert process.returncode != -signal.SIGXCPU, f"{command}: more than {cpu_s} s of CPU time\n{stderr}"
    assert anon_bytes is None or peak <= anon_bytes, f"{command}: {peak >> 20} MiB of anonymous memory"
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def sh(command, **kwargs):
    """A shell command that must succeed: its stdout."""
    done = subprocess.run(["bash", "-c", "set -euo pipefail; " + command], capture_output=True,
                          timeout=kwargs.pop("timeout", HANG_S), **kwargs)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr.decode()}"
    return done.stdout


def read_safetensors(path):
    """{name: array} of plain types, without its library."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    types = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "U8": "u1"}
    out = {}
    for name, entry in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out[name] = np.frombuffer(data[8 + n + begin:8 + n + end],
                                      types[entry["dtype"]]).reshape(entry["shape"])
    return out
