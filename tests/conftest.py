"""What every test has: shapes and types checked at run time, and `tiny`, the factory of tiny random models."""

from collections.abc import Callable

import pytest
from jaxtyping import install_import_hook

install_import_hook("errata", "beartype.beartype")

from errata.model.view import ModelView  # noqa: E402
from tests import tiny as factory  # noqa: E402


@pytest.fixture
def tiny() -> Callable[..., ModelView]:
    """`tiny(architecture, seed=0, dtype=torch.float32)`: a fresh tiny model; see tests/tiny.py."""
    return factory.tiny
