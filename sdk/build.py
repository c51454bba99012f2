"""Builds the example guests that are not Rust: `python3 sdk/build.py [NAME...]`, by default all. With `--types` it
writes what editors read about the contract instead: `sdk/js` and `sdk/python`.

Owns the recipes of JavaScript, Python, C and Go and their tools, which it installs into `.tools` at the versions of
`sdk/tools`. The modules go where Rust's do, `target/wasm32-wasip2/guest`. A language whose tools cannot be had is
skipped: it is said loudly and written down in `skipped.json` beside the modules, for the tests. With CI=true that is
a failure. What is up to date is not built again.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, WIT, C = ROOT / "guest-examples", ROOT / "wit", ROOT / "sdk" / "c"
TESTS = ROOT / "tests" / "python" / "guests"
PINS = ROOT / "sdk" / "tools"
TOOLS = ROOT / ".tools"
PYTHON, NODE = TOOLS / "python" / "bin", TOOLS / "node"
OUT = ROOT / "target" / "wasm32-wasip2" / "guest"
STAMPS = ROOT / "target" / "guest-stamps"

# Name of the module, source, world.
GUESTS = [
    ("error_digest_js", EXAMPLES / "error-digest/error_digest.js", "subscription-handler"),
    ("error_digest_python", EXAMPLES / "error-digest/error_digest.py", "subscription-handler"),
    ("error_digest_c", EXAMPLES / "error-digest/error_digest.c", "subscription-handler"),
    ("error_digest_go", EXAMPLES / "error-digest/error_digest.go", None),
    ("json_normaliser", EXAMPLES / "json-normaliser/json_normaliser.js", "event-filter"),
    ("cloudtrail_rules", EXAMPLES / "cloudtrail-rules/cloudtrail_rules.py", "subscription-handler"),
    ("dedupe", EXAMPLES / "dedupe/dedupe.py", "subscription-handler"),
    ("sampler", EXAMPLES / "sampler/sampler.c", "event-filter"),
    ("access_metrics", EXAMPLES / "access-metrics/access_metrics.go", None),
    ("keep_some", TESTS / "keep_some.py", "event-filter"),
]


class Missing(Exception):
    """A tool that cannot be had; says which, and how it is installed."""


def shell(command, folder=ROOT, **environment):
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(str(w) for w in command)}` failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def javascript(source, world, out):
    shell([NODE / "node_modules/.bin/componentize-qjs", "--js", source, "--wit", WIT, "--world", world, "--sync", "-o", out])


def python(source, world, out):
    shell([PYTHON / "componentize-py", "-d", WIT, "-w", world, "componentize", source.stem, "-p", source.parent, "-o", out])


def c(source, world, out):
    core, bindings = STAMPS / f"{out.stem}.core.wasm", C / "generated" / f"{world.replace('-', '_')}.c"
    zig = [PYTHON / "python", "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-O2", "-s", "-Wall"]
    shell([*zig, "-I", C, "-o", core, source, bindings], ZIG_GLOBAL_CACHE_DIR=str(TOOLS / "zig"))
    shell(["node", PINS / "componentize.mjs", WIT, world, core, out], folder=NODE)


def go(source, _world, out):
    private = {"GOCACHE": str(TOOLS / "go/cache"), "GOPATH": str(TOOLS / "go"), "GOTOOLCHAIN": "local", "GO111MODULE": "off"}
    command = [PYTHON / "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, source]
    shell(command, GOOS="wasip1", GOARCH="wasm", CGO_ENABLED="0", **private)


# Language by the suffix of the source: name, recipe, and what has to be installed.
LANGUAGES = {
    ".js": ("JavaScript", javascript, ["npm"]),
    ".py": ("Python", python, ["pip"]),
    ".c": ("C", c, ["pip", "npm"]),
    ".go": ("Go", go, ["pip"]),
}


def digest(*paths):
    sums = hashlib.sha256()
    for path in sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()):
        sums.update(path.name.encode() + b"\0" + path.read_bytes())
    return sums.hexdigest()


def once(stamp, wanted, make):
    """Runs `make` unless it has been run for the same thing."""
    if not stamp.exists() or stamp.read_text() != wanted:
        make()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted)


def pip():
    requirements = PINS / "requirements.txt"

    def install():
        shutil.rmtree(PYTHON.parent, ignore_errors=True)
        shell([sys.executable, "-m", "venv", PYTHON.parent])
        shell([PYTHON / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])

    once(PYTHON.parent / ".stamp", digest(requirements), install)


def npm():
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not on the PATH (on Debian: apt-get install nodejs npm)")
    pins = [PINS / "package.json", PINS / "package-lock.json"]

    def install():
        NODE.mkdir(parents=True, exist_ok=True)
        for file in pins:
            shutil.copy(file, NODE)
        shell(["npm", "ci", "--no-audit", "--no-fund", "--silent"], folder=NODE)

    once(NODE / ".stamp", digest(*pins), install)


def install(languages):
    """Installs the tools of the languages; gives the reason for each that has to be skipped."""
    reasons = {}
    for suffix in languages:
        name, _, needs = LANGUAGES[suffix]
        try:
            for need in needs:
                {"pip": pip, "npm": npm}[need]()
        except (Missing, RuntimeError, OSError) as error:
            reasons[name] = str(error)
    return reasons


def build(guest):
    """Builds one guest; gives the seconds it took."""
    name, source, world = guest
    language, recipe, _ = LANGUAGES[source.suffix]
    out, began = OUT / f"{name}.wasm", time.monotonic()
    wanted = digest(Path(__file__), source, WIT, C, PINS)
    stamp = STAMPS / name
    if not out.exists():
        stamp.unlink(missing_ok=True)
    once(stamp, wanted, lambda: recipe(source, world, out))
    return time.monotonic() - began


def javascript_types(folder):
    npm()
    folder.mkdir(parents=True, exist_ok=True)
    shell(["node", PINS / "types.mjs", WIT, folder.resolve() / "logboom.d.ts"], folder=NODE)


def python_types(folder):
    pip()
    worlds = re.findall(r"^world ([a-z-]+)", (WIT / "worlds.wit").read_text(), re.M)
    flags = [flag for world in worlds for flag in ("-w", world)]
    shell([PYTHON / "componentize-py", "-d", WIT, *flags, "bindings", folder.resolve()])
    # Asynchronous worlds are not there.
    for extra in ("componentize_py_async_support", "componentize_py_runtime.pyi", "poll_loop.py"):
        path = folder / extra
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# Where the types are, and what writes them.
TYPES = {ROOT / "sdk" / "js": javascript_types, ROOT / "sdk" / "python": python_types}


def write_types():
    for folder, write in TYPES.items():
        shutil.rmtree(folder, ignore_errors=True)
        write(folder)


def main(names):
    if names == ["--types"]:
        return write_types()
    unknown = set(names) - {name for name, _, _ in GUESTS}
    if unknown:
        sys.exit(f"build.py: no guest {', '.join(sorted(unknown))}; there are {', '.join(name for name, _, _ in GUESTS)}")
    OUT.mkdir(parents=True, exist_ok=True)
    STAMPS.mkdir(parents=True, exist_ok=True)
    wanted = [guest for guest in GUESTS if not names or guest[0] in names]
    reasons = install(sorted({source.suffix for _, source, _ in wanted}))
    (OUT / "skipped.json").write_text(json.dumps(reasons))
    for language, reason in reasons.items():
        print(f"\n!!! {language} GUESTS ARE NOT BUILT, and their tests are skipped: {reason}\n", file=sys.stderr)
    if reasons and os.environ.get("CI") == "true":
        sys.exit("build.py: with CI=true every language has to be built")
    able = [guest for guest in wanted if LANGUAGES[guest[1].suffix][0] not in reasons]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, _, _), seconds in zip(able, pool.map(build, able)):
            if seconds > 0.5:
                print(f"    {name}: {(OUT / name).with_suffix('.wasm').stat().st_size:,} bytes, {seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
