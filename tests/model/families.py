"""Tokenizers of every family: trained small ones, and the real ones of ../shared where they are there."""

import gzip
import json
from collections.abc import Callable
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, GPT2TokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tests.shared import shared
from tests.tiny import TEXT, tiny_tokenizer

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def _gpt2() -> PreTrainedTokenizerBase:
    folder = shared("data/tokenizers/gpt2")
    return GPT2TokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))


def _gpt_neox() -> PreTrainedTokenizerBase:
    packed = gzip.decompress(shared("data/tokenizers/gpt-neox/20B_tokenizer.json.gz").read_bytes())
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(packed.decode()), eos_token=end, bos_token=end)


def _stories() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(shared("models/stories260K-hf")))


def _in_front(tokenizer: Tokenizer, *, end: bool = False) -> processors.TemplateProcessing:
    specials = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    return processors.TemplateProcessing(single="<s> $A </s>" if end else "<s> $A", special_tokens=specials)


def _trained_with_bytes() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    specials = ["<unk>", "<s>", "</s>"]
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=520, special_tokens=tokens, show_progress=False)
    tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
    # Bytes are in the vocabulary, but they are text.
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if token["content"] in specials]
    return Tokenizer.from_str(json.dumps(written))


def _sentencepiece(prefix: str) -> PreTrainedTokenizerBase:
    """BPE over ▁ with bytes to fall back on. `prepend`: the normaliser's dummy prefix; else Metaspace's scheme."""
    tokenizer = _trained_with_bytes()
    if prefix == "prepend":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.pre_tokenizer = None
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix, split=prefix != "never")
    strip = [] if prefix == "never" else [decoders.Strip(" ", 1, 0)]
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    tokenizer.decoder = decoders.Sequence(parts)
    tokenizer.post_processor = _in_front(tokenizer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _llama3() -> PreTrainedTokenizerBase:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), _in_front(tokenizer)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def _both_ends() -> PreTrainedTokenizerBase:
    tokenizer = _llama3().backend_tokenizer
    tokenizer.post_processor = _in_front(tokenizer, end=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def _trimmed() -> PreTrainedTokenizerBase:
    """Byte-level with a space put in front and offsets without the spaces: RoBERTa's and OPT's manner."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


_FAMILIES: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "byte-level": tiny_tokenizer,
    "byte-level, trimmed": _trimmed,
    "gpt2": _gpt2,
    "gpt-neox": _gpt_neox,
    "llama-3": _llama3,
    "both ends": _both_ends,
    "sentencepiece, prepend": lambda: _sentencepiece("prepend"),
    "sentencepiece, always": lambda: _sentencepiece("always"),
    "sentencepiece, first": lambda: _sentencepiece("first"),
    "sentencepiece, never": lambda: _sentencepiece("never"),
    "stories260K": _stories,
}
FAMILIES = tuple(_FAMILIES)
WITH_BOS = frozenset(name for name in FAMILIES if name.startswith(("sentencepiece", "llama", "both", "stories")))


@cache
def family(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of one of FAMILIES."""
    return _FAMILIES[name]()
