//! The records of functions, and the verbs this room needs to keep them. Encodings, names of
//! tables and transactions are the root's.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::alias::EventInvokeRecord;

/// Where a function is on its way from upload to running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is being compiled.
    #[default]
    Pending,
    /// It runs.
    Active,
    /// It does not compile, or is no function; `state_reason` says why.
    Failed,
}

impl State {
    /// Lambda's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Failed => "Failed",
        }
    }
}

/// One statement of a function's resource policy (AddPermission).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statement {
    /// `StatementId`.
    pub id: String,
    /// Who: a service name or an account.
    pub principal: String,
    /// `lambda:InvokeFunction` and the like.
    pub action: String,
    /// Only for this source, if given.
    pub source_arn: Option<String>,
    /// Only for sources of this account, if given.
    pub source_account: Option<String>,
}

/// A function as it is stored. Fields are only ever added, each with a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionRecord {
    /// Never used again for another function.
    pub id: u64,
    /// The name, unique in its account and region.
    pub name: String,
    /// Counts up with every change of code or configuration.
    pub revision: u64,
    /// SHA-256 of the WebAssembly, hex: the key of the code, recorded with what it makes.
    pub digest: String,
    /// `$LATEST`, or the number of a published version: then all that can be configured here never changes.
    pub version: String,
    /// As given: `provided.al2023` and the like.
    pub runtime: String,
    /// As given; names the module when a zip has several.
    pub handler: String,
    /// The ARN given as `Role`; stored and echoed.
    pub role: String,
    /// As given.
    pub description: String,
    /// Seconds a call may take.
    pub timeout_s: u32,
    /// Memory of an instance, MB.
    pub memory_mb: u32,
    /// Environment variables, also the guest's `config`.
    pub environment: BTreeMap<String, String>,
    /// Tags; `logboom:allow-*` grant capabilities.
    pub tags: BTreeMap<String, String>,
    /// The text of `function.toml` from the zip, if any.
    pub manifest: Option<String>,
    /// `Architectures` as given; stored and echoed.
    pub architectures: Vec<String>,
    /// Where it is on its way.
    pub state: State,
    /// Why it is not active, for people.
    pub state_reason: String,
    /// Lambda's `StateReasonCode`.
    pub state_reason_code: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub last_modified_ms: i64,
    /// Bytes of the upload.
    pub code_size: u64,
    /// SHA-256 of the upload, base64.
    pub code_sha256: String,
    /// The resource policy.
    pub policy: Vec<Statement>,
    /// Names of what the running code can be used for; empty until it was compiled once.
    pub roles: Vec<String>,
    /// New code that is being compiled; the code above runs until it is.
    pub staged: Option<Staged>,
    /// Whether the last update failed, for people; empty if it did not.
    pub update_failure: String,
    /// Lambda's `LastUpdateStatusReasonCode` of that failure.
    pub update_failure_code: String,
    /// ARN of `DeadLetterConfig`; empty if there is none.
    pub dead_letter_arn: String,
    /// Of `$LATEST`: the number of the version that was published last; 0 before the first one.
    pub published: u64,
    /// Of `$LATEST`: calls that may run at once, if that is reserved.
    pub reserved_concurrency: Option<u32>,
    /// Of a version: the description that `$LATEST` had when it was published.
    pub latest_description: String,
}

impl FunctionRecord {
    /// Whether this is `$LATEST`, which changes.
    pub fn is_latest(&self) -> bool {
        self.version == LATEST
    }

    /// What is published of `$LATEST` under a number: code that is on its way if there is some, and its
    /// configuration. `description` is the version's own, if it is to have one.
    pub fn snapshot(&self, number: u64, description: Option<String>) -> FunctionRecord {
        let mut version = self.clone();
        version.version = number.to_string();
        version.revision = 1;
        version.latest_description.clone_from(&self.description);
        if let Some(description) = description {
            version.description = description;
        }
        // These are the function's, whatever version is meant.
        (version.tags, version.policy, version.published) = Default::default();
        version.reserved_concurrency = None;
        (version.update_failure, version.update_failure_code) = Default::default();
        if let Some(Staged { digest, manifest, code_size, code_sha256 }) = version.staged.take() {
            (version.digest, version.manifest) = (digest, manifest);
            (version.code_size, version.code_sha256) = (code_size, code_sha256);
            (version.state, version.roles) = (State::Pending, Vec::new());
        }
        version
    }

    /// Whether publishing `$LATEST` again would make the same version.
    pub fn is_published_as(&self, version: &FunctionRecord) -> bool {
        let snapshot = self.snapshot(self.published, None);
        let configured = |record: &FunctionRecord| FunctionRecord {
            revision: 0,
            description: String::new(),
            last_modified_ms: 0,
            policy: Vec::new(),
            roles: Vec::new(),
            state: State::Pending,
            state_reason: String::new(),
            state_reason_code: String::new(),
            ..record.clone()
        };
        configured(&snapshot) == configured(version)
    }

    /// `$LATEST` with the code and configuration of one of its versions.
    pub fn restored(&self, version: &FunctionRecord, now_ms: i64) -> FunctionRecord {
        FunctionRecord {
            version: LATEST.to_owned(),
            revision: self.revision + 1,
            description: version.latest_description.clone(),
            latest_description: String::new(),
            last_modified_ms: now_ms,
            // These are the function's, whatever version is meant.
            tags: self.tags.clone(),
            policy: self.policy.clone(),
            published: self.published,
            reserved_concurrency: self.reserved_concurrency,
            ..version.clone()
        }
    }

    /// A version with what the function says for all its versions: tags (and so grants), reserved concurrency.
    pub fn version_of(self, latest: &FunctionRecord) -> FunctionRecord {
        FunctionRecord {
            tags: latest.tags.clone(),
            reserved_concurrency: latest.reserved_concurrency,
            ..self
        }
    }
}

/// The version that changes.
pub const LATEST: &str = "$LATEST";

/// Code on its way to replace a function's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Staged {
    /// As in the function.
    pub digest: String,
    /// As in the function.
    pub manifest: Option<String>,
    /// As in the function.
    pub code_size: u64,
    /// As in the function.
    pub code_sha256: String,
}

/// Lambda's `CodeSha256` of an upload: base64 of the SHA-256.
pub fn code_sha256(upload: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(upload))
}

/// The verbs functions need from the metadata, inside one transaction. Implemented by the root.
pub trait Records {
    /// What reading or writing can fail with.
    type Error;

    /// A function by name.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn function(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
    ) -> Result<Option<FunctionRecord>, Self::Error>;

    /// Functions in order of their names, after the given one.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn functions(
        &mut self,
        account: &str,
        region: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FunctionRecord>, Self::Error>;

    /// Writes a function under its name.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn put_function(
        &mut self,
        account: &str,
        region: &str,
        record: &FunctionRecord,
    ) -> Result<(), Self::Error>;

    /// Removes a function; one that is not there is no error.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn delete_function(&mut self, account: &str, region: &str, name: &str) -> Result<(), Self::Error>;

    /// A published version of a function, by their id and number.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn version(&mut self, function: u64, number: u64) -> Result<Option<FunctionRecord>, Self::Error>;

    /// Published versions of a function by rising number, after the given one.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn versions(
        &mut self,
        function: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<FunctionRecord>, Self::Error>;

    /// Writes a version under its number.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn put_version(&mut self, version: &FunctionRecord) -> Result<(), Self::Error>;

    /// Removes a version; one that is not there is no error.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn delete_version(&mut self, function: u64, number: u64) -> Result<(), Self::Error>;

    /// How asynchronous calls of a function under a qualifier are made; `None` when nothing was said.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn event_invoke(
        &mut self,
        function: u64,
        qualifier: &str,
    ) -> Result<Option<EventInvokeRecord>, Self::Error>;

    /// The same for all qualifiers of a function in order, after the given one.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn event_invokes(
        &mut self,
        function: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, EventInvokeRecord)>, Self::Error>;

    /// Says how asynchronous calls are made.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn put_event_invoke(
        &mut self,
        function: u64,
        qualifier: &str,
        record: &EventInvokeRecord,
    ) -> Result<(), Self::Error>;

    /// Says nothing about it any more.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn delete_event_invoke(&mut self, function: u64, qualifier: &str) -> Result<(), Self::Error>;

    /// The WebAssembly of a digest.
    ///
    /// # Errors
    /// The metadata cannot be read.
    fn code(&mut self, digest: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Keeps the WebAssembly of a digest.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn put_code(&mut self, digest: &str, wasm: &[u8]) -> Result<(), Self::Error>;

    /// Removes the WebAssembly of a digest no function has any more.
    ///
    /// # Errors
    /// The metadata cannot be written.
    fn delete_code(&mut self, digest: &str) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_older_version_still_reads() {
        let record: FunctionRecord =
            serde_json::from_str(r#"{"id":1,"name":"f","state":"Active"}"#).expect("reads");
        assert_eq!((record.id, record.state, record.policy.len()), (1, State::Active, 0));
        let text = serde_json::to_string(&record).expect("writes");
        assert_eq!(serde_json::from_str::<FunctionRecord>(&text).expect("reads"), record);
    }

    #[test]
    fn a_version_is_published_again_only_after_a_change() {
        let mut latest = FunctionRecord {
            version: LATEST.to_owned(),
            digest: "a".to_owned(),
            state: State::Active,
            description: "latest".to_owned(),
            tags: [("team".to_owned(), "x".to_owned())].into(),
            published: 1,
            ..FunctionRecord::default()
        };
        let version = latest.snapshot(1, Some("first".to_owned()));
        assert_eq!((version.version.as_str(), version.description.as_str()), ("1", "first"));
        assert!(version.tags.is_empty() && latest.is_published_as(&version));
        assert_eq!(version.clone().version_of(&latest).tags, latest.tags);
        latest.tags.clear();
        latest.revision += 1;
        assert!(latest.is_published_as(&version), "tags belong to no version");
        latest.description = "changed".to_owned();
        assert!(!latest.is_published_as(&version));
        latest.description = "latest".to_owned();
        latest.timeout_s = 9;
        assert!(!latest.is_published_as(&version));
        latest.staged = Some(Staged { digest: "b".to_owned(), ..Staged::default() });
        let staged = latest.snapshot(2, None);
        assert_eq!((staged.digest.as_str(), staged.state, staged.staged), ("b", State::Pending, None));
    }

    #[test]
    fn a_version_can_be_latest_again() {
        let mut latest = FunctionRecord {
            version: LATEST.to_owned(),
            digest: "a".to_owned(),
            description: "latest".to_owned(),
            reserved_concurrency: Some(3),
            ..FunctionRecord::default()
        };
        let version = latest.snapshot(1, Some("first".to_owned()));
        (latest.published, latest.revision) = (1, 8);
        latest.digest = "b".to_owned();
        latest.description = "changed".to_owned();
        let again = latest.restored(&version, 7);
        assert_eq!((again.digest.as_str(), again.description.as_str()), ("a", "latest"));
        assert_eq!((again.revision, again.last_modified_ms, again.reserved_concurrency), (9, 7, Some(3)));
        assert!(again.is_latest() && again.is_published_as(&version));
    }

    #[test]
    fn code_sha256_is_base64_of_the_digest() {
        assert_eq!(code_sha256(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
