"""A delivery of two blocks, made once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _delivery() -> ModuleType:
    if "delivery" not in sys.modules:
        spec = importlib.util.spec_from_file_location("delivery", Path(__file__).with_name("delivery.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["delivery"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["delivery"]


@pytest.fixture(scope="session")
def delivery() -> ModuleType:
    """The maker of deliveries."""
    return _delivery()


@pytest.fixture(scope="session")
def delivered_original(delivery: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """A delivery of two blocks; never write to it."""
    return delivery.make_delivery(tmp_path_factory.mktemp("delivery"))


@pytest.fixture
def delivered(delivery: ModuleType, delivered_original, tmp_path: Path):
    """A fresh copy of the delivery."""
    return delivery.copy(delivered_original, tmp_path)


@pytest.fixture
def member(delivered) -> Path:
    """The fresh copy's member directory."""
    return delivered.member
