"""The expressions of a template as functions: each takes the variables and the meter and gives its value.

Only the nodes on the list at the end exist; whatever else Jinja's parser knows is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import neg, pos
from typing import Any

from jinja2 import Undefined, nodes

from multiturn.engine.jinja.filters import FILTERS
from multiturn.engine.jinja.meter import DEPTH_MAX, Meter, TemplateFault
from multiturn.engine.jinja.methods import FUNCTIONS, call_method
from multiturn.engine.jinja.predicates import TESTS
from multiturn.engine.jinja.sequences import keep
from multiturn.engine.jinja.values import (
    COMPARISONS,
    OPERATORS,
    check_key,
    concatenate,
    is_number,
    read_attribute,
    read_item,
    refuse,
)

Scope = dict[str, Any]
Expression = Callable[[Scope, Meter], Any]
Arguments = Callable[[Scope, Meter], tuple[list[Any], dict[str, Any]]]

SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**"}
# `select` and its kind: whether the test must hold, and whether it is of an attribute.
KEEPERS = {"select": (True, False), "reject": (False, False), "selectattr": (True, True), "rejectattr": (False, True)}


class Expressions:
    """Makes functions of expressions, and counts them: a loop pays for as many steps as it has."""

    def __init__(self) -> None:
        self.count = 0
        self.depth = 0
        self.names: set[str] = set()

    def compile(self, node: nodes.Node) -> Expression:
        """A function of an expression. Raises TemplateFault for what templates here cannot do."""
        maker = MAKERS.get(type(node).__name__)
        if maker is None:
            raise TemplateFault(f"'{type(node).__name__.lower()}' cannot be used here", line=node.lineno)
        self.count += 1
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise TemplateFault(f"an expression is nested deeper than {DEPTH_MAX} levels", line=node.lineno)
        made = maker(self, node)
        self.depth -= 1
        return made

    def compile_all(self, some: list[nodes.Expr]) -> list[Expression]:
        """Functions of several expressions."""
        return [self.compile(node) for node in some]

    def compile_arguments(self, node: nodes.Call | nodes.Filter | nodes.Test) -> Arguments:
        """A function of the arguments of a call."""
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateFault("'*' and '**' cannot be used in a call", line=node.lineno)
        placed = self.compile_all(node.args)
        named = {str(pair.key): self.compile(pair.value) for pair in node.kwargs}
        if not placed and not named:
            return lambda scope, meter: ([], {})
        return lambda scope, meter: (
            [one(scope, meter) for one in placed],
            {name: one(scope, meter) for name, one in named.items()},
        )

    def compile_filter(self, node: nodes.Filter, value: Expression) -> Expression:
        """A function of a filter on a value."""
        arguments = self.compile_arguments(node)
        if node.name in KEEPERS:
            return make_keeper(node, value, arguments)
        apply = find_named(FILTERS, node.name, "filter", node.lineno)
        if node.name == "map" and node.args:
            return make_map(value, arguments)

        def filtered(scope: Scope, meter: Meter) -> Any:
            placed, named = arguments(scope, meter)
            meter.spend(1)
            return apply(meter, value(scope, meter), *placed, **named)

        return filtered


def find_named(table: Mapping[str, Callable[..., Any]], name: Any, what: str, line: int | None) -> Callable[..., Any]:
    """A filter or a test by its name. Raises TemplateFault, which lists those that there are."""
    if not isinstance(name, str) or name not in table:
        known = ", ".join(sorted(one for one in table if one.isidentifier()))
        raise TemplateFault(f"there is no {what} '{name!s:.40}' here; there are {known}", line=line)
    return table[name]


def make_keeper(node: nodes.Filter, value: Expression, arguments: Arguments) -> Expression:
    """A function of ``select``, ``reject``, ``selectattr``, ``rejectattr``."""
    wanted, has_attribute = KEEPERS[node.name]

    def kept(scope: Scope, meter: Meter) -> Any:
        placed, named = arguments(scope, meter)
        attribute = placed.pop(0) if has_attribute and placed else None
        test = find_named(TESTS, placed[0], "test", None) if placed else None

        def holds(item: Any) -> Any:
            meter.spend(1)
            return test(meter, item, *placed[1:], **named) if test else item

        return keep(meter, value(scope, meter), holds, wanted=wanted, attribute=attribute)

    return kept


def make_map(value: Expression, arguments: Arguments) -> Expression:
    """A function of ``map`` with the name of a filter."""

    def mapped(scope: Scope, meter: Meter) -> Any:
        placed, named = arguments(scope, meter)
        apply = find_named(FILTERS, placed[0], "filter", None)

        def change(item: Any) -> Any:
            meter.spend(1)
            return apply(meter, item, *placed[1:], **named)

        return FILTERS["map"](meter, value(scope, meter), change)

    return mapped


def make_name(maker: Expressions, node: nodes.Name) -> Expression:
    """A variable; one that is not there is undefined."""
    name = node.name
    maker.names.add(name)

    def read(scope: Scope, _meter: Meter) -> Any:
        return scope[name] if name in scope else Undefined(name=name)

    return read


def make_const(_maker: Expressions, node: nodes.Const) -> Expression:
    """A value that is written down."""
    value = node.value
    return lambda scope, meter: value


def make_list(maker: Expressions, node: nodes.List) -> Expression:
    """A list that is written down."""
    parts = maker.compile_all(node.items)
    return lambda scope, meter: [part(scope, meter) for part in parts]


def make_tuple(maker: Expressions, node: nodes.Tuple) -> Expression:
    """A tuple that is written down."""
    parts = maker.compile_all(node.items)
    return lambda scope, meter: tuple([part(scope, meter) for part in parts])


def make_dict(maker: Expressions, node: nodes.Dict) -> Expression:
    """A mapping that is written down."""
    pairs = [(maker.compile(pair.key), maker.compile(pair.value)) for pair in node.items]

    def made(scope: Scope, meter: Meter) -> Any:
        mapping: dict[Any, Any] = {}
        for key, value in pairs:
            name = key(scope, meter)
            check_key(meter, name)
            mapping[name] = value(scope, meter)
        return mapping

    return made


def make_attribute(maker: Expressions, node: nodes.Getattr) -> Expression:
    """``value.name``."""
    name, value = node.attr, maker.compile(node.node)
    if name.startswith("__"):
        raise TemplateFault(f"'{name}' cannot be used here", line=node.lineno)
    return lambda scope, meter: read_attribute(value(scope, meter), name)


def make_item(maker: Expressions, node: nodes.Getitem) -> Expression:
    """``value[key]`` and ``value[first:last:step]``."""
    value = maker.compile(node.node)
    if isinstance(node.arg, nodes.Slice):
        return make_slice(maker, value, node.arg)
    key = maker.compile(node.arg)
    return lambda scope, meter: read_item(meter, value(scope, meter), key(scope, meter))


def make_slice(maker: Expressions, value: Expression, node: nodes.Slice) -> Expression:
    """A part of a text or a list."""
    bounds = [maker.compile(one) if one is not None else None for one in (node.start, node.stop, node.step)]

    def cut(scope: Scope, meter: Meter) -> Any:
        whole = value(scope, meter)
        if not isinstance(whole, str | list | tuple | range):
            raise refuse("'[:]'", whole, None)
        meter.spend(1 + (len(whole) >> 5))
        return whole[slice(*(one and one(scope, meter) for one in bounds))]

    return cut


def make_call(maker: Expressions, node: nodes.Call) -> Expression:
    """A call of one of a few functions, or of a method of a text or a mapping."""
    called = node.node
    arguments = maker.compile_arguments(node)
    if isinstance(called, nodes.Name) and called.name in FUNCTIONS:
        return make_function_call(FUNCTIONS[called.name], arguments)
    if not isinstance(called, nodes.Getattr) or called.attr.startswith("_"):
        known = ", ".join(FUNCTIONS)
        raise TemplateFault(f"only {known} and methods of texts and mappings can be called", line=node.lineno)
    name, value = called.attr, maker.compile(called.node)

    def call(scope: Scope, meter: Meter) -> Any:
        placed, named = arguments(scope, meter)
        if named:
            raise TemplateFault(f"'{name}' takes no arguments by name here")
        return call_method(meter, value(scope, meter), name, placed)

    return call


def make_function_call(function: Callable[..., Any], arguments: Arguments) -> Expression:
    """A call of a function."""

    def call(scope: Scope, meter: Meter) -> Any:
        placed, named = arguments(scope, meter)
        meter.spend(1)
        return function(meter, *placed, **named)

    return call


def make_filter(maker: Expressions, node: nodes.Filter) -> Expression:
    """``value|filter``."""
    if node.node is None:
        raise TemplateFault("a filter has nothing to work on", line=node.lineno)
    return maker.compile_filter(node, maker.compile(node.node))


def make_test(maker: Expressions, node: nodes.Test) -> Expression:
    """``value is test``."""
    test = find_named(TESTS, node.name, "test", node.lineno)
    value, arguments = maker.compile(node.node), maker.compile_arguments(node)

    def tested(scope: Scope, meter: Meter) -> Any:
        placed, named = arguments(scope, meter)
        return test(meter, value(scope, meter), *placed, **named)

    return tested


def make_calculation(maker: Expressions, node: nodes.BinExpr) -> Expression:
    """An operator between two values."""
    operate = OPERATORS[SIGNS[type(node).__name__]]
    left, right = maker.compile(node.left), maker.compile(node.right)
    return lambda scope, meter: operate(meter, left(scope, meter), right(scope, meter))


def make_sign(maker: Expressions, node: nodes.UnaryExpr) -> Expression:
    """A sign before a number."""
    work, value = (neg if isinstance(node, nodes.Neg) else pos), maker.compile(node.node)

    def signed(scope: Scope, meter: Meter) -> Any:
        number = value(scope, meter)
        if not is_number(number):
            raise refuse("a sign", number, None)
        return work(number)

    return signed


def make_not(maker: Expressions, node: nodes.Not) -> Expression:
    """``not value``."""
    value = maker.compile(node.node)
    return lambda scope, meter: not value(scope, meter)


def make_and(maker: Expressions, node: nodes.And) -> Expression:
    """``left and right``."""
    left, right = maker.compile(node.left), maker.compile(node.right)
    return lambda scope, meter: left(scope, meter) and right(scope, meter)


def make_or(maker: Expressions, node: nodes.Or) -> Expression:
    """``left or right``."""
    left, right = maker.compile(node.left), maker.compile(node.right)
    return lambda scope, meter: left(scope, meter) or right(scope, meter)


def make_concatenation(maker: Expressions, node: nodes.Concat) -> Expression:
    """``a ~ b``."""
    parts = maker.compile_all(node.nodes)
    return lambda scope, meter: concatenate(meter, [part(scope, meter) for part in parts])


def make_comparison(maker: Expressions, node: nodes.Compare) -> Expression:
    """``a < b <= c``."""
    value = maker.compile(node.expr)
    steps = [(COMPARISONS[operand.op], maker.compile(operand.expr)) for operand in node.ops]

    def compared(scope: Scope, meter: Meter) -> bool:
        left = value(scope, meter)
        for compare, other in steps:
            right = other(scope, meter)
            if not compare(meter, left, right):
                return False
            left = right
        return True

    return compared


def make_choice(maker: Expressions, node: nodes.CondExpr) -> Expression:
    """``a if test else b``."""
    test, yes = maker.compile(node.test), maker.compile(node.expr1)
    no = maker.compile(node.expr2) if node.expr2 is not None else None

    def chosen(scope: Scope, meter: Meter) -> Any:
        if test(scope, meter):
            return yes(scope, meter)
        return no(scope, meter) if no else Undefined("the condition does not hold, and nothing stands behind 'else'")

    return chosen


MAKERS: Mapping[str, Callable[[Expressions, Any], Expression]] = {
    "And": make_and,
    "Call": make_call,
    "Compare": make_comparison,
    "Concat": make_concatenation,
    "CondExpr": make_choice,
    "Const": make_const,
    "Dict": make_dict,
    "Filter": make_filter,
    "Getattr": make_attribute,
    "Getitem": make_item,
    "List": make_list,
    "Name": make_name,
    "Neg": make_sign,
    "Not": make_not,
    "Or": make_or,
    "Pos": make_sign,
    "Test": make_test,
    "Tuple": make_tuple,
    **dict.fromkeys(SIGNS, make_calculation),
}
