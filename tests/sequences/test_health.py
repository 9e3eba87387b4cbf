"""The alarm: on runs that lose what they knew, and never on runs that do not."""

from typing import Any

import pytest

from errata.errors import InputError
from errata.scores import Score, Scores
from errata.sequences import Checkup, Health
from errata.sequences.drift import Drift


def scores(n: int = 20, **means: float) -> Scores:
    return Scores(Score(name, "generation", "higher", (mean,) * n) for name, mean in means.items())


def row(done: int, n: int = 20, **changes: Any) -> Checkup:
    means = {"efficacy": 1.0, "generalization": 1.0, "specificity": 1.0}
    layer = Drift(1, 1.0, changes.pop("relative", 0.1), 1.0, changes.pop("growth", 1.0), 1, 0.1, None, None)
    new = scores(n, efficacy=changes.pop("new", 1.0))
    known = Score("known", "generation", "higher", (changes.pop("known", 1.0),) * n)
    general = {"perplexity": changes.pop("perplexity", 10.0), "broken": changes.pop("broken", False)}
    every = scores(n, **{**means, **changes})
    return Checkup(done, done, done, new, every, scores(), known, perplexity_before=10.0, layers=(layer,), **general)


SIGNALS = ("efficacy", "new", "generalization", "specificity", "known")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_score_that_falls_raises_the_alarm_before_one_half(name: str) -> None:
    rows = [row(10 * step, **{name: 1.0 - 0.05 * step}) for step in range(1, 20)]
    health = Health()
    fired = next(i for i in range(len(rows)) if health.judge(rows[: i + 1]))
    assert rows[fired].done < 100  # at 100 the score is one half
    assert fired > 0 and not health.judge(rows[:fired])
    alarm = health.judge(rows[: fired + 1])
    assert alarm is not None and alarm.good is rows[fired - 1] and alarm.at == rows[fired].done
    assert "below" in alarm.reason


def test_scores_above_nine_tenths_never_raise_it() -> None:
    rows = [
        row(10 * step, **dict.fromkeys(SIGNALS, 0.9 + 0.1 / step), growth=50.0, relative=9.0) for step in range(1, 9)
    ]
    assert all(Health().judge(rows[: i + 1]) is None for i in range(len(rows)))
    assert Health().judge([]) is None


def test_a_run_that_is_never_well_has_no_good_checkup() -> None:
    alarm = Health().judge([row(10, efficacy=0.1), row(20, efficacy=0.1)])
    assert alarm is not None and alarm.good is None and alarm.reason.startswith("Efficacy of all")


def test_few_cases_prove_nothing() -> None:
    assert Health().judge([row(3, n=9, efficacy=0.0, known=0.0, new=0.0)]) is None
    assert Health(least=9).judge([row(3, n=9, efficacy=0.0)]) is not None


@pytest.mark.parametrize(
    ("health", "bad"),
    [
        (Health(relative=0.5), {"relative": 0.6}),
        (Health(growth=2.0), {"growth": 2.1}),
        (Health(perplexity=3.0), {"perplexity": 31.0}),
        (Health(perplexity=3.0), {"perplexity": None, "broken": True}),
    ],
)
def test_weights_and_perplexity_count_where_they_are_asked_to(health: Health, bad: dict[str, Any]) -> None:
    assert health.judge([row(10)]) is None
    alarm = health.judge([row(10), row(20, **bad)])
    assert alarm is not None and "above" in alarm.reason
    assert Health().judge([row(20, **bad)]) is None
    assert Health.off().judge([row(20, **bad, efficacy=0.0)]) is None


@pytest.mark.parametrize("bad", [{"retention": 1.5}, {"known": -0.1}, {"growth": 0.0}, {"relative": -1.0}])
def test_a_threshold_is_a_share_or_a_ratio(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give"):
        Health(**bad)
