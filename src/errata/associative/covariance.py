"""The uncentred covariance of a layer's keys, C = E[k kᵀ], from text or from text the model samples itself.

It is always the unedited model's, whatever is applied. It is measured once for a model, a layer and settings, and kept
with the view and in the cache directory. A run stops as soon as the estimate is good enough (see `convergence`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from errata.associative import cache
from errata.associative.batches import ROWS, WINDOW, batches, beginning, source, tokenizer_sha256
from errata.associative.streaming import layer_keys
from errata.associative.sums import Sums, finite, unbounded, whole
from errata.associative.weights import unedited_sha256
from errata.errors import UNREADABLE, InputError
from errata.model.view import ModelView

SAVE_SECONDS = 60.0
SHARE_OF_SAVING = 0.1  # of the time, at most

# Called after every batch with the tokens so far, the largest error (infinite before the first check).
Report = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class CovarianceSettings:
    """How C is measured.

    `tokens`     of text at most; below 256 they count as 256
    `tolerance`  of the error at which a layer is done, as a share of the least disturbance (see `convergence`)
    `seed`       of the sampled text
    `text`       path of a text file in UTF-8; None: the model samples
    """

    tokens: int = 500_000
    tolerance: float = 0.1
    seed: int = 0
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """C of one layer, float64 on the processor, and how sure it is.

    `tokens`     keys it is the mean of
    `error`      by how much a direction C⁻¹k disturbs other text more than it must, as a share; estimated
    `converged`  whether the error is within the tolerance
    `source`     of the text
    `seconds`    it took until this layer was done
    """

    matrix: Float[Tensor, "d_ff d_ff"]
    tokens: int
    error: float
    converged: bool
    source: str
    seconds: float


def covariance(
    view: ModelView, layer: int, tokens: int = 20_000, seed: int = 0, text: str | None = None
) -> Float[Tensor, "d_ff d_ff"]:
    """C of one layer from all of `tokens`, rounded up to 4,096: see `covariances`."""
    whole = -(-tokens // 4096) * 4096
    return covariances(view, [layer], CovarianceSettings(whole, 0.0, seed, text))[layer].matrix


def covariances(
    view: ModelView, layers: Sequence[int], settings: CovarianceSettings | None = None, report: Report | None = None
) -> dict[int, Covariance]:
    """C of every layer asked for, from the same forward passes; none depends on which others are asked for.

    Raises InputError for a layer or a text file that is not there, UnsupportedModelError for weights that cannot be
    read.
    """
    settings = settings or CovarianceSettings()
    paths = {layer: cache_path(view, layer, settings) for layer in dict.fromkeys(layers)}
    found = {layer: kept for layer, path in paths.items() if (kept := _kept(view, path)) is not None}
    missing = {layer: path for layer, path in paths.items() if layer not in found}
    if missing:
        measured = _measure(view, missing, settings, report)
        view.memo.update({("covariance", paths[layer].name): each for layer, each in measured.items()})
        found |= measured
    return {layer: found[layer] for layer in paths}


def cache_path(view: ModelView, layer: int, settings: CovarianceSettings) -> Path:
    """The file that holds C, there or not: named by all that C depends on; raises InputError for no such layer."""
    view.require_editable()
    if not 0 <= layer < view.n_layers:
        raise InputError(f"Layer {layer} does not exist: the model has layers 0 to {view.n_layers - 1}.")
    key = {
        **asdict(settings),
        "text": None if settings.text is None else tokenizer_sha256(view),
        "source": source(view, settings.seed, settings.text),
        "layer": layer,
        "weights": unedited_sha256(view),
        "batch": [ROWS, WINDOW],
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    return cache.directory() / f"covariance-{name}.safetensors"


def memory_needed(view: ModelView, layers: Sequence[int]) -> int:
    """Bytes that measuring these layers takes beside the model: two halves a layer, and four matrices for a check."""
    return (2 * len(set(layers)) + 4) * 8 * view.d_ff**2


def _kept(view: ModelView, path: Path) -> Covariance | None:
    key = ("covariance", path.name)
    known = view.memo.get(key)
    if isinstance(known, Covariance):
        return known
    read = cache.read(path)
    if read is None:
        return None
    tensors, header = read
    try:
        facts: dict[str, Any] = {**header["found"], "error": unbounded(header["found"]["error"])}
        found = Covariance(whole(tensors["matrix"], view.d_ff, view.d_ff), **facts)
    except UNREADABLE as error:
        cache.damaged(path, error)
        return None
    view.memo[key] = found
    return found


def _measure(
    view: ModelView, paths: dict[int, Path], settings: CovarianceSettings, report: Report | None
) -> dict[int, Covariance]:
    """Measure the layers, each until it is good enough, and keep each as soon as it is; what is half done too."""
    partial = {layer: path.with_suffix(".partial") for layer, path in paths.items()}
    running = {layer: _resumed(view, path) for layer, path in partial.items()}
    found: dict[int, Covariance] = {}

    def finish(layer: int) -> None:
        sums = running.pop(layer)
        sums.check()
        done, origin = sums.error <= settings.tolerance, source(view, settings.seed, settings.text)
        found[layer] = Covariance(sums.mean(), sum(sums.counts), sums.error, done, origin, round(sums.seconds, 3))
        _keep(paths[layer], found[layer])
        cache.remove(partial[layer])

    first = min(sums.batches for sums in running.values())
    stream = batches(view, settings.tokens, settings.seed, settings.text, first)
    show = tqdm(desc="covariance", unit=" tokens", leave=False, disable=None if report is None else True)
    saved = before = time.monotonic()
    pause = SAVE_SECONDS
    with view.unedited(), show:
        for number, ids in stream:
            waiting = [layer for layer, sums in running.items() if sums.batches == number]
            for layer, keys in layer_keys(view, waiting, ids).items():
                running[layer].add(keys[:, beginning(view) :])
                if running[layer].due:
                    running[layer].check()
            now = time.monotonic()
            for layer, sums in list(running.items()):
                sums.seconds += now - before
                if sums.error <= settings.tolerance:
                    finish(layer)
            before = now
            show.update(ids.numel())
            if report is not None:
                report((number + 1) * ROWS * WINDOW, max((sums.error for sums in running.values()), default=0.0))
            if not running:
                break
            if now - saved >= pause:
                for layer, sums in running.items():
                    cache.write(partial[layer], sums.tensors(), sums.header())
                saved = time.monotonic()
                pause = max(SAVE_SECONDS, (saved - now) / SHARE_OF_SAVING)
        for layer in list(running):
            finish(layer)
    return found


def _resumed(view: ModelView, path: Path) -> Sums:
    kept = cache.read(path)
    try:
        return Sums(view.d_ff) if kept is None else Sums.restored(view.d_ff, *kept)
    except UNREADABLE as error:
        cache.damaged(path, error)
        return Sums(view.d_ff)


def _keep(path: Path, found: Covariance) -> None:
    facts: dict[str, Any] = {
        "tokens": found.tokens,
        "error": finite(found.error),
        "converged": found.converged,
        "source": found.source,
        "seconds": found.seconds,
    }
    cache.write(path, {"matrix": found.matrix}, {"found": facts})
