-- name: save_retrieved
-- What was found for a run. Its block stands in the message seq as long as that is shown; NULL when the turn did not enter the history.
INSERT INTO retrieved_contexts (tenant_id, run_id, session_id, seq, body) VALUES (:tenant_id, :run_id, :session_id, :seq, :body)
ON CONFLICT (tenant_id, run_id) DO NOTHING;

-- name: find_retrieved
-- What was found for one run.
SELECT body FROM retrieved_contexts WHERE tenant_id = :tenant_id AND run_id = :run_id;

-- name: list_blocks
-- What was recalled for the messages of a range, which still stands in them.
SELECT seq, body FROM retrieved_contexts
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last ORDER BY seq;

-- name: save_pending_summary
-- Its session is held meanwhile. One of what was cleared stands for nothing.
INSERT INTO pending_summaries (tenant_id, session_id, body)
SELECT :tenant_id, :session_id, :body
WHERE EXISTS (SELECT 1 FROM sessions WHERE tenant_id = :tenant_id AND id = :session_id AND cleared < :first)
ON CONFLICT (tenant_id, session_id) DO UPDATE SET body = excluded.body;

-- name: find_pending_summary
-- Read only when a context is cut, and before the next summary is made.
SELECT body FROM pending_summaries WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: take_pending_summary
-- It has become an item, unless a newer one has come since.
DELETE FROM pending_summaries WHERE tenant_id = :tenant_id AND session_id = :session_id AND body = :body;

-- name: list_segments
-- The index of what was said in a session, batch by batch; those that are not known yet.
SELECT first, last, model, body FROM session_segments
WHERE tenant_id = :tenant_id AND session_id = :session_id AND first > :after ORDER BY first;

-- name: list_segment_models
-- Which batches have vectors, and of which embedding model.
SELECT first, model FROM session_segments WHERE tenant_id = :tenant_id AND session_id = :session_id AND first <= :last ORDER BY first;

-- name: find_segment
-- One batch.
SELECT first, last, model, body FROM session_segments WHERE tenant_id = :tenant_id AND session_id = :session_id AND first = :first;

-- name: list_due_segments
-- across tenants: vectors are made for whoever's it is.
SELECT tenant_id, session_id, first, last, model, body FROM session_segments
WHERE model < :model OR model > :model OR model IS NULL LIMIT :limit;

-- name: list_embedding_models
-- across tenants: a server that starts with another model opens those whose vectors are still there.
SELECT DISTINCT model FROM session_segments WHERE model IS NOT NULL
UNION SELECT DISTINCT model FROM knowledge_segments WHERE model IS NOT NULL;

-- name: hold_item
-- Whether an item is still there, which nobody erases until this transaction ends: items go first, and their index behind them.
SELECT 1 FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq = :seq /*postgres: FOR SHARE */;

-- name: save_segment
-- Of two servers that index the same items the first one counts.
INSERT INTO session_segments (tenant_id, session_id, first, last, model, body)
VALUES (:tenant_id, :session_id, :first, :last, :model, :body)
ON CONFLICT (tenant_id, session_id, first) DO NOTHING;

-- name: save_segment_vectors
-- Vectors come later than words, or change with the embedding model.
UPDATE session_segments SET model = :model, body = :body
WHERE tenant_id = :tenant_id AND session_id = :session_id AND first = :first;

-- name: load_items_at
-- Single items of a session.
SELECT seq, run_id, created_at, tokens, status, body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq IN (SELECT CAST(value AS {int}) FROM {each}) ORDER BY seq;
