"""Networks over sequences for test_outputs.py: recurrent layers, attention, transformers, tables."""
import flax.linen as nn
import jax.numpy as jnp
import torch
import torch.nn.functional as F
from torch import nn as T

from layers import rand
from networks import (Conv1D, Net, RMSNorm, attend, below, conv, dense, embed, gelu, heads, layer_norm, network, rms_norm,
                      tokens)

# ---- recurrent -----------------------------------------------------------------------------------


def recurrent(make, cell, last=False):
    def forward(m, x):
        y = m.rnn(m.word_embeddings(x))[0]
        return m.hidden2tag(y[:, -1] if last else y)

    def flax(x):
        y = cell(embed(x, 11, 5, "word_embeddings"))
        return dense(y[:, -1] if last else y, 4, "hidden2tag")

    return (lambda: Net(forward, word_embeddings=T.Embedding(11, 5), rnn=make(), hidden2tag=T.LazyLinear(4))), flax


def lstm(**kw):
    return T.LSTM(5, 6, batch_first=True, **kw)


def made(make, width):
    """The module with its lazy head of so many inputs."""
    def build():
        net = make()
        net.hidden2tag = T.Linear(width, 4)
        return net
    return build


for _name, _make, _cell, _width in (
        ("lstm-tagger", lstm, lambda x: nn.RNN(nn.OptimizedLSTMCell(6, parent=None), name="rnn")(x), 6),
        ("gru", lambda: T.GRU(5, 6, batch_first=True), lambda x: nn.RNN(nn.GRUCell(6, parent=None), name="rnn")(x), 6),
        ("elman", lambda: T.RNN(5, 6, batch_first=True), lambda x: nn.RNN(nn.SimpleCell(6, parent=None), name="rnn")(x), 6),
        ("bilstm", lambda: lstm(bidirectional=True),
         lambda x: nn.Bidirectional(*(nn.RNN(nn.LSTMCell(6, parent=None), parent=None) for _ in "fb"), name="rnn")(x), 12),
        ("lstm-of-two-layers", lambda: lstm(num_layers=2),
         lambda x: nn.RNN(nn.LSTMCell(6, parent=None), name="rnn_1")(nn.RNN(nn.LSTMCell(6, parent=None), name="rnn_0")(x)), 6)):
    _net, _flax = recurrent(_make, _cell)
    network(_name, made(_net, _width), _flax, tokens())

# ---- transformers --------------------------------------------------------------------------------


def tree(layers):
    """Modules by dotted names; reached by attributes, numbers by their digits: tree.h[0] is m["0"]."""
    root = T.Module()
    for name, layer in layers.items():
        at, (*above, last) = root, name.split(".")
        for part in above:
            if not hasattr(at, part):
                at.add_module(part, T.Module())
            at = getattr(at, part)
        at.register_parameter(last, layer) if isinstance(layer, T.Parameter) else at.add_module(last, layer)
    return root


def transformer(forward, **layers):
    """Names with `__` for dots."""
    return lambda: Net(lambda m, *x: forward(m.all, *x), all=tree({k.replace("__", "."): make() for k, make in layers.items()}))


def linear(n, m, bias=True):
    return lambda: T.Linear(n, m, bias=bias)


def norm(n=8):
    return lambda: T.LayerNorm(n, eps=1e-5)


def rms(n=8):
    return lambda: RMSNorm(n)


def table(n, width=8):
    return lambda: T.Embedding(n, width)


def attention(x, q, k, v, bias=0):
    return attend(heads(q(x)), heads(k(x)), heads(v(x)), bias)


def _gpt2(m, x):
    x = m.wte(x) + m.wpe.weight[:x.shape[1]]
    b = m.h.get_submodule("0")
    q, k, v = b.attn.c_attn(b.ln_1(x)).chunk(3, -1)
    x = x + b.attn.c_proj(attend(heads(q), heads(k), heads(v)))
    x = x + b.mlp.c_proj(F.gelu(b.mlp.c_fc(b.ln_2(x)), approximate="tanh"))
    return m.ln_f(x) @ m.wte.weight.T


def _flax_gpt2(x):
    def attn(x):
        q, k, v = jnp.split(dense(x, 24, "c_attn"), 3, -1)
        return dense(attend(heads(q), heads(k), heads(v)), 8, "c_proj")

    def block(x):
        x = x + below("attn", attn, layer_norm(x, "ln_1"))
        return x + below("mlp", lambda x: dense(nn.gelu(dense(x, 32, "c_fc")), 8, "c_proj"), layer_norm(x, "ln_2"))

    wte, wpe = nn.Embed(11, 8, name="wte"), nn.Embed(16, 8, name="wpe")
    x = below("h.0", block, wte(x) + wpe(jnp.arange(x.shape[1])))
    return wte.attend(layer_norm(x, "ln_f"))


network("gpt2", transformer(
    _gpt2, wte=table(11), wpe=table(16), ln_f=norm(), h__0__ln_1=norm(), h__0__ln_2=norm(),
    h__0__attn__c_attn=lambda: Conv1D(24, 8), h__0__attn__c_proj=lambda: Conv1D(8, 8),
    h__0__mlp__c_fc=lambda: Conv1D(32, 8), h__0__mlp__c_proj=lambda: Conv1D(8, 32)), _flax_gpt2, tokens())


def _neox(m, x):
    x, b = m.embed_in(x), m.layers.get_submodule("0")
    q, k, v = heads(b.attention.query_key_value(b.input_layernorm(x))).chunk(3, -1)  # by heads, then q, k, v
    x = x + b.attention.dense(attend(q, k, v)) \
        + b.mlp.dense_4h_to_h(F.gelu(b.mlp.dense_h_to_4h(b.post_attention_layernorm(x))))
    return m.embed_out(m.final_layer_norm(x))


def _flax_neox(x):
    def attn(x):
        q, k, v = jnp.split(heads(dense(x, 24, "query_key_value")), 3, -1)
        return dense(attend(q, k, v), 8, "dense")

    def block(x):
        return x + below("attention", attn, layer_norm(x, "input_layernorm")) + below(
            "mlp", lambda x: dense(gelu(dense(x, 32, "dense_h_to_4h")), 8, "dense_4h_to_h"),
            layer_norm(x, "post_attention_layernorm"))

    x = below("layers.0", block, embed(x, 11, 8, "embed_in"))
    return dense(layer_norm(x, "final_layer_norm"), 11, "embed_out", bias=False)


network("gpt-neox", transformer(
    _neox, embed_in=table(11), final_layer_norm=norm(), embed_out=linear(8, 11, False),
    layers__0__input_layernorm=norm(), layers__0__post_attention_layernorm=norm(),
    layers__0__attention__query_key_value=linear(8, 24), layers__0__attention__dense=linear(8, 8),
    layers__0__mlp__dense_h_to_4h=linear(8, 32), layers__0__mlp__dense_4h_to_h=linear(32, 8)), _flax_neox, tokens())


def _distance(n):
    """Of keys from queries, as an index into a table of 2n - 1."""
    return [[k - q + n - 1 for k in range(n)] for q in range(n)]


def _t5(m, x):
    block = m.block.get_submodule("0.layer")
    first, second = block.get_submodule("0"), block.get_submodule("1")
    s, x = first.SelfAttention, m.shared(x)
    bias = s.relative_attention_bias(torch.tensor(_distance(x.shape[1]))).permute(2, 0, 1)
    x = x + s.o(attention(first.layer_norm(x), s.q, s.k, s.v, bias))
    x = x + second.DenseReluDense.wo(F.relu(second.DenseReluDense.wi(second.layer_norm(x))))
    return m.final_layer_norm(x)


def _flax_t5(x):
    def attn(x):
        bias = embed(jnp.array(_distance(x.shape[1])), 9, 2, "relative_attention_bias").transpose(2, 0, 1)
        q, k, v = (heads(dense(x, 8, n, False)) for n in "qkv")
        return dense(attend(q, k, v, bias), 8, "o", False)

    def first(x):
        return x + below("SelfAttention", attn, rms_norm(x, "layer_norm"))

    def second(x):
        return x + below("DenseReluDense", lambda x: dense(nn.relu(dense(x, 16, "wi", False)), 8, "wo", False),
                         rms_norm(x, "layer_norm"))

    x = below("block.0.layer", lambda x: below("1", second, below("0", first, x)), embed(x, 11, 8, "shared"))
    return rms_norm(x, "final_layer_norm")


AT = "block__0__layer__"
network("t5", transformer(
    _t5, shared=table(11), final_layer_norm=rms(), **{AT + "0__layer_norm": rms(), AT + "1__layer_norm": rms()},
    **{AT + f"0__SelfAttention__{n}": linear(8, 8, False) for n in "qkvo"},
    **{AT + "0__SelfAttention__relative_attention_bias": table(9, 2), AT + "1__DenseReluDense__wi": linear(8, 16, False),
       AT + "1__DenseReluDense__wo": linear(16, 8, False)}), _flax_t5, tokens())


def _llama(m, x):
    b, x = m.layers.get_submodule("0"), m.embed_tokens(x)
    s = b.self_attn
    x = x + s.o_proj(attention(b.input_layernorm(x), s.q_proj, s.k_proj, s.v_proj))
    y = b.post_attention_layernorm(x)
    return m.lm_head(m.norm(x + b.mlp.down_proj(F.silu(b.mlp.gate_proj(y)) * b.mlp.up_proj(y))))


def _flax_llama(x):
    def attn(x):
        q, k, v = (heads(dense(x, 8, n + "_proj", False)) for n in "qkv")
        return dense(attend(q, k, v), 8, "o_proj", False)

    def mlp(x):
        return dense(nn.silu(dense(x, 12, "gate_proj", False)) * dense(x, 12, "up_proj", False), 8, "down_proj", False)

    def block(x):
        x = x + below("self_attn", attn, rms_norm(x, "input_layernorm"))
        return x + below("mlp", mlp, rms_norm(x, "post_attention_layernorm"))

    x = below("layers.0", block, embed(x, 11, 8, "embed_tokens"))
    return dense(rms_norm(x, "norm"), 11, "lm_head", False)


L0 = "layers__0__"
network("llama", transformer(
    _llama, embed_tokens=table(11), norm=rms(), lm_head=linear(8, 11, False),
    **{L0 + "input_layernorm": rms(), L0 + "post_attention_layernorm": rms()},
    **{L0 + f"self_attn__{n}_proj": linear(8, 8, False) for n in "qkvo"},
    **{L0 + f"mlp__{n}_proj": linear(8, 12, False) for n in ("gate", "up")}, **{L0 + "mlp__down_proj": linear(12, 8, False)}),
    _flax_llama, tokens())


def _moe(m, x):
    b, x = m.layers.get_submodule("0"), m.embed_tokens(x)
    e = b.block_sparse_moe
    y = b.post_attention_layernorm(x)
    gate, up = torch.einsum("bld,ehd->bleh", y, e.input_linear.weight).chunk(2, -1)
    out = torch.einsum("bleh,edh->bled", F.silu(gate) * up, e.output_linear.weight)
    return m.norm(x + (torch.softmax(e.router.layer(y), -1)[..., None] * out).sum(2))


def stacked(*shape):
    def make():
        layer = T.Module()
        layer.weight = T.Parameter(torch.empty(*shape))
        return layer
    return make


class Experts(nn.Module):
    """Flax has no such layer: the weight keeps its name and axes."""
    shape: tuple

    @nn.compact
    def __call__(self, spec, x):
        return jnp.einsum(spec, x, self.param("weight", nn.initializers.zeros, self.shape))


def _flax_moe(x):
    def experts(x):
        gate, up = jnp.split(Experts((3, 12, 8), name="input_linear")("bld,ehd->bleh", x), 2, -1)
        out = Experts((3, 8, 6), name="output_linear")("bleh,edh->bled", nn.silu(gate) * up)
        return (nn.softmax(dense(x, 3, "router.layer", False))[..., None] * out).sum(2)

    def block(x):
        return x + below("block_sparse_moe", experts, rms_norm(x, "post_attention_layernorm"))

    return rms_norm(below("layers.0", block, embed(x, 11, 8, "embed_tokens")), "norm")


network("granitemoe", transformer(
    _moe, embed_tokens=table(11), norm=rms(), **{
        L0 + "post_attention_layernorm": rms(), L0 + "block_sparse_moe__input_linear": stacked(3, 12, 8),
        L0 + "block_sparse_moe__output_linear": stacked(3, 8, 6), L0 + "block_sparse_moe__router__layer": linear(8, 3, False)}),
    _flax_moe, tokens(), options=("set=role.layers.0.block_sparse_moe.output_linear=stacked",
                                  "set=role.layers.0.block_sparse_moe.router.layer=dense"),
    doubts=(L0.replace("__", ".") + "block_sparse_moe.output_linear.weight",
            L0.replace("__", ".") + "block_sparse_moe.router.layer.weight"))


def _bert(m, x):
    e, b = m.embeddings, m.encoder.layer.get_submodule("0")
    s = b.attention.get_submodule("self")
    x = e.LayerNorm(e.word_embeddings(x) + e.position_embeddings.weight[:x.shape[1]] + e.token_type_embeddings.weight[0])
    x = b.attention.output.LayerNorm(x + b.attention.output.dense(attention(x, s.query, s.key, s.value)))
    x = b.output.LayerNorm(x + b.output.dense(F.gelu(b.intermediate.dense(x))))
    return torch.tanh(m.pooler.dense(x[:, 0]))


def _flax_bert(x):
    def embeddings(x):
        positions, types = nn.Embed(16, 8, name="position_embeddings"), nn.Embed(2, 8, name="token_type_embeddings")
        x = embed(x, 11, 8, "word_embeddings") + positions(jnp.arange(x.shape[1])) + types(jnp.zeros(x.shape, int))
        return layer_norm(x, "LayerNorm")

    def output(x, y):
        return layer_norm(x + dense(y, 8, "dense"), "LayerNorm")

    def attn(x):
        y = below("self", lambda x: attend(*(heads(dense(x, 8, n)) for n in ("query", "key", "value"))), x)
        return below("output", output, x, y)

    def block(x):
        x = below("attention", attn, x)
        return below("output", output, x, gelu(dense(x, 16, "intermediate.dense")))

    x = below("encoder.layer.0", block, below("embeddings", embeddings, x))
    return jnp.tanh(dense(x[:, 0], 8, "pooler.dense"))


E0 = "encoder__layer__0__"
network("bert", transformer(
    _bert, embeddings__word_embeddings=table(11), embeddings__position_embeddings=table(16),
    embeddings__token_type_embeddings=table(2), embeddings__LayerNorm=norm(), pooler__dense=linear(8, 8),
    **{E0 + f"attention__self__{n}": linear(8, 8) for n in ("query", "key", "value")},
    **{E0 + "attention__output__dense": linear(8, 8), E0 + "attention__output__LayerNorm": norm(),
       E0 + "intermediate__dense": linear(8, 16), E0 + "output__dense": linear(16, 8), E0 + "output__LayerNorm": norm()}),
    _flax_bert, tokens())


def parameter(*shape):
    return lambda: T.Parameter(torch.empty(*shape))


def _vit(m, x):
    x = m.patch_embed.proj(x).flatten(2).transpose(1, 2)
    x = torch.cat([m.cls_token.expand(len(x), -1, -1), x], 1) + m.pos_embed
    b = m.blocks.get_submodule("0")
    q, k, v = b.attn.qkv(b.norm1(x)).chunk(3, -1)
    x = x + b.attn.proj(attend(heads(q), heads(k), heads(v)))
    x = x + b.mlp.fc2(F.gelu(b.mlp.fc1(b.norm2(x))))
    return m.head(m.norm(x)[:, 0])


class ViT(nn.Module):
    @nn.compact
    def __call__(self, x):
        def attn(x):
            q, k, v = jnp.split(dense(x, 24, "qkv"), 3, -1)
            return dense(attend(heads(q), heads(k), heads(v)), 8, "proj")

        def block(x):
            x = x + below("attn", attn, layer_norm(x, "norm1"))
            return x + below("mlp", lambda x: dense(gelu(dense(x, 16, "fc1")), 8, "fc2"), layer_norm(x, "norm2"))

        x = below("patch_embed", lambda x: conv(x, 8, 4, "proj", strides=(4, 4)), x).reshape(len(x), -1, 8)
        cls = jnp.broadcast_to(self.param("cls_token", nn.initializers.zeros, (1, 1, 8)), (len(x), 1, 8))
        x = jnp.concatenate([cls, x], 1) + self.param("pos_embed", nn.initializers.zeros, (1, 5, 8))
        return dense(layer_norm(below("blocks.0", block, x), "norm")[:, 0], 3, "head")


network("vit", transformer(
    _vit, patch_embed__proj=lambda: T.Conv2d(3, 8, 4, 4), cls_token=parameter(1, 1, 8), pos_embed=parameter(1, 5, 8),
    norm=norm(), head=linear(8, 3), blocks__0__norm1=norm(), blocks__0__norm2=norm(), blocks__0__attn__qkv=linear(8, 24),
    blocks__0__attn__proj=linear(8, 8), blocks__0__mlp__fc1=linear(8, 16), blocks__0__mlp__fc2=linear(16, 8)),
    ViT(), rand(2, 3, 8, 8))


def _siglip(m, x):
    e, b, h = m.embeddings, m.encoder.layers.get_submodule("0"), m.head
    s = b.self_attn
    x = e.patch_embedding(x).flatten(2).transpose(1, 2) + e.position_embedding.weight
    x = x + s.out_proj(attention(b.layer_norm1(x), s.q_proj, s.k_proj, s.v_proj))
    x = x + b.mlp.fc2(F.gelu(b.mlp.fc1(b.layer_norm2(x)), approximate="tanh"))
    x = m.post_layernorm(x)
    y = h.attention(h.probe.expand(len(x), -1, -1), x, x)[0]
    return y[:, 0] + h.mlp.fc2(F.gelu(h.mlp.fc1(h.layernorm(y)), approximate="tanh"))[:, 0]


def _mlp(x):
    return dense(nn.gelu(dense(x, 16, "fc1")), 8, "fc2")


class Head(nn.Module):
    @nn.compact
    def __call__(self, x):
        probe = jnp.broadcast_to(self.param("probe", nn.initializers.zeros, (1, 1, 8)), (len(x), 1, 8))
        y = nn.MultiHeadDotProductAttention(2, name="attention")(probe, x)
        return (y + below("mlp", _mlp, layer_norm(y, "layernorm")))[:, 0]


def _flax_siglip(x):
    def embeddings(x):
        x = conv(x, 8, 4, "patch_embedding", strides=(4, 4)).reshape(len(x), -1, 8)
        return x + nn.Embed(4, 8, name="position_embedding")(jnp.arange(4))

    def attn(x):
        return dense(attend(*(heads(dense(x, 8, n + "_proj")) for n in "qkv")), 8, "out_proj")

    def block(x):
        x = x + below("self_attn", attn, layer_norm(x, "layer_norm1"))
        return x + below("mlp", _mlp, layer_norm(x, "layer_norm2"))

    x = below("encoder.layers.0", block, below("embeddings", embeddings, x))
    return Head(name="head")(layer_norm(x, "post_layernorm"))


E1 = "encoder__layers__0__"
network("siglip", transformer(
    _siglip, embeddings__patch_embedding=lambda: T.Conv2d(3, 8, 4, 4), embeddings__position_embedding=table(4),
    post_layernorm=norm(), head__probe=parameter(1, 1, 8), head__layernorm=norm(),
    head__attention=lambda: T.MultiheadAttention(8, 2, batch_first=True), head__mlp__fc1=linear(8, 16),
    head__mlp__fc2=linear(16, 8), **{E1 + f"self_attn__{n}_proj": linear(8, 8) for n in ("q", "k", "v", "out")},
    **{E1 + "layer_norm1": norm(), E1 + "layer_norm2": norm(), E1 + "mlp__fc1": linear(8, 16), E1 + "mlp__fc2": linear(16, 8)}),
    _flax_siglip, rand(2, 3, 8, 8), options=("set=heads=2",))

# ---- layers of their own kind --------------------------------------------------------------------

network("attention", lambda: Net(lambda m, q, k: m.norm(q + m.attention(q, k, k)[0]),
                                 attention=T.MultiheadAttention(8, 2, batch_first=True), norm=T.LayerNorm(8)),
        lambda q, k: layer_norm(q + nn.MultiHeadDotProductAttention(2, name="attention")(q, k), "norm"),
        (rand(2, 3, 8), rand(2, 5, 8, seed=4)), options=("set=heads=2",))


def _flax_encoder_layer(x):
    x = layer_norm(x + nn.MultiHeadDotProductAttention(2, name="self_attn")(x), "norm1")
    return layer_norm(x + dense(nn.relu(dense(x, 16, "linear1")), 8, "linear2"), "norm2")


network("encoder-layer", lambda: T.TransformerEncoderLayer(8, 2, 16, batch_first=True), _flax_encoder_layer, rand(2, 3, 8),
        options=("set=heads=2",))

network("mixer", lambda: Net(
    lambda m, x: m.norm((x + m.token2(F.gelu(m.token1(x.transpose(1, 2)))).transpose(1, 2))) + m.channel2(F.gelu(m.channel1(x))),
    token1=T.Linear(4, 6), token2=T.Linear(6, 4), channel1=T.Linear(8, 8), channel2=T.Linear(8, 8), norm=T.LayerNorm(8)),
    lambda x: layer_norm(x + dense(gelu(dense(x.transpose(0, 2, 1), 6, "token1")), 4, "token2").transpose(0, 2, 1), "norm")
    + dense(gelu(dense(x, 8, "channel1")), 8, "channel2"), rand(2, 4, 8))

network("two-towers", lambda: Net(
    lambda m, u, i: (m.user_embedding(u) * m.item_embedding(i)).sum(-1, keepdim=True) + m.user_bias(u) + m.item_bias(i),
    user_embedding=T.Embedding(11, 4), item_embedding=T.Embedding(13, 4), user_bias=T.Embedding(11, 1),
    item_bias=T.Embedding(13, 1)),
    lambda u, i: (embed(u, 11, 4, "user_embedding") * embed(i, 13, 4, "item_embedding")).sum(-1, keepdims=True)
    + embed(u, 11, 1, "user_bias") + embed(i, 13, 1, "item_bias"), (tokens(), tokens(13)),
    options=("set=role.user_bias=embedding", "set=role.item_bias=embedding"), doubts=("user_bias.weight", "item_bias.weight"))


class Tied(T.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.rnn, self.decoder = T.Embedding(11, 6), T.LSTM(6, 6, batch_first=True), T.Linear(6, 11)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(self.rnn(self.encoder(x))[0])


network("tied-lstm", Tied, lambda x: dense(nn.RNN(nn.LSTMCell(6, parent=None), name="rnn")(embed(x, 11, 6, "encoder")), 11, "decoder"),
        tokens(), options=("set=role.encoder=embedding",), doubts=("encoder.weight",))


class Bilinear(nn.Module):
    """(out, in1, in2), as torch has it: Flax has none, and the weight keeps name and axes."""

    @nn.compact
    def __call__(self, a, b):
        w = self.param("weight", nn.initializers.zeros, (4, 3, 5))
        return jnp.einsum("bi,oij,bj->bo", a, w, b) + self.param("bias", nn.initializers.zeros, (4,))


network("bilinear", lambda: Net(lambda m, a, b: m.bilinear(a, m.fc(b)), fc=T.Linear(6, 5), bilinear=T.Bilinear(3, 5, 4)),
        lambda a, b: Bilinear(name="bilinear")(a, dense(b, 5, "fc")), (rand(2, 3), rand(2, 6, seed=5)),
        doubts=("bilinear.weight",), stays=("bilinear.weight",))
