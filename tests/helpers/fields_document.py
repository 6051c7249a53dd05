"""docs/fields.md, read back: the names that records may have."""

from __future__ import annotations

import re

from real_collector import REPOSITORY

LOG, DEATH = "Log attributes", "Log attributes of an exit"
SOURCE, TARGET, AGENT = (
    f"Resource attributes of the {one}" for one in ("source", "target", "agent")
)


def documented(section: str) -> dict[str, str]:
    """Names and types in the table of one section."""
    text = (REPOSITORY / "docs" / "fields.md").read_text("utf-8")
    table = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", table, re.MULTILINE))
