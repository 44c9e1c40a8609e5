"""What the documentation lists is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from multiturn.config import Settings

DOCS = Path(__file__).parents[2] / "docs"


def test_every_setting_is_documented() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (DOCS / "settings.md").read_text("utf-8"), re.MULTILINE)
    assert listed == list(Settings.__struct_fields__)
