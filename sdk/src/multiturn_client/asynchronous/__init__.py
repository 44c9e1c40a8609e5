"""The client for asyncio. ``synchronous`` is made of it by ``sdk/write_synchronous.py``."""
