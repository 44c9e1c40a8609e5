"""What can be asked in Jockey's dialect, described."""

from __future__ import annotations

from multiturn.api.description import Operation
from multiturn.api.jockey.asset_operations import IN_PARTS, ONES
from multiturn.api.jockey.response_operations import OPERATIONS as ASKED
from multiturn.api.jockey.store_operations import OF_COLLECTIONS, OF_ITEMS, OF_STORES

OPERATIONS: tuple[Operation, ...] = (*ASKED, *ONES, *IN_PARTS, *OF_STORES, *OF_ITEMS, *OF_COLLECTIONS)
