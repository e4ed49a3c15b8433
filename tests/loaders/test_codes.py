"""Block codes, judged by gguf-py and by libggml's own results in the corpus.

tests/unit/code_tool.c decodes blocks through an expression. Blocks are random bytes, so scales are
often infinite or NaN: results are compared as integers, NaNs included.
"""
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
