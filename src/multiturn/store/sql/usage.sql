-- name: count_turn
-- What a turn used, under the user whose session it is; in the transaction that ends it. Looked up value by value: a join takes
-- SQLite ten times as long, as it plans anew for each tenant and run.
INSERT INTO usage_days (tenant_id, user_id, day, model, shard, turns, input_tokens, cached_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, cost, unpriced)
VALUES (:tenant_id, (SELECT user_id FROM sessions WHERE tenant_id = :tenant_id AND id = :session_id), :day,
    (SELECT model FROM runs WHERE tenant_id = :tenant_id AND id = :id), :shard, :turns, :input_tokens, :cached_tokens,
    :cache_write_tokens, :output_tokens, :reasoning_tokens, :cost, :unpriced)
ON CONFLICT (tenant_id, user_id, day, model, shard) DO UPDATE SET turns = usage_days.turns + excluded.turns,
    input_tokens = usage_days.input_tokens + excluded.input_tokens, cached_tokens = usage_days.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = usage_days.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = usage_days.output_tokens + excluded.output_tokens,
    reasoning_tokens = usage_days.reasoning_tokens + excluded.reasoning_tokens, cost = usage_days.cost + excluded.cost,
    unpriced = usage_days.unpriced + excluded.unpriced;

-- name: count_used
-- What was used beside sessions, a batch at a time; of a user that was erased meanwhile nothing is kept.
INSERT INTO usage_days (tenant_id, user_id, day, model, shard, turns, input_tokens, cached_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, cost, unpriced)
SELECT :tenant_id, :user_id, :day, :model, :shard, :turns, :input_tokens, :cached_tokens, :cache_write_tokens, :output_tokens,
    :reasoning_tokens, :cost, :unpriced
WHERE EXISTS (SELECT 1 FROM users WHERE tenant_id = :tenant_id AND id = :user_id)
ON CONFLICT (tenant_id, user_id, day, model, shard) DO UPDATE SET turns = usage_days.turns + excluded.turns,
    input_tokens = usage_days.input_tokens + excluded.input_tokens, cached_tokens = usage_days.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = usage_days.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = usage_days.output_tokens + excluded.output_tokens,
    reasoning_tokens = usage_days.reasoning_tokens + excluded.reasoning_tokens, cost = usage_days.cost + excluded.cost,
    unpriced = usage_days.unpriced + excluded.unpriced;

-- name: sum_tenant_usage
-- What a tenant used in a stretch of days.
SELECT coalesce(sum(turns), 0), coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost), 0), coalesce(sum(unpriced), 0)
FROM usage_days WHERE tenant_id = :tenant_id AND day BETWEEN :first AND :last;

-- name: sum_user_usage
-- The same of one user.
SELECT coalesce(sum(turns), 0), coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost), 0), coalesce(sum(unpriced), 0)
FROM usage_days WHERE tenant_id = :tenant_id AND user_id = :user_id AND day BETWEEN :first AND :last;

-- name: find_session_usage
-- The same of a session in all its life.
SELECT used_turns, used_input, used_cached, used_cache_write, used_output, used_reasoning, used_cost, used_unpriced
FROM sessions WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_usage
-- What was used in each period, told apart as asked; what is not told apart is NULL.
SELECT since, user_id, (SELECT external_id FROM users WHERE tenant_id = :tenant_id AND users.id = used.user_id), NULL, model, turns,
    input, cached, cache_write, output, reasoning, cost, unpriced
FROM (
    SELECT CASE WHEN :period = 'day' THEN day WHEN :period = 'month' THEN {month} END AS since,
        CASE WHEN :by_user = 1 THEN user_id END AS user_id, CASE WHEN :by_model = 1 THEN model END AS model,
        sum(turns) AS turns, sum(input_tokens) AS input, sum(cached_tokens) AS cached, sum(cache_write_tokens) AS cache_write,
        sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning, sum(cost) AS cost, sum(unpriced) AS unpriced
    FROM usage_days
    WHERE tenant_id = :tenant_id AND day BETWEEN :first AND :last
        AND user_id = coalesce(:user_id, user_id) AND model = coalesce(:model, model)
    GROUP BY 1, 2, 3
) AS used
ORDER BY since DESC, cost DESC, input DESC, model, user_id LIMIT :limit;

-- name: list_session_usage
-- The same of sessions that are there, from their runs: those of a stretch of time lie together, as the ids of runs begin with it.
-- A run that was brought in was paid for elsewhere.
SELECT CASE WHEN :period = 'day' THEN day WHEN :period = 'month' THEN {month} END AS since,
    CASE WHEN :by_user = 1 THEN user_id END, CASE WHEN :by_user = 1 THEN max(user_name) END, CASE WHEN :by_session = 1 THEN session_id END,
    CASE WHEN :by_model = 1 THEN model END,
    count(*), sum(input), sum(cached), sum(cache_write), sum(output), sum(reasoning), sum(cost) AS dollars, sum(unpriced)
FROM (
    SELECT runs.ended_at / 86400000 AS day, user_id, session_id, model,
        (SELECT external_id FROM users WHERE tenant_id = :tenant_id AND users.id = user_id) AS user_name,
        coalesce(CAST(usage /*postgres: ::json */ ->> 'input_tokens' AS {int}), 0) AS input,
        coalesce(CAST(usage /*postgres: ::json */ ->> 'cached_tokens' AS {int}), 0) AS cached,
        coalesce(CAST(usage /*postgres: ::json */ ->> 'cache_write_tokens' AS {int}), 0) AS cache_write,
        coalesce(CAST(usage /*postgres: ::json */ ->> 'output_tokens' AS {int}), 0) AS output,
        coalesce(CAST(usage /*postgres: ::json */ ->> 'reasoning_tokens' AS {int}), 0) AS reasoning,
        coalesce(cost, 0) AS cost, CASE WHEN cost IS NULL THEN 1 ELSE 0 END AS unpriced
    FROM runs JOIN sessions ON sessions.tenant_id = runs.tenant_id AND sessions.id = runs.session_id
    WHERE runs.tenant_id = :tenant_id AND runs.id BETWEEN :first_id AND :last_id
        AND runs.ended_at >= :since AND runs.ended_at < :until
        AND (usage IS NOT NULL OR status IN ('completed', 'incomplete')) AND runs.server_id <> :nobody
        AND user_id = coalesce(:user_id, user_id) AND model = coalesce(:model, model) AND session_id = coalesce(:session_id, session_id)
) AS turns
GROUP BY 1, 2, 4, 5 ORDER BY since DESC, dollars DESC, 7 DESC, 4, 2, 5 LIMIT :limit;

-- name: forget_user_usage
-- The user is erased: what it used goes with it.
DELETE FROM usage_days WHERE tenant_id = :tenant_id AND user_id = :user_id;
