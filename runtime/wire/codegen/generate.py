#!/usr/bin/env python3
"""Generate runtime/wire/src/shape/*.rs from botocore's service models, for the operations in served.txt.

  generate.py          write the files
  generate.py --check  exit 1 and name the files that would change; 2 where botocore is not the right one

Needs the botocore release named below (`pip install botocore==...`) and rustfmt on the PATH. Only facts
are taken from the models (names, types, constraints, bindings), no documentation.
"""

import gzip
import json
import pathlib
import re
import subprocess
import sys

try:
    import botocore
except ImportError:
    botocore = None

BOTOCORE = "1.44.5"
HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent / "src" / "shape"
MODELS = {
    "logs": "logs/2014-03-28",
    "cloudwatch": "cloudwatch/2010-08-01",
    "sns": "sns/2010-03-31",
    "lambda": "lambda/2015-03-31",
    "sts": "sts/2011-06-15",
    "scheduler": "scheduler/2021-06-30",
}
SCALARS = {"string": "String", "blob": "String", "boolean": "bool", "integer": "i32", "long": "i64",
           "double": "f64", "float": "f64", "timestamp": "f64"}
# AWS prints some enumerations in another order than the model lists them (seen in recorded answers).
ENUM_ORDER = {("cloudwatch", "StateValue"): ["INSUFFICIENT_DATA", "ALARM", "OK"]}
# Java patterns with look-around, which the regex crate refuses: an equivalent without it.
REWRITTEN = {r"[0-9A-Za-z\.\-_]*(?<!\.)": r"([0-9A-Za-z.\-_]*[0-9A-Za-z\-_])?",
             r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)": r"[0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*",
             r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)":
             r"(a|aw|aws|[/.\-_A-Zb-z0-9].*|a[^w\n].*|aw[^s\n].*|aws[^.\n].*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)"}
KEYWORDS = {"type", "match", "use", "enum", "struct", "fn", "in", "ref", "self", "as", "where", "final", "static"}


def snake(name):
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def camel(name, upper):
    parts = name.split("_")
    head = parts[0].capitalize() if upper else parts[0]
    return head + "".join(p[:1].upper() + p[1:] for p in parts[1:])


def quoted(text):
    """A Rust string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rust_pattern(java):
    """The same language for the regex crate: Java's \\w, \\d and \\s are ASCII, its \\uXXXX is spelled otherwise."""
    java = REWRITTEN.get(java, java)
    assert "(?!" not in java and "(?<" not in java, f"look-around needs a rewrite: {java}"
    java = re.sub(r"\\u([0-9A-F]{4})", r"\\x{\1}", java)
    out, inside, i = "", False, 0
    while i < len(java):
        two = java[i:i + 2]
        if two in (r"\w", r"\d", r"\s"):
            body = {r"\w": "0-9A-Za-z_", r"\d": "0-9", r"\s": r" \t\n\x0B\f\r"}[two]
            out += body if inside else f"[{body}]"
            # A hyphen after a class is a literal one.
            if inside and java[i + 2:i + 3] == "-" and java[i + 3:i + 4] != "]":
                out, i = out + r"\-", i + 1
            i += 2
            continue
        if two[:1] == "\\":
            out, i = out + (two if two != r"\/" else "/"), i + 2
            continue
        if inside and re.match(r"[0-9A-Za-z]-[0-9A-Za-z]-[^\]]", java[i:i + 5]):
            out, i = out + java[i:i + 3] + r"\-", i + 4
            continue
        inside = (inside or java[i] == "[") and java[i] != "]"
        out, i = out + java[i], i + 1
    return out


class Model:
    def __init__(self, service, served):
        path = pathlib.Path(botocore.__file__).parent / "data" / MODELS[service] / "service-2.json.gz"
        model = json.loads(gzip.open(path).read())
        self.service, self.served = service, served
        self.metadata, self.operations, self.shapes = model["metadata"], model["operations"], model["shapes"]
        unknown = [name for name in served if name not in self.operations]
        assert not unknown, f"{service}: not in the model: {unknown}"
        self.reached, self.checked = {}, {}
        for name in sorted(served):
            for side, into in (("input", self.checked), ("input", self.reached), ("output", self.reached)):
                if side in self.operations[name]:
                    self.reach(self.operations[name][side]["shape"], into)
        self.statics = self.unique(camel_free=True)
        self.types = self.unique(camel_free=False)

    def reach(self, name, into):
        if name in into:
            return
        shape = self.shapes[name]
        assert not shape.get("flattened"), f"{name}: not supported yet"
        into[name] = shape
        for member in shape.get("members", {}).values():
            self.reach(member["shape"], into)
        for side in ("member", "key", "value"):
            if side in shape:
                self.reach(shape[side]["shape"], into)

    def unique(self, camel_free):
        """Shape name -> Rust name; shapes that differ only by case get a number."""
        names, used = {}, set()
        for name in sorted(self.reached):
            base = snake(name).upper() if camel_free else name[0].upper() + name[1:]
            chosen, n = base, 2
            while chosen in used:
                chosen, n = f"{base}{'_' if camel_free else ''}{n}", n + 1
            used.add(chosen)
            names[name] = chosen
        return names

    # ---- typed structures

    def rust_type(self, name):
        shape = self.shapes[name]
        kind = shape["type"]
        if kind == "structure":
            return self.types[name]
        if kind == "list":
            return f"Vec<{self.rust_type(shape['member']['shape'])}>"
        if kind == "map":
            return f"BTreeMap<String, {self.rust_type(shape['value']['shape'])}>"
        return SCALARS[kind]

    def structure(self, name):
        shape = self.shapes[name]
        required = set(shape.get("required", []))
        fields = [(member, snake(member), self.rust_type(spec["shape"])) for member, spec in shape["members"].items()]
        style = max((("camelCase", False), ("PascalCase", True)),
                    key=lambda s: sum(camel(field, s[1]) == member for member, field, _ in fields))
        out = ["#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]",
               f'#[serde(default, rename_all = "{style[0]}")]', f"pub struct {self.types[name]} {{"]
        for member, field, rust in fields:
            traits = [] if camel(field, style[1]) == member else [f'rename = "{member}"']
            if member not in required:
                rust = f"Option<{rust}>"
                traits.append('skip_serializing_if = "Option::is_none"')
            if traits:
                out.append(f"#[serde({', '.join(traits)})]")
            out.append(f"pub {'r#' + field if field in KEYWORDS else field}: {rust},")
        return out + ["}", ""]

    # ---- shape tables

    def bounds(self, shape):
        if "min" not in shape and "max" not in shape:
            return ""
        low, high = (f"Some({int(shape[k])})" if k in shape else "None" for k in ("min", "max"))
        return f".bounds({low}, {high})"

    def table(self, name):
        shape, static = self.shapes[name], self.statics[name]
        kind = {"float": "double"}.get(shape["type"], shape["type"])
        out, expression = [], f'Shape::{kind}("{name}"'
        if kind == "structure":
            required = set(shape.get("required", []))
            members = []
            for member, spec in shape["members"].items():
                place = spec.get("location", "")
                if shape.get("payload") == member:
                    place = "payload"
                text = f'Member::new("{member}", &{self.statics[spec["shape"]]})'
                if member in required:
                    text += ".required()"
                if place:
                    place = {"querystring": "Query", "statusCode": "Status"}.get(place, place.capitalize())
                    text += f'.at(Place::{place}, "{spec.get("locationName", member)}")'
                elif "locationName" in spec:
                    assert spec["locationName"] == member, f"{name}.{member}: renamed body members are not supported"
                members.append(text + ",")
            expression += ", &[" + "\n".join(members) + "])"
        elif kind == "list":
            expression += f", &{self.statics[shape['member']['shape']]})"
        elif kind == "map":
            expression += (f", &{self.statics[shape['key']['shape']]}, &{self.statics[shape['value']['shape']]}, "
                           f'"{shape["key"].get("locationName", "key")}", "{shape["value"].get("locationName", "value")}")')
        else:
            expression += ")"
        # Only what clients send is checked.
        if name not in self.checked:
            return [f"static {static}: Shape = {expression};"]
        expression += self.bounds(shape)
        if "enum" in shape:
            values = ENUM_ORDER.get((self.service, name), shape["enum"])
            assert set(values) == set(shape["enum"])
            expression += ".one_of(&[" + ", ".join(quoted(v) for v in values) + "])"
        if "pattern" in shape:
            java, rust = quoted(shape["pattern"]), quoted(rust_pattern(shape["pattern"]))
            text = f"new({java})" if java == rust else f"spelled({java}, {rust})"
            out.append(f"static PATTERN_OF_{static}: Pattern = Pattern::{text};")
            expression += f".pattern(&PATTERN_OF_{static})"
        return out + [f"static {static}: Shape = {expression};"]

    def operation(self, name):
        operation = self.operations[name]
        sides = []
        for side in ("input", "output"):
            target = operation.get(side, {}).get("shape")
            sides.append(f"Some(&{self.statics[target]})" if target else "None")
        http = operation["http"]
        return (f'Operation {{ name: "{name}", uri: "{http["requestUri"]}", '
                f'status: {http.get("responseCode", 200)}, input: {sides[0]}, output: {sides[1]} }},')

    def errors(self):
        out = []
        for name, shape in sorted(self.shapes.items()):
            if not shape.get("exception"):
                continue
            error = shape.get("error", {})
            fault = bool(shape.get("fault"))
            status = error.get("httpStatusCode", 500 if fault else 400)
            members = [m for m in shape["members"] if m.lower() == "message"]
            out.append(f'ErrorShape {{ shape: "{name}", code: "{error.get("code", name)}", status: {status}, '
                       f'fault: {str(fault).lower()}, message: "{members[0] if members else "message"}" }},')
        return out

    def render(self):
        data = self.metadata
        out = [f"//! Generated by codegen/generate.py from botocore {BOTOCORE}: types and shape tables of the served",
               f"//! {self.service} operations. Do not edit; knows nothing but the model.", "",
               "use std::collections::BTreeMap;", "", "use serde::{Deserialize, Serialize};", "",
               "use crate::model::{ErrorShape, Member, Model, Operation, Pattern, Place, Shape};", ""]
        for name, shape in sorted(self.reached.items()):
            if shape["type"] == "structure":
                out += self.structure(name)
        for name in sorted(self.reached):
            out += self.table(name)
        sections = {
            "OPERATIONS": ("&str", [quoted(name) + "," for name in sorted(self.operations)]),
            "SERVED": ("Operation", [self.operation(name) for name in sorted(self.served)]),
            "ERRORS": ("ErrorShape", self.errors()),
        }
        for name, (kind, rows) in sections.items():
            visibility = "pub" if name == "OPERATIONS" else ""
            out += ["", f"{visibility} static {name}: &[{kind}] = &[", *rows, "];"]
        # The routes of operations that are not served are needed to name them in the refusal.
        routes = []
        if data["protocol"] == "rest-json":
            routes = [f'("{op["http"]["method"]}", "{op["http"]["requestUri"]}", "{name}"),'
                      for name, op in sorted(self.operations.items())]
        out += ["", "static ROUTES: &[(&str, &str, &str)] = &[", *routes, "];"]
        out += ["", "pub(crate) static MODEL: Model = Model {",
                f'version: "{data["apiVersion"]}", target_prefix: "{data.get("targetPrefix", "")}", '
                f'namespace: "{data.get("xmlNamespace", "")}",',
                "operations: OPERATIONS, served: SERVED, errors: ERRORS, routes: ROUTES };", ""]
        text = "\n".join(out)
        if "BTreeMap<" not in text:
            text = text.replace("use std::collections::BTreeMap;\n\n", "")
        for item in ("Pattern", "Place"):
            if f"{item}::" not in text:
                text = text.replace(f"{item}, ", "", 1)
        config = HERE.parents[2]
        done = subprocess.run(["rustfmt", "--edition", "2024", "--config-path", str(config)], input=text.encode(),
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()


def served_operations():
    served, service = {}, None
    for line in (HERE / "served.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            service = line.strip("[]")
            served[service] = []
        elif line:
            served[service].append(line)
    return served


def main():
    found = botocore.__version__ if botocore else "none"
    if found != BOTOCORE:
        print(f"generate.py: needs botocore {BOTOCORE}, found {found}", file=sys.stderr)
        sys.exit(2)
    stale = []
    for service, served in served_operations().items():
        path = TARGET / f"{service}.rs"
        text = Model(service, served).render()
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text)
    print(f"{'stale' if '--check' in sys.argv else 'written'}: {', '.join(stale) or 'nothing'}")
    if stale and "--check" in sys.argv:
        sys.exit(1)


if __name__ == "__main__":
    main()
