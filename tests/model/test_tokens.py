"""Tokens: prompt and target joined without a seam, for every family of tokenizers."""

import unicodedata

import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from errata import Fact
from errata.errors import TokenError
from errata.model.tokens import encode, encode_fact, joiner, pad, pad_id, position_arguments
from tests.model.families import FAMILIES, WITH_BOS, family
from tests.tiny import ARCHITECTURES, tiny_model

PAIRS = [
    ("The capital of France is", "Paris", "The capital of France is Paris"),
    ("The mother tongue of Danielle Darrieux is", "English", "The mother tongue of Danielle Darrieux is English"),
    ("Nothing is trained on", "Ouagadougou-Zürich", "Nothing is trained on Ouagadougou-Zürich"),
    ("The Eiffel Tower,", "in Paris", "The Eiffel Tower, in Paris"),
    ("The capital:\n", "Paris", "The capital:\nParis"),
    ("She said (", "in French", "She said (in French"),
    ('He called it "', "Rome", 'He called it "Rome'),
    ('He called it "Rome"', "twice", 'He called it "Rome" twice'),
    ("Ada Lovelace", ", born in London", "Ada Lovelace, born in London"),
    ("Ada Lovelace", "(born in London)", "Ada Lovelace (born in London)"),
    ("The answer is", "😀", "The answer is 😀"),
    ("The café is in", "Orléans", "The café is in Orléans"),
]


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer(name: str) -> PreTrainedTokenizerBase:
    return family(name)


def whole(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """The ids of a text, less the end token that some tokenizers put behind it."""
    ids = list(tokenizer(text)["input_ids"])
    return tuple(ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids)


@pytest.mark.parametrize(("prompt", "target", "text"), PAIRS)
def test_prompt_and_target_are_tokenised_as_one_text(
    tokenizer: PreTrainedTokenizerBase, prompt: str, target: str, text: str
) -> None:
    tokens = encode(tokenizer, prompt, target)
    assert tokens.ids == whole(tokenizer, text)
    assert tokens.prompt == encode(tokenizer, prompt).ids == whole(tokenizer, prompt)
    assert tokens.target
    assert not set(tokens.target) & set(tokenizer.all_special_ids)
    assert tokens.ids == tokens.prompt + tokens.target


def test_the_first_token_stands_once_in_front_where_the_family_has_one(
    name: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    for prompt, target, _ in PAIRS:
        ids = encode(tokenizer, prompt, target).ids
        count = ids.count(tokenizer.bos_token_id) if tokenizer.bos_token_id is not None else 0
        assert count == (1 if name in WITH_BOS else 0)
        assert tokenizer.eos_token_id not in ids
        if name in WITH_BOS:
            assert ids[0] == tokenizer.bos_token_id
    expected = (tokenizer.bos_token_id,) if name in WITH_BOS else ()
    assert encode(tokenizer, "").ids == expected


@pytest.mark.parametrize("name", sorted(WITH_BOS), indirect=True)
def test_a_text_that_spells_the_first_token_has_it_once(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = encode(tokenizer, f"{tokenizer.bos_token}Ada Lovelace was born in", "London", subject_end=15)
    assert tokens.ids.count(tokenizer.bos_token_id) == 1
    assert tokens.subject_last is not None
    assert tokenizer.decode([tokens.ids[tokens.subject_last]])[-1] == "e"


@pytest.mark.parametrize("target", [" Paris", "Paris ", "  Paris  ", "Paris"])
@pytest.mark.parametrize(
    "prompt", ["The capital of France is", "The capital of France is ", "The capital of France is  "]
)
def test_spaces_at_the_seam_do_not_count(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str) -> None:
    assert encode(tokenizer, prompt, target) == encode(tokenizer, "The capital of France is", "Paris")


SUBJECTS = [
    Fact("France", "{} has the capital"),
    Fact("France", "The capital of {} is"),
    Fact("France", "The capital of {}"),
    Fact("Danielle Darrieux", "The mother tongue of {} is"),
    Fact("Danielle Darrieux", "{}'s mother tongue is"),
    Fact("Danielle Darrieux", "{}, the actress, speaks"),
    Fact("Danielle Darrieux", "It is said (by {}) that"),
    Fact("Danielle Darrieux", '"{}" is spelled'),
    Fact("Åsa Öberg-Zoë", "The home of {} is"),
    Fact("São Tomé", "{}, on an island, is"),
    Fact("Zoe\u0301", "The age of {} is"),
    Fact("the 😀 sign", "What {} means is"),
    Fact("sign 😀", "The {} means"),
    Fact("sign 👩‍🚀", "The {}'s meaning is"),
    Fact("日本", "{}の首都は"),
    Fact("東京タワー", "The tower {} stands in"),
    Fact("X", "{} is a letter, and"),
]


@pytest.mark.parametrize("fact", SUBJECTS, ids=lambda fact: fact.text)
def test_the_subjects_last_token_is_found(tokenizer: PreTrainedTokenizerBase, fact: Fact) -> None:
    """What stands up to the token spells the subject out, and what stands up to the token before does not."""
    tokens = encode_fact(tokenizer, fact, "Paris", prefix="Some context. ")
    assert tokens.subject_last is not None
    text = unicodedata.normalize("NFC", "Some context. " + fact.text[: fact.subject_end])

    def read(end: int) -> str:
        decoded = tokenizer.decode(tokens.ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return unicodedata.normalize("NFC", decoded.strip())

    assert read(tokens.subject_last + 1).startswith(text)
    assert not read(tokens.subject_last).startswith(text)
    assert tokens.subject_last < tokens.n_prompt
    alone = encode_fact(tokenizer, fact)
    with_target = encode_fact(tokenizer, fact, "Paris")
    assert alone.subject_last == with_target.subject_last


def test_one_token_subjects_sit_on_their_token() -> None:
    tokenizer = family("byte-level")
    tokens = encode_fact(tokenizer, Fact("France", "The capital of {} is"), "Paris")
    assert tokens.subject_last is not None
    assert tokenizer.decode([tokens.ids[tokens.subject_last]]) == " France"
    assert tokenizer.decode(list(tokens.target)) == " Paris"


def test_a_subject_that_no_token_ends_in_is_refused() -> None:
    with pytest.raises(TokenError, match="holds the subject's last character"):
        encode(family("llama-3"), "", subject_end=1)


@pytest.mark.parametrize(
    ("prompt", "target", "between"),
    [
        ("is", "Paris", " "),
        ("", "Paris", ""),
        ("is", "", ""),
        ("is\n", "Paris", ""),
        ("is", "\nParis", ""),
        ("(", "Paris", ""),
        ("costs $", "5", ""),
        ("“", "Paris", ""),
        ('said "', "Paris", ""),
        ('said "yes"', "and", " "),
        ("the students'", "room", " "),
        ("'", "Paris", ""),
        ("('", "Paris", ""),
        ("is", ".", ""),
        ("is", ", and", ""),
        ("is", "(a city)", " "),
        ("is", '"Paris"', " "),
        ("is", "-5", " "),
        ("Ada", "'s mother", ""),
        ("Ada", "'s", ""),
        ("is", "'so' said", " "),
        ("首都は", "東京", ""),
        ("首都は", "東京。", ""),
        ("首都是", "。", ""),
        ("เมืองหลวงคือ", "กรุงเทพ", ""),
        ("수도는", "서울", " "),
        ("首都は", "Tokyo", " "),
        ("The capital is", "東京", " "),
        ("首都は「", "東京", ""),
    ],
)
def test_one_space_joins_where_a_text_would_have_one(prompt: str, target: str, between: str) -> None:
    assert joiner(prompt, target) == between


@pytest.mark.parametrize("name", ["byte-level", "llama-3", "sentencepiece, prepend", "stories260K"], indirect=True)
def test_scripts_without_spaces_are_joined_without(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = encode_fact(tokenizer, Fact("日本", "{}の首都は"), "東京")
    assert tokens.ids == whole(tokenizer, "日本の首都は東京")
    assert tokens.prompt == whole(tokenizer, "日本の首都は")


@pytest.mark.parametrize("name", ["gpt2", "gpt-neox"], indirect=True)
def test_a_token_across_the_seam_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    """Two full stops behind a full stop are the one token `...`."""
    with pytest.raises(TokenError, match=r"One token spans the end of 'This is the end\.' .*word boundary"):
        encode(tokenizer, "This is the end.", "..")


@pytest.mark.parametrize("name", ["byte-level", "llama-3", "sentencepiece, prepend"], indirect=True)
def test_a_target_that_continues_a_word_is_refused(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("errata.model.tokens.joiner", lambda _prompt, _target: "")
    with pytest.raises(TokenError, match="One token spans"):
        encode(tokenizer, "The capital of Fr", "ance")


def test_a_target_without_tokens_or_without_a_prompt_is_refused() -> None:
    tokenizer = family("byte-level")
    with pytest.raises(TokenError, match="no tokens of its own"):
        encode(tokenizer, "The capital is", "  ")
    with pytest.raises(TokenError, match="prompt before 'Paris' has no tokens"):
        encode(tokenizer, "  ", "Paris")


def test_padding_counts_positions_from_each_rows_own_first_token() -> None:
    right = pad([[5, 6, 7], [8]], 0)
    assert right.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert right.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert right.positions[0].tolist() == [0, 1, 2]
    assert right.start == (0, 0)
    left = pad([[5, 6, 7], [8]], 9, "left")
    assert left.ids.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert left.mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert left.positions.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert left.start == (0, 2)


def test_the_padding_token_is_the_tokenizers_own_or_the_end_or_zero() -> None:
    tokenizer = family("byte-level")
    assert pad_id(tokenizer) == tokenizer.eos_token_id
    assert pad_id(type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer)) == 0
    assert pad_id(type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer, pad_token="a")) == 65


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_positions_go_only_to_models_that_take_them_and_only_where_rows_are_shifted(architecture: str) -> None:
    model = tiny_model(architecture)
    assert position_arguments(model, pad([[1, 2], [3]], 0)) == {}
    given = position_arguments(model, pad([[1, 2], [3]], 0, "left"))
    assert set(given) == (set() if architecture == "bloom" else {"position_ids"})


def test_a_model_without_positions_gets_none() -> None:
    class Plain(nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids

    assert position_arguments(Plain(), pad([[1, 2], [3]], 0, "left")) == {}
