"""OpenAI's files and vector stores: the same assets and knowledge stores, as the official clients see them."""
