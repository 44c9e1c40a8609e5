"""What can be asked in Julep's dialect, described."""

from __future__ import annotations

from multiturn.api.description import Operation
from multiturn.api.julep.doc_operations import ALL, OWNED
from multiturn.api.julep.people_operations import AGENTS, USERS
from multiturn.api.julep.session_operations import MANAGED, SAID
from multiturn.api.julep.tool_operations import TOOLS

OPERATIONS: tuple[Operation, ...] = (*MANAGED, *SAID, *AGENTS, *TOOLS, *USERS, *OWNED, *ALL)
