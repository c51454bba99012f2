//! Owns what of a function's settings Logboom honours: a setting that would be ignored is refused by name.
//! Refuses to know operations.

use std::collections::BTreeMap;

use serde_json::Value;
use wasm::{FunctionRecord, Package};
use wire::Fault;

use crate::functions::{attach, ledger};

/// Runtimes that mean WebAssembly.
const RUNTIMES: &[&str] = &["provided.al2023", "provided.al2", "provided"];

/// Bytes of names and values of a function's environment.
const ENVIRONMENT_BYTES_MAX: usize = 4096;

/// Seconds that a call may take at most.
const TIMEOUT_MAX_S: i32 = 900;

/// Memory that a call may have, MB: from AWS's least to what the engine gives.
const MEMORY_MB: std::ops::RangeInclusive<i32> = 128..=1024;

/// A fault of a parameter.
pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new("InvalidParameterValueException", text.into()).status(400))
}

/// Settings that are harmless at one value: there is nothing to do for it.
const HARMLESS: &[(&str, &[&str])] = &[
    ("TracingConfig", &[r#"{"Mode":"PassThrough"}"#, "{}"]),
    ("EphemeralStorage", &[r#"{"Size":512}"#]),
    ("SnapStart", &[r#"{"ApplyOn":"None"}"#, "{}"]),
    ("PackageType", &[r#""Zip""#]),
    ("VpcConfig", &["{}", r#"{"SecurityGroupIds":[],"SubnetIds":[]}"#]),
    ("Layers", &["[]"]),
    ("FileSystemConfigs", &["[]"]),
    ("KMSKeyArn", &[r#""""#]),
    ("DryRun", &["false"]),
    ("ImageConfig", &[]),
    ("LoggingConfig", &[]),
    ("CodeSigningConfigArn", &[]),
    ("TenancyConfig", &[]),
    ("CapacityProviderConfig", &[]),
    ("DurableConfig", &[]),
    ("RuntimeConfig", &[]),
    ("AcceleratorConfig", &[]),
    ("PublishTo", &[]),
    ("S3Bucket", &[]),
    ("S3Key", &[]),
    ("S3ObjectVersion", &[]),
    ("S3ObjectStorageMode", &[]),
    ("ImageUri", &[]),
    ("SourceKMSKeyArn", &[r#""""#]),
];

/// Refuses settings of a request (as JSON) that would be ignored. `name` is the function's.
///
/// # Errors
/// `InvalidParameterValueException` that names the setting.
pub(super) fn check_honoured(request: &Value, name: &str) -> Result<(), Fault> {
    for (setting, harmless) in HARMLESS {
        let given = &request[*setting];
        if given.is_null() || harmless.contains(&given.to_string().as_str()) {
            continue;
        }
        if *setting == "LoggingConfig" && usual_logging(given, name) {
            continue;
        }
        return match *setting {
            "S3Bucket" | "S3Key" | "S3ObjectVersion" | "S3ObjectStorageMode" => {
                refuse(format!("{setting} is not served by Logboom: send the code itself in ZipFile."))
            }
            "ImageUri" | "ImageConfig" | "PackageType" => refuse(format!(
                "{setting} is not served by Logboom: functions are WebAssembly, not container images."
            )),
            _ => refuse(format!("{setting} {given} is not served by Logboom.")),
        };
    }
    Ok(())
}

fn usual_logging(given: &Value, name: &str) -> bool {
    let usual = |key: &str, value: &str| given[key].is_null() || given[key] == value;
    let known = given
        .as_object()
        .is_some_and(|given| given.keys().all(|key| key == "LogFormat" || key == "LogGroup"));
    known && usual("LogFormat", "Text") && usual("LogGroup", &format!("/aws/lambda/{name}"))
}

/// The settings both CreateFunction and UpdateFunctionConfiguration may carry.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) runtime: Option<String>,
    pub(super) handler: Option<String>,
    pub(super) role: Option<String>,
    pub(super) description: Option<String>,
    pub(super) timeout: Option<i32>,
    pub(super) memory_size: Option<i32>,
    pub(super) environment: Option<BTreeMap<String, String>>,
}

impl Wanted {
    /// Writes what was given into a record.
    ///
    /// # Errors
    /// `InvalidParameterValueException`.
    pub(super) fn apply(self, record: &mut FunctionRecord) -> Result<(), Fault> {
        if let Some(runtime) = self.runtime {
            check_runtime(&runtime)?;
            record.runtime = runtime;
        }
        if let Some(seconds) = self.timeout {
            record.timeout_s = within(seconds, 1..=TIMEOUT_MAX_S, "timeout")?;
        }
        if let Some(megabytes) = self.memory_size {
            record.memory_mb = within(megabytes, MEMORY_MB, "memorySize")?;
        }
        if let Some(environment) = self.environment {
            check_environment(&environment)?;
            record.environment = environment;
        }
        let texts = [
            (self.handler, &mut record.handler),
            (self.role, &mut record.role),
            (self.description, &mut record.description),
        ];
        for (given, kept) in texts {
            if let Some(given) = given {
                *kept = given;
            }
        }
        Ok(())
    }
}

fn within(value: i32, range: std::ops::RangeInclusive<i32>, at: &str) -> Result<u32, Fault> {
    let (start, end) = (*range.start(), *range.end());
    match u32::try_from(value) {
        Ok(good) if range.contains(&value) => Ok(good),
        _ => refuse(format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must have \
             value {}",
            if value < start {
                format!("greater than or equal to {start}")
            } else {
                format!("less than or equal to {end}")
            }
        )),
    }
}

fn check_runtime(runtime: &str) -> Result<(), Fault> {
    if RUNTIMES.contains(&runtime) {
        return Ok(());
    }
    refuse(format!(
        "The runtime {runtime} is not served by Logboom, which runs WebAssembly: build a .wasm file (Rust: cargo build \
         --release --target wasm32-wasip2; Go: GOOS=wasip1 GOARCH=wasm go build; Python: componentize-py), zip it, and \
         give the runtime provided.al2023."
    ))
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), Fault> {
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return refuse(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit.",
        );
    }
    if let Some(name) = environment.keys().find(|name| name.starts_with("AWS_LAMBDA_")) {
        return refuse(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {name}"
        ));
    }
    Ok(())
}

/// Unpacks an upload.
///
/// # Errors
/// `InvalidParameterValueException` that says what was found and what would do.
pub(super) fn unpack(zip_file: Option<&str>, handler: &str) -> Result<(Package, Vec<u8>), Fault> {
    use base64::Engine as _;
    let Some(text) = zip_file else { return refuse("Please provide the code of the function in ZipFile.") };
    let upload = base64::prelude::BASE64_STANDARD.decode(text);
    let upload = upload.or_else(|_| refuse("Could not unzip uploaded file: ZipFile is not base64."))?;
    let unpacked = wasm::unpack(&upload, handler, wasm::MAX_WASM_BYTES).and_then(|package| {
        wasm::check_outline(&package.wasm, wasm::MAX_IMPORTS)?;
        Ok((package, upload))
    });
    unpacked.or_else(|error| refuse(error.to_string()))
}

/// Refuses grants and budgets that mean nothing.
///
/// # Errors
/// `InvalidParameterValueException`.
pub(super) fn check_grants(record: &FunctionRecord) -> Result<(), Fault> {
    attach::grants(record).or_else(refuse)?;
    ledger::budget_ms(record).or_else(refuse)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_would_be_ignored_are_refused_by_name() {
        for (request, named) in [
            (json!({"Layers": ["arn:x"]}), "Layers"),
            (json!({"VpcConfig": {"SubnetIds": ["s"]}}), "VpcConfig"),
            (json!({"TracingConfig": {"Mode": "Active"}}), "TracingConfig"),
            (json!({"EphemeralStorage": {"Size": 1024}}), "EphemeralStorage"),
            (json!({"SnapStart": {"ApplyOn": "PublishedVersions"}}), "SnapStart"),
            (json!({"PublishTo": "LATEST_PUBLISHED"}), "PublishTo"),
            (json!({"PackageType": "Image"}), "PackageType"),
            (json!({"S3Bucket": "b"}), "S3Bucket"),
            (json!({"LoggingConfig": {"LogFormat": "JSON"}}), "LoggingConfig"),
            (json!({"LoggingConfig": {"LogGroup": "/other"}}), "LoggingConfig"),
        ] {
            let fault = check_honoured(&request, "f").unwrap_err();
            assert!(fault.message().contains(named), "{}", fault.message());
        }
        let usual = json!({
            "TracingConfig": {"Mode": "PassThrough"}, "EphemeralStorage": {"Size": 512}, "Publish": true,
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}, "PackageType": "Zip",
            "SnapStart": {"ApplyOn": "None"}, "Layers": [],
        });
        assert!(check_honoured(&usual, "f").is_ok());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let with =
            |wanted: Wanted| wanted.apply(&mut FunctionRecord::default()).map_err(|f| f.message().to_owned());
        assert!(
            with(Wanted { timeout: Some(901), ..Wanted::default() })
                .unwrap_err()
                .contains("less than or equal to 900")
        );
        assert!(with(Wanted { timeout: Some(0), ..Wanted::default() }).is_err());
        assert!(
            with(Wanted { memory_size: Some(4096), ..Wanted::default() }).unwrap_err().contains("memorySize")
        );
        assert!(
            with(Wanted { runtime: Some("python3.12".into()), ..Wanted::default() })
                .unwrap_err()
                .contains("wasm32-wasip2")
        );
        let big = BTreeMap::from([("A".to_owned(), "x".repeat(4096))]);
        assert!(with(Wanted { environment: Some(big), ..Wanted::default() }).unwrap_err().contains("4KB"));
    }
}
