"""A turn that waits, as bytes."""

from __future__ import annotations

import zlib

import pytest

from multiturn.engine.suspension import read_suspended
from multiturn.errors import Conflict


@pytest.mark.parametrize("state", [b"", b"no bytes of ours", zlib.compress(b"{"), zlib.compress(b'{"order": 1}')])
def test_bytes_of_another_version_are_refused(state: bytes) -> None:
    with pytest.raises(Conflict) as refused:
        read_suspended(state)
    assert refused.value.code == "run_not_waiting"
