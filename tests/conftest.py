"""What several files of tests share."""

import pytest

from lineart.config import Config
from lineart.data.sets import load


@pytest.fixture(scope="session")
def pairs():
    """Eight drawings of `toon` at 64 px."""
    return load(Config.from_profile("smoke"), "test")


@pytest.fixture
def figures_closed():
    """Figures without a window; after the test none is open."""
    import matplotlib.pyplot as plt  # most tests need none

    plt.switch_backend("Agg")
    yield
    plt.close("all")
