"""The names of the chat dialect: what we take out of a request, and every other field goes to the model as it came
(DESIGN 8.19).
"""

from __future__ import annotations

# These turn memory on; HTTP names are case-insensitive, so `sessionId` arrives as `sessionid` (contracts/session-
# header 3.1).
SESSION_HEADERS = ("sessionid", "session-id", "x-session-id", "session_id")
SESSION_FIELDS = ("session_id", "sessionId")

# These are sent by harnesses that resend the whole conversation anyway: recorded with the run, nothing more (4.3).
LABEL_HEADERS = (
    "x-litellm-session-id",
    "x-litellm-trace-id",
    "helicone-session-id",
    "helicone-session-path",
    "helicone-session-name",
    "x-portkey-trace-id",
    "x-tfy-conversation-id",
    "x-openwebui-chat-id",
    "x-openwebui-message-id",
    "x-conversation-id",
    "x-claude-code-session-id",
    "x-opencode-session",
    "x-session-affinity",
    "x-parent-session-id",
    "x-client-session-id",
    "x-archestra-session-id",
    "thread-id",
    "x-bf-session-id",
    "baggage",
    "traceparent",
)

# Consumed here and never sent to a model. Everything that is not on this list is.
CONSUMED_FIELDS = frozenset(
    {
        "messages",
        "model",
        "stream",
        *SESSION_FIELDS,
        "context_overflow",
        "memoryStrategy",
        "saveToMemory",
        "useRAG",
        "ragQuery",
        "useUserMemory",
        "autoMemory",
        "summaryThreshold",
        "concurrency",
        "on_disconnect",
        "idle_expiry_s",
    }
)
# Consumed, and asked for what this version does not do.
MISSING_FIELDS = ("useRAG", "ragQuery", "useUserMemory", "autoMemory", "summaryThreshold")
