"""Tiny random models of every architecture that has a Flax class: (name, PyTorch class, Flax class,
config). Sizes are small and different from each other, so that a swapped or transposed axis shows.
"""
import copy
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

# What every config gets, where it has such a field.
SMALL = dict(
    vocab_size=67, hidden_size=32, d_model=32, dim=32, n_embd=32, embedding_size=16, embed_dim=32,
    num_hidden_layers=2, num_layers=2, n_layers=2, n_layer=2, num_decoder_layers=2,
    encoder_layers=2, decoder_layers=2, num_attention_heads=4, num_heads=4, n_heads=4, n_head=4,
    encoder_attention_heads=4, decoder_attention_heads=4, attention_heads=4,
    num_key_value_heads=2, head_dim=8, d_kv=8, rotary_dim=4,
    intermediate_size=48, d_ff=48, ffn_dim=48, encoder_ffn_dim=48, decoder_ffn_dim=48, n_inner=48,
    hidden_dim=48, max_position_embeddings=40, n_positions=40, seq_length=40, type_vocab_size=2,
    image_size=32, patch_size=8, num_channels=3,
    max_source_positions=50, max_target_positions=40, num_mel_bins=8,
    projection_dim=24, d_embed=32, word_embed_proj_dim=32, output_hidden_size=32, pooler_output_size=32,
    pad_token_id=1, bos_token_id=2, eos_token_id=3, decoder_start_token_id=2, sep_token_id=3,
    forced_eos_token_id=3, forced_bos_token_id=None, num_labels=3,
)
SPECIAL = {
    "big_bird": dict(block_size=4, num_random_blocks=1, attention_type="original_full"),
    "gpt_neo": dict(attention_types=[[["global", "local"], 1]], window_size=8),
    "opt": dict(word_embed_proj_dim=16),
    "wav2vec2": dict(conv_dim=(16, 24), conv_stride=(5, 2), conv_kernel=(10, 3),
                     num_feat_extract_layers=2, num_conv_pos_embeddings=8,
                     num_conv_pos_embedding_groups=2, feat_extract_norm="layer",
                     do_stable_layer_norm=True, num_codevectors_per_group=10,
                     codevector_dim=16, proj_codevector_dim=16, classifier_proj_size=16),
    "resnet": dict(embedding_size=8, hidden_sizes=[8, 16], depths=[2, 1]),
    "regnet": dict(embedding_size=8, hidden_sizes=[8, 16], depths=[2, 1], groups_width=4,
                   layer_type="y"),
    "longt5": dict(local_radius=5, global_block_size=4),
    "t5": dict(),
    "whisper": dict(suppress_tokens=None, begin_suppress_tokens=None),
    "gemma": dict(head_dim=8),
    "roformer": dict(embedding_size=32),
}


def shrink(config, model_type):
    small = dict(SMALL, **SPECIAL.get(model_type.replace("-", "_"), {}))
    for name in ("text_config", "vision_config"):
        if hasattr(config, name) and hasattr(getattr(config, name), "to_dict"):
            shrink(getattr(config, name), model_type)
    for key, value in small.items():
        if hasattr(config, key):
            try:
                setattr(config, key, copy.deepcopy(value))
            except (AttributeError, NotImplementedError):
                pass
    if model_type == "marian":
        config.decoder_vocab_size = config.vocab_size
    config.return_dict = True
    return config


def make_config(model_type, **changes):
    from transformers import AutoConfig
    config = AutoConfig.for_model(model_type)
    shrink(config, model_type)
    for key, value in changes.items():
        setattr(config, key, value)
    if hasattr(config, "stage_names"):  # computed from the sizes: made again from the small ones
        small = {k: v for k, v in config.to_dict().items()
                 if k not in ("stage_names", "out_features", "out_indices")}
        config = type(config)(**small)
    return config


def variants():
    """(name, Flax class name, config maker) of every class and switch that is tried."""
    from transformers.models.auto import modeling_flax_auto as auto
    seen = set()
    for attr in sorted(vars(auto)):
        if not (attr.startswith("FLAX_MODEL_") and attr.endswith("MAPPING_NAMES")):
            continue
        for model_type, names in getattr(auto, attr).items():
            for name in [names] if isinstance(names, str) else names:
                if (model_type, name) in seen or model_type in WRAPPERS:
                    continue
                seen.add((model_type, name))
                yield f"{model_type}-{name}", name, (lambda m=model_type: make_config(m))
    for name, flax_name, model_type, changes in SWITCHES:
        yield name, flax_name, (lambda m=model_type, c=changes: make_config(m, **c))
    for name, flax_name, maker in wrappers():
        yield name, flax_name, maker


WRAPPERS = {"encoder-decoder", "vision-encoder-decoder", "speech-encoder-decoder",
            "vision-text-dual-encoder"}

# Configuration switches that change names or shapes.
SWITCHES = [
    ("resnet-basic", "FlaxResNetForImageClassification", "resnet", dict(layer_type="basic")),
    ("wav2vec2-bias", "FlaxWav2Vec2ForCTC", "wav2vec2", dict(conv_bias=True)),
    ("opt-post", "FlaxOPTForCausalLM", "opt",
     dict(do_layer_norm_before=False, word_embed_proj_dim=32)),
    ("t5-gated", "FlaxT5ForConditionalGeneration", "t5",
     dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    ("t5-relu", "FlaxT5ForConditionalGeneration", "t5", dict(feed_forward_proj="relu")),
    ("longt5-tglobal", "FlaxLongT5ForConditionalGeneration", "longt5",
     dict(encoder_attention_type="transient-global")),
    ("bert-relative", "FlaxBertForMaskedLM", "bert", dict(tie_word_embeddings=False)),
    ("gpt2-cross", "FlaxGPT2LMHeadModel", "gpt2", dict(add_cross_attention=True)),
    ("bloom-res", "FlaxBloomForCausalLM", "bloom",
     dict(apply_residual_connection_post_layernorm=True)),
    ("albert-groups", "FlaxAlbertForMaskedLM", "albert",
     dict(num_hidden_groups=2, inner_group_num=1)),
    ("beit-relative", "FlaxBeitForImageClassification", "beit",
     dict(use_relative_position_bias=True, use_mask_token=True)),
    ("beit-shared", "FlaxBeitForMaskedImageModeling", "beit",
     dict(use_shared_relative_position_bias=True, use_absolute_position_embeddings=True)),
    ("electra-same", "FlaxElectraForMaskedLM", "electra", dict(embedding_size=32)),
    ("llama-mha", "FlaxLlamaForCausalLM", "llama", dict(num_key_value_heads=4)),
    ("mistral-gqa", "FlaxMistralForCausalLM", "mistral", dict(num_key_value_heads=2)),
    ("roformer-value", "FlaxRoFormerForMaskedLM", "roformer", dict(rotary_value=True)),
    ("big_bird-bias", "FlaxBigBirdForQuestionAnswering", "big_bird", dict(use_bias=False)),
    ("dinov2-swiglu", "FlaxDinov2Model", "dinov2", dict(use_swiglu_ffn=True)),
    ("vit-nobias", "FlaxViTForImageClassification", "vit", dict(qkv_bias=False)),
    ("mbart-scale", "FlaxMBartForConditionalGeneration", "mbart", dict(scale_embedding=True)),
    ("roberta-prelayernorm", "FlaxRobertaPreLayerNormForMaskedLM", "roberta-prelayernorm", {}),
    # Classes that no auto mapping lists, and switches of heads and ties.
    ("clip-text", "FlaxCLIPTextModel", "clip_text_model", {}),
    ("clip-text-projection", "FlaxCLIPTextModelWithProjection", "clip_text_model", {}),
    ("clip-vision", "FlaxCLIPVisionModel", "clip_vision_model", {}),
    ("t5-encoder", "FlaxT5EncoderModel", "t5", {}),
    ("mt5-encoder", "FlaxMT5EncoderModel", "mt5", {}),
    ("wav2vec2-ctc", "FlaxWav2Vec2ForCTC", "wav2vec2", {}),
    ("wav2vec2-adapter", "FlaxWav2Vec2ForCTC", "wav2vec2",
     dict(add_adapter=True, num_adapter_layers=2)),
    ("gpt2-untied", "FlaxGPT2LMHeadModel", "gpt2", dict(tie_word_embeddings=False)),
    ("llama-tied", "FlaxLlamaForCausalLM", "llama", dict(tie_word_embeddings=True)),
    ("t5-untied", "FlaxT5ForConditionalGeneration", "t5", dict(tie_word_embeddings=False)),
    ("opt-nobias", "FlaxOPTForCausalLM", "opt", dict(enable_bias=False, num_hidden_layers=11)),
    ("opt-galactica", "FlaxOPTForCausalLM", "opt",
     dict(enable_bias=False, layer_norm_elementwise_affine=False)),
    ("opt-untied", "FlaxOPTForCausalLM", "opt", dict(tie_word_embeddings=False)),
    ("whisper-untied", "FlaxWhisperForConditionalGeneration", "whisper",
     dict(tie_word_embeddings=False)),
    ("distilbert-sinusoid", "FlaxDistilBertForMaskedLM", "distilbert",
     dict(sinusoidal_pos_embds=True)),
    ("bart-untied", "FlaxBartForConditionalGeneration", "bart", dict(tie_word_embeddings=False)),
    ("pegasus-untied", "FlaxPegasusForConditionalGeneration", "pegasus",
     dict(tie_word_embeddings=False)),
    ("mbart-untied", "FlaxMBartForSequenceClassification", "mbart", dict(tie_word_embeddings=False)),
    ("longt5-untied", "FlaxLongT5ForConditionalGeneration", "longt5", dict(tie_word_embeddings=False)),
    ("big_bird-cross", "FlaxBigBirdForCausalLM", "big_bird",
     dict(use_bias=False, add_cross_attention=True, is_decoder=True)),
    ("wav2vec2-nomask", "FlaxWav2Vec2Model", "wav2vec2", dict(mask_time_prob=0.0, mask_feature_prob=0.0)),
    ("albert-untied", "FlaxAlbertForMaskedLM", "albert", dict(tie_word_embeddings=False)),
]


def wrappers():
    import transformers as t

    def encdec():
        enc, dec = make_config("bert"), make_config("gpt2", add_cross_attention=True, is_decoder=True)
        return t.EncoderDecoderConfig.from_encoder_decoder_configs(enc, dec)

    def vision():
        enc, dec = make_config("vit"), make_config("gpt2", add_cross_attention=True, is_decoder=True)
        return t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(enc, dec)

    def speech():
        enc = make_config("wav2vec2")
        dec = make_config("bart", add_cross_attention=True, is_decoder=True)
        return t.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(enc, dec)

    def dual():
        return t.VisionTextDualEncoderConfig.from_vision_text_configs(
            make_config("vit"), make_config("bert"), projection_dim=24)

    yield "encoder-decoder", "FlaxEncoderDecoderModel", encdec
    yield "vision-encoder-decoder", "FlaxVisionEncoderDecoderModel", vision
    yield "speech-encoder-decoder", "FlaxSpeechEncoderDecoderModel", speech
    yield "vision-text-dual-encoder", "FlaxVisionTextDualEncoderModel", dual


SINUSOIDS = ("pegasus", "marian", "roformer")


def randomise(model, seed=0):
    """Everything floating gets random values, buffers too; computed tables stay."""
    import torch
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        done = set()
        for name, t in model.state_dict().items():
            table = "embed_positions" in name and model.config.model_type in SINUSOIDS
            table |= ("position_embeddings" in name
                      and getattr(model.config, "sinusoidal_pos_embds", False))
            if t.is_floating_point() and not table and t.data_ptr() not in done:
                done.add(t.data_ptr())
                t.copy_(torch.randn(t.shape, generator=g) * 0.1)
                if name.endswith("running_var"):
                    t.abs_().add_(0.5)
    return model.eval()


def make(name, flax_name, maker):
    """-> (PyTorch model, Flax model without parameters)."""
    import transformers
    config = maker()
    if flax_name.endswith(("QuestionAnswering", "AlbertForPreTraining")):
        config.num_labels = 2
    pt_name = PT_NAMES.get(flax_name, flax_name[4:])
    if name == "opt-galactica":  # transformers would initialise weights that it has not
        from transformers.modeling_utils import no_init_weights
        with no_init_weights():
            pt = getattr(transformers, pt_name)(config)
        pt.tie_weights()
        randomise(pt)
    else:
        pt = randomise(getattr(transformers, pt_name)(config))
    if name in WRAPPERS:  # these have to compute their parameters
        return pt, getattr(transformers, flax_name)(config, **input_shape(config))
    flax = getattr(transformers, flax_name)(config, _do_init=False, **input_shape(config))
    flax._is_initialized = True  # shapes are all that the conversion looks at
    flax._params = flax.params_shape_tree
    return pt, flax


PT_NAMES = {"FlaxBertForCausalLM": "BertLMHeadModel"}


def input_shape(config):
    if config.model_type in ("longt5",):
        return dict(input_shape=(1, 8))
    if config.model_type == "wav2vec2":
        return dict(input_shape=(1, 400))
    if config.model_type == "speech-encoder-decoder":
        return dict(input_shape=((1, 1000), (1, 2)))
    return {}
