"""weightfs map: text, JSON, --explain, --strict and the exit status."""
import json

import numpy as np
import pytest

from conftest import run
from helpers import read_safetensors, small_bert, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    return write_safetensors(tmp_path / "model.safetensors", small_bert(1), {"format": "pt"})


@pytest.fixture
def template(tmp_path):
    """Asks for what the checkpoint does not have."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"pooler.dense.kernel": [64, 64]}))
    return path


def test_map__clean_is_0(checkpoint):
    done = run("map", checkpoint)
    assert "flax" in done.stdout and "mapped" in done.stdout


def test_map__json(checkpoint):
    report = json.loads(run("map", "--json", checkpoint, "--view", "flax").stdout)
    assert isinstance(report, dict)
    both = json.loads(run("map", "--json", checkpoint, "--view", "flax", "--view", "b=flax").stdout)
    assert isinstance(both, list) and len(both) == 2


def test_map__problems_are_1(checkpoint, template):
    done = run("map", checkpoint, "--view", "flax", "--template", template, check=False)
    assert done.returncode == 1 and "missing" in done.stdout
    done = run("map", checkpoint, "--view", "flax", "--template", template, "--json", "--strict", check=False)
    assert done.returncode == 1
    json.loads(done.stdout)


def test_map__explain(checkpoint):
    done = run("map", checkpoint, "--explain", "encoder.layer.0.intermediate.dense.weight")
    assert "flax.map" in done.stdout


EXPLAINED = """set s
match first
rename encoder.layer.{x:+} -> enc.{x}
rename {x:+} -> other.{x}
enc.{x:+} -> a.{x} if rank > 1 and (rank == 9 or
    dtype == "int8")
alias enc.{x:+} of nothing
enc.{x:+} -> d.{x} if limit > 5 and rank == 2
enc.{l:#}.intermediate.dense.weight -> b.{l}
enc.{l:#}.intermediate.dense.{w:weight} -> c.{l} if rank + "text" > 1
{x:+} -> e.{x}
f -> f
g & h -> g : sum
let limit = 3
"""


def test_map__explain_says_what_every_rule_says(checkpoint, tmp_path):
    (tmp_path / "s.map").write_text(EXPLAINED)
    out = run("map", checkpoint, "--view", "s", "--rules", tmp_path / "s.map",
              "--explain", "encoder.layer.0.intermediate.dense.weight", check=False).stdout
    dtype = out.split("dtype is ")[1].split(")")[0]
    at = 0
    for line, expected in [
            (3, "renames it: enc.0.intermediate.dense.weight"),
            (4, "would rename it, but comes later"),
            (5, 'its condition is false: rank == 9 or dtype == "int8" (rank is 2, dtype is ' + dtype + ")"),
            (7, "it is no copy of such a tensor"),
            (8, "its condition is false: limit > 5 (limit is 3)"),
            (9, "takes it"),
            (10, "cannot be asked: "),
            (11, "would take it, but comes later")]:
        found = out.find(f"s.map:{line}: {expected}", at)
        assert found >= 0, f"no '{line}: {expected}' in\n{out}"
        at = found
    assert "s.map:12, 13\n" in out[at:]
    assert "-> b.0 (mapped, " in out


def test_map__json_explains_nothing(checkpoint):
    done = run("map", checkpoint, "--json", "--explain", "x", check=False)
    assert done.returncode == 2 and "--json and --explain" in done.stderr and not done.stdout


def test_map__unreadable_is_2(tmp_path):
    done = run("map", tmp_path / "none", check=False)
    assert done.returncode == 2 and "none" in done.stderr


def test_map__rules_with_a_mistake_are_2(checkpoint, tmp_path):
    rules = tmp_path / "bad.map"
    rules.write_text("this is no rule ->\n")
    done = run("map", checkpoint, "--view", "flax", "--rules", rules, check=False)
    assert done.returncode == 2 and "bad.map" in done.stderr
    done = run("map", checkpoint, "--view", "flax", "--rules", tmp_path / "none.map", check=False)
    assert done.returncode == 2 and "none.map" in done.stderr


def test_map__a_loader_file_that_is_none_is_2(checkpoint, tmp_path):
    rules = tmp_path / "files.map"
    rules.write_text("set s\nfiles safetensors gguff\n{x:+} -> {x}\n")
    for verb in ("map", "ls"):
        done = run(verb, "--view", "s", "--rules", rules, checkpoint, check=False)
        assert done.returncode == 2, verb
        assert "view s: files gguff: there is no such loader file" in done.stderr


def test_map__a_name_set_twice_is_2(checkpoint):
    done = run("map", checkpoint, "--view", "flax", "-o", "set=q=2", "-o", "set=q=3", check=False)
    assert done.returncode == 2 and "-o set=q=3: it is set=q=2 already" in done.stderr
    done = run("map", checkpoint, "--view", "flax:set=q=2,set=q=3", check=False)
    assert done.returncode == 2 and "set=q=3" in done.stderr
    # A view's own goes before what is said to all.
    run("map", checkpoint, "--view", "flax:set=q=2", "-o", "set=q=3,set=r=3")


def test_map__slashes_of_the_keras_view_are_read_back(tmp_path):
    source = write_safetensors(tmp_path / "m.safetensors", small_bert(2), {"format": "pt"})
    own = tmp_path / "keras.safetensors"
    run("cp", "--view", "keras", source, "keras/model.safetensors", own)
    assert "ambiguous" not in run("map", source, "--view", "keras", "-o", f"template={own}").stdout
    assert run("check", source, "--view", "keras", "--against", own, "--no-values").returncode == 0
    assert "renamed" not in run("diff", "--view", "keras", source, own).stdout
    assert "identity" in run("map", own, "--view", "keras").stdout
    again = tmp_path / "again.safetensors"
    run("cp", own, "source/model.safetensors", again)
    assert again.read_bytes() == own.read_bytes()
    names = run("table", own, "--keys").stdout
    assert "encoder/layer/0/" in names and run("ls", own, "source/tensors/encoder/layer").stdout.split() == ["0", "1"]


def test_map__slashes_beside_dots_are_parts_of_names(tmp_path):
    source = write_safetensors(tmp_path / "m.safetensors", {"a/b": np.zeros(2, np.float32), "c.d": np.zeros(2, np.float32)})
    done = run("ls", source, "source/tensors")
    assert done.stdout.split() == ["a%2Fb.npy", "c"]
    assert "nothing tells which" in done.stderr


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_map__one_rule_tells_the_separator_of_every_format(tmp_path, suffix):
    def folders(*names):
        tensors = {name: np.zeros(2, np.float32) for name in names}
        path = tmp_path / f"m.{suffix}"
        np.savez(path, **tensors) if suffix == "npz" else write_safetensors(path, tensors)
        done = run("ls", path, "source/tensors")
        return sorted(done.stdout.split()), "nothing tells which" in done.stderr
    assert folders("a/b.c", "d.e") == (["a%2Fb", "d"], False)
    assert folders("a.b/c", "d/e") == (["a.b", "d"], False)
    usual = ["a", "c.d.npy"] if suffix == "npz" else ["a%2Fb.npy", "c"]
    assert folders("a/b", "c.d") == (usual, True)


# ---- rules of one's own ------------------------------------------------------------------------------

def toy(tmp_path, **names):
    tensors = {name: np.arange(np.prod(shape), dtype="f4").reshape(shape) for name, shape in names.items()}
    return write_safetensors(tmp_path / "toy.safetensors", tensors, {"format": "pt"}), tensors


def shown(source, view, *args):
    """{name: array} of a view's safetensors file."""
    data = run("cat", source, f"{view}/model.safetensors", *args, text=False).stdout
    path = source.parent / "shown.safetensors"
    path.write_bytes(data)
    return read_safetensors(path)


def test_map__a_view_of_several_sets_may_name_the_files_own(tmp_path):
    source, tensors = toy(tmp_path, **{"was.weight": (2, 3), "was.bias": (2,)})
    (tmp_path / "a.map").write_text("set mine\nfrom torch\nto torch\nwas.{w} -> fc.{w}\n")
    got = shown(source, "jnet", "--rules", tmp_path / "a.map", "--view", "jnet=mine+linen")
    kernel = next(v for k, v in got.items() if k.endswith("fc.kernel"))
    assert np.array_equal(kernel, tensors["was.weight"].T)


def test_map__a_file_without_a_set_line_names_its_set(tmp_path):
    source, tensors = toy(tmp_path, **{"enc.w": (4, 5), "enc.b": (5,)})
    (tmp_path / "plain.map").write_text("enc.w -> enc.weight : transpose\nenc.b -> enc.bias\n")
    for args, view in [((), "plain"), (("--view", "plain"), "plain"), (("--view", "x=plain+torch"), "x")]:
        got = shown(source, view, "--rules", tmp_path / "plain.map", *args)
        assert np.array_equal(got["enc.weight"], tensors["enc.w"].T), args


def test_map__the_inverse_of_the_files_own_set(tmp_path):
    source, tensors = toy(tmp_path, **{"dense.kernel": (3, 2), "dense.bias": (2,)})
    (tmp_path / "f.map").write_text("set fwd\nfrom torch\nto flax\ninvertible\n"
                                    "fc.weight -> dense.kernel : transpose\nfc.bias -> dense.bias\n")
    for view, folder in [("back=~fwd", "back"), ("~fwd", "~fwd")]:
        got = shown(source, folder, "--rules", tmp_path / "f.map", "--view", view)
        assert np.array_equal(got["fc.weight"], tensors["dense.kernel"].T), view
        assert np.array_equal(got["fc.bias"], tensors["dense.bias"]), view


def test_map__rules_alone_are_shown_under_their_own_name(tmp_path):
    source, _ = toy(tmp_path, **{"fc.weight": (2, 3), "head.kernel": (3, 2)})  # both conventions' names
    (tmp_path / "own.map").write_text("set own\nfrom elsewhere\nto own\n{x:+} -> {x}\n")
    assert sorted(run("ls", source, "--rules", tmp_path / "own.map").stdout.split()) == ["info", "own", "source"]
    done = run("map", source, "--rules", tmp_path / "own.map", "--strict")
    assert done.stdout == "view own (own): 2 mapped\n"  # what the rules read is not doubted


@pytest.mark.parametrize("view, said", [
    ("jnet=nosuch+linen", "nosuch: no such rule set"),
    ("nosuch", "nosuch: no such rule set"),
    ("linen", "--view linen=mine+linen"),
    ("j=torch+mlx", "--view j=mine+torch+mlx"),
    ("b=~min", "min: no such rule set")])
def test_map__a_view_that_ignores_the_rules_is_refused(tmp_path, view, said):
    source, _ = toy(tmp_path, **{"was.weight": (2, 3)})
    (tmp_path / "a.map").write_text("set mine\nfrom torch\nto torch\nwas.{w} -> fc.{w}\n")
    for verb in ("map", "ls", "table"):
        done = run(verb, source, "--rules", tmp_path / "a.map", "--view", view, check=False)
        assert done.returncode == 2 and said in done.stderr, (verb, done.stderr)


# ---- whose names a source has ------------------------------------------------------------------------

META = {"tok_embeddings.weight": (12, 8), "norm.weight": (8,), "output.weight": (12, 8),
        "layers.0.attention_norm.weight": (8,), "layers.0.ffn_norm.weight": (8,),
        "layers.0.attention.wq.weight": (8, 8), "layers.0.attention.wk.weight": (4, 8),
        "layers.0.attention.wv.weight": (4, 8), "layers.0.attention.wo.weight": (8, 8),
        "layers.0.feed_forward.w1.weight": (6, 8), "layers.0.feed_forward.w2.weight": (8, 6),
        "layers.0.feed_forward.w3.weight": (6, 8)}


def names_alone(tmp_path, names):
    """A checkpoint whose metadata say nothing."""
    tensors = {name: np.arange(np.prod(shape), dtype="f4").reshape(shape) for name, shape in names.items()}
    return write_safetensors(tmp_path / "names.safetensors", tensors, {}), tensors


@pytest.mark.parametrize("names", [
    {"tok_embeddings.weight": (5, 4), "norm.scale": (4,), "layers.0.attn.q_proj.weight": (6, 4), "output.weight": (5, 4)},
    {"token_embd.weight": (5, 4), "blocks.0.fc.weight": (3, 4)},
    {"tok_embeddings.weight": (5, 4), "layers.0.attention.wqkv.weight": (12, 4), "norm.weight": (4,)},
    {"_orig_mod.token_embd.weight": (5, 4), "_orig_mod.output_norm.weight": (4,), "_orig_mod.head.weight": (5, 4)}])
def test_map__one_name_of_a_convention_tells_nothing(tmp_path, names):
    source, tensors = names_alone(tmp_path, names)
    got = shown(source, "torch", "--view", "torch")
    assert got.keys() == {name.removeprefix("_orig_mod.") for name in names}
    for name, array in tensors.items():
        assert np.array_equal(got[name.removeprefix("_orig_mod.")], array)
    matrix = next(n for n in names if n.count(".") > 2 or "head" in n)
    kernel = shown(source, "flax", "--view", "flax")
    assert np.array_equal(kernel[matrix.removeprefix("_orig_mod.").replace("weight", "kernel")], tensors[matrix].T)


@pytest.mark.parametrize("above", ["", "model.", "_orig_mod.", "module.", "module._orig_mod.", "model._orig_mod."])
def test_map__metas_names_are_known_below_wrappers(tmp_path, above):
    source, tensors = names_alone(tmp_path, {above + name: shape for name, shape in META.items()})
    got = shown(source, "hf", "--view", "torch", "--view", "hf=~meta-llama", "-o", "set=heads=2")
    flax = shown(source, "flax", "--view", "flax", "-o", "set=heads=2")
    q = tensors[above + "layers.0.attention.wq.weight"].reshape(2, 2, 2, 8).swapaxes(1, 2).reshape(8, 8)
    k = tensors[above + "layers.0.attention.wk.weight"].reshape(1, 2, 2, 8).swapaxes(1, 2).reshape(4, 8)
    for name, want in [("q_proj", q), ("k_proj", k), ("v_proj", tensors[above + "layers.0.attention.wv.weight"])]:
        assert np.array_equal(got[f"model.layers.0.self_attn.{name}.weight"], want), name
        assert np.array_equal(flax[f"model.layers.0.self_attn.{name}.kernel"], want.T), name


def test_map__most_of_a_conventions_names_are_enough(tmp_path):
    rest = {name: shape for name, shape in META.items() if name != "output.weight" and "w3" not in name}
    source, _ = names_alone(tmp_path, rest | {"layers.0.feed_forward.gate.weight": (2, 8)})
    done = run("map", source, "--view", "flax", "-o", "set=heads=2", check=False)
    assert "(~meta-llama+flax)" in done.stdout


# ---- the level of Flax's collections -------------------------------------------------------------------

@pytest.mark.parametrize("names", [
    {"fc.weight": (3, 2), "fc.bias": (3,)},
    {"embed.weight": (5, 4), "norm.weight": (4,), "norm.bias": (4,)},
    {"conv.weight": (3, 2, 1, 5), "conv.bias": (3,), "head.weight": (2, 3)},
    {"fc.weight": (3, 2), "bn.weight": (3,), "bn.bias": (3,), "bn.running_mean": (3,), "bn.running_var": (3,)}])
def test_map__linen_always_has_the_params_level(tmp_path, names):
    source, _ = toy(tmp_path, **names)
    keys = set(shown(source, "linen", "--view", "linen"))
    statistics = {f"batch_stats.{n}" for n in ("bn.mean", "bn.var") if "bn.weight" in names}
    assert all(k.startswith("params.") for k in keys - statistics) and statistics <= keys and keys - statistics
    assert set(json.loads(run("cat", source, "info/views/linen.keys.json", "--view", "linen").stdout)) == keys
    rows = run("cat", source, "info/views/linen.tsv", "--view", "linen").stdout.splitlines()[1:]
    assert {row.split("\t")[0] for row in rows} == keys
    # Hugging Face's loaders want the tree alone.
    if not statistics:
        assert not any(k.startswith("params.") for k in shown(source, "flax", "--view", "flax"))


@pytest.mark.parametrize("names", [
    {"Dense_0.kernel": (2, 3), "Dense_0.bias": (3,)},
    {"embed.embedding": (5, 4), "norm.scale": (4,), "norm.bias": (4,)},
    {"Conv_0.kernel": (1, 5, 2, 3), "Dense_0.kernel": (3, 2)}])
def test_map__names_of_linen_are_read_with_params_and_without(tmp_path, names):
    both = []
    for level in ("", "params."):
        source, _ = names_alone(tmp_path, {level + name: shape for name, shape in names.items()})
        both.append(shown(source, "torch", "--view", "torch"))
    assert both[0].keys() == both[1].keys() and all(k.startswith(n.split(".")[0]) for k, n in zip(sorted(both[0]), sorted(names)))
    assert all(np.array_equal(both[0][k], both[1][k]) for k in both[0])


def test_map__a_config_may_hold_what_python_writes_for_infinity(tmp_path):
    """Mamba-2's and Falcon-H1's config.json has time_step_limit: [0.0, Infinity]."""
    write_safetensors(tmp_path / "model.safetensors", {"fc.weight": np.zeros((2, 3), "float32"),
                                                       "fc.bias": np.zeros(2, "float32")})
    config = tmp_path / "config.json"
    config.write_text('{"limit": [-Infinity, Infinity, NaN], "text": "an \\" Infinity", "model_type": "mamba2"}')
    got = run("map", tmp_path, "--view", "linen", "--json").stdout
    assert json.loads(got)["counts"]["mapped"] == 2
    config.write_text('{"limit": Infinit}')
    assert "config.json:1:17: no JSON" in run("map", tmp_path, "--view", "linen", check=False).stderr


# ---- values of a model's parts -------------------------------------------------------------------------

def attention(tmp_path, config, *modules, width=24):
    """nn.MultiheadAttention's tensors below each module, and a dense layer beside them."""
    names = {f"{m}.{n}": s for m in modules for n, s in
             [("in_proj_weight", (3 * width, width)), ("in_proj_bias", (3 * width,)),
              ("out_proj.weight", (width, width)), ("out_proj.bias", (width,))]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return toy(tmp_path, **names, **{"fc.weight": (3, 2)})


SIGLIP = {"model_type": "siglip", "text_config": {"num_attention_heads": 4}, "vision_config": {"num_attention_heads": 4}}
GEMMA = {"model_type": "gemma3", "text_config": {"num_attention_heads": 8}, "vision_config": {"num_attention_heads": 12}}
OMNI = {"model_type": "omni", "num_attention_heads": 2,
        "thinker_config": {"audio_config": {"num_attention_heads": 3}, "text_config": {"num_attention_heads": 6}}}
SIDES = {"model_type": "sides", "encoder": {"model_type": "a", "num_heads": 4}, "decoder": {"model_type": "b", "num_heads": 6}}
LLM = {"model_type": "vl", "llm_config": {"n_head": 6}, "quantization_config": {"n_head": 5}}


@pytest.mark.parametrize("config, module, heads", [
    (SIGLIP, "vision_model.head.attention", 4), (SIGLIP, "head.attention", 4),
    (GEMMA, "model.vision_tower.head.attention", 12), (GEMMA, "text.pool", 8),
    (OMNI, "thinker.audio_tower.pool", 3), (OMNI, "pool.attention", 2),
    (SIDES, "model.encoder.attn", 4), (SIDES, "model.decoder.attn", 6), (LLM, "pool", 6)])
def test_map__a_parts_config_has_the_value(tmp_path, config, module, heads):
    source, tensors = attention(tmp_path, config, module)
    got = shown(source, "linen", "--view", "linen")
    query = tensors[f"{module}.in_proj_weight"][:24].T.reshape(24, heads, 24 // heads)
    assert np.array_equal(got[f"params.{module}.query.kernel"], query)
    out = tensors[f"{module}.out_proj.weight"].T.reshape(heads, 24 // heads, 24)
    assert np.array_equal(got[f"params.{module}.out.kernel"], out)


@pytest.mark.parametrize("config, known, unknown", [
    (GEMMA, {"vision_tower.attn": 12}, "projector.cross_attn"),
    (SIDES, {"encoder.attn": 4, "decoder.attn": 6}, "pooler.attn"),
    ({"model_type": "x"}, {}, "attn")])
@pytest.mark.parametrize("view", ["linen", "keras"])
def test_map__a_module_whose_value_is_not_known_is_kept(tmp_path, config, known, unknown, view):
    source, tensors = attention(tmp_path, config, *known, unknown)
    done = run("map", source, "--view", view, "--json", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    kept = {t["target"] for t in report["targets"] if t["status"] == "unexpected"}
    names = [f"{unknown}.{n}" for n in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")]
    assert {k.replace("/", ".") for k in kept} == set(names)
    assert run("map", source, "--view", view, check=False).stdout.count("the value 'heads' is needed") == 4
    if view == "linen":
        got = shown(source, view, "--view", view)
        assert all(np.array_equal(got[n], tensors[n]) for n in names)
        assert np.array_equal(got["params.fc.kernel"], tensors["fc.weight"].T)
        for module, heads in known.items():
            query = tensors[f"{module}.in_proj_weight"][:24].T.reshape(24, heads, 24 // heads)
            assert np.array_equal(got[f"params.{module}.query.kernel"], query)
    assert run("ls", source, "--view", view, "--strict", check=False).returncode == 1


def test_map__rules_of_ones_own_that_fail_are_an_error(tmp_path):
    source, _ = toy(tmp_path, **{"a.w": (2, 3), "b.w": (4, 3)})
    (tmp_path / "own.map").write_text("{x}.w -> {x}.k : reshape(3, 2)\n")
    done = run("map", source, "--rules", tmp_path / "own.map", check=False)
    assert done.returncode == 2 and "b.w: " in done.stderr and "own.map:1:" in done.stderr


@pytest.mark.parametrize("op, said", [
    ("scale(n)", "scale(12345678901)"), ("add(n / 2)", "add(6172839450)"), ("reshape(n - 12345678898, -1)", "reshape(3, -1)")])
def test_map__sizes_are_told_to_the_last_digit(tmp_path, op, said):
    source, _ = toy(tmp_path, **{"a.w": (2, 3)})
    (tmp_path / "own.map").write_text(f"let n = 12345678901\n{{x}}.w -> {{x}}.k : {op}\n")
    report = json.loads(run("map", source, "--rules", tmp_path / "own.map", "--json", check=False).stdout)
    assert [t["operations"] for t in report["targets"]] == [said]
