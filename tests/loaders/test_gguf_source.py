"""GGUF sources against gguf-py: every file of the corpus and files that its writer makes, tensor by tensor; and
the way back to torch's names against the checkpoints that the files were made of."""
import json
import struct

import gguf
import numpy as np
import pytest
import safetensors.torch
import torch
from gguf import GGUFEndian, GGUFReader, GGUFWriter
from gguf import GGMLQuantizationType as Q

from conftest import BIN, run
from helpers import SANITIZER_BYTES, run_bounded

PLAIN = {Q.F32: "float32", Q.F16: "float16", Q.BF16: "bfloat16", Q.F64: "float64",
         Q.I8: "int8", Q.I16: "int16", Q.I32: "int32", Q.I64: "int64"}


def rows_of(source):
    """{name: (dtype, shape, offset in its file)} of info/tensors.tsv."""
    lines = run("cat", source, "info/tensors.tsv").stdout.splitlines()
    head = lines[0].lstrip("# ").split("\t")
    rows = [dict(zip(head, line.split("\t"))) for line in lines[1:]]
    return {row["name"]: row for row in rows}


def raw_of(source, name, dtype):
    path = "source/tensors/" + name.replace(".", "/") + f".{dtype}.raw"
    return run("cat", "-o", "format=raw", source, path, text=False).stdout


def check_as_reader(path, byteorder="little"):
    """Names, shapes, types and bytes are those of gguf-py's reader."""
    reader = GGUFReader(path)
    rows = rows_of(path)
    assert list(rows) == [t.name for t in reader.tensors]
    for t in reader.tensors:
        dtype = PLAIN.get(t.tensor_type, t.tensor_type.name.lower())
        shape = tuple(int(n) for n in reversed(t.shape))
        assert rows[t.name]["dtype"] == dtype, t.name
        assert rows[t.name]["shape"].replace(" ", "") == str(shape).replace(" ", ""), t.name
        data = np.asarray(t.data)
        if byteorder == "big" and t.tensor_type == Q.BF16:
            data = data.view("<u2").byteswap()  # gguf-py leaves these as bytes
        elif byteorder == "big" and t.tensor_type in PLAIN:
            data = data.astype(data.dtype.newbyteorder("<"))
        assert raw_of(path, t.name, dtype) == data.tobytes(), t.name
    return reader


def corpus_files(corpus):
    files = sorted((corpus / "gguf").glob("*.gguf"))
    if not files:
        pytest.skip(f"no GGUF files below {corpus}")
    return files


def test_every_file_of_the_corpus(corpus):
    for path in corpus_files(corpus):
        reader = check_as_reader(path)
        objects = json.loads(run("cat", path, "info/objects.json").stdout)
        keys = [k for k in reader.fields if not k.startswith("GGUF.")]
        assert list(objects) == keys, path
        for key in keys:
            want, got = reader.fields[key].contents(), objects[key]
            if isinstance(want, list) and len(want) > 32:
                assert got["count"] == len(want), (path, key)
                want, got = want[:8], got["first"]
            if isinstance(want, float):
                assert np.float32(got) == np.float32(want), (path, key)
            elif isinstance(want, list) and want and isinstance(want[0], float):
                assert np.array_equal(np.float32(got), np.float32(want)), (path, key)
            else:
                assert got == want, (path, key)


# ---- files that gguf-py writes -----------------------------------------------------------------------------

def write(path, tensors, endianess=GGUFEndian.LITTLE, keys=(), **kwargs):
    """tensors: {name: array or (blocks as gguf.quants makes them, type)}"""
    writer = GGUFWriter(path, "llama", endianess=endianess, **kwargs)
    for key, value in keys:
        getattr(writer, "add_" + value[0])(key, value[1])
    for name, value in tensors.items():
        data, kind = value if isinstance(value, tuple) else (value, None)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def plain_tensors(rng):
    tensors = {f"blk.{i}.{d}": (rng.standard_normal((3, 5)) * 40).astype(d)
               for i, d in enumerate(["float32", "float16", "float64", "int8", "int16", "int32", "int64"])}
    tensors["four.axes"] = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    tensors["one"] = rng.standard_normal(7).astype("float32")
    return tensors


def test_big_endian(tmp_path, seed):
    path = tmp_path / "big.gguf"
    tensors = plain_tensors(np.random.default_rng(seed))
    write(path, tensors, GGUFEndian.BIG, keys=[("x.count", ("uint32", 77)), ("x.rate", ("float32", 0.5))])
    assert path.read_bytes()[4:8] == b"\0\0\0\3"
    for name, array in tensors.items():
        assert raw_of(path, name, array.dtype.name) == array.tobytes(), name
    objects = json.loads(run("cat", path, "info/objects.json").stdout)
    assert objects["x.count"] == 77 and objects["x.rate"] == 0.5


def test_little_endian_and_many_keys(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path / "many.gguf"
    keys = [(f"key.{i}", ("uint32", i)) for i in range(20000)]
    keys += [("tokens", ("array", ["tok%d" % i for i in range(150000)])), ("after", ("string", "\u00e9\n\""))]
    write(path, plain_tensors(rng), keys=keys)
    check_as_reader(path)
    objects = json.loads(run("cat", path, "info/objects.json").stdout)
    assert objects["key.19999"] == 19999 and objects["after"] == "\u00e9\n\""
    assert objects["tokens"]["count"] == 150000 and objects["tokens"]["first"][2] == "tok2"


@pytest.mark.parametrize("kind", [q for q in Q if q not in PLAIN and q != Q.Q8_1])
def test_blocks_of_every_type(tmp_path, seed, kind):
    """gguf-py encodes some types and knows all sizes; for the others any bytes are blocks. (Its Q8_1 has
    another size than ggml's.)"""
    rng = np.random.default_rng(seed)
    elems, size = gguf.GGML_QUANT_SIZES[kind]
    values = rng.standard_normal((3, 2 * elems)).astype("float32")
    try:
        blocks = gguf.quants.quantize(values, kind)
    except NotImplementedError:
        blocks = rng.integers(0, 256, (3, 2 * size), dtype="uint8")
    path = tmp_path / "model.gguf"
    write(path, {"blk.0.attn_q.weight": (blocks, kind), "norm": np.ones(4, "float32")})
    check_as_reader(path)
    name = kind.name.lower()
    assert run("ls", path, "source/tensors/blk/0/attn_q").stdout.split() == [f"weight.{name}.raw"]


def test_a_split_model_is_the_whole(tmp_path, seed):
    tensors = plain_tensors(np.random.default_rng(seed))
    folder = tmp_path / "split"
    folder.mkdir()
    write(tmp_path / "whole.gguf", tensors)
    write(folder / "m.gguf", tensors, split_max_tensors=4)
    assert len(list(folder.iterdir())) == 3
    whole, split = rows_of(tmp_path / "whole.gguf"), rows_of(folder)
    assert {n: (r["dtype"], r["shape"]) for n, r in whole.items()} == {
        n: (r["dtype"], r["shape"]) for n, r in split.items()}
    first = rows_of(sorted(folder.iterdir())[0])  # stands for all
    assert list(first) == list(split)
    for name, array in tensors.items():
        assert raw_of(folder, name, array.dtype.name) == array.tobytes(), name


# ---- the way back ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("view", ["torch", "torch=~gguf"])
@pytest.mark.parametrize("model, kinds", [("llama", ["f16", "f32"]), ("gpt2", ["f16"]), ("bert", ["f16"])])
def test_torch_view_gives_the_checkpoint_back(corpus, tmp_path, model, kinds, view):
    """Names and row orders of what convert_hf_to_gguf.py was given; values after the cast to the file's type."""
    want = safetensors.torch.load_file(corpus_files(corpus)[0].parent / model / "model.safetensors")
    not_kept = ("pooler.", "cls.", "embeddings.position_ids", "lm_head.")
    for kind in kinds:
        out = tmp_path / kind / "model.safetensors"
        out.parent.mkdir()
        source = corpus / "gguf" / f"{model}-{kind}.gguf"
        run("export", source, "--view", view, out)
        got = safetensors.torch.load_file(out)
        names = {n.removeprefix("bert."): n for n in want}
        assert set(got) <= set(names)
        missing = {names[n] for n in set(names) - set(got)}
        assert all(n.removeprefix("bert.").startswith(not_kept) for n in missing), missing
        assert len(got) > 10
        for name, tensor in got.items():
            original = want[names[name]]
            assert torch.equal(tensor, original.to(tensor.dtype)), (kind, name)


def test_other_models_are_not_taken_for_llama(corpus, tmp_path):
    corpus_files(corpus)
    data = (corpus / "gguf" / "olmo2-f16.gguf").read_bytes()
    other = tmp_path / "other.gguf"
    other.write_bytes(data.replace(b"olmo2", b"olmo9"))
    done = run("map", other, "--view", "torch", check=False)
    assert done.returncode != 0 and "gguf.map:" in done.stderr and "no model that GGUF is known for" in done.stderr


# ---- bounds ------------------------------------------------------------------------------------------------

def string(text):
    return struct.pack("<Q", len(text)) + text


def test_a_sparse_file_of_20_gb_in_bounded_memory(tmp_path):
    path = tmp_path / "large.gguf"
    n, rows, cols = 80, 16384, 8192
    size = rows * cols * 2
    head = b"GGUF" + struct.pack("<IQQ", 3, n, 2)
    head += string(b"general.architecture") + struct.pack("<I", 8) + string(b"llama")
    head += string(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 150000) + string(b"token") * 150000
    for i in range(n):
        head += string(b"blk.%d.ffn_up.weight" % i) + struct.pack("<IQQIQ", 2, cols, rows, 1, i * size)
    begin = (len(head) + 31) // 32 * 32
    mark = bytes(range(1, 65))
    with open(path, "wb") as f:
        f.write(head)
        f.seek(begin + 40 * size + size // 2)
        f.write(mark)
        f.truncate(begin + n * size)
    assert path.stat().st_size > 20e9
    limit = (96 << 20) + SANITIZER_BYTES
    listed = run_bounded([BIN, "ls", "-R", path, "source/tensors"], cpu_s=60, anon_bytes=limit)
    assert listed.stdout.count("weight.npy") == n
    command = f"'{BIN}' cat -o format=raw '{path}' source/tensors/blk/40/ffn_up/weight.float16.raw | tail -c +{size // 2 + 1} | head -c 64 | od -An -tu1 -v"
    got = run_bounded(["bash", "-c", command], cpu_s=120, anon_bytes=limit)
    assert [int(x) for x in got.stdout.split()] == list(mark)


def test_hostile_counts_cost_nothing(tmp_path):
    path = tmp_path / "hostile.gguf"
    heads = {
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0): "do not fit",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60): "do not fit",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 40): "a string of",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + string(b"a") + struct.pack("<IIQ", 9, 8, 1 << 30): "longer than",
    }
    for head, words in heads.items():
        path.write_bytes(head + bytes(100))
        done = run_bounded([BIN, "ls", path], cpu_s=30, anon_bytes=(64 << 20) + SANITIZER_BYTES)
        assert done.returncode == 2 and words in done.stderr and "byte" in done.stderr, done.stderr
