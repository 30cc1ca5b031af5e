"""A script that needs no package of the plugin that wrote it: the modules it imports are in it."""

import ast
from collections.abc import Mapping

from cyclekit.contract.portable import Portable
from cyclekit.errors import PluginError

# How the modules are found: before any that are installed under the same names.
FINDER = '''
class _Inside:
    """Finds the modules that are in this file."""

    def find_spec(self, name, path=None, target=None):
        if name not in MODULES:
            return None
        is_package = any(other.startswith(name + ".") for other in MODULES)
        return importlib.util.spec_from_loader(name, self, is_package=is_package)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        exec(compile(MODULES[name], f"{__file__}: {name}", "exec"), vars(module))


sys.meta_path.insert(0, _Inside())
'''


def whole_script(portable: Portable) -> str:
    """The script of a codec with its modules written into it.

    Raises:
        PluginError: If it does not begin with a docstring, or a module is no Python.
    """
    if not portable.script or not portable.modules:
        return portable.script
    try:
        program = ast.parse(portable.script)
        if ast.get_docstring(program) is None:
            raise ValueError("it has no docstring")
        for name, text in portable.modules.items():
            compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"Codec.portable: its script cannot be written: {error}.") from error
    lines, end = portable.script.splitlines(), program.body[0].end_lineno
    head, body = lines[:end], lines[end:]
    inside = [
        "",
        "# What follows first are the modules that the script at the end of this file imports.",
        "import importlib.util",
        "import sys",
        "",
        "MODULES = {",
        *(f"    {name!r}: {_quoted(text)}," for name, text in _with_packages(portable.modules)),
        "}",
        FINDER,
    ]
    return "\n".join([*head, *inside, *body]) + "\n"


def _with_packages(modules: Mapping[str, str]) -> list[tuple[str, str]]:
    """The modules, and the packages in which they are, which are empty unless they are named."""
    parts = [name.split(".")[:count] for name in modules for count in range(1, name.count(".") + 1)]
    packages = {".".join(some): "" for some in parts}
    return list((packages | dict(modules)).items())


def _quoted(text: str) -> str:
    """Readable where that is possible."""
    quoted = f"r'''{text}'''"
    return quoted if "'''" not in text and not text.endswith(("'", "\\")) else repr(text)
