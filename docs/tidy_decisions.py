"""Tidy docs/decisions.md: `python docs/tidy_decisions.py`.

Each decision gets a number and a date, and each sentence a line of its own. The date is that of the
first commit whose page has the decision's heading. Numbers go by date, and those that are there
stay.
"""

import re
import subprocess
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

PAGE = Path(__file__).with_name("decisions.md")
ENTRY = re.compile(r"^- \*\*(?!D\d)(.+?)\*\*", re.M | re.S)
NUMBERED = re.compile(r"^- \*\*D(\d+), \d{4}-\d{2}-\d{2}:", re.M)
SENTENCE = re.compile(r"(?<!et al\.)(?:(?<=[.!?])|(?<=[.!?]\))|(?<=[.!?]\*\*))\s+(?=[A-Z`\[*(\"])")


def numbered(page: str, versions: list[tuple[str, str]]) -> str:
    """The page with numbers and dates.

    Args:
        page: Markdown whose list items begin with what was decided, in bold.
        versions: Dates and texts of the page so far, oldest first.
    """
    today = datetime.now(UTC).date().isoformat()
    dates = {
        found[1]: next((date for date, text in versions if plain(found[1]) in plain(text)), today)
        for found in ENTRY.finditer(page)
    }
    taken = {int(found[1]) for found in NUMBERED.finditer(page)}
    free = (number for number in count(max(taken, default=0) + 1))
    ids = {heading: next(free) for heading in sorted(dates, key=lambda heading: dates[heading])}
    return ENTRY.sub(lambda found: f"- **D{ids[found[1]]}, {dates[found[1]]}: {found[1]}**", page)


def on_lines(page: str) -> str:
    """The page with each sentence of a paragraph or list item on a line of its own."""
    made: list[str] = []
    for block in re.split(r"\n(?=- |\n|\||#)", page):
        if re.match(r"\s*$|\n?\||\n?#", block):
            made.append(block)
            continue
        indent = "  " if block.lstrip("\n").startswith("- ") else ""
        above = "\n" * (len(block) - len(block.lstrip("\n")))
        sentences = SENTENCE.split(" ".join(block.split()))
        made.append(above + f"\n{indent}".join(sentences))
    return "\n".join(made)


def plain(text: str) -> str:
    """Text whose line breaks and marks do not matter."""
    return " ".join(re.sub(r"[*`]", "", text).split())


def versions() -> list[tuple[str, str]]:
    """Dates and texts of the page in git, oldest first."""
    commits = git("log", "--reverse", "--date=short", "--format=%h %ad", "--", str(PAGE)).split(
        "\n"
    )
    pairs = (line.split() for line in commits if line)
    return [(date, git("show", f"{commit}:docs/{PAGE.name}")) for commit, date in pairs]


def git(*arguments: str) -> str:
    """What git says."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, cwd=PAGE.parents[1]
    )
    return done.stdout


if __name__ == "__main__":
    page = numbered(PAGE.read_text(encoding="utf-8"), versions())
    PAGE.write_text(on_lines(page), encoding="utf-8")
