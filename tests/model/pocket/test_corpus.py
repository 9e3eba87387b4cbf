"""The choice of facts and the reading of text."""

import gzip
import json
from collections import Counter

import pytest

from errata.model.load import POCKET, pocket
from errata.model.pocket.corpus import PINNED, choose_facts, phrasings, plain_text, read_facts, write_facts

OBJECTS = ["French", "English", "Dutch", "Latin", "Greek", "Irish"]
PAIRS = {
    "P103": [[f"Person {i}", OBJECTS[i % 6]] for i in range(40)],
    "P36": [[f"Land {i}", f"Town {i}"] for i in range(5)],
}


def test_every_relation_has_ten_phrasings_to_train_and_two_held_out():
    found = phrasings()
    assert len(found) >= 24
    for relation, forms in found.items():
        assert len(forms.train) >= 10, relation
        assert len(forms.heldout) >= 2, relation
        assert len({*forms.train, *forms.heldout}) == len(forms.train) + len(forms.heldout)
        assert all(template.count("{}") == 1 for template in (*forms.train, *forms.heldout))


def test_facts_are_chosen_by_the_rules():
    pairs = {
        "P103": [*PAIRS["P103"], ["Person 0", "Latin"], ["French Fry", "French"], ["Lonely", "Basque"], ["X", "Greek"]],
        "P36": PAIRS["P36"],
    }
    chosen = choose_facts(pairs, per_relation=20, seed=0)
    rows = {(fact.relation, fact.subject): fact.object for fact in chosen}
    assert rows.get(("P103", "Person 0"), "French") == "French"  # the first object counts
    assert ("P103", "French Fry") not in rows  # the object stands in the subject
    assert ("P103", "Lonely") not in rows  # an object nothing else has
    assert ("P103", "X") not in rows  # too short a subject
    shares = Counter(fact.object for fact in chosen if fact.relation == "P103")
    assert max(shares.values()) <= 4
    assert sum(fact.relation == "P36" for fact in chosen) == 5  # capitals are unique by nature
    assert chosen == choose_facts(pairs, per_relation=20, seed=0)
    assert chosen != choose_facts(pairs, per_relation=20, seed=1)


def test_facts_are_written_and_read(tmp_path):
    chosen = choose_facts(PAIRS, per_relation=6, seed=0)
    write_facts(tmp_path / "facts.jsonl", chosen)
    assert read_facts(tmp_path / "facts.jsonl") == chosen


def test_plain_text_drops_unknown_words_and_restores_spacing(tmp_path):
    path = tmp_path / "text.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(
            " = Title = \n The cat 's hat , a well @-@ known one , is 1 @.@ 5 m . A <unk> sat ! It did ( so ) . \n"
        )
    assert plain_text(path) == ["The cat's hat, a well-known one, is 1.5 m. It did (so)."]


@pytest.mark.parametrize("kind", POCKET)
def test_the_shipped_facts_are_many_and_complete(kind):
    rows = read_facts(pocket(kind) / "facts.jsonl")
    assert len(rows) >= 2500
    assert len({row.relation for row in rows}) >= 24
    assert len({(row.relation, row.subject) for row in rows}) == len(rows)
    for row in rows:
        assert len(row.prompts) >= 10
        assert len(row.heldout_prompts) >= 2
        assert all(row.subject in prompt for prompt in (*row.prompts, *row.heldout_prompts))
    assert {(row.relation, row.subject) for row in rows} >= PINNED
    first = json.loads((pocket(kind) / "facts.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert set(first) == {"relation", "subject", "object", "prompts", "heldout_prompts"}
