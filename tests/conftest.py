"""What every test has: shapes and types checked at run time, and `tiny`, the factory of tiny random models."""

from collections.abc import Callable
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

SOURCE = Path(__file__).parent.parent / "src" / "errata"
# These refuse bad values themselves, and tests see how.
CHECKED_BY_THEMSELVES = ("facts", "deltas")

install_import_hook(
    [f"errata.{path.stem}" for path in SOURCE.iterdir() if path.stem not in CHECKED_BY_THEMSELVES],
    "beartype.beartype",
)

from errata.model.view import ModelView  # noqa: E402
from tests import tiny as factory  # noqa: E402


@pytest.fixture
def tiny() -> Callable[..., ModelView]:
    """`tiny(architecture, seed=0, dtype=torch.float32)`: a fresh tiny model; see tests/tiny.py."""
    return factory.tiny
