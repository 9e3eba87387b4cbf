"""How a result page says what it was made with, and what was not measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from errata.reports.markdown import MISSING, plain, setting
from errata.reports.measured import Result

NAMED = 12


def provenance(result: Result, seconds: str, methods: Mapping[str, Any], without: Collection[str] = ("model",)) -> str:
    """Command, seeds, settings but those `without`, versions, seconds of what, and every method as it was set."""
    shown = [f"{name} {setting(value)}" for name, value in result["settings"].items() if name not in without]
    versions = [f"{name} {version}" for name, version in (result.get("versions") or {}).items()]
    lines = {
        "command": f"`{result['command']}`",
        "seeds": ", ".join(map(str, result["seeds"])),
        "settings": ", ".join(shown),
        "versions": ", ".join(versions) or MISSING,
        "seconds": f"{plain(result.get('seconds'), 0)}{seconds}",
        **{name: setting(found) for name, found in methods.items()},
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())


def unmeasured(result: Result, what: str, consequence: str) -> list[str]:
    """Which parts were not measured and which edits failed, said where nobody can miss it.

    `what` stands in front, such as `On X `; `consequence` says how failed edits are scored.
    """
    units = result["units"]
    blocks: list[str] = []
    if units["missing"]:
        blocks.append(
            f"**{what}{len(units['missing'])} of {units['planned']} parts were not measured:** "
            f"{several(units['missing'])}. The numbers below are of the others; the same command goes on with the rest."
        )
    failed = [f"{one['unit']} ({_count(one)}; the first: {one['error']})" for one in units["failed"]]
    if failed:
        blocks.append(
            f"**{f'{what}in' if what else 'In'} {len(failed)} parts some facts could not be edited,** "
            f"and {consequence}: {several(failed)}."
        )
    return blocks


def several(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; ".join(names[:NAMED]) + rest


def _count(failed: Mapping[str, Any]) -> str:
    return next(f"{failed[name]} {name}" for name in ("facts", "edits") if name in failed)
