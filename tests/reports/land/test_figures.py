"""Figures of a LAND reproduction: files that are there, of a readable size, the same for the same result."""

import struct
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from errata.reports.land.curve import curve
from errata.reports.land.figures import draw
from errata.reports.land.style import COLORS, color_of

FIGURES = {"figure1", "identification", "amplification", "suppression", "editing", "curve", "example"}


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, out of its header."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", head[16:])


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Every figure that is saved, by its file's name."""
    saved: dict[str, Figure] = {}
    save = Figure.savefig

    def keep(self: Figure, path: Path, **settings: Any) -> None:
        saved[path.name] = self
        save(self, path, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def test_every_figure_is_a_file_of_a_readable_size(
    result: dict[str, Any], tmp_path: Path, figures: dict[str, Figure]
) -> None:
    settings = dict(matplotlib.rcParams)
    written = draw(result, tmp_path / "new", "land-pocket")
    assert written == {key: f"land-pocket-{key}.png" for key in written} and set(written) == FIGURES
    for name in written.values():
        width, height = size(tmp_path / "new" / name)
        assert 1000 <= width <= 2000 and 300 <= height <= 2000
        assert min(text.get_fontsize() for text in texts(figures[name])) >= 9
    assert dict(matplotlib.rcParams) == settings


def test_the_figures_say_the_numbers(result: dict[str, Any], tmp_path: Path, figures: dict[str, Figure]) -> None:
    draw(result, tmp_path, "a")
    said = {name: [text.get_text() for text in texts(figure)] for name, figure in figures.items()}
    assert {"45.1 ± 1.2", "14.4 ± 1.0", "LAND", "random, as LAND"} <= set(said["a-identification.png"])
    assert {"2.35 ± 0.01", "Same", "Related", "Unrelated"} <= set(said["a-amplification.png"])
    assert "−0.46 ± 0.01" in said["a-suppression.png"]
    assert {"95.3 ± 1.0", "Neighbours kept", "before the edit"} <= set(said["a-editing.png"])
    assert any("Baseline, mean 20.0 %" in text for text in said["a-figure1.png"])
    example = "\n".join(said["a-example.png"])
    assert "“Ada was born in”" in example and "Ada → Rome (birthplace)" in example
    assert "Baseline: pairs overlap by 27.8 %\nneurons: 3, in all 3 phrasings: 1" in example


def test_the_same_result_gives_the_same_bytes(result: dict[str, Any], tmp_path: Path) -> None:
    result["methods"] = ["land", "fact_code"]
    first, second = draw(result, tmp_path / "a", "x"), draw(result, tmp_path / "b", "x")
    assert first == second
    for name in first.values():
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_was_not_measured_is_not_drawn(bare: dict[str, Any], tmp_path: Path, figures: dict[str, Figure]) -> None:
    written = draw(bare, tmp_path, "a")
    assert set(written) == {"identification", "amplification", "editing", "example"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written.values())
    said = {name: [text.get_text() for text in texts(figure)] for name, figure in figures.items()}
    assert "not measured" in said["a-identification.png"] and "KN-refined" not in said["a-identification.png"]
    assert "–" in said["a-editing.png"] and "before the edit" not in said["a-editing.png"]


def test_every_method_has_a_colour_of_its_own() -> None:
    methods = [*COLORS, *(f"random_as_{method}" for method in COLORS)]
    assert len({color_of(method) for method in methods}) == len(methods)


def test_the_numbers_of_the_curve_do_not_meet(result: dict[str, Any]) -> None:
    figure = curve(result)
    assert figure is not None
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert len(boxes) >= 6
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
