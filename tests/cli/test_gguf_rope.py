"""--view gguf: rotary factors that only the config has are made from it, or missed, not passed over."""
import io
import json

import numpy as np
import pytest

from conftest import run
from helpers import write_safetensors


def llama(tmp_path, **config):
    def w(*shape):
        return np.ones(shape, np.float32)

    at = "model.layers.0."
    write_safetensors(tmp_path / "model.safetensors", {
        "model.embed_tokens.weight": w(11, 8), at + "input_layernorm.weight": w(8),
        at + "self_attn.q_proj.weight": w(8, 8), at + "self_attn.k_proj.weight": w(4, 8),
        at + "self_attn.v_proj.weight": w(4, 8), at + "self_attn.o_proj.weight": w(8, 8),
        at + "post_attention_layernorm.weight": w(8), at + "mlp.gate_proj.weight": w(16, 8),
        at + "mlp.up_proj.weight": w(16, 8), at + "mlp.down_proj.weight": w(8, 16), "model.norm.weight": w(8),
        "lm_head.weight": w(11, 8)}, {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "num_attention_heads": 4,
                                                      "num_key_value_heads": 2, **config}))
    return tmp_path


FACTORS = {"long_factor": [1., 2.], "short_factor": [1., 1.]}
# Frequencies 1, theta^-0.5, ... of heads of 4: the second one's wave length is 2 pi sqrt(theta).
MADE = {
    "long waves": ({"rope_theta": 1e12, "rope_scaling": {"rope_type": "llama3", "factor": 8.}}, [1, 8]),
    "short waves": ({"rope_scaling": {"rope_type": "llama3", "factor": 8.}}, [1, 1]),
    "old key": ({"rope_theta": 1e12, "rope_scaling": {"type": "llama3", "factor": 32.}}, [1, 32]),
    "transformers 5": ({"rope_parameters": {"rope_theta": 1e12, "rope_type": "llama3", "factor": 8.}}, [1, 8]),
    "per layer type": ({"rope_parameters": {"full_attention": {"rope_theta": 1e12, "rope_type": "llama3"}}}, [1, 8]),
    "Mistral": ({"model_type": "mistral", "rope_theta": 1e12, "rope_scaling": {"rope_type": "llama3"}}, [1, 8]),
    "its own bounds": ({"rope_theta": 1e4, "rope_scaling": {
        "rope_type": "llama3", "factor": 4., "low_freq_factor": 1., "high_freq_factor": 4.,
        "original_max_position_embeddings": 600}}, [1, 4]),
}
LACK = {
    "Meta's": ({"use_scaled_rope": True}, ["rope_freqs.weight"]),
    "longrope": ({"rope_scaling": {"type": "longrope", **FACTORS}}, ["rope_factors_long.weight",
                                                                     "rope_factors_short.weight"]),
    "none": ({"rope_scaling": None}, []),
    "linear": ({"rope_scaling": {"rope_type": "linear", "factor": 2.}}, []),
    "yarn": ({"rope_scaling": {"rope_type": "yarn", "factor": 2.}}, []),  # numbers of the header alone
    "default": ({"rope_parameters": {"rope_type": "default"}}, []),
}


@pytest.mark.parametrize("case", MADE)
def test_gguf__rotary_frequencies_are_made(tmp_path, case):
    config, want = MADE[case]
    path = llama(tmp_path, head_dim=4, **config)
    report = json.loads(run("map", path, "--view", "gguf", "--json").stdout)
    assert not report["counts"]["missing"] and report["counts"]["filled"] == 1
    got = run("cat", path, "gguf/tensors/rope_freqs/weight.npy", "--view", "gguf", text=False).stdout
    np.testing.assert_array_equal(np.load(io.BytesIO(got)), np.float32(want))


@pytest.mark.parametrize("case", LACK)
def test_gguf__rotary_factors_are_missing(tmp_path, case):
    config, want = LACK[case]
    path = llama(tmp_path, **config)
    done = run("map", path, "--view", "gguf", "--json", check=False)
    report = json.loads(done.stdout)
    assert [e["subject"] for e in report["report"] if e["status"] == "missing"] == want
    assert done.returncode == bool(want)
    strict = run("ls", path, "gguf", "--view", "gguf", "--strict", check=False)
    assert strict.returncode == bool(want)
    assert ("missing" in strict.stderr) == bool(want)
    assert "blk" in run("ls", path, "gguf/tensors", "--view", "gguf").stdout  # which is shown all the same


def test_missing__in_a_rule_file(tmp_path):
    path = write_safetensors(tmp_path / "model.safetensors", {"a.weight": np.ones(2, np.float32)})
    rules = tmp_path / "r.map"
    rules.write_text('set r\nmissing b.extra if exists(a.weight) "it is not made"\na.weight -> b.weight\n')
    done = run("map", path, "--rules", rules, "--json", check=False)
    entry = next(e for e in json.loads(done.stdout)["report"] if e["status"] == "missing")
    assert done.returncode == 1 and (entry["subject"], entry["text"]) == ("b.extra", "it is not made")
    rules.write_text('set r\nmissing b.extra if exists(c.weight) "it is not made"\na.weight -> b.weight\n')
    assert json.loads(run("map", path, "--rules", rules, "--json").stdout)["counts"]["missing"] == 0
    rules.write_text('set r\nmissing b.extra "it is not made"\na.weight -> b.weight\n')
    assert run("map", path, "--rules", rules, check=False).returncode == 2
