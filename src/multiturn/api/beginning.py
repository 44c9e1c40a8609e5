"""How to begin: the first lines that a newcomer runs, in three languages."""

from __future__ import annotations

ADDRESS = "http://127.0.0.1:8000"

WHAT = """This server keeps the state of conversations with language models, so that your application does not have \
to. Send the new message and the name of a session: the model is shown the history, and answer and question are \
remembered. Every client of OpenAI's chat completions works as it is; only its address and one header change."""

WHERE = f"""The address is `{ADDRESS}` unless the server was told otherwise. `multiturn serve` prints a key when it \
starts for the first time; `multiturn keys` makes more. The session is any name you like: the first turn makes it, and \
24 hours without use forget it, unless you say otherwise (`idle_expiry_s`)."""

CURL = f"""export KEY=mt-...
curl {ADDRESS}/v1/chat/completions \\
  -H "Authorization: Bearer $KEY" -H "session-id: trip-to-lisbon" \\
  -H "Content-Type: application/json" \\
  -d '{{"messages": [{{"role": "user", "content": "I have 3 days in Lisbon."}}]}}'
# And once more, with: "How many days have I?"
"""

PYTHON = f"""from openai import OpenAI

session = {{"session-id": "trip-to-lisbon"}}
client = OpenAI(base_url="{ADDRESS}/v1", api_key="mt-...", default_headers=session)
for text in ("I have 3 days in Lisbon.", "How many days have I?"):
    messages = [{{"role": "user", "content": text}}]
    answer = client.chat.completions.create(model="default", messages=messages)
    print(answer.choices[0].message.content)
"""

JAVASCRIPT = f"""import OpenAI from "openai";

const session = {{ "session-id": "trip-to-lisbon" }};
const baseURL = "{ADDRESS}/v1";
const client = new OpenAI({{ baseURL, apiKey: "mt-...", defaultHeaders: session }});
for (const content of ["I have 3 days in Lisbon.", "How many days have I?"]) {{
  const messages = [{{ role: "user", content }}];
  const answer = await client.chat.completions.create({{ model: "default", messages }});
  console.log(answer.choices[0].message.content);
}}
"""

LATER = """What was said can be read at any time: `GET /v1/sessions/trip-to-lisbon/items`. Tool calls, streams, images \
and every other field of a request reach the model as they are. `model` is a name of `GET /v1/models`; the embedded \
model answers to every name."""

CALLER = """Every request needs a key, but those under Server. A key belongs to a tenant, which owns the data, and \
may belong to one user of it. A user's JWT does as well, where the operator has named its issuer; beside it a key \
(`apikey`) names the tenant. Two keys of one tenant and user share their sessions; tenants and users never see each \
other's, though the names of their sessions be equal."""

BEARER = "`Bearer <key>`, as OpenAI's clients send it, or `Bearer <JWT>`."

KEY_HEADERS = """The key alone. A third one, `superAgentKey`, goes before all others, for clients that send a \
provider's key as the bearer."""

ERRORS = """Every error is in OpenAI's envelope: `{"error": {"message", "type", "param", "code"}}`. The code is \
stable; the message is for people. Below `/julep/api` errors are in Julep's envelope, below `/v1.3` in TwelveLabs', \
with the code as `reason`, below `/api` in Powabase's: `{"error": "<text>", "code"}`, \
at `/mcp` in JSON-RPC's. `Retry-After` (seconds) stands \
where waiting helps. An error in mid-stream is the last event. A thing of another \
tenant or user is answered as one that does not exist."""

SHAPES = """What is sent and what comes back, as JSON. Times are in UTC (RFC 3339)."""
