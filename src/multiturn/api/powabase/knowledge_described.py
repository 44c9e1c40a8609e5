"""What the descriptions of Powabase's knowledge share: parameters, and one knowledge base as an example."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.powabase.described import name_thing

KB_ID = "01a1fc90-fb10-7a3e-9a51-5a0c2f0f6a01"
SOURCE_ID = "01a1fc90-fb0a-7c52-8d10-7f3f5c1a2b02"
ITEM_ID = "01a1fc90-fb12-7f01-8c11-0c9d1e2f3a03"
CHUNK_ID = "01a1fc90-fb12-8f01-8c11-0c9d00000000"
HANDLER_ID = "01a1fc90-fb20-7b44-9d3e-2a4b6c8d0e04"
AT, ENDED = examples.BEGAN, examples.ENDED
TEXT = "Tram 28 runs from Martim Moniz to Campo de Ourique."

OF_BASE = name_thing("knowledge_base_id", "The knowledge base: its UUID, or the name of the newest.", KB_ID)
OF_SOURCE = name_thing("source_id", "The source: its UUID.", SOURCE_ID)
OF_HANDLER = name_thing("context_handler_id", "The context handler: its UUID.", HANDLER_ID)

BASE_ORDER: dict[str, Any] = {
    "name": "Trams",
    "description": "Lines and timetables",
    "retrieval_config": {"method": "hybrid", "top_k": 5},
}
BASE_BODY: dict[str, Any] = {
    "id": KB_ID,
    "name": "Trams",
    "description": "Lines and timetables",
    "indexing_config": {
        "strategy": "chunk_embed",
        "chunk_size": 2000,
        "overlap": 50,
        "embedding_model": "text-embedding-3-small",
    },
    "retrieval_config": {"method": "hybrid", "top_k": 5},
    "status": "ready",
    "source_count": 1,
    "indexed_count": 1,
    "failed_count": 0,
    "chunk_count": 12,
    "created_at": AT,
    "updated_at": AT,
}
SOURCE: dict[str, Any] = {
    "id": SOURCE_ID,
    "name": "trams.pdf",
    "source_type": "file",
    "url": None,
    "file_type": "document",
    "mime_type": "application/pdf",
    "size_bytes": 48213,
    "page_count": 4,
    "duration_seconds": None,
    "extraction_status": "extracted",
    "extraction_error": None,
    "metadata": {"team": "transport"},
    "created_at": AT,
    "updated_at": ENDED,
}
SOURCE_OF_BASE: dict[str, Any] = {
    "id": ITEM_ID,
    "knowledge_base_id": KB_ID,
    "source_id": SOURCE_ID,
    "name": "trams.pdf",
    "status": "ready",
    "indexing_status": "indexed",
    "progress": 100,
    "error": None,
    "chunk_count": 12,
    "character_count": 6100,
    "metadata": {"team": "transport"},
    "created_at": AT,
    "updated_at": ENDED,
}
HIT: dict[str, Any] = {
    "chunk_id": CHUNK_ID,
    "text": TEXT,
    "score": 0.91,
    "retrieval_score": 0.91,
    "reranker_score": None,
    "source_id": SOURCE_ID,
    "source_name": "trams.pdf",
    "item_id": ITEM_ID,
    "meta": {"team": "transport", "page": 1, "title": "trams.pdf", "chunk": 0},
}
HANDLER: dict[str, Any] = {
    "id": HANDLER_ID,
    "query": "Where does tram 28 end?",
    "status": "completed",
    "knowledge_base_configs": [{"id": KB_ID, "top_k": 3, "retrieval_method": "hybrid"}],
    "max_context_tokens": 32000,
    "formatted_context": f"[1] trams.pdf (document, page 1): {TEXT}\n",
    "retrieved_context": [
        {
            "_type": "retrieval_diagnostics",
            "total_items": 1,
            "items_included": 1,
            "items_dropped": 0,
            "token_limit": 32000,
            "estimated_tokens_used": 12,
            "included_indices": [0],
            "format_mode": "flat",
        },
        {
            "_type": "text_embedding_chunk",
            "id": CHUNK_ID,
            "text": TEXT,
            "score": 0.91,
            "source_id": SOURCE_ID,
            "knowledge_base_id": KB_ID,
            "included_in_context": True,
        },
    ],
    "metadata": {"took_ms": 4.1, "tokens": 24},
    "errors": [],
    "created_at": AT,
}
