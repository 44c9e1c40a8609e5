"""Links to files that work without a key, for some time: each is signed, and names one asset or one upload."""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote
from uuid import UUID

from multiturn.engine.ports import Clock
from multiturn.errors import NotFound
from multiturn.model.asset import Asset

LinkKind = Literal["asset", "upload"]
KINDS: dict[LinkKind, int] = {"asset": 1, "upload": 2}
# Kind, tenant, subject, and the second at which it ends.
PAYLOAD = struct.Struct(">B16s16sI")
SIGNATURE_BYTES = 16
# A link stays the same for so long, so that a browser can keep what it leads to.
STEADY_S = 3600
CHUNK_LIFE = timedelta(hours=1)
END_OF_TIME = 2**32 - 1


class Linked(NamedTuple):
    """What a link leads to."""

    tenant_id: UUID
    subject_id: UUID


class Links:
    """Writes and reads links; all servers with one secret read each other's."""

    def __init__(self, secret: bytes, clock: Clock, *, life_s: float, public_url: str | None) -> None:
        self.secret = secret
        self.clock = clock
        self.life = timedelta(seconds=life_s)
        self.base = (public_url or "").rstrip("/")

    def write(self, tenant_id: UUID, asset_id: UUID, name: str) -> str:
        """A link to a file of an asset: a path, absolute where the server's public URL is known."""
        end = int((self.clock() + self.life).timestamp())
        steady = max(1, min(STEADY_S, int(self.life.total_seconds())))
        token = self._sign("asset", Linked(tenant_id, asset_id), -(-end // steady) * steady)
        return f"{self.base}/media/{token}/{name}"

    def file(self, asset: Asset) -> str:
        """A link to the file itself, which can be played and sought in."""
        return self.write(asset.tenant_id, asset.id, f"file/{quote(asset.filename, safe='')}")

    def thumbnail(self, asset: Asset) -> str:
        """A link to its thumbnail."""
        return self.write(asset.tenant_id, asset.id, "thumbnail.jpg")

    def frame(self, asset: Asset, number: int) -> str:
        """A link to the key frame of a shot, or the picture of a page."""
        return self.write(asset.tenant_id, asset.id, f"frames/{number}.jpg")

    def hls(self, asset: Asset) -> str:
        """A link to its HLS stream."""
        return self.write(asset.tenant_id, asset.id, "hls/stream.m3u8")

    def write_chunk(self, tenant_id: UUID, upload_id: UUID, index: int) -> tuple[str, datetime]:
        """A link by which a part of a file is sent, and until when."""
        end = int((self.clock() + CHUNK_LIFE).timestamp())
        token = self._sign("upload", Linked(tenant_id, upload_id), end)
        return f"{self.base}/media/{token}/chunks/{index}", datetime.fromtimestamp(end, UTC)

    def read(self, token: str, kind: LinkKind) -> Linked:
        """What a link leads to. Raises NotFound (``link_invalid``, ``link_expired``)."""
        try:
            data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            payload, signature = data[: PAYLOAD.size], data[PAYLOAD.size :]
            number, tenant, subject, end = PAYLOAD.unpack(payload)
        except (ValueError, struct.error) as error:
            raise link_invalid() from error
        is_signed = hmac.compare_digest(signature, self._signature(payload))
        # Base64 has bits to spare: a link has one spelling.
        if not is_signed or number != KINDS[kind] or encode(data) != token:
            raise link_invalid()
        if self.clock().timestamp() > end:
            raise NotFound("The link has expired. Ask for the asset again: it has a new one.", code="link_expired")
        return Linked(UUID(bytes=tenant), UUID(bytes=subject))

    def _sign(self, kind: LinkKind, linked: Linked, end: int) -> str:
        """A token."""
        payload = PAYLOAD.pack(KINDS[kind], linked.tenant_id.bytes, linked.subject_id.bytes, min(end, END_OF_TIME))
        return encode(payload + self._signature(payload))

    def _signature(self, payload: bytes) -> bytes:
        """What only who knows the secret can write."""
        return hmac.digest(self.secret, payload, hashlib.sha256)[:SIGNATURE_BYTES]


def encode(data: bytes) -> str:
    """Bytes as they can stand in a URL."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def link_invalid() -> NotFound:
    """The error of a link that this server did not write."""
    return NotFound("The link is not valid.", code="link_invalid")
