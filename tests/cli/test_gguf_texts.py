"""tokenizer.json and tokenizer_config.json in the views of a GGUF source. That they give llama.cpp's ids is for
tests/loaders/test_gguf_tokenizer_back.py."""
import json

import pytest

from conftest import run
from test_gguf import F32, STR, U32, gguf_bytes, llama_keys, llama_tensors

TOKENS = ["<unk>", "a", "b", "ab"]
FILES = ("tokenizer.json", "tokenizer_config.json")


def source(folder, model="llama", **more):
    keys = {"tokenizer.ggml.model": (STR, model), "tokenizer.ggml.tokens": (STR, TOKENS),
            "tokenizer.ggml.scores": (F32, [0.0, -2.0, -3.0, -1.0]), "tokenizer.ggml.eos_token_id": (U32, 3),
            "tokenizer.chat_template": (STR, "{{ x }}")} | more
    folder.mkdir(exist_ok=True)
    (folder / "model.gguf").write_bytes(gguf_bytes(llama_keys(**keys), llama_tensors()))
    return folder


def names(folder, view):
    return run("ls", "--view", view, folder, view).stdout.split()


@pytest.mark.parametrize("view", ["torch", "mlx"])
def test_texts__of_the_keys(view, tmp_path):
    folder = source(tmp_path / "m")
    assert set(FILES) <= set(names(folder, view))
    tokenizer = json.loads(run("cat", "--view", view, folder, f"{view}/tokenizer.json").stdout)
    config = json.loads(run("cat", "--view", view, folder, f"{view}/tokenizer_config.json").stdout)
    assert tokenizer["model"]["vocab"] == {token: i for i, token in enumerate(TOKENS)}
    assert tokenizer["model"]["merges"] == [["a", "b"]]
    assert config["eos_token"] == "ab" and config["chat_template"] == "{{ x }}"


def test_texts__are_not_in_views_of_other_names(tmp_path):
    folder = source(tmp_path / "m")
    assert not set(FILES) & set(names(folder, "gguf"))


def test_texts__beside_the_source_are_shown_as_they_are(tmp_path):
    folder = source(tmp_path / "m")
    (folder / "tokenizer.json").write_text("mine")
    assert run("cat", "--view", "torch", folder, "torch/tokenizer.json").stdout == "mine"
    assert "tokenizer_config.json" in names(folder, "torch")


def test_texts__that_cannot_be_made_are_named(tmp_path):
    folder = source(tmp_path / "m", "gpt2", **{"tokenizer.ggml.pre": (STR, "nobody's")})
    assert not set(FILES) & set(names(folder, "torch"))
    report = run("cat", "--view", "torch", folder, "info/report.txt").stdout
    assert "tokenizer.json" in report and "how 'nobody's' cuts text is not known" in report


def test_texts__of_keys_that_contradict_each_other_fail(tmp_path):
    folder = source(tmp_path / "m", **{"tokenizer.ggml.scores": (F32, [0.0])})
    done = run("cat", "--view", "torch", folder, "torch/tokenizer.json", check=False)
    assert done.returncode != 0 and "tokenizer.ggml.scores" in done.stderr
