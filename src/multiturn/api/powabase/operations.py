"""What can be asked in Powabase's dialect, described."""

from __future__ import annotations

from multiturn.api.description import Operation
from multiturn.api.powabase.agent_operations import OPERATIONS as AGENTS
from multiturn.api.powabase.attached_operations import OPERATIONS as ATTACHED
from multiturn.api.powabase.knowledge_operations import OPERATIONS as KNOWLEDGE
from multiturn.api.powabase.run_operations import OPERATIONS as RUNS
from multiturn.api.powabase.session_operations import OPERATIONS as SESSIONS
from multiturn.api.powabase.source_operations import OPERATIONS as SOURCES

OPERATIONS: tuple[Operation, ...] = (*RUNS, *SESSIONS, *AGENTS, *ATTACHED, *KNOWLEDGE, *SOURCES)
