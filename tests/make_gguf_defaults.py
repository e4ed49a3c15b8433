#!/usr/bin/env python3
"""Writes src/gguf/keys/tables/defaults.json: what transformers' config classes make of values that a
config.json does not have, of those that the tables ask for.

usage: make_gguf_defaults.py [EARLIER.json]      prints it; the rows of EARLIER win

A value "=NAME" is what NAME has; "=hidden_size/num_attention_heads" their quotient."""
import inspect
import json
import pathlib
import re
import sys

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SIZES = {"hidden_size": 48, "num_attention_heads": 6, "num_hidden_layers": 4}
ROPE = ["rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor", "original_max_position_embeddings",
        "rope_local_base_freq", "local_rope_theta", "global_rope_theta", "rotary_pct"]
# Keys that follow from others, or that the converter reads from the raw file.
RAW = {"MambaForCausalLM", "FalconMambaForCausalLM", "Mamba2ForCausalLM", "FalconH1ForCausalLM",
       "GraniteMoeHybridForCausalLM"}
# Sizes of tensors are said by the config or are an error, and so are names.
NOT = {"max_length", "architectures", "layers", "num_kv_heads", "n_head_kv", "vocab_size", "intermediate_size", "model_type",
       "num_local_experts", "num_experts", "n_routed_experts", "moe_intermediate_size", "n_shared_experts", "kv_lora_rank",
       "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "intermediate_size_mlp", "d_ff", "d_kv", "hidden_dim",
       "shared_expert_intermediate_size", "shared_intermediate_size", "hidden_size_per_layer_input", "num_kv_shared_layers",
       "linear_conv_kernel_dim", "linear_key_head_dim", "linear_num_key_heads", "linear_num_value_heads",
       "linear_value_head_dim", "mamba_d_conv", "mamba_d_state", "mamba_dt_rank", "mamba_expand", "moe_num_experts",
       "moe_num_shared_experts", "num_decoder_layers", "num_heads", "relative_attention_num_buckets", "conv_L_cache",
       "altup_num_inputs", "n_positions", "n_ctx", "n_inner", "block_ff_dim", "quantization_config"}


def asked(tables):
    text = "".join(p.read_text() for p in tables.glob("*.keys"))
    text = re.sub(r"(?m)^(back|model)\b.*(\n[ \t].*)*", "", text)
    names = set(re.findall(r"config\.([a-z_A-Z0-9]+)", text))
    for inner in re.findall(r"\b(?:find|has|length|count|pad|quantiles)\(([^)]*)\)", text):
        names |= {n.strip().split(".")[0] for n in inner.split(",")}
    names |= set(re.findall(r"each ([a-z_]+)", text))
    return sorted((names | set(ROPE)) - NOT - {"rope", "rope_full", "root", "vision_config"})


def classes(tables):
    for path in sorted(tables.glob("*.keys")):
        for line in re.findall(r"(?m)^arch .*(?:\n[ \t].*)*", path.read_text()):
            yield from line.split()[2:]


def config_class(name):
    try:
        model = getattr(transformers, name, None)
    except ImportError:
        return None
    config = getattr(model, "config_class", None)
    if config is None:
        return None
    if config.__name__ == "Llama4Config":
        return config
    for part in ("text_config",):
        sub = getattr(config, "sub_configs", {}).get(part)
        if sub is not None and sub.__name__ not in ("AutoConfig", "PretrainedConfig"):
            return sub
    return config


def plain(value):
    return isinstance(value, (int, float, str, bool)) or isinstance(value, dict)


def row(cls, names):
    base = cls()
    attributes = getattr(cls, "attribute_map", {})
    sized = {}
    try:
        sized = cls(**{k: v for k, v in SIZES.items() if hasattr(base, k)}).to_dict()
    except Exception:
        pass
    found = {}
    for name in names:
        if name in attributes or name not in base.to_dict():
            continue
        value, other = base.to_dict()[name], sized.get(name)
        if name == "num_key_value_heads" and other == 6 and value != 6:
            found[name] = "=num_attention_heads"
        elif name == "head_dim" and other == 8 and value != 8:
            found[name] = "=hidden_size/num_attention_heads"
        elif value is not None and plain(value) and value == other:
            found[name] = value
    return found


def main(earlier=None):
    tables = pathlib.Path(__file__).parent.parent / "src/gguf/keys/tables"
    names, rows = asked(tables), {}
    for name in classes(tables):
        cls = config_class(name)
        if cls is not None and name not in RAW:
            rows[name] = row(cls, names)
    if earlier:
        rows = {**rows, **json.loads(pathlib.Path(earlier).read_text())}
    print("{")
    print(",\n".join(f"{json.dumps(k)}: {json.dumps(rows[k], sort_keys=True)}" for k in sorted(rows)))
    print("}")


main(*sys.argv[1:])
