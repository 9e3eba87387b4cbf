"""Sums kept beside the deltas, so that a change need not add up what has not changed: files that may go at any time.

`sums/LAYER-BLOCK.sum` is the sum of one block of a layer, `sums/LAYER-head.sum` that of a layer's blocks from the first
to some other. A file is 32 bytes that say what it sums (the key), 32 that say what it holds (BLAKE2b of the numbers),
and the numbers in float32. The key is a hash over the layer, the ids and SHA-256s of the summed edits, block by block,
and over the build of PyTorch and the processor. A file with another key than the one asked for, or with other numbers
than it was written with, is as good as none: the sum is made anew from the deltas. Nothing here is ever needed.

Together the files take at most `LIMIT` bytes. When there is no room, single blocks give way to heads, and what still
does not fit is not kept. A sum takes 4 · d_model · d_ff bytes: 1 MB in the embedded models, 235 MB in Llama-3-8B.
"""

from __future__ import annotations

import hashlib
import os
import platform
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.ledger.blocks import Ids, block_of
from errata.ledger.disk import own_file

LIMIT = 2 * 2**30  # bytes
_KEY, _HEADER = 32, 64
_FORMAT = b"errata-sum-1"


@final
class SumFiles:
    """The kept sums of a ledger in `directory`; `sha256s` gives the hashes of edits by their ids."""

    def __init__(self, directory: Path, sha256s: Callable[[Ids], Sequence[str]]) -> None:
        self._directory = directory
        self._sha256s = sha256s

    def block(self, layer: int, shape: tuple[int, int], ids: Ids) -> Float[Tensor, "d_model d_ff"] | None:
        """The sum of a block's edits, if it is kept and sound."""
        return self._read(self._block_file(layer, ids), shape, lambda: {self._key(layer, ids): 1})[1]

    def keep_block(self, layer: int, ids: Ids, total: Float[Tensor, "d_model d_ff"]) -> None:
        """Keep the sum of a block's edits if there is room."""
        self._write(self._block_file(layer, ids), self._key(layer, ids), total)

    def head(
        self, layer: int, shape: tuple[int, int], parts: list[Ids]
    ) -> tuple[int, Float[Tensor, "d_model d_ff"] | None]:
        """The kept sum of a layer's first blocks, with how many of `parts` it covers; (0, None) if there is none."""
        return self._read(self._head_file(layer), shape, lambda: self._chain(layer, parts))

    def keep_head(self, layer: int, parts: list[Ids], total: Float[Tensor, "d_model d_ff"]) -> None:
        """Keep the sum of a layer's first blocks; single blocks' sums give way to it."""
        *_, key = self._chain(layer, parts)
        self._write(self._head_file(layer), key, total, displaces=True)

    def _block_file(self, layer: int, ids: Ids) -> Path:
        return self._directory / f"{layer:03d}-{block_of(ids[0]):05d}.sum"

    def _head_file(self, layer: int) -> Path:
        return self._directory / f"{layer:03d}-head.sum"

    @cached_property
    def _build(self) -> bytes:
        """What the bits of a product depend on beside its factors, and one product's bits."""
        left, right = (torch.arange(1.0, 1025.0).reshape(shape).sqrt() for shape in ((128, 8), (8, 128)))
        facts = f"{torch.__config__.show()} {platform.machine()} {platform.processor()}"
        return _FORMAT + hashlib.sha256(facts.encode() + (left @ right).numpy().tobytes()).digest()

    def _key(self, layer: int, ids: Ids) -> bytes:
        """Hash over what the sum of a layer's block is made of."""
        lines = "".join(f"{number} {sha256}\n" for number, sha256 in zip(ids, self._sha256s(ids), strict=True))
        return hashlib.sha256(self._build + f"{layer}\n{lines}".encode()).digest()

    def _chain(self, layer: int, parts: Iterable[Ids]) -> dict[bytes, int]:
        """For the first block, the first two, the first three …: the key of their sum, and how many they are."""
        found, key = dict[bytes, int](), b""
        for count, ids in enumerate(parts, start=1):
            key = hashlib.sha256(key + self._key(layer, ids)).digest()
            found[key] = count
        return found

    def _read(
        self, path: Path, shape: tuple[int, int], keys: Callable[[], dict[bytes, int]]
    ) -> tuple[int, Tensor | None]:
        """A file's numbers with what its key stands for; (0, None) for a file that is missing, damaged or of others."""
        size = _HEADER + 4 * shape[0] * shape[1]
        try:
            with own_file(path).open("rb") as file:
                data = bytearray(size)
                if os.fstat(file.fileno()).st_size != size or file.readinto(data) != size:
                    return 0, None
        except OSError:
            return 0, None
        meaning = keys().get(bytes(data[:_KEY]))
        if meaning is None or _digest(shape, memoryview(data)[_HEADER:]) != bytes(data[_KEY:_HEADER]):
            return 0, None
        return meaning, torch.frombuffer(data, dtype=torch.float32, offset=_HEADER).reshape(shape)

    def _write(self, path: Path, key: bytes, total: Tensor, displaces: bool = False) -> None:
        """Write a file if there is room and the disk lets it, without waiting for the disk."""
        numbers = total.contiguous().numpy()
        with suppress(OSError):
            if not self._make_room(path, _HEADER + numbers.nbytes, displaces):
                return
            temporary = path.with_name(f".{path.name}.tmp")
            try:
                temporary.unlink(missing_ok=True)  # a link left there would be written through
                with temporary.open("xb") as file:
                    file.write(key + _digest((total.shape[0], total.shape[1]), numbers.data.cast("B")))
                    file.write(numbers.data)
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)  # what there is no room for takes none
                raise

    def _make_room(self, path: Path, size: int, displaces: bool) -> bool:
        """Whether `size` bytes fit in place of what `path` holds; the sums of late blocks go first."""
        if size > LIMIT:
            return False
        self._directory.mkdir(exist_ok=True)
        held = {file.path: file.stat().st_size for file in os.scandir(self._directory) if file.path != str(path)}
        room = LIMIT - sum(held.values())
        blocks = sorted(held, key=lambda name: name.rpartition("-")[2]) if displaces else []
        while room < size and blocks:
            name = blocks.pop()
            if not name.endswith("-head.sum"):
                Path(name).unlink(missing_ok=True)
                room += held[name]
        return room >= size


def _digest(shape: tuple[int, int], numbers: memoryview) -> bytes:
    """Hash over a sum's shape and numbers."""
    digest = hashlib.blake2b(struct.pack("<2Q", *shape), digest_size=_HEADER - _KEY)
    digest.update(numbers)
    return digest.digest()
