"""Converting a 2.2 GB bf16 Llama (1.1 B parameters) to Flax's layout: weightfs against users' own ways.

    tests/bench/bench_convert.py [build/weightfs] [ROUNDS]      (with the loaders' Python; 8 GB of disk)

Wall time and peak memory (anonymous plus mapped, as the operating system counts a process) of each,
interleaved, medians. "one at a time": header first, one tensor at a time from a memory map, transposed
by torch or numpy, written in order: the fastest way that users have.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HIDDEN, LAYERS, KV, INTER, VOCAB = 2048, 22, 256, 5632, 32000
WARM_BYTES = 2 << 30


def shapes():
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        for name, rows, columns in [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", KV, HIDDEN),
                                    ("self_attn.v_proj", KV, HIDDEN), ("self_attn.o_proj", HIDDEN, HIDDEN),
                                    ("mlp.gate_proj", INTER, HIDDEN), ("mlp.up_proj", INTER, HIDDEN),
                                    ("mlp.down_proj", HIDDEN, INTER)]:
            yield f"{layer}{name}.weight", (rows, columns)
        yield f"{layer}input_layernorm.weight", (HIDDEN,)
        yield f"{layer}post_attention_layernorm.weight", (HIDDEN,)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def write_source(path):
    block, head, at = os.urandom(4 << 20), {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        head[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for off in range(0, at, len(block)):
            f.write(block[:min(len(block), at - off)])


ONE_AT_A_TIME = """
import json, mmap, sys
source, target, how = sys.argv[1:]
f = open(source, "rb")
m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
n = int.from_bytes(m[:8], "little")
head = json.loads(m[8:8 + n])
head.pop("__metadata__")
if how == "torch":
    import torch, warnings
    warnings.simplefilter("ignore")
else:
    import numpy as np
out, at, plan = {"__metadata__": {"format": "flax"}}, 0, []
for name, e in head.items():
    b, end = e["data_offsets"]
    kernel = len(e["shape"]) == 2 and "embed" not in name
    shape = e["shape"][::-1] if kernel else e["shape"]
    out[name.replace(".weight", ".kernel") if kernel else name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + end - b]}
    plan.append((8 + n + b, e["shape"], kernel, end - b))
    at += end - b
text = json.dumps(out).encode(); text += b" " * (-len(text) % 8)
with open(target, "wb") as g:
    g.write(len(text).to_bytes(8, "little") + text)
    for off, shape, kernel, size in plan:
        if not kernel:
            g.write(m[off:off + size])
        elif how == "torch":
            g.write(torch.frombuffer(m, dtype=torch.int16, count=size // 2, offset=off).view(*shape).t().contiguous().numpy())
        else:
            g.write(np.ascontiguousarray(np.frombuffer(m, "<i2", size // 2, off).reshape(shape).T))
"""


TOUCH = f"""
import mmap
m = mmap.mmap(-1, {WARM_BYTES})
for off in range(0, {WARM_BYTES}, 4096): m[off] = 1
"""


def touch_memory():
    """In a process of its own: a child's peak counts what its parent had."""
    subprocess.run([sys.executable, "-c", TOUCH], check=True)


def measure(command):
    """Seconds and peak resident bytes of one process."""
    os.sync()  # what the last one wrote
    touch_memory()
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: status {status}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def main():
    weightfs = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/weightfs")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wfs-convert-"))
    source, target, script = folder / "source.safetensors", folder / "model.safetensors", folder / "convert.py"
    script.write_text(ONE_AT_A_TIME)
    write_source(source)
    ways = {"weightfs export": [weightfs, "export", source, "--view", "flax", target],
            "one at a time, torch": [sys.executable, script, source, target, "torch"],
            "one at a time, numpy": [sys.executable, script, source, target, "numpy"],
            "cp, untransposed": ["cp", source, target]}
    samples = {way: [] for way in ways}
    try:
        for _ in range(rounds):
            for way, command in ways.items():
                target.unlink(missing_ok=True)
                samples[way].append(measure(command))
    finally:
        shutil.rmtree(folder)
    for way, found in samples.items():
        seconds = [s for s, _ in found]
        print(f"{way:22} {statistics.median(seconds):6.2f} s ({min(seconds):.2f}-{max(seconds):.2f})   "
              f"peak {statistics.median(m for _, m in found) / 2**20:8.0f} MiB")


if __name__ == "__main__":
    main()
