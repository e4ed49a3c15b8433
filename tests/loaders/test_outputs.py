"""Networks of PyTorch computed by Flax and Keras from a view: the same outputs within 1e-5.

Where the report is in doubt of a weight, the network names the option that settles it, and the test holds
that the report names the weight without it, and nothing with it.
"""
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("flax")
keras = pytest.importorskip("keras")
import jax  # noqa: E402
import flax.linen as linen  # noqa: E402
from flax import nnx  # noqa: E402
from torch import nn as T  # noqa: E402

from conftest import run  # noqa: E402
from layers import channels_first, channels_last, nest, rand, randomise, torch_out, view  # noqa: E402
import sequence_networks  # noqa: E402,F401 (its networks are added to those of networks)
from networks import NETWORKS, Net, Scope, tokens  # noqa: E402

DOUBTS = ("ambiguous", "unexpected", "missing", "collision")


def save(folder, net):
    """Each name with bytes of its own: tied weights are two of the same values. Below `all` stands nothing else."""
    from safetensors.torch import save_file
    state = {k.removeprefix("all."): v.clone().contiguous() for k, v in net.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def calm(net):
    """Random weights of outputs near 1, whatever the depth: float32 has seven digits."""
    with torch.no_grad():
        for p in randomise(net).parameters():
            if p.ndim > 1:
                p.mul_((p.numel() / max(p.shape)) ** -0.5 if p.ndim == 2 else (p.numel() / p.shape[0]) ** -0.5).mul_(2)
    return net


def doubts(source, name, *options):
    args = [a for o in options for a in ("-o", o)]
    report = json.loads(run("map", "--view", name, "--json", *args, source, check=False).stdout)["report"]
    return {e["subject"]: e["text"] for e in report if e["status"] in DOUBTS}


def is_image(net, x):
    """Whether channels come second: of 3 axes where the network has convolutions over lines."""
    lines = any(isinstance(m, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)) for m in net.modules())
    return x.dtype.kind == "f" and (x.ndim > 3 or (x.ndim == 3 and lines))


def channels_last_of(net, x):
    return channels_last(x) if is_image(net, x) else x


def close(out, want, net):
    out = np.asarray(out)
    if out.shape != want.shape:
        out = channels_first(out)
    assert out.shape == want.shape and np.abs(out - want).max() < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs__linen(tmp_path, name):
    case = NETWORKS[name]
    net = calm(case.make())
    source = save(tmp_path, net)
    assert set(case.doubts) <= set(doubts(source, "linen", *(o for o in case.options if "heads" in o)))
    assert set(doubts(source, "linen", *case.options)) == set(case.stays)
    variables = nest(view(source, "linen", tmp_path / "out", *case.options))
    flax = case.flax if isinstance(case.flax, linen.Module) else Scope(case.flax)
    inputs = [channels_last_of(net, x) for x in case.inputs]
    wanted = {"params": {}, **jax.eval_shape(flax.init, jax.random.key(0), *inputs)}
    assert jax.tree.map(np.shape, wanted) == jax.tree.map(np.shape, variables)
    close(jax.jit(flax.apply)(variables, *inputs), torch_out(net, *case.inputs), net)


# ---- nnx and keras: attributes are the names -----------------------------------------------------------


def nnx_net(rngs, forward, **layers):
    class Module(nnx.Module):
        def __init__(self):
            for name, make in layers.items():
                setattr(self, name, make(rngs))

        def __call__(self, *x):
            return forward(self, *x)

    return Module()


def conv_nnx(i, o, size, **kw):
    return lambda r: nnx.Conv(i, o, (size, size), padding="VALID", rngs=r, **kw)


def image_of(m, x):
    x = nnx.relu(m.bn(m.stem(x)))
    return m.fc(nnx.relu(m.depthwise(x)).reshape(len(x), -1))


def image_of_torch(m, x):
    x = torch.relu(m.bn(m.stem(x)))
    return m.fc(torch.relu(m.depthwise(x)).flatten(1))


IN_NNX = {
    "image": (lambda: Net(image_of_torch, stem=T.Conv2d(3, 8, 3), bn=T.BatchNorm2d(8), depthwise=T.Conv2d(8, 8, 3, groups=8),
                          fc=T.Linear(8 * 25, 4)),
              dict(forward=image_of, stem=conv_nnx(3, 8, 3), depthwise=conv_nnx(8, 8, 3, feature_group_count=8),
                   bn=lambda r: nnx.BatchNorm(8, use_running_average=True, epsilon=1e-5, rngs=r),
                   fc=lambda r: nnx.Linear(200, 4, rngs=r)), rand(2, 3, 9, 9), ()),
    "tagger": (lambda: Net(lambda m, x: m.tag(m.rnn(m.embedding(x))[0]), embedding=T.Embedding(11, 5),
                           rnn=T.LSTM(5, 6, batch_first=True), tag=T.Linear(6, 3)),
               dict(forward=lambda m, x: m.tag(m.rnn(m.embedding(x))), embedding=lambda r: nnx.Embed(11, 5, rngs=r),
                    rnn=lambda r: nnx.RNN(nnx.LSTMCell(5, 6, rngs=r)), tag=lambda r: nnx.Linear(6, 3, rngs=r)), tokens(), ()),
    "attention": (lambda: Net(lambda m, x: m.norm(x + m.attention(x, x, x)[0]), norm=T.LayerNorm(8),
                              attention=T.MultiheadAttention(8, 2, batch_first=True)),
                  dict(forward=lambda m, x: m.norm(x + m.attention(x)), norm=lambda r: nnx.LayerNorm(8, epsilon=1e-5, rngs=r),
                       attention=lambda r: nnx.MultiHeadAttention(2, 8, decode=False, rngs=r)), rand(2, 3, 8),
                  ("set=heads=2",)),
}


@pytest.mark.parametrize("name", IN_NNX)
def test_outputs__nnx(tmp_path, name):
    make, spec, x, options = IN_NNX[name]
    net = calm(make())
    source = save(tmp_path, net)
    assert bool(doubts(source, "nnx")) == bool(options) and doubts(source, "nnx", *options) == {}
    model = nnx_net(nnx.Rngs(0), **spec)
    flat = view(source, "nnx", tmp_path / "out", *options)
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    leaves = {".".join(map(str, k)): leaf for k, leaf in nnx.to_flat_state(state)}
    assert {k: leaf.value.shape for k, leaf in leaves.items()} == {k: v.shape for k, v in flat.items()}
    for key, leaf in leaves.items():
        leaf.value = flat[key]
    nnx.update(model, state)
    close(model(channels_last_of(net, x)), torch_out(net, x), net)


K = keras.layers
IN_KERAS = {
    "mlp": (lambda: Net(lambda m, x: m.out(torch.relu(m.bn(m.hidden(x)))), hidden=T.Linear(5, 7), bn=T.BatchNorm1d(7),
                        out=T.Linear(7, 3)),
            dict(hidden=lambda: K.Dense(7), bn=lambda: K.BatchNormalization(epsilon=1e-5), out=lambda: K.Dense(3)),
            lambda m, x: m["out"](keras.ops.relu(m["bn"](m["hidden"](x)))), rand(2, 5), ()),
    "image": (lambda: Net(lambda m, x: m.fc(torch.relu(m.conv2(torch.relu(m.conv1(x)))).flatten(1)),
                          conv1=T.Conv2d(3, 4, 3), conv2=T.Conv2d(4, 6, 3), fc=T.Linear(6 * 25, 3)),
              dict(conv1=lambda: K.Conv2D(4, 3), conv2=lambda: K.Conv2D(6, 3), fc=lambda: K.Dense(3)),
              lambda m, x: m["fc"](keras.ops.reshape(keras.ops.relu(m["conv2"](keras.ops.relu(m["conv1"](x)))), (len(x), -1))),
              rand(2, 3, 9, 9), ()),
    "depthwise": (lambda: Net(lambda m, x: m.pointwise(m.depthwise(x)), depthwise=T.Conv2d(4, 4, 3, groups=4),
                              pointwise=T.Conv2d(4, 6, 1)),
                  dict(depthwise=lambda: K.DepthwiseConv2D(3), pointwise=lambda: K.Conv2D(6, 1)),
                  lambda m, x: m["pointwise"](m["depthwise"](x)), rand(2, 4, 7, 5), ("set=multiplier=1",)),
}


@pytest.mark.parametrize("name", IN_KERAS)
def test_outputs__keras(tmp_path, name):
    make, layers, forward, x, options = IN_KERAS[name]
    net = calm(make())
    source = save(tmp_path, net)
    assert bool(doubts(source, "keras")) == bool(options) and doubts(source, "keras", *options) == {}
    model = {key: make_layer() for key, make_layer in layers.items()}
    inputs = channels_last_of(net, x)
    forward(model, inputs)  # which builds its layers
    left = view(source, "keras", tmp_path / "out", *options)
    for key, layer in model.items():
        own = {k.rpartition("/")[2]: left.pop(k) for k in [*left] if k.rpartition("/vars/")[0] == key}
        layer.load_own_variables(own)
    assert left == {}
    close(forward(model, inputs), torch_out(net, x), net)
