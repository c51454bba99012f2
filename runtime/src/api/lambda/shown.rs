//! Owns how a function looks in answers. Refuses to know operations.

use chrono::DateTime;
use wasm::{FunctionRecord, State};
use wire::shape::lambda::{
    DeadLetterConfig, EnvironmentResponse, EphemeralStorage, FunctionConfiguration, LoggingConfig,
    SnapStartResponse, TracingConfigResponse,
};

use super::lookup::revision_id;
use crate::api::Caller;

/// What every function has that uploads a zip.
const ZIP: &str = "Zip";

/// The configuration as clients see it that named a qualifier, or none.
pub(super) fn qualified(
    caller: &Caller,
    record: &FunctionRecord,
    qualifier: Option<&str>,
) -> FunctionConfiguration {
    let mut shown = configuration(caller, record);
    if let Some(qualifier) = qualifier {
        shown.function_arn = Some(arn(caller, &record.name, Some(qualifier)));
    }
    shown
}

/// The ARN of a function, or of what a qualifier of it names.
pub(super) fn arn(caller: &Caller, name: &str, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => caller.arn_of("lambda", format_args!("function:{name}:{qualifier}")),
        None => caller.arn_of("lambda", format_args!("function:{name}")),
    }
}

/// The configuration as clients see it. While an update is compiled it shows the code on its way.
pub(super) fn configuration(caller: &Caller, record: &FunctionRecord) -> FunctionConfiguration {
    let text = |text: &str| Some(text.to_owned());
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let number = |number: u32| i32::try_from(number).ok();
    let staged = record.staged.as_ref();
    let size = staged.map_or(record.code_size, |staged| staged.code_size);
    let sha256 = staged.map_or(&record.code_sha256, |staged| &staged.code_sha256);
    let update = match (staged, record.state) {
        (Some(_), _) => Some("InProgress"),
        // AWS says nothing about updates of a function that is being made.
        (None, State::Pending) => None,
        (None, State::Failed) => Some("Failed"),
        (None, State::Active) if record.update_failure.is_empty() => Some("Successful"),
        (None, State::Active) => Some("Failed"),
    };
    FunctionConfiguration {
        function_name: text(&record.name),
        function_arn: Some(arn(
            caller,
            &record.name,
            Some(record.version.as_str()).filter(|_| !record.is_latest()),
        )),
        dead_letter_config: given(&record.dead_letter_arn)
            .map(|arn| DeadLetterConfig { target_arn: Some(arn) }),
        runtime: text(&record.runtime),
        role: text(&record.role),
        handler: text(&record.handler),
        code_size: i64::try_from(size).ok(),
        description: text(&record.description),
        timeout: number(record.timeout_s),
        memory_size: number(record.memory_mb),
        last_modified: Some(time(record.last_modified_ms)),
        code_sha256: text(sha256),
        version: text(&record.version),
        environment: (!record.environment.is_empty())
            .then(|| EnvironmentResponse { variables: Some(record.environment.clone()), error: None }),
        tracing_config: Some(TracingConfigResponse { mode: text("PassThrough") }),
        revision_id: Some(revision_id(record)),
        state: text(record.state.name()),
        state_reason: match record.state {
            State::Pending => text("The function is being created."),
            State::Active | State::Failed => given(&record.state_reason),
        },
        state_reason_code: match record.state {
            State::Pending => text("Creating"),
            State::Active | State::Failed => given(&record.state_reason_code),
        },
        last_update_status: update.map(str::to_owned),
        last_update_status_reason: match staged {
            Some(_) => text("The function is being created."),
            None => given(&record.update_failure),
        },
        last_update_status_reason_code: match staged {
            Some(_) => text("Creating"),
            None => given(&record.update_failure_code),
        },
        package_type: text(ZIP),
        architectures: Some(record.architectures.clone()),
        ephemeral_storage: Some(EphemeralStorage { size: 512 }),
        snap_start: Some(SnapStartResponse { apply_on: text("None"), optimization_status: text("Off") }),
        logging_config: Some(LoggingConfig {
            log_format: text("Text"),
            log_group: Some(format!("{}{}", crate::functions::OUTPUT_PREFIX, record.name)),
            ..LoggingConfig::default()
        }),
        ..FunctionConfiguration::default()
    }
}

/// `2026-01-02T03:04:05.678+0000`.
fn time(epoch_ms: i64) -> String {
    DateTime::from_timestamp_millis(epoch_ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.3f+0000")
        .to_string()
}
