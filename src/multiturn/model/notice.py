"""What servers on one database tell each other, each with the id of what it is about."""

from __future__ import annotations

from typing import Literal

# A waiting run got its session · a run is to be cancelled · a key was revoked · a tenant's policy was
# changed · its quotas were · a user is gone.
Topic = Literal["started", "cancel", "revoked", "policy", "quota", "user"]
