"""The real files: every record loads, or is counted with the reason."""

from collections import Counter

import pytest

from errata.datasets.catalog import load
from errata.datasets.check import check
from errata.datasets.records import objects
from tests.shared import shared

FULL, COMPACT = "counterfact/counterfact_full_1700.jsonl.gz", "counterfact/counterfact_21919.jsonl.gz"


@pytest.mark.parametrize(
    ("data", "name", "records"),
    [
        ("counterfact", FULL, 1700),
        ("counterfact", COMPACT, 21919),
        ("zsre", "zsre/zsre_mend_eval_portability_gpt4.json.gz", 1037),
        ("zsre", "zsre/zsre_mend_train-1k.json.gz", 1000),
        ("zsre", "knowedit/ZsRE_ZsRE-test-all.json.gz", 1301),
        ("knowedit", "knowedit/ZsRE_ZsRE-test-all.json.gz", 1301),
        ("knowedit", "knowedit/wiki_recent_recent_test.json.gz", 1266),
        ("knowedit", "knowedit/wiki_recent_recent_train.json.gz", 570),
        ("knowedit", "knowedit/wiki_counterfact_test_cf.json.gz", 839),
        ("knowedit", "knowedit/wiki_counterfact_train_cf.json.gz", 1427),
        ("knowedit", "knowedit/WikiBio_wikibio-test-all.json.gz", 306),
        ("knowedit", "knowedit/WikiBio_wikibio-train-all.json.gz", 464),
        ("knowedit", "knowedit/trivia_trivia_qa_test.json.gz", 533),
        ("knowedit", "knowedit/trivia_trivia_qa_train.json.gz", 533),
        ("mquake", "mquake/MQuAKE-CF-3k.json.gz", 3000),
    ],
)
def test_every_record_loads_or_is_counted(data: str, name: str, records: int) -> None:
    path = shared(f"data/{name}")
    found = load(data, path)
    assert len(found.examinations) + sum(found.skipped.values()) == records == sum(1 for _ in objects(path))


def test_pooled_neighbours_are_there_for_every_case() -> None:
    pool = shared("data/counterfact/neighbourhood_pooled.jsonl.gz")
    found = load("counterfact", [shared(f"data/{COMPACT}"), pool])
    assert len(found.examinations) + sum(found.skipped.values()) == 21919 == sum(1 for _ in objects(pool))
    assert all(1 <= len(case.neighbours) <= 10 for case in found.cases)
    assert sum(len(case.neighbours) == 10 for case in found.cases) > 18000
    assert all(probe.answer == case.fact.answer for case in found.cases for probe in case.neighbours)


def test_the_original_layout_is_whole() -> None:
    found = load("counterfact", shared(f"data/{FULL}"))
    sizes = {(len(one.case.paraphrases), len(one.case.neighbours)) for one in found.examinations}
    assert sizes == {(2, 10)} and all(one.essence and one.references for one in found.examinations)


def test_mquake_is_as_the_paper_counts_it() -> None:
    found = load("mquake", shared("data/mquake/MQuAKE-CF-3k.json.gz")).examinations
    edits = Counter(len(one.facts) for one in found)
    assert edits == {1: 1093, 2: 1067, 3: 572, 4: 268}
    assert all(sum(part.kind == "multi_hop" for part in one.consequences) == 3 for one in found)
    hops = Counter(sum(part.kind == "single_hop" for part in one.consequences) + 1 for one in found)
    assert hops == {2: 1000, 3: 1000, 4: 1000}
    assert len({frozenset(fact.key for fact in one.facts) for one in found}) == 2353


def test_a_published_file_has_no_record_that_is_wrong() -> None:
    found = check(shared(f"data/{FULL}"), "counterfact")
    assert (found.records, found.loaded, found.bad) == (1700, 1684, ())
    assert found.reasons == {"subject and relation seen before": 16} and len(found.left_out) == 16
