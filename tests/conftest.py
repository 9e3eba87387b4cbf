"""What every test has: shapes and types checked at run time, a cache of its own, and `tiny`, tiny random models."""

from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Statistics are kept for the session, and nothing is written to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("cache")
        patch.setenv("ERRATA_CACHE", str(path))
        yield path


@pytest.fixture
def tiny() -> Callable[..., ModelView]:
    """`tiny(architecture, seed=0, dtype=torch.float32)`: a fresh tiny model; see tests/tiny.py."""
    return factory.tiny
