"""What the tests of the data levels share."""

from collections.abc import Iterator

import pytest
from tests.openai_server import OpenAIServer, serving


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """Return a server that speaks the OpenAI protocol, running in this process."""
    with serving() as server:
        yield server
