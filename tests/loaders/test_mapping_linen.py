"""flax.linen and flax.nnx modules fed from their views: the PyTorch layer's outputs, within 1e-5."""
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("flax")
import jax  # noqa: E402
import flax.linen as nn  # noqa: E402
from flax import nnx  # noqa: E402

from conftest import run  # noqa: E402
from layers import (channels_first, channels_last, nest, rand, randomise, save,  # noqa: E402
                    torch_out, view)

T = torch.nn


class Net(T.Module):
    """The layer under the attribute `net`."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, *x):
        return self.net(*x)


def linen_net(make):
    class FlaxNet(nn.Module):
        def setup(self):
            self.net = make()

        def __call__(self, *x, **kw):
            return self.net(*x, **kw)

    return FlaxNet()


def variables(flat):
    """What apply() takes, as the view has it: {"params": ..., "batch_stats": ...}."""
    return nest(flat)


def close(a, b):
    assert a.shape == b.shape
    assert np.abs(np.asarray(a) - b).max() < 1e-5


def conv(n, **kw):
    return {1: T.Conv1d, 2: T.Conv2d, 3: T.Conv3d}[n](4, 6, 3, padding=1, **kw)


def convt(n, cin=4, cout=6, **kw):
    return {1: T.ConvTranspose1d, 2: T.ConvTranspose2d, 3: T.ConvTranspose3d}[n](cin, cout, 3, stride=2,
                                                                                 padding=1, **kw)


SPATIAL = (7, 5, 4)


def image(n, channels=4):
    return rand(2, channels, *SPATIAL[:n])


# name -> (torch layer, linen layer, torch input, channels last?)
LAYERS = {
    "dense": (lambda: T.Linear(4, 6), lambda: nn.Dense(6), lambda: rand(3, 4), False),
    "dense-nobias": (lambda: T.Linear(4, 6, bias=False), lambda: nn.Dense(6, use_bias=False),
                     lambda: rand(3, 4), False),
    **{f"conv{n}d": (lambda n=n: conv(n), lambda n=n: nn.Conv(6, (3,) * n, padding=1),
                     lambda n=n: image(n), True) for n in (1, 2, 3)},
    "conv-groups": (lambda: conv(2, groups=2),
                    lambda: nn.Conv(6, (3, 3), padding=1, feature_group_count=2),
                    lambda: image(2), True),
    **{f"convt{n}d": (lambda n=n: convt(n),
                      lambda n=n: nn.ConvTranspose(6, (3,) * n, strides=(2,) * n,
                                                   padding=[(1, 1)] * n),
                      lambda n=n: image(n), True) for n in (1, 2, 3)},
    "layernorm": (lambda: T.LayerNorm(4), lambda: nn.LayerNorm(epsilon=1e-5), lambda: rand(3, 4),
                  False),
    "groupnorm": (lambda: T.GroupNorm(2, 4), lambda: nn.GroupNorm(2, epsilon=1e-5),
                  lambda: image(2), True),
    "instancenorm": (lambda: T.InstanceNorm2d(4, affine=True),
                     lambda: nn.InstanceNorm(epsilon=1e-5), lambda: image(2), True),
    "rmsnorm": (lambda: T.RMSNorm(4, eps=1e-5), lambda: nn.RMSNorm(epsilon=1e-5),
                lambda: rand(3, 4), False),
    "prelu": (lambda: T.PReLU(), lambda: nn.PReLU(), lambda: rand(3, 4), False),
    "batchnorm": (lambda: T.BatchNorm2d(4),
                  lambda: nn.BatchNorm(use_running_average=True, epsilon=1e-5), lambda: image(2),
                  True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_mapping_linen__layer(tmp_path, name):
    make_torch, make_flax, make_input, last = LAYERS[name]
    net, x = randomise(Net(make_torch())), make_input()
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    out = linen_net(make_flax).apply(variables(flat), channels_last(x) if last else x)
    close(channels_first(out) if last else np.asarray(out), torch_out(net, x))


def test_mapping_linen__transpose_kernel(tmp_path):
    net, x = randomise(Net(convt(2))), image(2)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", "set=transpose_kernel=true")
    flax = linen_net(lambda: nn.ConvTranspose(6, (3, 3), strides=(2, 2), padding=[(1, 1)] * 2,
                                              transpose_kernel=True))
    close(channels_first(flax.apply(variables(flat), channels_last(x))), torch_out(net, x))


def test_mapping_linen__square_transposed_convolution_by_its_name(tmp_path):
    net, x = randomise(Net(convt(2, 4, 4))), image(2)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", "set=transposed=net")
    flax = linen_net(lambda: nn.ConvTranspose(4, (3, 3), strides=(2, 2), padding=[(1, 1)] * 2))
    close(channels_first(flax.apply(variables(flat), channels_last(x))), torch_out(net, x))


@pytest.mark.parametrize("name", ["embedding", "tok_emb", "wte"])
def test_mapping_linen__embedding(tmp_path, name):
    net = randomise(T.ModuleDict({name: T.Embedding(7, 4)}))
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    assert np.array_equal(flat[f"params.{name}.embedding"], net[name].weight.detach().numpy())


def test_mapping_linen__an_embedding_has_no_bias(tmp_path):
    net = randomise(T.ModuleDict({"patch_embed": T.Linear(7, 4)}))
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    assert np.array_equal(flat["params.patch_embed.kernel"], net["patch_embed"].weight.detach().numpy().T)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
@pytest.mark.parametrize("view_name", ["linen", "nnx", "flax", "mlx"])
def test_mapping__norm_over_several_axes_keeps_its_shape(tmp_path, shape, view_name):
    net = randomise(T.ModuleDict({"norm": T.LayerNorm(shape)}))
    flat = view(save(tmp_path, net), view_name, tmp_path / "out")
    norm = "params.norm." if view_name == "linen" else "norm."
    scale = flat[norm + ("weight" if view_name == "mlx" else "scale")]
    assert np.array_equal(scale, net["norm"].weight.detach().numpy())
    assert np.array_equal(flat[norm + "bias"], net["norm"].bias.detach().numpy())


def test_mapping_linen__norm_over_several_axes(tmp_path):
    net, x = randomise(Net(T.LayerNorm((3, 4)))), rand(2, 3, 4)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    flax = linen_net(lambda: nn.LayerNorm(epsilon=1e-5, reduction_axes=(-2, -1), feature_axes=(-2, -1)))
    close(flax.apply(variables(flat), x), torch_out(net, x))


def test_mapping_linen__norm_of_one_channel_is_no_prelu(tmp_path):
    flat = view(save(tmp_path, T.ModuleDict({"norm": T.LayerNorm(1, bias=False)})), "linen", tmp_path / "out")
    assert {k: v.shape for k, v in flat.items()} == {"params.norm.scale": (1,)}


def test_mapping_linen__embedding_of_another_name_is_a_doubt(tmp_path):
    source = save(tmp_path, T.ModuleDict({"memory": T.Embedding(7, 4)}))
    assert "ambiguous: memory.weight" in run("map", "--view", "linen", source, check=False).stdout
    (tmp_path / "t.json").write_text('{"memory.embedding": [7, 4]}')
    flat = view(source, "linen", tmp_path / "out", f"template={tmp_path / 't.json'}")
    assert flat["memory.embedding"].shape == (7, 4)


def test_mapping_linen__prelu_of_channels_is_a_doubt(tmp_path):
    source = save(tmp_path, T.ModuleDict({"prelu": T.PReLU(4)}))
    assert "ambiguous: prelu.weight" in run("map", "--view", "linen", source, check=False).stdout


@pytest.mark.parametrize("separate", [False, True])
def test_mapping_linen__attention(tmp_path, separate):
    kw = dict(kdim=5, vdim=7) if separate else {}
    net = randomise(Net(T.MultiheadAttention(8, 2, batch_first=True, **kw)))
    q, k, v = rand(2, 3, 8), rand(2, 4, 5 if separate else 8), rand(2, 4, 7 if separate else 8)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", "set=heads=2")
    flax = linen_net(lambda: nn.MultiHeadDotProductAttention(2, qkv_features=8, out_features=8))
    close(flax.apply(variables(flat), q, k, v), torch_out(net, q, k, v))


def back_to_torch(tmp_path, params):
    from safetensors.numpy import save_file
    flat = {".".join(k.key for k in path): np.asarray(v)
            for path, v in jax.tree_util.tree_flatten_with_path(params)[0]}
    save_file(flat, tmp_path / "model.safetensors", metadata={"format": "flax"})
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_mapping_torch__attention_of_linen(tmp_path, separate, bias):
    dims = dict(kdim=5, vdim=7) if separate else {}
    q, k, v = rand(2, 3, 8), rand(2, 4, 5 if separate else 8), rand(2, 4, 7 if separate else 8)
    flax = linen_net(lambda: nn.MultiHeadDotProductAttention(
        2, qkv_features=8, out_features=8, use_bias=bias, bias_init=nn.initializers.normal()))
    tree = flax.init(jax.random.key(0), q, k, v)
    flat = view(back_to_torch(tmp_path, tree), "torch", tmp_path / "out")
    net = Net(T.MultiheadAttention(8, 2, batch_first=True, bias=bias, **dims)).eval()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in flat.items()})
    close(flax.apply(tree, q, k, v), torch_out(net, q, k, v))


def test_mapping_linen__bilinear_is_a_doubt(tmp_path):
    source = save(tmp_path, T.ModuleDict({"bilinear": T.Bilinear(3, 5, 4), "conv": T.Conv1d(3, 5, 4)}))
    done = run("map", "--view", "linen", source, check=False)
    assert "ambiguous: bilinear.weight" in done.stdout and "conv.weight" not in done.stdout


def test_mapping_torch__stacked_layers_are_a_doubt(tmp_path):
    tree = {"layers": {"kernel": rand(3, 4, 5), "bias": rand(3, 5)},
            "conv": {"kernel": rand(3, 4, 5), "bias": rand(5)}}
    done = run("map", "--view", "torch", back_to_torch(tmp_path, tree), check=False)
    assert "ambiguous: layers.kernel" in done.stdout and "conv.kernel" not in done.stdout


def test_mapping_linen__attention_needs_heads(tmp_path):
    """The module is kept as it is and reported, with the option that settles it; the view stays."""
    source = save(tmp_path, randomise(Net(T.MultiheadAttention(8, 2))))
    done = run("map", "--view", "linen", source, check=False)
    assert done.returncode == 1 and "-o set=heads=VALUE" in done.stdout
    refused = run("cp", "--view", "linen", "--strict", source, "linen/model.safetensors", tmp_path / "out", check=False)
    assert refused.returncode != 0


CELLS = {
    "lstm": (lambda: T.LSTM(4, 6, batch_first=True), lambda: nn.RNN(nn.OptimizedLSTMCell(6))),
    "lstm-plain": (lambda: T.LSTM(4, 6, batch_first=True), lambda: nn.RNN(nn.LSTMCell(6))),
    "gru": (lambda: T.GRU(4, 6, batch_first=True), lambda: nn.RNN(nn.GRUCell(6))),
    "rnn": (lambda: T.RNN(4, 6, batch_first=True), lambda: nn.RNN(nn.SimpleCell(6))),
}


@pytest.mark.parametrize("name", CELLS)
def test_mapping_linen__recurrent(tmp_path, name):
    make_torch, make_flax = CELLS[name]
    net, x = randomise(Net(make_torch())), rand(2, 5, 4)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    close(linen_net(make_flax).apply(variables(flat), x), torch_out(net, x))


def test_mapping_linen__bidirectional(tmp_path):
    net, x = randomise(Net(T.LSTM(4, 6, batch_first=True, bidirectional=True))), rand(2, 5, 4)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    flax = linen_net(lambda: nn.Bidirectional(nn.RNN(nn.LSTMCell(6)), nn.RNN(nn.LSTMCell(6))))
    close(flax.apply(variables(flat), x), torch_out(net, x))


# ---- numbered names, by a template ----------------------------------------------------------


class Numbered(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(6, (3, 3), padding=1)(x)
        x = nn.BatchNorm(use_running_average=True, epsilon=1e-5)(x)
        x = nn.Conv(4, (3, 3), padding=1)(x)
        x = x.mean((1, 2))
        x = nn.Dense(8)(x)
        return nn.Dense(2)(x)


class Torch(T.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = T.Conv2d(3, 6, 3, padding=1), T.BatchNorm2d(6)
        self.second = T.Conv2d(6, 4, 3, padding=1)
        self.hidden, self.head = T.Linear(4, 8), T.Linear(8, 2)

    def forward(self, x):
        x = self.second(self.norm(self.first(x))).mean((2, 3))
        return self.head(self.hidden(x))


def template(tmp_path, tree):
    from flax.serialization import to_bytes
    path = tmp_path / "template.msgpack"
    path.write_bytes(to_bytes(jax.tree.map(np.asarray, tree)))
    return path


def test_mapping_linen__numbered_modules_by_template(tmp_path):
    net, x = randomise(Torch()), rand(2, 3, 5, 5)
    flax = Numbered()
    path = template(tmp_path, flax.init(jax.random.key(0), channels_last(x)))
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", f"template={path}")
    close(flax.apply(variables(flat), channels_last(x)), torch_out(net, x))


class Twins(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(4)(nn.Dense(4)(x))


def test_mapping_linen__twins_are_ambiguous(tmp_path):
    net = randomise(T.Sequential(T.Linear(4, 4), T.Linear(4, 4)))
    path = template(tmp_path, Twins().init(jax.random.key(0), rand(1, 4)))
    done = run("map", "--view", "linen", "-o", f"template={path}", save(tmp_path, net), check=False)
    assert done.returncode == 1
    assert "ambiguous: 0: fits 2 modules" in done.stdout
    assert "missing: params.Dense_0.kernel" in done.stdout


def test_mapping_linen__attention_by_template(tmp_path):
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.MultiHeadDotProductAttention(2)(x, x, x)

    net = randomise(Net(T.MultiheadAttention(8, 2, batch_first=True)))
    x = rand(2, 3, 8)
    path = template(tmp_path, Model().init(jax.random.key(0), x))
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", f"template={path}")
    close(Model().apply(variables(flat), x), torch_out(net, x, x, x))


# ---- nnx ------------------------------------------------------------------------------------

NNX = {
    "dense": (lambda: T.Linear(4, 6), lambda r: nnx.Linear(4, 6, rngs=r), lambda: rand(3, 4), False),
    "conv2d": (lambda: conv(2), lambda r: nnx.Conv(4, 6, (3, 3), padding=1, rngs=r),
               lambda: image(2), True),
    "convt2d": (lambda: convt(2), lambda r: nnx.ConvTranspose(4, 6, (3, 3), strides=(2, 2),
                                                              padding=[(1, 1)] * 2, rngs=r),
                lambda: image(2), True),
    "layernorm": (lambda: T.LayerNorm(4), lambda r: nnx.LayerNorm(4, epsilon=1e-5, rngs=r),
                  lambda: rand(3, 4), False),
    "groupnorm": (lambda: T.GroupNorm(2, 4), lambda r: nnx.GroupNorm(4, 2, epsilon=1e-5, rngs=r),
                  lambda: image(2), True),
    "rmsnorm": (lambda: T.RMSNorm(4, eps=1e-5), lambda r: nnx.RMSNorm(4, epsilon=1e-5, rngs=r),
                lambda: rand(3, 4), False),
    "batchnorm": (lambda: T.BatchNorm2d(4),
                  lambda r: nnx.BatchNorm(4, use_running_average=True, epsilon=1e-5, rngs=r),
                  lambda: image(2), True),
    "lstm": (lambda: T.LSTM(4, 6, batch_first=True),
             lambda r: nnx.RNN(nnx.LSTMCell(4, 6, rngs=r)), lambda: rand(2, 5, 4), False),
}


def nnx_net(make):
    class FlaxNet(nnx.Module):
        def __init__(self, rngs):
            self.net = make(rngs)

        def __call__(self, *x):
            return self.net(*x)

    return FlaxNet(nnx.Rngs(0))


def fill_nnx(model, flat):
    """Every parameter and statistic from the view; nothing else in it."""
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    leaves = dict(nnx.to_flat_state(state))
    assert {".".join(map(str, k)) for k in leaves} == set(flat)
    for path, leaf in leaves.items():
        value = flat[".".join(map(str, path))]
        assert leaf.value.shape == value.shape
        leaf.value = value
    nnx.update(model, state)


@pytest.mark.parametrize("name", NNX)
def test_mapping_nnx__layer(tmp_path, name):
    make_torch, make_flax, make_input, last = NNX[name]
    net, x = randomise(Net(make_torch())), make_input()
    model = nnx_net(make_flax)
    fill_nnx(model, view(save(tmp_path, net), "nnx", tmp_path / "out"))
    out = model(channels_last(x) if last else x)
    close(channels_first(out) if last else np.asarray(out), torch_out(net, x))


def test_mapping_nnx__attention(tmp_path):
    net, x = randomise(Net(T.MultiheadAttention(8, 2, batch_first=True))), rand(2, 3, 8)
    model = nnx_net(lambda r: nnx.MultiHeadAttention(2, 8, decode=False, rngs=r))
    fill_nnx(model, view(save(tmp_path, net), "nnx", tmp_path / "out", "set=heads=2"))
    close(model(x), torch_out(net, x, x, x))


def test_mapping_nnx__gru_says_what_it_cannot_hold(tmp_path):
    net, x = Net(T.GRU(4, 6, batch_first=True)), rand(2, 5, 4)
    randomise(net).net.bias_hh_l0.data[12:] = 0
    model = nnx_net(lambda r: nnx.RNN(nnx.GRUCell(4, 6, rngs=r)))
    source = save(tmp_path, net)
    fill_nnx(model, view(source, "nnx", tmp_path / "out"))
    close(model(x), torch_out(net, x))
    assert "ambiguous" in run("map", "--view", "nnx", source, check=False).stdout


def test_mapping_nnx__optimized_lstm_by_template(tmp_path):
    net, x = randomise(Net(T.LSTM(4, 6, batch_first=True))), rand(2, 5, 4)
    model = nnx_net(lambda r: nnx.RNN(nnx.OptimizedLSTMCell(4, 6, rngs=r)))
    shapes = {".".join(map(str, k)): list(v.value.shape)
              for k, v in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    import json
    (tmp_path / "t.json").write_text(json.dumps(shapes))
    fill_nnx(model, view(save(tmp_path, net), "nnx", tmp_path / "out",
                         f"template={tmp_path / 't.json'}"))
    close(model(x), torch_out(net, x))
