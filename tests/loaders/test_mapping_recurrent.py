"""Recurrent layers in several layers and both directions, without biases, with projections: a list of
the target's layers gives the PyTorch layer's outputs; what the target lacks is a doubt."""
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("flax")
import flax.linen as nn  # noqa: E402
from flax import nnx  # noqa: E402

from conftest import run  # noqa: E402
from layers import nest, rand, randomise, save, torch_out, view  # noqa: E402

T = torch.nn
KINDS = {"lstm": T.LSTM, "gru": T.GRU, "rnn": T.RNN}


class Net(T.Module):
    def __init__(self, rnn):
        super().__init__()
        self.abc = rnn  # sorts before Keras' "layers"

    def forward(self, x):
        return self.abc(x)


def make(kind, n=3, **kw):
    return randomise(Net(KINDS[kind](4, 6, n, batch_first=True, **kw)))


def close(a, b):
    assert a.shape == b.shape and np.abs(np.asarray(a) - b).max() < 1e-5


def ambiguous(source, view_name):
    done = run("map", "--view", view_name, "--json", source, check=False)
    return {e["subject"] for e in json.loads(done.stdout)["report"] if e["status"] == "ambiguous"}


CASES = [(k, both, bias) for k in KINDS for both in (False, True) for bias in (False, True)]


@pytest.mark.parametrize("kind, both, bias", CASES)
def test_mapping_recurrent__linen(tmp_path, kind, both, bias):
    net, x = make(kind, bidirectional=both, bias=bias), rand(2, 5, 4)
    cell = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell, "rnn": nn.SimpleCell}[kind]

    class Flax(nn.Module):
        def setup(self):
            one = lambda: nn.RNN(cell(6))  # noqa: E731
            self.abc = [nn.Bidirectional(one(), one()) if both else one() for _ in range(3)]

        def __call__(self, x):
            for layer in self.abc:
                x = layer(x)
            return x

    tree = nest(view(save(tmp_path, net), "linen", tmp_path / "out"))
    close(Flax().apply(tree, x), torch_out(net, x))
    assert not ambiguous(tmp_path / "model.safetensors", "linen")


@pytest.mark.parametrize("kind, both, bias", [c for c in CASES if c[0] != "rnn"])
def test_mapping_recurrent__nnx(tmp_path, kind, both, bias):
    net, x = make(kind, bidirectional=both, bias=bias), rand(2, 5, 4)
    for name, value in net.abc.named_parameters():
        if kind == "gru" and name.startswith("bias_hh"):
            value.data[12:] = 0  # nnx has none
    cell = {"lstm": nnx.LSTMCell, "gru": nnx.GRUCell}[kind]

    class Flax(nnx.Module):
        def __init__(self, rngs):
            def one(width):
                return nnx.RNN(cell(width, 6, rngs=rngs))
            widths = [4, *[12 if both else 6] * 2]
            self.abc = [nnx.Bidirectional(one(w), one(w)) if both else one(w) for w in widths]

        def __call__(self, x):
            for layer in self.abc:
                x = layer(x)
            return x

    flat = view(save(tmp_path, net), "nnx", tmp_path / "out")
    model = Flax(nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    leaves = dict(nnx.to_flat_state(state))
    assert {".".join(map(str, k)) for k in leaves} == set(flat)
    for path, leaf in leaves.items():
        leaf.value = flat[".".join(map(str, path))]
    nnx.update(model, state)
    close(model(x), torch_out(net, x))


@pytest.mark.parametrize("kind, both, bias", CASES)
def test_mapping_recurrent__keras(tmp_path, kind, both, bias):
    keras = pytest.importorskip("keras")
    h5py = pytest.importorskip("h5py")
    K = keras.layers
    net, x = make(kind, bidirectional=both, bias=bias), rand(2, 5, 4)
    layer = {"lstm": K.LSTM, "gru": K.GRU, "rnn": K.SimpleRNN}[kind]

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            one = lambda: layer(6, return_sequences=True, use_bias=bias)  # noqa: E731
            self.abc = [K.Bidirectional(one()) if both else one() for _ in range(3)]

        def call(self, x):
            for one in self.abc:
                x = one(x)
            return x

    model, path = Model(), tmp_path / "m.weights.h5"
    model(x)
    model.save_weights(path)
    flat = view(save(tmp_path, net), "keras", tmp_path / "out")
    keys = set()
    with h5py.File(path, "r+") as f:
        f.visititems(lambda k, v: keys.add(k) if hasattr(v, "shape") else None)
        assert keys == {k.replace(".", "/") for k in flat}
        for key, value in flat.items():
            f[key.replace(".", "/")][...] = value
    model.load_weights(path)
    close(np.asarray(model(x)), torch_out(net, x))


@pytest.mark.parametrize("kind, bias", [(k, b) for k in KINDS for b in (False, True)])
def test_mapping_recurrent__mlx(tmp_path, kind, bias):
    mx = pytest.importorskip("mlx.core")
    import mlx.nn as mlx
    net, x = make(kind, bias=bias), rand(2, 5, 4)
    layer = {"lstm": mlx.LSTM, "gru": mlx.GRU, "rnn": mlx.RNN}[kind]

    class Model(mlx.Module):
        def __init__(self):
            super().__init__()
            self.abc = [layer(w, 6, bias=bias) for w in (4, 6, 6)]

    model = Model()
    flat = view(save(tmp_path, net), "mlx", tmp_path / "out")
    model.load_weights([(k, mx.array(v)) for k, v in flat.items()])  # strict
    h = mx.array(x)
    for one in model.abc:
        h = one(h)
        h = h[0] if isinstance(h, tuple) else h
    close(np.array(h), torch_out(net, x))


class Layers(T.Module):
    """Recurrent layers of one layer each."""

    def __init__(self, layers):
        super().__init__()
        self.abc = T.ModuleList(layers)

    def forward(self, x):
        for layer in self.abc:
            x = layer(x)[0]
        return x


@pytest.mark.parametrize("kind, bias", [(k, b) for k in KINDS for b in (False, True)])
def test_mapping_recurrent__mlx_and_back(tmp_path, kind, bias):
    net, x = make(kind, bias=bias), rand(2, 5, 4)
    view(save(tmp_path, net), "mlx", tmp_path / "mlx.safetensors")
    back = view(tmp_path / "mlx.safetensors", "~mlx", tmp_path / "out")
    layers = Layers([KINDS[kind](w, 6, batch_first=True, bias=bias) for w in (4, 6, 6)])
    layers.load_state_dict({k: torch.from_numpy(v) for k, v in back.items()})  # strict
    close(torch_out(layers, x), torch_out(net, x))
    assert not ambiguous(tmp_path / "mlx.safetensors", "~mlx")


@pytest.mark.parametrize("view_name", ["linen", "nnx", "keras", "mlx"])
def test_mapping_recurrent__a_projection_is_a_doubt(tmp_path, view_name):
    source = save(tmp_path, make("lstm", 2, proj_size=3))
    assert len(ambiguous(source, view_name)) == 10
    said = run("map", "--view", view_name, source, check=False).stdout
    assert "rules=FILE says where it goes" in said


def test_mapping_recurrent__mlx_has_no_second_direction(tmp_path):
    source = save(tmp_path, make("lstm", 2, bidirectional=True))
    assert len(ambiguous(source, "mlx")) == 16


@pytest.mark.parametrize("view_name", ["linen", "nnx", "keras", "mlx"])
def test_mapping_recurrent__several_layers_without_a_name_are_a_doubt(tmp_path, view_name):
    source = save(tmp_path, randomise(T.LSTM(4, 6, 2)))
    assert len(ambiguous(source, view_name)) == 8


def test_mapping_recurrent__the_rules_that_a_doubt_asks_for(tmp_path):
    (tmp_path / "mine.map").write_text(
        "set mine\ninclude linen\n"
        "rename {w:weight|bias}_{g:ih|hh}_l{n:#} -> layers_{n}.cell.{w}_{g}\n")
    net, x = randomise(T.LSTM(4, 6, 2, batch_first=True)), rand(2, 5, 4)
    from safetensors.numpy import load_file
    run("cp", "--rules", tmp_path / "mine.map", "--view", "mine", save(tmp_path, net),
        "mine/model.safetensors", tmp_path / "out")
    tree = nest(load_file(tmp_path / "out"))
    flax = nn.Sequential([nn.RNN(nn.LSTMCell(6)), nn.RNN(nn.LSTMCell(6))])
    close(flax.apply(tree, x), torch_out(net, x))
