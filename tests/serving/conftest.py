"""A small bundle that answers."""

from pathlib import Path

import pytest

from tests.quantized import Chain, MakeParams, made_chain


@pytest.fixture(scope="session")
def chain(tiny_base: Path, make_params: MakeParams) -> Chain:
    return made_chain(tiny_base, make_params)
