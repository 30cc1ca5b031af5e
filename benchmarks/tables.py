"""Rows of a table as they come, for people or as one JSON object a line."""

import json
from collections.abc import Iterable, Mapping, Sequence


def show(columns: Sequence[str], rows: Iterable[Mapping[str, object]], as_json: bool) -> None:
    """Print rows, each as soon as it is there; the first columns are words, the others numbers."""
    if not as_json:
        print("".join(_cell(column, column) for column in columns))
    for row in rows:
        if as_json:
            print(json.dumps({column: row[column] for column in columns}), flush=True)
        else:
            print("".join(_cell(column, row[column]) for column in columns), flush=True)


def _cell(column: str, value: object) -> str:
    if column in ("name", "precision", "measure"):
        return f"{value!s:<{32 if column == 'measure' else 20}}"
    return f"{'-' if value is None else value!s:>14}"
