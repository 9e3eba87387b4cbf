"""Asks pip-audit for known vulnerabilities of what is installed, and says so where nobody can be asked.

    python -m benchmarks._audit

Exit code 0: nothing is known, or nobody could be asked; 1: something is known. pip-audit's own exit code is 1 for both
of the last.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = ("-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "--format", "json")


def packages(answer: str) -> list[dict[str, Any]]:
    """The packages of pip-audit's JSON; none where it is no answer."""
    try:
        return json.loads(answer)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return []


def main(arguments: list[str]) -> int:
    """Ask, and say what came of it; the exit code."""
    done = subprocess.run([sys.executable, *COMMAND, *arguments], capture_output=True, text=True, check=False)
    listed = packages(done.stdout)
    asked = [one for one in listed if "skip_reason" not in one]
    if not asked:
        why = [one["skip_reason"] for one in listed] or done.stderr.strip().splitlines() or ["it said nothing"]
        print(f"NOT CHECKED: no vulnerability service answered ({why[-1][:300]}).")
        print("This says nothing about the packages: try again where the network reaches one.")
        return 0
    bugs = [(one, bug) for one in asked for bug in one["vulns"]]
    for one, bug in bugs:
        print(
            f"{one['name']} {one['version']}: {bug['id']}, mended in {', '.join(bug['fix_versions']) or 'no version'}"
        )
    print(f"{len(asked)} packages asked about, {len(bugs)} vulnerabilities known.")
    for one in listed:
        if "skip_reason" in one:
            print(f"not checked: {one['skip_reason']}")
    return 1 if bugs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
