"""The Python code of the page on multi-turn sessions with Jockey (contracts: twelvelabs), word for word.

A test replaces the page's URL, key and store and nothing else. What the page shows without its indentation has it here.
"""

from __future__ import annotations

PAGE_URL = "https://api.twelvelabs.io/v1.3"
PAGE_KEY = "YOUR_API_KEY"
PAGE_STORE = "your_store_id"

START = """
import requests

HEADERS = {"x-api-key": "YOUR_API_KEY", "Content-Type": "application/json"}
BASE_URL = "https://api.twelvelabs.io/v1.3"

# First message - starts a new session
response = requests.post(
    f"{BASE_URL}/responses",
    headers=HEADERS,
    json={
        "model": "jockey1.0",
        "input": [
            {"type": "message", "role": "user", "content": "What are the main themes in these videos?"}
        ],
        "tools": [
            {"type": "knowledge_store", "knowledge_store_id": "your_store_id"}
        ]
    }
)

result = response.json()
session_id = result["session_id"]
print(f"Session started: {session_id}")
"""

CONTINUE = """
# Second message - drills into the first theme
response = requests.post(
    f"{BASE_URL}/responses",
    headers=HEADERS,
    json={
        "model": "jockey1.0",
        "session_id": session_id,
        "input": [
            {"type": "message", "role": "user", "content": "Which videos best represent the first theme?"}
        ],
        "tools": [
            {"type": "knowledge_store", "knowledge_store_id": "your_store_id"}
        ]
    }
)

# Third message - requests specific details
response = requests.post(
    f"{BASE_URL}/responses",
    headers=HEADERS,
    json={
        "model": "jockey1.0",
        "session_id": session_id,
        "input": [
            {"type": "message", "role": "user", "content": "Give me timestamps for the key moments in those videos"}
        ],
        "tools": [
            {"type": "knowledge_store", "knowledge_store_id": "your_store_id"}
        ]
    }
)
"""

CHAT = """
session_id = None

def chat(message, store_id):
    global session_id

    payload = {
        "model": "jockey1.0",
        "input": [
            {"type": "message", "role": "user", "content": message}
        ],
        "tools": [
            {"type": "knowledge_store", "knowledge_store_id": store_id}
        ]
    }

    if session_id:
        payload["session_id"] = session_id

    response = requests.post(
        f"{BASE_URL}/responses",
        headers=HEADERS,
        json=payload
    )

    result = response.json()
    session_id = result["session_id"]

    # Extract text from response
    for output in result["output"]:
        if output["type"] == "message":
            for content in output["content"]:
                return content["text"]
"""
