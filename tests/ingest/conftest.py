"""A landing folder with one small layout."""

from __future__ import annotations

import pytest

from landed import Landed
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    return Landed(home, keys).layout()
