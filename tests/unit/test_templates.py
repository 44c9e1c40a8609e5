"""Templates: they say what Jinja says, and whatever they say they end soon."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from typing import Any

import jinja2
import pytest

from multiturn.engine.jinja.meter import OUTPUT_BYTES_MAX
from multiturn.engine.templates import KEPT_CHARS_MAX, STANDARD_TEMPLATE, Templates
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent, AgentBody, User
from multiturn.model.content import Message
from multiturn.model.ids import new_id
from multiturn.model.session import Session, SessionSettings

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAIN = jinja2.Environment(autoescape=False)
TEMPLATES = Templates()
VALUES: dict[str, Any] = {
    "text": "The  tram\nruns. <b>&",
    "number": 7,
    "half": 2.5,
    "yes": True,
    "none": None,
    "empty": "",
    "list": ["b", "A", "c", "a"],
    "numbers": [3, 1, 2, 3],
    "people": [{"name": "Ann", "age": 30}, {"name": "bob", "age": 20}, {"name": "Cid"}],
    "mapping": {"b": 1, "a": {"deep": ["x", "y"]}},
}


def render(source: str, values: dict[str, Any] | None = None) -> str:
    return TEMPLATES.render(source, VALUES if values is None else values, param="template", is_kept=False)


def refuse(source: str, values: dict[str, Any] | None = None) -> str:
    """What is said of a template that is refused."""
    with pytest.raises(InvalidRequest) as caught:
        render(source, values)
    assert (caught.value.code, caught.value.param) == ("template_error", "template")
    return caught.value.message


AGENTS = (
    None,
    {"name": "Ada", "about": "Plans.", "instructions": "Be brief."},
    {"name": "Ada", "about": "", "instructions": ["One.", "Two."]},
    {"name": "", "instructions": []},
)
USERS = (None, {"name": "Bob", "about": "Travels."}, {"name": "Bob", "about": None}, {"name": None})
DOCS: Any = (
    [],
    [{"title": "T", "content": "one"}],
    [{"title": "T", "content": ["a", "b"]}, {"title": "U", "content": "c"}],
)


@pytest.mark.parametrize("case", list(itertools.product(AGENTS, USERS, (None, "A journey."), DOCS)))
def test_standard_template_is_byte_for_byte_jinjas(case: tuple[Any, ...]) -> None:
    agent, user, situation, docs = case
    values = {"agent": agent, "user": user, "session": {"situation": situation}, "docs": docs}
    expected = PLAIN.from_string(STANDARD_TEMPLATE).render(NEWLINE="\n", **values)
    assert render(STANDARD_TEMPLATE, values) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }}|{{ number }}|{{ half }}|{{ yes }}|{{ none }}|{{ missing }}|{{ list }}|{{ mapping }}",
        "{{ number + 1 }} {{ number - 1.5 }} {{ number * 2 }} {{ number / 2 }} {{ number // 2 }} {{ number % 4 }}",
        "{{ 2 ** 8 }} {{ -number }} {{ +half }} {{ not yes }} {{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1, 2) + (3,) }}",
        "{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ number ~ text ~ none ~ missing }}",
        "{{ 1 < 2 <= 2 != 3 }} {{ 1 > 2 }} {{ 'b' in 'abc' }} {{ 'z' not in list }}",
        "{{ 'a' in mapping }} {{ 1 == 1.0 }}",
        "{{ yes and 'x' }} {{ empty or 'y' }} {{ 'a' if yes else 'b' }} [{{ 'a' if empty }}]",
        "{{ mapping.a.deep[1] }} {{ mapping['b'] }} {{ list[-1] }} {{ text[0:3] }} {{ list[::-1] }} [{{ list[9] }}]",
        "{{ [1, 'a', none] }} {{ (1, 2) }} {{ {'k': [1], 2: 'v'} }}",
        "{% if empty %}a{% elif number > 5 %}b{% else %}c{% endif %}",
        "{% for x in list %}{{ loop.index }}/{{ loop.length }}{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
        "{% for x in [] %}a{% else %}none{% endfor %}{% for x in missing %}a{% else %}none{% endfor %}",
        "{% for x in numbers if x > 1 %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ x }} {% endfor %}",
        "{% for x in list %}{{ loop.previtem }}-{{ loop.nextitem }} {{ loop.cycle('odd', 'even') }};{% endfor %}",
        "{% for a in [1, 2] %}{% for b in 'xy' %}{{ loop.depth }}{{ a }}{{ b }} {% endfor %}{% endfor %}",
        "{% for key, value in mapping.items() %}{{ key }}={{ value }};{% endfor %}",
        "{% for key in mapping %}{{ key }}{% endfor %}",
        "{% set a = 1 %}{% for x in list %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}",
        "{% set ns = namespace(n=0) %}{% for x in numbers %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
        "{% if yes %}{% set b = 3 %}{% endif %}{{ b }}{% set c, d = 1, 2 %}{{ c }}{{ d }}",
        "{% set block %}a{{ number }}{% endset %}{{ block }}{% set big | upper %}abc{% endset %}{{ big }}",
        "{% with a = 1, b = number %}{{ a }}{{ b }}{% endwith %}[{{ a }}]",
        "{% filter upper | trim %} shout {% endfilter %}",
        "a {%- if yes -%} b {%- endif -%} c\n{# nothing #}\n{% raw %}{{ raw }}{% endraw %}\n",
        "{{ text | upper }}{{ text | lower }}{{ text | title }}{{ text | capitalize }}{{ text | trim }}",
        "{{ text | wordcount }}",
        "{{ text | replace('tram', 'bus') }}{{ 'aaa' | replace('a', 'b', 2) }}{{ text | length }}{{ list | count }}",
        "{{ text | truncate(9) }}|{{ text | truncate(9, true, '…') }}",
        "{{ text | indent(2) }}|{{ text | indent(3, true) }}",
        "{{ 'x' | center(9) }}|{{ missing | default('d') }}|{{ empty | d('e', true) }}|{{ text | string }}",
        "{{ '42' | int }}{{ 'x' | int(7) }}{{ '3.9' | int }}{{ '2.5' | float }}{{ -3 | abs }}{{ 2.567 | round(1) }}",
        "{{ 2.1 | round(0, 'ceil') }}{{ 2.9 | round(method='floor') }}{{ mapping | tojson }}{{ text | tojson }}",
        "{{ mapping | tojson(indent=2) }}{{ text | e }}{{ text | safe }}",
        "{{ list | join(', ') }}{{ people | join('/', attribute='name') }}{{ list | first }}{{ list | last }}",
        "{{ list | sort }}{{ list | sort(true, true) }}",
        "{{ people | sort(attribute='name') | map(attribute='name') | list }}",
        "{{ numbers | unique | list }}{{ numbers | sum }}{{ numbers | min }}{{ list | max }}",
        "{{ list | reverse | list }}",
        "{{ people | map(attribute='age', default=0) | list }}{{ list | map('upper') | join }}{{ mapping | dictsort }}",
        "{{ numbers | select('odd') | list }}{{ numbers | reject('equalto', 3) | list }}",
        "{{ people | selectattr('age') | map(attribute='name') | list }}",
        "{{ people | rejectattr('age', 'defined') | map(attribute='name') | list }}",
        "{{ mapping | items | list }}{{ mapping.get('b') }}{{ mapping.get('z', 5) }}{{ text.split() }}",
        "{{ text.splitlines() }}",
        "{{ text.replace('T', 't').strip().upper() }}{{ text.startswith('The') }}{{ ','.join(list) }}",
        "{{ 'a-b'.split('-', 1) }}",
        "{{ range(3) | list }}{% for i in range(1, 9, 3) %}{{ i }}{% endfor %}{{ dict(a=1).a }}",
        "{{ missing is defined }}{{ none is none }}{{ text is string }}{{ 3 is odd }}",
        "{{ 4 is divisibleby(2) }}{{ 1 is number }}",
        "{{ mapping is mapping }}{{ list is sequence }}{{ yes is true }}{{ 1 is sameas 1 }}{{ 2 is gt 1 }}",
        "{{ 'a' is in list }}",
        "{{ 'abc' is lower }}{{ 1.5 is float }}{{ 1 is integer }}{{ missing is undefined }}{{ list is iterable }}",
    ],
)
def test_template_says_what_jinja_says(source: str) -> None:
    assert render(source) == PLAIN.from_string(source).render(**VALUES)


def test_text_without_marks_stays_as_it_is() -> None:
    assert render("100 % {of} it\n\n") == "100 % {of} it\n\n"


def test_key_wins_over_a_method_of_its_name() -> None:
    assert render("{{ m.items }}{{ m.items() }}", {"m": {"items": 1}}) == "1[('items', 1)]"


DOUBLED = "{{% set ns = namespace(x={}) %}}{{% for i in range(100) %}}{{% set ns.x = {} %}}{{% endfor %}}{}"
HOSTILE = {
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "loop that writes": "{% for a in range(9999) %}{{ 'a' * 999 }}{% endfor %}",
    "huge range": "{{ range(10 ** 9) }}",
    "range beyond all": "{{ range(10 ** 30) | list }}",
    "text times number": "{{ 'a' * 10 ** 9 }}",
    "number times text": "{{ 10 ** 9 * 'a' }}",
    "list times number": "{{ [1] * 10 ** 9 }}",
    "power": "{{ 9 ** 999999 }}",
    "products": "{{ 2 ** 999 * 2 ** 999 }}",
    "doubled text": DOUBLED.format("'a'", "ns.x + ns.x", ""),
    "doubled by concatenation": DOUBLED.format("'a'", "ns.x ~ ns.x", ""),
    "doubled by replacing": DOUBLED.format("'aa'", "ns.x.replace('a', 'aa')", ""),
    "doubled by joining": DOUBLED.format("'aa'", "[ns.x, ns.x] | join", ""),
    "doubled list": DOUBLED.format("[1]", "ns.x + ns.x", ""),
    "shared list shown": DOUBLED.format("[1]", "[ns.x, ns.x]", "{{ ns.x }}"),
    "shared list as JSON": DOUBLED.format("[1]", "[ns.x, ns.x]", "{{ ns.x | tojson }}"),
    "shared list compared": DOUBLED.format("[1]", "[ns.x, ns.x]", "{{ ns.x == [ns.x, 1] }}"),
    "shared tuple as key": DOUBLED.format("(1,)", "(ns.x, ns.x)", "{{ {ns.x: 1} }}"),
    "shared tuple unique": DOUBLED.format("(1,)", "(ns.x, ns.x)", "{{ [ns.x] | unique }}"),
    "namespace in itself": "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
    "captured blocks": "{% for i in range(9999) %}{% set x %}{{ 'a' * 9999 }}{% endset %}{% endfor %}",
    "center": "{{ 'a' | center(10 ** 9) }}",
    "indent": "{{ 'a' | indent(10 ** 9) }}",
    "indent of many lines": "{{ ('\\n' * 200000) | indent(999) }}",
    "indent of JSON": "{{ [1] | tojson(indent=10 ** 9) }}",
    "strip": "{{ ('b' * 250000).strip('a' * 250000 ~ 'b') }}",
    "split": "{{ ('a,' * 100000).split(',') }}",
    "title again and again": "{% for i in range(999) %}{{ ('-a' * 100000) | title | length }}{% endfor %}",
    "find again and again": "{% for i in range(9999) %}{{ ('a' * 29000).find('a' * 90 ~ 'b') }}{% endfor %}",
    "sort of long texts": "{{ (['a' * 20000] * 10000) | sort | length }}",
    "maps": "{{ range(9999) | map('string') | map('upper') | join | length }}" * 40,
    "many variables": "".join(f"{{% set v{n} = 1 %}}" for n in range(700))
    + "{% for i in range(9999) %}{% endfor %}" * 9,
    "format": "{{ '%1000000000d' | format(1) }}",
    "format by operator": "{{ '%1000000000d' % 1 }}",
    "format by method": "{{ '{:1000000000}'.format(1) }}",
    "wordwrap": "{{ 'a' | wordwrap(10 ** 9) }}",
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "signs": "{{ " + "-" * 3000 + "1 }}",
    "lists in lists": "{{ " + "[" * 3000,
    "ifs in ifs": "{% if 1 %}" * 300 + "{% endif %}" * 300,
    "loops in loops": "{% for a in [1] %}" * 300 + "{% endfor %}" * 300,
    "many parts": "{{ a }}" * 30000,
    "many alternatives": "{% if a %}" + "{% elif a %}" * 9000 + "{% endif %}",
    "number of many digits": "{{ " + "9" * 100000 + " }}",
    "openings": "{{" * 100000,
    "too long": "{{ a }}" + "a" * 300000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_template_ends_within_its_limits(name: str) -> None:
    began = time.thread_time()
    refuse(HOSTILE[name])
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macro"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as y %}", "import"),
        ("{% from 'x' import y %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block a %}{% endblock %}", "block"),
        ("{% call f() %}{% endcall %}", "call"),
        ("{% autoescape true %}{% endautoescape %}", "autoescape"),
        ("{% for a in list recursive %}{{ loop(a) }}{% endfor %}", "recursive"),
        ("{{ lipsum(5) }}", "range"),
        ("{{ text() }}", "called"),
        ("{{ text.__class__ }}", "__class__"),
        ("{{ text.__class__() }}", "called"),
        ("{{ mapping.pop('a') }}", "pop"),
        ("{{ list.append(1) }}", "append"),
        ("{{ text | attr('upper') }}", "attr"),
        ("{{ range(*list) }}", "'*'"),
    ],
)
def test_what_templates_may_not_do_is_refused(source: str, what: str) -> None:
    assert what in refuse(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text['__class__'] }}{{ text['upper'] }}",
        "{{ [text] | map(attribute='__class__') | first }}",
        "{{ mapping['__len__'] }}{{ list.append }}{{ number.real }}{{ text.upper }}",
        "{{ [mapping] | sort(attribute='a.deep') | map(attribute='a.__class__') | first }}",
        "{{ range }}{{ namespace }}{{ self }}{{ caller }}",
    ],
)
def test_nothing_of_pythons_own_is_reached(source: str) -> None:
    assert render(source) == ""


def test_foreign_object_is_not_shown() -> None:
    class Foreign:
        secret = "secret"

    assert "secret" not in refuse("{{ x }}", {"x": Foreign()})
    assert render("{{ x.secret }}{{ x['secret'] }}", {"x": Foreign()}) == ""


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("a\n\n{{ foo( }}", 3, "unexpected"),
        ("a\n{% for x in list %}\n{{ x.y.z }}\n{% endfor %}", 3, "has no attribute 'y'"),
        ("{{ missing.name }}", 1, "'missing' is undefined"),
        ("\n{{ text | nope }}", 2, "no filter 'nope'"),
        ("\n{{ text is nope }}", 2, "no test 'nope'"),
        ("{% if yes %}\n\n{{ 1 / 0 }}{% endif %}", 3, "division by zero"),
        ("\n{{ 'a' + 1 }}", 2, "a text and a number"),
        ("\n\n\n{% include 'x' %}", 4, "include"),
        ("\n{% if yes %}", 2, "endif"),
        ("\n{{ text.strip(1) }}", 2, ""),
        ("\n{{ text | upper(1) }}", 2, "argument"),
    ],
)
def test_error_names_the_line_and_what_is_wrong(source: str, line: int, text: str) -> None:
    said = refuse(source)
    assert said.startswith(f"'template', line {line}: ")
    assert text in said


def test_output_is_measured_in_bytes() -> None:
    assert len(render("{{ 'a' * n }}", {"n": OUTPUT_BYTES_MAX})) == OUTPUT_BYTES_MAX
    assert "bytes" in refuse("{{ 'é' * n }}", {"n": OUTPUT_BYTES_MAX // 2 + 1})


def test_check_reads_and_does_not_render() -> None:
    TEMPLATES.check("{{ 1 / 0 }}", "system_template")
    with pytest.raises(InvalidRequest, match="'system_template', line 2"):
        TEMPLATES.check("\n{% if %}", "system_template")


def test_what_is_kept_is_bounded() -> None:
    templates = Templates()
    for number in range(40):
        templates.render("{# " + "x" * 50_000 + f" #}}{{{{ {number} }}}}", {}, param="template")
    assert 0 < templates.kept_chars <= KEPT_CHARS_MAX
    assert sum(map(len, templates.kept)) == templates.kept_chars


def test_template_that_names_docs_is_known() -> None:
    templates = Templates()
    assert templates.names_docs("{% for d in docs %}{{ d.title }}{% endfor %}")
    assert templates.names_docs(STANDARD_TEMPLATE)
    for source in ("docs", "{{ agent.docs }}", "{{ 'docs' }}", "{{ docs", ""):
        assert not templates.names_docs(source)


# What an agent is told.


def make_agent(**fields: Any) -> Agent:
    body = AgentBody(**{"name": "Ada", **fields})
    return Agent(id=new_id(), tenant_id=new_id(), version=1, created_at=NOW, updated_at=NOW, body=body)


def make_user(name: str) -> User:
    return User(id=new_id(), tenant_id=new_id(), external_id=name, created_at=NOW, updated_at=NOW, name=name)


def make_session(**settings: Any) -> Session:
    made = SessionSettings(**settings)
    return Session(
        id=new_id(),
        tenant_id=new_id(),
        user_id=new_id(),
        external_id=None,
        created_at=NOW,
        active_at=NOW,
        settings=made,
        metadata={"city": "Lisbon"},
    )


def test_standard_template_tells_who_speaks_with_whom() -> None:
    agent = make_agent(about="a guide", instructions=("One.", "Two."))
    said = TEMPLATES.write_instructions(make_session(situation="A journey."), agent, [make_user("Bob")])
    assert said == (
        "You are Ada. About you: a guide. You are talking to a user  and their name is Bob.\n"
        "Situation: A journey.\n\nInstructions:\n- One.\n- Two.\n\n"
    )


def test_nearest_template_is_taken() -> None:
    agent = make_agent(system_template="agent's {{ agent.name }}")
    assert TEMPLATES.write_instructions(make_session(), agent, []) == "agent's Ada"
    session = make_session(system_template="session's {{ session.metadata.city }}")
    assert TEMPLATES.write_instructions(session, agent, []) == "session's Lisbon"
    assert TEMPLATES.write_instructions(make_session(), make_agent(), []).startswith("You are Ada.")


def test_session_without_an_agent_has_a_template_too() -> None:
    session = make_session(system_template="{% if agent %}a{% endif %}{{ user.name }}{{ agents }}{{ metadata.x }}")
    assert TEMPLATES.write_instructions(session, None, [make_user("Bob")], metadata={"x": 1}) == "Bob[]1"


def test_only_a_custom_template_is_shown_documents() -> None:
    docs = [{"title": "Trams", "content": ["28"], "metadata": {}}]
    assert "Trams" not in TEMPLATES.write_instructions(make_session(), make_agent(), [], docs=docs)
    session = make_session(system_template="{{ docs[0].title }}")
    assert TEMPLATES.write_instructions(session, make_agent(), [], docs=docs) == "Trams"


def test_situation_is_a_template() -> None:
    session = make_session(situation="{{ user.name }} in {{ session.metadata.city }}")
    assert "Situation: Bob in Lisbon" in TEMPLATES.write_instructions(session, make_agent(), [make_user("Bob")])
    with pytest.raises(InvalidRequest) as caught:
        TEMPLATES.write_instructions(make_session(situation="\n{{ a.b }}"), make_agent(), [])
    assert (caught.value.code, caught.value.param) == ("template_error", "situation")


def test_texts_of_a_message_are_rendered() -> None:
    values = TEMPLATES.read_values(make_session(), make_agent(), [])
    plain = Message("user", "no marks")
    assert TEMPLATES.render_message(plain, values, param="m") is plain
    assert TEMPLATES.render_message(Message("user", "{{ agent.name }}"), values, param="m").content == "Ada"
    parts: list[dict[str, Any]] = [{"type": "text", "text": "{{ agent.name }}"}, {"type": "image_url", "image_url": {}}]
    rendered = TEMPLATES.render_message(Message("user", parts), values, param="m")
    assert rendered.content == [{"type": "text", "text": "Ada"}, parts[1]]
    with pytest.raises(InvalidRequest, match=r"m\[0\]\.text"):
        TEMPLATES.render_message(Message("user", [{"type": "text", "text": "{{ 1 / 0 }}"}]), values, param="m")
