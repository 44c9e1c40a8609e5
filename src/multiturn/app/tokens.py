"""What takes users' tokens (JWTs), of the settings."""

from __future__ import annotations

import logging
from importlib import import_module

from multiturn.config import Settings
from multiturn.engine.keys import Keys
from multiturn.engine.tokens import TokenRules, Tokens
from multiturn.upstream.jwks import open_jwks

log = logging.getLogger(__name__)

# Loaded where tokens are taken: what checks signatures takes 0.1 s to load.
READER = "multiturn.upstream.jwt_reader"


def open_tokens(settings: Settings, keys: Keys) -> Tokens | None:
    """What takes users' tokens; None where the settings name no keys for them. Raises SettingsError."""
    if settings.jwt_jwks_url is None:
        return None
    if not settings.jwt_audience:
        log.warning("MULTITURN_JWT_AUDIENCE is not set: tokens that the issuer made for other services open this one")
    jwks, reader = open_jwks(settings.jwt_jwks_url), import_module(READER)
    checks = reader.TokenChecks(
        algorithms=settings.jwt_algorithms,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway_s=settings.jwt_leeway_s,
    )
    rules = TokenRules(
        user_claim=settings.jwt_user_claim, tenant=settings.jwt_tenant, tenant_claim=settings.jwt_tenant_claim
    )
    return Tokens(reader.JwtReader(jwks, checks), keys, rules)
