"""The process that runs the embedding model: onnxruntime behind two pipes, for as long as the server lives.

It is started by its path with an order (JSON) as its only argument, and imports nothing of the server. It reads
requests from its standard input and leaves when that ends, which it does when the server dies. A request is its
length, then each text behind its own length; the answer is its length, then a row of floats a text. The first
answer, before any request, is the length of a row. Lengths are four bytes, and everything is little-endian.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

PR_SET_PDEATHSIG = 1
LENGTH = struct.Struct("<I")
READ_BYTES = 1 << 16


def main() -> None:
    """Load the model of the order and answer until the standard input ends."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    # A Ctrl-C in the terminal is for the server, which stops this process in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(order["parent"])
    out = os.dup(1)
    os.dup2(2, 1)  # What a library prints is no answer.
    model = Model(order)
    _give_memory_back()
    _write(out, LENGTH.pack(model.embed(["warm up"]).shape[1]))
    while (request := _read()) is not None:
        _write(out, model.embed(list(_split(request))).tobytes())


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent: nothing watches the input while a model loads."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)


def _give_memory_back() -> None:
    """Return what loading took and freed, some 50 MB, where the C library can."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


class Model:
    """A sentence transformer in ONNX: the mean of the word pieces' vectors, at length 1."""

    def __init__(self, order: dict[str, Any]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = order["threads"]
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # It would keep the memory of the largest batch for good.
        # The further levels made this model 6 to 9 % slower.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(order["model"], options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(order["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(order["tokens_max"])
        self._batch_tokens_max: int = order["tokens_max"]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Turn texts into rows; of a long text the first ``tokens_max`` word pieces count."""
        encodings = self._tokenizer.encode_batch_fast(texts)
        places = sorted(range(len(texts)), key=lambda place: len(encodings[place]))
        rows: list[NDArray[np.float32]] = []
        for batch in self._cut([encodings[place] for place in places]):
            rows += list(self._run(batch))
        answer = np.empty((len(texts), rows[0].shape[0]), np.float32)
        answer[places] = rows
        return answer

    def _cut(self, encodings: Sequence[Encoding]) -> Iterator[Sequence[Encoding]]:
        """Cut texts, sorted by length, into batches of no more word pieces than one long text: larger ones are
        slower, for they leave the processor's cache, and take more memory."""
        begin = 0
        for end in range(1, len(encodings) + 1):
            is_last = end == len(encodings)
            if is_last or (end + 1 - begin) * len(encodings[end]) > self._batch_tokens_max:
                yield encodings[begin:end]
                begin = end

    def _run(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        shape = (len(batch), len(batch[-1]))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(batch):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        states: NDArray[np.float32] = self._session.run(None, inputs)[0]
        # The sum will do for the mean: the length is made 1 in any case.
        sums = np.einsum("btd,bt->bd", states, mask.astype(np.float32))
        normal: NDArray[np.float32] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return normal


def _split(request: bytes) -> Iterator[str]:
    start = 0
    while start < len(request):
        (length,) = LENGTH.unpack_from(request, start)
        start += LENGTH.size
        yield request[start : start + length].decode()
        start += length


def _read() -> bytes | None:
    """Read a request; None when the input has ended."""
    head = _read_exactly(LENGTH.size)
    return _read_exactly(LENGTH.unpack(head)[0]) if head else None


def _read_exactly(length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = os.read(0, min(length - len(data), READ_BYTES))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _write(out: int, answer: bytes) -> None:
    left = memoryview(LENGTH.pack(len(answer)) + answer)
    while left:
        left = left[os.write(out, left) :]


if __name__ == "__main__":
    main()
