"""Networks in PyTorch and the same in Flax: what test_outputs.py compares. Both are written as functions
over layers with names; what a view has under these names is the one, what torch has the other.
"""
from types import SimpleNamespace

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn as T

from layers import rand


class Net(T.Module):
    """Layers by name, and a function over them."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = forward

    def forward(self, *x):
        return self.function(self, *x)


class Scope(nn.Module):
    """Layers below a name of their own."""
    body: object

    @nn.compact
    def __call__(self, *x):
        return self.body(*x)


def below(names, body, *x):
    """body(*x) with its layers below "a.b"."""
    first, _, rest = names.partition(".")
    return Scope((lambda *y: below(rest, body, *y)) if rest else body, name=first)(*x)


def dense(x, n, name, bias=True):
    if "." in name:
        head, _, last = name.rpartition(".")
        return below(head, lambda y: dense(y, n, last, bias), x)
    return nn.Dense(n, use_bias=bias, name=name)(x)


def conv(x, n, size, name, padding=0, bias=True, **kw):
    sides = x.ndim - 2
    return nn.Conv(n, (size,) * sides, padding=[(padding, padding)] * sides, use_bias=bias, name=name, **kw)(x)


def convt(x, n, size, stride, name, padding=0, bias=True):
    sides = x.ndim - 2
    return nn.ConvTranspose(n, (size,) * sides, strides=(stride,) * sides, use_bias=bias, name=name,
                            padding=[(size - 1 - padding,) * 2] * sides)(x)


def batch_norm(x, name):
    return nn.BatchNorm(use_running_average=True, epsilon=1e-5, name=name)(x)


def layer_norm(x, name):
    return nn.LayerNorm(epsilon=1e-5, name=name)(x)


def rms_norm(x, name):
    return nn.RMSNorm(epsilon=1e-5, name=name)(x)


def embed(x, n, width, name):
    return nn.Embed(n, width, name=name)(x)


def max_pool(x, size=2):
    return nn.max_pool(x, (size,) * (x.ndim - 2), strides=(2,) * (x.ndim - 2))


def flat(x):
    return x.reshape(len(x), -1)


def gelu(x):
    return nn.gelu(x, approximate=False)


def attend(q, k, v, bias=0):
    """Of heads (B, L, H, D), in numpy's and in torch's functions alike."""
    if isinstance(q, torch.Tensor):
        p = torch.softmax(torch.einsum("bqhd,bkhd->bhqk", q, k) + bias, -1)
        return torch.einsum("bhqk,bkhd->bqhd", p, v).flatten(2)
    p = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) + bias, -1)
    out = jnp.einsum("bhqk,bkhd->bqhd", p, v)
    return out.reshape(*out.shape[:2], -1)


def heads(x, n=2):
    return x.reshape(*x.shape[:2], n, -1)


def tokens(high=11, shape=(2, 5)):
    return np.random.default_rng(3).integers(0, high, shape)


class Conv1D(T.Module):
    """Hugging Face's, whose weight is (in, out)."""

    def __init__(self, n, width):
        super().__init__()
        self.weight, self.bias = T.Parameter(torch.empty(width, n)), T.Parameter(torch.empty(n))

    def forward(self, x):
        return x @ self.weight + self.bias


class RMSNorm(T.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = T.Parameter(torch.empty(n))

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


NETWORKS = {}


def network(name, make, flax, x, options=(), doubts=(), stays=()):
    """`make` a torch module; `flax` the same function; `doubts`: what the report is in doubt of without
    the options; `stays`: and with them."""
    inputs = x if isinstance(x, tuple) else (x,)
    NETWORKS[name] = SimpleNamespace(make=make, flax=flax, inputs=inputs, options=options, doubts=doubts, stays=stays)


def image(*shape):
    return rand(2, *shape)


# ---- images --------------------------------------------------------------------------------------

network("lenet", lambda: Net(
    lambda m, x: m.fc3(F.relu(m.fc2(F.relu(m.fc1(F.max_pool2d(F.relu(m.conv2(F.max_pool2d(F.relu(m.conv1(x)), 2))), 2)
                                                     .flatten(1)))))),
    conv1=T.Conv2d(1, 6, 5), conv2=T.Conv2d(6, 16, 5), fc1=T.Linear(256, 120), fc2=T.Linear(120, 84), fc3=T.Linear(84, 10)),
    lambda x: dense(nn.relu(dense(nn.relu(dense(flat(max_pool(nn.relu(conv(
        max_pool(nn.relu(conv(x, 6, 5, "conv1"))), 16, 5, "conv2")))), 120, "fc1")), 84, "fc2")), 10, "fc3"),
    image(1, 28, 28))

network("mnist-example", lambda: Net(
    lambda m, x: F.log_softmax(m.fc2(F.relu(m.fc1(F.max_pool2d(F.relu(m.conv2(F.relu(m.conv1(x)))), 2).flatten(1)))), 1),
    conv1=T.Conv2d(1, 8, 3), conv2=T.Conv2d(8, 16, 3), fc1=T.Linear(2304, 32), fc2=T.Linear(32, 10)),
    lambda x: nn.log_softmax(dense(nn.relu(dense(flat(max_pool(nn.relu(conv(nn.relu(
        conv(x, 8, 3, "conv1")), 16, 3, "conv2")))), 32, "fc1")), 10, "fc2")),
    image(1, 28, 28))


def _alexnet():
    pool = T.MaxPool2d(3, 2)
    return Net(lambda m, x: m.classifier(m.features(x).flatten(1)), features=T.Sequential(
        T.Conv2d(3, 8, 11, 4, 2), T.ReLU(), pool, T.Conv2d(8, 24, 5, padding=2), T.ReLU(), pool,
        T.Conv2d(24, 32, 3, padding=1), T.ReLU(), T.Conv2d(32, 16, 3, padding=1), T.ReLU(),
        T.Conv2d(16, 16, 3, padding=1), T.ReLU(), pool), classifier=T.Sequential(
        T.Dropout(), T.Linear(576, 32), T.ReLU(), T.Dropout(), T.Linear(32, 32), T.ReLU(), T.Linear(32, 10)))


def _flax_alexnet(x):
    def features(x):
        x = max_pool(nn.relu(conv(x, 8, 11, "0", 2, strides=(4, 4))), 3)
        x = max_pool(nn.relu(conv(x, 24, 5, "3", 2)), 3)
        for name, n in (("6", 32), ("8", 16), ("10", 16)):
            x = nn.relu(conv(x, n, 3, name, 1))
        return max_pool(x, 3)

    def classifier(x):
        return dense(nn.relu(dense(nn.relu(dense(x, 32, "1")), 32, "4")), 10, "6")

    return below("classifier", classifier, flat(below("features", features, x)))


network("alexnet", _alexnet, _flax_alexnet, image(3, 224, 224))


def _vgg():
    layers, width = [], 3
    for n, pools in ((8, True), (16, False), (16, True)):
        layers += [T.Conv2d(width, n, 3, padding=1), T.BatchNorm2d(n), T.ReLU()] + [T.MaxPool2d(2)] * pools
        width = n
    return Net(lambda m, x: m.classifier(m.features(x).flatten(1)), features=T.Sequential(*layers),
               classifier=T.Sequential(T.Linear(784, 24), T.ReLU(), T.Dropout(), T.Linear(24, 10)))


def _flax_vgg(x):
    def features(x):
        x = max_pool(nn.relu(batch_norm(conv(x, 8, 3, "0", 1), "1")))
        x = nn.relu(batch_norm(conv(x, 16, 3, "4", 1), "5"))
        return max_pool(nn.relu(batch_norm(conv(x, 16, 3, "7", 1), "8")))

    return below("classifier", lambda x: dense(nn.relu(dense(x, 24, "0")), 10, "3"), flat(below("features", features, x)))


network("vgg", _vgg, _flax_vgg, image(3, 28, 28))

network("dcgan-generator", lambda: Net(
    lambda m, x: m.main(x), main=T.Sequential(
        T.ConvTranspose2d(10, 32, 4, 1, 0, bias=False), T.BatchNorm2d(32), T.ReLU(),
        T.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), T.BatchNorm2d(16), T.ReLU(),
        T.ConvTranspose2d(16, 3, 4, 2, 1, bias=False), T.Tanh())),
    lambda x: below("main", lambda x: jnp.tanh(convt(nn.relu(batch_norm(convt(nn.relu(batch_norm(
        convt(x, 32, 4, 1, "0", bias=False), "1")), 16, 4, 2, "3", 1, bias=False), "4")), 3, 4, 2, "6", 1, bias=False)), x),
    image(10, 1, 1), options=("set=transposed=main",), doubts=("main.6.weight",))

network("dcgan-discriminator", lambda: Net(
    lambda m, x: torch.sigmoid(m.main(x)), main=T.Sequential(
        T.Conv2d(3, 16, 4, 2, 1, bias=False), T.LeakyReLU(0.2), T.Conv2d(16, 32, 4, 2, 1, bias=False), T.BatchNorm2d(32),
        T.LeakyReLU(0.2), T.Conv2d(32, 1, 4, 1, 0, bias=False))),
    lambda x: below("main", lambda x: nn.sigmoid(conv(nn.leaky_relu(batch_norm(conv(nn.leaky_relu(conv(
        x, 16, 4, "0", 1, False, strides=(2, 2)), 0.2), 32, 4, "2", 1, False, strides=(2, 2)), "3"), 0.2), 1, 4, "5", 0, False)),
        x),
    image(3, 16, 16))

network("mobilenet", lambda: Net(
    lambda m, x: m.classifier(F.relu(m.bn3(m.pointwise(F.relu(m.bn2(m.depthwise(F.relu(m.bn1(m.stem(x)))))))))
                              .mean((2, 3))),
    stem=T.Conv2d(3, 8, 3, 2, 1, bias=False), bn1=T.BatchNorm2d(8), bn2=T.BatchNorm2d(8), bn3=T.BatchNorm2d(16),
    depthwise=T.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), pointwise=T.Conv2d(8, 16, 1, bias=False),
    classifier=T.Linear(16, 10)),
    lambda x: dense(nn.relu(batch_norm(conv(nn.relu(batch_norm(conv(nn.relu(batch_norm(conv(
        x, 8, 3, "stem", 1, False, strides=(2, 2)), "bn1")), 8, 3, "depthwise", 1, False, feature_group_count=8), "bn2")),
        16, 1, "pointwise", 0, False), "bn3")).mean((1, 2)), 10, "classifier"),
    image(3, 8, 8))

network("grouped", lambda: Net(lambda m, x: m.fc(F.relu(m.conv2(F.relu(m.conv1(x)))).mean((2, 3))),
                               conv1=T.Conv2d(4, 8, 3), conv2=T.Conv2d(8, 12, 3, groups=2), fc=T.Linear(12, 5)),
        lambda x: dense(nn.relu(conv(nn.relu(conv(x, 8, 3, "conv1")), 12, 3, "conv2", feature_group_count=2)).mean((1, 2)),
                        5, "fc"),
        image(4, 7, 9))

network("resnet-block", lambda: Net(
    lambda m, x: m.fc(F.relu(m.bn2(m.conv2(F.relu(m.bn1(m.conv1(x))))) + m.downsample(x)).mean((2, 3))),
    conv1=T.Conv2d(4, 8, 3, 2, 1, bias=False), bn1=T.BatchNorm2d(8), conv2=T.Conv2d(8, 8, 3, 1, 1, bias=False),
    bn2=T.BatchNorm2d(8), downsample=T.Sequential(T.Conv2d(4, 8, 1, 2, bias=False), T.BatchNorm2d(8)), fc=T.Linear(8, 3)),
    lambda x: dense(nn.relu(batch_norm(conv(nn.relu(batch_norm(conv(x, 8, 3, "conv1", 1, False, strides=(2, 2)), "bn1")),
                                            8, 3, "conv2", 1, False), "bn2")
                            + below("downsample", lambda x: batch_norm(conv(x, 8, 1, "0", 0, False, strides=(2, 2)), "1"), x)
                            ).mean((1, 2)), 3, "fc"),
    image(4, 9, 9))

network("groupnorm-block", lambda: Net(lambda m, x: x + m.conv2(F.silu(m.norm2(m.conv1(F.silu(m.norm1(x)))))),
                                       norm1=T.GroupNorm(2, 8), conv1=T.Conv2d(8, 12, 3, padding=1),
                                       norm2=T.GroupNorm(3, 12), conv2=T.Conv2d(12, 8, 3, padding=1)),
        lambda x: x + conv(nn.silu(nn.GroupNorm(3, epsilon=1e-5, name="norm2")(conv(nn.silu(
            nn.GroupNorm(2, epsilon=1e-5, name="norm1")(x)), 12, 3, "conv1", 1))), 8, 3, "conv2", 1),
        image(8, 6, 5))

network("unet", lambda: Net(
    lambda m, x: m.out(torch.cat([m.up(F.relu(m.middle(F.max_pool2d(F.relu(m.down(x)), 2)))), F.relu(m.down(x))], 1)),
    down=T.Conv2d(3, 6, 3, padding=1), middle=T.Conv2d(6, 10, 3, padding=1), up=T.ConvTranspose2d(10, 7, 2, 2),
    out=T.Conv2d(13, 2, 1)),
    lambda x: _flax_unet(x), image(3, 8, 6))


def _flax_unet(x):
    skip = nn.relu(conv(x, 6, 3, "down", 1))
    up = convt(nn.relu(conv(max_pool(skip), 10, 3, "middle", 1)), 7, 2, 2, "up")
    return conv(jnp.concatenate([up, skip], -1), 2, 1, "out")


network("squeeze-excite", lambda: Net(
    lambda m, x: m.conv(x) * torch.sigmoid(m.fc2(F.relu(m.fc1(m.conv(x).mean((2, 3))))))[:, :, None, None],
    conv=T.Conv2d(3, 12, 3), fc1=T.Linear(12, 4), fc2=T.Linear(4, 12)),
    lambda x: _flax_squeeze(x), image(3, 6, 7))


def _flax_squeeze(x):
    x = conv(x, 12, 3, "conv")
    return x * nn.sigmoid(dense(nn.relu(dense(x.mean((1, 2)), 4, "fc1")), 12, "fc2"))[:, None, None]


network("flatten-no-square", lambda: Net(lambda m, x: m.fc(F.relu(m.conv(x)).flatten(1)),
                                         conv=T.Conv2d(3, 8, 3), fc=T.Linear(8 * 5 * 3, 4)),
        lambda x: dense(flat(nn.relu(conv(x, 8, 3, "conv"))), 4, "fc"), image(3, 7, 5),
        options=("set=flatten.fc=8x5x3",), doubts=("fc.weight",))

network("autoencoder", lambda: Net(
    lambda m, x: m.up(F.relu(m.decode(m.encode(F.relu(m.down(x)).flatten(1)))).reshape(len(x), 5, 3, 3)),
    down=T.Conv2d(1, 5, 3, 2), encode=T.Linear(45, 7), decode=T.Linear(7, 45), up=T.ConvTranspose2d(5, 1, 3, 2)),
    lambda x: _flax_autoencoder(x), image(1, 7, 7), options=("set=flatten.encode=5x3x3", "set=flatten.decode=false"),
    doubts=("encode.weight",))


def _flax_autoencoder(x):
    code = dense(flat(nn.relu(conv(x, 5, 3, "down", strides=(2, 2)))), 7, "encode")
    back = nn.relu(dense(code, 45, "decode")).reshape(len(x), 5, 3, 3)
    return convt(jnp.moveaxis(back, 1, -1), 1, 3, 2, "up")


# ---- lines and volumes ---------------------------------------------------------------------------

network("tcn", lambda: Net(
    lambda m, x: F.relu(F.relu(m.conv2(F.relu(m.conv1(x)))) + m.downsample(x)).mean(2),
    conv1=T.Conv1d(4, 6, 3, padding=2, dilation=2), conv2=T.Conv1d(6, 6, 3, padding=4, dilation=4), downsample=T.Conv1d(4, 6, 1)),
    lambda x: nn.relu(nn.relu(conv(nn.relu(conv(x, 6, 3, "conv1", 2, kernel_dilation=2)), 6, 3, "conv2", 4,
                                   kernel_dilation=4)) + conv(x, 6, 1, "downsample")).mean(1),
    image(4, 15))

network("textcnn", lambda: Net(
    lambda m, x: m.fc(torch.cat([F.relu(c(m.embedding(x).transpose(1, 2))).amax(2) for c in m.convs], 1)),
    embedding=T.Embedding(11, 8), convs=T.ModuleList([T.Conv1d(8, 6, k) for k in (2, 3, 4)]), fc=T.Linear(18, 3)),
    lambda x: _flax_textcnn(x), tokens(shape=(2, 9)), options=("set=flatten.fc=false",), doubts=("fc.weight",))


def _flax_textcnn(x):
    x = embed(x, 11, 8, "embedding")
    pooled = below("convs", lambda x: [nn.relu(conv(x, 6, i + 2, str(i))).max(1) for i in range(3)], x)
    return dense(jnp.concatenate(pooled, -1), 3, "fc")


network("x-vector", lambda: Net(
    lambda m, x: m.segment(torch.cat([m.tdnn2(F.relu(m.tdnn1(x))).mean(2), m.tdnn2(F.relu(m.tdnn1(x))).std(2, False)], 1)),
    tdnn1=T.Conv1d(4, 6, 3), tdnn2=T.Conv1d(6, 10, 1), segment=T.Linear(20, 5)),
    lambda x: _flax_x_vector(x), image(4, 12), options=("set=flatten.segment=false",), doubts=("segment.weight",))


def _flax_x_vector(x):
    x = conv(nn.relu(conv(x, 6, 3, "tdnn1")), 10, 1, "tdnn2")
    return dense(jnp.concatenate([x.mean(1), x.std(1)], -1), 5, "segment")


network("flatten-line", lambda: Net(lambda m, x: m.fc(F.relu(m.conv(x)).flatten(1)),
                                    conv=T.Conv1d(3, 8, 3), fc=T.Linear(8 * 7, 4)),
        lambda x: dense(flat(nn.relu(conv(x, 8, 3, "conv"))), 4, "fc"), image(3, 9))

network("convt1d", lambda: Net(lambda m, x: m.convt2(F.relu(m.convt1(x))),
                               convt1=T.ConvTranspose1d(6, 5, 4, 2, 1), convt2=T.ConvTranspose1d(5, 2, 3, 2)),
        lambda x: convt(nn.relu(convt(x, 5, 4, 2, "convt1", 1)), 2, 3, 2, "convt2"), image(6, 8))

network("conv3d", lambda: Net(lambda m, x: m.fc(F.relu(m.bn(m.conv(x))).mean((2, 3, 4))),
                              conv=T.Conv3d(2, 6, 3, padding=1), bn=T.BatchNorm3d(6), fc=T.Linear(6, 3)),
        lambda x: dense(nn.relu(batch_norm(conv(x, 6, 3, "conv", 1), "bn")).mean((1, 2, 3)), 3, "fc"), image(2, 4, 5, 6))

network("batchnorm-mlp", lambda: Net(lambda m, x: m.fc2(F.relu(m.bn(m.fc1(x)))),
                                     fc1=T.Linear(6, 6), bn=T.BatchNorm1d(6), fc2=T.Linear(6, 6)),
        lambda x: dense(nn.relu(batch_norm(dense(x, 6, "fc1"), "bn")), 6, "fc2"), image(6))
