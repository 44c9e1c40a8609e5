"""The code and the JSON of the page on agent sessions (contracts: powabase), word for word.

A test gives ``BASE_URL``, ``headers`` and the ids, as the page supposes, and changes nothing else.
"""

from __future__ import annotations

GET_SESSION = 'response = requests.get(f"{BASE_URL}/api/sessions/{session_id}", headers=headers)'

MESSAGES = 'response = requests.get(f"{BASE_URL}/api/sessions/{session_id}/messages", headers=headers)'

RUNS = 'response = requests.get(f"{BASE_URL}/api/sessions/{session_id}/runs", headers=headers)'

RETRIEVED = (
    'response = requests.get(f"{BASE_URL}/api/sessions/{session_id}/runs/{run_id}/retrieved-context", headers=headers)'
)

DELETE = 'response = requests.delete(f"{BASE_URL}/api/sessions/{session_id}", headers=headers)'

RETRIEVED_JSON = """
{
  "session_id": "sess_abc",
  "run_id": "run_xyz",
  "retrieved_context": [
    { "_type": "retrieval_diagnostics", "...": "..." },
    {
      "id": "chunk-uuid",
      "text": "...",
      "score": 0.84,
      "retrieval_score": 0.71,
      "reranker_score": 0.84,
      "source_id": "src-uuid",
      "source_name": "Q3-2025.pdf",
      "knowledge_base_id": "kb-uuid",
      "kb_name": "Finance docs",
      "indexing_strategy": "chunk_embed",
      "meta": {},
      "included_in_context": true
    }
  ]
}
"""
