"""Checkpoints without bytes of every architecture of a library, and what the module classes say each
weight is.

usage: corpus.py LIBRARY DIR [LIMIT]

A mapping is a function of metadata alone, so the models are built on the meta device and their
safetensors files are sparse. DIR/NAME/roles.json holds {name: [role, class, attribute, shape,
channels]}; the roles are those of check.py, the channels those of a dense layer behind a flattened
convolution (flattening.py), else 0.
"""
import inspect
import json
import os
import re
import struct
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402

import flattening  # noqa: E402

SIZES = {"torch.float32": ("F32", 4), "torch.bfloat16": ("BF16", 2), "torch.float16": ("F16", 2),
         "torch.int64": ("I64", 8), "torch.int32": ("I32", 4), "torch.bool": ("BOOL", 1),
         "torch.uint8": ("U8", 1), "torch.int8": ("I8", 1), "torch.float64": ("F64", 8),
         "torch.complex64": ("C64", 8), "torch.int16": ("I16", 2)}


def allow_torchvision():
    """torchvision's compiled part is built against another torch: its operators are declared here
    so that its Python modules, which are all that is wanted, can be imported. A library that is
    collected takes its operators with it, so it is kept."""
    allow_torchvision.library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        allow_torchvision.library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def linear_by_source(module):
    """What a class of its own does with self.weight, read from its source: F.linear, F.embedding."""
    try:
        source = inspect.getsource(type(module))
    except (OSError, TypeError):
        return None
    if re.search(r"\blinear\([^()]*(?:\([^()]*\))?[^()]*\bself\.weight\b(?!\.t|\.T)", source):
        return "dense"
    if re.search(r"\bembedding\([^()]*\bself\.weight\b", source):
        return "embedding"
    return None


def role(module, attribute, tensor):
    names = [c.__name__ for c in type(module).__mro__]
    if tensor.ndim < 2:
        return "vector"
    if attribute in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
        return "attention" if isinstance(module, torch.nn.MultiheadAttention) else "opaque"
    if attribute != "weight":
        return "any" if isinstance(module, torch.nn.RNNBase) or "ParametrizationList" in names else "opaque"
    if "Conv1D" in names and "transformers.pytorch_utils" in [c.__module__ for c in type(module).__mro__]:
        return "dense_io"
    if isinstance(module, (torch.nn.Embedding, torch.nn.EmbeddingBag)):
        return "embedding"
    if isinstance(module, torch.nn.modules.conv._ConvTransposeNd):
        return "transposed" if module.groups == 1 else "grouped"
    if isinstance(module, torch.nn.modules.conv._ConvNd):
        depthwise = module.groups > 1 and module.groups == module.in_channels
        return "depthwise" if depthwise else "convolution"
    if isinstance(module, torch.nn.Bilinear):
        return "bilinear"
    if isinstance(module, (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase)):
        return "norm"
    if isinstance(module, torch.nn.MultiheadAttention):
        return "attention"
    if isinstance(module, torch.nn.Linear) and tensor.ndim == 2:
        out = [parent for parent in names if parent == "NonDynamicallyQuantizableLinear"]
        return "attention" if out else "dense"
    if tensor.ndim == 2:
        return linear_by_source(module) or "any"
    return "stacked" if tensor.ndim == 3 and re.search("Expert|Parallel", names[0]) else "any"


def parameters(model):
    seen = set()
    for prefix, module in model.named_modules():
        tensors = list(module._parameters.items())
        tensors += [(k, v) for k, v in module._buffers.items() if k not in module._non_persistent_buffers_set]
        for attribute, tensor in tensors:
            if tensor is None or id(tensor) in seen:
                continue
            seen.add(id(tensor))
            yield (prefix + "." if prefix else "") + attribute, module, attribute, tensor


def flattened(model, passes):
    """{id of a weight: channels} of all forward passes: [(module, inputs, training)]."""
    found = {}
    for module, inputs, training in passes:
        channels, _, failed = flattening.flattened(module, training, *inputs)
        found.update(channels)
    return found


def write(path, model, config, passes=()):
    channels = flattened(model, passes)
    roles, header, offset = {}, {"__metadata__": {"format": "pt"}}, 0
    for name, module, attribute, tensor in parameters(model):
        tag, size = SIZES[str(tensor.dtype)]
        shape = list(tensor.shape)
        end = offset + size * tensor.numel()
        header[name] = {"dtype": tag, "shape": shape, "data_offsets": [offset, end]}
        offset = end
        what = "flattened" if id(tensor) in channels else role(module, attribute, tensor)
        roles[name] = [what, type(module).__name__, attribute, shape, channels.get(id(tensor), 0)]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(path, exist_ok=True)
    with open(path + "/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + offset)
    if config is not None:
        with open(path + "/config.json", "w") as f:
            json.dump(config, f, default=str)
    with open(path + "/roles.json", "w") as f:
        json.dump(roles, f)


def shorten(config):
    """Two layers show what thirty do."""
    for part in [config] + [getattr(config, k, None) for k in (getattr(config, "sub_configs", None) or {})]:
        for key in ("num_hidden_layers", "encoder_layers", "decoder_layers", "n_layer", "num_layers", "n_layers"):
            if isinstance(getattr(part, key, None), int) and getattr(part, key) > 4 and not getattr(part, "layer_types", None):
                try:
                    setattr(part, key, 2)
                except Exception:
                    pass
        for key in ("num_experts", "n_routed_experts", "num_local_experts"):
            if isinstance(getattr(part, key, None), int) and getattr(part, key) > 8:
                try:
                    setattr(part, key, 8)
                except Exception:
                    pass


def transformers_models():
    import transformers
    transformers.logging.set_verbosity_error()
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as causal
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES as base
    for kind in sorted(set(base) | set(causal)):
        def build(kind=kind):
            config = transformers.CONFIG_MAPPING[kind]()
            shorten(config)
            name = causal.get(kind) or base[kind]
            name = name[0] if isinstance(name, (tuple, list)) else name
            model = getattr(transformers, name)(config)
            config.architectures = [name]
            plain = config.to_dict()
            plain.setdefault("model_type", kind)
            return model, plain
        yield kind, build


def timm_models():
    allow_torchvision()
    import timm
    for name in timm.list_models():
        def build(name=name):
            model = timm.create_model(name)
            size = model.default_cfg.get("input_size", (3, 224, 224))
            return model, {"architecture": name}, [(model, [torch.empty(2, *size)], False)]
        yield name, build


def torchvision_models():
    allow_torchvision()
    import torchvision
    for name in torchvision.models.list_models():
        def build(name=name):
            builder = torchvision.models.get_model_builder(name)
            options = {"weights": None}
            if "weights_backbone" in inspect.signature(builder).parameters:
                options["weights_backbone"] = None
            model = builder(**options)
            video = any(isinstance(m, torch.nn.Conv3d) for m in model.modules())
            image = torch.empty(2, 3, 16, 224, 224) if video else torch.empty(2, 3, 224, 224)
            passes = [(model, [image], True), (model, [image], False)]
            if hasattr(model, "roi_heads"):  # what finds the boxes does not run without values
                passes = [(model.roi_heads.box_head, [torch.empty(2, 256, 7, 7)], False)]
            return model, {"architecture": name}, passes  # as whoever publishes it with a config.json says
        yield name, build


def diffusers_models():
    allow_torchvision()
    import diffusers
    for name in sorted(dir(diffusers.models)) + sorted(n for n in dir(diffusers) if n.endswith(("Model", "2D", "KL"))):
        cls = getattr(diffusers, name, None)
        if inspect.isclass(cls) and issubclass(cls, torch.nn.Module):
            def build(cls=cls):
                model = cls()
                return model, dict(model.config, _class_name=cls.__name__)
            yield name, build


def main():
    library, top = sys.argv[1:3]
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    done = skipped = 0
    for name, build in globals()[library + "_models"]():
        path = os.path.join(top, name.replace("/", "_"))
        if limit is not None and done >= limit:
            break
        if not os.path.exists(path + "/roles.json"):
            try:
                with torch.device("meta"):
                    write(path, *build())
            except Exception as e:
                skipped += 1
                print("skip", name, type(e).__name__, str(e)[:90].replace("\n", " "))
                continue
        done += 1
    print(f"{library}: {done} architectures, {skipped} that cannot be built without data")


if __name__ == "__main__":
    main()
