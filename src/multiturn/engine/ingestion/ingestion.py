"""Ingestion: what is done for files that were put in, job by job."""

from __future__ import annotations

from multiturn.engine.ingestion.asset_work import AssetWork
from multiturn.engine.ingestion.equipment import Equipment, Work
from multiturn.engine.ingestion.item_work import ItemWork
from multiturn.model.job import Job


class Ingestion:
    """Looks at files and indexes them. Each job is done in steps that are stored as they are begun, so that whoever
    takes it up after a crash goes on where it was.
    """

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment

    def open(self, job: Job) -> Work:
        """The work of a job."""
        return AssetWork(self.equipment, job) if job.kind == "asset" else ItemWork(self.equipment, job)
