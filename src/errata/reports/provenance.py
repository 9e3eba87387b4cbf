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
    reasons = [_failed(error, own) for error, own in _by_error(units["failed"]).items()]
    if reasons:
        blocks.append(
            f"**{f'{what}in' if what else 'In'} {len(units['failed'])} parts some facts could not be edited,** "
            f"and {consequence}. {' '.join(reasons)}"
        )
    return blocks


def _by_error(failed: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The parts with failed edits, by the first error of each."""
    errors = dict.fromkeys(one["error"] for one in failed)
    return {error: [one for one in failed if one["error"] == error] for error in errors}


def _failed(error: str, parts: Sequence[Mapping[str, Any]]) -> str:
    """`“The localizer selected no neuron …” (120 edits): land × fine, own, seed 0, chosen; … and 21 more.`"""
    kind = next(name for name in ("facts", "edits") if name in parts[0])
    count = sum(one[kind] for one in parts)
    return f"“{error}” ({count} {kind}): {several([one['unit'] for one in parts], 3)}."


def several(names: Sequence[str], most: int = NAMED) -> str:
    """The first names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + rest
