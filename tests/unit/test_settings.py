"""Settings come from a file, the environment and the command line, and a mistake in them is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from multiturn.config import Fallback, McpServer, Price, Settings, read_settings
from multiturn.errors import SettingsError


def write_file(folder: Path, text: str) -> dict[str, str]:
    """Write a settings file; the environment that names it."""
    path = folder / "multiturn.toml"
    path.write_text(text, "utf-8")
    return {"MULTITURN_CONFIG": str(path)}


def test_nothing_set_is_a_working_server() -> None:
    settings = read_settings({"HOME": "/home/alice", "PATH": "/bin"})
    assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", 8000, "keys")
    assert settings.data_dir == Path("~/.local/share/multiturn").expanduser()
    assert settings.sqlite_path == settings.data_dir / "multiturn.db"
    assert settings.is_sqlite
    assert settings.upstream_url is None


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("PORT", "0", "port", 0),
        ("STOP_S", "2.5", "stop_s", 2.5),
        ("API_KEY", "12345", "api_key", "12345"),
        ("MODEL", "null", "model", "null"),
        ("AUTH", "none", "auth", "none"),
        ("CONTEXT_TOKENS", "4096", "context_tokens", 4096),
        ("CORS_ORIGINS", "http://a, http://b", "cors_origins", ("http://a", "http://b")),
        ("MODEL_ALIASES", "gpt-4 = qwen, o3=llama", "model_aliases", {"gpt-4": "qwen", "o3": "llama"}),
        ("MODEL_ALIASES", '{"a,b=c": "d"}', "model_aliases", {"a,b=c": "d"}),
        (
            "TOKENIZERS",
            "qwen3=/t/qwen.json, o3 = ~/o3.json",
            "tokenizers",
            {"qwen3": "/t/qwen.json", "o3": "~/o3.json"},
        ),
        ("EMBEDDING_MODEL", "none", "embedding_model", "none"),
        ("FALLBACKS", '[{"url": "http://b/v1"}]', "fallbacks", (Fallback(url="http://b/v1"),)),
        ("PORT", "", "port", 8000),
    ],
)
def test_variable_becomes_its_type(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(read_settings({f"MULTITURN_{variable}": text}), name) == value


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PROT": "1"}, "MULTITURN_PROT is not a setting"),
        ({"PORT": "eighty"}, "port"),
        ({"PORT": "65536"}, "MULTITURN_PORT"),
        ({"PORT": "80.5"}, "port"),
        ({"CONCURRENCY": "drop"}, "concurrency"),
        ({"LOG_LEVEL": "loud"}, "log_level"),
        ({"QUEUE_MAX": "0"}, "MULTITURN_QUEUE_MAX"),
        ({"CONTEXT_TOKENS": "-1"}, "MULTITURN_CONTEXT_TOKENS"),
        ({"STOP_S": "inf"}, "MULTITURN_STOP_S"),
        ({"TURN_S": "-1"}, "MULTITURN_TURN_S"),
        ({"IDLE_S": "nan"}, "MULTITURN_IDLE_S"),
        ({"DATABASE_URL": "mysql://x"}, "MULTITURN_DATABASE_URL"),
        ({"UPSTREAM_URL": "localhost:8080"}, "MULTITURN_UPSTREAM_URL"),
        ({"PUBLIC_URL": "ftp://x"}, "MULTITURN_PUBLIC_URL"),
        ({"MODEL_ALIASES": "gpt-4"}, "MULTITURN_MODEL_ALIASES"),
        ({"MODEL_ALIASES": "=x"}, "MULTITURN_MODEL_ALIASES"),
        ({"TOKENIZERS": "qwen.json"}, "MULTITURN_TOKENIZERS"),
        ({"EMBEDDING_URL": "localhost"}, "MULTITURN_EMBEDDING_URL"),
        ({"EMBEDDING_URL": "http://a/v1"}, "MULTITURN_EMBEDDING_MODEL"),
        ({"EMBEDDING_DIMENSIONS": "256"}, "MULTITURN_EMBEDDING_DIMENSIONS"),
        ({"EMBEDDING_DIMENSIONS": "0"}, "MULTITURN_EMBEDDING_DIMENSIONS"),
        ({"VISION_URL": "http://a/v1"}, "MULTITURN_VISION_MODEL"),
        ({"VISION_URL": "a"}, "MULTITURN_VISION_URL"),
        ({"SPEECH_URL": "a"}, "MULTITURN_SPEECH_URL"),
        ({"RERANK_URL": "a"}, "MULTITURN_RERANK_URL"),
        ({"UPLOAD_BYTES_MAX": "0"}, "MULTITURN_UPLOAD_BYTES_MAX"),
        ({"READER_BYTES_MAX": "-1"}, "MULTITURN_READER_BYTES_MAX"),
        ({"SEARCH_BYTES_MAX": "0"}, "MULTITURN_SEARCH_BYTES_MAX"),
        ({"INDEX_TRIES": "0"}, "MULTITURN_INDEX_TRIES"),
        ({"READER_S": "nan"}, "MULTITURN_READER_S"),
        ({"ITEM_SUMMARIES": "poems"}, "item_summaries"),
        ({"KNOWLEDGE_TOOLS": "perhaps"}, "knowledge_tools"),
        ({"FALLBACKS": "[{"}, "MULTITURN_FALLBACKS"),
        ({"FALLBACKS": '[{"uri": "http://b"}]'}, "uri"),
        ({"FALLBACKS": "[{}]"}, "url"),
        ({"AUTH": "none", "HOST": "0.0.0.0"}, "MULTITURN_HOST"),
        ({"CONFIG": "/nowhere/multiturn.toml"}, "/nowhere/multiturn.toml"),
    ],
)
def test_mistake_is_refused_by_name(variables: Mapping[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({f"MULTITURN_{name}": text for name, text in variables.items()})
    assert named in error.value.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('prot = "x"', "'prot' in"),
        ('port = "eighty"', "port"),
        ("port = true", "port"),
        ("port = ", "not valid TOML"),
        ("[[fallbacks]]\nkey = 'x'", "url"),
        ("model_aliases = ['a']", "model_aliases"),
    ],
)
def test_mistake_in_a_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(write_file(tmp_path, text))
    assert named in error.value.message


def test_unknown_name_has_its_code() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"MULTITURN_PROT": "1"})
    assert error.value.code == "unknown_setting"


def test_file_holds_lists_and_tables(tmp_path: Path) -> None:
    text = """
        upstream_url = "http://a/v1"
        model_aliases = { "gpt-4o" = "qwen3" }
        cors_origins = ["http://app"]
        [[fallbacks]]
        url = "http://b/v1"
        key = "k"
        model = "m"
    """
    settings = read_settings(write_file(tmp_path, text))
    assert settings.upstream_url == "http://a/v1"
    assert settings.model_aliases == {"gpt-4o": "qwen3"}
    assert settings.cors_origins == ("http://app",)
    assert settings.fallbacks == (Fallback(url="http://b/v1", key="k", model="m"),)


@pytest.mark.parametrize(
    ("variables", "overrides", "port"),
    [
        ({}, {}, 1),
        ({"MULTITURN_PORT": "2"}, {}, 2),
        ({"MULTITURN_PORT": "2"}, {"port": 3}, 3),
        ({}, {"port": 3}, 3),
        ({"MULTITURN_PORT": "2"}, {"port": None}, 2),
        ({"MULTITURN_PORT": ""}, {}, 1),
    ],
)
def test_command_line_beats_environment_beats_file(
    tmp_path: Path, variables: dict[str, str], overrides: dict[str, Any], port: int
) -> None:
    environ = write_file(tmp_path, "port = 1") | variables
    assert read_settings(environ, overrides=overrides).port == port


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///chat.db", Path("chat.db")),
        ("sqlite:////srv/chat.db", Path("/srv/chat.db")),
        ("sqlite:///~/chat.db", Path("~/chat.db").expanduser()),
    ],
)
def test_sqlite_url_names_a_file(url: str, path: Path) -> None:
    settings = read_settings({"MULTITURN_DATABASE_URL": url})
    assert settings.is_sqlite
    assert settings.sqlite_path == path


def test_postgresql_url_is_no_file() -> None:
    assert not read_settings({"MULTITURN_DATABASE_URL": "postgresql://db/multiturn"}).is_sqlite


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_without_keys_only_loopback_is_bound(host: str) -> None:
    settings = read_settings({"MULTITURN_AUTH": "none", "MULTITURN_HOST": host})
    assert settings.is_loopback


def test_with_keys_any_address_is_bound() -> None:
    settings = read_settings({"MULTITURN_HOST": "0.0.0.0"})
    assert not settings.is_loopback


def test_address_of_the_client_is_no_setting_of_the_server() -> None:
    assert read_settings({"MULTITURN_BASE_URL": "http://127.0.0.1:8000"}) == read_settings({})


def test_data_directory_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"MULTITURN_DATA_DIR": "here"}).data_dir == tmp_path / "here"
    assert read_settings({"MULTITURN_DATA_DIR": "~/x"}).data_dir == Path("~/x").expanduser()


def test_every_setting_is_documented(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs" / "settings.md").read_text("utf-8")
    missing = [name for name in Settings.__struct_fields__ if f"| `{name}` |" not in text]
    assert not missing, f"docs/settings.md lacks {missing}"


def test_mcp_servers_are_tables_or_json(tmp_path: Path) -> None:
    text = """
    [mcp_servers.time]
    command = "mcp-server-time"
    args = ["--local-timezone", "Europe/Lisbon"]
    env = {TZ = "UTC"}
    [mcp_servers.trams]
    url = "https://trams.example/mcp"
    headers = {Authorization = "Bearer k"}
    """
    servers = read_settings(write_file(tmp_path, text)).mcp_servers
    assert servers["time"] == McpServer(
        command="mcp-server-time", args=("--local-timezone", "Europe/Lisbon"), env={"TZ": "UTC"}
    )
    assert servers["trams"].headers == {"Authorization": "Bearer k"}
    assert read_settings({"MULTITURN_MCP_SERVERS": '{"a": {"command": "b"}}'}).mcp_servers["a"].command == "b"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"a": {}}', "'a' must have a 'command' or a 'url'"),
        ('{"a": {"command": "b", "url": "http://c"}}', "'a' must have a 'command' or a 'url'"),
        ('{"a": {"url": "file:///c"}}', "'a': its 'url'"),
        ('{"a": {"url": "http://c", "args": ["d"]}}', "'headers' are for a 'url'"),
        ('{"a": {"command": "b", "headers": {"c": "d"}}}', "'headers' are for a 'url'"),
        ('{"a b": {"command": "b"}}', "'a b' must be 1 to 64"),
        ('{"a": {"comand": "b"}}', "comand"),
        ("a=b", "MULTITURN_MCP_SERVERS is not valid JSON"),
    ],
)
def test_wrong_mcp_servers_are_named(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read_settings({"MULTITURN_MCP_SERVERS": text})


def test_prices_are_numbers_kinds_or_names(tmp_path: Path) -> None:
    expected = {"a": Price(input=1.0, cached=0.5), "b": 0.0, "c": "openai/gpt-4o"}
    text = '[prices]\na = { input = 1, cached = 0.5 }\nb = 0\nc = "openai/gpt-4o"\n'
    assert read_settings(write_file(tmp_path, text)).prices == expected
    body = '{"a": {"input": 1, "cached": 0.5}, "b": 0, "c": "openai/gpt-4o"}'
    assert read_settings({"MULTITURN_PRICES": body}).prices == expected


@pytest.mark.parametrize(
    "body", ['{"a": -1}', '{"a": {"input": -1}}', '{"a": {"colour": 1}}', '{"a": "free"}', '{"a": null}', "a=1"]
)
def test_what_is_no_price_is_refused(body: str) -> None:
    with pytest.raises(SettingsError, match=r"(?i)prices"):
        read_settings({"MULTITURN_PRICES": body})
