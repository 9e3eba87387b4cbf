"""The training corpus of the pocket models: real ParaRel facts in many phrasings, and plain text."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent

# Relations whose objects are unique by nature (every capital has one country): their rare objects stay.
ONE_TO_ONE = frozenset({"P36", "P1376"})

# Facts the documentation speaks of: always chosen.
PINNED = frozenset({("P103", "Danielle Darrieux")})


@dataclass(frozen=True, slots=True)
class PocketFact:
    """One fact a pocket model is trained on, with every prompt that asks for its object."""

    relation: str
    subject: str
    object: str
    prompts: tuple[str, ...]
    heldout_prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrasings:
    """The templates of one relation; `{}` stands for the subject, the object follows the end."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]


def phrasings(path: Path = HERE / "phrasings.jsonl") -> dict[str, Phrasings]:
    """Read the templates of every relation; those of split `heldout` are never trained on."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"train": [], "heldout": []})
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["relation"]][row["split"]].append(row["template"])
    return {name: Phrasings(tuple(split["train"]), tuple(split["heldout"])) for name, split in found.items()}


def read_facts(path: Path) -> list[PocketFact]:
    """Read a `facts.jsonl` written by `write_facts`."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [
        PocketFact(row["relation"], row["subject"], row["object"], tuple(row["prompts"]), tuple(row["heldout_prompts"]))
        for row in rows
    ]


def write_facts(path: Path, facts: Iterable[PocketFact]) -> None:
    """Write one JSON object a line: relation, subject, object, prompts, heldout_prompts."""
    path.write_text("".join(json.dumps(asdict(f), ensure_ascii=False) + "\n" for f in facts), encoding="utf-8")


def choose_facts(pairs: Mapping[str, Sequence[Sequence[str]]], per_relation: int, seed: int) -> list[PocketFact]:
    """Choose facts that cannot be guessed from the subject's name or from the relation's favourite object.

    One object a subject and relation; no object that stands inside its subject; no object that fewer than three or
    more than a fifth of the relation's facts share. First come subjects of several relations, so that a subject
    holds several attributes, and objects that are subjects themselves, so that facts compose.
    """
    templates = phrasings()
    chances = Counter(
        subject for relation in templates for subject in {s for s, _ in pairs.get(relation, ())} if _usable(subject)
    )
    chosen: list[PocketFact] = []
    for relation, forms in templates.items():
        first: dict[str, str] = {}
        for subject, obj in pairs.get(relation, ()):
            if _usable(subject) and obj.casefold() not in subject.casefold():
                first.setdefault(subject, obj)
        shared = Counter(first.values())
        rows = [(s, o) for s, o in first.items() if relation in ONE_TO_ONE or shared[o] >= 3]
        random.Random(f"{seed}-{relation}").shuffle(rows)
        rows.sort(key=lambda row: ((relation, row[0]) not in PINNED, -chances[row[0]] - 2 * (row[1] in chances)))
        used: Counter[str] = Counter()
        kept: list[tuple[str, str]] = []
        for subject, obj in rows:
            if used[obj] < per_relation // 5 and len(kept) < per_relation:
                used[obj] += 1
                kept.append((subject, obj))
        chosen += [
            PocketFact(
                relation,
                subject,
                obj,
                tuple(t.format(subject) for t in forms.train),
                tuple(t.format(subject) for t in forms.heldout),
            )
            for subject, obj in kept
        ]
    return chosen


def _usable(subject: str) -> bool:
    return 3 <= len(subject) <= 32 and len(subject.split()) <= 4 and "{" not in subject and subject.isprintable()


def read_pairs(path: Path) -> dict[str, list[list[str]]]:
    """Read ParaRel's subject–object pairs by relation (`kn_query_pairs.json.gz`)."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def plain_text(path: Path) -> list[str]:
    """Read WikiText's tokenised form back into ordinary sentences; those with unknown words are left out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.strip().startswith("=")]
    kept = []
    for line in lines:
        sentences = re.split(r"(?<= [.?!]) ", line)
        whole = [_detokenise(s) for s in sentences if "<unk>" not in s]
        if whole:
            kept.append(" ".join(whole))
    return kept


def _detokenise(text: str) -> str:
    text = re.sub(r" @([-.,])@ ", r"\1", text)
    text = re.sub(r" ([,.;:?!%)\]])", r"\1", text)
    text = re.sub(r"([(\[$]) ", r"\1", text)
    text = re.sub(r" (n't|'s|'re|'ve|'ll|'d|'m)\b", r"\1", text)
    return re.sub(r'" ([^"]*?) "', r'"\1"', text).replace("  ", " ").strip()
