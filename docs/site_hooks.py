"""What the site does to pages: those that lie at the top of the clone are shown in project/."""

from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
SHOWN = {"project/changelog.md": "CHANGELOG.md", "project/contributing.md": "CONTRIBUTING.md",
         "project/security.md": "SECURITY.md"}  # fmt: skip


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in what lies at the top, its links seen from where the site shows it."""
    name = SHOWN.get(page.file.src_uri)
    if name is None:
        return markdown
    text = (TOP / name).read_text(encoding="utf-8").replace("](docs/", "](../")
    for shown, top in SHOWN.items():
        text = text.replace(f"]({top}", f"]({Path(shown).name}")
    return text
