"""A tiny safetensors writer and other small tools of the tests, without any package but numpy."""
import json
import os
import pathlib
import re
import struct
import subprocess
import time

import numpy as np

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


def server_of(path):
    """The process id of the server of a mount: it was called with this path, and listens under the
    mount's device number (as a server that is just ending may, too)."""
    dev = os.stat(path).st_dev
    name = f"@weightfs/mount/{os.major(dev)}:{os.minor(dev)}/"
    inodes = {line.split()[6] for line in open("/proc/net/unix") if name in line}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (proc / "cmdline").read_bytes().split(b"\0") and holds_socket(proc, inodes):
                return int(proc.name)
        except OSError:
            continue
    raise AssertionError(f"no server for {path}")


def is_alive(pid):
    """False for a zombie too: its files are closed and its memory is gone."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=60, what="it"):
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


def sh(command, **kwargs):
    """A shell command that must succeed: its stdout."""
    done = subprocess.run(["bash", "-c", "set -euo pipefail; " + command], capture_output=True,
                          timeout=kwargs.pop("timeout", 300), **kwargs)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr.decode()}"
    return done.stdout
