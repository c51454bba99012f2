//! `logboom test`: runs a function in this process on recorded events, and shows all it did and what it cost.
//!
//! Owns the batches and the order of calls. Refuses to know how a call is made (`wasm`) and shown (`shown`).

mod bystander;
mod recorded;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use wasm::{
    BatchContext, Call, Grants, Host, InvokeError, Invoked, LogEvent, Module, PackedBatch, Pieces, Role,
    Stdout, Verdict,
};

use super::build;
use super::client::ClientError;
use super::project::Project;
use crate::clock::Clock;
use crate::functions::events::{self, Given, Origin};
use bystander::Bystander;
use recorded::Recorded;
use shown::{Outcome, Shown, Sum};

/// Runs a function here, on recorded events, and shows verdicts, log lines, effects, fuel and memory.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Recorded events, one a line: {"timestamp": .., "message": ".."}, or the bare message.
    events: PathBuf,
    /// The folder with function.toml, that file, or a .wasm file (which may then do everything).
    #[arg(long, short = 'f', default_value = ".")]
    function: PathBuf,
    /// Events of one call.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// The log group the events are said to be from; that of the first [[on]] is the default.
    #[arg(long)]
    group: Option<String>,
    /// One JSON object for each call, and one for the sum.
    #[arg(long)]
    json: bool,
    /// Measure events per second of CPU instead: all events again and again for about a second.
    #[arg(long)]
    bench: bool,
}

/// What is run, under which bounds.
struct Subject {
    module: Module,
    call: Call,
    group: String,
    bystander: Arc<Bystander>,
}

/// CPU time a measurement takes, microseconds.
const BENCH_US: u64 = 1_000_000;

/// Runs the command; a call that fails makes it fail.
pub(crate) async fn run(args: TestArgs, clock: Clock) -> Result<(), ClientError> {
    let text = std::fs::read_to_string(&args.events);
    let text = text.map_err(|error| ClientError::Here(format!("{}: {error}", args.events.display())))?;
    let recorded = recorded::parse(&text);
    if recorded.is_empty() {
        return Err(ClientError::Here(format!("{} holds no events", args.events.display())));
    }
    let host = build::host(&clock, !args.bench).map_err(ClientError::Here)?;
    let subject = subject(&args, &host).map_err(ClientError::Here)?;
    let roles = roles(&subject.module, args.bench);
    if roles.is_empty() {
        let is = build::describe(&subject.module);
        return Err(ClientError::Here(format!("it handles no log events ({is}); `logboom invoke` calls it")));
    }
    let mut failed = 0;
    for role in roles {
        if args.bench {
            bench(&host, &subject, role, (&recorded, usize::from(args.batch))).await?;
            continue;
        }
        let mut sum = Sum::new(role);
        for (index, part) in recorded.chunks(usize::from(args.batch)).enumerate() {
            let first = index * usize::from(args.batch);
            let shown = call(&host, &subject, role, (first, part)).await;
            sum.add(&shown, part.len());
            shown.print(args.json, part);
        }
        failed += sum.failed();
        sum.print(args.json);
    }
    match failed {
        0 => Ok(()),
        1 => Err(ClientError::Here("1 call failed".to_owned())),
        _ => Err(ClientError::Here(format!("{failed} calls failed"))),
    }
}

/// What events are handed to. A filter that is packed too is measured in both ways, and else tested as one.
fn roles(module: &Module, bench: bool) -> Vec<Role> {
    let is_one = module.has(Role::Filter) && !bench;
    let tested = |role: &Role| takes_events(*role) && !(is_one && *role == Role::PackedFilter);
    module.roles().iter().copied().filter(tested).collect()
}

/// Whether this command can hand events to a module of this role.
fn takes_events(role: Role) -> bool {
    matches!(
        role,
        Role::Subscription
            | Role::Filter
            | Role::PackedFilter
            | Role::Extractor
            | Role::Lambda
            | Role::Command
    )
}

fn subject(args: &TestArgs, host: &Host) -> Result<Subject, String> {
    let is_module = args.function.extension().is_some_and(|extension| extension == "wasm");
    let (code, project) = if is_module {
        let shown = args.function.display();
        (std::fs::read(&args.function).map_err(|error| format!("{shown}: {error}"))?, None)
    } else {
        let project = Project::read(&args.function)?;
        (project.code()?, Some(project))
    };
    let module = host.compile(&code).map_err(|error| error.to_string())?;
    let bystander = Arc::new(Bystander::default());
    let named = project.as_ref().and_then(|project| project.on.first()).map(|on| on.log_group.clone());
    let stem = args.function.file_stem().unwrap_or(Path::new("function").as_os_str());
    let call = Call {
        request_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        delivery_id: String::new(),
        function_name: project
            .as_ref()
            .map_or_else(|| stem.to_string_lossy().into_owned(), |it| it.name.clone()),
        version: "$LATEST".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        timeout_ms: project.as_ref().map_or(3_000, |it| u64::from(it.timeout_s) * 1_000),
        memory_bytes: project.as_ref().map_or(128, |it| it.memory_mb as usize) << 20,
        config: Arc::new(project.as_ref().map(|it| it.environment.clone()).unwrap_or_default()),
        grants: Arc::new(project.as_ref().map_or_else(Grants::all, |it| it.allow.clone())),
        services: Arc::clone(&bystander) as Arc<dyn wasm::Services>,
        sources: Vec::new(),
    };
    let group = args.group.clone().or(named).unwrap_or_else(|| "/test".to_owned());
    Ok(Subject { module, call, group, bystander })
}

/// One call; what it left behind is there for the next.
async fn call(host: &Host, subject: &Subject, role: Role, batch: (usize, &[Recorded])) -> Shown {
    let invoked = invoke(host, subject, role, batch).await;
    subject.bystander.keep(&invoked.effects.state_writes);
    Shown { role, first: batch.0, lines: subject.bystander.lines(), invoked }
}

async fn invoke(
    host: &Host,
    subject: &Subject,
    role: Role,
    (first, part): (usize, &[Recorded]),
) -> Invoked<Outcome> {
    let events: Vec<LogEvent<'_>> = part
        .iter()
        .map(|one| LogEvent {
            timestamp: one.timestamp,
            ingestion_time: one.ingestion_time,
            message: &one.message,
        })
        .collect();
    let delivery_id = format!("test-{first}");
    let call = Call { delivery_id: delivery_id.clone(), ..subject.call.clone() };
    let context = BatchContext {
        account_id: call.account.clone(),
        region: call.region.clone(),
        log_group: subject.group.clone(),
        log_stream: "test".to_owned(),
        binding: "test".to_owned(),
        delivery_id,
        attempt: 1,
        first_sequence: first as u64,
        attributes: Vec::new(),
    };
    let module = &subject.module;
    match role {
        Role::Subscription => host.subscription(module, &call, &context, &events).await.map(Outcome::Again),
        Role::Filter => judged(host, module, &call, &context, &events).await,
        Role::Extractor => host.extract(module, &call, &context, &events).await.map(Outcome::Values),
        Role::PackedFilter => {
            let verdict = |keep| if keep { Verdict::Keep } else { Verdict::Drop };
            let invoked = packed(host, module, &call, &context, &events).await;
            invoked.map(|kept| Outcome::Verdicts(kept.into_iter().map(verdict).collect()))
        }
        _ => payload(host, module, &call, role, &context, &events).await,
    }
}

/// Patterns ask the packed side of a filter that has one, transformers the other: both are to keep the same events.
async fn judged(
    host: &Host,
    module: &Module,
    call: &Call,
    context: &BatchContext,
    events: &[LogEvent<'_>],
) -> Invoked<Outcome> {
    let mut judged = host.filter(module, call, context, events).await;
    if let (Ok(verdicts), true) = (&judged.result, module.has(Role::PackedFilter)) {
        // Its lines would be the same again.
        let unheard = Call { services: Arc::new(Bystander::default()), ..call.clone() };
        match packed(host, module, &unheard, context, events).await.result {
            Ok(kept) => {
                let differs = |(verdict, kept): (&Verdict, &bool)| (*verdict != Verdict::Drop) != *kept;
                if let Some(event) = verdicts.iter().zip(&kept).position(differs) {
                    let reason = format!("filter and packed-filter differ about event {event} of the batch");
                    judged.result = Err(InvokeError::Refused(reason));
                }
            }
            Err(error) => judged.result = Err(error),
        }
    }
    judged.map(Outcome::Verdicts)
}

async fn packed(
    host: &Host,
    module: &Module,
    call: &Call,
    context: &BatchContext,
    events: &[LogEvent<'_>],
) -> Invoked<Vec<bool>> {
    let timestamps: Vec<i64> = events.iter().map(|event| event.timestamp).collect();
    let ingestion_times: Vec<i64> = events.iter().map(|event| event.ingestion_time).collect();
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    for event in events {
        text.extend_from_slice(event.message.as_bytes());
        ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    let (timestamps, ingestion_times) = (&timestamps, &ingestion_times);
    let batch = PackedBatch { timestamps, ingestion_times, ends: &ends, text: Pieces(&[&text]) };
    host.packed_filter(module, call, context, &batch).await
}

/// AWS's payload of a subscription.
async fn payload(
    host: &Host,
    module: &Module,
    call: &Call,
    role: Role,
    context: &BatchContext,
    events: &[LogEvent<'_>],
) -> Invoked<Outcome> {
    let origin = Origin {
        group_id: 0,
        group: context.log_group.clone(),
        stream: context.log_stream.clone(),
        filter: context.binding.clone(),
        attempt: 1,
    };
    let sequences = context.first_sequence..;
    let given: Vec<Given<'_>> =
        events.iter().zip(sequences).map(|(&event, sequence)| Given { event, sequence, hop: 0 }).collect();
    let payload = match events::payload(&call.account, &origin, &given) {
        Ok(payload) => payload,
        Err(reason) => return Invoked::refused(InvokeError::Refused(reason)),
    };
    if role == Role::Lambda {
        return host.lambda(module, call, &payload).await.map(Outcome::Answer);
    }
    host.command(module, call, Bytes::from(payload), Stdout::Lines).await.map(|_| Outcome::Done)
}

/// Runs all events again and again, and prints what a core does.
async fn bench(
    host: &Host,
    subject: &Subject,
    role: Role,
    (recorded, batch): (&[Recorded], usize),
) -> Result<(), ClientError> {
    let (mut events, mut cpu_us, mut calls) = (0_u64, 0_u64, 0_u64);
    while cpu_us < BENCH_US {
        for (index, part) in recorded.chunks(batch).enumerate() {
            let shown = call(host, subject, role, (index * batch, part)).await;
            if let Err(error) = shown.invoked.result {
                return Err(ClientError::Here(error.to_string()));
            }
            events += part.len() as u64;
            calls += 1;
            // A call takes some time even where the clock of the system is too coarse to show it.
            cpu_us += shown.invoked.report.cpu_us.max(1);
        }
    }
    println!(
        "{}: {} events/s of CPU, {} us a call of {} events",
        role.name(),
        events * 1_000_000 / cpu_us,
        cpu_us / calls,
        events / calls
    );
    Ok(())
}
