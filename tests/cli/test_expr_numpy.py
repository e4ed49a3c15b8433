"""The expression engine against numpy: random chains of operations, random byte ranges.

A case is a list of operations that is run twice: by numpy here, and by tests/unit/expr_tool, whose
bytes must be the same. Values are moved, not looked at, so most cases use integers and voids of
every width; operations that change values have a test of their own.
"""
import pathlib
import random
import subprocess

import numpy as np
import pytest

from conftest import BIN
from helpers import HANG_S

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "expr_tool"
DTYPES = {"uint8": "<u1", "uint16": "<u2", "float32": "<f4", "complex64": "<c8", "int64": "<i8",
          "complex128": "<c16", "bfloat16": "<u2", "float8_e4m3fn": "<u1"}
# One element a byte here, packed there; an expression must fill whole bytes.
PACKED = {"float4_e2m1": 4, "float6_e3m2": 6}
MAX_ELEMS = 60000


def tool(script):
    done = subprocess.run([TOOL], input=script.encode(), capture_output=True, timeout=HANG_S)
    assert done.returncode == 0, f"{done.stderr.decode()}\n{script[-3000:]}"
    return done.stdout


class DoesNotPack(Exception):
    """Elements of less than a byte that do not fill whole bytes."""


def pack(cells, bits):
    """Elements of less than a byte, the first in the low bits."""
    ones = np.unpackbits(np.ascontiguousarray(cells).reshape(-1, 1), axis=1, bitorder="little")
    return np.packbits(ones[:, :bits].ravel(), bitorder="little").tobytes()


def unpack(data, bits):
    ones = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").reshape(-1, bits)
    return np.packbits(ones, axis=1, bitorder="little").ravel()


class Case:
    """Grows an array and the script that makes the same expression."""

    def __init__(self, rng, source, dtype):
        self.rng, self.source, self.dtype, self.lines = rng, source, dtype, []
        self.bits = PACKED.get(dtype)

    def emit(self, *words):
        self.lines.append(" ".join(map(str, words)))

    def sizes(self, ndim, top=9):
        return [self.rng.choice([1, 2, 3, 4, 6, 8, top]) for _ in range(ndim)]

    def leaf(self, shape=None):
        rng, np_dtype = self.rng, np.dtype(DTYPES.get(self.dtype, "<u1"))
        if shape is None:
            shape = self.sizes(rng.randint(0, 5))
            while np.prod(shape, dtype=int) > MAX_ELEMS // 8:
                shape.pop()
            if self.bits:
                shape.insert(rng.randint(0, len(shape)), 4)
        if self.bits:
            return self.packed_leaf(shape)
        n = int(np.prod(shape, dtype=int)) * np_dtype.itemsize
        if shape and rng.random() < 0.2:
            return self.strided(shape)
        off = rng.randrange(0, len(self.source) - n)
        self.emit("leaf", self.dtype, off, len(shape), *shape)
        return np.frombuffer(self.source, np_dtype, n // np_dtype.itemsize, off).reshape(shape)

    def packed_leaf(self, shape):
        if int(np.prod(shape, dtype=int)) * self.bits % 8:
            raise DoesNotPack
        n = int(np.prod(shape, dtype=int)) * self.bits // 8
        off = self.rng.randrange(0, len(self.source) - n)
        self.emit("leaf", self.dtype, off, len(shape), *shape)
        return unpack(self.source[off:off + n], self.bits).reshape(shape)

    def strided(self, shape):
        rng, np_dtype = self.rng, np.dtype(DTYPES[self.dtype])
        strides = [rng.choice([0, 1, -1, 2, 3, -7, 16, 130]) for _ in shape]
        low = sum((n - 1) * s for n, s in zip(shape, strides) if s < 0)
        high = sum((n - 1) * s for n, s in zip(shape, strides) if s > 0)
        first = rng.randrange(-low, len(self.source) // np_dtype.itemsize - high)
        whole = np.frombuffer(self.source, np_dtype, len(self.source) // np_dtype.itemsize)
        self.emit("strided", self.dtype, first * np_dtype.itemsize, len(shape), *shape, *strides)
        return np.lib.stride_tricks.as_strided(
            whole[first:], shape, [s * np_dtype.itemsize for s in strides])

    # ---- operations: each takes the array and returns the next, or None where it does not fit

    def permute(self, a):
        perm = self.rng.sample(range(a.ndim), a.ndim)
        self.emit("permute", *perm)
        return a.transpose(perm)

    def flip(self, a):
        axis = self.rng.randrange(a.ndim)
        self.emit("flip", axis)
        return np.flip(a, axis)

    def slice(self, a):
        axis = self.rng.randrange(a.ndim)
        start, stop = sorted(self.rng.randint(0, a.shape[axis]) for _ in range(2))
        if start == stop and self.rng.random() < 0.9:
            start, stop = 0, a.shape[axis]
        step = self.rng.choice([1, 1, 1, 2, 3])
        self.emit("slice", axis, start, stop, step)
        return a[(slice(None),) * axis + (slice(start, stop, step),)]

    def squeeze(self, a):
        ones = [i for i, n in enumerate(a.shape) if n == 1]
        if not ones:
            return None
        if self.rng.random() < 0.5:
            self.emit("squeezeall")
            return a.squeeze()
        axis = self.rng.choice(ones)
        self.emit("squeeze", axis)
        return a.squeeze(axis)

    def unsqueeze(self, a):
        if a.ndim > 7:
            return None
        axis = self.rng.randint(0, a.ndim)
        self.emit("unsqueeze", axis)
        return np.expand_dims(a, axis)

    def reshape(self, a):
        if a.size == 0:
            return None
        factors, n, p = [], a.size, 2
        while n > 1:
            while n % p == 0:
                factors.append(p)
                n //= p
            p += 1
        self.rng.shuffle(factors)
        if self.rng.random() < 0.5:  # mostly merge or cut neighbours: the interesting case
            factors = [p for n in a.shape for p in factor(n)]
        shape = []
        while factors:
            k = self.rng.randint(1, min(3, len(factors)))
            shape.append(int(np.prod(factors[:k])))
            factors = factors[k:]
        if self.rng.random() < 0.3:
            shape.insert(self.rng.randint(0, len(shape)), 1)
        if len(shape) > 8:
            shape = [a.size]
        self.emit("reshape", len(shape), *shape)
        return a.reshape(shape)

    def concat(self, a):
        axis = self.rng.randrange(a.ndim)
        parts = [a]
        for _ in range(self.rng.randint(1, 4)):
            shape = list(a.shape)
            shape[axis] = self.rng.choice([0, 1, 2, 3, 5])
            parts.append(self.leaf(shape))
        self.emit("concat", len(parts), axis)
        return np.concatenate(parts, axis)

    def stack(self, a):
        axis = self.rng.randint(0, a.ndim)
        parts = [a] + [self.leaf(list(a.shape)) for _ in range(self.rng.randint(0, 3))]
        self.emit("stack", len(parts), axis)
        return np.stack(parts, axis)

    def tile(self, a):
        axis, n = self.rng.randrange(a.ndim), self.rng.randint(0, 3) or 1
        self.emit("tile", axis, n)
        return np.tile(a, [n if i == axis else 1 for i in range(a.ndim)])

    def repeat(self, a):
        axis, n = self.rng.randrange(a.ndim), self.rng.randint(1, 3)
        self.emit("repeat", axis, n)
        return np.repeat(a, n, axis)

    def pad(self, a):
        axis = self.rng.randrange(a.ndim)
        before, after = self.rng.randint(0, 3), self.rng.randint(0, 3)
        self.emit("pad", axis, before, after, 0)
        return np.pad(a, [(before, after) if i == axis else (0, 0) for i in range(a.ndim)])

    def nest(self, a):
        self.emit("nest")
        return a

    def byteswap(self, a):
        self.emit("byteswap")
        return a.byteswap()

    OPS = ["permute"] * 4 + ["reshape"] * 4 + ["slice"] * 3 + [
        "flip", "squeeze", "unsqueeze", "concat", "concat", "stack", "tile", "repeat", "pad",
        "nest", "byteswap"]

    def step(self, a):
        name = self.rng.choice(self.OPS)
        if a.ndim == 0 and name not in ("unsqueeze", "stack", "nest", "reshape"):
            return a
        if a.size > MAX_ELEMS // 5 and name in ("concat", "stack", "tile", "repeat", "pad"):
            return a
        if name == "byteswap" and (self.bits or self.dtype in ("bfloat16", "float8_e4m3fn")):
            return a  # numpy knows their widths only
        before = len(self.lines)
        try:
            done = getattr(self, name)(a)
        except DoesNotPack:
            done = None
        if done is None or self.bits and done.size * self.bits % 8:
            del self.lines[before:]
            return a
        return done

    def reads(self, a):
        """Emits reads; returns the bytes that they must give."""
        data, wanted = np.ascontiguousarray(a).tobytes(), b""
        if self.bits:
            data = pack(a, self.bits)
        for _ in range(3):
            start, stop = sorted(self.rng.randint(0, len(data)) for _ in range(2))
            self.emit(self.rng.choice(["read", "read", "reads"]), start, stop - start)
            wanted += data[start:stop]
        self.emit("read", 0, len(data))
        return wanted + data


def factor(n):
    out, p = [], 2
    while n > 1:
        while n % p == 0:
            out.append(p)
            n //= p
        p += 1
    return out


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("expr") / "source"
    data = np.random.default_rng(1).integers(0, 256, 1 << 20, np.uint8).tobytes()
    path.write_bytes(data)
    return path, data


def check(path, kind, cases):
    """Runs [(case, its array)] in one process; every byte of every read must be numpy's."""
    script, wanted = [f"source {kind} {path}"], []
    for case, array in cases:
        wanted.append((case, case.reads(array)))
        script += case.lines + ["clear"]
    got = tool("\n".join(script) + "\n")
    at = 0
    for case, want in wanted:
        assert got[at:at + len(want)] == want, "\n".join(case.lines)
        at += len(want)
    assert at == len(got)


def chain(case, n):
    array = case.leaf()
    for _ in range(n):
        array = case.step(array)
    return case, array


@pytest.mark.parametrize("kind", ["file", "plain", "memory"])
def test_random_chains_equal_numpy(source, seed, kind):
    path, data = source
    rng = random.Random(seed)
    for _ in range(20):
        check(path, kind, [chain(Case(rng, data, rng.choice(list(DTYPES))), rng.randint(0, 9))
                           for _ in range(40)])


@pytest.mark.parametrize("kind", ["file", "plain"])
def test_elements_of_less_than_a_byte(source, seed, kind):
    path, data = source
    rng = random.Random(seed)
    for _ in range(10):
        check(path, kind, [chain(Case(rng, data, rng.choice(list(PACKED))), rng.randint(0, 7))
                           for _ in range(40)])


def test_large_arrays_equal_numpy(tmp_path, seed):
    """Panels, windows, spans and chunks: what small arrays do not reach."""
    rng = random.Random(seed)
    path = tmp_path / "large"
    data = np.random.default_rng(seed).integers(0, 256, 24 << 20, np.uint8).tobytes()
    path.write_bytes(data)
    for kind in ("file", "plain"):
        cases = []
        for dtype in ("float32", "bfloat16", "uint8", "complex128"):
            case = Case(rng, data, dtype)
            rows = rng.randint(300, 700)
            array = case.leaf([rows, 600])
            perm = case.permute(array)
            case.emit("reshape", 3, perm.shape[0], 1, perm.shape[1])
            cases.append((case, perm))
            case = Case(rng, data, dtype)
            array = case.leaf([48, rng.randint(30, 60), 3, rng.randint(60, 90)])
            cases.append((case, case.flip(case.permute(array))))
        check(path, kind, cases)


def identity(case, array, kind):
    """Emits operations that change nothing."""
    axis = case.rng.randrange(array.ndim)
    if kind == "permute":
        perm = case.rng.sample(range(array.ndim), array.ndim)
        case.emit("permute", *perm)
        case.emit("permute", *[perm.index(i) for i in range(array.ndim)])
    elif kind == "flip":
        case.emit("flip", axis)
        case.emit("flip", axis)
    elif kind == "squeeze":
        case.emit("unsqueeze", axis)
        case.emit("squeeze", axis)
    elif kind == "nothing":
        case.emit("tile", axis, 1)
        case.emit("repeat", axis, 1)
        case.emit("pad", axis, 0, 0, 0)
        case.emit("slice", axis, 0, array.shape[axis], 1)
    elif kind == "split":
        made, at = list(case.lines), case.rng.randint(0, array.shape[axis])
        case.emit("slice", axis, 0, at, 1)
        case.lines += made
        case.emit("slice", axis, at, array.shape[axis], 1)
        case.emit("concat", 2, axis)


def test_equal_functions_have_equal_hashes(source, seed):
    path, data = source
    rng = random.Random(seed)
    script, checked = [f"source file {path}"], []
    for _ in range(400):
        case = Case(rng, data, rng.choice(["uint16", "float32"]))
        kind = rng.choice(["permute", "flip", "squeeze", "nothing", "split"])
        if kind == "split":  # of merged axes it is not promised
            case.OPS = ["permute", "flip", "slice", "squeeze", "unsqueeze"]
        case, array = chain(case, rng.randint(0, 6))
        if array.ndim == 0 or array.size == 0:
            continue
        made = list(case.lines)
        identity(case, array, kind)
        script += [*made, "hash", "clear", *case.lines, "hash", "clear"]
        checked.append((kind, case))
    hashes = tool("\n".join(script) + "\n")
    assert len(hashes) == 32 * len(checked)
    for i, (kind, case) in enumerate(checked):
        one, other = hashes[32 * i:32 * i + 16], hashes[32 * i + 16:32 * i + 32]
        assert one == other, f"{kind}:\n" + "\n".join(case.lines)
    assert len({hashes[i:i + 16] for i in range(0, len(hashes), 32)}) > len(checked) // 2


# ---- values ---------------------------------------------------------------------------------------

FLOATS, COMPLEX = ["float16", "float32", "float64"], ["complex64", "complex128"]
INTS = ["int8", "uint8", "int16", "int32", "int64"]


class Values(Case):
    """Chains that change values, too. numpy's types carry the names of ours."""

    OPS = ["permute", "slice", "reshape", "flip", "cast", "cast", "scale", "add", "neg", "conj",
           "sum", "concat"]

    def __init__(self, rng, source, arrays, dtype):
        super().__init__(rng, source, dtype)
        self.arrays = arrays

    def leaf(self, shape=None):
        shape = self.sizes(self.rng.randint(1, 4)) if shape is None else shape
        first, whole = self.arrays[self.dtype]
        n = int(np.prod(shape, dtype=int))
        at = self.rng.randrange(0, whole.size - n)
        self.emit("leaf", self.dtype, first + at * whole.itemsize, len(shape), *shape)
        return whole[at:at + n].reshape(shape)

    def cast(self, a):
        if self.dtype in COMPLEX:
            target = self.rng.choice(COMPLEX)
        else:
            wider = [t for t in INTS if np.can_cast(a.dtype, t)] if a.dtype.kind in "iu" else []
            target = self.rng.choice(FLOATS + wider)
        self.emit("cast", target)
        self.dtype = target
        return a.astype(target)

    def in_f64(self, a, fn):
        if a.dtype.kind == "c":
            both = fn(a.real.astype("f8"), True) + 1j * fn(a.imag.astype("f8"), False)
            return both.astype(a.dtype)
        return fn(a.astype("f8"), True).astype(a.dtype)

    def scale(self, a):
        if a.dtype.kind in "iu":
            return None
        value = self.rng.choice([0.5, -3.0, 0.1, 1e-3])
        self.emit("scale", repr(value))
        return self.in_f64(a, lambda x, _: x * value)

    def add(self, a):
        if a.dtype.kind in "iu":
            return None
        value = self.rng.choice([1.0, -0.3, 100.0])
        self.emit("add", repr(value))
        return self.in_f64(a, lambda x, is_real: x + value if is_real else x)

    def neg(self, a):
        self.emit("neg")
        return -a

    def conj(self, a):
        if a.dtype.kind != "c":
            return None
        self.emit("conj")
        return a.conj()

    def sum(self, a):
        terms = [a] + [self.leaf(list(a.shape)) for _ in range(self.rng.randint(1, 3))]
        self.emit("sum", len(terms))
        if a.dtype.kind in "iu":
            return sum(terms[1:], terms[0])
        wide = "c16" if a.dtype.kind == "c" else "f8"
        total = terms[0].astype(wide)
        for term in terms[1:]:
            total = total + term.astype(wide)
        return total.astype(a.dtype)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_values_equal_numpy(tmp_path, seed):
    rng, np_rng = random.Random(seed), np.random.default_rng(seed)
    arrays, data = {}, b""
    for dtype in FLOATS + COMPLEX + INTS:
        values = np_rng.normal(0, 30, MAX_ELEMS + 1)  # a leaf may have as many
        if dtype in COMPLEX:
            values = values + 1j * np_rng.normal(0, 30, MAX_ELEMS + 1)
        arrays[dtype] = (len(data), values.astype(dtype))
        data += arrays[dtype][1].tobytes()
    path = tmp_path / "values"
    path.write_bytes(data)
    for kind in ("file", "plain"):
        for _ in range(10):
            cases = [Values(rng, data, arrays, rng.choice(list(arrays))) for _ in range(40)]
            check(path, kind, [chain(case, rng.randint(1, 6)) for case in cases])
