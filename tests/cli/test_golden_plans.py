"""The plans of tests/golden are what they were, and the layouts that they pin are the frameworks' own."""
import zlib

import numpy as np
import pytest

from conftest import BIN
from golden_plans import GOLDEN, Spec, differences, plan_tool, specs, values


@pytest.mark.parametrize("spec", specs(), ids=lambda s: s.name)
def test_golden_plans(spec):
    assert plan_tool().exists(), f"{BIN} has no plan_tool beside it"
    diff = differences(spec)
    assert not diff, "\n".join([*diff[:200], "tests/golden_plans.py --write, if this is meant"])


# What frameworks want, in numpy's words and known from the frameworks themselves: a table that was
# written anew without a look at its differences fails here.
def linear(w):
    return w.T


def meta_rows(heads):
    """Hugging Face's half-split rows of each head, interleaved as Meta has them."""
    def order(w):
        return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
    return order


def half_split_rows(heads):
    def order(w):
        return w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
    return order


def rows(i, n):
    return lambda w: np.split(w, n)[i]


def rows_of(i, n):
    return lambda w: np.split(w, n)[i].T


def sum_of_rows(i, n):
    return lambda a, b: np.split(a + b, n)[i]


def keras_gates(w):
    r, z, n = np.split(w, 3)
    return np.concatenate([z, r, n])


def flipped(w):
    """torch's transposed convolution (I, O, H, W) in flax.linen's default one: (H, W, I, O), kernel turned round."""
    return w.transpose(2, 3, 0, 1)[::-1, ::-1]


def mlx_gru_bias(b_ih, b_hh):
    return b_ih + np.concatenate([b_hh[:6], np.zeros(3, np.float32)])


LAYOUTS = [
    # Llama: rows of q and k by their own number of heads; Flax has a head of its own, tied or not.
    ("llama gguf blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight", meta_rows(4)),
    ("llama gguf blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight", meta_rows(2)),
    ("llama gguf blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias", meta_rows(2)),
    ("llama gguf blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", np.array),
    ("llama meta-llama layers.1.attention.wq.weight", "model.layers.1.self_attn.q_proj.weight", meta_rows(4)),
    ("llama meta-llama layers.1.attention.wk.weight", "model.layers.1.self_attn.k_proj.weight", meta_rows(2)),
    ("llama-meta torch model.layers.1.self_attn.q_proj.weight", "layers.1.attention.wq.weight", half_split_rows(4)),
    ("llama-meta torch model.layers.1.self_attn.k_proj.weight", "layers.1.attention.wk.weight", half_split_rows(2)),
    ("llama-meta gguf blk.1.attn_k.weight", "layers.1.attention.wk.weight", np.array),
    ("llama-gguf torch model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", half_split_rows(4)),
    ("llama-gguf torch model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", half_split_rows(2)),
    ("llama flax lm_head.kernel", "lm_head.weight", linear),
    ("llama-tied flax lm_head.kernel", "model.embed_tokens.weight", linear),
    ("llama-tied flax model.embed_tokens.embedding", "model.embed_tokens.weight", np.array),
    # GPT-2's Conv1D lies (in, out): GGUF, whose matrices are torch's, gets it the other way round.
    ("gpt2 gguf blk.0.attn_qkv.weight", "transformer.h.0.attn.c_attn.weight", linear),
    ("gpt2-gguf torch transformer.h.0.attn.c_attn.weight", "blk.0.attn_qkv.weight", linear),
    # Cells: torch's rows are i,f,g,o and r,z,n.
    ("torch-lstm linen cell.if.kernel", "cell.weight_ih", rows_of(1, 4)),
    ("torch-lstm linen cell.ho.kernel", "cell.weight_hh", rows_of(3, 4)),
    ("torch-lstm linen cell.hg.bias", "cell.bias_ih cell.bias_hh", sum_of_rows(2, 4)),
    ("torch-lstm keras cell/vars/2", "cell.bias_ih cell.bias_hh", np.add),
    ("torch-lstm mlx cell.bias", "cell.bias_ih cell.bias_hh", np.add),
    ("torch-gru linen cell.iz.kernel", "cell.weight_ih", rows_of(1, 3)),
    ("torch-gru linen cell.hn.kernel", "cell.weight_hh", rows_of(2, 3)),
    ("torch-gru linen cell.ir.bias", "cell.bias_ih cell.bias_hh", sum_of_rows(0, 3)),
    ("torch-gru linen cell.iz.bias", "cell.bias_ih cell.bias_hh", sum_of_rows(1, 3)),
    ("torch-gru linen cell.in.bias", "cell.bias_ih", rows(2, 3)),
    ("torch-gru linen cell.hn.bias", "cell.bias_hh", rows(2, 3)),
    ("torch-gru keras cell/vars/0", "cell.weight_ih", lambda w: keras_gates(w).T),
    ("torch-gru keras cell/vars/1", "cell.weight_hh", lambda w: keras_gates(w).T),
    ("torch-gru keras cell/vars/2", "cell.bias_ih cell.bias_hh",
     lambda a, b: np.stack([keras_gates(a), keras_gates(b)])),
    ("torch-gru mlx cell.b", "cell.bias_ih cell.bias_hh", mlx_gru_bias),
    ("torch-gru mlx cell.bhn", "cell.bias_hh", rows(2, 3)),
    ("torch-gru nnx cell.dense_i.kernel", "cell.weight_ih", linear),
    ("torch-gru nnx cell.dense_i.bias", "cell.bias_ih cell.bias_hh", mlx_gru_bias),
    # Attention: kernels (E, H, D), out (H, D, E).
    ("torch-attention linen attn.key.kernel", "attn.in_proj_weight", lambda w: w[8:16].T.reshape(8, 2, 4)),
    ("torch-attention linen attn.value.bias", "attn.in_proj_bias", lambda b: b[16:].reshape(2, 4)),
    ("torch-attention linen attn.out.kernel", "attn.out_proj.weight", lambda w: w.T.reshape(2, 4, 8)),
    ("torch-attention keras attn/query_dense/vars/0", "attn.in_proj_weight", lambda w: w[:8].T.reshape(8, 2, 4)),
    ("torch-attention keras attn/output_dense/vars/0", "attn.out_proj.weight", lambda w: w.T.reshape(2, 4, 8)),
    ("torch-attention mlx attn.value_proj.weight", "attn.in_proj_weight", rows(2, 3)),
    ("flax-layers torch attn.in_proj_weight", "attn.query.kernel attn.key.kernel attn.value.kernel",
     lambda *k: np.concatenate([w.reshape(8, 8).T for w in k])),
    ("flax-layers torch attn.out_proj.weight", "attn.out.kernel", lambda w: w.reshape(8, 8).T),
    # Convolutions.
    ("torch-convolutions linen params.conv2.kernel", "conv2.weight", lambda w: w.transpose(2, 3, 1, 0)),
    ("torch-convolutions linen params.conv3.kernel", "conv3.weight", lambda w: w.transpose(2, 3, 4, 1, 0)),
    ("torch-convolutions linen params.deconv2.kernel", "deconv2.weight", flipped),
    ("torch-convolutions linen params.transposed_by_bias.kernel", "transposed_by_bias.weight", flipped),
    ("torch-convolutions linen params.main.0.kernel", "main.0.weight", flipped),
    ("torch-convolutions linen-kernel params.deconv2.kernel", "deconv2.weight", lambda w: w.transpose(2, 3, 1, 0)),
    ("torch-convolutions keras deconv2/vars/0", "deconv2.weight", lambda w: w.transpose(2, 3, 1, 0)),
    ("torch-convolutions keras depthwise2/vars/0", "depthwise2.weight", lambda w: w.transpose(2, 3, 0, 1)),
    ("torch-convolutions keras-template depthwise2/vars/0", "depthwise2.weight",
     lambda w: w.reshape(2, 2, 2, 2).transpose(2, 3, 0, 1)),
    ("torch-convolutions mlx conv2.weight", "conv2.weight", lambda w: w.transpose(0, 2, 3, 1)),
    ("torch-convolutions mlx deconv2.weight", "deconv2.weight", lambda w: w.transpose(1, 2, 3, 0)),
    ("flax-layers torch conv3.weight", "conv3.kernel", lambda w: w.transpose(4, 3, 0, 1, 2)),
    ("flax-layers torch-flipped ConvTranspose_1.weight", "ConvTranspose_1.kernel",
     lambda w: w[::-1, ::-1].transpose(2, 3, 0, 1)),
    ("flax-layers torch-transposed ConvTranspose_1.weight", "ConvTranspose_1.kernel", lambda w: w.transpose(3, 2, 0, 1)),
    # Whisper's head has another name; a BatchNorm's statistics have a collection.
    ("whisper-untied flax lm_head.kernel", "proj_out.weight", linear),
    ("flax-whisper torch proj_out.weight", "lm_head.kernel", linear),
    ("resnet flax batch_stats.resnet.embedder.embedder.normalization.var",
     "resnet.embedder.embedder.normalization.running_var", np.array),
]


def source(spec, name):
    dtype, shape = spec.tensors[name]
    assert dtype == "F32"
    return np.frombuffer(values(name, dtype, shape), np.float32).reshape(shape)


def pinned(spec, plan, target):
    """The shape and CRC of a golden table's row."""
    for line in (spec.folder / f"{plan}.tsv").read_text().splitlines():
        row = line.split("\t")
        # linen has a collection in front of every target.
        if row[0] in (target, "params." + target) and len(row) == 8:
            return row[2], row[6]
    raise AssertionError(f"{spec.name}/{plan}.tsv has no {target}")


@pytest.mark.parametrize("what, sources, layout", LAYOUTS, ids=[row[0].replace(" ", "-") for row in LAYOUTS])
def test_golden_plans__layouts_are_the_frameworks(what, sources, layout):
    name, plan, target = what.split()
    spec = Spec(GOLDEN / name)
    want = layout(*[source(spec, s) for s in sources.split()])
    crc = zlib.crc32(np.ascontiguousarray(want, np.float32).tobytes())
    assert pinned(spec, plan, target) == (",".join(map(str, want.shape)), f"{crc:08x}")
