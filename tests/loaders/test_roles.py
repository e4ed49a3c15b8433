"""A sample of `tests/judge roles`: architectures of transformers, built on the meta device, whose views
must give each weight the layout of its module's class or say that they doubt."""
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
def test_roles__nor_without_the_table(checkpoints, kind):
    """What the table knows must not be what makes the layouts right: without it they are right or a doubt."""
    path = checkpoints(kind)
    for view in check.VIEWS:
        wrong, _, _, refusal = check.judge(conftest.BIN, str(path), view, ["architectures=off"])
        assert refusal is None and not wrong, f"{view}: {refusal or wrong[:3]}"


@pytest.mark.parametrize("kind", KINDS)
def test_roles__nor_without_a_config(checkpoints, kind, tmp_path):
    path = check.dressed(str(checkpoints(kind)), "none", str(tmp_path))
    for view in check.VIEWS:
        wrong, _, _, refusal = check.judge(conftest.BIN, path, view, ["architectures=off"])
        assert refusal is None and not wrong, f"{view}: {refusal or wrong[:3]}"


def test_roles__a_wrong_table_is_seen(checkpoints, tmp_path):
    """The sample can fail: a row that shapes do not speak against is a silent mistake."""
    (tmp_path / "wrong.tsv").write_text("model_type llama\n*.mlp.down_proj.weight\tdense_io\n")
    wrong, _, _, _ = check.judge(conftest.BIN, str(checkpoints("llama")), "linen", [f"architectures={tmp_path}/wrong.tsv"])
    assert wrong and all("down_proj" in row[0] for row in wrong)
