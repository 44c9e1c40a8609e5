BEGIN TRANSACTION;
CREATE TABLE agent_messages (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                session_id TEXT NOT NULL,
                message_data TEXT NOT NULL,
                created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
                FOREIGN KEY (session_id) REFERENCES agent_sessions (session_id)
                    ON DELETE CASCADE
            );
INSERT INTO "agent_messages" VALUES(1,'belem','{"role": "user", "content": "Which tram goes to Belem?"}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(2,'belem','{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look it up."}]}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(3,'belem','{"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find_tram", "arguments": "{\"to\": \"Belem\"}"}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(4,'belem','{"type": "function_call_output", "call_id": "call_1", "output": "15E"}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(5,'belem','{"type": "web_search_call", "id": "ws_1", "status": "completed"}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(6,'belem','{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "The tram 15E.", "annotations": []}]}','2026-11-21 09:12:13');
INSERT INTO "agent_messages" VALUES(7,'hello','{"role": "user", "content": "Hello"}','2026-11-21 09:12:13');
CREATE TABLE agent_sessions (
                session_id TEXT PRIMARY KEY,
                created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
                updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
            );
INSERT INTO "agent_sessions" VALUES('belem','2026-11-21 09:12:13','2026-11-21 09:12:13');
INSERT INTO "agent_sessions" VALUES('hello','2026-11-21 09:12:13','2026-11-21 09:12:13');
CREATE INDEX idx_agent_messages_session_id
            ON agent_messages (session_id, id)
        ;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('agent_messages',7);
COMMIT;
