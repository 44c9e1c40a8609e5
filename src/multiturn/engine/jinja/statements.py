"""The statements of a template as functions that write: text, conditions, loops, variables.

Scopes are Jinja's: what a loop or ``with`` sets is gone behind it, what ``if`` sets stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import UndefinedError

from multiturn.engine.jinja.expressions import Expression, Expressions, Scope
from multiturn.engine.jinja.meter import DEPTH_MAX, Meter, TemplateFault
from multiturn.engine.jinja.values import LoopState, Namespace, as_items, as_text

Statement = Callable[[Scope, Meter], None]
Lines = list[tuple[int, Statement]]
Binder = Callable[[Scope, Any], None]

# What the operations on plain values raise when the values do not fit; everything else is a bug.
MISFITS = (UndefinedError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)
# Jinja's statements that are not here, by its own words for them.
WORDS = {
    "FromImport": "import",
    "CallBlock": "call",
    "Scope": "autoescape",
}


class Statements:
    """Makes functions of statements."""

    def __init__(self) -> None:
        self.expressions = Expressions()
        self.depth = 0

    def compile(self, body: Sequence[nodes.Node]) -> Statement:
        """A function of some statements, one behind the other. Raises TemplateFault."""
        lines: Lines = []
        self.depth += 1
        for node in body:
            if self.depth > DEPTH_MAX:
                raise TemplateFault(f"statements are nested deeper than {DEPTH_MAX} levels", line=node.lineno)
            self.expressions.count += 1
            if isinstance(node, nodes.Output):
                lines += [(child.lineno, self.compile_output(child)) for child in node.nodes]
                continue
            maker = MAKERS.get(type(node).__name__)
            if maker is None:
                name = type(node).__name__
                text = f"'{{% {WORDS.get(name, name.lower())} %}}' cannot be used here"
                raise TemplateFault(text, line=node.lineno)
            lines.append((node.lineno, maker(self, node)))
        self.depth -= 1
        return follow(lines)

    def compile_output(self, node: nodes.Node) -> Statement:
        """Text as it stands, or the value of an expression."""
        if isinstance(node, nodes.TemplateData):
            text = node.data
            return lambda scope, meter: meter.write(text)
        value = self.expressions.compile(node)
        return lambda scope, meter: meter.write(as_text(meter, value(scope, meter)))

    def measure(self, body: Sequence[nodes.Node]) -> tuple[Statement, int]:
        """A function of some statements, and how many steps they take at least."""
        before = self.expressions.count
        made = self.compile(body)
        return made, self.expressions.count - before


def follow(lines: Lines) -> Statement:
    """One statement behind the other; a fault says in which line it is."""

    def run(scope: Scope, meter: Meter) -> None:
        line = 0
        try:
            for line, statement in lines:  # noqa: B007
                statement(scope, meter)
        except TemplateFault as fault:
            fault.line = fault.line or line
            raise
        except MISFITS as error:
            raise TemplateFault(str(error) or type(error).__name__, line=line) from error

    return run


def compile_target(maker: Statements, node: nodes.Node) -> Binder:
    """What gives a value a name: a variable, several of them, or a variable of a namespace."""
    if isinstance(node, nodes.Name):
        name = node.name

        def bind(scope: Scope, value: Any) -> None:
            scope[name] = value

        return bind
    if isinstance(node, nodes.NSRef):
        return lambda scope, value: set_in_namespace(scope, node.name, node.attr, value)
    if not isinstance(node, nodes.Tuple):
        raise TemplateFault("only a name can be set", line=node.lineno)
    binders = [compile_target(maker, part) for part in node.items]

    def bind_all(scope: Scope, value: Any) -> None:
        if not isinstance(value, list | tuple) or len(value) != len(binders):
            raise TemplateFault(f"there are {len(binders)} names, and the value is no list of as many")
        for binder, part in zip(binders, value, strict=True):
            binder(scope, part)

    return bind_all


def set_in_namespace(scope: Scope, name: str, attribute: str, value: Any) -> None:
    """``set name.attribute = value``."""
    namespace = scope.get(name)
    if not isinstance(namespace, Namespace):
        raise TemplateFault(f"'{name}' is not a namespace")
    namespace.values[attribute] = value


def make_if(maker: Statements, node: nodes.If) -> Statement:
    """``if``, ``elif``, ``else``."""
    cases = [(maker.expressions.compile(case.test), maker.compile(case.body)) for case in (node, *node.elif_)]
    otherwise = maker.compile(node.else_) if node.else_ else None

    def run(scope: Scope, meter: Meter) -> None:
        for test, body in cases:
            if test(scope, meter):
                body(scope, meter)
                return
        if otherwise:
            otherwise(scope, meter)

    return run


def make_for(maker: Statements, node: nodes.For) -> Statement:
    """``for``, with a condition and with what stands there when nothing is left."""
    if node.recursive:
        raise TemplateFault("a loop cannot be recursive here", line=node.lineno)
    value, bind = maker.expressions.compile(node.iter), compile_target(maker, node.target)
    test = maker.expressions.compile(node.test) if node.test is not None else None
    body, steps = maker.measure(node.body)
    otherwise = maker.compile(node.else_) if node.else_ else None

    def run(scope: Scope, meter: Meter) -> None:
        items = as_items(meter, value(scope, meter))
        if test:
            items = select(items, test, bind, scope, meter)
        if not items and otherwise:
            otherwise(dict(scope), meter)
        loop = LoopState(items)
        cost = steps + 2 + (len(scope) >> 2)
        for index, item in enumerate(items):
            meter.spend(cost)
            loop.index0 = index
            inner = {**scope, "loop": loop}
            bind(inner, item)
            body(inner, meter)

    return run


def select(items: Any, test: Expression, bind: Binder, scope: Scope, meter: Meter) -> list[Any]:
    """The items that a loop's condition keeps."""
    kept = []
    for item in items:
        meter.spend(4 + (len(scope) >> 2))
        inner = dict(scope)
        bind(inner, item)
        if test(inner, meter):
            kept.append(item)
    return kept


def make_set(maker: Statements, node: nodes.Assign) -> Statement:
    """``set name = value``."""
    value, bind = maker.expressions.compile(node.node), compile_target(maker, node.target)
    return lambda scope, meter: bind(scope, value(scope, meter))


def make_set_block(maker: Statements, node: nodes.AssignBlock) -> Statement:
    """``set name``: what is written up to ``endset``."""
    bind, capture = compile_target(maker, node.target), make_capture(maker, node.body, node.filter)
    return lambda scope, meter: bind(scope, capture(scope, meter))


def make_filter_block(maker: Statements, node: nodes.FilterBlock) -> Statement:
    """``filter``: what is written up to ``endfilter``, filtered."""
    capture = make_capture(maker, node.body, node.filter)
    return lambda scope, meter: meter.write(as_text(meter, capture(scope, meter)))


def make_capture(maker: Statements, body: Sequence[nodes.Node], filter_: nodes.Filter | None) -> Expression:
    """What some statements write, as a value, filtered."""
    run = maker.compile(body)

    def written(scope: Scope, meter: Meter) -> str:
        pieces, meter.pieces = meter.pieces, []
        try:
            run(dict(scope), meter)
            return "".join(meter.pieces)
        finally:
            meter.pieces = pieces

    return compile_filters(maker, filter_, written) if filter_ is not None else written


def compile_filters(maker: Statements, node: nodes.Filter, value: Expression) -> Expression:
    """A chain of filters on what stands innermost in it: a block."""
    if node.node is not None:
        assert isinstance(node.node, nodes.Filter)
        value = compile_filters(maker, node.node, value)
    return maker.expressions.compile_filter(node, value)


def make_with(maker: Statements, node: nodes.With) -> Statement:
    """``with``: variables for a stretch."""
    pairs = [
        (compile_target(maker, target), maker.expressions.compile(value))
        for target, value in zip(node.targets, node.values, strict=True)
    ]
    body = maker.compile(node.body)

    def run(scope: Scope, meter: Meter) -> None:
        inner = dict(scope)
        for bind, value in pairs:
            bind(inner, value(scope, meter))
        body(inner, meter)

    return run


MAKERS: Mapping[str, Callable[[Statements, Any], Statement]] = {
    "Assign": make_set,
    "AssignBlock": make_set_block,
    "FilterBlock": make_filter_block,
    "For": make_for,
    "If": make_if,
    "With": make_with,
}
