"""The shape of the source: who may import whom, how long a file is, and what no file may do."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
LONGEST = 300

# From the ground up. A module imports from the rows below its own, and from its own part (its package, or itself).
# Parts of one row do not import each other, except the values, which are built from one another.
ROWS: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "errors",
        "registry endpoint progress strict",
        "facts neurons deltas scores history",
        "model",
        "associative ledger",
        "detectors",
        "methods",
        "localizers editors evaluation datasets",
        "bulk desk doctor export reports sequences training",
        "reproduce web",
        "__init__",
        "cli __main__",
    )
)
VALUES = ROWS[2]

# One file, one method: these packages' files import each other's `_` files only.
METHOD_PACKAGES = ("errata.localizers", "errata.editors")

TRAINING = SOURCE / "errata/model/pocket/train.py"
PICKLES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "Counter", "OrderedDict", "deque"})
MUTATING = frozenset({"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "sort", "update"})

TEXTS = frozenset({"", ".css", ".html", ".js", ".json", ".jsonl", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"})
MACHINE_PATHS = r"(?<![\w.])/(?:work|root|mnt|opt|Users|home/\w+)/"
REGISTRY_HOSTS = r"pypi\.(?:org|python)|pythonhosted|registry\.npmjs|deb\.debian|download\.pytorch|conda\.org"

FILES = sorted(SOURCE.rglob("*.py"))


def module_name(path: Path) -> str:
    """`errata.model.view` for src/errata/model/view.py; a package has its `__init__`'s name without it."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module a file imports, wherever the statement stands, with its line: `(12, "errata.model.view")`."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else base


def part(module: str) -> str:
    """The part a module belongs to: the first name below errata."""
    return [*module.split("."), "__init__"][1]


def row(module: str) -> int:
    """The row of a module's part; fails for a part that has none yet."""
    found = [place for place, parts in enumerate(ROWS) if part(module) in parts]
    assert found, f"{module} belongs to no row of the architecture: give its part a place in ROWS."
    return found[0]


def may_import(importer: str, imported: str) -> bool:
    """Whether the architecture allows this import."""
    if part(importer) == part(imported) or {part(importer), part(imported)} <= VALUES:
        return True
    return row(imported) < row(importer)


def is_method_file(module: str) -> bool:
    """Whether a module is a method: a file without an underscore in a package of methods."""
    package, _, name = module.rpartition(".")
    return package in METHOD_PACKAGES and not name.startswith("_")


def at(path: Path, line: int, what: str) -> str:
    """One offence, as a person would look it up."""
    return f"{path.relative_to(SOURCE)}:{line}: {what}"


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call with its dotted name: `("torch.load", …)`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield ast.unparse(node.func), node


def test_the_rules_refuse_what_they_should() -> None:
    """The rules themselves, on imports that must and must not pass."""
    allowed = [
        ("errata.editors.rome", "errata.methods"),
        ("errata.editors.rome", "errata.associative.solve"),
        ("errata.deltas", "errata.facts"),
        ("errata.cli.edit", "errata"),
    ]
    refused = [
        ("errata.editors.rome", "errata.localizers.random"),
        ("errata.evaluation.probes", "errata.datasets.pocket"),
        ("errata.model.view", "errata.ledger"),
        ("errata.associative.keys", "errata.ledger"),
        ("errata.registry", "errata.methods"),
        ("errata.model.view", "errata"),
    ]
    assert [pair for pair in allowed if not may_import(*pair)] == []
    assert [pair for pair in refused if may_import(*pair)] == []


def test_imports_point_down() -> None:
    assert [
        at(path, line, f"{part(module_name(path))} must not import {name}")
        for path in FILES
        for line, name in imports(path)
        if name.split(".")[0] == "errata" and not may_import(module_name(path), name)
    ] == []


def test_no_method_imports_a_method() -> None:
    assert [
        at(path, line, f"must not import {name}; what methods share goes into a file with an underscore")
        for path in FILES
        for line, name in imports(path)
        if is_method_file(name) and name.rpartition(".")[0] == module_name(path).rpartition(".")[0]
    ] == []


def test_only_the_model_package_imports_transformers() -> None:
    assert [
        at(path, line, f"imports {name}")
        for path in FILES
        for line, name in imports(path)
        if name.split(".")[0] == "transformers" and part(module_name(path)) != "model"
    ] == []


def test_no_pickle() -> None:
    assert [
        at(path, line, f"imports {name}")
        for path in FILES
        for line, name in imports(path)
        if name.split(".")[0] in PICKLES
    ] == []
    for path in FILES:
        for name, call in calls(path):
            if name in ("torch.load", "torch.save"):
                assert path == TRAINING, at(
                    path, call.lineno, f"{name} is for the training checkpoint; use safetensors"
                )
            if name == "torch.load":
                safe = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "weights_only"]
                assert safe == ["True"], at(path, call.lineno, "torch.load without weights_only=True can run code")


def test_the_package_offers_sorted_names_and_nothing_else() -> None:
    """The stub lists the names; the module reads it, and imports each when it is asked for."""
    docstring, *statements = tree(SOURCE / "errata/__init__.pyi").body
    assert isinstance(docstring, ast.Expr)
    *imported, listing = statements
    assert isinstance(listing, ast.Assign)
    assert ast.unparse(listing.targets[0]) == "__all__"
    public = ast.literal_eval(listing.value)
    names = [
        alias.asname or alias.name for node in imported if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert all(isinstance(node, ast.ImportFrom) for node in imported)
    assert public == sorted(public)
    assert sorted(names) == public
    assert [name for _, name in imports(SOURCE / "errata/__init__.py")] == ["lazy_loader"]


def test_a_file_is_short() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert [
        at(path, length, f"longer than {LONGEST} lines") for path, length in lengths.items() if length > LONGEST
    ] == []


def test_a_file_says_what_it_is_for() -> None:
    """The first paragraph of every file is a sentence, or a sentence that a figure follows."""
    firsts = {path: (ast.get_docstring(tree(path)) or "").split("\n\n")[0].rstrip() for path in FILES}
    assert [
        at(path, 1, f"no first sentence: {first!r}") for path, first in firsts.items() if first[-1:] not in (".", ":")
    ] == []


def test_a_file_has_a_telling_name() -> None:
    assert [str(path) for path in FILES if VAGUE_NAMES & set(re.split(r"[_.]", module_name(path)))] == []


def test_only_the_command_line_and_the_training_print() -> None:
    assert [
        at(path, call.lineno, "prints")
        for path in FILES
        for name, call in calls(path)
        if name == "print" and path != TRAINING and part(module_name(path)) not in ("cli", "__main__")
    ] == []


def test_no_module_keeps_state() -> None:
    """A module's lists, dictionaries and sets are constants: named in capitals and changed by nobody."""
    assert [offence for path in FILES for offence in _state(path)] == []


def _state(path: Path) -> Iterator[str]:
    constants: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_mutable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            constants |= {ast.unparse(target) for target in targets}
            lower = [name for name in constants if name not in ("__all__", name.upper())]
            yield from (at(path, node.lineno, f"{name} can be changed") for name in lower)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Global):
            yield at(path, node.lineno, "a global statement")
        changed = isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
        if changed and ast.unparse(node.value) in constants:
            yield at(path, node.lineno, f"changes {ast.unparse(node.value)}")
    for name, call in calls(path):
        owner, _, verb = name.rpartition(".")
        if owner in constants and verb in MUTATING:
            yield at(path, call.lineno, f"changes {owner}")


def _is_mutable(value: ast.expr) -> bool:
    return isinstance(value, MUTABLE) or (
        isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in MUTABLE_CALLS
    )


def tracked_files() -> list[Path]:
    """Every text file that git tracks or would track; empty where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    return [ROOT / name for name in listed if Path(name).suffix in TEXTS and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("this is no git checkout: there is no list of the project's files to look through")
    pattern = re.compile(f"{MACHINE_PATHS}|{REGISTRY_HOSTS}")
    assert [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if (match := pattern.search(line))
    ] == []
