import importlib.metadata
import json
from types import SimpleNamespace

import pytest

from cyclekit.extras import install_command


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'cyclekit[export]'"),
        ({"url": "file://{clone}", "dir_info": {}}, "pip install '{clone}[export]'"),
        (
            {"url": "file://{clone}", "dir_info": {"editable": True}},
            "pip install -e '{clone}[export]'",
        ),
        (
            {
                "url": "https://example.org/cyclekit.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc"},
            },
            "pip install 'cyclekit[export] @ git+https://example.org/cyclekit.git@abc'",
        ),
        ({"url": "file:///not/there", "dir_info": {}}, "pip install 'cyclekit[export]'"),
    ],
    ids=["index", "folder", "editable", "git", "folder that is gone"],
)
def test_advice_names_the_place_that_it_was_installed_from(tmp_path, monkeypatch, origin, expected):
    clone = tmp_path / "a clone"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    text = json.dumps(origin).replace("{clone}", str(clone).replace(" ", "%20")) if origin else None
    found = SimpleNamespace(read_text={"direct_url.json": text}.get)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)
    assert install_command("export") == expected.replace("{clone}", str(clone))
