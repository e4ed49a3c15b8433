#!/usr/bin/env python3
"""The model types of which transformers has a Flax class, into the rule set `flax`.

    python3 tests/make_flax_models.py [--check]

They stand between two marks in src/rules/sets/flax.map: sources of these types are shown as `flax` where
no view is named. Needs a transformers that still has Flax (up to 4.57); without the marks' text being
what it writes, --check exits with 1.
"""
import pathlib
import sys

MAP = pathlib.Path(__file__).resolve().parent.parent / "src" / "rules" / "sets" / "flax.map"
BEGIN, END = "# ---- Model types with a Flax class", "# ---- end of model types"


def model_types():
    import transformers
    from transformers.models.auto import modeling_flax_auto as auto

    found = set()
    for name in dir(auto):
        if name.startswith("FLAX_") and name.endswith("_MAPPING_NAMES"):
            found.update(getattr(auto, name))
    for name in dir(transformers):  # parts of a model that are loaded by themselves: clip_text_model
        config = getattr(getattr(transformers, name), "config_class", None) if name.startswith("Flax") else None
        if config is not None and config.model_type:
            found.add(config.model_type)
    return transformers.__version__, sorted(found)


def block(version, names):
    lines, line = [], "let has_flax_class = model in"
    for name in names:
        if len(line) + len(name) + 3 > 110:
            lines, line = lines + [line], "   "
        line += f' "{name}"'
    return "\n".join([f"{BEGIN} (tests/make_flax_models.py, transformers {version}).", *lines, line, END])


def main():
    text = MAP.read_text()
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    made = text[:begin] + block(*model_types()) + text[end:]
    if "--check" in sys.argv[1:]:
        return int(made != text)
    MAP.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
