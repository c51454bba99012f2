"""The first handlers of docs/guests.md build as they are printed, and do what the page says."""

import re

import pytest

from conftest import LONG, ROOT
from test_languages import deploy_slowly, foreign, said, subscribe
from test_types import build

PAGE = (ROOT / "docs" / "guests.md").read_text()
# Language: how its block is marked, the file, the world; and a guest that is there if its tools are.
BLOCKS = {
    "JavaScript": ("js", "hello.js", "subscription-handler", "error_digest_js"),
    "Python": ("python", "hello.py", "subscription-handler", "error_digest_python"),
    "C": ("c", "hello.c", "subscription-handler", "error_digest_c"),
    "Go": ("go", "hello.go", None, "error_digest_go"),
}


@pytest.mark.parametrize("language", BLOCKS)
def test_first_handler(virtual, tmp_path, language):
    mark, file, world, witness = BLOCKS[language]
    foreign(witness)
    if language == "Python" and not LONG:
        pytest.skip("building and compiling 18 MB once more takes half a minute: LOGBOOM_LONG=1 does")
    section = PAGE.split(f"### {language}\n")[1].split("\n### ")[0].split("\n## ")[0]
    source = tmp_path / file
    source.write_text(re.search(rf"```{mark}\n(.*?)```", section, re.S).group(1))
    recipe = build.LANGUAGES[source.suffix][1]
    recipe(source, world, tmp_path / "hello.wasm")
    deploy_slowly(virtual, "hello", (tmp_path / "hello.wasm").read_bytes())
    subscribe(virtual, "/app/web", "hello", "ERROR")
    virtual.put("/app/web", "s", ["ERROR out of axes", "INFO fine", "ERROR out of saws"])
    virtual.advance(1)
    assert said(virtual, "hello") == ["2 events of /app/web"]
