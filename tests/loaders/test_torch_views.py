"""A PyTorch checkpoint in a folder, through the mapped view, loaded by Flax itself."""
import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("kind", ["zip", "legacy", "sharded"])
def test_bin_folder__loads_in_flax(tmp_path, mount, kind):
    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                                     vocab_size=60, max_position_embeddings=24)
    model = transformers.BertModel(config).eval()
    folder = tmp_path / "model"
    folder.mkdir()
    model.config.save_pretrained(folder)
    if kind == "sharded":
        model.save_pretrained(folder, safe_serialization=False, max_shard_size="20KB")
        assert (folder / "pytorch_model.bin.index.json").exists()
    else:
        torch.save(model.state_dict(), folder / "pytorch_model.bin", _use_new_zipfile_serialization=kind == "zip")
    m = mount(folder, "--view", "flax")
    flax_model = transformers.FlaxBertModel.from_pretrained(m / "flax")
    ids = np.array([[1, 5, 7, 2]])
    ours = np.asarray(flax_model(ids).last_hidden_state)
    with torch.no_grad():
        theirs = model(torch.tensor(ids)).last_hidden_state.numpy()
    assert np.allclose(ours, theirs, atol=2e-5)
