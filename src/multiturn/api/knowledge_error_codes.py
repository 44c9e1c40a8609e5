"""The error codes of files and knowledge stores."""

from __future__ import annotations

from multiturn.api.error_code import ErrorCode

KNOWLEDGE = (
    ErrorCode("empty_file", 400, "A file that is put in has no bytes.", "Send the file."),
    ErrorCode(
        "unreadable_file",
        400,
        "A file is empty, broken, encrypted, of a kind that nobody reads, or too large; or it cannot be fetched. An "
        "asset that failed has the same text.",
        "Do what the text says, and put it in again.",
    ),
    ErrorCode(
        "asset_not_found", 404, "There is no such asset.", "List the assets. A path takes our id or the short one."
    ),
    ErrorCode(
        "file_not_found",
        404,
        "The asset has no such file, or not yet: it is being fetched, or its thumbnail or stream is being made.",
        "Look at the asset: it says what is ready.",
    ),
    ErrorCode(
        "transcript_not_found",
        404,
        "The asset has no transcript: no knowledge store has it, or nothing is spoken in it.",
        "Put it into a knowledge store; its speech is read there.",
    ),
    ErrorCode(
        "context_handler_not_found",
        404,
        "There is no such context handler, or it is another user's.",
        "List them, or retrieve anew.",
    ),
    ErrorCode("link_invalid", 404, "The server did not write this link.", "Take one that an asset shows."),
    ErrorCode(
        "link_expired", 404, "The time of the link is over.", "Ask for the asset, or for the parts' links, again."
    ),
    ErrorCode("upload_not_found", 404, "There is no such upload in parts.", "List those that are not complete."),
    ErrorCode(
        "asset_in_use",
        409,
        "The asset is to be deleted and knowledge stores have items of it; the text names the stores.",
        "Delete the items, or use `force`: then they are deleted too.",
    ),
    ErrorCode(
        "upload_ended",
        409,
        "The upload in parts is complete, or its 24 hours are over: it takes no more parts.",
        "Begin another one.",
    ),
    ErrorCode(
        "file_too_large",
        413,
        "A file is over the limit: `MULTITURN_MULTIPART_BYTES_MAX` (10 GiB), or, for one upload in Jockey's and in "
        "OpenAI's dialect, `MULTITURN_UPLOAD_BYTES_MAX` (200 MiB).",
        "Send a large file to `/v1/assets`, or in parts; or raise the limit.",
    ),
    ErrorCode(
        "fetch_failed",
        503,
        "The server of a URL failed, was silent, or broke off. It is tried again in the background.",
        "Wait; when the asset has failed, look at the URL.",
    ),
    ErrorCode(
        "asset_not_ready",
        400,
        "An asset is to be put into a knowledge store and is still being looked at.",
        "Wait until its status is `ready`.",
    ),
    ErrorCode(
        "asset_failed",
        400,
        "An asset is to be put into a knowledge store and could not be read; the text says why.",
        "Do what the text says, and put the file in again.",
    ),
    ErrorCode(
        "asset_kind_wrong",
        400,
        "The client says what kind of file an asset is, and it is another; the text names both.",
        "Say what it is, or nothing.",
    ),
    ErrorCode(
        "ingestion_config_invalid",
        400,
        "What is to be extracted of a store's items cannot be: the text names the place and what is wrong there.",
        "Take the keywords of JSON Schema that the text lists, and describe every property.",
    ),
    ErrorCode(
        "store_not_found",
        404,
        "There is no such knowledge store.",
        "List the stores. A path takes our id or the name.",
    ),
    ErrorCode("item_not_found", 404, "The knowledge store has no such item.", "List its items."),
    ErrorCode("collection_not_found", 404, "The knowledge store has no such collection.", "List its collections."),
    ErrorCode(
        "collection_exists", 409, "The knowledge store has a collection of this name already.", "Take another name."
    ),
    ErrorCode(
        "store_full",
        413,
        "The knowledge store would have more than 2,000,000 chunks of about 1,000 characters. The item that did not "
        "fit has failed.",
        "Put it into another store, or delete items of this one.",
    ),
    ErrorCode(
        "reader_unavailable",
        503,
        "Reading a file took more memory than `reader_bytes_max`, or was stopped from outside. It is tried again.",
        "Wait; if it stays so, give readers more memory, or put in a smaller file.",
    ),
)
