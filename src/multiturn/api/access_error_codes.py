"""Error codes of who asks, and how much of it."""

from __future__ import annotations

from multiturn.api.error_code import ErrorCode

ACCESS = (
    ErrorCode(
        "missing_api_key",
        401,
        "The request has no API key.",
        "Send `Authorization: Bearer <key>`, `x-api-key` or `apikey`. `multiturn keys` makes keys.",
    ),
    ErrorCode(
        "invalid_api_key",
        401,
        "The API key is wrong, has expired or was revoked.",
        "Send a good key; `multiturn keys` lists them.",
    ),
    ErrorCode(
        "missing_token",
        401,
        "The key has the scope `jwt`: it opens nothing but beside the JWT of a user.",
        "Send the JWT as `Authorization: Bearer <JWT>`, and the key as `apikey`.",
    ),
    ErrorCode(
        "invalid_token",
        401,
        "The JWT is expired, not valid yet, from another issuer, for another audience, wrongly or not signed, or names "
        "no user; the text says which.",
        "Get a new one from its issuer. If it is as it should be, the operator looks at `MULTITURN_JWT_…`.",
    ),
    ErrorCode(
        "keys_differ",
        401,
        "`apikey` and the bearer are two different keys, or key and JWT are of different tenants or users.",
        "Send one key, in one header or the same in both; as the bearer else only a user's JWT.",
    ),
    ErrorCode(
        "forbidden",
        403,
        "The key is good and may not do this: it lacks the scope `admin` (keys, quotas, the tenant's settings) or "
        "`users` (`X-User-Id`), it may only read (`read`), or it acts for one user and this is the tenant's (agents, "
        "other users).",
        "Take a key that may.",
    ),
    ErrorCode(
        "quota_not_found", 404, "There is no such quota.", "List the tenant's quotas (`GET /v1/quotas`), or set it."
    ),
    ErrorCode(
        "quota_exceeded",
        429,
        "A quota of turns, tokens or cost is used up: the tenant's, the user's or the session's, as the text says.",
        "Wait as long as `Retry-After` says, until the day or month (UTC) ends; a session's does not end. An operator "
        "can raise it (`multiturn quotas`).",
    ),
    ErrorCode(
        "jwks_unavailable",
        503,
        "The keys that JWTs are checked with could not be fetched from their issuer yet.",
        "Try again later. The operator looks at `MULTITURN_JWT_JWKS_URL` and the log.",
    ),
)
