"""HTML that is escaped by construction."""

import html


class Markup(str):
    """Text that is HTML already; any other text is escaped where it meets markup."""


VOID = ("img", "input", "meta")


def element(tag: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """An element with its children, which are escaped unless they are ``Markup``.

    Args:
        tag: The element's name.
        children: What it holds.
        attributes: ``class_`` stands for ``class``, ``data_x`` for ``data-x``. ``None`` and
            ``False`` leave an attribute out, ``True`` gives it without a value.
    """
    written = "".join(
        f" {key}" if value is True else f' {key}="{escaped(str(value))}"'
        for name, value in attributes.items()
        if (key := name.rstrip("_").replace("_", "-")) and value is not None and value is not False
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>")


def joined(*parts: str) -> Markup:
    """The parts one after the other, escaped unless they are ``Markup``."""
    return Markup("".join(escaped(part) for part in parts))


def escaped(text: str) -> Markup:
    """Text as HTML; what no encoding can write, as in odd file names, becomes a question mark."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(text.encode("utf-8", "replace").decode()))
