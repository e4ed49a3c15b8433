#!/usr/bin/env python3
"""Writes tests/data: tiny checkpoints, by the real libraries, always the same bytes.

    python tests/make_data.py [FOLDER]

Each is a Hugging Face model directory of a random tiny model (fixed seed); every parameter and
buffer is filled, so that a swapped or transposed one shows. What it wrote is committed, so that
tests run without the frameworks.
"""
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

SEED = 20240501
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(c) for c in range(ord("a"), ord("z") + 1))]


def fill(model):
    """Random values in everything floating, also where constructors leave zeros and ones."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            tensor.normal_(0, 0.05)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return model.eval()


def save(model, folder, **kwargs):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **kwargs)
    return folder


def bert():
    config = transformers.BertConfig(
        vocab_size=len(VOCAB), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32)
    return fill(transformers.BertModel(config))


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=64, n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    return fill(transformers.GPT2LMHeadModel(config))


def vit():
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        image_size=16, patch_size=4, num_labels=3)
    return fill(transformers.ViTForImageClassification(config))


def resnet():
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic", num_labels=3)
    return fill(transformers.ResNetForImageClassification(config))


def side_files(folder):
    """A tokenizer and a module of sentence-transformers: files and a folder without weights."""
    (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}) + "\n")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data")
    torch.manual_seed(SEED)
    model = bert()
    side_files(save(model, root / "bert"))
    side_files(save(model, root / "bert-sharded", max_shard_size="40KB"))
    save(gpt2(), root / "gpt2")
    save(vit(), root / "vit")
    save(resnet(), root / "resnet")


if __name__ == "__main__":
    main()
