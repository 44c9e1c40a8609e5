"""Templates: what an agent is told first, in Jinja, whoever wrote it; and users' messages that are templates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.jinja.meter import OUTPUT_BYTES_MAX, Meter, TemplateFault
from multiturn.engine.jinja.statements import Statement, Statements
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent, User
from multiturn.model.content import Message
from multiturn.model.session import Session

SOURCE_CHARS_MAX = 256 * 1024
TOKENS_MAX = 4000
# What compiled templates may take of the memory, counted by their sources.
KEPT_CHARS_MAX = 1_000_000
MARKS = ("{{", "{%", "{#")
NEWLINE = {"NEWLINE": "\n"}
NOTHING: Mapping[str, Any] = {}

# contracts/julep 1.5: what Julep's server told an agent first, whitespace control included.
STANDARD_TEMPLATE = """\
{%- if agent.name -%}
You are {{agent.name}}.{{" "}}
{%- endif -%}

{%- if agent.about -%}
About you: {{agent.about}}.{{" "}}
{%- endif -%}

{%- if user -%}
You are talking to a user
  {%- if user.name -%}{{" "}} and their name is {{user.name}}
    {%- if user.about -%}. About the user: {{user.about}}.{%- else -%}.{%- endif -%}
  {%- endif -%}
{%- endif -%}

{{NEWLINE}}

{%- if session.situation -%}
Situation: {{session.situation}}
{%- endif -%}

{{NEWLINE+NEWLINE}}

{%- if agent.instructions -%}
Instructions:{{NEWLINE}}
  {%- if agent.instructions is string -%}
    {{agent.instructions}}{{NEWLINE}}
  {%- else -%}
    {%- for instruction in agent.instructions -%}
      - {{instruction}}{{NEWLINE}}
    {%- endfor -%}
  {%- endif -%}
  {{NEWLINE}}
{%- endif -%}

{%- if docs -%}
Relevant documents:{{NEWLINE}}
  {%- for doc in docs -%}
    {{doc.title}}{{NEWLINE}}
    {%- if doc.content is string -%}
      {{doc.content}}{{NEWLINE}}
    {%- else -%}
      {%- for snippet in doc.content -%}
        {{snippet}}{{NEWLINE}}
      {%- endfor -%}
    {%- endif -%}
    {{"---"}}
  {%- endfor -%}
{%- endif -%}
"""


class Compiled(Struct, frozen=True):
    """A template that can be executed, and the variables that it names."""

    run: Statement
    names: frozenset[str]


class TokenCount(Extension):
    """Lets Jinja's parser read so many tokens of a template, and no more."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for number, token in enumerate(stream):
            if number > TOKENS_MAX:
                raise TemplateFault(f"the template has more than {TOKENS_MAX} parts", line=token.lineno)
            yield token


# Its parser only: nothing of Jinja executes a template here.
ENVIRONMENT = Environment(autoescape=False, extensions=[TokenCount], optimized=False, cache_size=0)


class Templates:
    """Renders templates; those that come again are kept compiled."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, Compiled] = OrderedDict()
        self.kept_chars = 0

    def render(self, source: str, values: Mapping[str, Any], *, param: str, is_kept: bool = True) -> str:
        """Render a template with plain values: texts, numbers, lists, mappings. A text without a mark of Jinja's is
        given back as it is.

        ``param`` is what an error is told of; ``is_kept`` that the template will come again. Raises InvalidRequest
        (``template_error``), whatever the template says, within 100 ms.
        """
        if not has_marks(source):
            return source
        try:
            return execute(self._find(source, is_kept=is_kept), values)
        except TemplateFault as fault:
            raise as_invalid(fault, param) from fault

    def check(self, source: str, param: str) -> None:
        """Raise InvalidRequest (``template_error``) for a template that cannot be read."""
        try:
            self._find(source, is_kept=False)
        except TemplateFault as fault:
            raise as_invalid(fault, param) from fault

    def names_docs(self, source: str) -> bool:
        """Whether a template uses ``docs``; one that cannot be read does not."""
        if "docs" not in source or not has_marks(source):
            return False
        try:
            return "docs" in self._find(source, is_kept=True).names
        except TemplateFault:
            return False

    def write_instructions(
        self,
        session: Session,
        agent: Agent | None,
        users: Sequence[User],
        *,
        metadata: Mapping[str, Any] = NOTHING,
        docs: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """What the model is told first: by the session's template, else the agent's, else the standard one, which is
        not shown the documents. Raises InvalidRequest (``template_error``).
        """
        source = find_template(session, agent)
        values = self.read_values(session, agent, users, metadata=metadata)
        values["docs"] = [] if source is STANDARD_TEMPLATE else list(docs)
        return self.render(source, values, param="system_template")

    def read_values(
        self, session: Session, agent: Agent | None, users: Sequence[User], *, metadata: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """The values that templates know: ``metadata`` is what the turn brings for them. The situation is rendered
        with the others. Raises InvalidRequest (``template_error``).
        """
        told, people = describe_agent(agent), [describe_user(user) for user in users]
        described = describe_session(session)
        values = {
            "session": described,
            "agent": told,
            "current_agent": told,
            "agents": [told] if told else [],
            "user": people[0] if people else None,
            "users": people,
            "settings": agent.body.default_settings if agent else {},
            "tools": [],
            "docs": [],
            "metadata": dict(metadata),
        }
        situation = session.settings.situation
        if situation and has_marks(situation):
            described["situation"] = self.render(situation, values, param="situation")
        return values

    def render_message(self, message: Message, values: Mapping[str, Any], *, param: str) -> Message:
        """A message whose texts are templates, rendered. Raises InvalidRequest (``template_error``)."""
        said = message.content
        if isinstance(said, str):
            text = self.render(said, values, param=param, is_kept=False)
            return message if text is said else replace(message, content=text)
        if not said:
            return message
        parts = [
            {**part, "text": self.render(part["text"], values, param=f"{param}[{number}].text", is_kept=False)}
            if isinstance(part.get("text"), str)
            else part
            for number, part in enumerate(said)
        ]
        return replace(message, content=parts)

    def _find(self, source: str, *, is_kept: bool) -> Compiled:
        """A template compiled, from those that are kept. Raises TemplateFault."""
        if found := self.kept.get(source):
            self.kept.move_to_end(source)
            return found
        compiled = compile_template(source)
        if is_kept:
            self.kept[source] = compiled
            self.kept_chars += len(source)
            while self.kept_chars > KEPT_CHARS_MAX:
                oldest, _ = self.kept.popitem(last=False)
                self.kept_chars -= len(oldest)
        return compiled


def has_marks(source: str) -> bool:
    """Whether there is anything of Jinja's in a text."""
    return "{" in source and any(mark in source for mark in MARKS)


def find_template(session: Session, agent: Agent | None) -> str:
    """The session's template, else the agent's, else the standard one."""
    own = agent.body.system_template if agent else None
    return session.settings.system_template or own or STANDARD_TEMPLATE


def compile_template(source: str) -> Compiled:
    """Make a template executable. Raises TemplateFault."""
    if len(source) > SOURCE_CHARS_MAX:
        raise TemplateFault(f"the template is longer than {SOURCE_CHARS_MAX} characters")
    try:
        parsed = ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise TemplateFault(error.message or "it cannot be read", line=error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise TemplateFault("it is nested too deep, or holds a number that is too long") from error
    maker = Statements()
    run = maker.compile(parsed.body)
    return Compiled(run, frozenset(maker.expressions.names))


def execute(compiled: Compiled, values: Mapping[str, Any]) -> str:
    """Render. Raises TemplateFault."""
    meter = Meter()
    compiled.run({**NEWLINE, **values}, meter)
    text = "".join(meter.pieces)
    if not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > OUTPUT_BYTES_MAX:
        raise TemplateFault(f"its output is longer than {OUTPUT_BYTES_MAX} bytes")
    return text


def as_invalid(fault: TemplateFault, param: str) -> InvalidRequest:
    """The error that a client is told, with the line."""
    where = f", line {fault.line}" if fault.line else ""
    return InvalidRequest(f"'{param}'{where}: {fault.text.rstrip('.')}.", code="template_error", param=param)


def describe_session(session: Session) -> dict[str, Any]:
    """A session as templates know it: nothing that changes from turn to turn, so that what stands first stays."""
    settings = session.settings
    return {
        "id": str(session.id),
        "external_id": session.external_id,
        "created_at": session.created_at.isoformat(),
        "situation": settings.situation,
        "system_template": settings.system_template,
        "render_templates": settings.render_templates,
        "token_budget": settings.policy.token_budget,
        "context_overflow": settings.policy.overflow,
        "metadata": session.metadata,
    }


def describe_agent(agent: Agent | None) -> dict[str, Any] | None:
    """An agent as templates know it."""
    if agent is None:
        return None
    body = agent.body
    instructions = body.instructions if isinstance(body.instructions, str) else list(body.instructions)
    return {
        "id": str(agent.id),
        "name": body.name,
        "about": body.about,
        "canonical_name": body.canonical_name,
        "model": body.model,
        "instructions": instructions,
        "default_settings": body.default_settings,
        "project": body.project,
        "metadata": agent.metadata,
    }


def describe_user(user: User) -> dict[str, Any]:
    """A user as templates know it."""
    return {
        "id": str(user.id),
        "external_id": user.external_id,
        "name": user.name,
        "about": user.about,
        "project": user.project,
        "metadata": user.metadata,
    }
