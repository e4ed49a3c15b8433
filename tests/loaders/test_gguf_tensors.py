"""--view gguf of Hugging Face directories, against the files that llama.cpp's own converter made of them: names, shapes
and values; and the way back, --view torch of those files against the directories."""
import json
import os
import pathlib
import struct
import subprocess

import numpy as np
import pytest

gguf = pytest.importorskip("gguf")

BIN = os.environ.get("WEIGHTFS_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "weightfs"))
CORPUS = pathlib.Path(os.environ.get("WEIGHTFS_CORPUS", "/nonexistent")) / "gguf"
NAMES = sorted(p.name for p in CORPUS.glob("*/")) if CORPUS.is_dir() else []
pytestmark = pytest.mark.skipif(not NAMES, reason="WEIGHTFS_CORPUS has no gguf/")
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
# What a GGUF file does not hold: these names do not come back, and these are others.
LOST = {
    "apertus": "act_fn.", "bert": "pooler.", "bertcls": "pooler.", "xlmrcls": "position_embeddings",
    "gemma3mm": ("vision_tower.", "multi_modal_projector."), "qwen25vl": "visual.", "qwen2vl": "visual.",
    "qwen3vlmoe": "visual.",
}
PREFIXES = {"bertcls": "bert.", "xlmrcls": "roberta.", "gemma3mm": "language_model.", "qwen3vlmoe": "language_model."}


def floats(data, dtype, shape):
    array = np.frombuffer(data, DTYPES[dtype])
    if dtype == "BF16":
        array = (array.astype("<u4") << 16).view("<f4")
    return array.reshape(shape)


def safetensors(data):
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size:]
    return {k: floats(body[m["data_offsets"][0]:m["data_offsets"][1]], m["dtype"], m["shape"]) for k, m in header.items()}


def original(name):
    found = {}
    for path in sorted((CORPUS / name).glob("*.safetensors")):
        found.update(safetensors(path.read_bytes()))
    return found


def view(source, name):
    done = subprocess.run([BIN, "cat", str(source), f"{name}/model.safetensors", "--view", name], capture_output=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    return safetensors(done.stdout)


def report(source, name):
    done = subprocess.run([BIN, "map", str(source), "--view", name, "--json"], capture_output=True, timeout=600)
    return json.loads(done.stdout)["report"]


def converted(name):
    """{name: (type, array)} of the converter's file."""
    found = {}
    for t in gguf.GGUFReader(CORPUS / f"{name}-f16.gguf").tensors:
        assert t.tensor_type.name in ("F32", "F16"), t.tensor_type
        found[t.name] = (t.tensor_type.name, np.asarray(t.data).reshape([int(n) for n in t.shape][::-1]))
    return found


def bits(array, dtype):
    return np.ascontiguousarray(array.astype(DTYPES[dtype])).view("u2" if dtype == "F16" else "u4")


@pytest.mark.parametrize("name", NAMES)
def test_gguf_tensors__are_the_converters(name):
    got, want = view(CORPUS / name, "gguf"), converted(name)
    assert sorted(got) == sorted(want)
    for key, (dtype, array) in want.items():
        assert got[key].shape == array.shape, key
        assert np.array_equal(bits(got[key], dtype), bits(array, dtype)), key


@pytest.mark.parametrize("name", NAMES)
def test_gguf_tensors__come_back(name):
    source = CORPUS / f"{name}-f16.gguf"
    lost = LOST.get(name, ())
    inexact = [e["subject"] for e in report(source, "torch") if e["status"] == "inexact"]
    got = view(source, "torch")
    want = {k.replace(PREFIXES[name], "", 1) if name in PREFIXES else k: v for k, v in original(name).items()
            if not any(word in k for word in ([lost] if isinstance(lost, str) else lost))}
    got = {k: v for k, v in got.items() if name != "xlmrcls" or "position_embeddings" not in k}
    assert sorted(got) == sorted(want)
    n_changed = 0
    for key, array in want.items():
        assert got[key].shape == array.shape, key
        narrow = array.astype("<f2").astype("<f4")
        if np.array_equal(got[key].astype("<f4"), array.astype("<f4")) or np.array_equal(got[key].astype("<f4"), narrow):
            continue
        n_changed += 1  # a norm that 1 was added to, or the logarithm of an exponential: rounded, and said so
        assert np.abs(got[key].astype("<f4") - array.astype("<f4")).max() < 1e-6, key
    assert n_changed <= len(inexact)
