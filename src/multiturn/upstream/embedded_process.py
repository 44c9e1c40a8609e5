"""The process that runs the embedded model: llama.cpp behind a private socket, for as long as the server
lives.

It is started by its path with an order (JSON) as its only argument, and imports nothing of the server. It
writes one line, ``ready`` or ``failed``, to its standard output and leaves when its standard input ends,
which it does when the server dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
from typing import Any, NoReturn

import xllamacpp

PR_SET_PDEATHSIG = 1
BATCH_TOKENS = 64
"""A batch is computed whole: a cancelled request goes on for no more tokens of its prompt than these."""


def main() -> None:
    """Load the model of the order and serve it until the standard input ends."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    # A Ctrl-C in the terminal is for the server, which stops this process in its own time. Blocked, not
    # ignored: llama.cpp installs a handler of its own.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    _die_with(order["parent"])
    report = os.dup(1)
    os.dup2(2, 1)  # What llama.cpp prints is no report.
    try:
        _server = xllamacpp.Server(_write_params(order))
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        os.write(report, b"failed\n")
        _leave(order["socket"], 1)
    signal.signal(signal.SIGTERM, lambda *_: _leave(order["socket"], 0))
    os.write(report, b"ready\n")
    while os.read(0, 1):
        pass
    _leave(order["socket"], 0)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent: nothing watches the input while a model loads."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)


def _write_params(order: dict[str, Any]) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = order["path"]
    params.model_alias = {order["name"]}
    params.hostnames = [order["socket"]]  # A name that ends in .sock is a Unix socket: no port is opened.
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1  # Errors only; the other levels may quote prompts.
    params.n_ctx = order["context_tokens"]
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cache_ram_mib = order["cache_mib"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    return params


def _leave(socket: str, status: int) -> NoReturn:
    """End at once: llama.cpp's own farewell was seen to hang."""
    shutil.rmtree(os.path.dirname(socket), ignore_errors=True)
    os._exit(status)


if __name__ == "__main__":
    main()
