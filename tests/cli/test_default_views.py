"""What is shown where no view is named, and by which way a source's names lead there."""
import json
import os
import pty
import struct

import numpy as np
import pytest

from conftest import BIN, run
from helpers import small_bert, write_safetensors

F32, F16, Q8_0 = 0, 1, 8


def ones(*shape):
    return np.ones(shape, np.float32)


def llama(heads=2):
    tensors = {"model.embed_tokens.weight": ones(16, 8), "model.norm.weight": ones(8), "lm_head.weight": ones(16, 8)}
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"model.layers.0.{name}.weight"] = ones(8)
    for name in "qkvo":
        tensors[f"model.layers.0.self_attn.{name}_proj.weight"] = ones(8, 8)
    for name in ("gate", "up", "down"):
        tensors[f"model.layers.0.mlp.{name}_proj.weight"] = ones(8, 12) if name == "down" else ones(12, 8)
    return tensors, {"num_attention_heads": heads, "num_key_value_heads": heads}


def write_gguf(path, tensors, architecture):
    """tensors: {name: (type, shape as numpy has it, bytes)}; one metadata key and its heads."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    keys = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    keys += text(f"{architecture}.attention.head_count") + struct.pack("<II", 4, 2)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 2) + keys
    at, data = 0, b""
    for name, (kind, shape, blob) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
        head += struct.pack("<IQ", kind, at)
        data += blob + bytes(-len(blob) % 32)
        at = len(data)
    path.write_bytes(head + bytes(-len(head) % 32) + data)
    return path


def llama_gguf(path, kind=F32, architecture="llama"):
    names = {"token_embd.weight": (64, 32), "output_norm.weight": (32,), "blk.0.attn_norm.weight": (32,),
             "blk.0.ffn_norm.weight": (32,)}
    names.update({f"blk.0.attn_{k}.weight": (32, 32) for k in ("q", "k", "v", "output")})
    names.update({f"blk.0.ffn_{k}.weight": (32, 32) for k in ("gate", "up", "down")})
    size = {F32: 4, Q8_0: 34 / 32}
    return write_gguf(path, {name: (k, shape, bytes(int(np.prod(shape) * size[k])))
                             for name, shape in names.items() for k in [kind if len(shape) > 1 else F32]}, architecture)


def views(path, *args):
    return sorted(set(run("ls", *args, path).stdout.split()) - {"info", "source"})


CASES = {
    "bert": (small_bert(1), {"model_type": "bert"}, ["flax", "gguf"]),
    "bert-no-type": (small_bert(1), None, ["flax"]),
    "bert-below": ({"bert." + k: v for k, v in small_bert(1).items()}, {}, ["flax"]),
    "vit": ({"encoder.layer.0.attention.attention.query.weight": ones(4, 4)}, {"model_type": "vit"}, ["flax"]),
    "t5": ({"encoder.block.0.layer.0.SelfAttention.q.weight": ones(4, 4)}, {"model_type": "t5"}, ["flax", "gguf"]),
    "t5-no-type": ({"encoder.block.0.layer.0.SelfAttention.q.weight": ones(4, 4)}, None, ["flax"]),
    "camembert": (small_bert(1), {"model_type": "camembert"}, ["nnx"]),  # no Flax class, whatever the names
    "llama": (llama()[0], {"model_type": "llama", **llama()[1]}, ["flax", "gguf"]),
    "llama-no-type": (llama()[0], llama()[1], ["nnx"]),  # GGUF's tables would guess
    "like-llama": (llama()[0], {"model_type": "mymodel", **llama()[1]}, ["nnx"]),
    "net": ({"fc1.weight": ones(3, 4), "fc1.bias": ones(3)}, None, ["nnx"]),
    "arrays": ({"a": ones(3, 4), "b": ones(3)}, None, ["nnx"]),
    "flax": ({"dense.kernel": ones(3, 4)}, {"model_type": "bert"}, ["torch"]),
    "mixed": ({"a.kernel": ones(3, 4), "b.weight": ones(3, 4)}, None, []),
}


@pytest.mark.parametrize("case", CASES)
def test_default__what_has_a_loader_else_nnx(tmp_path, case):
    tensors, config, want = CASES[case]
    write_safetensors(tmp_path / "model.safetensors", tensors)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert views(tmp_path) == want
    done = run("map", tmp_path, "--json", check=False)
    assert done.returncode == (2 if not want else done.returncode)
    if want:
        shown = json.loads(done.stdout)
        assert [v["view"] for v in (shown if isinstance(shown, list) else [shown])] == want
    assert views(tmp_path, "-o", "view=source") == []


@pytest.mark.parametrize("framework", ["linen", "keras"])
def test_default__none_where_nothing_leads_from_the_source(tmp_path, framework):
    path = write_safetensors(tmp_path / "m.safetensors", {"a.kernel": ones(3, 4)}, {"format": "weightfs-" + framework})
    assert views(path) == []
    done = run("ls", "-o", "dtype=bfloat16", path, check=False)
    assert done.returncode == 2 and "name one (--view)" in done.stderr


def test_default__the_model_type_may_be_told(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", llama()[0])
    assert views(path) == ["nnx"]
    assert views(path, "-o", "set=model_type=llama,set=heads=2,set=num_attention_heads=2") == ["flax", "gguf"]


def test_default__a_view_that_cannot_be_planned_is_a_warning(tmp_path):
    tensors, config = llama()
    tensors["model.layers.0.self_attn.k_proj.weight"] = ones(6, 8)  # no whole heads
    write_safetensors(tmp_path / "model.safetensors", tensors)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    done = run("ls", tmp_path)
    assert done.stdout.split() == ["flax", "info", "source"]
    assert "gguf: this view is not shown" in done.stderr and "heads" in done.stderr
    assert run("ls", "--view", "gguf", tmp_path, check=False).returncode == 2  # a view that is named is no matter of choice


def test_default__options_reach_all_and_a_template_the_first(tmp_path):
    tensors, config = llama()
    path = write_safetensors(tmp_path / "model.safetensors", tensors)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    for view, name in (("flax", "model/norm/weight"), ("gguf", "output_norm/weight")):
        assert len(run("cat", "-o", "dtype=bfloat16", path, f"{view}/tensors/{name}.npy", text=False).stdout) == 128 + 16
    template = tmp_path / "t.json"
    template.write_text(json.dumps({"model.norm.weight": [8]}))
    assert views(path, "-o", f"template={template}") == ["flax"]


def test_default__torch_is_one_inverse_away(tmp_path):
    path = llama_gguf(tmp_path / "m.gguf")
    report = json.loads(run("map", path, "--json").stdout)
    assert (report["view"], report["chain"]) == ("torch", "~gguf")
    assert report["counts"]["mapped"] == 11 and "model" in run("ls", path, "torch/tensors").stdout
    mlx = write_safetensors(tmp_path / "mlx.safetensors", {"conv.weight": ones(4, 3, 3, 2)}, {"format": "mlx"})
    report = json.loads(run("map", mlx, "--json").stdout)
    assert (report["view"], report["chain"]) == ("torch", "~mlx")
    assert np.load(_saved(tmp_path, mlx, "torch/tensors/conv/weight.npy")).shape == (4, 2, 3, 3)
    # The way of the other views is what it was, and a set of one's own is never passed by.
    assert json.loads(run("map", mlx, "--json", "--view", "nnx", check=False).stdout)["chain"] == "~mlx+nnx"
    rules = tmp_path / "own.map"
    rules.write_text("set own\nfrom flax\nto torch\nmatch first\n{p:*}.kernel -> {p}.weight : transpose\n{p:+} -> {p}\n")
    own = json.loads(run("map", path, "--json", "--rules", rules, check=False).stdout)
    assert own["chain"] == "~gguf+flax+own"


def _saved(tmp_path, source, name):
    run("cp", source, name, tmp_path / "out.npy")
    return tmp_path / "out.npy"


def test_default__quantised_weights_are_shown_by_values_or_said_to_be_packed(tmp_path):
    path = llama_gguf(tmp_path / "m.gguf", kind=Q8_0)
    assert views(path) == ["dequantized", "torch"]
    done = run("ls", path, "-o", "packed")  # which reaches default views as well
    assert "8 packed" in done.stderr and "dequantized" not in done.stdout


def test_inverse__packed_weights_may_be_why_nothing_can_be_proved(tmp_path):
    """The set knows its model by a weight that stays packed: it says so, and not that it is no such model."""
    path = write_gguf(tmp_path / "m.gguf", {"A.weight": (Q8_0, (32, 32), bytes(34 * 32)), "B.weight": (F32, (2,), bytes(8))}, "x")
    rules = tmp_path / "own.map"
    rules.write_text('set own\nfrom torch\nto own\ninvertible\nrequire exists(a.weight) or exists(A.weight) "no model of mine"\n'
                     "a.weight -> A.weight\nb.weight -> B.weight\n")
    done = run("map", path, "--rules", rules, "--view", "back=~own", "-o", "packed", check=False)
    assert done.returncode == 2 and "1 of 2 tensors are packed (A.weight is q8_0)" in done.stderr
    assert run("map", path, "--rules", rules, "--view", "back=~own", check=False).returncode != 2  # by its values


def test_default__a_gguf_file_is_known_by_one_of_its_names(tmp_path):
    """Taken for PyTorch's, a Mamba's names would be shown as they are."""
    blob = bytes(4 * 32 * 32)
    path = write_gguf(tmp_path / "m.gguf", {"token_embd.weight": (F32, (32, 32), blob),
                                            "blk.0.ssm_in.weight": (F32, (32, 32), blob)}, "mamba")
    assert json.loads(run("map", path, "--view", "torch", "--json", check=False).stdout)["chain"] == "~gguf"
    torch = write_gguf(tmp_path / "t.gguf", {"double_blocks.0.img_attn.qkv.weight": (F32, (32, 32), blob)}, "flux")
    assert views(torch) == ["nnx"]  # a GGUF file of PyTorch's names


def _on_a_terminal(args):
    """Exit status and what a terminal shows on stderr."""
    main, other = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.dup2(other, 2)
        os.execv(BIN, [BIN, *map(str, args)])
    os.close(other)
    text = b""
    while True:
        try:
            got = os.read(main, 4096)
        except OSError:  # nobody holds the other end any more
            break
        if not got:
            break
        text += got
    os.close(main)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()


def test_default__the_last_line_on_a_terminal_names_other_views(mount, tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", {"fc1.weight": ones(3, 4)})
    quiet = mount(path)
    assert "other views" not in quiet.done.stderr  # a pipe is no terminal
    at = tmp_path / "at"
    status, text = _on_a_terminal(["mount", path, at])
    try:
        last = text.strip().splitlines()[-1]
        assert status == 0 and last.startswith("weightfs: other views (--view NAME): ")
        named = last.split(": ")[-1].split(", ")
        assert {"flax", "gguf", "keras", "linen", "mlx", "torch"} <= set(named)
        assert "nnx" not in named and not any("-" in n and n.startswith("gguf") for n in named)  # parts of the set gguf
    finally:
        run("umount", at)


@pytest.mark.parametrize("bias", [False, True])
def test_gguf__layouts_of_linear_under_gpt2s_names_are_refused(tmp_path, bias):
    """nanoGPT and llm.c: whoever says that it is a GPT-2 gets no transposed matrices."""
    def checkpoint(name, linear):
        tensors = {"wte.weight": ones(16, 8), "wpe.weight": ones(4, 8), "ln_f.weight": ones(8)}
        for n, out, width in (("attn.c_attn", 24, 8), ("attn.c_proj", 8, 8), ("mlp.c_fc", 32, 8), ("mlp.c_proj", 8, 32)):
            tensors[f"h.0.{n}.weight"] = ones(out, width) if linear else ones(width, out)
            tensors.update({f"h.0.{n}.bias": ones(out)} if bias else {})
        tensors.update({f"h.0.ln_{i}.weight": ones(8) for i in (1, 2)})
        return write_safetensors(tmp_path / name, tensors)

    args = ("--view", "gguf", "-o", "set=model_type=gpt2")
    done = run("map", checkpoint("linear", True), *args, check=False)
    assert done.returncode == 2 and "its matrices lie (out, in)" in done.stderr
    assert "transpose" in run("cat", checkpoint("conv1d", False), *args, "info/views/gguf.tsv").stdout


def test_check__silent_is_silent_but_for_errors(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", {"embedding.weight": ones(3, 3), "x.running_mean": ones(3)})
    target = tmp_path / "t.json"
    target.write_text(json.dumps({"a": [1]}))
    rules = tmp_path / "r.map"
    rules.write_text('set r\n{p:+} -> {p} doubt "no layout is known"\n')
    args = ["check", path, "--rules", rules, "--against", target]
    told = run(*args, check=False)
    assert told.returncode == 1 and "2 ambiguous" in told.stderr
    silent = run(*args, "--silent", check=False)
    assert (silent.returncode, silent.stdout, silent.stderr) == (1, "", "")
    failed = run("check", tmp_path / "none", "--against", target, "--silent", check=False)
    assert failed.returncode == 2 and "none" in failed.stderr
