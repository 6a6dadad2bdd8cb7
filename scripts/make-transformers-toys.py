"""Write tiny seeded models and their logits by the `transformers` library (float64, eager attention) into test/fixtures.

  toy-NAME.gguf    random weights, the byte vocabulary of make-toy-models.py (toy-mistral: a SentencePiece-style one)
  toy-NAME.json    ids, and logits after three of them; of toy-mistral also ids of texts by the sentencepiece library

usage: make-transformers-toys.py [NAME …]     (needs torch, transformers, sentencepiece, protobuf, numpy and gguf)
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM
from transformers import MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("toys", HERE / "make-toy-models.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

EPSILON = 1e-5
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set prefix = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set prefix = '' %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else '') + message['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] "
    "+ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NORM_NAMES = {
    "llama": {"post_attention_layernorm": "ffn_norm"},
    "qwen3": {"post_attention_layernorm": "ffn_norm"},
    "gemma3": {
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    },
}
SIZES = {"hidden_size": 24, "intermediate_size": 40, "max_position_embeddings": 512, "rms_norm_eps": EPSILON}
SIZES |= {"attn_implementation": "eager"}


def linear(theta, factor):
    return {"rope_type": "linear", "rope_theta": theta, "factor": factor}


def toy_qwen3(vocabulary):
    return Qwen3ForCausalLM(
        Qwen3Config(
            **SIZES, vocab_size=vocabulary, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
            head_dim=16, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        )
    )


def toy_llama3(vocabulary):
    scaling = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0}
    scaling |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 1024}
    return LlamaForCausalLM(
        LlamaConfig(
            **SIZES, vocab_size=vocabulary, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=8, tie_word_embeddings=False, rope_parameters=scaling,
        )
    )


def toy_llama_linear(vocabulary):
    return LlamaForCausalLM(
        LlamaConfig(
            **SIZES, vocab_size=vocabulary, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3,
            tie_word_embeddings=True, rope_parameters=linear(1e4, 4.0),
        )
    )


def toy_mistral(vocabulary):
    return MistralForCausalLM(
        MistralConfig(
            **SIZES, vocab_size=vocabulary, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=12, tie_word_embeddings=False, sliding_window=None,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        )
    )


def toy_gemma3(vocabulary):
    kinds = ["sliding_attention", "sliding_attention", "full_attention"] * 2
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SIZES, vocab_size=vocabulary, num_hidden_layers=len(kinds), num_attention_heads=2, num_key_value_heads=1,
            head_dim=16, query_pre_attn_scalar=16, sliding_window=8, layer_types=kinds, final_logit_softcapping=20.0,
            tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh",
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                "full_attention": linear(1e6, 8.0),
            },
        )
    )


def fill(model, seed):
    """Seeded weights in place of the small ones that the library draws, so that every part of a layer matters."""
    random = np.random.default_rng(seed)
    is_gemma = isinstance(model, Gemma3ForCausalLM)
    for name, parameter in sorted(model.named_parameters()):
        if name.endswith("norm.weight") or "layernorm" in name:
            values = 0.1 * random.standard_normal(parameter.shape) + (0 if is_gemma else 1)
        else:
            values = random.standard_normal(parameter.shape) / np.sqrt(parameter.shape[-1])
            values *= 2 if re.search("[qkv]_proj", name) else 3 if "embed" in name else 1
            values /= 3 if is_gemma and "embed" in name else 1  # scaled by √dim instead
        parameter.data = torch.tensor(values.astype(np.float32).astype(np.float64))


def tensors(model, architecture):
    names = {**NAMES, **NORM_NAMES[architecture]}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy().astype(np.float32)
        layer = re.match(r"model\.layers\.(\d+)\.(.*)\.weight", name)
        target = names[layer[2]] if layer else names[name.removesuffix(".weight")]
        if architecture == "gemma3" and target.endswith("norm"):
            values = (parameter.detach().numpy() + 1).astype(np.float32)  # as converters write it
        if architecture == "llama" and target in ("attn_q", "attn_k"):
            values = toys.interleaved(values, model.config.head_dim)
        yield (f"blk.{layer[1]}.{target}.weight" if layer else f"{target}.weight"), values


def byte_tokenizer(writer, pre, template):
    texts, kinds, merges = toys.vocabulary()
    if pre == "gemma":  # its marks, in a vocabulary of bytes
        marks = {"<|endoftext|>": "<bos>", "<|im_start|>": "<start_of_turn>", "<|im_end|>": "<end_of_turn>"}
        texts = [marks.get(text, text) for text in texts]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe" if pre == "llama-bpe" else "qwen2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    end, begin = ("<end_of_turn>", "<bos>") if pre == "gemma" else ("<|im_end|>", "<|im_start|>")
    writer.add_eos_token_id(texts.index(end))
    writer.add_bos_token_id(texts.index(begin))
    if pre in ("gemma", "llama-bpe"):
        writer.add_add_bos_token(pre == "gemma")
    writer.add_chat_template(template)


def piece_vocabulary():
    """Bytes, then pieces with scores as SentencePiece's BPE gives them: minus the order in which they were made."""
    pieces = ["▁t", "he", "▁the", "in", "er", "▁a", "an", "nd", "▁and", "▁▁", "▁[", "IN", "ST", "INST", "INST]"]
    letters = sorted({letter for piece in pieces for letter in piece} | set("abcdefghijklmnopqrstuvwxyz.,\n/[]é"))
    texts = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)], *pieces, *letters]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * (len(pieces) + len(letters))
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces) + len(letters))]
    return texts, [int(kind) for kind in kinds], scores


def piece_tokenizer(writer):
    texts, kinds, scores = piece_vocabulary()
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_scores(scores)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(MISTRAL_TEMPLATE)


TEXTS = ["", "the hand", " the", "in  the end and", "<s>[INST] the</s>", "née, 日本\n\n[INST] é ß", "a/b.c  ", "and the", "x"]


def piece_ids():
    """Ids by the sentencepiece library of texts over the same vocabulary, control tokens being text."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as messages

    model = messages.ModelProto()
    kinds = {2: "UNKNOWN", 3: "CONTROL", 6: "BYTE", 1: "NORMAL"}
    for text, kind, score in zip(*piece_vocabulary()):
        model.pieces.add(piece=text, score=score, type=getattr(messages.ModelProto.SentencePiece, kinds[kind]))
    model.trainer_spec.model_type = messages.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return [[text, processor.encode(text)] for text in TEXTS]


TOYS = {  # name: (architecture, model, tokenizer, seed)
    "qwen3": ("qwen3", toy_qwen3, "qwen2", 11),
    "llama3": ("llama", toy_llama3, "llama-bpe", 12),
    "llama-linear": ("llama", toy_llama_linear, "qwen2", 13),
    "mistral": ("llama", toy_mistral, "pieces", 14),
    "gemma3": ("gemma3", toy_gemma3, "gemma", 15),
}


def write_keys(writer, config, architecture):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(EPSILON)
    rope = config.rope_parameters
    if architecture == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        writer.add_sliding_window_pattern(3)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        rope = rope["full_attention"]
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def write(name):
    architecture, make, tokenizer, seed = TOYS[name]
    size = len(piece_vocabulary()[0]) if tokenizer == "pieces" else len(toys.vocabulary()[0])
    model = make(size)
    fill(model, seed)
    model = model.double().eval()
    writer = gguf.GGUFWriter(toys.FIXTURES / f"toy-{name}.gguf", architecture)
    writer.add_name(f"toy {name}")
    write_keys(writer, model.config, architecture)
    if tokenizer == "pieces":
        piece_tokenizer(writer)
    else:
        byte_tokenizer(writer, tokenizer, GEMMA_TEMPLATE if tokenizer == "gemma" else toys.TEMPLATE)
    for tensor, values in tensors(model, architecture):
        writer.add_tensor(tensor, values)
    if name == "llama3":
        half = np.arange(model.config.head_dim // 2)
        plain = model.config.rope_parameters["rope_theta"] ** (-2 * half / model.config.head_dim)
        factors = plain / model.model.rotary_emb.inv_freq.numpy().astype(np.float64)
        model.model.rotary_emb.inv_freq = torch.tensor(plain / factors.astype(np.float32).astype(np.float64))
        writer.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    ids = np.random.default_rng(seed + 1).integers(0, size, 40)
    with torch.no_grad():
        logits = model(torch.tensor(ids)[None]).logits[0].numpy()
    rows = {str(row): toys.base64_f32(logits[row]) for row in [0, 16, 39]}
    expected = {"ids": ids.tolist(), "logits": rows}
    if tokenizer == "pieces":
        expected["texts"] = piece_ids()
    (toys.FIXTURES / f"toy-{name}.json").write_text(json.dumps(expected, indent=2) + "\n")
    print(name, "logits' deviation", logits.std().round(3))


for name in sys.argv[1:] or TOYS:
    write(name)
