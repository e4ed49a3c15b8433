"""Layouts that names alone get wrong: each kind of mistake by several inputs of its own. Names and shapes are
all that counts."""
import json

import pytest

from conftest import run
from helpers import write_sparse_safetensors

VIEWS = ["linen", "nnx", "keras", "mlx"]
FLAX = [*VIEWS, "flax"]


def plan(folder, shapes, view, *more, config=None):
    """{source: (role, operations)} and the names in doubt."""
    write_sparse_safetensors(folder / "model.safetensors", {name: ("F32", list(shape)) for name, shape in shapes.items()})
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    done = run("map", "--json", folder, "--view", view, *more, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    targets = {t["sources"][0]: (t["role"], t["operations"]) for t in report["targets"] if t["sources"]}
    return targets, {e["subject"] for e in report["report"] if e["status"] in ("ambiguous", "unexpected")}


def linear(name, out, inputs):
    return {f"{name}.weight": (out, inputs), f"{name}.bias": (out,)}


def conv1d(name, inputs, out):
    return {f"{name}.weight": (inputs, out), f"{name}.bias": (out,)}


# ---- 1. Layers stored (in, out), and those that are not though they have such names.

IN_OUT = [
    conv1d("h.0.mlp.c_fc", 8, 32) | conv1d("h.0.mlp.c_proj", 32, 8) | conv1d("h.0.mlp.gate", 8, 8),
    conv1d("blocks.3.mix.a", 6, 9) | conv1d("blocks.3.mix.b", 6, 6),
    conv1d("speech.layers.1.ff.up", 10, 40) | conv1d("speech.layers.1.ff.down", 40, 10),
]


@pytest.mark.parametrize("shapes", IN_OUT)
@pytest.mark.parametrize("view", VIEWS)
def test_layouts__stored_in_out(tmp_path, shapes, view):
    targets, doubts = plan(tmp_path, shapes, view)
    for name in shapes:
        if name.endswith("weight"):
            assert targets[name] == ("dense_io", "transpose" if view == "mlx" else ""), name
    assert not doubts


@pytest.mark.parametrize("names", [("h.0.attn.c_attn", "h.0.attn.c_proj"), ("blocks.0.attn.in", "blocks.0.attn.out"),
                                   ("transformer.h.4.mlp.c_fc", "transformer.h.4.mlp.c_gate")])
@pytest.mark.parametrize("view", VIEWS)
def test_layouts__linear_layers_of_such_names(tmp_path, names, view):
    targets, doubts = plan(tmp_path, linear(names[0], 24, 8) | linear(names[1], 8, 8), view,
                           "-o", "set=model_type=nanogpt")
    for name in names:
        assert targets[name + ".weight"] == ("dense", "" if view == "mlx" else "transpose")
    assert not doubts


# ---- 2. Tables that are called otherwise, and projections that are called embeddings.

@pytest.mark.parametrize("name, rows", [("lookup", 50), ("vocab_table", 50), ("char_emb", 30), ("speaker_codebook", 7)])
@pytest.mark.parametrize("view", FLAX)
def test_layouts__tables(tmp_path, name, rows, view):
    targets, doubts = plan(tmp_path, {f"model.{name}.weight": (rows, 8), "model.norm.weight": (8,)}, view)
    assert targets[f"model.{name}.weight"] == ("embedding", "") and not doubts


@pytest.mark.parametrize("shapes, name", [
    (linear("patch_embedding", 16, 48), "patch_embedding"),
    ({"context_embedder.weight": (16, 48), "norm.weight": (16,)}, "context_embedder"),
    ({"x_embedder.weight": (16, 4), "head_norm.weight": (4,)} | linear("blocks.0.fc", 16, 16), "x_embedder"),
    ({"cond_emb.0.weight": (16, 48), "cond_emb.2.weight": (16, 16), "norm.weight": (16,)}, "cond_emb.0"),
    ({"time_proj.weight": (100, 16), "norm.weight": (8,)}, "time_proj"),
])
@pytest.mark.parametrize("view", VIEWS)
def test_layouts__what_is_called_an_embedding_and_may_be_none(tmp_path, shapes, name, view):
    targets, doubts = plan(tmp_path, shapes, view)
    role = targets[name + ".weight"][0]
    assert role == "dense" or role == "dense_or_embedding"
    assert role == "dense" or view == "mlx" or any(name in d for d in doubts)


# ---- 3. Behind flattened convolutions.

def convs(*channels, name="features", side=3):
    shapes = {}
    for i, (a, b) in enumerate(zip(channels, channels[1:])):
        shapes |= {f"{name}.{3 * i}.weight": (b, a, side, side), f"{name}.{3 * i}.bias": (b,)}
    return shapes


@pytest.mark.parametrize("shapes, name, channels", [
    (convs(1, 6, 16, name="conv", side=5) | linear("fc.0", 120, 400) | linear("fc.2", 10, 120), "fc.0", 16),
    (convs(3, 32, 64) | linear("classifier.0", 128, 64 * 49) | linear("classifier.3", 5, 128), "classifier.0", 64),
    (convs(4, 16, 32, name="trunk", side=4) | linear("value", 7, 32 * 4), "value", 32),
])
@pytest.mark.parametrize("view", FLAX)
def test_layouts__behind_flattened_convolutions(tmp_path, shapes, name, channels, view):
    targets, doubts = plan(tmp_path, shapes, view)
    assert targets[name + ".weight"][0] == "flattened" and f", {channels}, -1)" in targets[name + ".weight"][1]
    assert not doubts


@pytest.mark.parametrize("shapes, name", [
    (convs(3, 32, 64) | linear("head.0", 9, 64), "head.0"),
    (convs(3, 128, 32, 128) | linear("fc", 9, 128), "fc"),
    (convs(3, 16) | {"bn.weight": (16,), "bn.running_mean": (16,)} | linear("a", 16, 16) | linear("b", 9, 16), "b"),
])
def test_layouts__behind_pooled_convolutions(tmp_path, shapes, name):
    targets, doubts = plan(tmp_path, shapes, "nnx")
    assert targets[name + ".weight"] == ("dense", "transpose") and not doubts


@pytest.mark.parametrize("shapes, name", [
    (convs(3, 64, 16, name="tower") | convs(16, 2, name="policy_conv", side=1) | linear("policy", 9, 16), "policy"),
    (convs(3, 128, 32) | linear("fc", 9, 128), "fc"),
    (convs(3, 8) | linear("fc", 9, 8 * 6), "fc"),
])
def test_layouts__what_two_readings_fit_is_a_doubt(tmp_path, shapes, name):
    targets, doubts = plan(tmp_path, shapes, "nnx")
    assert targets[name + ".weight"][0] == "dense_or_flattened" and doubts


@pytest.mark.parametrize("shapes, name, channels", [
    (linear("project", 256 * 16, 100) | {"net.0.weight": (256, 128, 4, 4), "net.1.weight": (128,),
                                         "net.1.bias": (128,), "net.1.running_mean": (128,)}, "project", 256),
    (linear("dec.fc", 32 * 49, 20) | {"dec.up.weight": (32, 1, 4, 4), "dec.up.bias": (1,)}, "dec.fc", 32),
    (linear("l1", 128 * 64, 62) | convs(128, 64, 3, name="blocks"), "l1", 128),
])
@pytest.mark.parametrize("view", FLAX)
def test_layouts__in_front_of_convolutions(tmp_path, shapes, name, channels, view):
    targets, doubts = plan(tmp_path, shapes, view)
    assert targets[name + ".weight"][0] == "unflattened" and f"reshape({channels}, -1" in targets[name + ".weight"][1]
    assert targets[name + ".bias"] == ("unflattened", f"reshape({channels}, -1) transpose reshape(-1)")
    assert not doubts


# ---- 4. Three axes that are no convolution.

@pytest.mark.parametrize("shapes, role", [
    ({"moe.experts.weight": (4, 32, 8), "norm.weight": (8,)}, "stacked"),
    ({"heads.weight": (3, 50, 64), "norm.weight": (64,)}, "stacked"),
    ({"mlp.gate.weight": (2, 24, 40), "mlp.gate.bias": (2, 24)}, "stacked"),
    ({"pair.bilinear.weight": (5, 8, 8), "pair.bilinear.bias": (5,)}, "bilinear"),
])
@pytest.mark.parametrize("view", VIEWS)
def test_layouts__three_axes_that_are_no_convolution(tmp_path, shapes, role, view):
    targets, _ = plan(tmp_path, shapes, view)
    name = next(iter(shapes))
    assert targets[name][0] == role
    assert targets[name][1] == "" or (view, role) == ("mlx", "bilinear")


@pytest.mark.parametrize("shapes", [
    {"decoder.layers.mlp.wi.kernel": (6, 8, 32), "decoder.layers.mlp.norm.scale": (6, 8)},
    {"layers.attn.q.kernel": (4, 16, 16), "layers.attn.q.bias": (4, 16)},
    {"stack.ff.up.kernel": (3, 10, 40), "stack.ff.ln.scale": (3, 10), "stack.ff.down.kernel": (3, 40, 10)},
])
def test_layouts__scanned_layers_on_the_way_back(tmp_path, shapes):
    targets, doubts = plan(tmp_path, shapes, "torch")
    for name in shapes:
        if name.endswith("kernel"):
            assert targets[name] == ("scanned", "") or name in doubts, (name, targets[name])


# ---- Depthwise convolutions, which Keras stores otherwise.

@pytest.mark.parametrize("shapes, name, operations", [
    (convs(3, 16) | {"features.3.weight": (16, 1, 3, 3)}, "features.3", '"OI*>*OI"'),
    ({"layers.0.conv1d.weight": (16, 1, 4), "layers.0.A_log": (16,)}, "layers.0.conv1d", '"OI*>*OI"'),
    ({f"blocks.{i}.{n}": s for i in range(2) for n, s in
      {"dwconv.weight": (16, 1, 7, 7), "pw.weight": (16, 64, 1, 1)}.items()}, "blocks.1.dwconv", '"OI*>*OI"'),
    ({"embed_tokens.weight": (50, 8)} | {f"layers.{i}.{n}.weight": s for i in range(2) for n, s in
      {"norm": (8,), "q_proj": (8, 8), "k_proj": (6, 8), "v_proj": (6, 8), "sconv": (6, 1, 3)}.items()}, "layers.1.sconv",
     '"OI*>*OI"'),
    ({"conv_layers.0.conv.weight": (16, 1, 10), "conv_layers.1.conv.weight": (16, 16, 3)}, "conv_layers.0.conv",
     '"OI*>*IO"'),
])
def test_layouts__depthwise_where_it_is_proved(tmp_path, shapes, name, operations):
    targets, doubts = plan(tmp_path, shapes, "keras")
    assert targets[name + ".weight"][1] == operations and name + ".weight" not in doubts


@pytest.mark.parametrize("shapes", [
    {"convs.0.weight": (100, 1, 3, 300), "convs.1.weight": (100, 1, 4, 300)},             # a TextCNN's windows
    {f"branches.{i}.{j}.weight": s for i in range(2) for j, s in ((0, (16, 1, 3)), (1, (16, 16, 3)), (2, (16, 16, 3)))},
    {"first.weight": (8, 1, 1, 51), "depthwise.weight": (16, 1, 22, 1), "point.weight": (16, 16, 1, 1)},  # EEGNet
])
def test_layouts__what_may_be_of_one_channel_is_a_doubt(tmp_path, shapes):
    targets, doubts = plan(tmp_path, shapes, "keras")
    for name, shape in shapes.items():
        if shape[1] == 1:
            assert name in doubts, (name, targets[name])


# ---- Transposed convolutions of as many inputs as outputs.

@pytest.mark.parametrize("name", ["mask_predictor.conv5_mask", "head.grow", "x.1"])
def test_layouts__an_even_window_is_a_doubt(tmp_path, name):
    _, doubts = plan(tmp_path, {name + ".weight": (16, 16, 2, 2), name + ".bias": (16,)}, "nnx")
    assert name + ".weight" in doubts


@pytest.mark.parametrize("name", ["downsample.conv", "patch_merge", "stem.1"])
def test_layouts__one_that_halves_is_none(tmp_path, name):
    _, doubts = plan(tmp_path, {name + ".weight": (16, 16, 2, 2), name + ".bias": (16,)}, "nnx")
    assert not doubts
