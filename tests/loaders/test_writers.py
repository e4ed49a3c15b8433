"""The loader files, opened by the libraries that they are for: every array equal to its source.

No mount: `write_tool` (built with the unit tests) writes each file out. WEIGHTFS_WRITE_TOOL names
it.
"""
import json
import os
import pathlib
import subprocess
import zipfile

import numpy as np
import pytest

from conftest import BIN, require
from helpers import HANG_S

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("flax")

from safetensors import safe_open
from safetensors.flax import load_file as load_flax
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file

TOOL = os.environ.get("WEIGHTFS_WRITE_TOOL", str(pathlib.Path(BIN).parent / "tests/unit/write_tool"))

TYPES = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
         "float16", "bfloat16", "float32", "float64", "complex64", "float8_e4m3fn", "float8_e5m2",
         "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
NOT_NUMPY = ("bfloat16", "float8")


def tensor(dtype, shape, generator):
    n = int(np.prod(shape))
    size = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (n * size,), dtype=torch.uint8,
                        generator=generator)
    return raw.view(dtype).reshape(shape) if n else torch.empty(shape, dtype=dtype)


def make(path, seed, types=TYPES):
    """Each type as a matrix, of odd size, empty, 0-d, with axes of 1; names that need escapes."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in types:
        dtype = getattr(torch, name)
        for what, shape in [("m", (3, 8)), ("odd", (7,)), ("empty", (0, 5)), ("zero_d", ()),
                            ("ones", (1, 4, 1)), ("large", (700, 801))]:
            tensors[f"{name}.layer.10.{what}"] = tensor(dtype, shape, generator)
    tensors["q\"uo\\te.\u00e9\u4e2d.\U0001f600"] = tensor(torch.float32, (5,), generator)
    save_file(tensors, path, metadata={"format": "pt"})
    return tensors


def write(source, folder, *args):
    folder.mkdir(exist_ok=True)
    done = subprocess.run([TOOL, source, folder, *args], capture_output=True, text=True,
                          timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    if not os.path.exists(TOOL):
        pytest.skip(f"no {TOOL} (WEIGHTFS_WRITE_TOOL)")
    folder = tmp_path_factory.mktemp("writers")
    seed = int(os.environ.get("WEIGHTFS_SEED", int.from_bytes(os.urandom(4), "little")))
    print(f"WEIGHTFS_SEED={seed}")
    tensors = make(folder / "source.safetensors", seed)
    listed = write(folder / "source.safetensors", folder / "out")
    assert listed == ["model.safetensors", "flax_model.msgpack", "pytorch_model.bin", "tensors.npz"]
    return tensors, folder / "out"


def raw(array):
    if isinstance(array, torch.Tensor):
        return array.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if array.numel() else b""
    return np.asarray(array).tobytes()


def same(got, want):
    assert set(got) == set(want)
    for name, value in want.items():
        assert tuple(got[name].shape) == tuple(value.shape), name
        assert raw(got[name]) == raw(value), name


def test_safetensors_torch(made):
    want, folder = made
    got = load_torch(folder / "model.safetensors")
    same(got, want)
    assert all(got[k].dtype == want[k].dtype for k in want)


def test_safetensors_is_the_reference_writer_s(made):
    """Byte for byte what safetensors itself writes for these tensors."""
    want, folder = made
    save_file(want, folder / "reference.safetensors", metadata={"format": "pt"})
    ours = (folder / "model.safetensors").read_bytes()
    assert ours == (folder / "reference.safetensors").read_bytes()


def test_safetensors_numpy_and_flax(made, tmp_path):
    want, folder = made
    want = {k: v for k, v in want.items() if not k.startswith(NOT_NUMPY)}
    save_file(want, tmp_path / "s.safetensors")
    write(tmp_path / "s.safetensors", tmp_path / "out")
    same(load_numpy(tmp_path / "out/model.safetensors"), want)
    import jax
    with jax.experimental.enable_x64():
        same(load_flax(tmp_path / "out/model.safetensors"), want)


def test_safe_open_slices(made):
    want, folder = made
    with safe_open(folder / "model.safetensors", "pt") as f:
        assert f.metadata() == {"format": "pt"}
        part = f.get_slice("bfloat16.layer.10.large")
        assert raw(part[13:40, 5:9]) == raw(want["bfloat16.layer.10.large"][13:40, 5:9])


@pytest.mark.parametrize("how", [{"weights_only": True}, {"weights_only": False}, {"mmap": True}])
def test_torch_load(made, how):
    want, folder = made
    got = torch.load(folder / "pytorch_model.bin", **how)
    assert type(got) is dict
    same(got, want)
    for name, value in want.items():
        assert got[name].dtype == value.dtype and got[name].is_contiguous()
        assert got[name].stride() == value.stride() and not got[name].requires_grad


def test_torch_saves_it_again(made, tmp_path):
    want, folder = made
    torch.save(torch.load(folder / "pytorch_model.bin"), tmp_path / "again.bin")
    same(torch.load(tmp_path / "again.bin"), want)


def test_npz(made):
    want, folder = made
    got = np.load(folder / "tensors.npz")
    assert set(got.files) == set(want)
    for name, value in want.items():
        assert got[name].shape == tuple(value.shape) and raw(got[name]) == raw(value)
        if not name.startswith(NOT_NUMPY):
            assert got[name].dtype.name in name or name.startswith('q"')


@pytest.mark.parametrize("name", ["pytorch_model.bin", "tensors.npz"])
def test_strict_zip_readers(made, name):
    _, folder = made
    assert zipfile.ZipFile(folder / name).testzip() is None
    require("unzip")
    done = subprocess.run(["unzip", "-tq", folder / name], capture_output=True, timeout=HANG_S,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def flat(tree, prefix=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*prefix, key))
        else:
            yield ".".join((*prefix, key)), value


def test_flax_msgpack(made):
    from flax import serialization
    want, folder = made
    data = (folder / "flax_model.msgpack").read_bytes()
    tree = serialization.msgpack_restore(data)
    got = dict(flat(tree))
    same(got, want)
    for name in want:
        assert got[name].dtype.name in name or name.startswith('q"')
    # Flax's own writer needs as many bytes: the same encodings, its keys sorted as strings.
    assert len(serialization.msgpack_serialize(tree)) == len(data)


def test_mlx(made, tmp_path):
    mx = pytest.importorskip("mlx.core")
    want, _ = made
    want = {k: v for k, v in want.items() if not k.startswith(("float8", "float64"))}
    save_file(want, tmp_path / "s.safetensors")
    write(tmp_path / "s.safetensors", tmp_path / "out")
    got = mx.load(str(tmp_path / "out/model.safetensors"))
    assert set(got) == set(want)
    for name, value in want.items():
        assert tuple(got[name].shape) == tuple(value.shape)
        if name.startswith("bfloat16"):
            assert raw(np.array(got[name].view(mx.uint16))) == raw(value)
        else:
            assert raw(np.array(got[name])) == raw(value)


def test_sharded_set(made):
    want, folder = made
    shards = folder / "shards"
    listed = write(folder / "model.safetensors", shards, "3000000")
    index = json.loads((shards / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(len(raw(v)) for v in want.values())
    assert set(index["weight_map"]) == set(want)
    got = {}
    for name in sorted(set(index["weight_map"].values())):
        part = load_torch(shards / name)
        assert {k for k, v in index["weight_map"].items() if v == name} == set(part)
        got.update(part)
    same(got, want)
    assert len(listed) == len(set(index["weight_map"].values())) + 1
    from huggingface_hub import split_torch_state_dict_into_shards
    ordered = {k: want[k] for k in load_order(shards, index)}
    theirs = split_torch_state_dict_into_shards(ordered, max_shard_size=3000000)
    assert len(theirs.filename_to_tensors) == len(listed) - 1


def load_order(shards, index):
    """The manifest's order is natural; inside a shard safetensors has its own, so any order that
    keeps the shards' sequence will do."""
    for name in sorted(set(index["weight_map"].values())):
        yield from (k for k, v in index["weight_map"].items() if v == name)


def test_golden_files_load():
    """The bytes that the unit tests hold still are what the libraries read."""
    from flax import serialization
    golden = pathlib.Path(__file__).parent.parent / "data/writers"
    bin_ = torch.load(golden / "pytorch_model.bin")
    same(load_torch(golden / "model.safetensors"), bin_)
    same(dict(flat(serialization.msgpack_restore((golden / "flax_model.msgpack").read_bytes()))), bin_)
    same(dict(np.load(golden / "tensors.npz")), bin_)


def test_every_type_torch_has(tmp_path):
    """Types that safetensors has not: from a torch file to a torch file."""
    if not os.path.exists(TOOL):
        pytest.skip(f"no {TOOL} (WEIGHTFS_WRITE_TOOL)")
    generator = torch.Generator().manual_seed(1)
    want = {name: tensor(getattr(torch, name), (6, 4), generator)
            for name in ["complex128", "complex32", "float4_e2m1fn_x2", *TYPES]}
    torch.save(want, tmp_path / "source.bin")
    listed = write(tmp_path / "source.bin", tmp_path / "out")
    assert any(line.startswith("model.safetensors: ") for line in listed)
    for how in ({}, {"mmap": True}):
        got = torch.load(tmp_path / "out/pytorch_model.bin", **how)
        same(got, want)
        assert all(got[k].dtype == want[k].dtype for k in want)


def test_float4_of_safetensors(tmp_path):
    """safetensors counts elements, torch bytes of two: both files say the same tensor."""
    if not os.path.exists(TOOL):
        pytest.skip(f"no {TOOL} (WEIGHTFS_WRITE_TOOL)")
    want = {"w": torch.arange(48, dtype=torch.uint8).reshape(6, 8).view(torch.float4_e2m1fn_x2)}
    save_file(want, tmp_path / "source.safetensors")
    write(tmp_path / "source.safetensors", tmp_path / "out")
    same(load_torch(tmp_path / "out/model.safetensors"), want)
    same(torch.load(tmp_path / "out/pytorch_model.bin"), want)
