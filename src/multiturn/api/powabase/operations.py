"""What can be asked in Powabase's dialect, described."""

from __future__ import annotations

from multiturn.api.description import Operation

OPERATIONS: tuple[Operation, ...] = ()
