"""Users' tokens: which open something and which do not, whose they are, and what their issuer's keys are for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from multiturn.engine.keys import KEYS_REMEMBERED, Keys, NewKey
from multiturn.engine.tokens import TokenRules, Tokens
from multiturn.errors import Forbidden, SettingsError, Unauthenticated, Unavailable
from multiturn.model.tenant import Caller
from multiturn.store.keys import SqlKeyStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.upstream.jwks import Jwks, open_jwks, read_keys
from multiturn.upstream.jwt_reader import JwtReader, TokenChecks
from tests.issuing import AUDIENCE, ISSUER, make_claims, make_token, rsa_key, write_jwk, write_jwks

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
NOW = int(time.time())


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    database = SqliteDatabase(tmp_path / "keys.db")
    await database.migrate()
    yield Keys(SqlKeyStore(database), lambda: datetime.now(UTC))
    await database.close()


def read_by(jwks: Jwks, **changes: Any) -> JwtReader:
    checks: dict[str, Any] = {"algorithms": ALGORITHMS, "issuer": ISSUER, "audience": (AUDIENCE,), **changes}
    return JwtReader(jwks, TokenChecks(**checks))


def make_tokens(keys: Keys, jwks: Jwks | None = None, rules: TokenRules | None = None, **changes: Any) -> Tokens:
    jwks = jwks or open_jwks(write_jwks("a", "b", "ec", "ed"))
    return Tokens(read_by(jwks, **changes), keys, rules or TokenRules())


def write_part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def write_unsigned(algorithm: str) -> str:
    return f"{write_part({'alg': algorithm, 'typ': 'JWT'})}.{write_part(make_claims())}."


def sign_with_public_key() -> str:
    """A token signed by HS256 with the public key, which everybody knows, as the secret."""
    secret = rsa_key("a").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{write_part({'alg': 'HS256', 'kid': 'a'})}.{write_part(make_claims())}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(("kid", "algorithm"), [("a", "RS256"), ("b", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")])
async def test_token_of_the_issuer_names_its_user(keys: Keys, kid: str, algorithm: str) -> None:
    caller = await make_tokens(keys).authenticate(make_token(kid, algorithm))
    tenant = await keys.store.find_tenant("default")
    assert tenant
    assert caller == Caller(
        tenant_id=tenant.id,
        user_id=await keys.find_user_id(tenant.id, "ann"),
        key_id=caller.user_id,
        is_bound=True,
    )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": NOW - 120}, "has expired"),
    "not yet valid": ({"nbf": NOW + 3600}, "not valid yet"),
    "made in the future": ({"iat": NOW + 3600}, "not valid yet"),
    "another issuer": ({"iss": "https://other.example"}, "another issuer"),
    "no issuer": ({"iss": None}, "no claim 'iss'"),
    "an issuer that is no text": ({"iss": None, "sub": "ann", "issuer": ISSUER}, "no claim 'iss'"),
    "another audience": ({"aud": "other"}, "another audience"),
    "no audience": ({"aud": None}, "for no audience"),
    "no end": ({"exp": None}, "no claim 'exp'"),
    "no user": ({"sub": None}, "no claim 'sub'"),
    "an empty user": ({"sub": ""}, "claim 'sub' must be a text"),
    "a blank user": ({"sub": "  "}, "claim 'sub' must be a text"),
    "a long user": ({"sub": "x" * 256}, "claim 'sub' must be a text"),
    "a user with a control character": ({"sub": "a\0b"}, "claim 'sub' must be a text"),
}


@pytest.mark.parametrize("name", BAD)
async def test_wrong_claims_open_nothing(keys: Keys, name: str) -> None:
    changes, why = BAD[name]
    with pytest.raises(Unauthenticated, match=why) as caught:
        await make_tokens(keys).authenticate(make_token(**changes))
    assert caught.value.code == "invalid_token"


def break_signature() -> str:
    head, claims, _ = make_token().split(".")
    other = make_token(sub="bob").split(".")
    return f"{head}.{claims}.{other[2]}"


FORGED: dict[str, tuple[Callable[[], str], str]] = {
    "unsigned": (lambda: write_unsigned("none"), "signed by 'none'"),
    "unsigned, in capitals": (lambda: write_unsigned("NONE"), "signed by 'NONE'"),
    "without its signature": (lambda: make_token().rpartition(".")[0] + ".", "signature is wrong"),
    "of another's signature": (break_signature, "signature is wrong"),
    "signed with the public key": (sign_with_public_key, "signed by 'HS256'"),
    "of an unknown key": (lambda: make_token("zz"), "does not have"),
    "by a key that says another name": (lambda: make_token("b", key=rsa_key("a")), "signature is wrong"),
    "by an algorithm of another kind of key": (lambda: make_token("a", "ES256"), "does not have"),
    "of no named key": (lambda: make_token(None), "which of its issuer's keys"),
    "garbage": (lambda: "eyJ.x.y", "cannot be read"),
    "empty": (lambda: "..", "cannot be read"),
    "claims that are no object": (lambda: f"{make_token().split('.')[0]}.{write_part([1])}.x", "cannot be read|wrong"),
    "a hundred thousand characters": (lambda: make_token(much="x" * 100_000), "more than 16384 characters"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_tokens_open_nothing(keys: Keys, name: str) -> None:
    make, why = FORGED[name]
    with pytest.raises(Unauthenticated, match=why) as caught:
        await make_tokens(keys).authenticate(make())
    assert caught.value.code == "invalid_token"


async def test_public_key_is_no_secret_though_hs256_is_taken(keys: Keys) -> None:
    tokens = make_tokens(keys, algorithms=("RS256", "HS256"))
    with pytest.raises(Unauthenticated, match="does not have"):
        await tokens.authenticate(sign_with_public_key())


async def test_shared_secret_counts_where_it_is_asked_for(keys: Keys) -> None:
    secret = "s" * 32
    shared = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    jwks = open_jwks(json.dumps({"keys": [{"kty": "oct", "kid": "s", "k": shared, "alg": "HS256"}]}))
    caller = await make_tokens(keys, jwks, algorithms=("HS256",)).authenticate(make_token("s", "HS256", key=secret))
    assert caller.is_bound
    with pytest.raises(Unauthenticated, match="signature"):
        await make_tokens(keys, jwks, algorithms=("HS256",)).authenticate(make_token("s", "HS256", key="t" * 32))


async def test_only_key_needs_no_name(keys: Keys) -> None:
    jwks = open_jwks(write_jwks("a"))
    assert (await make_tokens(keys, jwks).authenticate(make_token(None))).is_bound


async def test_clocks_may_differ_by_the_leeway(keys: Keys) -> None:
    tokens = make_tokens(keys, leeway_s=60)
    now = int(time.time())
    await tokens.authenticate(make_token(exp=now - 30))
    await tokens.authenticate(make_token(nbf=now + 30))
    with pytest.raises(Unauthenticated):
        await make_tokens(keys, leeway_s=0).authenticate(make_token(exp=now - 30))


async def test_one_of_several_audiences_is_enough(keys: Keys) -> None:
    await make_tokens(keys, audience=("x", "y")).authenticate(make_token(aud=["w", "y"]))
    await make_tokens(keys, audience=()).authenticate(make_token(aud="anybody"))


async def test_key_beside_a_token_names_the_tenant(keys: Keys) -> None:
    key, secret = await keys.make(NewKey(tenant="north", scopes=("jwt",)))
    caller = await make_tokens(keys).authenticate(make_token(), key=secret)
    assert caller.tenant_id == key.tenant_id
    assert caller.user_id == await keys.find_user_id(key.tenant_id, "ann")
    with pytest.raises(Unauthenticated, match="by itself") as caught:
        await keys.authenticate(secret)
    assert caught.value.code == "missing_token"


async def test_token_takes_no_rights_of_the_key_beside_it(keys: Keys) -> None:
    _, strong = await keys.make(NewKey(scopes=("admin", "users")))
    assert (await make_tokens(keys).authenticate(make_token(), key=strong)).scopes == ()
    _, reading = await keys.make(NewKey(scopes=("read",)))
    assert not (await make_tokens(keys).authenticate(make_token(), key=reading)).can_write


async def test_wrong_key_spoils_a_good_token(keys: Keys) -> None:
    with pytest.raises(Unauthenticated, match="wrong"):
        await make_tokens(keys).authenticate(make_token(), key="mt-wrong")


async def test_key_of_another_user_does_not_go_with_a_token(keys: Keys) -> None:
    _, secret = await keys.make(NewKey(user="bob"))
    with pytest.raises(Unauthenticated, match="different users") as caught:
        await make_tokens(keys).authenticate(make_token(), key=secret)
    assert caught.value.code == "keys_differ"


async def test_claim_may_name_the_tenant_and_must_be_that_of_the_key(keys: Keys) -> None:
    tokens = make_tokens(keys, rules=TokenRules(tenant_claim="app.org", user_claim="email"))
    token = make_token(app={"org": "north"}, email="ann@mail.example")
    caller = await tokens.authenticate(token)
    assert caller.tenant_id == (await keys.get_tenant("north")).id
    _, south = await keys.make(NewKey(tenant="south"))
    with pytest.raises(Unauthenticated, match="different tenants"):
        await tokens.authenticate(token, key=south)
    with pytest.raises(Unauthenticated, match=r"no claim 'app\.org'"):
        await tokens.authenticate(make_token(email="ann@mail.example"))


async def test_request_may_name_no_other_user(keys: Keys) -> None:
    tokens = make_tokens(keys)
    assert (await tokens.authenticate(make_token(), user="ann")).is_bound
    with pytest.raises(Forbidden):
        await tokens.authenticate(make_token(), user="bob")


async def test_token_that_was_right_is_remembered_until_it_expires(keys: Keys) -> None:
    tokens = make_tokens(keys, leeway_s=0)
    token = make_token()
    await tokens.authenticate(token)
    tokens.reader = make_tokens(keys, open_jwks(write_jwks("b"))).reader
    assert (await tokens.authenticate(token)).is_bound
    keys.clock = lambda: datetime.fromtimestamp(time.time() + 3700, UTC)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(token)


async def test_many_tokens_take_no_more_memory_than_some(keys: Keys) -> None:
    tokens = make_tokens(keys)
    await tokens.authenticate(make_token())
    known = next(iter(tokens.verified.values()))
    tokens.verified = {n.to_bytes(2, "big"): known for n in range(KEYS_REMEMBERED)}
    await tokens.authenticate(make_token())
    assert len(tokens.verified) == 1


class Issuer:
    """An issuer that publishes its keys, or fails to."""

    def __init__(self) -> None:
        self.kids: tuple[str, ...] = ("a",)
        self.status = 200
        self.asked = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=self.status, text=write_jwks(*self.kids), content_type="application/json")


@asynccontextmanager
async def serve(issuer: Issuer) -> AsyncIterator[Issuer]:
    app = web.Application()
    app.router.add_get("/keys", issuer.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with serve(Issuer()) as issuer:
        yield issuer


async def test_keys_are_fetched_once(keys: Keys, issuer: Issuer) -> None:
    tokens = make_tokens(keys, Jwks(issuer.url))
    for sub in ("ann", "bob"):
        await tokens.authenticate(make_token(sub=sub))
    assert issuer.asked == 1


async def test_new_key_is_looked_for_and_an_unknown_one_not_each_time(keys: Keys, issuer: Issuer) -> None:
    jwks = Jwks(issuer.url)
    tokens = make_tokens(keys, jwks)
    await tokens.authenticate(make_token())
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="does not have"):
            await tokens.authenticate(make_token("b"))
    assert issuer.asked == 1
    issuer.kids, jwks.retry_at = ("a", "b"), 0.0
    await tokens.authenticate(make_token("b"))
    assert issuer.asked == 2


async def test_key_that_was_taken_back_opens_nothing_though_its_tokens_were_known(keys: Keys, issuer: Issuer) -> None:
    jwks = Jwks(issuer.url)
    tokens = make_tokens(keys, jwks)
    await tokens.authenticate(make_token())
    issuer.kids, jwks.stale_at, jwks.retry_at = ("b",), 0.0, 0.0
    with pytest.raises(Unauthenticated, match="does not have"):
        await tokens.authenticate(make_token())


async def test_old_keys_are_good_while_the_issuer_fails(keys: Keys, issuer: Issuer) -> None:
    jwks = Jwks(issuer.url)
    tokens = make_tokens(keys, jwks)
    await tokens.authenticate(make_token())
    issuer.status, jwks.stale_at, jwks.retry_at = 500, 0.0, 0.0
    for sub in ("bob", "eve"):
        await tokens.authenticate(make_token(sub=sub))
    assert issuer.asked == 2


async def test_without_any_keys_the_server_cannot_tell(keys: Keys, issuer: Issuer) -> None:
    issuer.status = 500
    jwks = Jwks(issuer.url)
    tokens = make_tokens(keys, jwks)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await tokens.authenticate(make_token())
    assert (caught.value.code, issuer.asked) == ("jwks_unavailable", 1)
    issuer.status, jwks.retry_at = 200, 0.0
    await tokens.authenticate(make_token())


@pytest.mark.parametrize(
    "text", ["", "nothing", "[]", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [{"use": "enc"}]}', "[" * 100_000]
)
def test_what_is_no_jwks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        read_keys(text)


def test_keys_of_unknown_kinds_are_passed_over(tmp_path: Path) -> None:
    strange = [{"kty": "oct"}, {"kty": "EC", "crv": "P-0"}, {"kid": "n"}, {"kty": "RSA", "n": "!", "e": "AQAB"}]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [*strange, write_jwk("a")]}))
    reader = read_by(open_jwks(f"file:{path}"))
    assert len(reader._find_keys("RS256", None)) == 1


@pytest.mark.parametrize("where", ["file:/nowhere/jwks.json", "{}", '{"keys": 1}'])
def test_keys_that_cannot_be_read_stop_the_start(where: str) -> None:
    with pytest.raises(SettingsError, match="MULTITURN_JWT_JWKS_URL"):
        open_jwks(where)
