"""What a page says of parts that are missing and of edits that failed."""

from __future__ import annotations

from typing import Any

from errata.reports.provenance import unmeasured


def failed(unit: str, error: str, facts: int) -> dict[str, Any]:
    return {"unit": unit, "facts": facts, "error": error}


def test_a_reason_stands_once_with_all_its_edits_and_the_first_of_its_parts() -> None:
    parts = [failed(f"rome, seed {seed}", "It diverged.", 2) for seed in range(5)]
    units = {"planned": 9, "measured": 9, "missing": [], "failed": [*parts, failed("memit", "No neuron.", 1)]}
    (block,) = unmeasured({"units": units}, "", "count as before")
    assert block == (
        "**In 6 parts some facts could not be edited,** and count as before. "
        "“It diverged.” (10 facts): rome, seed 0; rome, seed 1; rome, seed 2 and 2 more. “No neuron.” (1 facts): memit."
    )


def test_where_nothing_is_missing_nothing_is_said() -> None:
    assert unmeasured({"units": {"planned": 1, "measured": 1, "missing": [], "failed": []}}, "", "") == []
