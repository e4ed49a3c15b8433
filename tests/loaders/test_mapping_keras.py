"""Keras 3 layers fed from the keras view: the PyTorch layer's outputs, within 1e-5."""
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
K = keras.layers

from conftest import run  # noqa: E402
from layers import (channels_first, channels_last, rand, randomise, save, torch_out,  # noqa: E402
                    view)

T = torch.nn


class Net(T.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, *x):
        return self.net(*x)


def image(n, channels=4):
    return rand(2, channels, *(7, 5, 4)[:n])


def stores(layer, path):
    """group -> variables, as .weights.h5 has them."""
    store = {}
    layer.save_own_variables(Box(store, f"{path}/vars")) if not hasattr(layer, "cell") else None
    for name in ("cell", "forward_layer", "backward_layer", "query_dense", "key_dense",
                 "value_dense", "output_dense", "_query_dense", "_key_dense", "_value_dense",
                 "_output_dense"):
        if hasattr(layer, name):
            store.update(stores(getattr(layer, name), f"{path}/{name.lstrip('_')}"))
    return store


class Box(dict):
    def __init__(self, store, path):
        super().__init__()
        self.store, self.path = store, path

    def __setitem__(self, key, value):
        self.store[f"{self.path}/{key}"] = np.asarray(value)


def load(layer, flat, path="net"):
    """Every variable of the layer from the view, and nothing else in it."""
    wanted = stores(layer, path)
    got = {k.replace(".", "/"): v for k, v in flat.items()}
    assert set(wanted) == set(got)
    fill(layer, got, path)


def fill(layer, got, path):
    own = {k[len(path) + 6:]: v for k, v in got.items() if k.startswith(f"{path}/vars/")}
    if own:
        layer.load_own_variables(own)
    for name in ("cell", "forward_layer", "backward_layer", "_query_dense", "_key_dense",
                 "_value_dense", "_output_dense"):
        if hasattr(layer, name):
            fill(getattr(layer, name), got, f"{path}/{name.lstrip('_')}")


LAYERS = {
    "dense": (lambda: T.Linear(4, 6), lambda: K.Dense(6), lambda: rand(3, 4), False),
    "conv1d": (lambda: T.Conv1d(4, 6, 3), lambda: K.Conv1D(6, 3), lambda: image(1), True),
    "conv2d": (lambda: T.Conv2d(4, 6, 3), lambda: K.Conv2D(6, 3), lambda: image(2), True),
    "conv3d": (lambda: T.Conv3d(4, 6, 3), lambda: K.Conv3D(6, 3), lambda: image(3), True),
    "convt1d": (lambda: T.ConvTranspose1d(4, 6, 3), lambda: K.Conv1DTranspose(6, 3),
                lambda: image(1), True),
    "convt2d": (lambda: T.ConvTranspose2d(4, 6, 3), lambda: K.Conv2DTranspose(6, 3),
                lambda: image(2), True),
    "layernorm": (lambda: T.LayerNorm(4), lambda: K.LayerNormalization(epsilon=1e-5),
                  lambda: rand(3, 4), False),
    "groupnorm": (lambda: T.GroupNorm(2, 4), lambda: K.GroupNormalization(2, epsilon=1e-5),
                  lambda: image(2), True),
    "batchnorm": (lambda: T.BatchNorm2d(4), lambda: K.BatchNormalization(epsilon=1e-5),
                  lambda: image(2), True),
    "batchnorm-plain": (lambda: T.BatchNorm2d(4, affine=False),
                        lambda: K.BatchNormalization(epsilon=1e-5, scale=False, center=False),
                        lambda: image(2), True),
    "lstm": (lambda: T.LSTM(4, 6, batch_first=True), lambda: K.LSTM(6, return_sequences=True),
             lambda: rand(2, 5, 4), False),
    "gru": (lambda: T.GRU(4, 6, batch_first=True), lambda: K.GRU(6, return_sequences=True),
            lambda: rand(2, 5, 4), False),
    "rnn": (lambda: T.RNN(4, 6, batch_first=True), lambda: K.SimpleRNN(6, return_sequences=True),
            lambda: rand(2, 5, 4), False),
    "bidirectional": (lambda: T.LSTM(4, 6, batch_first=True, bidirectional=True),
                      lambda: K.Bidirectional(K.LSTM(6, return_sequences=True)),
                      lambda: rand(2, 5, 4), False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_mapping_keras__layer(tmp_path, name):
    make_torch, make_keras, make_input, last = LAYERS[name]
    net, x = randomise(Net(make_torch())), make_input()
    flat = view(save(tmp_path, net), "keras", tmp_path / "out")
    layer = make_keras()
    inputs = channels_last(x) if last else x
    layer(inputs)
    load(layer, flat)
    out = np.asarray(layer(inputs))
    want = torch_out(net, x)
    assert np.abs((channels_first(out) if last else out) - want).max() < 1e-5


def test_mapping_keras__attention(tmp_path):
    net, x = randomise(Net(T.MultiheadAttention(8, 2, batch_first=True))), rand(2, 3, 8)
    flat = view(save(tmp_path, net), "keras", tmp_path / "out", "set=heads=2")
    layer = K.MultiHeadAttention(2, 4)
    layer(x, x)
    load(layer, flat)
    assert np.abs(np.asarray(layer(x, x)) - torch_out(net, x, x, x)).max() < 1e-5


def test_mapping_keras__attention_of_other_widths(tmp_path):
    net = randomise(Net(T.MultiheadAttention(8, 2, kdim=6, vdim=5, batch_first=True)))
    q, k, v = rand(2, 3, 8), rand(2, 4, 6), rand(2, 4, 5)
    flat = view(save(tmp_path, net), "keras", tmp_path / "out", "set=heads=2")
    layer = K.MultiHeadAttention(2, 4)
    layer(q, v, k)
    load(layer, flat)
    assert np.abs(np.asarray(layer(q, v, k)) - torch_out(net, q, k, v)).max() < 1e-5


def test_mapping_keras__depthwise_by_template(tmp_path):
    net, x = randomise(Net(T.Conv2d(4, 8, 3, groups=4))), image(2)
    layer = K.DepthwiseConv2D(3, depth_multiplier=2)
    layer(channels_last(x))
    (tmp_path / "t.json").write_text(json.dumps({k: list(v.shape)
                                                 for k, v in stores(layer, "net").items()}))
    flat = view(save(tmp_path, net), "keras", tmp_path / "out", f"template={tmp_path / 't.json'}")
    load(layer, flat)
    out = channels_first(layer(channels_last(x)))
    assert np.abs(out - torch_out(net, x)).max() < 1e-5


def test_mapping_keras__class_counters_by_template(tmp_path):
    model = keras.Sequential([keras.Input((4,)), K.Dense(6), K.Dense(3), K.Dense(2)])
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    h5py = pytest.importorskip("h5py")
    shapes = {}
    with h5py.File(path) as f:
        f.visititems(lambda k, v: shapes.update({k: list(v.shape)}) if hasattr(v, "shape") else None)
    (tmp_path / "t.json").write_text(json.dumps(shapes))
    net = randomise(T.Sequential(T.Linear(4, 6), T.Linear(6, 3), T.Linear(3, 2)))
    flat = view(save(tmp_path, net), "keras", tmp_path / "out", f"template={tmp_path / 't.json'}")
    with h5py.File(path, "r+") as f:
        for key, value in flat.items():
            f[key.replace(".", "/")][...] = value
    model.load_weights(path)
    x = rand(3, 4)
    assert np.abs(np.asarray(model(x)) - torch_out(net, x)).max() < 1e-5


def ambiguous(source, *options):
    args = [a for o in options for a in ("-o", o)]
    done = run("map", "--view", "keras", *args, "--json", source, check=False)
    return {e["subject"] for e in json.loads(done.stdout)["report"] if e["status"] == "ambiguous"}


@pytest.mark.parametrize("depthwise", [False, True])
def test_mapping_keras__depthwise_or_in_groups(tmp_path, depthwise):
    net, x = randomise(Net(T.Conv2d(4, 4, 3, groups=4))), image(2)
    source = save(tmp_path, net)
    assert ambiguous(source) == {"net.weight"}
    options = ["set=depthwise=true", "set=multiplier=1"] if depthwise else ["set=depthwise=false"]
    assert not ambiguous(source, *options)
    layer = K.DepthwiseConv2D(3) if depthwise else K.Conv2D(4, 3, groups=4)
    layer(channels_last(x))
    load(layer, view(source, "keras", tmp_path / "out", *options))
    assert np.abs(channels_first(layer(channels_last(x))) - torch_out(net, x)).max() < 1e-5


@pytest.mark.parametrize("multiplier", [1, 2])
def test_mapping_keras__depthwise_by_its_name(tmp_path, multiplier):
    class Named(T.Module):
        def __init__(self):
            super().__init__()
            self.dwconv = T.Conv2d(4, 4 * multiplier, 3, groups=4)

        def forward(self, x):
            return self.dwconv(x)

    net, x = randomise(Named()), image(2)
    source, option = save(tmp_path, net), f"set=multiplier={multiplier}"
    assert ambiguous(source) == {"dwconv.weight"} and not ambiguous(source, option)
    layer = K.DepthwiseConv2D(3, depth_multiplier=multiplier)
    layer(channels_last(x))
    load(layer, view(source, "keras", tmp_path / "out", option), "dwconv")
    assert np.abs(channels_first(layer(channels_last(x))) - torch_out(net, x)).max() < 1e-5


def test_mapping_keras__norm_over_several_axes(tmp_path):
    net, x = randomise(Net(T.LayerNorm((3, 4)))), rand(2, 3, 4)
    layer = K.LayerNormalization(axis=[-2, -1], epsilon=1e-5)
    layer(x)
    source = save(tmp_path, net)
    assert not ambiguous(source)
    load(layer, view(source, "keras", tmp_path / "out"))
    assert np.abs(np.asarray(layer(x)) - torch_out(net, x)).max() < 1e-5


def test_mapping_keras__embedding_of_another_name_is_a_doubt(tmp_path):
    assert ambiguous(save(tmp_path, torch.nn.ModuleDict({"memory": torch.nn.Embedding(7, 5)}))) == {"memory.weight"}


def test_mapping_keras__bilinear_is_a_doubt(tmp_path):
    assert ambiguous(save(tmp_path, torch.nn.ModuleDict({"bilinear": torch.nn.Bilinear(3, 5, 4)}))) == {"bilinear.weight"}


def test_mapping_keras__transposed_in_groups_is_a_doubt(tmp_path):
    source = save(tmp_path, randomise(Net(T.ConvTranspose2d(4, 6, 3, groups=2))))
    assert ambiguous(source) == {"net.weight"}


def test_mapping_keras__square_transposed_convolution_needs_no_telling(tmp_path):
    net, x = randomise(Net(T.ConvTranspose2d(4, 4, 3, bias=False))), image(2)
    layer = K.Conv2DTranspose(4, 3, use_bias=False)
    layer(channels_last(x))
    load(layer, view(save(tmp_path, net), "keras", tmp_path / "out"))
    assert np.abs(channels_first(layer(channels_last(x))) - torch_out(net, x)).max() < 1e-5
