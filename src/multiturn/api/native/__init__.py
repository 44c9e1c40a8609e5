"""Our own API beside OpenAI's paths: sessions, their items and runs."""
