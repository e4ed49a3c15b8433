"""Block codes, judged by gguf-py and by libggml's own results in the corpus.

tests/unit/code_tool.c decodes blocks through an expression. Blocks are random bytes, so scales are
often infinite or NaN: results are compared as integers, NaNs included.
"""
import hashlib
import os
import pathlib
import subprocess

import numpy as np
import pytest

from conftest import BIN
from helpers import HANG_S

gguf = pytest.importorskip("gguf")
TOOL = pathlib.Path(os.environ.get("WEIGHTFS_CODE_TOOL",
                                   pathlib.Path(BIN).parent / "tests" / "unit" / "code_tool"))

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ1_S",
         "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0",
         "TQ2_0", "MXFP4", "NVFP4"]

pytestmark = [
    pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} was not built"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def run(*args, data):
    done = subprocess.run([TOOL, *args], input=data, timeout=HANG_S, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def decode(kind, blocks, dtype="float32"):
    return run("decode", kind.lower(), dtype, data=blocks.tobytes())


def random_blocks(kind, n):
    rng = np.random.default_rng([1, *kind.encode()])
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    blocks[:8] = 0
    blocks[8:16] = 255
    return blocks


def reference(kind, blocks):
    return gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])


def assert_same_bits(got, want):
    """As integers: NaNs have signs and payloads, and zeros signs."""
    got, want = got.view(np.uint32).ravel(), want.view(np.uint32).ravel()
    assert got.size == want.size
    bad = np.flatnonzero(got != want)
    assert bad.size == 0, (f"{bad.size} of {want.size} differ, first {bad[0]}: {got[bad[0]]:08x} "
                           f"is not {want[bad[0]]:08x}")


@pytest.mark.parametrize("kind", TYPES)
def test_decode_is_gguf_py_s_bit_for_bit(kind):
    blocks = random_blocks(kind, 4000)
    got, want = np.frombuffer(decode(kind, blocks), np.float32), reference(kind, blocks)
    if kind in ("Q4_1", "Q5_1"):
        # d * q + m of two NaNs: numpy gives one or the other, by its version and the array's size.
        got = got.reshape(want.shape).copy()
        either = np.isnan(blocks[:, 2:4].copy().view(np.float16))[:, 0]
        assert 0 < either.sum() < 400 and np.isnan(got[either]).all()
        got[either] = want[either]
    assert_same_bits(got, want)


@pytest.mark.parametrize("kind", TYPES)
def test_decode_is_libggml_s(kind, corpus):
    from safetensors.numpy import load_file
    data = load_file(corpus / "values" / "ggml_dequantize" / "data.safetensors")
    names = {name.lower(): name for name in data}
    key = names.get(f"{kind.lower()}.blocks")
    if key is None:
        pytest.skip(f"the corpus has no {kind}")
    blocks, want = data[key], data[names[f"{kind.lower()}.expected_f32"]]
    assert_same_bits(np.frombuffer(decode(kind, blocks), np.float32), want)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "MXFP4"])
def test_decode_rounds_once(kind):
    """To the nearest, ties to even, of the float32 value; float64 holds it exactly."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    blocks = random_blocks(kind, 1000)
    want = reference(kind, blocks).ravel()
    for name, dtype in (("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16),
                        ("float64", np.float64)):
        got = np.frombuffer(decode(kind, blocks, name), dtype)
        expected = want.astype(dtype)
        nan = np.isnan(want)
        assert np.isnan(got[nan].astype(np.float32)).all()
        assert got[~nan].tobytes() == expected[~nan].tobytes()


@pytest.mark.parametrize("kind", ["Q8_1", "Q8_K", "Q1_0"])
def test_a_type_without_a_reference_is_refused(kind):
    done = subprocess.run([TOOL, "decode", kind.lower(), "float32"], input=b"", timeout=HANG_S,
                          capture_output=True)
    assert done.returncode == 1 and b"no decoder of " + kind.lower().encode() in done.stderr


# ---- encoders ------------------------------------------------------------------------------------

ENCODED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
           "IQ4_XS", "MXFP4"]


def encode(kind, rows):
    return run("encode", kind.lower(), rows.dtype.name, data=rows.tobytes())


@pytest.mark.parametrize("kind", ENCODED)
def test_encode_is_ggml_quantize_chunk_s(kind, corpus):
    from safetensors.numpy import load_file
    data = load_file(corpus / "values" / "ggml_quantize" / "data.safetensors")
    if f"expected.{kind}" not in data:
        pytest.skip(f"the corpus has no {kind}")
    rows, want = data["rows"], data[f"expected.{kind}"]
    got = np.frombuffer(encode(kind, rows), np.uint8).reshape(want.shape)
    bad = np.flatnonzero((got != want).any(axis=1))
    assert bad.size == 0, f"{bad.size} of {len(want)} rows differ: {bad[:20]}"


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4"])
def test_encode_is_gguf_py_s(kind):
    rng = np.random.default_rng([2, *kind.encode()])
    rows = rng.standard_normal((3000, 256), dtype=np.float32)
    rows *= np.exp2(rng.integers(-12, 12, (3000, 1))).astype(np.float32)
    rows[::7, ::5] = 0
    want = gguf.quants.quantize(rows, gguf.GGMLQuantizationType[kind])
    assert encode(kind, rows) == want.tobytes()


def test_encode_iq4_xs_is_ggml_s():
    """The corpus has no IQ4_XS: the hash is of quantize_iq4_xs's blocks (llama.cpp as vendored in
    llama-cpp-python 0.3.16), without an importance matrix."""
    k = np.arange(200 * 256, dtype=np.uint32) * np.uint32(2654435761)
    rows = (k.view(np.int32) >> 8).astype(np.float32) / np.float32(2 ** 23)
    rows = (rows * rows * rows).reshape(200, 256)
    rows[::9, ::4] = 0
    assert hashlib.sha256(encode("IQ4_XS", rows)).hexdigest() == \
        "d3ab40a45c3da111f9ff0b7f8ae6864892e1407ab2c7854a5fc1dbdbdb9d3b4f"


@pytest.mark.parametrize("kind", ENCODED)
def test_encode_then_decode_is_near(kind):
    """The error of a normal distribution: of four bits about a tenth, of eight below a hundredth."""
    rows = np.random.default_rng(3).standard_normal((100, 512), dtype=np.float32)
    back = reference(kind, np.frombuffer(encode(kind, rows), np.uint8).reshape(100, -1))
    bits = 8 * len(encode(kind, rows)) / rows.size
    error = np.sqrt(np.mean((back - rows) ** 2))
    assert 0 < error < 2.2 * 2 ** -(bits - 1.5), (bits, error)


def test_encode_rounds_to_float32_first():
    rows = np.random.default_rng(4).standard_normal((40, 512))
    assert encode("Q4_K", rows) == encode("Q4_K", rows.astype(np.float32))
    half = rows.astype(np.float16)
    assert encode("Q4_K", half) == encode("Q4_K", half.astype(np.float32))


@pytest.mark.parametrize("kind", ENCODED)
def test_encode_refuses_what_no_code_holds(kind):
    rows = np.ones((4, 256), np.float32)
    cases = [(np.nan, b"element 700 is NaN"), (-np.inf, b"element 700 is infinite")]
    if kind != "MXFP4":
        cases += [(value, b"are too large for " + kind.lower().encode())
                  for value in (3e38, -3e38, 1e20, -1e13, 3e9)]
    for value, message in cases:
        rows[2, 188] = value
        done = subprocess.run([TOOL, "encode", kind.lower(), "float32"], input=rows.tobytes(),
                              timeout=HANG_S, capture_output=True)
        assert done.returncode == 1 and message in done.stderr, done.stderr
