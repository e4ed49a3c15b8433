"""Every operation of the rules language against numpy: random shapes and types. Needs
numpy only. The seed is printed; WEIGHTFS_SEED repeats it."""
import numpy as np
import pytest

from conftest import run
from helpers import read_safetensors, write_safetensors


def shape(rng, ndim, multiple=None):
    """Sizes 1 to 6; axis 0 a multiple of `multiple`."""
    sizes = [int(rng.integers(1, 7)) for _ in range(ndim)]
    if multiple:
        sizes[0] = multiple * int(rng.integers(1, 4))
    return sizes


def layout(spec, x):
    left, right = spec.split(">")
    star = x.ndim - len(left.replace("*", ""))
    axes, at = {}, 0
    for letter in left:
        n = star if letter == "*" else 1
        axes[letter] = list(range(at, at + n))
        at += n
    return x.transpose([a for letter in right for a in axes[letter]])


def rope(x, h):
    return x.reshape(h, 2, x.shape[0] // h // 2, -1).swapaxes(1, 2).reshape(x.shape)


def unrope(x, h):
    return x.reshape(h, x.shape[0] // h // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)


def gates(spec, x):
    left, right = spec.split(">")
    parts = dict(zip(left, np.split(x, len(left))))
    return np.concatenate([parts[g] for g in right])


def pad(x, axis, before, after, value):
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    return np.pad(x, widths, constant_values=value)


# operation -> (axes, multiple of axis 0, numpy)
ONE = {
    "transpose": (2, None, lambda x: x.T),
    "reverse": (3, None, lambda x: x.T),
    "permute(2, 0, 1)": (3, None, lambda x: x.transpose(2, 0, 1)),
    "permute(-1, 0, 1)": (3, None, lambda x: x.transpose(2, 0, 1)),
    '"OIHW>HWIO"': (4, None, lambda x: x.transpose(2, 3, 1, 0)),
    '"OI*>*IO"': (5, None, lambda x: layout("OI*>*IO", x)),
    "flip(0)": (3, None, lambda x: x[::-1]),
    "flip(0, -1)": (3, None, lambda x: x[::-1, :, ::-1]),
    "flatten": (3, None, lambda x: x.ravel()),
    "reshape(3, -1, shape[1])": (2, 3, lambda x: x.reshape(3, -1, x.shape[1])),
    "unsqueeze(1)": (2, None, lambda x: x[:, None]),
    "unsqueeze(-1)": (2, None, lambda x: x[..., None]),
    "unsqueeze(0) squeeze(0)": (2, None, lambda x: x),
    "unsqueeze(0) unsqueeze(2) squeeze": (2, None, lambda x: x.squeeze()),
    "slice(0, 1, 3)": (2, 4, lambda x: x[1:3]),
    "slice(0, 1, shape[0], 2)": (2, 4, lambda x: x[1::2]),
    "part(0, 2, 4)": (2, 4, lambda x: np.split(x, 4)[2]),
    "pad(1, 1, 2)": (2, None, lambda x: pad(x, 1, 1, 2, 0)),
    "pad(0, 2, 0, 3)": (2, None, lambda x: pad(x, 0, 2, 0, 3)),
    "tile(1, 3)": (2, None, lambda x: np.tile(x, (1, 3))),
    "repeat(0, 2)": (2, None, lambda x: np.repeat(x, 2, 0)),
    "rope(2)": (2, 8, lambda x: rope(x, 2)),
    "rope(2) unrope(2)": (2, 8, lambda x: x),
    "unrope(2)": (1, 8, lambda x: unrope(x, 2)),
    'gates("ifgo>ifog")': (2, 4, lambda x: gates("ifgo>ifog", x)),
    'gates("rzn>zrn", -1) ': (1, 3, lambda x: gates("rzn>zrn", x)),
    "cast(float64)": (2, None, lambda x: x.astype("f8")),
}
FLOATS = {
    "scale(0.5)": (2, None, lambda x: (x.astype("f8") * 0.5).astype(x.dtype)),
    "add(2)": (2, None, lambda x: (x.astype("f8") + 2).astype(x.dtype)),
    "cast(float16)": (2, None, lambda x: x.astype("f2")),
}
TYPES = ["float64", "float32", "float16", "int32", "uint8"]


def check(tmp_path, arrays, rules, want):
    write_safetensors(tmp_path / "m.safetensors", arrays)
    (tmp_path / "v.map").write_text(rules)
    run("cp", "--view", "v", "-o", f"rules={tmp_path / 'v.map'}", tmp_path / "m.safetensors",
        "v/model.safetensors", tmp_path / "out")
    got = read_safetensors(tmp_path / "out")
    assert set(got) == set(want)
    for name in want:
        x = np.array(want[name], order="C")
        assert got[name].dtype == x.dtype and got[name].shape == x.shape, (name, rules)
        assert got[name].tobytes() == x.tobytes(), (name, rules)


def random_array(rng, sizes, dtype):
    return rng.integers(0, 100, sizes).astype(dtype)


@pytest.mark.parametrize("op", [*ONE, *FLOATS])
def test_mapping_ops__one_tensor(tmp_path, seed, op):
    rng = np.random.default_rng(seed)
    ndim, multiple, numpy_op = (ONE | FLOATS)[op]
    types = TYPES if op in ONE else ["float64", "float32"]
    arrays, rules, want = {}, [], {}
    for i in range(6):
        x = random_array(rng, shape(rng, ndim, multiple), types[i % len(types)])
        arrays[f"a.{i}"] = x
        rules.append(f"a.{i} -> b.{i} : {op}")
        want[f"b.{i}"] = numpy_op(x)
    check(tmp_path, arrays, "\n".join(rules) + "\n", want)


def test_mapping_ops__chains_of_operations(tmp_path, seed):
    """Random chains of the free operations that fit three axes."""
    rng = np.random.default_rng(seed)
    steps = {"reverse": lambda x: x.T, "permute(1, 2, 0)": lambda x: x.transpose(1, 2, 0),
             "flip(1)": lambda x: x[:, ::-1], "repeat(2, 2)": lambda x: np.repeat(x, 2, 2),
             "pad(0, 1, 0)": lambda x: pad(x, 0, 1, 0, 0),
             "reshape(shape[2], -1, shape[0])": lambda x: x.reshape(x.shape[2], -1, x.shape[0])}
    arrays, rules, want = {}, [], {}
    for i in range(12):
        x = y = random_array(rng, shape(rng, 3), "float32")
        names = [list(steps)[int(k)] for k in rng.integers(0, len(steps), 5)]
        for name in names:
            y = steps[name](y)
        arrays[f"a.{i}"], want[f"b.{i}"] = x, y
        rules.append(f"a.{i} -> b.{i} : {' '.join(names)}")
    check(tmp_path, arrays, "\n".join(rules) + "\n", want)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_mapping_ops__fans(tmp_path, seed, axis):
    rng = np.random.default_rng(seed)
    sizes = shape(rng, 2)
    parts = [random_array(rng, sizes, "float32") for _ in range(12)]
    names = ["q", "k", "v"]
    big = random_array(rng, [6, 6], "float32")
    arrays = {f"e.{i}": p for i, p in enumerate(parts)}
    arrays |= {f"x.{n}": parts[i] for i, n in enumerate(names)}
    arrays |= {"big": big, "huge": big, "s.a": parts[0], "s.b": parts[1]}
    rules = f"""
e.{{i:#}} -> stacked : stack(i, {axis})
x.{{k:q|k|v}} -> joined : concat(k, {axis})
big -> cut.{{k:q|k|v}} : split(k, {axis}, 1, 2, 3)
huge -> row.{{i:#}} : unstack(i, {axis})
s.a & s.b : transpose transpose -> sum : sum -> first : pick(0) -> both : concat({axis})
"""
    want = {"stacked": np.stack(parts, axis), "joined": np.concatenate(parts[:3], axis),
            "sum": parts[0] + parts[1], "first": parts[0],
            "both": np.concatenate(parts[:2], axis)}
    for name, piece in zip(names, np.split(big, [1, 3], axis)):
        want[f"cut.{name}"] = piece
    for i in range(6):
        want[f"row.{i}"] = np.take(big, i, axis)
    check(tmp_path, arrays, rules, want)


def test_mapping_ops__fills(tmp_path):
    rules = """
fill z : zeros(int64)
fill o : ones(float32, 2, 3)
fill f : full(float16, 1.5, 4)
fill a : arange(int32, 1, 5)
fill {x}.like : zeros(like, shape[0]) for {x}.w
fill s : sinusoid(float32, 3, 5)
{p:+} -> {p}
"""
    table = np.zeros((3, 5))
    for i in range(3):
        angle = i / 10000 ** (2 * (np.arange(5) // 2) / 5)
        table[i, :3], table[i, 3:] = np.sin(angle[0::2]), np.cos(angle[1::2])
    w = np.ones((4, 2), "float16")
    check(tmp_path, {"a.w": w}, rules, {
        "a.w": w, "a.like": np.zeros(4, "f2"), "z": np.zeros((), "i8"),
        "o": np.ones((2, 3), "f4"), "f": np.full(4, 1.5, "f2"),
        "a": np.arange(5, dtype="i4").reshape(1, 5), "s": table.astype("f4")})
