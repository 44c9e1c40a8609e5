"""The client for plain code, made of ``asynchronous`` by ``sdk/write_synchronous.py``, but for ``pages.py``."""
