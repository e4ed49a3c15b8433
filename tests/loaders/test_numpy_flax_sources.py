"""Flax msgpack, .npy and .npz sources, tensor by tensor against the libraries that wrote them."""
import io
import json
import zipfile

import flax.serialization as serialization
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from conftest import run

DTYPES = ["float32", "float16", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8",
          "uint16", "uint32", "uint64", "bool", "complex64", "complex128", "float8_e4m3fn",
          "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz", "int4", "uint4"]


def dtype_of(name):
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def random_array(rng, name, shape=(3, 4)):
    if name.startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, shape).astype(dtype_of(name))
    return rng.standard_normal(shape).astype(dtype_of(name))


def cat_raw(source, path):
    return run("cat", "-o", "format=raw", source, path, text=False).stdout



def check_all(source, arrays):
    """arrays: {path below tensors/: array}: dtype, shape and bytes of every one, and no other."""
    tree = run("ls", "-R", "-o", "format=raw", source, "source/tensors").stdout
    assert tree.count(".raw") == len(arrays)
    for path, array in arrays.items():
        name = "uint8" if array.dtype == np.uint8 else array.dtype.name
        shown = f"source/tensors/{path}.{name}.raw"
        assert cat_raw(source, shown) == array.tobytes(), path


def test_msgpack_of_every_dtype(tmp_path, seed):
    rng = np.random.default_rng(seed)
    tree = {"params": {"layer": {name: random_array(rng, name) for name in DTYPES}}}
    path = tmp_path / "flax_model.msgpack"
    path.write_bytes(serialization.to_bytes(tree))
    check_all(path, {"/".join(k): v for k, v in flatten_dict(tree).items()})


def test_msgpack_shards_keep_every_plain_value(tmp_path):
    shards = [{"params": {"a": np.ones((2, 3), "float32")}, "step": 3, "big": 2**64 - 1,
               "run": {"name": 'x "{,}"', "nested": {"one": 1, "none": None}, "other": {"two": 2}}},
              {"params": {"b": np.zeros(2, "int64")}, "step": 4, "big": 2**64 - 1,
               "run": {"name": 'x "{,}"', "nested": {"two": 2.5, "none": None}, "other": 5, "x": "\\"}},
              {"params": {"c": np.zeros(1, "int8")}}]
    weight_map = {}
    for i, shard in enumerate(shards):
        name = f"flax_model-{i + 1:05}-of-00003.msgpack"
        (tmp_path / name).write_bytes(serialization.msgpack_serialize(shard))
        weight_map |= {f"params/{k}": name for k in shard["params"]}
    (tmp_path / "flax_model.msgpack.index.json").write_text(json.dumps({"weight_map": weight_map}))
    check_all(tmp_path, {f"params/{k}": v for s in shards for k, v in s["params"].items()})
    assert json.loads(run("cat", tmp_path, "info/objects.json").stdout) == {
        "step": 3, "big": 2**64 - 1,
        "run": {"name": 'x "{,}"', "nested": {"one": 1, "none": None, "two": 2.5}, "other": {"two": 2},
                "x": "\\"}}
    report = run("cat", tmp_path, "info/report.txt").stdout
    assert "the value step is 4 here and 3 in an earlier file, which is kept" in report
    assert "the value run.other is 5 here" in report and report.count("an earlier file") == 2


def test_msgpack_scalars_empty_and_slashes(tmp_path):
    tree = {"a": {"scalar": np.float32(3), "zero_d": np.array(2.5), "empty": np.zeros((0, 3), "float32"),
                  "Dense_0/kernel": np.ones((2, 2), "float32")}, "step": 7}
    path = tmp_path / "state.msgpack"
    path.write_bytes(serialization.msgpack_serialize(tree))
    assert cat_raw(path, "source/tensors/a/scalar.float32.raw") == np.float32(3).tobytes()
    assert cat_raw(path, "source/tensors/a/zero_d.float64.raw") == np.array(2.5).tobytes()
    assert cat_raw(path, "source/tensors/a/empty.float32.raw") == b""
    assert cat_raw(path, "source/tensors/a/Dense_0%2Fkernel.float32.raw") == np.ones(4, "float32").tobytes()
    assert json.loads(run("cat", path, "info/objects.json").stdout) == {"step": 7}


def test_msgpack_chunked(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 1000)
    array = np.random.default_rng(seed).standard_normal((37, 41)).astype("float32")
    data = serialization.msgpack_serialize({"w": array})
    assert b"__msgpack_chunked_array__" in data
    path = tmp_path / "chunked.msgpack"
    path.write_bytes(data)
    check_all(path, {"w": array})


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("end", "<>")
def test_npy_orders(tmp_path, order, end, seed):
    array = np.random.default_rng(seed).standard_normal((5, 6, 7)).astype(f"{end}f4")
    array = np.asarray(array, order=order)
    np.save(tmp_path / "w.npy", array)
    assert cat_raw(tmp_path / "w.npy", "source/tensors/w.float32.raw") == array.astype("<f4").tobytes("C")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save, seed):
    rng = np.random.default_rng(seed)
    names = ["float32", "float16", "float64", "int64", "uint8", "bool", "complex64"]
    arrays = {f"block/{name}": random_array(rng, name, (33, 65)) for name in names}
    save(tmp_path / "w.npz", **arrays)
    check_all(tmp_path / "w.npz", arrays)


def test_npz_damaged_deflated_member(tmp_path):
    """As numpy: bytes that inflate to others are refused."""
    path = tmp_path / "w.npz"
    np.savez_compressed(path, w=np.random.default_rng(0).standard_normal(2000))
    data = bytearray(path.read_bytes())
    for at in range(3000, 3100):
        data[at] ^= 0x10
        path.write_bytes(data)
        with pytest.raises(Exception):
            np.load(path)["w"]
        done = run("norms", path, check=False)
        assert done.returncode == 2 and f"{path}: w.npy: the deflated stream" in done.stderr
        data[at] ^= 0x10


def test_npz_large_deflated_member_at_random(tmp_path, mount, seed):
    """Random ranges of a member far larger than zlib's window."""
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 50, 6_000_000).astype("int32")
    np.savez_compressed(tmp_path / "w.npz", w=array)
    m = mount(tmp_path / "w.npz", "-o", "format=raw")
    want = array.tobytes()
    with open(m / "source/tensors/w.int32.raw", "rb", buffering=0) as f:
        for off in rng.integers(0, len(want) - 5000, 200):
            f.seek(off)
            assert f.read(5000) == want[off:off + 5000]


def test_npz_objects_are_refused_one_by_one(tmp_path):
    np.savez(tmp_path / "w.npz", good=np.ones(3), bad=np.array([None, print], dtype=object))
    shown = run("ls", "-R", tmp_path / "w.npz", "source/tensors").stdout
    assert "good.npy" in shown and "bad" not in shown
    report = run("cat", tmp_path / "w.npz", "info/report.txt").stdout
    assert "bad.npy" in report and "never opened" in report


def test_npz_with_two_names_of_a_member_warns(tmp_path):
    np.savez(tmp_path / "w.npz", aa=np.ones(3), bb=np.zeros(3))
    data = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(data.replace(b"aa.npy", b"cc.npy", 1))
    done = run("ls", tmp_path / "w.npz", "source/tensors")
    assert "'aa.npy'" in done.stderr and "'cc.npy'" in done.stderr
    (tmp_path / "w.npz").write_bytes(data)
    assert not run("ls", tmp_path / "w.npz", "source/tensors").stderr


def test_npz_with_a_wrong_member_is_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00\x76\x00not a header")
    (tmp_path / "w.npz").write_bytes(out.getvalue())
    done = run("ls", tmp_path / "w.npz", check=False)
    assert done.returncode == 2 and "w.npy" in done.stderr


def test_bfloat16_of_jax(tmp_path):
    array = jnp.arange(12, dtype=jnp.bfloat16).reshape(3, 4)
    path = tmp_path / "m.msgpack"
    path.write_bytes(serialization.to_bytes({"kernel": array}))
    shown = np.load(io.BytesIO(run("cat", path, "source/tensors/kernel.npy", text=False).stdout))
    assert shown.view(ml_dtypes.bfloat16).tobytes() == np.asarray(array).tobytes()


def test_train_state_maps_its_parameters(tmp_path):
    """Views map `params`; the moments stay in source/ and are noted; -o root= maps them instead."""
    import jax
    import optax
    from flax import linen as nn
    from flax.training import train_state

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(4, name="head")(x)

    model = Model()
    params = model.init(jax.random.key(0), jnp.ones((1, 3)))["params"]
    state = train_state.TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(1e-3))
    path = tmp_path / "state.msgpack"
    path.write_bytes(serialization.to_bytes(state))
    kernel = np.asarray(params["head"]["kernel"])
    assert cat_raw(path, "torch/tensors/head/weight.float32.raw") == kernel.T.tobytes()
    assert cat_raw(path, "source/tensors/params/head/kernel.float32.raw") == kernel.tobytes()
    assert "opt_state" in run("cat", path, "info/report.txt").stdout
    moments = run("ls", "-R", "-o", "root=opt_state.0.mu", path, "torch/tensors").stdout
    assert "head" in moments and "weight.npy" in moments
    both = run("ls", "-R", "-o", "root=params", "-o", "root=opt_state.0.nu", path, "torch/tensors").stdout
    assert "torch/tensors/params/head:" in both and "torch/tensors/opt_state/0/nu/head:" in both


def test_train_state_with_batch_stats_maps_both_collections(tmp_path):
    """The running statistics are the model's; the moments are not. With and without -o root=params,
    in a train state, in one that is nested, and where the step is the only mark of one."""
    rng = np.random.default_rng(0)
    params = {"Dense_0": {"kernel": rng.normal(size=(3, 4)), "bias": np.zeros(4)},
              "BatchNorm_0": {"scale": np.ones(4), "bias": np.zeros(4)}}
    stats = {"BatchNorm_0": {"mean": np.full(4, 2.), "var": np.full(4, 3.)}}
    state = {"step": np.int32(3), "params": params, "batch_stats": stats,
             "opt_state": {"0": {"count": np.int32(3), "mu": params, "nu": params}}}
    bare = {"params": params, "batch_stats": stats}
    plain = {**state, "opt_state": {"0": {}, "1": {}}}
    nested = {"state": state, "epoch": np.int32(2)}

    def keys(obj, *args):
        path = tmp_path / "x.msgpack"
        path.write_bytes(serialization.msgpack_serialize(obj))
        return json.loads(run("cat", *args, path, "info/views/torch.keys.json").stdout)

    expected = keys(bare)
    assert any(n.endswith("running_mean") for n in expected) and len(expected) <= 7
    assert keys(state) == keys(state, "-o", "root=params") == keys(plain) == expected
    assert keys(nested, "-o", "root=state.params") == expected
    keys(state)
    report = run("cat", tmp_path / "x.msgpack", "info/report.txt").stdout
    assert "opt_state: 9 tensors beside params" in report and "step: 1 tensors" in report
    assert "batch_stats: " not in report
    both = keys(state, "-o", "root=params", "-o", "root=opt_state.0.mu")
    assert set(both) == {"params." + n for n in expected} | {n for n in both if n.startswith("opt_state.0.mu.")}
    assert "opt_state.0.mu.Dense_0.weight" in both


def test_root_that_a_key_with_a_dot_makes_two_of_is_refused(tmp_path):
    path = tmp_path / "x.msgpack"
    w = np.ones(3)
    path.write_bytes(serialization.msgpack_serialize({"a.b": {"kernel": w}, "a": {"b": {"kernel": w + 1}}, "c": w}))
    for root, message in (("a.b", "one key or several: a.b/kernel"), ("c", "is a tensor"), ("d", "no tensor")):
        done = run("map", "--view", "torch", "-o", f"root={root}", path, check=False)
        assert done.returncode == 2 and message in done.stderr
    assert run("map", "--view", "torch", "-o", "root=a", path).returncode == 0
