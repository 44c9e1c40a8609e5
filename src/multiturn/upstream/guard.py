"""Keeps calls to addresses that others name out of this machine and its network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from multiturn.upstream.addresses import is_public

IsAllowed = Callable[[str], bool]


class PrivateAddress(OSError):
    """An address that is not to be connected to."""

    def __init__(self) -> None:
        # Of several addresses that all fail with one text, aiohappyeyeballs raises the first as it is.
        super().__init__("not a public address")


class Guard:
    """Opens sockets. ``is_allowed`` tells of each address, as it is connected to, whether it may be."""

    def __init__(self, is_allowed: IsAllowed = is_public) -> None:
        self.is_allowed = is_allowed

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that is connected to right now, with no other look at the name's addresses between:
        what a name leads to when it is checked is what it leads to. Raises PrivateAddress.
        """
        family, type_, proto, _, address = info
        if not self.is_allowed(str(address[0])):
            raise PrivateAddress
        return socket.socket(family, type_, proto)
