"""Conversions of element types, judged by numpy, ml_dtypes and torch.

tests/unit/convert_tool.c reads raw elements and writes them converted. Every code of every type of
at most 16 bits goes to every other type; float32 goes to the narrow types at random and at every
boundary. NaN is compared as NaN, everything else bit by bit. Where the libraries round twice
(float64 and wide integers to types below float32) they are no judge; tests/unit/test_convert.c
holds those to the definition.
"""
import os
import pathlib
import subprocess

import numpy as np
import pytest

from conftest import BIN
from helpers import HANG_S

ml_dtypes = pytest.importorskip("ml_dtypes")
TOOL = pathlib.Path(os.environ.get("WEIGHTFS_CONVERT_TOOL",
                                   pathlib.Path(BIN).parent / "tests" / "unit" / "convert_tool"))

SMALL_FLOATS = ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4", "float8_e4m3",
                "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
                "float8_e5m2fnuz", "float8_e8m0fnu", "float16", "bfloat16"]
NARROW_INTS = ["int2", "uint2", "int4", "uint4"]
INTS = NARROW_INTS + ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
TORCH_FLOATS = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
                "float8_e8m0fnu", "float16", "bfloat16"]

pytestmark = [
    pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} was not built"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def dtype(name):
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def convert(values, to):
    done = subprocess.run([TOOL, values.dtype.name, to], input=values.tobytes(), timeout=HANG_S,
                          capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype(to))


def bits(array):
    return array.view(f"u{array.dtype.itemsize}")


def all_codes(name):
    """ml_dtypes gives codes with bits above a type of 4 or 6 bits no meaning: those are left out."""
    t = dtype(name)
    width = {"float4": 4, "float6": 6}.get(name[:6], 8 * t.itemsize)
    return np.arange(1 << width, dtype=f"u{t.itemsize}").view(t)


def assert_same(got, want, source=None):
    """Bit for bit, but any NaN is as good as another."""
    nan = np.isnan(want.astype(np.float64)) & np.isnan(got.astype(np.float64))
    bad = np.flatnonzero((bits(got) != bits(want)) & ~nan)
    where = bad[:5]
    assert bad.size == 0, (bad.size, got[where], want[where],
                           None if source is None else source[where])


def float32_samples(seed):
    """Random patterns, every upper half of a pattern, and all values about the small types' own."""
    rng = np.random.default_rng(seed)
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    patterns = [rng.integers(0, 1 << 32, 300_000, dtype=np.uint32), halves, halves | 0x8000,
                halves | 0x8001, halves | 0x7fff, halves | 0xffff, halves | 1]
    exact = np.concatenate([all_codes(n).astype(np.float32) for n in SMALL_FLOATS])
    middles = np.sort(exact[np.isfinite(exact)])
    middles = middles[:-1] + (middles[1:] - middles[:-1]) / 2
    around = np.concatenate([middles, -middles, exact])
    values = np.concatenate([np.concatenate(patterns).view(np.float32), around,
                             np.nextafter(around, np.float32(np.inf)),
                             np.nextafter(around, np.float32(-np.inf))])
    return values


@pytest.mark.parametrize("name", SMALL_FLOATS)
@pytest.mark.parametrize("to", ["float32", "float64"])
def test_convert__every_code_widens_as_ml_dtypes_says(name, to):
    codes = all_codes(name)
    assert_same(convert(codes, to), codes.astype(to), bits(codes))


@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_convert__float32_narrows_as_ml_dtypes_does(name, seed):
    values = float32_samples(seed)
    assert_same(convert(values, name), values.astype(dtype(name)), values)


@pytest.mark.parametrize("name", SMALL_FLOATS)
@pytest.mark.parametrize("to", SMALL_FLOATS)
def test_convert__every_code_to_every_small_type(name, to):
    codes = all_codes(name)
    if name == to:
        assert (bits(convert(codes, to)) == bits(codes)).all()
    else:  # by way of float32, which is exact
        assert_same(convert(codes, to), codes.astype(np.float32).astype(dtype(to)), bits(codes))


@pytest.mark.parametrize("name", TORCH_FLOATS)
def test_convert__as_torch_does(name, seed):
    torch = pytest.importorskip("torch")
    values = float32_samples(seed)
    # torch saturates where a type has no infinity and ml_dtypes does not: leave what overflows out
    largest = float(torch.finfo(getattr(torch, name)).max) if "e8m0" not in name else 2.0**127
    values = values[np.isfinite(values) & (np.abs(values) <= largest)]
    if "e8m0" in name:
        # between its two smallest values torch rounds up at once, ml_dtypes (and numpy's rule) to the nearest
        values = values[(values > 0) & ((values <= 2.0**-127) | (values >= 1.5 * 2.0**-127))]
    want = torch.from_numpy(values).to(getattr(torch, name))
    want = want.view(torch.uint8 if want.itemsize == 1 else torch.int16).numpy().view(dtype(name))
    assert_same(convert(values, name), want, values)


def test_convert__float64_rounds_once_as_numpy_does(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1 << 64, 300_000, dtype=np.uint64).view(np.float64)
    halves = all_codes("float16").astype(np.float64)
    near = np.concatenate([halves * (1 + 2.0**-11), halves * (1 + 2.0**-11 + 2.0**-40),
                           halves * (1 + 2.0**-11 - 2.0**-40), rng.normal(size=100_000)])
    for samples in values, near:
        assert_same(convert(samples, "float16"), samples.astype(np.float16), samples)
        assert_same(convert(samples, "float32"), samples.astype(np.float32), samples)


@pytest.mark.parametrize("to", INTS + ["bool"])
@pytest.mark.parametrize("name", INTS + ["bool"])
def test_convert__integers_wrap_as_numpy_does(name, to, seed):
    rng = np.random.default_rng(seed)
    if name == "bool":
        values = rng.integers(0, 2, 5000).astype(bool)
    else:
        values = rng.integers(0, 1 << 64, 5000, dtype=np.uint64).astype(np.int64).astype(dtype(name))
    want = values.astype(np.int64).astype(dtype(to)) if to != "uint64" else \
        values.astype(np.int64).astype(np.uint64)
    if name == "uint64":
        want = values.astype(dtype(to))
    assert_same(convert(values, to), want, values)


@pytest.mark.parametrize("to", ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn"])
@pytest.mark.parametrize("name", NARROW_INTS + ["int8", "uint8", "int16", "uint16", "bool"])
def test_convert__small_integers_to_floats(name, to):
    values = (np.arange(1 << 16).astype(np.int64) if name != "bool"
              else np.array([0, 1])).astype(dtype(name))
    assert_same(convert(values, to), values.astype(np.float32).astype(dtype(to)), values)


@pytest.mark.parametrize("to", ["float32", "float64"])
@pytest.mark.parametrize("name", ["int32", "uint32", "int64", "uint64"])
def test_convert__wide_integers_to_floats(name, to, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1 << 64, 200_000, dtype=np.uint64)
    values = (values >> rng.integers(0, 64, values.size).astype(np.uint64)).astype(name)
    assert_same(convert(values, to), values.astype(to), values)


@pytest.mark.parametrize("to", INTS)
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_convert__floats_to_integers_cut_what_fits(name, to, seed):
    limits = ml_dtypes.iinfo(dtype(to))
    rng = np.random.default_rng(seed)
    reach = min(2.0**62, float(ml_dtypes.finfo(dtype(name)).max))
    low, high = max(float(limits.min), -reach), min(float(limits.max), reach)
    values = rng.uniform(low, high, 20_000).astype(dtype(name))
    wide = values.astype(np.float64)
    values = values[(wide >= low) & (wide <= high)]
    want = np.trunc(values.astype(np.float64)).astype(np.int64).astype(dtype(to))
    assert_same(convert(values, to), want, values)


def test_convert__complex_numbers(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=4000).astype(np.float32).view(np.complex64)
    wide = convert(values, "complex128")
    assert (wide == values.astype(np.complex128)).all()
    assert (convert(wide, "complex64") == values).all()
    torch = pytest.importorskip("torch")
    done = subprocess.run([TOOL, "complex64", "complex32"], input=values.tobytes(), timeout=HANG_S,
                          capture_output=True, check=True)
    halves = torch.view_as_real(torch.from_numpy(values)).to(torch.float16)
    assert done.stdout == halves.numpy().tobytes()


def test_convert__packed_types_of_safetensors(seed):
    rng = np.random.default_rng(seed)
    for packed, loose, per_element in [("float4_e2m1", "float4_e2m1fn", 4),
                                       ("float6_e2m3", "float6_e2m3fn", 6),
                                       ("float6_e3m2", "float6_e3m2fn", 6)]:
        codes = rng.integers(0, 1 << per_element, 4096, dtype=np.uint8)
        bit_rows = (codes[:, None] >> np.arange(per_element)) & 1
        raw = np.packbits(bit_rows.astype(np.uint8).ravel(), bitorder="little").tobytes()
        done = subprocess.run([TOOL, packed, "float32"], input=raw, timeout=HANG_S,
                              capture_output=True, check=True)
        want = codes.view(dtype(loose)).astype(np.float32)
        assert done.stdout == want.tobytes()
        back = subprocess.run([TOOL, "float32", packed], input=done.stdout, timeout=HANG_S,
                              capture_output=True, check=True)
        assert back.stdout == raw


def test_convert__bfloat16_to_float32_is_a_shift():
    codes = np.arange(1 << 16, dtype=np.uint16)
    wide = convert(codes.view(ml_dtypes.bfloat16), "float32")
    assert (wide.view(np.uint32) == codes.astype(np.uint32) << 16).all()
