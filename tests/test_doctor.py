"""What the doctor says of a machine that is sound, and of one on which something is missing or damaged."""

from __future__ import annotations

import importlib
import shutil
from email.message import Message
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from errata import doctor

ROOT = Path(str(files("errata")))


def named(name: str, findings: list[doctor.Finding]) -> doctor.Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def distribution(monkeypatch: pytest.MonkeyPatch, *requirements: str) -> None:
    """Have the installed Errata require these."""
    told = Message()
    told["Version"] = "9.9"
    for extra in ("more", "dev"):
        told["Provides-Extra"] = extra
    for requirement in requirements:
        told["Requires-Dist"] = requirement
    monkeypatch.setattr(doctor, "metadata", lambda _: told)


def test_this_machine_is_sound() -> None:
    found = doctor.examine()
    assert [finding for finding in found if finding.ok is False] == [] and doctor.sound(found)
    groups = {finding.group for finding in found}
    assert groups >= {"Python", "packages", "extra web", "devices", "memory", "disk", "models"}
    assert named("torch", found).found[0].isdigit() and named("python", found).found[0] == "3"
    assert not any(finding.group == "extra dev" for finding in found)


def test_a_package_that_is_missing_or_too_old_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(monkeypatch, "no-such-package>=2", "numpy<1", "torch>=2")
    found = doctor.examine()
    missing, old = named("no-such-package", found), named("numpy", found)
    assert missing.ok is False and missing.cure == "pip install 'no-such-package>=2'"
    assert old.ok is False and "but <1 is needed" in old.found
    assert named("torch", found).ok is True and not doctor.sound(found)


def test_an_extra_can_be_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    other = 'never-here>=1; python_version < "3" and extra == "more"'
    distribution(monkeypatch, 'no-such-package; extra == "more"', 'dev-only; extra == "dev"', other)
    found = doctor.examine()
    extra = named("no-such-package", found)
    assert extra.group == "extra more" and extra.ok is None and extra.cure == "pip install 'errata-lm[more]'"
    assert doctor.sound(found) and not {"dev-only", "never-here"} & {finding.name for finding in found}


def test_an_errata_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> Any:
        raise doctor.PackageNotFoundError

    monkeypatch.setattr(doctor, "metadata", absent)
    assert named("errata-lm", doctor.examine()).ok is False


def test_a_torch_that_cannot_be_imported_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = importlib.import_module

    def broken(name: str, package: str | None = None) -> Any:
        if name == "torch":
            raise OSError("libcudart.so: cannot open shared object file")
        return usual(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    found = doctor.examine()
    torch = [finding for finding in found if finding.group == "devices"]
    assert [finding.ok for finding in torch] == [False] and "libcudart" in torch[0].found
    assert named("model/pocket/gelu", found).ok is True


def test_damaged_and_missing_files_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = [line.split()[1] for line in (ROOT / "shipped.sha256").read_text(encoding="utf-8").splitlines()]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copyfile(ROOT / "shipped.sha256", tmp_path / "shipped.sha256")
    weights, facts = tmp_path / "model/pocket/gelu/model.safetensors", tmp_path / "model/pocket/swiglu/facts.jsonl"
    held = bytearray(weights.read_bytes())
    held[len(held) // 2] ^= 1
    weights.write_bytes(held)
    facts.unlink()
    monkeypatch.setattr(doctor, "files", lambda _: tmp_path)
    found = {finding.name: finding for finding in doctor.examine() if finding.group == "models"}
    assert "model/pocket/gelu/model.safetensors" in found["model/pocket/gelu"].found
    assert "model/pocket/swiglu/facts.jsonl" in found["model/pocket/swiglu"].found
    assert [finding.ok for finding in found.values()] == [False, False, True, True]


def test_every_shipped_file_that_is_read_has_its_hash() -> None:
    """After another training: `cd src/errata && sha256sum FILES > shipped.sha256`, of the files it has."""
    listed = {line.split()[1] for line in (ROOT / "shipped.sha256").read_text(encoding="utf-8").splitlines()}
    patterns = ("model/pocket/*/*.json", "model/pocket/**/*.jsonl", "**/*.safetensors")
    there = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    assert listed == {name for name in there if not name.endswith("training.json")}
