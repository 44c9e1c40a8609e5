"""No file names the host of a package registry, and every Python file says what it is for."""

from __future__ import annotations

import ast

from tests.house.tree import list_files, name_of

# Each machine's own configuration names its index. Put together here, so that this file does not find itself.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
    )
]


def test_no_file_names_a_registry_host() -> None:
    named = [
        f"{name_of(path)}: {host}"
        for path in list_files()
        for text in [path.read_bytes()]
        for host in REGISTRY_HOSTS
        if host.encode() in text
    ]
    assert not named, f"hosts of package registries: {named}"


def test_every_python_file_says_what_it_is_for() -> None:
    files = [*list_files("src", suffix=".py"), *list_files("tests", "tools", suffix=".py")]
    silent = [name_of(path) for path in files if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert not silent, f"without a docstring: {silent}"
