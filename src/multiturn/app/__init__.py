"""The composition root: makes every part, hands it on, closes it; the only package that names concrete classes."""

from multiturn.app.models import Models, model_files, open_models
from multiturn.app.server import Server, open_server
from multiturn.app.services import open_caller
from multiturn.app.stores import open_database
from multiturn.app.worker import open_worker

__all__ = [
    "Models",
    "Server",
    "model_files",
    "open_caller",
    "open_database",
    "open_models",
    "open_server",
    "open_worker",
]
