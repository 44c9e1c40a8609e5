"""Settings: read once, from ``MULTITURN_*`` and a TOML file, by a pure function.

With no setting at all a working server starts.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from multiturn.errors import SettingsError
from multiturn.model.reasoning import StyleChoice

PREFIX = "MULTITURN_"
FILE_VARIABLE = "MULTITURN_CONFIG"
# The Python client reads this one, often from the environment that the server and its commands have as well.
CLIENT_VARIABLE = "MULTITURN_BASE_URL"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MIB = 1024 * 1024
MCP_SERVER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
POSITIVE = (
    "context_tokens",
    "queue_max",
    "session_idle_expiry_s",
    "body_bytes_max",
    "database_connections_max",
    "embedding_dimensions",
    "upload_bytes_max",
    "image_bytes_max",
    "multipart_bytes_max",
    "fetch_bytes_max",
    "fetch_document_bytes_max",
    "index_tenant_max",
    "index_tries",
    "reader_bytes_max",
    "search_bytes_max",
    "tool_result_bytes_max",
)
"""Settings that are at least 1."""


LISTS = ("cors_origins", "jwt_audience", "jwt_algorithms")
# Whoever can check these cannot make them (RFC 7518 3.1, RFC 8037).
SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SHARED_SECRETS = ("HS256", "HS384", "HS512")


class Fallback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another upstream, asked when those before it fail; ``model`` replaces the name that was asked for, ``reasoning``
    is how it is spoken to of reasoning.
    """

    url: str
    key: str | None = None
    model: str | None = None
    reasoning: StyleChoice = "auto"


class McpServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An MCP server that agents may name: a command that is started here, or a URL with the headers that it needs."""

    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: str | None = None
    headers: dict[str, str] = {}


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs: US dollars per million tokens of each kind, and per call (``request``).

    Cached, written and thought tokens without a price of their own cost what input and output cost.
    """

    input: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    output: float = 0.0
    reasoning: float | None = None
    request: float | None = None


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set.

    ``docs/settings.md`` explains each. ``MULTITURN_X`` in the environment is ``x`` in the file.
    """

    data_dir: Path = Path("~/.local/share/multiturn")
    database_url: str | None = None
    database_connections_max: int = 16

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str | None = None
    auth: Literal["keys", "none"] = "keys"
    api_key: str | None = None
    jwt_jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: tuple[str, ...] = ()
    jwt_algorithms: tuple[str, ...] = SIGNATURES
    jwt_leeway_s: float = 60.0
    jwt_user_claim: str = "sub"
    jwt_tenant: str = "default"
    jwt_tenant_claim: str | None = None
    cors_origins: tuple[str, ...] = ("*",)
    body_bytes_max: int = 32 * MIB

    upstream_url: str | None = None
    upstream_key: str | None = None
    upstream_reasoning: StyleChoice = "auto"
    model: str | None = None
    model_aliases: dict[str, str] = {}
    prices: dict[str, Price | float | str] = {}
    fallbacks: tuple[Fallback, ...] = ()
    upstream_retries: int = 2
    upstream_connections_max: int = 4096
    connect_s: float = 10.0
    first_token_s: float = 300.0
    idle_s: float = 120.0
    model_threads: int | None = None
    model_queue_max: int = 32
    tokenizers: dict[str, str] = {}
    embedding_url: str | None = None
    embedding_key: str | None = None
    embedding_model: str | None = None
    embedding_dimensions: int | None = None

    speech_url: str | None = None
    speech_key: str | None = None
    speech_model: str | None = None
    vision_url: str | None = None
    vision_key: str | None = None
    vision_model: str | None = None
    rerank_url: str | None = None
    rerank_key: str | None = None
    rerank_model: str | None = None

    files_url: str | None = None
    links_life_s: float = 604800.0
    upload_bytes_max: int = 200 * MIB
    image_bytes_max: int = 32 * MIB
    multipart_bytes_max: int = 10 * 1024 * MIB
    fetch_bytes_max: int = 4 * 1024 * MIB
    fetch_document_bytes_max: int = 512 * MIB
    fetch_private: bool = False
    fetch_s: float = 3600.0
    index_workers: int | None = None
    index_tenant_max: int = 2
    index_tries: int = 5
    reader_s: float = 14400.0
    reader_bytes_max: int = 1536 * MIB
    item_summaries: Literal["sentences", "model"] = "sentences"
    knowledge_tools: bool = False
    search_bytes_max: int = 512 * MIB

    mcp_servers: dict[str, McpServer] = {}
    mcp_connect_s: float = 30.0
    mcp_idle_s: float = 300.0
    tool_result_bytes_max: int = MIB

    context_tokens: int | None = None
    context_overflow: Literal["adaptive", "truncate", "summarize", "error"] = "adaptive"
    recall: bool = True
    summary_model: str | None = None
    summary_url: str | None = None
    summary_key: str | None = None
    concurrency: Literal["queue", "reject", "interrupt"] = "queue"
    on_disconnect: Literal["finish", "cancel"] = "finish"
    queue_wait_s: float = 120.0
    queue_max: int = 100
    turn_s: float = 1800.0
    approval_s: float = 86400.0
    session_idle_expiry_s: int = 86400
    events_life_s: float = 3600.0
    sweep_every_s: float = 60.0
    stop_s: float = 20.0

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    traces_url: str | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether this server owns its database, one SQLite file."""
        return self.database_url is None or self.database_url.startswith("sqlite:")

    @property
    def sqlite_path(self) -> Path:
        """The SQLite file.

        ``sqlite:///relative``, ``sqlite:////absolute``, or ``multiturn.db`` in the data directory.
        """
        if self.database_url is None:
            return self.data_dir / "multiturn.db"
        return Path(self.database_url.removeprefix("sqlite:///")).expanduser()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK


def read_settings(environ: Mapping[str, str], *, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings: the file that ``MULTITURN_CONFIG`` names, over it the environment, over it what the command
    line says. Raises SettingsError for an unknown name or a value of the wrong type, naming it, and for settings
    that do not go together.
    """
    values: dict[str, Any] = {}
    if path := environ.get(FILE_VARIABLE):
        values |= read_file(Path(path).expanduser())
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in (FILE_VARIABLE, CLIENT_VARIABLE) and text != "":
            name = variable.removeprefix(PREFIX).lower()
            values[name] = read_variable(variable, name, text)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    return check(convert(values))


def read_file(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from error
    for name in values:
        require_known(name, f"'{name}' in {path}")
    return values


def read_variable(variable: str, name: str, text: str) -> Any:
    """Read one variable: lists are separated by commas, aliases and tokenizers are ``name=value``, fallbacks JSON."""
    require_known(name, variable)
    if name in LISTS:
        return [part.strip() for part in text.split(",")]
    if name in ("model_aliases", "tokenizers") and not text.lstrip().startswith("{"):
        return dict(read_pair(variable, part) for part in text.split(","))
    if name in ("model_aliases", "tokenizers", "fallbacks", "prices", "mcp_servers"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{variable} is not valid JSON: {error}.") from error
    return text


def read_pair(variable: str, text: str) -> tuple[str, str]:
    """Read ``name=value``."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise SettingsError(f"{variable} must be 'name=value,name=value' or JSON; it holds '{text}'.")
    return name.strip(), value.strip()


def require_known(name: str, where: str) -> None:
    """Refuse a name that is not a setting: a typing error must not be a silent default."""
    if name not in Settings.__struct_fields__:
        known = ", ".join(sorted(Settings.__struct_fields__))
        raise SettingsError(f"{where} is not a setting. Settings are: {known}.", code="unknown_setting")


def convert(values: Mapping[str, Any]) -> Settings:
    """Turn values into settings, texts into the type of each."""
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=read_path)
    except msgspec.ValidationError as error:
        text = str(error).replace("$.", "")
        raise SettingsError(f"A setting is wrong: {text} (in the environment: {PREFIX}…).") from error
    return msgspec.structs.replace(settings, data_dir=settings.data_dir.expanduser().absolute())


def read_path(type_: type, value: Any) -> Any:
    """Read a path."""
    if type_ is Path:
        return Path(str(value))
    raise NotImplementedError(type_)


def check(settings: Settings) -> Settings:
    """Refuse settings that do not go together."""
    if settings.auth == "none" and not settings.is_loopback:
        raise SettingsError(
            f"Without authentication the server listens on this machine only; MULTITURN_HOST is '{settings.host}'. "
            "Leave MULTITURN_AUTH at 'keys', or bind to 127.0.0.1."
        )
    if settings.database_url and not settings.database_url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise SettingsError("MULTITURN_DATABASE_URL must begin with sqlite:/// or postgresql://.")
    for name in ("upstream_url", "embedding_url", "public_url", "speech_url", "vision_url", "rerank_url"):
        url = getattr(settings, name)
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise SettingsError(f"{PREFIX}{name.upper()} must begin with http:// or https://; it is '{url}'.")
    for name in POSITIVE:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise SettingsError(f"{PREFIX}{name.upper()} must be at least 1; it is {value}.")
    check_embeddings(settings)
    check_tokens(settings)
    check_prices(settings)
    check_mcp_servers(settings)
    if settings.vision_url and settings.vision_model is None:
        raise SettingsError(
            f"{PREFIX}VISION_URL needs {PREFIX}VISION_MODEL, the name of a model there that takes images."
        )
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, float) and not 0 <= value < math.inf:
            raise SettingsError(f"{PREFIX}{name.upper()} must be a number of seconds from 0; it is {value}.")
    if not 0 <= settings.port <= 65535:
        raise SettingsError(f"{PREFIX}PORT must be from 0 to 65535; it is {settings.port}.")
    return settings


def check_embeddings(settings: Settings) -> None:
    """Refuse settings of embeddings that do not go together: a provider needs a model, and the embedded one is as it
    is.
    """
    if settings.embedding_url and settings.embedding_model is None:
        raise SettingsError(f"{PREFIX}EMBEDDING_URL needs {PREFIX}EMBEDDING_MODEL, the name of the model there.")
    if settings.embedding_dimensions and not settings.embedding_url:
        raise SettingsError(f"{PREFIX}EMBEDDING_DIMENSIONS is for a model at {PREFIX}EMBEDDING_URL.")


def check_mcp_servers(settings: Settings) -> None:
    """Refuse MCP servers that are neither a command nor a URL, or have what belongs to the other."""
    for name, server in settings.mcp_servers.items():
        where = f"{PREFIX}MCP_SERVERS: '{name}'"
        if not MCP_SERVER_NAME.fullmatch(name):
            raise SettingsError(f"{where} must be 1 to 64 letters, digits, '_', '-' and '.'.")
        if bool(server.command) == bool(server.url):
            raise SettingsError(f"{where} must have a 'command' or a 'url'.")
        if server.url and urlsplit(server.url).scheme not in ("http", "https"):
            raise SettingsError(f"{where}: its 'url' must begin with http:// or https://.")
        if (server.headers and server.command) or ((server.args or server.env) and server.url):
            raise SettingsError(f"{where}: 'args' and 'env' are for a 'command', 'headers' are for a 'url'.")


def check_prices(settings: Settings) -> None:
    """Refuse prices that are none."""
    for model, price in settings.prices.items():
        numbers = msgspec.structs.astuple(price) if isinstance(price, Price) else (price,)
        if any(isinstance(number, float) and not 0 <= number < math.inf for number in numbers):
            raise SettingsError(f"{PREFIX}PRICES must be dollars from 0; that of '{model}' is not.")
        if isinstance(price, str) and "/" not in price:
            text = "must be dollars per million tokens, or the name of a provider's model as 'openai/gpt-4o'"
            raise SettingsError(f"{PREFIX}PRICES: what stands for '{model}' {text}; it is '{price}'.")


def check_tokens(settings: Settings) -> None:
    """Refuse settings of users' tokens (JWTs) that do not go together, and those that would let anybody make one."""
    keys = settings.jwt_jwks_url
    if keys is None:
        if settings.jwt_issuer or settings.jwt_audience:
            raise SettingsError(f"{PREFIX}JWT_ISSUER and {PREFIX}JWT_AUDIENCE need {PREFIX}JWT_JWKS_URL.")
        return
    if settings.auth == "none":
        raise SettingsError(f"{PREFIX}JWT_JWKS_URL is for a server with authentication; {PREFIX}AUTH is 'none'.")
    is_url = keys.startswith(("http://", "https://"))
    if not (is_url or keys.startswith("file:") or keys.lstrip().startswith("{")):
        raise SettingsError(f"{PREFIX}JWT_JWKS_URL must begin with https://, http:// or file:, or be a JWKS itself.")
    if not settings.jwt_issuer:
        raise SettingsError(f"{PREFIX}JWT_JWKS_URL needs {PREFIX}JWT_ISSUER: what the claim 'iss' of a token must be.")
    known = (*SIGNATURES, *SHARED_SECRETS)
    for name in settings.jwt_algorithms:
        if name not in known:
            raise SettingsError(f"{PREFIX}JWT_ALGORITHMS must be of {', '.join(known)}; it holds '{name}'.")
    if is_url and (shared := set(settings.jwt_algorithms) & set(SHARED_SECRETS)):
        raise SettingsError(
            f"{PREFIX}JWT_ALGORITHMS has {min(shared)}, which needs a secret: no issuer publishes that at a URL. "
            f"Give the key itself, by file:… or as JSON."
        )
