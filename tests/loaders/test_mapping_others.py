"""KeyMapper, Caten, xlstm-jax, GGUF and Meta's Llama: names and values, consequence by consequence;
invertible sets there and back on real state dicts; a rule file for needs nobody compiled in."""
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import run


def checkpoint(path, **tensors):
    """Names with dots as keywords' values: checkpoint(p, **{"a.weight": (2, 3)})."""
    rng = np.random.default_rng(0)
    arrays = {k: rng.standard_normal(v).astype("float32") if isinstance(v, tuple) else v
              for k, v in tensors.items()}
    save_file(arrays, path, metadata={"format": "pt"})
    return arrays


def view(source, name, out, *options, check=True):
    args = [a for o in options for a in ("-o", o)]
    done = run("cp", "--view", name, *args, source, f"{name}/model.safetensors", out, check=check)
    return load_file(out) if check else done


def report(source, name, *options):
    args = [a for o in options for a in ("-o", o)]
    got = json.loads(run("map", "--view", name, *args, "--json", source, check=False).stdout)
    return got[0] if isinstance(got, list) else got


# ---- KeyMapper --------------------------------------------------------------------------------

def map_name(name):
    """ml-switcheroo's rule, in the words of facts: three steps."""
    name = name.replace("weight", "kernel").replace("running_mean", "mean")
    name = name.replace("running_var", "var")
    if "bn" in name or "norm" in name:
        name = name.replace("kernel", "scale")
    parts = []
    for part in name.split("."):
        if part.isdigit() and parts:
            parts[-1] += "_" + part
        else:
            parts.append(part)
    return ".".join(parts)


def map_value(name, value):
    if "weight" in name or "kernel" in name:
        if value.ndim == 2:
            return value.T
        if value.ndim == 4:
            return value.transpose(2, 3, 1, 0)
    return value


KEYMAPPER = {
    "0.weight": ("0.kernel", (2, 3)),
    "a.0.1.weight": ("a_0_1.kernel", (2, 3)),
    "LayerNorm.weight": ("LayerNorm.kernel", (3,)),
    "subnet.weight": ("subnet.scale", (2, 3)),
    "x.in_proj_weight": ("x.in_proj_kernel", (6, 2)),
    "bn1.weight": ("bn1.scale", (4,)),
    "bn1.running_mean": ("bn1.mean", (4,)),
    "bn1.running_var": ("bn1.var", (4,)),
    "bn1.bias": ("bn1.bias", (4,)),
    "conv.weight": ("conv.kernel", (4, 3, 2, 2)),
    "conv1d.weight": ("conv1d.kernel", (4, 3, 2)),
    "emb.weight": ("emb.kernel", (5, 2)),
    "layer_norm.conv.weight": ("layer_norm.conv.scale", (4, 3, 2, 2)),
    "table": ("table", (2, 3)),
    "w.kernel": ("w.kernel", (2, 3)),
    "layers.10.2": ("layers_10_2", (2, 3)),
}


def test_mapping_keymapper__every_consequence(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **{k: v[1] for k, v in KEYMAPPER.items()})
    got = view(tmp_path / "m.safetensors", "keymapper", tmp_path / "out")
    assert set(got) == {v[0] for v in KEYMAPPER.values()} - {"w.kernel"} | {"w.kernel"}
    for name, (target, _) in KEYMAPPER.items():
        assert map_name(name) == target
        assert np.array_equal(got[target], map_value(name, arrays[name])), name


def test_mapping_keymapper__keeps_64_bit_types(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **{
        "a.weight": np.arange(6, dtype="float64").reshape(2, 3), "n": np.arange(3)})
    got = view(tmp_path / "m.safetensors", "keymapper", tmp_path / "out")
    assert got["a.kernel"].dtype == np.float64 and got["n"].dtype == np.int64
    assert np.array_equal(got["a.kernel"], arrays["a.weight"].T)


# ---- Caten ------------------------------------------------------------------------------------

def test_mapping_caten__gpt2(tmp_path):
    n = 8
    arrays = checkpoint(tmp_path / "m.safetensors", **{
        "transformer.wte.weight": (11, n), "transformer.wpe.weight": (5, n),
        "transformer.h.0.ln_1.weight": (n,), "transformer.h.0.ln_1.bias": (n,),
        "transformer.h.0.attn.c_attn.weight": (n, 3 * n), "transformer.h.0.attn.c_attn.bias": (3 * n,),
        "transformer.h.0.attn.c_proj.weight": (n, n), "transformer.h.0.mlp.c_fc.weight": (n, 4 * n),
        "transformer.h.0.mlp.c_proj.weight": (4 * n, n), "transformer.ln_f.weight": (n,)})
    got = view(tmp_path / "m.safetensors", "caten", tmp_path / "out")
    assert {k: v.shape for k, v in got.items()} == {
        "wte.weight": (11, n), "wpe.weight": (5, n), "h.0.ln_1.affine": (n,), "h.0.ln_1.bias": (n,),
        "h.0.attn.c_attn.weight": (3 * n, n), "h.0.attn.c_attn.bias": (3 * n,),
        "h.0.attn.c_proj.weight": (n, n), "h.0.mlp.c_fc.weight": (4 * n, n),
        "h.0.mlp.c_proj.weight": (n, 4 * n), "ln_f.affine": (n,)}
    assert np.array_equal(got["h.0.attn.c_proj.weight"],
                          arrays["transformer.h.0.attn.c_proj.weight"].T)
    # Caten's own file, also where nothing but its names tells: not again.
    save_file(got, tmp_path / "own.safetensors")
    again = view(tmp_path / "own.safetensors", "caten", tmp_path / "again")
    assert all(np.array_equal(got[k], again[k]) for k in got)


def test_mapping_caten__lower_case_and_dashes(tmp_path):
    checkpoint(tmp_path / "m.safetensors", **{"Block-A.0.Lin.weight": (2, 3), "Block-A.0.N.weight": (3,)})
    got = view(tmp_path / "m.safetensors", "caten", tmp_path / "out")
    assert {k: v.shape for k, v in got.items()} == {"block_a.0.lin.weight": (2, 3),
                                                   "block_a.0.n.affine": (3,)}


# ---- xlstm -------------------------------------------------------------------------------------

MATCH = {
    "lm_head.out_dense.kernel": "lm_head.weight", "embedding": "embedding.weight",
    ".ffn_norm.sharded.scale": ".norm_ffn.weight",
    ".xlstm.dense_q.Dense_0.kernel": "mlstm_layer.q.weight",
    ".xlstm.igate.Dense_0.kernel": "mlstm_layer.igate_preact.weight",
    ".xlstm.igate.Dense_0.bias": "mlstm_layer.igate_preact.bias",
    ".xlstm.outnorm.sharded.scale": "mlstm_layer.multihead_norm.weight",
}
TRANSFORMS = {"transpose": ["lm_head.weight", "q.weight", "igate_preact.weight"],
              "squeeze": ["embedding.weight"], "squeeze-0": ["norm_ffn.weight"],
              "flatten": ["multihead_norm.weight"]}


def mlstm(tmp_path, blocks=3):
    """A small stacked mLSTM checkpoint, its target and the option strings."""
    arrays = checkpoint(tmp_path / "jax.safetensors", **{
        "token.embedding": (1, 7, 4), "lm_head.out_dense.kernel": (4, 7),
        "xlstm_block.blocks.ffn_norm.sharded.scale": (blocks, 1, 4),
        "xlstm_block.blocks.xlstm.dense_q.Dense_0.kernel": (blocks, 4, 6),
        "xlstm_block.blocks.xlstm.igate.Dense_0.kernel": (blocks, 4, 2),
        "xlstm_block.blocks.xlstm.igate.Dense_0.bias": (blocks, 2),
        "xlstm_block.blocks.xlstm.outnorm.sharded.scale": (blocks, 2, 3)})
    shapes = {"embedding.weight": [7, 4], "lm_head.weight": [7, 4]}
    for i in range(blocks):
        b = f"backbone.blocks.{i}."
        shapes |= {b + "norm_ffn.weight": [4], b + "mlstm_layer.q.weight": [6, 4],
                   b + "mlstm_layer.igate_preact.weight": [2, 4],
                   b + "mlstm_layer.igate_preact.bias": [2],
                   b + "mlstm_layer.multihead_norm.weight": [6]}
    options = []
    for name, value in (("match", MATCH), ("transforms", TRANSFORMS), ("template", shapes)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
        options.append(f"{name}={tmp_path / name}.json")
    return arrays, shapes, options + ["blocks=blocks"]


def test_mapping_xlstm__a_whole_small_checkpoint(tmp_path):
    arrays, shapes, options = mlstm(tmp_path)
    got = view(tmp_path / "jax.safetensors", "xlstm", tmp_path / "out", *options)
    assert {k: list(v.shape) for k, v in got.items()} == shapes
    assert np.array_equal(got["lm_head.weight"], arrays["lm_head.out_dense.kernel"].T)
    assert np.array_equal(got["embedding.weight"], arrays["token.embedding"][0])
    jax = "xlstm_block.blocks."
    for i in range(3):
        b = f"backbone.blocks.{i}."
        q = arrays[jax + "xlstm.dense_q.Dense_0.kernel"][i]
        assert np.array_equal(got[b + "mlstm_layer.q.weight"], q.T)
        norm = arrays[jax + "xlstm.outnorm.sharded.scale"][i]
        assert np.array_equal(got[b + "mlstm_layer.multihead_norm.weight"], norm.ravel())


def changed(tmp_path, options, **changes):
    """The options with one JSON file replaced."""
    out = []
    for option in options:
        key, value = option.split("=", 1)
        if key in changes:
            (tmp_path / "changed.json").write_text(json.dumps(changes[key]))
            option = f"{key}={tmp_path / 'changed.json'}"
        out.append(option)
    return out


@pytest.mark.parametrize("what, changes, message", [
    ("several", {"match": MATCH | {".igate.": "x"}}, "several keys of the match dictionary are in"),
    ("none", {"match": {"embedding": "embedding.weight"}}, "no key of the match dictionary is in"),
    ("no target", {"match": MATCH | {"embedding": "nowhere"}}, "no target key with the same indices"),
    ("rank", {"transforms": {"transpose": ["igate_preact.bias"]}}, "transpose is for 2 axes, not 1"),
    ("zero", {"transforms": {"flatten": ["nosuch"]}}, "no target key contains 'nosuch'"),
    ("unknown", {"transforms": {"rotate": ["q.weight"]}}, "'rotate': expected transpose"),
])
def test_mapping_xlstm__errors(tmp_path, what, changes, message):
    _, _, options = mlstm(tmp_path)
    done = view(tmp_path / "jax.safetensors", "xlstm", tmp_path / "out",
                *changed(tmp_path, options, **changes), check=False)
    assert done.returncode != 0 and message in done.stderr, done.stderr


def test_mapping_xlstm__unmapped_target(tmp_path):
    _, shapes, options = mlstm(tmp_path)
    more = shapes | {"extra.weight": [2]}
    done = view(tmp_path / "jax.safetensors", "xlstm", tmp_path / "out",
                *changed(tmp_path, options, template=more), check=False)
    assert done.returncode != 0 and "no source key maps to the target extra.weight" in done.stderr
    values = {k: np.full(v, 7, "float32") for k, v in more.items()}
    save_file(values, tmp_path / "target.safetensors")
    options = [o for o in options if not o.startswith("template")]
    got = view(tmp_path / "jax.safetensors", "xlstm", tmp_path / "out", *options,
               f"template={tmp_path / 'target.safetensors'}", "unmapped=keep")
    assert np.array_equal(got["extra.weight"], [7, 7])


def test_mapping_xlstm__first_candidate_with_the_same_end(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **{"layers.0.1.w": (2,), "a.b.bias": (3,)})
    for name, value in (("match", {"layers": "L", "a.b": "x"}),
                        ("template", {"L.0.q.w": [2], "x.weight": [1], "x.bias": [3]})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    done = view(tmp_path / "m.safetensors", "xlstm", tmp_path / "out",
                f"match={tmp_path}/match.json", f"template={tmp_path}/template.json", check=False)
    assert "no source key maps to the target x.weight" in done.stderr  # w and bias were found
    (tmp_path / "template.json").write_text(json.dumps({"L.0.q.w": [2], "x.bias": [3]}))
    got = view(tmp_path / "m.safetensors", "xlstm", tmp_path / "out",
               f"match={tmp_path}/match.json", f"template={tmp_path}/template.json")
    assert np.array_equal(got["L.0.q.w"], arrays["layers.0.1.w"])


def test_mapping_xlstm__full_mapping(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **{"a": (2, 3), "b": (3,)})
    (tmp_path / "keys.json").write_text(json.dumps({"a": "x.y"}))
    got = view(tmp_path / "m.safetensors", "xlstm", tmp_path / "out", f"keys={tmp_path}/keys.json")
    assert set(got) == {"x.y"} and np.array_equal(got["x.y"], arrays["a"])
    (tmp_path / "keys.json").write_text(json.dumps({"c": "x"}))
    done = view(tmp_path / "m.safetensors", "xlstm", tmp_path / "out",
                f"keys={tmp_path}/keys.json", check=False)
    assert "the source has no c" in done.stderr


# ---- invertible sets, on real state dicts ---------------------------------------------------------

def real(tmp_path, kind, name=None, **changes):
    transformers = pytest.importorskip("transformers")
    import flax_zoo
    name = name or {"llama": "LlamaForCausalLM", "gpt2": "GPT2LMHeadModel", "bert": "BertModel"}[kind]
    model = flax_zoo.randomise(getattr(transformers, name)(flax_zoo.make_config(kind, **changes)))
    model.save_pretrained(tmp_path / "a")
    return tmp_path / "a"


def there_and_back(tmp_path, source, view_name, *options):
    """A -> B -> A: (what came back, what it was, the report of the way back)."""
    there = view(source, view_name, tmp_path / "b.safetensors")
    back_dir = tmp_path / "b"
    back_dir.mkdir()
    (back_dir / "config.json").write_text((source / "config.json").read_text())
    save_file(there, back_dir / "model.safetensors", metadata={"format": f"weightfs-{view_name}"})
    back = view(back_dir, f"~{view_name}", tmp_path / "c.safetensors", *options)
    said = report(back_dir, f"~{view_name}", *options)
    assert said["counts"]["ambiguous"] == 0
    return back, load_file(source / "model.safetensors"), said


BOTH_WAYS = [("gguf", "llama", None, {}), ("gguf", "llama", None, dict(num_hidden_layers=11)),
             ("gguf", "llama", None, dict(attention_bias=True, mlp_bias=True)),
             ("gguf", "llama", None, dict(tie_word_embeddings=True)), ("gguf", "gpt2", None, {}),
             ("gguf", "mistral", "MistralForCausalLM", {}), ("meta-llama", "llama", None, {}),
             ("meta-llama", "llama", None, dict(num_hidden_layers=11, attention_bias=True))]


@pytest.mark.parametrize("view_name, kind, name, changes", BOTH_WAYS)
def test_mapping__there_and_back(tmp_path, view_name, kind, name, changes):
    back, want, _ = there_and_back(tmp_path, real(tmp_path, kind, name, **changes), view_name)
    assert set(back) == set(want)
    assert all(np.array_equal(back[k], want[k]) for k in back)


# Other names than the set gives back: it says so, and a template mends them.
OTHER_NAMES = [("gguf", "gpt2", "GPT2Model", "transformer."), ("gguf", "llama", "LlamaModel", "model."),
               ("meta-llama", "llama", "LlamaModel", "model.")]


@pytest.mark.parametrize("view_name, kind, name, prefix", OTHER_NAMES)
def test_mapping__back_under_canonical_names(tmp_path, view_name, kind, name, prefix):
    back, want, said = there_and_back(tmp_path, real(tmp_path, kind, name), view_name)
    assert set(back) == {prefix + k for k in want}
    assert all(np.array_equal(back[prefix + k], want[k]) for k in want)
    assert any(e["status"] == "note" and "comes back as " + prefix in e["text"] for e in said["report"])


@pytest.mark.parametrize("view_name, kind, name", [o[:3] for o in OTHER_NAMES])
def test_mapping__back_under_a_templates_names(tmp_path, view_name, kind, name):
    source = real(tmp_path, kind, name)
    back, want, said = there_and_back(tmp_path, source, view_name,
                                      f"template={source / 'model.safetensors'}")
    assert set(back) == set(want) and said["clean"]
    assert all(np.array_equal(back[k], want[k]) for k in want)


def test_mapping_gguf__berts_masked_head_does_not_come_back(tmp_path):
    """The converter leaves it out, and so does the view, which says so."""
    source = real(tmp_path, "bert", "BertForMaskedLM")
    back, want, said = there_and_back(tmp_path, source, "gguf", f"template={source / 'model.safetensors'}")
    head = {k for k in want if k.startswith("cls.predictions.")}
    assert head and set(back) == set(want) - head
    assert all(np.array_equal(back[k], want[k]) for k in back)
    assert head <= {e["subject"] for e in said["report"] if e["status"] == "missing"}


def test_mapping_gguf__berts_pooler_does_not_come_back(tmp_path):
    source = real(tmp_path, "bert")
    back, want, said = there_and_back(tmp_path, source, "gguf")
    pooler = {k for k in want if k.startswith("pooler.")}
    assert pooler and set(back) == set(want) - pooler
    assert all(np.array_equal(back[k], want[k]) for k in back)
    assert any("pooler.dense.{w:weight|bias} does not come back" in e["text"] for e in said["report"])
    said = report(tmp_path / "b", "~gguf", f"template={source / 'model.safetensors'}")
    assert {e["subject"] for e in said["report"] if e["status"] == "missing"} == pooler


@pytest.mark.parametrize("view_name, kind, name, model", [
    ("gguf", "llama", "LlamaForCausalLM", ("HeliumForCausalLM", "helium")),
    ("gguf", "qwen2", "Qwen2ForCausalLM", ("Qwen9ForCausalLM", "qwen9")),
    ("gguf", "bert", "BertModel", ("ErnieModel", "ernie")),
    ("meta-llama", "qwen2", "Qwen2ForCausalLM", None)])
def test_mapping__the_same_names_of_another_model_are_refused(tmp_path, view_name, kind, name, model):
    source = real(tmp_path, kind, name)
    if model:
        config = json.loads((source / "config.json").read_text())
        config["architectures"], config["model_type"] = [model[0]], model[1]
        (source / "config.json").write_text(json.dumps(config))
    done = view(source, view_name, tmp_path / "b", check=False)
    assert done.returncode != 0 and f"{view_name}.map:" in done.stderr


def test_mapping_gguf__names_alone_are_a_doubt(tmp_path):
    source = real(tmp_path, "llama")
    (source / "config.json").unlink()
    done = run("map", "--view", "gguf", "-o", "set=num_attention_heads=4", source, check=False)
    assert "1 ambiguous" in done.stdout and "-o set=model_type=llama would tell" in done.stdout
    assert "ambiguous" not in run("map", "--view", "gguf", "-o", "set=num_attention_heads=4,set=model_type=llama",
                                  source).stdout


def test_mapping_gguf__names_and_rope_order(tmp_path):
    got = view(real(tmp_path, "llama"), "gguf", tmp_path / "b")
    want = load_file(tmp_path / "a" / "model.safetensors")
    q = want["model.layers.1.self_attn.q_proj.weight"]
    heads, width = 4, q.shape[0] // 4
    meta = q.reshape(heads, 2, width // 2, -1).swapaxes(1, 2).reshape(q.shape)
    assert np.array_equal(got["blk.1.attn_q.weight"], meta)
    assert {"token_embd.weight", "blk.0.ffn_gate.weight", "output_norm.weight"} <= set(got)


# q has 4 heads, k and v have 2; no config.json says so.
GROUPED = {"model.embed_tokens.weight": (11, 32), "model.norm.weight": (32,),
           "model.layers.0.self_attn.q_proj.weight": (32, 32), "model.layers.0.self_attn.k_proj.weight": (16, 32),
           "model.layers.0.self_attn.v_proj.weight": (16, 32), "model.layers.0.mlp.gate_proj.weight": (48, 32)}


def interleaved(rows, heads):
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


@pytest.mark.parametrize("view_name, k_name", [("gguf", "blk.0.attn_k.weight"),
                                               ("meta-llama", "layers.0.attention.wk.weight")])
def test_mapping__heads_of_k_by_its_rows(tmp_path, view_name, k_name):
    arrays = checkpoint(tmp_path / "m.safetensors", **GROUPED)
    k = arrays["model.layers.0.self_attn.k_proj.weight"]
    llama = "set=model_type=llama"
    got = view(tmp_path / "m.safetensors", view_name, tmp_path / "out", llama, "set=heads=4")
    assert np.array_equal(got[k_name], interleaved(k, 2))
    wrong = view(tmp_path / "m.safetensors", view_name, tmp_path / "out", llama, "set=heads=4", "set=kv_heads=4",
                 check=False)
    assert wrong.returncode == 2 and "do not fit the rows of q and k" in wrong.stderr
    unknown = view(tmp_path / "m.safetensors", view_name, tmp_path / "out", llama, check=False)
    assert unknown.returncode == 2 and "set=heads=N" in unknown.stderr


def test_mapping_meta_llama__heads_of_k_on_the_way_back(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **GROUPED)
    save_file(view(tmp_path / "m.safetensors", "meta-llama", tmp_path / "out", "set=heads=4"),
              tmp_path / "meta.safetensors")
    back = view(tmp_path / "meta.safetensors", "~meta-llama", tmp_path / "back", "set=n_heads=4")
    assert set(back) == set(arrays) and all(np.array_equal(back[k], arrays[k]) for k in arrays)
    wrong = view(tmp_path / "meta.safetensors", "~meta-llama", tmp_path / "back", "set=n_heads=4",
                 "set=n_kv_heads=1", check=False)
    assert wrong.returncode == 2 and "do not fit the rows of q and k" in wrong.stderr


# ---- needs that nobody compiled in ------------------------------------------------------------------

EXOTIC = """
set exotic
invertible
let heads = config.num_attention_heads
let kv = config.num_key_value_heads
let group = heads / kv
# MaxText: scanned layers on axis 1.
decoder.{l:#}.mlp.wi.weight -> decoder.layers.mlp.wi.kernel : transpose stack(l, 1)
# GPT-NeoX: q, k, v of each head together.
neox.{l:#}.query_key_value.weight : reshape(heads, 3, -1, 8; -1, 8) split(1)
    -> blk.{l}.q : reshape(-1, 8; heads, 1, -1, 8) & blk.{l}.k : reshape(-1, 8; heads, 1, -1, 8)
     & blk.{l}.v : reshape(-1, 8; heads, 1, -1, 8)
# Grouped queries: for each kv head its queries, then k and v.
gqa.wqkv.weight : reshape(kv, group + 2, -1, 8; -1, 8) split(1, group, 1, 1)
    -> gqa.wq : reshape(-1, 8; kv, group, -1, 8) & gqa.wk : reshape(-1, 8; kv, 1, -1, 8)
     & gqa.wv : reshape(-1, 8; kv, 1, -1, 8)
# Mixture of experts.
moe.experts.{e:#}.w{n:1-3}.weight -> moe.w{n} : transpose stack(e, 0)
# LoRA adapters.
base_model.model.{p:+}.lora_{k:A|B}.weight -> {p}.lora_{k}
"""


def exotic(tmp_path):
    heads, kv, d = 4, 2, 6
    tensors = {f"decoder.{i}.mlp.wi.weight": (5, 8) for i in range(3)}
    tensors |= {f"neox.{i}.query_key_value.weight": (heads * 3 * d, 8) for i in range(2)}
    tensors |= {"gqa.wqkv.weight": ((heads + 2 * kv) * d, 8)}
    tensors |= {f"moe.experts.{e}.w{n}.weight": (4, 8) for e in range(3) for n in (1, 2, 3)}
    tensors |= {"base_model.model.layers.0.q.lora_A.weight": (2, 8)}
    arrays = checkpoint(tmp_path / "m.safetensors", **tensors)
    (tmp_path / "exotic.map").write_text(EXOTIC)
    options = (f"rules={tmp_path / 'exotic.map'}", f"set=config.num_attention_heads={heads}",
               f"set=heads={heads}", f"set=kv={kv}")
    return arrays, options, (heads, kv, d)


def test_mapping_rules__exotic_needs(tmp_path):
    arrays, options, (heads, kv, d) = exotic(tmp_path)
    got = view(tmp_path / "m.safetensors", "exotic", tmp_path / "out", *options)
    stacked = np.stack([arrays[f"decoder.{i}.mlp.wi.weight"].T for i in range(3)], 1)
    assert np.array_equal(got["decoder.layers.mlp.wi.kernel"], stacked)
    fused = arrays["neox.1.query_key_value.weight"].reshape(heads, 3, d, 8)
    for i, name in enumerate("qkv"):
        assert np.array_equal(got[f"blk.1.{name}"], fused[:, i].reshape(-1, 8))
    grouped = arrays["gqa.wqkv.weight"].reshape(kv, heads // kv + 2, d, 8)
    assert np.array_equal(got["gqa.wq"], grouped[:, :-2].reshape(-1, 8))
    assert np.array_equal(got["gqa.wk"], grouped[:, -2].reshape(-1, 8))
    assert np.array_equal(got["gqa.wv"], grouped[:, -1].reshape(-1, 8))
    experts = np.stack([arrays[f"moe.experts.{e}.w2.weight"].T for e in range(3)])
    assert np.array_equal(got["moe.w2"], experts)
    assert "layers.0.q.lora_A" in got


def test_mapping_rules__exotic_needs_and_back(tmp_path):
    arrays, options, _ = exotic(tmp_path)
    there = view(tmp_path / "m.safetensors", "exotic", tmp_path / "there.safetensors", *options)
    save_file(there, tmp_path / "there.safetensors")
    back = view(tmp_path / "there.safetensors", "~exotic", tmp_path / "back", *options)
    assert set(back) == set(arrays)
    assert all(np.array_equal(back[k], arrays[k]) for k in arrays)


TEN_LINES = """
set mymodel
let heads = config.num_heads                       # or -o set=heads=16

tok.weight                          -> embed.embedding
blocks.{l:#}.norm{n:#}.weight       -> layer_{l}.norm{n}.scale
blocks.{l:#}.attn.{k:q|k|v}.weight  -> layer_{l}.attn.{k}.kernel : transpose reshape(shape[0], heads, -1)
blocks.{l:#}.{x}.weight             -> layer_{l}.{x}.kernel : transpose if rank == 2
blocks.{l:#}.{x}.bias               -> layer_{l}.{x}.bias
head.weight                         -> head.kernel : transpose
drop {p:*}.num_batches_tracked
"""


def test_mapping_rules__the_readmes_ten_lines(tmp_path):
    arrays = checkpoint(tmp_path / "m.safetensors", **{
        "tok.weight": (7, 4), "blocks.0.norm1.weight": (4,), "blocks.0.attn.q.weight": (8, 4),
        "blocks.0.fc.weight": (6, 4), "blocks.0.fc.bias": (6,), "head.weight": (7, 4),
        "bn.num_batches_tracked": np.array(3)})
    (tmp_path / "mymodel.map").write_text(TEN_LINES)
    options = (f"rules={tmp_path / 'mymodel.map'}", "set=heads=2")
    got = view(tmp_path / "m.safetensors", "mymodel", tmp_path / "out", *options)
    assert {k: v.shape for k, v in got.items()} == {
        "embed.embedding": (7, 4), "layer_0.norm1.scale": (4,), "layer_0.attn.q.kernel": (4, 2, 4),
        "layer_0.fc.kernel": (4, 6), "layer_0.fc.bias": (6,), "head.kernel": (4, 7)}
    q = arrays["blocks.0.attn.q.weight"].T.reshape(4, 2, 4)
    assert np.array_equal(got["layer_0.attn.q.kernel"], q)
    assert report(tmp_path / "m.safetensors", "mymodel", *options)["clean"]
