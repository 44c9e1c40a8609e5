"""OpenAI's chat completions, with a session named by a header or a body field."""
