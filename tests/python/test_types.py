"""What editors read about the contract is what the contract says: sdk/js and sdk/python are made from wit/."""

import importlib.util
import os

import pytest

from conftest import ROOT

spec = importlib.util.spec_from_file_location("sdk_build", ROOT / "sdk" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", build.TYPES, ids=lambda folder: folder.name)
def test_types_are_those_of_the_contract(folder, tmp_path):
    try:
        build.TYPES[folder](tmp_path / "made")
    except build.Missing as missing:
        assert os.environ.get("CI") != "true", missing
        pytest.skip(f"no tools for sdk/{folder.name}: {missing}")
    made = files(tmp_path / "made")
    assert len(made) > 0
    assert files(folder) == made, "stale: run `python3 sdk/build.py --types`"
