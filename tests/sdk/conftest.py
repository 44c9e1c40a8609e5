"""Our Python client in the tests: over a transport that answers from a list, and before the real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sdk.serving import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The real server, for all tests of the client."""
    served = Served(tmp_path_factory.mktemp("served"))
    served.start()
    assert served.is_up.wait(20)
    yield served
    served.stop()
