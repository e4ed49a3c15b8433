"""A sample of `tests/judge roles`: architectures of transformers, built on the meta device, whose views
must give each weight the layout of its module's class or say that they doubt."""
import os
import pathlib
import sys

import pytest

import conftest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "judges" / "roles"))
import check  # noqa: E402
import corpus  # noqa: E402

# Each has weights that names alone get wrong: Conv1D, tables with other names, stacked experts,
# convolutions of every kind, biases of relative positions, patches that are no embeddings.
KINDS = ["gpt2", "openai-gpt", "imagegpt", "clvp", "gpt_neox", "gpt_bigcode", "t5", "longt5", "siglip", "clip",
         "granitemoe", "jetmoe", "mixtral", "qwen2_moe", "llama", "bert", "roberta", "distilbert", "albert",
         "vit", "swin", "convnext", "resnet", "mobilenet_v2", "segformer", "whisper", "wav2vec2",
         "speecht5", "vits", "encodec", "univnet", "mamba", "falcon", "bloom", "mpt", "perceiver", "sam"]
BUILD = dict(corpus.transformers_models())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """One sparse checkpoint a kind, made when it is first asked for."""
    top = tmp_path_factory.mktemp("roles")

    def make(kind):
        path = top / kind
        if not path.exists():
            with corpus.torch.device("meta"):
                model, config = BUILD[kind]()
            corpus.write(str(path), model, config)
        return path
    return make


@pytest.mark.parametrize("kind", KINDS)
def test_roles__no_layout_is_guessed(checkpoints, kind):
    path = checkpoints(kind)
    for view in check.VIEWS:
        wrong, _, looked, refusal = check.judge(conftest.BIN, str(path), view, [])
        assert refusal is None and not wrong, f"{view}: {refusal or wrong[:3]}"
        assert looked > 0


@pytest.mark.parametrize("kind", KINDS)
def test_roles__nor_without_a_config(checkpoints, kind, tmp_path):
    path = checkpoints(kind)
    for name in ("model.safetensors", "roles.json"):
        os.symlink(path / name, tmp_path / name)
    for view in check.VIEWS:
        wrong, _, _, refusal = check.judge(conftest.BIN, str(tmp_path), view, [])
        assert refusal is None and not wrong, f"{view}: {refusal or wrong[:3]}"
