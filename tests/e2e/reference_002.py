"""The Python code of the page on session management (contracts: session header), word for word.

A test replaces the page's URL and key and nothing else. The JavaScript of the page lies in ``js/``.
"""

from __future__ import annotations

PAGE_URL = "https://yourdomain.com"
PAGE_KEY = "your-api-key"

OPENAI_SDK = """
from openai import OpenAI
import uuid

# Initialize client with session header
client = OpenAI(
    api_key="your-api-key",
    base_url="https://yourdomain.com/api/publicLLM",
    default_headers={
        "sessionId": str(uuid.uuid4())  # Generate unique session ID
    }
)

# First message
response = client.chat.completions.create(
    model="gpt-4",
    messages=[
        {"role": "user", "content": "My name is Alice"}
    ]
)
print(response.choices[0].message.content)

# Second message - AI remembers context
response = client.chat.completions.create(
    model="gpt-4",
    messages=[
        {"role": "user", "content": "What's my name?"}
    ]
)
print(response.choices[0].message.content)  # "Your name is Alice"
"""

REQUESTS = """
import requests
import uuid

session_id = str(uuid.uuid4())
api_key = "your-api-key"
base_url = "https://yourdomain.com/api/publicLLM"

headers = {
    "Authorization": f"Bearer {api_key}",
    "sessionId": session_id,
    "Content-Type": "application/json"
}

# First request
response = requests.post(
    base_url,
    headers=headers,
    json={
        "model": "gpt-4",
        "messages": [
            {"role": "user", "content": "My name is Alice"}
        ]
    }
)
print(response.json()["choices"][0]["message"]["content"])

# Second request - same session
response = requests.post(
    base_url,
    headers=headers,
    json={
        "model": "gpt-4",
        "messages": [
            {"role": "user", "content": "What's my name?"}
        ]
    }
)
print(response.json()["choices"][0]["message"]["content"])
"""

CURL = """
# Generate a session ID (or use any unique string)
SESSION_ID=$(uuidgen)

# First request
curl -X POST https://yourdomain.com/api/publicLLM \\
  -H "Authorization: Bearer your-api-key" \\
  -H "sessionId: $SESSION_ID" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "gpt-4",
    "messages": [
      {"role": "user", "content": "My name is Alice"}
    ]
  }'

# Second request - same session
curl -X POST https://yourdomain.com/api/publicLLM \\
  -H "Authorization: Bearer your-api-key" \\
  -H "sessionId: $SESSION_ID" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "gpt-4",
    "messages": [
      {"role": "user", "content": "What is my name?"}
    ]
  }'
"""
