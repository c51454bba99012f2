//! Owns `function.toml`: one file that says how a function is built, what it may touch and what it is attached to, the
//! same for trying it out and for production. Refuses to do any of it.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wasm::Grants;
use zip::write::SimpleFileOptions;

/// The name of the file.
pub(crate) const FILE: &str = "function.toml";

/// What a function is and where it belongs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Project {
    /// The folder of the file; paths start here.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    /// The text of the file: it travels with the code.
    #[serde(skip)]
    pub(crate) text: String,
    /// Name of the function.
    pub(crate) name: String,
    /// The module that is built.
    pub(crate) wasm: PathBuf,
    /// The command that builds it, for a shell.
    pub(crate) build: Option<String>,
    /// Files and folders that `logboom dev` watches; all of the folder by default.
    #[serde(default)]
    pub(crate) watch: Vec<PathBuf>,
    /// Seconds a call may take.
    #[serde(default = "default_timeout_s")]
    pub(crate) timeout_s: u32,
    /// MiB a call may use.
    #[serde(default = "default_memory_mb")]
    pub(crate) memory_mb: u32,
    /// Settings the guest can read.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// What it may touch.
    #[serde(default)]
    pub(crate) allow: Grants,
    /// Log groups whose events it handles.
    #[serde(default)]
    pub(crate) on: Vec<On>,
    /// Log groups whose events go through it before they are stored.
    #[serde(default)]
    pub(crate) transform: Vec<Transform>,
    /// Metrics whose values it finds in events.
    #[serde(default)]
    pub(crate) metric: Vec<Metric>,
    /// When it runs by itself.
    #[serde(default)]
    pub(crate) schedule: Vec<Schedule>,
    /// How calls made later are tried again.
    pub(crate) retry: Option<Retry>,
}

/// A metric of values that an extractor finds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    /// The log group.
    pub(crate) log_group: String,
    /// The filter pattern; empty takes every event.
    #[serde(default)]
    pub(crate) pattern: String,
    /// Namespace of the metric.
    pub(crate) namespace: String,
    /// Name of the metric.
    pub(crate) name: String,
}

/// A schedule that calls it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// Name of the schedule; that of the function if none is given.
    pub(crate) name: Option<String>,
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub(crate) expression: String,
    /// IANA name of the time zone.
    #[serde(default = "utc")]
    pub(crate) time_zone: String,
    /// What it is given.
    #[serde(default)]
    pub(crate) input: serde_json::Value,
}

/// How calls that were asked for with `Event` are tried again.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    /// Tries after the first.
    pub(crate) attempts: Option<u32>,
    /// Seconds after which a call is not tried any more.
    pub(crate) max_age_s: Option<u32>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A subscription.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct On {
    /// The log group.
    pub(crate) log_group: String,
    /// The filter pattern; empty takes every event.
    #[serde(default)]
    pub(crate) pattern: String,
}

/// The inline transformer of a log group.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transform {
    /// The log group.
    pub(crate) log_group: String,
    /// What happens to events it fails on. No default: a redactor wants `fail`, a normaliser `keep`.
    pub(crate) on_error: OnError,
}

/// What happens to events a transformer fails on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnError {
    /// They are stored as they came.
    Keep,
    /// They are not stored.
    Drop,
    /// The request fails.
    Fail,
}

impl OnError {
    /// As the tag of a log group says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OnError::Keep => "keep",
            OnError::Drop => "drop",
            OnError::Fail => "fail",
        }
    }
}

fn default_timeout_s() -> u32 {
    3
}

fn default_memory_mb() -> u32 {
    128
}

impl Project {
    /// Reads the file at `path`, or the one in the folder `path`.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong, with the place in the file.
    pub(crate) fn read(path: &Path) -> Result<Project, String> {
        let file = if path.is_dir() { path.join(FILE) } else { path.to_path_buf() };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            format!("{}: {error}; `logboom new` makes a project with one", file.display())
        })?;
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        Project::parse(&text, folder.unwrap_or(Path::new(".")))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str, folder: &Path) -> Result<Project, String> {
        let project: Project = toml::from_str(text).map_err(|error| error.to_string())?;
        if project.name.is_empty() {
            return Err("`name` is empty".to_owned());
        }
        if project.timeout_s == 0 || project.memory_mb == 0 {
            return Err("`timeout_s` and `memory_mb` are at least 1".to_owned());
        }
        let unnamed = project.schedule.iter().filter(|one| one.name.is_none()).count();
        if unnamed > 1 {
            return Err("of several `[[schedule]]` each has a `name`".to_owned());
        }
        if project.retry == Some(Retry { attempts: None, max_age_s: None }) {
            return Err("`[retry]` says `attempts`, `max_age_s` or both".to_owned());
        }
        Ok(Project { folder: folder.to_path_buf(), text: text.to_owned(), ..project })
    }

    /// The module on disk.
    pub(crate) fn module(&self) -> PathBuf {
        self.folder.join(&self.wasm)
    }

    /// The module as it was built.
    ///
    /// # Errors
    /// It cannot be read; says what builds it.
    pub(crate) fn code(&self) -> Result<Vec<u8>, String> {
        let path = self.module();
        std::fs::read(&path)
            .map_err(|error| format!("{}: {error}; `logboom build` builds it", path.display()))
    }

    /// What is uploaded: the module, and this file beside it.
    ///
    /// # Errors
    /// The zip cannot be made: something is larger than a zip takes.
    pub(crate) fn package(&self, code: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the upload cannot be packed: {error}");
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [("bootstrap.wasm", code), (FILE, self.text.as_bytes())] {
            // The same bytes give the same zip: AWS's CodeSha256 then tells whether the code changed.
            let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            zip.start_file(name, options).map_err(|error| failed(&error))?;
            zip.write_all(bytes).map_err(|error| failed(&error))?;
        }
        Ok(zip.finish().map_err(|error| failed(&error))?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Project, String> {
        Project::parse(text, Path::new("/p"))
    }

    #[test]
    fn a_full_file_is_understood() {
        let project = parse(
            r#"
            name = "errors"
            wasm = "out/errors.wasm"
            build = "make"
            watch = ["src"]
            timeout_s = 10
            memory_mb = 64
            environment = { TOPIC = "ops" }
            [allow]
            publish = ["ops"]
            state = true
            [[on]]
            log_group = "/app/web"
            pattern = "ERROR"
            [[transform]]
            log_group = "/app/raw"
            on_error = "fail"
            [[metric]]
            log_group = "/app/web"
            namespace = "App"
            name = "Latency"
            [[schedule]]
            expression = "rate(1 hour)"
            input = { report = ["a", 1] }
            [retry]
            attempts = 1
            "#,
        )
        .unwrap();
        assert_eq!(project.module(), Path::new("/p/out/errors.wasm"));
        assert_eq!(project.allow.lines(), ["publish ops", "state"]);
        assert_eq!(project.on, [On { log_group: "/app/web".to_owned(), pattern: "ERROR".to_owned() }]);
        assert_eq!(project.transform[0].on_error, OnError::Fail);
        assert_eq!((project.timeout_s, project.memory_mb), (10, 64));
        assert_eq!((project.metric[0].name.as_str(), project.metric[0].pattern.as_str()), ("Latency", ""));
        let schedule = &project.schedule[0];
        assert_eq!(
            (schedule.time_zone.as_str(), schedule.input.to_string()),
            ("UTC", r#"{"report":["a",1]}"#.into())
        );
        assert_eq!(project.retry, Some(Retry { attempts: Some(1), max_age_s: None }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("wasm = 'x'", "name"),
            ("name = ''\nwasm = 'x'", "`name` is empty"),
            ("name = 'x'\nwasm = 'x'\ntimeout = 3", "unknown field `timeout`"),
            ("name = 'x'\nwasm = 'x'\n[allow]\nnet = ['*']", "unknown field `net`"),
            ("name = 'x'\nwasm = 'x'\n[[on]]\ngroup = 'g'", "unknown field `group`"),
            ("name = 'x'\nwasm = 'x'\n[[transform]]\nlog_group = 'g'", "on_error"),
            ("name = 'x'\nwasm = 'x'\n[[transform]]\nlog_group = 'g'\non_error = 'skip'", "`skip`"),
            ("name = 'x'\nwasm = 'x'\nmemory_mb = 0", "at least 1"),
            ("name = 'x'\nwasm = 'x'\n[retry]", "`[retry]` says"),
            ("name = 'x'\nwasm = 'x'\n[retry]\ntries = 1", "unknown field `tries`"),
            (
                "name = 'x'\nwasm = 'x'\n[[schedule]]\nexpression = 'a'\n[[schedule]]\nexpression = 'b'",
                "each has a `name`",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_package_holds_the_module_and_the_file_and_is_the_same_each_time() {
        let project = parse("name = 'x'\nwasm = 'x.wasm'\n[allow]\npublish = ['ops']").unwrap();
        let code = b"\0asm\x01\0\0\0";
        let package = project.package(code).unwrap();
        let unpacked = wasm::unpack(&package, "", 1 << 20).unwrap();
        assert_eq!(unpacked.wasm, code);
        assert_eq!(unpacked.manifest.as_deref(), Some(project.text.as_str()));
        assert_eq!(package, project.package(code).unwrap());
    }
}
