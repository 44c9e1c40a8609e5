"""What turns are made of."""

from __future__ import annotations

from msgspec import Struct

from multiturn.engine.contexts import Contexts
from multiturn.engine.grounding.alignment import SourceReader
from multiturn.engine.grounding.tools import Searchable
from multiturn.engine.ports import Clock, ItemStore, Spawn, TurnStore, Upstream
from multiturn.engine.ports_approvals import ApprovalStore
from multiturn.engine.ports_tools import ToolHost
from multiturn.engine.prices import Prices
from multiturn.engine.runs import Runs
from multiturn.engine.upkeep import Upkeep
from multiturn.engine.usage import Meter
from multiturn.observe import Metrics, Tracer


class Parts(Struct, frozen=True, kw_only=True):
    """What turns are made of. ``approval_s`` is how long a run waits for a person's word."""

    store: TurnStore
    approvals: ApprovalStore
    items: ItemStore
    upstream: Upstream
    contexts: Contexts
    upkeep: Upkeep
    searchable: Searchable
    tool_host: ToolHost | None
    approval_s: float
    source_reader: SourceReader
    runs: Runs
    prices: Prices
    meter: Meter
    metrics: Metrics
    tracer: Tracer
    clock: Clock
    spawn: Spawn
