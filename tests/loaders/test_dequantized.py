"""The values of quantised weights, judged by the quantising libraries' own and by their formulas.

Results are compared as integers: zeros have signs, and a NaN of one side must be one of the other.
The checkpoints of the corpus were written by the libraries; the others here by the layouts that the
libraries have, with what real ones seldom hold: act-order, zero points at the ends, infinite scales.
"""
import json

import numpy as np
import pytest

from conftest import CORPUS, run

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")
QUANT = CORPUS / "quant"
needs_corpus = pytest.mark.skipif(not QUANT.exists(), reason=f"no corpus at {CORPUS}")


def values(source, tmp_path, *options):
    """The tensors of the view `dequantized`."""
    out = tmp_path / "values.safetensors"
    out.unlink(missing_ok=True)
    done = weightfs("export", str(source), "--view", "dequantized", *options, str(out))
    assert done.returncode == 0, done.stderr
    return safetensors_torch.load_file(out)


def weightfs(*args):
    return run(*args, check=False)


def save(folder, tensors, config, metadata=None):
    folder.mkdir(exist_ok=True)
    safetensors_torch.save_file({k: v.contiguous() for k, v in tensors.items()},
                                folder / "model.safetensors", metadata)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def bits(tensor):
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.contiguous().view(kind)


def assert_same(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape
    nan = torch.isnan(want)
    assert torch.equal(torch.isnan(got), nan)
    differ = (bits(got) != bits(want)) & ~nan
    assert not differ.any(), f"{int(differ.sum())} of {want.numel()} differ"


def random_ints(shape, seed, low=-2**31, high=2**31):
    return torch.from_numpy(
        np.random.default_rng(seed).integers(low, high, shape, dtype=np.int64).astype(np.int32))


def random_floats(shape, seed, dtype):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-12, 8, shape))
    return torch.from_numpy(np.asarray(x, np.float32)).to(dtype)


# ---- written by the libraries ----------------------------------------------------------------

@needs_corpus
@pytest.mark.parametrize("name", ["bnb_int8", "bnb_nf4", "bnb_nf4dq", "ct_fp8_block", "ct_nvfp4",
                                  "ct_w3_g32", "ct_w4a16_g32_asym"])
def test_equal_to_the_library(name, tmp_path):
    want = torch.load(QUANT / f"{name}.ref.pt")
    got = values(QUANT / name, tmp_path)
    assert len(want) == 14
    for key, tensor in want.items():
        assert_same(got[key], tensor)
    assert not [k for k in got if "scale" in k or "packed" in k or "absmax" in k or "SCB" in k]


@needs_corpus
@pytest.mark.parametrize("view", ["linen", "nnx", "mlx"])
def test_views_of_codes_are_those_of_the_values(view, tmp_path):
    """What other views make of a quantised source is what they make of its plain weights."""
    plain = save(tmp_path / "plain", values(QUANT / "bnb_nf4", tmp_path),
                 {"model_type": "llama", "num_attention_heads": 4})
    files = []
    for source, options in ((QUANT / "bnb_nf4", ()), (plain, ())):
        out = tmp_path / f"{source.name}.safetensors"
        done = weightfs("export", str(source), "--view", view, *options, str(out))
        assert done.returncode == 0, done.stderr
        files.append(safetensors_torch.load_file(out))
    assert files[0].keys() == files[1].keys()
    for key, tensor in files[0].items():
        assert_same(tensor, files[1][key])


@needs_corpus
@pytest.mark.parametrize("name", ["bnb_nf4", "bnb_nf4dq", "bnb_int8", "ct_w4a16_g32_asym", "ct_nvfp4"])
def test_transformers_loads_the_mounted_view(name, mount):
    """from_pretrained of the directory: an ordinary model, no key missing and none left over."""
    transformers = pytest.importorskip("transformers")
    source = QUANT / name
    view = mount(source, "--view", "dequantized") / "dequantized"
    want = json.loads((source / "config.json").read_text())
    del want["quantization_config"]
    assert json.loads((view / "config.json").read_text()) == want
    model, info = transformers.AutoModelForCausalLM.from_pretrained(view, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    state = model.state_dict()
    for key, tensor in torch.load(f"{source}.ref.pt").items():
        assert torch.equal(state[key], tensor.to(state[key].dtype))


@needs_corpus
def test_a_quantised_source_shows_its_values_unasked(mount):
    where = mount(QUANT / "gptq")
    assert (where / "dequantized" / "model.safetensors").exists()
    assert "quantization_config" not in (where / "dequantized" / "config.json").read_text()
    assert "quantization_config" in (where / "source" / "config.json").read_text()


# ---- GPTQ, AWQ -------------------------------------------------------------------------------

def unpack_rows(words, n_bits):
    """(r, c) of 32-bit words: fields of a column, lowest bits first."""
    fields = [(words >> (n_bits * k)) & (2**n_bits - 1) for k in range(32 // n_bits)]
    return torch.stack(fields, 1).reshape(-1, words.shape[1])


@pytest.mark.parametrize("n_bits", [2, 4, 8])
@pytest.mark.parametrize("version", ["gptq", "gptq_v2"])
@pytest.mark.parametrize("act_order", [False, True])
def test_gptq(n_bits, version, act_order, tmp_path):
    n_in, n_out, group = 128, 96, 32
    codes = random_ints((n_in * n_bits // 32, n_out), 1)
    zeros = random_ints((n_in // group, n_out * n_bits // 32), 2)
    zeros[0] = -1  # every field at its end: v1's z + 1 wraps within the field
    scales = random_floats((n_in // group, n_out), 3, torch.float16)
    scales[1, :3] = torch.tensor([float("inf"), float("nan"), 0.0])
    order = torch.arange(n_in, dtype=torch.int32) // group
    if act_order:
        order = order[torch.from_numpy(np.random.default_rng(4).permutation(n_in))]
    folder = save(tmp_path / "m", {"a.b.qweight": codes, "a.b.qzeros": zeros, "a.b.scales": scales,
                                   "a.b.g_idx": order, "a.b.bias": scales[0].clone()},
                  {"quantization_config": {"quant_method": "gptq", "bits": n_bits,
                                           "group_size": group, "desc_act": act_order,
                                           "checkpoint_format": version}})
    q = unpack_rows(codes, n_bits)
    z = unpack_rows(zeros.T, n_bits).T
    if version == "gptq":
        z = (z + 1) % 2**n_bits
    want = scales[order.long()] * (q - z[order.long()]).to(torch.float16)
    got = values(folder, tmp_path)
    assert_same(got["a.b.weight"], want.T.contiguous())
    assert_same(got["a.b.bias"], scales[0])
    assert sorted(got) == ["a.b.bias", "a.b.weight"]


def test_gptq_without_its_version_is_refused(tmp_path):
    """The two differ by one, and nothing in the tensors tells."""
    scales = random_floats((4, 96), 3, torch.float16)
    folder = save(tmp_path / "m", {"a.qweight": random_ints((16, 96), 1),
                                   "a.qzeros": random_ints((4, 12), 2), "a.scales": scales}, {})
    done = weightfs("map", str(folder), "--view", "dequantized")
    assert done.returncode == 1 and "-o set=quant=gptq" in done.stdout
    got = values(folder, tmp_path, "-o", "set=quant=gptq_v2")
    assert list(got) == ["a.weight"]


def test_awq(tmp_path):
    n_in, n_out, group = 128, 96, 32
    codes, zeros = random_ints((n_in, n_out // 8), 1), random_ints((n_in // group, n_out // 8), 2)
    scales = random_floats((n_in // group, n_out), 3, torch.float16)
    folder = save(tmp_path / "m", {"a.qweight": codes, "a.qzeros": zeros, "a.scales": scales},
                  {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": group,
                                           "version": "gemm"}})
    column = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])

    def unpack(words):
        out = torch.empty((words.shape[0], words.shape[1], 8), dtype=torch.int32)
        for k in range(8):
            out[:, :, column[k]] = (words >> (4 * k)) & 15
        return out.reshape(words.shape[0], -1)

    rows = torch.arange(n_in) // group
    want = (unpack(codes) - unpack(zeros)[rows]).to(torch.float16) * scales[rows]
    assert_same(values(folder, tmp_path)["a.weight"], want.T.contiguous())


# ---- FP8 -------------------------------------------------------------------------------------

def float8(shape, seed):
    codes = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(codes).view(torch.float8_e4m3fn)


@pytest.mark.parametrize("shape", [(256, 384), (200, 300), (1, 130)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_fp8_blocks(shape, dtype, tmp_path):
    """Blocks that the weight does not divide into are cut, as weight_block_size says."""
    grid = [-(-n // 128) for n in shape]
    weight, scale = float8(shape, 1), random_floats(grid, 2, torch.float32)
    folder = save(tmp_path / "m", {"a.weight": weight, "a.weight_scale_inv": scale,
                                   "n.weight": torch.ones(3, dtype=torch.bfloat16)},
                  {"dtype": dtype, "quantization_config": {"quant_method": "fp8",
                                                           "weight_block_size": [128, 128]}})
    whole = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)[:shape[0], :shape[1]]
    want = (weight.float() * whole).to(getattr(torch, dtype))
    assert_same(values(folder, tmp_path)["a.weight"], want)


@pytest.mark.parametrize("scale_shape", [(), (1,), (64, 1), (64,)])
@pytest.mark.parametrize("name", ["scale_weight", "weight_scale"])
def test_fp8_of_rows_and_wholes(scale_shape, name, tmp_path):
    weight = float8((64, 40), 1)
    scale = random_floats(scale_shape, 2, torch.float32).reshape(scale_shape)
    folder = save(tmp_path / "m", {"a.weight": weight, f"a.{name}": scale,
                                   "a.scale_input": torch.ones(1)}, {"torch_dtype": "float16"})
    rows = scale.reshape(-1, 1)
    got = values(folder, tmp_path)
    assert list(got) == ["a.weight"]
    assert_same(got["a.weight"], (weight.float() * rows).to(torch.float16))


# ---- MXFP4 -----------------------------------------------------------------------------------

E2M1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6])


def test_mxfp4_of_gpt_oss(tmp_path):
    """Scale 255 gives infinities, as the loader has it, and 0 stays 0."""
    rng = np.random.default_rng(1)
    blocks = torch.from_numpy(rng.integers(0, 256, (3, 64, 3, 16), dtype=np.uint8))
    scales = torch.from_numpy(rng.integers(0, 256, (3, 64, 3), dtype=np.uint8))
    scales[0, 0] = torch.tensor([0, 1, 255], dtype=torch.uint8)
    folder = save(tmp_path / "m", {"e.gate_up_proj_blocks": blocks, "e.gate_up_proj_scales": scales,
                                   "e.gate_up_proj_bias": torch.ones(3, 64, dtype=torch.bfloat16)},
                  {"quantization_config": {"quant_method": "mxfp4"}})
    codes = torch.stack([blocks & 15, blocks >> 4], -1).reshape(3, 64, 3, 32).long()
    want = torch.ldexp(E2M1[codes].to(torch.bfloat16), scales[..., None].int() - 127)
    got = values(folder, tmp_path)
    assert sorted(got) == ["e.gate_up_proj", "e.gate_up_proj_bias"]
    assert_same(got["e.gate_up_proj"], want.reshape(3, 64, 96).transpose(1, 2).contiguous())


# ---- HQQ, quanto, torchao --------------------------------------------------------------------

def pack_hqq(codes, n_bits):
    n = codes.shape[0]
    if n_bits == 8:
        return codes.to(torch.uint8)
    if n_bits == 3:
        rows = -(-n // 10)
        padded = torch.zeros((rows * 10, codes.shape[1]), dtype=torch.int32)
        padded[:n] = codes
        return sum(padded[k * rows:(k + 1) * rows] << (27 - 3 * k) for k in range(10))
    parts = 8 // n_bits
    rows = n // parts
    return sum(codes[k * rows:(k + 1) * rows] << (8 - n_bits * (k + 1))
               for k in range(parts)).to(torch.uint8)


@pytest.mark.parametrize("n_bits", [2, 3, 4, 8])
def test_hqq(n_bits, tmp_path):
    shape, group = (64, 128), 64
    n = shape[0] * shape[1] // group
    codes = random_ints((n, group), 1, 0, 2**n_bits)
    scale = random_floats((n, 1), 2, torch.float16)
    zero = random_floats((n, 1), 3, torch.float16)
    packing = {8: "8bit_u8", 4: "4bit_u8", 3: "3bit_32", 2: "2bit_u8"}[n_bits]
    folder = save(tmp_path / "m", {
        "a.W_q": pack_hqq(codes, n_bits), "a.scale": scale, "a.zero": zero,
        "a.shape": torch.tensor(shape), "a.nbits": torch.tensor(n_bits, dtype=torch.int32),
        "a.axis": torch.tensor(1, dtype=torch.int32),
        "a.group_size": torch.tensor(group, dtype=torch.int32),
        "a.packing": torch.frombuffer(bytearray(packing.encode()), dtype=torch.uint8)}, {})
    want = ((codes.to(torch.float16) - zero) * scale).reshape(shape)
    got = values(folder, tmp_path)
    assert list(got) == ["a.weight"]
    assert_same(got["a.weight"], want)


def test_quanto(tmp_path):
    codes = random_ints((32, 48), 1, -128, 128).to(torch.int8)
    scale = random_floats((32, 1), 2, torch.bfloat16)
    folder = save(tmp_path / "m", {"a.weight._data": codes, "a.weight._scale": scale,
                                   "a.input_scale": torch.ones(()),
                                   "a.output_scale": torch.ones(())}, {})
    got = values(folder, tmp_path)
    assert list(got) == ["a.weight"]
    assert_same(got["a.weight"], codes.to(torch.bfloat16) * scale)


@pytest.mark.parametrize("kind", ["Int8Tensor", "Float8Tensor"])
def test_torchao(kind, tmp_path):
    codes = random_ints((32, 48), 1, -128, 128).to(torch.int8)
    tensors = {"a._weight_qdata": codes, "a._weight_scale": random_floats((32, 1), 2, torch.float32)}
    if kind == "Float8Tensor":
        tensors["a._weight_qdata"] = float8((32, 48), 1)
    else:
        tensors["a._weight_zero_point"] = torch.zeros((32, 1), dtype=torch.int8)
    text = json.dumps({"_type": kind, "_data": {"block_size": [1, 48],
                                                "dtype": {"_type": "torch.dtype",
                                                          "_data": "bfloat16"}}})
    folder = save(tmp_path / "m", tensors, {}, {"a.weight": text, "format": "pt"})
    want = (tensors["a._weight_qdata"].float() * tensors["a._weight_scale"]).to(torch.bfloat16)
    got = values(folder, tmp_path)
    assert list(got) == ["a.weight"]
    assert_same(got["a.weight"], want)


# ---- torch's own -----------------------------------------------------------------------------

def test_torch_quantised(tmp_path):
    quantised = torch.quantize_per_tensor(random_floats((16, 24), 1, torch.float32), 0.37, 5,
                                          torch.qint8)
    torch.save({"a.weight": quantised}, tmp_path / "m.pt")
    assert_same(values(tmp_path / "m.pt", tmp_path)["a.weight"], quantised.dequantize())


# ---- MLX -------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode, n_bits, group", [("affine", b, g) for b in (2, 3, 4, 5, 6, 8)
                                                 for g in (32, 64, 128)]
                         + [("mxfp4", 4, 32), ("nvfp4", 4, 16), ("mxfp8", 8, 32)])
def test_mlx(mode, n_bits, group, tmp_path):
    mx = pytest.importorskip("mlx.core")
    weight = mx.array(random_floats((24, 256), n_bits, torch.float32).numpy()).astype(mx.bfloat16)
    parts = mx.quantize(weight, group_size=group, bits=n_bits, mode=mode)
    names = ["a.weight", "a.scales", "a.biases"][:len(parts)]
    want = mx.dequantize(*parts, group_size=group, bits=n_bits, mode=mode)
    (tmp_path / "m").mkdir()
    mx.save_safetensors(str(tmp_path / "m" / "model.safetensors"), dict(zip(names, parts)),
                        {"format": "mlx"})
    (tmp_path / "m" / "config.json").write_text(json.dumps({
        "dtype": "bfloat16", "quantization": {"group_size": group, "bits": n_bits, "mode": mode}}))
    got = values(tmp_path / "m", tmp_path)["a.weight"]
    assert_same(got.float(), torch.from_numpy(np.array(want.astype(mx.float32))))


# ---- GGUF ------------------------------------------------------------------------------------

@needs_corpus
def test_gguf_blocks(tmp_path):
    gguf = pytest.importorskip("gguf")
    source = CORPUS / "gguf" / "llama-q8_0.gguf"
    got = values(source, tmp_path)
    tensors = gguf.GGUFReader(source).tensors
    assert {t.name for t in tensors} == set(got)
    for t in tensors:
        want = torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy())
        assert_same(got[t.name], want.reshape(got[t.name].shape))


# ---- what is none ----------------------------------------------------------------------------

def test_codes_without_scales(tmp_path):
    folder = save(tmp_path / "m", {"a.qweight": random_ints((16, 96), 1),
                                   "a.qzeros": random_ints((4, 12), 2)},
                  {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    done = weightfs("map", str(folder), "--view", "dequantized")
    assert done.returncode == 1 and "there is no scales beside its codes" in done.stdout


@pytest.mark.parametrize("change, text", [
    ({"a.scales": torch.ones(3, 96, dtype=torch.float16)}, "do not fit"),
    ({"a.qzeros": torch.zeros(4, 11, dtype=torch.int32)}, "do not fit"),
    ({"a.g_idx": torch.zeros(7, dtype=torch.int32)}, "g_idx has 7 numbers for 128 inputs"),
])
def test_sizes_that_contradict_each_other(change, text, tmp_path):
    tensors = {"a.qweight": random_ints((16, 96), 1), "a.qzeros": random_ints((4, 12), 2),
               "a.scales": torch.ones(4, 96, dtype=torch.float16), **change}
    folder = save(tmp_path / "m", tensors, {"quantization_config": {
        "quant_method": "gptq", "bits": 4, "group_size": 32}})
    done = weightfs("map", str(folder), "--view", "dequantized")
    assert done.returncode == 1 and text in done.stdout, done.stdout
    assert "a.weight" not in done.stdout


def test_group_that_is_not_there(tmp_path):
    """g_idx is data: what it names is looked at when a value is read."""
    order = torch.zeros(128, dtype=torch.int32)
    order[77] = 4
    folder = save(tmp_path / "m", {"a.qweight": random_ints((16, 96), 1),
                                   "a.qzeros": random_ints((4, 12), 2),
                                   "a.scales": torch.ones(4, 96, dtype=torch.float16),
                                   "a.g_idx": order},
                  {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32}})
    done = weightfs("export", str(folder), "--view", "dequantized", str(tmp_path / "x.safetensors"))
    assert done.returncode != 0 and "row 77 is to be taken from row 4 of 4" in done.stderr
