"""Writes the seeds of the fuzz targets that are folders (fuzz/fuzz_folder.h: files joined by CUT) and
of the index's codec. Run with the loaders' Python; its output is committed."""
import argparse
import ctypes
import ctypes.util
import io
import json
import pathlib
import pickle
import struct
import tempfile
import warnings

import numpy as np
import torch
import torch.distributed.checkpoint as dcp
from flax import serialization

CORPUS = pathlib.Path(__file__).resolve().parent / "fuzz" / "corpus"
CUT = b"\n--8<--\n"
warnings.filterwarnings("ignore")


def put(target, name, *files):
    files = [f.encode() if isinstance(f, str) else json.dumps(f).encode() if isinstance(f, dict) else f
             for f in files]
    assert not any(CUT in f for f in files)
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(CUT.join(files))


def saved(obj, **kwargs):
    out = io.BytesIO()
    torch.save(obj, out, **kwargs)
    return out.getvalue()


def legacy(obj):
    return saved(obj, _use_new_zipfile_serialization=False)


# ---- DCP ----------------------------------------------------------------------------------------

def dcp_seeds():
    with tempfile.TemporaryDirectory() as scratch:
        state = {"model": {"w": torch.arange(6.).view(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)},
                 "epoch": 3}
        dcp.save(state, checkpoint_id=scratch, no_dist=True)
        folder = pathlib.Path(scratch)
        data = (folder / "__0_0.distcp").read_bytes()
        raw = (folder / ".metadata").read_bytes()
    put("dcp", "plain", raw, data)

    def variant(name, change, data=data):
        metadata = pickle.loads(raw)
        change(metadata)
        put("dcp", name, pickle.dumps(metadata), data)

    def info(metadata, fqn):
        return next(v for k, v in metadata.storage_data.items() if k.fqn == fqn)

    # two rows, both in the second file
    row = saved(torch.arange(3.).view(1, 3))
    halves = pickle.loads(raw)
    w = halves.state_dict_metadata["model.w"]
    w.chunks[:] = [type(w.chunks[0])(torch.Size([i, 0]), torch.Size([1, 3])) for i in range(2)]
    index, old = next((k, v) for k, v in halves.storage_data.items() if k.fqn == "model.w")
    del halves.storage_data[index]
    for i in range(2):
        halves.storage_data[type(index)("model.w", torch.Size([i, 0]), 0)] = type(old)(
            "__1_0.distcp", i * len(row), len(row))
    put("dcp", "sharded", pickle.dumps(halves), data, row + row)
    put("dcp", "protocol-2", pickle.dumps(pickle.loads(raw), protocol=2), data)

    def no_planner(m):
        m.planner_data = None

    def at(fqn, **fields):
        def change(m):
            for key, value in fields.items():
                object.__setattr__(info(m, fqn), key, value)
        return change

    def planner(**paths):
        return lambda m: setattr(m, "planner_data", {f"model.{k}": v for k, v in paths.items()})

    variant("no-planner", no_planner)
    variant("should-fail-path-below-a-value", planner(w=("a",), b=("a", "b")))
    variant("should-fail-path-twice", planner(w=("a", 0), b=("a", "0")))
    variant("should-fail-upwards", at("model.w", relative_path="../x.distcp"))
    variant("should-fail-absolute", at("model.w", relative_path="/etc/passwd"))
    variant("should-fail-compressed", at("model.w", transform_descriptors=["zstd"]))
    variant("offset-beyond", at("model.w", offset=2**62))
    variant("length-short", at("model.w", length=100))
    variant("object-cut", at("epoch", length=60))

    def resize(m):
        m.state_dict_metadata["model.w"].size = torch.Size([2**40, 2**40])

    def overlap(m):
        chunks = m.state_dict_metadata["model.w"].chunks
        chunks.append(chunks[0])

    variant("size-overflow", resize)
    variant("chunks-overlap", overlap)
    put("dcp", "should-fail-system", b"\x80\x04cos\nsystem\nX\x02\0\0\0id\x85R.", data)
    put("dcp", "should-fail-no-metadata", pickle.dumps({"a": 1}), data)
    put("dcp", "should-fail-cut", raw[:100], data)
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header = json.dumps({"model.w": entry}).encode()
    put("dcp", "should-fail-msgpack", raw, serialization.msgpack_serialize({"model.w": np.ones((2, 3), "<f4")}))
    put("dcp", "safetensors", raw, struct.pack("<Q", len(header)) + header + bytes(24))


def dcp_hf_seeds():
    def header(offsets, shape, **other):
        n = 4 * int(np.prod(shape))
        offsets = {"w": {"saved_offsets": offsets}} if not isinstance(offsets, str) else offsets
        info = offsets if isinstance(offsets, str) else json.dumps(offsets)
        tail = 64 - n
        return {"__metadata__": {"DCP_SHARDING_INFO": info},
                "w": {"dtype": "F32", "shape": shape, "data_offsets": [0, n]},
                "whole": {"dtype": "U8", "shape": [tail], "data_offsets": [n, 64]}, **other}

    put("dcp_hf", "rows", header([0, 0], [2, 3]), header([2, 0], [1, 3]))
    put("dcp_hf", "columns", header([0, 0], [2, 3]), header([0, 3], [2, 1]))
    put("dcp_hf", "gap", header([0, 0], [2, 3]), header([3, 0], [1, 3]))
    put("dcp_hf", "overlap", header([0, 0], [2, 3]), header([1, 0], [1, 3]))
    put("dcp_hf", "overflow", header([0, 0], [2, 3]), header([2**63 - 1, 2**62], [1, 3]))
    put("dcp_hf", "should-fail-negative", header([0, -1], [2, 3]))
    put("dcp_hf", "should-fail-axes", header([0], [2, 3]))
    put("dcp_hf", "should-fail-no-json", header("[", [2, 3]))
    put("dcp_hf", "should-fail-array", header("[]", [2, 3]))


# ---- indices ------------------------------------------------------------------------------------

def index_seeds():
    def header(**names):
        out, at = {}, 0
        for name, n in names.items():
            out[name] = {"dtype": "U8", "shape": [n], "data_offsets": [at, at + n]}
            at += n
        return out

    def index(weight_map, **metadata):
        return {"metadata": {"total_size": 128, **metadata}, "weight_map": weight_map}

    one, two = header(a=60, b=4), header(c=64)
    both = {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}
    put("index", "plain", index(both), one, two)
    put("index", "unlisted", index({"a": "1.safetensors", "c": "2.safetensors"}), one, two)
    put("index", "torch", index(both), saved({"a": torch.ones(2), "b": torch.ones(3)[1:]}),
        saved({"c": torch.zeros(2, 2).t()}))
    put("index", "torch-legacy", index(both), legacy({"a": torch.ones(2), "b": torch.ones(3)[1:], "n": 1}),
        legacy({"c": torch.zeros(2, 2).t(), "n": 2}))
    put("index", "flax", index({"a/b": "1.safetensors", "a/c": "2.safetensors"}),
        serialization.msgpack_serialize({"a": {"b": np.ones((2, 3), "<f4")}, "step": 3}),
        serialization.msgpack_serialize({"a": {"c": np.zeros(2, "<i8")}, "step": 3, "name": "x"}))
    put("index", "should-fail-upwards", index({"a": "../1.safetensors"}), one)
    put("index", "should-fail-absolute", index({"a": "/1.safetensors"}), one)
    put("index", "should-fail-backslash", index({"a": "..\\1.safetensors"}), one)
    put("index", "should-fail-itself", index({"a": "model.safetensors.index.json"}), one)
    put("index", "should-fail-other-shard", index({**both, "a": "2.safetensors"}), one, two)
    put("index", "should-fail-missing", index({**both, "d": "2.safetensors"}), one, two)
    put("index", "should-fail-twice", '{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}', one, two)
    put("index", "should-fail-number", index({"a": 1}), one, two)
    put("index", "should-fail-empty", index({}), one, two)
    put("index", "should-fail-no-map", "[]", one, two)
    put("index", "should-fail-mixed", index(both), one, serialization.msgpack_serialize({"c": np.ones(3)}))


# ---- ranks --------------------------------------------------------------------------------------

def meta_seeds():
    def rank(i, axis=1, **other):
        r = torch.full
        return {"tok_embeddings.weight": r((4, 2) if axis else (2, 4), float(i)), "norm.weight": torch.ones(4),
                "layers.0.attention.wq.weight": r((2, 4), float(i)), "layers.0.attention.wo.weight": r((4, 2), 1.),
                "rope.freqs": torch.ones(2), **other}

    for name, write in (("legacy", legacy), ("zip", saved)):
        put("meta", name, write(rank(0)), write(rank(1)))
    put("meta", "llama-3", legacy(rank(0, 0)), legacy(rank(1, 0)))
    put("meta", "copies-differ", legacy(rank(0)), legacy(rank(1, **{"norm.weight": torch.zeros(4)})))
    put("meta", "shapes-differ", legacy(rank(0)), legacy(rank(1, **{"norm.weight": torch.zeros(3)})))
    put("meta", "types-differ", legacy(rank(0)), legacy(rank(1, **{"norm.weight": torch.zeros(4).half()})))
    put("meta", "missing", legacy(rank(0)), legacy({"norm.weight": torch.ones(4)}))
    put("meta", "more", legacy({"norm.weight": torch.ones(4)}), legacy(rank(1)))
    put("meta", "unknown", legacy(rank(0, new=torch.ones(2, 2))))
    put("meta", "should-fail-cut", legacy(rank(0))[:300])
    put("meta", "nested", legacy({"model": rank(0), "epoch": 1}), legacy({"model": rank(1), "epoch": 1}))


def megatron_seeds():
    def layer(i):
        p = f"layers.{i}."
        r = torch.arange
        return {p + "self_attention.query_key_value.weight": r(6.).view(6, 1),
                p + "self_attention.dense.weight": r(2.).view(2, 1), p + "self_attention.dense.bias": r(2.),
                p + "mlp.dense_h_to_4h.weight": r(4.).view(4, 1), p + "new.weight": r(4.).view(4, 1)}

    def rank(n=1, version=3.0, swiglu=True, **other):
        encoder = {}
        for i in range(n):
            encoder |= layer(i)
        model = {"language_model": {"encoder": encoder, "embedding": {"word_embeddings": {"weight": torch.ones(2, 1)}}}}
        return {"model": model, "checkpoint_version": version, "iteration": 12,
                "args": argparse.Namespace(swiglu=swiglu), "optimizer": {"x": torch.ones(1)}, **other}

    put("megatron", "all-ranks-alike", legacy(rank()))
    put("megatron", "two-layers", legacy(rank(2)))
    put("megatron", "zip", saved(rank()))
    put("megatron", "version-0", legacy(rank(version=0, swiglu=False)))
    put("megatron", "stages", legacy(rank(2)), legacy(rank(2)), legacy(rank(1)), legacy(rank(1)))
    put("megatron", "ranks-differ", legacy(rank(2)), legacy(rank(1)))
    put("megatron", "groups-odd", legacy({"model": {"x.query_key_value.weight": torch.ones(4, 1)}}))
    put("megatron", "layer-huge", legacy({"model": {"layers.9999999.a.bias": torch.ones(1),
                                                    "layers.99999999.a.bias": torch.ones(1),
                                                    "layers..a.bias": torch.ones(1)}}))
    put("megatron", "swiglu-text", legacy(rank(swiglu="yes", version="x")))
    put("megatron", "should-fail-cut", legacy(rank())[:200])


# ---- the codec ----------------------------------------------------------------------------------

def frame(data):
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd"))
    out = ctypes.create_string_buffer(len(data) + 64)
    zstd.ZSTD_compress.restype = ctypes.c_size_t
    n = zstd.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 1)
    return out.raw[:n]


def codec_seeds():
    def chunk(elem_log, length, planes, tail=b""):
        lengths = b"".join(struct.pack("<I", n) for n, _ in planes)
        return bytes([elem_log]) + struct.pack("<H", length) + lengths + b"".join(d for _, d in planes) + tail

    def raw(data):
        return len(data) | 1 << 31, data

    def packed(data):
        return len(frame(data)), frame(data)

    zeros = bytes(64)
    put("codec", "bytes", chunk(0, 64, [packed(zeros)]))
    put("codec", "halves", chunk(1, 129, [raw(bytes(range(64))), packed(zeros)], b"t"))
    put("codec", "floats", chunk(2, 258, [raw(bytes(range(64))), packed(zeros), packed(zeros), raw(zeros)], b"ta"))
    put("codec", "doubles", chunk(3, 64 * 8, [packed(zeros)] * 8))
    put("codec", "tail-only", chunk(3, 7, [raw(b"")] * 8, b"1234567"))
    put("codec", "should-fail-size", chunk(0, 65, [packed(zeros)]))
    put("codec", "should-fail-bomb", chunk(0, 64, [packed(bytes(1 << 20))]))
    put("codec", "should-fail-length", chunk(0, 64, [(2**31 - 1, zeros)]))
    put("codec", "should-fail-wrap", chunk(1, 128, [(2**31 - 1, zeros), (2**31 - 1, zeros)]))
    put("codec", "should-fail-cut", chunk(0, 64, [packed(zeros)])[:-1])
    put("codec", "should-fail-two-frames", chunk(0, 128, [(2 * len(frame(zeros)), frame(zeros) * 2)]))


if __name__ == "__main__":
    dcp_seeds()
    dcp_hf_seeds()
    index_seeds()
    meta_seeds()
    megatron_seeds()
    codec_seeds()
