"""The edge of the server: an id for every request, one line in the log, and an answer even to a bug."""

from __future__ import annotations

import asyncio
import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multiturn.api.errors import write_internal
from multiturn.model.ids import new_id
from multiturn.observe import Metrics, log_context

log = logging.getLogger("multiturn.access")

# A link to a file is as good as a key for it.
LINK = re.compile(r"^/media/[^/]*")


class Edge:
    """Wraps the application. Logs carry method, path and ids: never a body, a query or a key."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = new_id().hex
        context = {"request_id": request_id}
        log_context.set(context)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # The web server ends what outlasts its stop; the turns have been ended, and stored, before that.
            log.warning("a request was cut off: the server stops")
        except Exception:
            log.exception("a bug: %s %s", scope["method"], LINK.sub("/media/…", scope["path"]))
            if not status:
                await write_internal(scope["path"])(scope, receive, send_with_id)
        finally:
            self.metrics.requests.labels(str(status)).inc()
            if log.isEnabledFor(logging.INFO):
                facts = {"status": status, "ms": round(1000 * (time.perf_counter() - began), 1)}
                log.info("%s %s", scope["method"], LINK.sub("/media/…", scope["path"]), extra={"facts": facts})
