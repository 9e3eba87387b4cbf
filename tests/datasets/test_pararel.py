"""ParaRel: what a folder may look like, ten phrasings a relation, the split, and clear errors for what is damaged."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from errata.datasets import pararel, phrasings
from errata.datasets.pararel import ParaRel, PhrasedFact, Relation
from errata.errors import InputError
from errata.model.pocket import corpus
from tests.shared import shared

BORN = [[f"Person {number}", f"Town {number % 7}"] for number in range(40)]
CAPITALS = [["France", "Paris"], ["Italy", "Rome"], ["Italy", "Rome"], ["Bolivia", "Sucre"], ["Bolivia", "La Paz"]]
SHIPPED = phrasings.by_relation(phrasings.read())


def lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "query_pairs.json").write_text(json.dumps({"P36": CAPITALS, "P19": BORN}))
    return tmp_path


def key(fact: PhrasedFact) -> tuple[str, str]:
    return fact.relation, fact.subject


# What a folder may look like.


def test_pairs_without_templates_get_the_shipped_phrasings(folder: Path) -> None:
    data = pararel.read(folder)
    assert [relation.name for relation in data.relations] == ["P19", "P36"]
    assert [relation.phrasings for relation in data.relations] == [SHIPPED["P19"], SHIPPED["P36"]]
    assert [[fact.subject, fact.object] for fact in data.facts] == BORN + CAPITALS


def test_a_fact_is_asked_in_ten_ways(folder: Path) -> None:
    fact = pararel.read(folder).facts[0]
    assert len(fact.facts) == len({asked.text for asked in fact.facts}) == 10
    assert fact.facts[0].text == "Person 0 was born in"
    assert {(asked.answer, asked.relation, asked.target) for asked in fact.facts} == {("Town 0", "P19", None)}


def test_pararels_own_layout(tmp_path: Path) -> None:
    for part in ("data/pattern_data/graphs_json", "data/trex_lms_vocab"):
        (tmp_path / part).mkdir(parents=True)
    templates = ["[Y] bore [X].", "[X] hails from [Y] .", "the cradle of [X] stood in [Y]", "[X] Hails from [Y]."]
    rows = [{"pattern": template, "lemma": "?"} for template in templates]
    (tmp_path / "data/pattern_data/graphs_json/P19.jsonl").write_text(lines(rows))
    pairs = [{"sub_label": subject, "obj_label": obj, "uuid": "?"} for subject, obj in BORN]
    (tmp_path / "data/trex_lms_vocab/P19.jsonl").write_text(lines(pairs))
    (tmp_path / "data/trex_lms_vocab/P31.jsonl").write_text(lines(pairs))
    (relation,) = pararel.read(tmp_path).relations
    assert [phrasing.template for phrasing in relation.phrasings] == [
        "[X] hails from [Y]",
        "The cradle of [X] stood in [Y]",
        *(phrasing.template for phrasing in SHIPPED["P19"][:8]),
    ]
    assert relation.pairs == tuple(map(tuple, BORN))


def test_one_packed_file_for_all(tmp_path: Path) -> None:
    rows = [{"relation": "P19", "sub_label": subject, "obj_label": obj} for subject, obj in BORN]
    (tmp_path / "trex_lms_vocab.jsonl.gz").write_bytes(gzip.compress(lines(rows).encode()))
    templates = [{"relation": "P19", "pattern": f"[X] came {number} times from [Y]"} for number in range(12)]
    (tmp_path / "patterns.jsonl").write_text(lines(templates))
    (relation,) = pararel.read(tmp_path).relations
    assert [phrasing.template for phrasing in relation.phrasings] == [row["pattern"] for row in templates[:10]]


def test_another_relation_needs_ten_phrasings(folder: Path) -> None:
    (folder / "query_pairs.json").write_text(json.dumps({"P9999": CAPITALS}))
    with pytest.raises(InputError, match="none of the 34 relations"):
        pararel.read(folder)
    with pytest.raises(InputError, match=r"Expected 10 different phrasings of P9999 .* found 0"):
        pararel.read(folder, relations=["P9999"])
    more = [{"relation": "P9999", "template": f"[X] has {n} times [Y]", "source": "me"} for n in range(11)]
    (folder / "more.jsonl").write_text(lines(more))
    (relation,) = pararel.read(folder, more=folder / "more.jsonl", relations=["P9999", "P9999"]).relations
    assert [phrasing.template for phrasing in relation.phrasings] == [row["template"] for row in more[:10]]


def test_a_relation_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match="no pairs of P20: choose among P19, P36"):
        pararel.read(folder, relations=["P19", "P20"])


# The split.


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_the_embedded_models_facts(kind: str) -> None:
    data = pararel.embedded(kind)
    assert (len(data.relations), len(data.facts)) == (28, 2_881)
    assert {len(relation.phrasings) for relation in data.relations} == {10}
    fact = next(fact for fact in data.facts if key(fact) == ("P103", "Danielle Darrieux"))
    assert "The mother tongue of Danielle Darrieux is" in [asked.text for asked in fact.facts]
    parts = data.split()
    assert len(parts.test) == sum(round(len(relation.pairs) / 10) for relation in data.relations)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_split_is_nine_to_one_and_disjoint(folder: Path, seed: int) -> None:
    relation = pararel.read(folder).relations[0]
    parts = relation.split(seed)
    assert (len(parts.train), len(parts.test)) == (36, 4)
    assert not {key(fact) for fact in parts.train} & {key(fact) for fact in parts.test}
    assert Counter(parts.train) + Counter(parts.test) == Counter(relation.facts)


def test_all_objects_of_a_subject_stay_together() -> None:
    pairs = tuple((f"Subject {number % 12}", f"Object {number}") for number in range(60))
    parts = Relation("P19", SHIPPED["P19"], pairs).split()
    assert len(parts.test) == 5 and len({fact.subject for fact in parts.test}) == 1
    assert not {key(fact) for fact in parts.train} & {key(fact) for fact in parts.test}


def test_a_seed_gives_its_split_whatever_else_is_read(folder: Path) -> None:
    data = pararel.read(folder)
    assert data.split(3) == data.split(3)
    assert data.split(3) != data.split(4)
    alone = pararel.read(folder, relations=["P19"]).split(3)
    assert alone.test == tuple(fact for fact in data.split(3).test if fact.relation == "P19")


# What is damaged.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "not an object of lists"),
        ('{"P19": 1}', "not an object of lists"),
        ('{"P19": [["a", "b"], ["a"]]}', "P19, pair 2: expected a subject and an object"),
        ('{"P19": [["a", " "]]}', "P19, pair 1: expected a subject and an object"),
        ('{"P19": [["a", 3]]}', "P19, pair 1: expected a subject and an object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_damaged_pairs(folder: Path, content: str, reason: str) -> None:
    (folder / "query_pairs.json").write_text(content)
    with pytest.raises(InputError, match=r"query_pairs\.json") as caught:
        pararel.read(folder)
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", gzip.compress(b'{"P19": []}', mtime=0)[:-6], b"\x1f\x8bnonsense"])
def test_bytes_that_are_no_text(folder: Path, content: bytes) -> None:
    (folder / "query_pairs.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        pararel.read(folder)


@pytest.mark.parametrize("pattern", ["[X] was born", "[X] and [X] in [Y]", "was born in [Y]"])
def test_damaged_templates(folder: Path, pattern: str) -> None:
    (folder / "graphs_json").mkdir()
    (folder / "graphs_json/P19.jsonl").write_text(lines([{"pattern": "[X] came from [Y]"}, {"pattern": pattern}]))
    with pytest.raises(InputError, match=r"P19\.jsonl, line 2: expected a pattern with \[X\] once and \[Y\] once"):
        pararel.read(folder)


def test_a_missing_label(folder: Path) -> None:
    (folder / "query_pairs.json").unlink()
    (folder / "trex_lms_vocab").mkdir()
    (folder / "trex_lms_vocab/P19.jsonl").write_text(lines([{"sub_label": "Somebody"}]))
    with pytest.raises(InputError, match=r"P19\.jsonl, line 1: expected a text under 'obj_label', found None"):
        pararel.read(folder)


def test_a_folder_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        pararel.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no pairs: expected one of query_pairs\.json"):
        pararel.read(tmp_path)


def test_a_relation_is_held_to_ten() -> None:
    with pytest.raises(InputError, match="found 9"):
        Relation("P19", SHIPPED["P19"][:9], ())
    with pytest.raises(InputError, match="found 9"):
        Relation("P19", (*SHIPPED["P19"][:9], SHIPPED["P19"][0]), ())


# The paper's set.


@pytest.fixture(scope="module")
def papers() -> ParaRel:
    return pararel.read_paper(shared("data/pararel"))


def test_the_papers_set_is_whole(papers: ParaRel) -> None:
    assert (len(papers.relations), len(papers.facts)) == (34, 27_738)


def test_pararels_templates_give_the_shipped_phrasings(papers: ParaRel) -> None:
    """What is marked as ParaRel's is ParaRel's, word for word, and what is marked as ours is not."""
    assert {relation.name: relation.phrasings for relation in papers.relations} == SHIPPED


def test_the_papers_queries_are_counted() -> None:
    rows = (json.loads(line) for line in (shared("data/pararel") / "patterns.jsonl").read_text().splitlines())
    patterns = Counter(row["relation"] for row in rows)
    pairs = json.loads(gzip.decompress((shared("data/pararel") / "kn_query_pairs.json.gz").read_bytes()))
    assert sum(patterns[relation] * len(rows) for relation, rows in pairs.items()) == 253_448


def test_the_papers_split(papers: ParaRel) -> None:
    parts = papers.split(seed=0)
    assert len(parts.train) + len(parts.test) == 27_738
    assert len(parts.test) == sum(round(len(relation.pairs) / 10) for relation in papers.relations)
    assert {fact.relation for fact in parts.test} == {fact.relation for fact in parts.train} == set(SHIPPED)
    assert not {key(fact) for fact in parts.train} & {key(fact) for fact in parts.test}


def test_a_set_that_is_not_the_papers(folder: Path) -> None:
    with pytest.raises(InputError, match=r"Expected the paper's 34 relations and 27,738 pairs, found 2 and 45 .*P20"):
        pararel.read_paper(folder)


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_the_embedded_models_facts_have_phrasings_to_test_with(kind: str) -> None:
    trained = corpus.phrasings()
    for fact in pararel.embedded(kind).facts:
        assert fact.heldout_prompts == trained[fact.relation].heldout != ()
        assert {(asked.subject, asked.answer, asked.relation) for asked in fact.heldout} == {
            (fact.subject, fact.object, fact.relation)
        }
        assert not {asked.text for asked in fact.heldout} & {asked.text for asked in fact.facts}
        assert len(fact.heldout) == 2


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_no_fact_that_is_measured_on_is_trained_on(kind: str) -> None:
    split = pararel.embedded(kind).split()
    assert {key(fact) for fact in split.test}.isdisjoint(key(fact) for fact in split.train)
    texts = {asked.text for fact in split.train for asked in fact.facts}
    assert all(asked.text not in texts for fact in split.test for asked in fact.facts)
    assert {fact.relation for fact in split.test} == {fact.relation for fact in split.train}
    assert len(split.train) + len(split.test) == len(pararel.embedded(kind).facts)


def test_facts_of_a_folder_have_no_phrasings_to_test_with(folder: Path) -> None:
    assert {fact.heldout for fact in pararel.read(folder).facts} == {()}
