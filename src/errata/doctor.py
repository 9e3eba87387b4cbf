"""Look at what Errata runs on: Python, packages, devices, memory, disk, cache, and the files it comes with.

Nothing is needed to be in order for this to run but Python and what the command line itself imports.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "errata-lm"
OLDEST = (3, 11)
# What the embedded models, their detectors and their statistics take at most, with room for a ledger.
ROOM = 200_000_000
# The extra for those who work on Errata itself.
OWN = "dev"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    group, name    what it is
    found          what was found, for people
    ok             whether it will do; None for what can be done without
    cure           what to do where it will not
    size           bytes, where there are any
    """

    group: str
    name: str
    found: str
    ok: bool | None = True
    cure: str | None = None
    size: int | None = None


def examine() -> list[Finding]:
    """Everything that was looked at, in the order in which one thing needs the other."""
    return [*_python(), *_packages(), *_devices(), *_memory(), *_places(), *_shipped()]


def sound(findings: list[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(finding.ok is not False for finding in findings)


def _python() -> Iterator[Finding]:
    own = f"{platform.python_version()} at {sys.executable}"
    wanted = ".".join(map(str, OLDEST))
    yield Finding("Python", "python", own, sys.version_info >= OLDEST, f"Install Python {wanted} or newer.")
    yield Finding("Python", "system", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _packages() -> Iterator[Finding]:
    """The distribution and, of its metadata, every requirement with the extra that asks for it."""
    try:
        told = metadata(DISTRIBUTION)
    except PackageNotFoundError:
        cure = "Install it with pip, or run make venv in its folder."
        yield Finding("packages", DISTRIBUTION, "not installed", False, cure)
        return
    yield Finding("packages", DISTRIBUTION, told["Version"])
    requirements = [Requirement(line) for line in told.get_all("Requires-Dist") or ()]
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement, None)
    for extra in sorted({*(told.get_all("Provides-Extra") or ())} - {OWN}):
        for requirement in requirements:
            asked = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
            if asked and not (requirement.marker and requirement.marker.evaluate({"extra": ""})):
                yield _package(requirement, extra)


def _package(requirement: Requirement, extra: str | None) -> Finding:
    group = "packages" if extra is None else f"extra {extra}"
    get = f"pip install '{requirement.name}{requirement.specifier}'" if extra is None else _install(extra)
    lacking = None if extra else False
    try:
        own = version(requirement.name)
    except PackageNotFoundError:
        return Finding(group, requirement.name, "not installed", lacking, get)
    if not requirement.specifier.contains(own, prereleases=True):
        return Finding(group, requirement.name, f"{own}, but {requirement.specifier} is needed", lacking, get)
    return Finding(group, requirement.name, own)


def _install(extra: str) -> str:
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def _devices() -> Iterator[Finding]:
    """What PyTorch, once it can be imported, computes on."""
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # a build for another system fails in ways of its own
        reason = f"cannot be imported ({error})"
        yield Finding("devices", "torch", reason, False, "pip install --force-reinstall torch")
        return
    yield Finding("devices", "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for at in range(torch.cuda.device_count()):
            free, whole = torch.cuda.mem_get_info(at)
            found = f"{torch.cuda.get_device_name(at)}, {_size(free)} of {_size(whole)} free"
            yield Finding("devices", f"cuda:{at}", found, size=free)
    else:
        yield Finding(
            "devices", "cuda", "none", None, "For a GPU, install the build of torch that its driver supports."
        )
    if torch.backends.mps.is_available():
        yield Finding("devices", "mps", "available")


def _memory() -> Iterator[Finding]:
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return  # said among the packages
    memory = psutil.virtual_memory()
    found = f"{_size(memory.available)} of {_size(memory.total)} free"
    yield Finding("memory", "RAM", found, memory.available >= ROOM, "End other programs.", memory.available)


def _places() -> Iterator[Finding]:
    """The cache, how much is in it, and the room there is for more."""
    try:
        from errata.associative.cache import directory
    except ImportError:
        return  # said among the packages
    place = directory()
    held = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) if place.is_dir() else 0
    writable = os.access(_existing(place), os.W_OK)
    cure = "Name another folder in ERRATA_CACHE."
    yield Finding("disk", "cache", f"{_size(held)} in {place}", writable, cure, held)
    for name, folder in (("free for the cache", place), ("free here", Path.cwd())):
        free = shutil.disk_usage(_existing(folder)).free
        yield Finding("disk", name, _size(free), free >= ROOM, "Make room on the disk.", free)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _shipped() -> Generator[Finding]:
    """The embedded models and their detectors, file by file against the hashes they were published with."""
    try:
        from errata.model.identity import file_sha256
    except ImportError as error:
        yield Finding("models", "embedded", f"not looked at ({error})", False, "See to the packages first.")
        return
    root = Path(str(files("errata")))
    groups: dict[str, list[str]] = {}
    for line in (root / "shipped.sha256").read_text(encoding="utf-8").splitlines():
        recorded, name = line.split(maxsplit=1)
        wrong = groups.setdefault(name.rpartition("/")[0], [])
        if not (root / name).is_file() or file_sha256(root / name) != recorded:
            wrong.append(name)
    for group, wrong in groups.items():
        found = f"damaged or missing: {', '.join(wrong)}" if wrong else "every file is what was published"
        yield Finding("models", group, found, not wrong, f"pip install --force-reinstall --no-deps {DISTRIBUTION}")


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
