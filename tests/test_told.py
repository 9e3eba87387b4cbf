"""How what a page shows is held against what was printed."""

import pytest

from tests.told import same


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\n\nb", "a\nb\n"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…", "a"),
        ("gap 2.2e-05, norm 7.38", "gap 9.1e-06, norm 7.40"),
        ("0 ░░▒ ░ +0.0028", "0   ░▓▒ ░░ +0.0028"),
        ("1,188 functions", "1,190 functions"),
    ],
)
def test_these_are_the_same(shown: str, printed: str) -> None:
    assert same(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("French", "English"),
        ("10 of 10 unchanged", "8 of 10 unchanged"),
        ("+0.28", "-0.28"),
        ("a\n…\nd", "a\nb\nc"),
        ("sha256 1ed718ba", "sha256 1ed718bb"),
        ("Edit 1 is undone", "Edit 1 is undone now"),
    ],
)
def test_these_are_not(shown: str, printed: str) -> None:
    assert not same(shown, printed)
