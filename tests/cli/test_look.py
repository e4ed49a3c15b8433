"""table, norms, check and diff: what they say of files written here, against numpy."""
import fcntl
import json
import math
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

import numpy as np
import pytest

from conftest import BIN, require, run
from helpers import HANG_S, run_bounded, small_bert, write_safetensors, write_sparse_safetensors

KEYS = ["l2", "mean", "std", "min", "max"]


@pytest.fixture(autouse=True)
def index_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def js(*args, status=0):
    done = run(*args, "--json", check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def on_terminal(*args, columns=80, env=None):
    """What the program writes to a terminal that many columns wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen([BIN, *map(str, args)], stdout=slave, stderr=subprocess.DEVNULL,
                             env={**os.environ, "TERM": "xterm", **(env or {})})
    os.close(slave)
    text = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(master)
    assert child.wait(timeout=HANG_S) in (0, 1)
    return text.decode().replace("\r\n", "\n")


def without_colours(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---- table --------------------------------------------------------------------------------------

@pytest.fixture
def layers(tmp_path):
    rng = np.random.default_rng(1)
    tensors = {f"enc.layer.{i}.{leaf}": rng.standard_normal(shape).astype(np.float32)
               for i in (10, 2, 0, 1) for leaf, shape in (("w", (3, 4)), ("bias", (4,)))}
    tensors["step"] = np.array(7, np.int64)
    tensors["head.w"] = rng.standard_normal((1000, 1234)).astype(np.float16)
    return write_safetensors(tmp_path / "layers.safetensors", tensors), tensors


def test_table__text(layers):
    path, tensors = layers
    lines = run("table", path).stdout.splitlines()
    total = sum(a.size for a in tensors.values())
    assert lines[0] == f"Total number of global parameters: {total:_}"
    assert lines[1].split() == ["Name", "Shape", "Count", "Dtype", "Sharding"]
    names = [line.split()[0] for line in lines[2:2 + len(tensors)]]
    assert names == ["enc.layer.0.bias", "enc.layer.0.w", "enc.layer.1.bias", "enc.layer.1.w",
                     "enc.layer.2.bias", "enc.layer.2.w", "enc.layer.10.bias", "enc.layer.10.w",
                     "head.w", "step"]
    assert re.split(r"  +", lines[2 + names.index("head.w")]) == [
        "head.w", "(1000, 1234)", "1_234_000", "float16", "Replicated"]
    assert not any(line.endswith(" ") for line in lines)
    rest = "\n".join(lines[2 + len(tensors):])
    assert re.search(r"^enc +64 +256$", rest, re.M)
    assert re.search(r"^float16 +1_234_000 +2_468_000$", rest, re.M)
    assert re.search(r"^int64 +1 +8$", rest, re.M)


def test_table__json_tsv_keys(layers):
    path, tensors = layers
    rows = js("table", path)
    assert {r["name"] for r in rows} == set(tensors)
    for r in rows:
        a = tensors[r["name"]]
        assert r == {"name": r["name"], "shape": list(a.shape), "count": a.size,
                     "dtype": a.dtype.name, "sharding": "Replicated", "weight_decay": None}
    assert json.loads(run("table", path, "--keys").stdout) == {n: list(a.shape)
                                                               for n, a in tensors.items()}
    lines = [line.split("\t") for line in run("table", path, "--tsv").stdout.splitlines()]
    assert lines[0] == ["name", "shape", "count", "dtype", "sharding"]
    assert {line[0]: line[1] for line in lines[1:]} == {n: str(a.shape) for n, a in tensors.items()}


def test_table__depth_globs_sort(layers):
    path, tensors = layers
    rows = js("table", path, "--depth", "3")
    assert [(r["name"], r["count"]) for r in rows] == [
        ("enc.layer.0", 16), ("enc.layer.1", 16), ("enc.layer.2", 16), ("enc.layer.10", 16),
        ("head.w", 1234000), ("step", 1)]
    assert [r["name"] for r in js("table", path, "--name", "*.10.*", "--name", "st?p")] == [
        "enc.layer.10.bias", "enc.layer.10.w", "step"]
    counts = [r["count"] for r in js("table", path, "--sort", "count")]
    assert counts == sorted(counts, reverse=True)
    assert len({r["dtype"] for r in js("table", path, "--sort", "dtype")[:2]}) == 2
    assert [r["name"] for r in js("table", path, "--root", "enc.layer.2")] == ["bias", "w"]
    assert "below enc.layer.2" in run("table", path, "--root", "enc.layer.2").stdout


def test_table__masks(layers):
    path, tensors = layers
    patterns = [r"bias$", r"layer\.1\."]
    rows = js("table", path, *(x for p in patterns for x in ("--decay-exclude", p)))
    assert {r["name"]: r["weight_decay"] for r in rows} == {
        n: not any(re.search(p, n) for p in patterns) for n in tensors}
    rows = js("table", path, *(x for p in patterns for x in ("--decay-include", p)))
    assert {r["name"]: r["weight_decay"] for r in rows} == {
        n: any(re.search(p, n) for p in patterns) for n in tensors}
    text = run("table", path, "--decay-exclude", "bias").stdout.splitlines()
    assert text[1].split()[-2:] == ["Weight", "Decay"] and text[2].split()[-1] == "False"


@pytest.mark.parametrize("args, status, says", [
    (["--decay-exclude", "a("], 2, "a(.*at character 2"),
    (["--decay-exclude", "a", "--decay-include", "b"], 2, "cannot be given together"),
    (["--root", "nowhere"], 2, "no tensor below the root 'nowhere'"),
    (["--sort", "colour"], 2, "--sort takes"),
    (["--depth", "-1"], 2, "--depth takes"),
    (["--decay-exclude", "(e|ee)+[xy]"], 2, "gives up"),
])
def test_table__mistakes(tmp_path, args, status, says):
    path = write_safetensors(tmp_path / "x.safetensors", {"e" * 3000: np.zeros(1, np.float32)})
    done = run("table", path, *args, check=False)
    assert done.returncode == status
    assert re.search(says.replace("a(", r"a\("), done.stderr)


def test_table__no_source(tmp_path):
    done = run("table", tmp_path / "nothing.safetensors", check=False)
    assert done.returncode == 2 and "nothing.safetensors" in done.stderr


# ---- terminals and pipes ------------------------------------------------------------------------

HOSTILE = {"a\nb.weight": "a\\nb.weight", "c\x1b[31mred\x1b]0;title\x07.w": "c\\x1b[31mred\\x1b]0;title\\x07.w",
           "d\tt.w": "d\\tt.w", "e\u202eevil.w": "e\\xe2\\x80\\xaeevil.w", "f\u009b31m.w": "f\\xc2\\x9b31m.w",
           "back\\slash.w": "back\\\\slash.w", "π.重み": "π.重み"}


@pytest.fixture
def hostile(tmp_path):
    tensors = {name: np.full((2, 3), 0.5, np.float32) for name in HOSTILE}
    return write_safetensors(tmp_path / "hostile.safetensors", tensors)


def test_hostile__names_are_shown_escaped(hostile, tmp_path):
    other = write_safetensors(tmp_path / "other.safetensors", {"x\x1bc.w": np.zeros(3, np.float32)})
    for args, status in ((["table", hostile], 0), (["norms", hostile], 0),
                         (["check", hostile, "--against", other], 1), (["diff", hostile, other], 1)):
        done = run(*args, check=False)
        assert done.returncode == status, done.stderr
        for text in (done.stdout, done.stderr):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), args
        assert all(shown in done.stdout for shown in HOSTILE.values()), args
    for args in (["table", hostile, "--tsv"], ["norms", hostile, "--tsv"]):
        lines = run(*args).stdout.splitlines()
        assert {line.split("\t")[0] for line in lines[1:]} == set(HOSTILE.values())
    assert {r["name"] for r in js("table", hostile)} == set(HOSTILE)
    assert set(js("norms", hostile)["params"]) == set(HOSTILE)
    assert not re.search(r"[\x7f-\x9f]", run("table", hostile, "--json").stdout)


def test_hostile__name_in_a_message(hostile):
    done = run("table", hostile, "--root", "\x1b[31m\u009b", check=False)
    assert done.returncode == 2 and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stderr)


def width(line):
    return sum(2 if ord(c) >= 0x2e80 else 1 for c in line)


@pytest.mark.parametrize("columns", [20, 40, 80, 132])
def test_terminal__nothing_wraps(tmp_path, hostile, columns):
    long = {f"{'module.' * 20}{i}.重み重み.weight": np.full((2,) * 6, i, np.float32) for i in range(12)}
    path = write_safetensors(tmp_path / "long.safetensors", long)
    for args in (["table", path], ["table", hostile, "--decay-exclude", "x"], ["norms", path],
                 ["check", path, "--against", hostile], ["diff", path, hostile]):
        text = without_colours(on_terminal(*args, columns=columns))
        assert text and all(width(line) <= columns for line in text.splitlines()), args


def test_terminal__colours_only_there(layers):
    path, _ = layers
    for verb in ("table", "norms"):
        assert "\x1b[1m" in on_terminal(verb, path)
        assert "\x1b" not in on_terminal(verb, path, env={"NO_COLOR": "1"})
        assert "\x1b" not in on_terminal(verb, path, env={"TERM": "dumb"})
        assert "\x1b" not in run(verb, path).stdout
    assert without_colours(on_terminal("table", path, columns=200)) == run("table", path).stdout


# ---- norms --------------------------------------------------------------------------------------

def bf16(a):
    """The bits of float32 numbers rounded to nearest even, as bfloat16."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def f8_e4m3fn(bits):
    sign = np.where(bits & 0x80, -1.0, 1.0)
    e, m = (bits >> 3) & 15, bits & 7
    value = np.where(e == 0, m / 8 * 2.0 ** -6, (1 + m / 8) * 2.0 ** (e.astype(float) - 7))
    return np.where((bits & 0x7F) == 0x7F, np.nan, sign * value)


def expected(a):
    """numpy's float64 answers; complex numbers by their modulus."""
    x = np.abs(a.astype(np.complex128)) if np.iscomplexobj(a) else a
    with np.errstate(all="ignore"):
        x = x.astype(np.float64).ravel()
        finite = x[~np.isnan(x)]
        return {"l2": math.sqrt(math.fsum(v * v for v in x)) if np.isfinite(x).all() else
                float(np.sqrt(np.sum(x * x))),
                "mean": float(np.mean(x)) if x.size else math.nan,
                "std": float(np.std(x)) if x.size else math.nan,
                "min": float(finite.min()) if finite.size else math.nan,
                "max": float(finite.max()) if finite.size else math.nan,
                "zeros": int((x == 0).sum()), "nan": int(np.isnan(x).sum()),
                "inf": int(np.isinf(x).sum())}


def number(x):
    return {None: math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(x, x)


def assert_stats(got, want, scale, name=""):
    for key in KEYS:
        g, w = number(got[key]), want[key]
        near = 1e-12 * max(abs(w), scale if key in ("mean", "std") else 0)
        assert (math.isnan(g) and math.isnan(w)) or g == w or abs(g - w) <= near, (name, key, g, w)
    assert [got[k] for k in ("zeros", "nan", "inf")] == [want[k] for k in ("zeros", "nan", "inf")], name


@pytest.fixture
def numbers(tmp_path, seed):
    rng = np.random.default_rng(seed)
    plain = {"f32": rng.standard_normal((700, 901)).astype(np.float32),
             "far": (1e6 + rng.standard_normal(400001)).astype(np.float64),
             "f16": rng.standard_normal(5003).astype(np.float16), "i8": rng.integers(-128, 128, 997).astype(np.int8),
             "i64": rng.integers(-2**40, 2**40, 331), "b": rng.integers(0, 2, 77).astype(bool),
             "empty": np.zeros((0, 5), np.float32), "scalar": np.array(-3.25, np.float32),
             "zeros": np.zeros(1000, np.float32), "nan": np.full(100, np.nan, np.float32),
             "mixed": np.array([0, np.nan, np.inf, -np.inf, 1, -0.0], np.float32),
             "inf": np.array([1, np.inf, 0], np.float32), "tiny": np.full(64, 1e-40, np.float32)}
    halves = bf16(rng.standard_normal(800003))
    fp8 = rng.integers(0, 256, 4096).astype(np.uint8)
    fp8 = fp8[(fp8 & 0x7F) != 0x7F]
    c64 = (rng.standard_normal(501) + 1j * rng.standard_normal(501)).astype(np.complex64)
    values = {**plain, "bf16": from_bf16(halves), "fp8": f8_e4m3fn(fp8), "c64": c64}
    raw = {"bf16": ("BF16", halves.shape, halves.tobytes()), "fp8": ("F8_E4M3", fp8.shape, fp8.tobytes()),
           "c64": ("C64", c64.shape, c64.tobytes())}
    names = {n: f"m{i % 3}.{n}" for i, n in enumerate(values)}
    path = write_safetensors(tmp_path / "n.safetensors", {names[n]: raw.get(n, plain.get(n)) for n in values})
    return path, {names[n]: v for n, v in values.items()}


def test_norms__equal_numpy(numbers):
    path, values = numbers
    got = js("norms", path)
    assert set(got["params"]) == set(values)
    for name, a in values.items():
        want = expected(a)
        assert_stats(got["params"][name], want, abs(want["mean"]), name)


def test_norms__modules_and_global(numbers):
    path, values = numbers
    finite = [n for n in values if np.isfinite(values[n]).all() and not n.endswith("c64")]
    args = [x for n in finite for x in ("--name", n)]
    got = js("norms", path, *args)
    everything = np.concatenate([values[n].astype(np.float64).ravel() for n in finite])
    want = math.sqrt(math.fsum(everything * everything))
    assert abs(got["global"] - want) <= 1e-12 * want
    for module in ("m0", "m1", "m2"):
        parts = [values[n].astype(np.float64).ravel() for n in finite if n.startswith(module)]
        assert_stats(got["modules"][module], expected(np.concatenate(parts)), 1e6, module)


def test_norms__do_not_depend_on_the_run(numbers):
    path, _ = numbers
    outputs = {run("norms", path, "--json", "-o", "index=none").stdout for _ in range(3)}
    assert len(outputs) == 1
    first, again = run("norms", path, "--json").stdout, run("norms", path, "--json").stdout
    assert {first, again} == outputs          # the second from the index


def test_norms__text_and_tsv(numbers):
    path, values = numbers
    lines = run("norms", path, "--tsv").stdout.splitlines()
    assert lines[0].split("\t") == ["name", *KEYS, "zeros", "nan", "inf"]
    cells = {line.split("\t")[0]: line.split("\t")[1:] for line in lines[1:]}
    name = next(n for n in values if n.endswith("f32"))
    assert float(cells[name][0]) == js("norms", path)["params"][name]["l2"]
    text = run("norms", path).stdout
    assert text.startswith("Name") and "Global L2 norm: " in text and "Modules:" in text


def test_nan__is_shown_without_a_sign(tmp_path):
    x = np.array([-np.nan, 1, np.inf, -np.inf], np.float32)
    path = write_safetensors(tmp_path / "a.safetensors", {"a": x})
    other = write_safetensors(tmp_path / "b.safetensors", {"a": np.array([-np.nan, 2, 3, 4], np.float32)})
    for args in (("norms", path), ("norms", path, "--tsv"), ("diff", path, other)):
        done = run(*args, check=False)
        assert "nan" in done.stdout and "-nan" not in done.stdout, done.stdout


def test_norms__view_of_a_checkpoint(tmp_path):
    path = write_safetensors(tmp_path / "bert.safetensors", small_bert(), {"format": "pt"})
    source, flax = js("norms", path), js("norms", path, "--view", "flax")
    assert flax["global"] == pytest.approx(source["global"], rel=1e-12)
    kernel = next(n for n in flax["params"] if re.search(r"layer.0.attention.self.query.kernel", n))
    weight = "encoder.layer.0.attention.self.query.weight"
    assert flax["params"][kernel]["l2"] == pytest.approx(source["params"][weight]["l2"], rel=1e-12)


def reads(tmp_path, *args):
    """Bytes of checkpoints that a run of the program reads, by pread and by mapping."""
    logs = tmp_path / "strace"
    logs.mkdir()
    done = subprocess.run(["strace", "-ff", "-o", logs / "log", "-y", "-e", "trace=pread64,read,mmap", BIN,
                           *map(str, args)], capture_output=True, text=True, timeout=HANG_S,
                          # LeakSanitizer does not work under ptrace.
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    total = 0
    for line in "".join(log.read_text(errors="replace") for log in logs.iterdir()).splitlines():
        if ".safetensors>" in line and "= -1" not in line:
            mapped = re.match(r"mmap\(\w+, (\d+)", line)
            total += int(mapped[1] if mapped else re.search(r"= (\d+)$", line)[1])
    shutil.rmtree(logs)
    return total


def test_second_run__reads_nothing(tmp_path):
    require("strace")
    rng = np.random.default_rng(3)
    a = {f"l.{i}.w": rng.standard_normal((256, 512)).astype(np.float32) for i in range(4)}
    b = {**a, "l.1.w": a["l.1.w"] + 1}
    pa = write_safetensors(tmp_path / "a.safetensors", a)
    pb = write_safetensors(tmp_path / "b.safetensors", b)
    size = sum(x.nbytes for x in a.values())
    assert reads(tmp_path, "diff", pa, pb) > 2 * size
    assert reads(tmp_path, "diff", pa, pb) < 64 << 10   # headers
    assert reads(tmp_path, "norms", pa) > size
    assert reads(tmp_path, "norms", pa) < 64 << 10


# ---- check --------------------------------------------------------------------------------------

@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(5)
    tensors = {"a.weight": rng.standard_normal((4, 3)).astype(np.float32),
               "a.bias": np.zeros(4, np.float32), "norm.weight": np.ones(4, np.float32),
               "b.weight": rng.standard_normal((2, 4)).astype(np.float32)}
    return write_safetensors(tmp_path / "model.safetensors", tensors), tensors


def test_check__clean(model, tmp_path):
    path, tensors = model
    done = run("check", path, "--against", path)
    assert done.stdout == "every key is there, with its shape and dtype\n"
    keys = tmp_path / "keys.json"
    keys.write_text(run("table", path, "--keys").stdout)
    assert js("check", path, "--against", keys) == {k: [] for k in (
        "unused", "missing", "shape-mismatch", "dtype-mismatch", "uninitialised")}


def test_check__every_kind(model, tmp_path):
    path, tensors = model
    other = {"a.weight": np.zeros((3, 4), np.float32), "a.bias": np.zeros(4, np.float16),
             "norm.weight": tensors["norm.weight"], "c.weight": np.ones((2, 2), np.float32)}
    target = write_safetensors(tmp_path / "target.safetensors", other)
    got = js("check", path, "--against", target, status=1)
    assert {k: [e["name"] for e in v] for k, v in got.items()} == {
        "unused": ["b.weight"], "missing": ["c.weight"], "shape-mismatch": ["a.weight"],
        "dtype-mismatch": ["a.bias"], "uninitialised": []}
    assert got["shape-mismatch"][0]["text"] == "(4, 3) against (3, 4)"
    assert got["dtype-mismatch"][0]["text"] == "float32 against float16"
    text = run("check", path, "--against", target, check=False).stdout
    assert re.search(r"^shape-mismatch +a\.weight: \(4, 3\) against \(3, 4\)$", text, re.M)
    silent = run("check", path, "--against", target, "--silent", check=False)
    assert (silent.returncode, silent.stdout) == (1, "")
    assert run("check", path, "--against", path, "--silent").stdout == ""


def test_check__biases_of_a_view_that_counts_its_variables(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", {
        "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "a.bias": np.zeros(3, np.float32),
        "b.weight": np.zeros((3, 4), np.float32)})
    keys = tmp_path / "keys.json"
    keys.write_text(run("table", path, "--view", "keras", "--keys").stdout)
    got = js("check", path, "--view", "keras", "--against", keys, status=1)["uninitialised"]
    assert [e["name"].replace("/", ".") for e in got] == ["b.vars.0"]


def test_check__uninitialised(tmp_path):
    f = np.float32
    tensors = {"lin.weight": np.zeros((3, 3), f), "conv.weight": np.full((2, 2, 2), 0.02, f),
               "emb.weight": np.full((2, 2), np.nan, f), "upscale.weight": np.zeros((2, 2), f),
               "lin.bias": np.zeros(3, f), "ln_1.weight": np.zeros(3, f), "down.1.weight": np.ones(3, f),
               "LayerNorm_0.scale": np.ones(3, f), "bn2.weight": np.zeros(3, f), "ok.weight": np.eye(2, dtype=f),
               "temperature": np.array(1, f), "empty.weight": np.zeros((0, 3), f),
               "ids": np.zeros((1, 9), np.int64), "boxed.bias.value": np.zeros(3, f),
               "one_nan.weight": np.array([[np.nan, 1], [1, 1]], f), "rmsnorm.value": np.zeros((1, 4), f)}
    path = write_safetensors(tmp_path / "u.safetensors", tensors)
    got = js("check", path, "--against", path, status=1)["uninitialised"]
    assert {e["name"]: e["text"] for e in got} == {
        "conv.weight": "every element is 0.02", "emb.weight": "every element is NaN",
        "lin.weight": "every element is 0", "upscale.weight": "every element is 0"}
    assert js("check", path, "--against", path, "--no-values")["uninitialised"] == []


def test_check__targets_that_cannot_be_read(model, tmp_path):
    path, _ = model
    (tmp_path / "bad.json").write_text('{"a": "b"}')
    (tmp_path / "broken.json").write_text('{"a": [1,')
    (tmp_path / "nothing").write_bytes(b"no checkpoint")
    for name in ("bad.json", "broken.json", "nothing", "missing"):
        done = run("check", path, "--against", tmp_path / name, check=False)
        assert done.returncode == 2 and name in done.stderr, done.stderr
        assert done.stdout == ""
    done = run("check", path, check=False)
    assert done.returncode == 2 and "--against" in done.stderr


def test_check__other_names_hint_and_view(tmp_path):
    tensors = small_bert()
    path = write_safetensors(tmp_path / "pt.safetensors", tensors, {"format": "pt"})
    flax = tmp_path / "flax.safetensors"
    run("export", path, "--view", "flax", "--as", "model.safetensors", flax)
    done = run("check", path, "--against", flax, "--no-values", "--name", "*.weight", check=False)
    assert done.returncode == 1 and "--view" in done.stderr
    assert run("check", path, "--view", "flax", "--against", flax).returncode == 0


def test_check__names_and_root_of_a_json_target(tmp_path):
    f = np.float32
    path = write_safetensors(tmp_path / "m.safetensors", {"net.a.w": np.eye(2, dtype=f), "net.b.w": np.eye(3, dtype=f),
                                                          "head.w": np.eye(4, dtype=f)})
    bare = write_safetensors(tmp_path / "bare.safetensors", {"a.w": np.eye(2, dtype=f), "b.w": np.eye(3, dtype=f)})
    keys = tmp_path / "keys.json"
    keys.write_text('{"net.a.w": [2, 2], "net.b.w": [9, 9], "other.w": [1]}')
    assert run("check", path, "--against", keys, "--name", "net.a.*").returncode == 0
    for source in (path, bare):
        got = js("check", source, "--against", keys, "--root", "net", status=1)
        assert [e["name"] for e in got.pop("shape-mismatch")] == ["b.w"] and not any(got.values())
        assert run("check", source, "--against", keys, "--root", "net", "--name", "a.w").returncode == 0
    keys.write_text('{"a/w": [2, 2], "b/w": [3, 3]}')
    done = run("check", path, "--against", keys, "--root", "net")
    assert "the target has no root 'net'" in done.stderr
    done = run("check", bare, "--against", keys, "--root", "net", check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no tensor below the root 'net'" in done.stderr


@pytest.mark.parametrize("spec, says", [
    ('{"shape": [4], "dtype": "foo"}', "foo"), ('{"shape": [4], "dtyp": "float32"}', '"dtyp"'),
    ('{"shape": [4], "dtype": 32}', '"dtype"'), ('{"shape": [4], "dtype": "float16"}', None),
    ('{"shape": [4], "dtype": "F16"}', None), ('{"shape": [4], "dtype": "torch.float16"}', None),
    ('{"shape": [4], "dtype": null}', ""), ('{"shape": [4], "dtype": "float32"}', ""),
    ('{"shape": [4], "dtype": "F32"}', ""), ('{"shape": [4], "dtype": "torch.float32"}', ""),
])
def test_check__dtypes_of_a_json_target(tmp_path, spec, says):
    path = write_safetensors(tmp_path / "m.safetensors", {"a": np.arange(4, dtype=np.float32)})
    (tmp_path / "keys.json").write_text('{"a": %s}' % spec)
    done = run("check", path, "--against", tmp_path / "keys.json", check=False)
    if says:
        assert done.returncode == 2 and "keys.json: a: " in done.stderr and says in done.stderr and not done.stdout
    else:
        assert done.returncode == (1 if says is None else 0) and ("dtype-mismatch" in done.stdout) == (says is None)


# ---- what all of them have in common ------------------------------------------------------------

def test_names__that_nothing_has_are_mistakes(model, tmp_path):
    path, _ = model
    other = write_safetensors(tmp_path / "other.safetensors", {"z.weight": np.eye(2, dtype=np.float32)})
    keys = tmp_path / "keys.json"
    keys.write_text(run("table", path, "--keys").stdout)
    names = ("--name", "zz*", "--name", "a.*", "--name", "yy")
    for args in (("table", path), ("norms", path), ("diff", path, path), ("check", path, "--against", path),
                 ("check", path, "--against", keys)):
        done = run(*args, *names, check=False)
        assert done.returncode == 2 and "--name zz*, yy: " in done.stderr and "a.*" not in done.stderr, args
        assert not done.stdout
        assert run(*args, "--name", "a.*").returncode == 0
    # On one side is enough.
    assert run("diff", path, other, "--name", "z.*", check=False).returncode == 1
    assert run("diff", other, path, "--name", "z.*", check=False).returncode == 1


def test_views__one_at_a_time(model):
    path, _ = model
    for args in (("table", path), ("norms", path), ("diff", path, path), ("check", path, "--against", path)):
        done = run(*args, "--view", "torch", "--view", "mine=flax", check=False)
        assert done.returncode == 2 and "torch" in done.stderr and "mine=flax" in done.stderr and not done.stdout


@pytest.mark.parametrize("args", [
    ("table", "--json", "--tsv"), ("table", "--tsv", "--keys"), ("table", "--json", "--keys"),
    ("table", "--keys", "--depth=2"), ("norms", "--json", "--tsv"), ("check", "--against=x", "--json", "--silent"),
])
def test_options__that_exclude_each_other(model, args):
    done = run(*args, model[0], check=False)
    assert done.returncode == 2 and not done.stdout
    assert all(option.split("=")[0] in done.stderr for option in args[-2:])


def test_roots__what_lies_beside_one_is_said(tmp_path):
    x = np.arange(6, dtype=np.float32)
    flax = write_safetensors(tmp_path / "flax.safetensors", {"params.d.kernel": x, "batch_stats.bn.mean": x + 1})
    assert {r["name"] for r in js("table", flax)} == {"d.kernel"}
    for args in ((), ("--json",), ("--tsv",)):
        assert "'params'" in run("table", flax, *args).stderr
        assert not run("table", flax, *args, "--root", "params").stderr
    assert set(js("norms", flax)["params"]) == {"params.d.kernel", "batch_stats.bn.mean"}
    assert not run("norms", flax).stderr
    keys = tmp_path / "keys.json"
    keys.write_text(run("table", flax, "--keys").stdout)
    assert run("check", flax, "--against", keys).returncode == 0
    state = write_safetensors(tmp_path / "state.safetensors", {"model.w": x, "optimizer.m": x + 1, "optimizer.v": x})
    for verb in ("table", "norms"):
        done = run(verb, state, "--tsv")
        assert "'model'" in done.stderr and "beside it: 2" in done.stderr and "optimizer" not in done.stdout
        assert not run(verb, state, "--root", ".").stderr
    keys.write_text(run("table", state, "--keys").stdout)
    assert "below 'model'" in run("check", state, "--against", keys).stderr
    assert not run("check", state, "--against", keys, "--silent").stderr


def test_roots__of_one_side_alone(tmp_path):
    x = np.arange(6, dtype=np.float32)
    state = write_safetensors(tmp_path / "state.safetensors", {"model.w": x, "optimizer.m": x + 1})
    bare = write_safetensors(tmp_path / "bare.safetensors", {"w": x})
    for args, side in (((state, bare), "B"), ((bare, state), "A")):
        done = run("diff", *args, "--root", "model")
        assert done.stdout == "1 same\n" and f"{side} has no root 'model'" in done.stderr
    for source, target in ((state, bare), (bare, state)):
        assert run("check", source, "--against", target, "--root", "model").returncode == 0
        silent = run("check", source, "--against", target, "--root", "model", "--silent")
        assert not silent.stderr and not silent.stdout
    other = write_safetensors(tmp_path / "other.safetensors", {"params.w": x, "opt_state.m": x + 1})
    for args in ((state, other), (other, state), (bare, bare)):   # no bare tree; on neither side
        done = run("diff", *args, "--root", "model", check=False)
        assert done.returncode == 2 and "no tensor below the root 'model'" in done.stderr


def test_weights__choose_in_the_directory_alone(model, tmp_path):
    path, tensors = model
    (tmp_path / "dir").mkdir()
    write_safetensors(tmp_path / "dir" / "one.safetensors", tensors)
    write_safetensors(tmp_path / "dir" / "two.safetensors", {"c": np.eye(3, dtype=np.float32)})
    option = ("-o", "weights=one*")
    assert run("diff", path, tmp_path / "dir", *option).returncode == 0
    assert run("diff", tmp_path / "dir", path, *option).returncode == 0
    assert run("check", path, "--against", tmp_path / "dir", *option).returncode == 0
    assert run("check", tmp_path / "dir", "--against", path, *option).returncode == 0
    done = run("diff", path, path, *option, check=False)
    assert done.returncode == 2 and "weights=one*" in done.stderr


# ---- diff ---------------------------------------------------------------------------------------

def diff(a, b, *args):
    done = run("diff", a, b, "--json", *args, check=False)
    assert done.returncode in (0, 1), done.stderr
    entries = json.loads(done.stdout)
    assert done.returncode == (1 if any(e["status"] != "same" for e in entries) else 0)
    return {(e["a"] or e["b"])["name"]: e for e in entries}


def pair(tmp_path, a, b):
    return (write_safetensors(tmp_path / "a.safetensors", a), write_safetensors(tmp_path / "b.safetensors", b))


def test_diff__every_kind(tmp_path):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((300, 400)).astype(np.float32)
    y = x.copy()
    y[17, 3] += 0.5
    y[200, 399] *= 1.001
    a = {"same": x, "changed": x, "half": x, "shape": x, "old.w": x * 2, "gone": x * 3, "empty": x[:0]}
    b = {"same": x, "changed": y, "half": x.astype(np.float16), "shape": x.T.copy(), "new.w": x * 2,
         "fresh": x * 5, "empty": x[:0]}
    got = diff(*pair(tmp_path, a, b))
    assert {n: e["status"] for n, e in got.items()} == {
        "same": "same", "changed": "changed", "half": "dtype", "shape": "shape", "old.w": "renamed",
        "gone": "only-in-a", "fresh": "only-in-b", "empty": "same"}
    assert got["old.w"]["b"]["name"] == "new.w"
    d = np.abs(x.astype(float) - y.astype(float))
    e = got["changed"]
    assert e["n_different"] == 2 and e["max_abs"] == d.max()
    assert e["max_rel"] == (d / np.maximum(np.abs(x), np.abs(y)).astype(float)).max()
    cosine = float(np.vdot(x.astype(float), y.astype(float)) / np.linalg.norm(x.astype(float)) / np.linalg.norm(y.astype(float)))
    assert e["cosine"] == pytest.approx(cosine, rel=1e-12)
    h = x.astype(np.float16).astype(float)
    assert got["half"]["max_abs"] == np.abs(h - x).max()
    assert diff(*pair(tmp_path, a, b)) == got      # again, from the index


def test_diff__text(tmp_path):
    a, b = pair(tmp_path, {"x": np.arange(3.0), "y": np.ones(2)}, {"x": np.arange(3.0), "y": np.ones(3)})
    done = run("diff", a, b, check=False)
    assert done.stdout.splitlines() == ["shape      y: (2,) float64 against (3,) float64", "1 same, 1 shape"]
    assert "same       x" in run("diff", a, b, "--all", check=False).stdout
    assert run("diff", a, a).stdout == "2 same\n"


def test_diff__integers_beyond_2_53(tmp_path):
    a = {"i": np.array([2**62, 2**53, -5], np.int64), "u": np.array([2**64 - 1, 1], np.uint64).view(np.int64),
         "f": np.array([2**53, 7], np.int64)}
    b = {"i": np.array([2**62 + 1, 2**53 + 1, -5], np.int64), "u": np.array([2**64 - 1, 1], np.uint64).view(np.int64),
         "f": np.array([2.0**53 + 2, 7], np.float64)}
    got = diff(*pair(tmp_path, a, b))
    assert (got["i"]["n_different"], got["i"]["max_abs"]) == (2, 1)
    assert got["u"]["status"] == "same"
    assert (got["f"]["n_different"], got["f"]["max_abs"]) == (1, 2)


def test_diff__nan_infinity_signed_zero(tmp_path):
    nan, inf = math.nan, math.inf
    a = {"n": np.array([nan, 1.0]), "m": np.array([nan, 1.0]), "i": np.array([inf, -inf]), "z": np.array([0.0, 1.0])}
    b = {"n": np.array([nan, 2.0]), "m": np.array([1.0, 1.0]), "i": np.array([inf, inf]), "z": np.array([-0.0, 1.0])}
    got = diff(*pair(tmp_path, a, b))
    assert (got["n"]["n_different"], got["n"]["max_abs"], got["n"]["cosine"]) == (1, 1, None)
    assert (got["m"]["n_different"], got["m"]["max_abs"]) == (1, "Infinity")
    assert (got["i"]["n_different"], got["i"]["max_abs"]) == (1, "Infinity")
    assert (got["z"]["status"], got["z"]["n_different"]) == ("changed", 0)
    assert "bits" in run("diff", *pair(tmp_path, a, b), check=False).stdout


def test_diff__renames_of_equal_contents(tmp_path):
    zeros, ones = np.zeros(6, np.float32), np.ones(6, np.float32)
    a = {f"layers.{i}.{n}": v for i in range(12) for n, v in (("ln.bias", zeros), ("fc.bias", zeros), ("ln.weight", ones))}
    b = {n.replace("layers", "h").replace("fc", "mlp"): v for n, v in a.items()}
    got = diff(*pair(tmp_path, a, b))
    assert len(got) == 36 and all(e["status"] == "renamed" for e in got.values())
    norms = {n: e["b"]["name"] for n, e in got.items() if n.endswith("ln.bias")}
    assert norms == {f"layers.{i}.ln.bias": f"h.{i}.ln.bias" for i in range(12)}
    weights = {n: e["b"]["name"] for n, e in got.items() if n.endswith("weight")}
    assert weights == {f"layers.{i}.ln.weight": f"h.{i}.ln.weight" for i in range(12)}


def test_diff__across_conventions(tmp_path):
    tensors = small_bert()
    pt = write_safetensors(tmp_path / "pt.safetensors", tensors, {"format": "pt"})
    for name in ("model.safetensors", "flax_model.msgpack"):
        flax = tmp_path / name
        run("export", pt, "--view", "flax", "--as", name, flax)
        done = run("diff", pt, flax)
        assert done.stdout == f"{len(tensors)} same\n" and "through its view 'flax'" in done.stderr
    changed = dict(tensors)
    weight = "encoder.layer.0.attention.self.query.weight"
    changed[weight] = tensors[weight] + np.float32(0.25)
    pt2 = write_safetensors(tmp_path / "pt2.safetensors", changed, {"format": "pt"})
    got = diff(pt2, tmp_path / "flax_model.msgpack")
    assert [e["status"] for e in got.values()].count("changed") == 1


@pytest.mark.skipif("WEIGHTFS_SANITIZED" in os.environ, reason="a sanitizer's memory is not the program's")
def test_memory__bounded(tmp_path):
    """2 GiB of holes, through a view that transposes, in 256 MiB of memory that is touched and not a file's."""
    shape, names = (8192, 8192), [f"l.{i}.dense" for i in range(8)]
    a = write_sparse_safetensors(tmp_path / "a.safetensors", {f"{n}.weight": ("F32", shape) for n in names},
                                 {"format": "pt"})
    b = write_sparse_safetensors(tmp_path / "b.safetensors", {f"{n}.kernel": ("BF16", shape) for n in names},
                                 {"format": "flax"})
    for args, status, last in ((("diff", a, b), 1, "8 dtype"), (("norms", a), 0, "Global L2 norm: 0"),
                               (("check", a, "--against", a), 1, "8 uninitialised")):
        done = run_bounded([BIN, *args], cpu_s=300, anon_bytes=256 << 20)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (status, last), done.stderr
