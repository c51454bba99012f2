//! Owns functions between upload and running: finding them, compiling in the background, the modules that are
//! ready. Refuses to know what is asked of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use wasm::{AliasRecord, FunctionRecord, Module, Records, Role, State};

use super::{Functions, NotReady, Ready, describe, lock, resolve};
use crate::app::App;
use crate::meta::{MetaError, Tx, every_function, every_version};
use crate::records::Scope;
use crate::records::aliases::ALIASES;
use crate::records::query_functions::{self, Described};
use crate::records::{promotions, shadows};

/// How long a caller waits for a function that is still being compiled: small ones take less than a second.
const PENDING_WAIT: Duration = Duration::from_secs(5);

/// What answers the call or delivery with this id, compiled: `function` is `NAME`, `NAME:VERSION` or `NAME:ALIAS`.
/// One that is still being compiled is waited for a little.
///
/// # Errors
/// See [`NotReady`].
pub(crate) async fn ready(
    app: &Arc<App>,
    scope: &Scope,
    function: &str,
    id: &str,
) -> Result<Ready, NotReady> {
    let found = app.meta.read(|tx| resolve::find(tx, scope, function, id))?;
    let record = found.ok_or(NotReady::Missing)?;
    let made = match record.state {
        State::Failed => return Err(NotReady::Failed(record.state_reason)),
        State::Active => module(app, &record.digest).await,
        State::Pending => match tokio::time::timeout(PENDING_WAIT, module(app, &record.digest)).await {
            Ok(made) => made,
            Err(_) => return Err(NotReady::Pending),
        },
    };
    let module = made.map_err(|error| match error {
        Unloaded::Meta(error) => error.into(),
        Unloaded::Code(reason) => NotReady::Failed(reason),
    })?;
    Ok(Ready { scope: scope.clone(), record, module })
}

enum Unloaded {
    Meta(MetaError),
    Code(String),
}

/// The module of a digest: compiled once, then kept.
async fn module(app: &Arc<App>, digest: &str) -> Result<Module, Unloaded> {
    let cell = {
        let mut modules = lock(&app.functions.modules);
        Arc::clone(modules.entry(digest.to_owned()).or_insert_with(|| Arc::new(OnceCell::new())))
    };
    let made = cell.get_or_try_init(|| async {
        let busy = app.clock.busy();
        let made = match load(app, digest).await {
            Some(module) => Ok(module),
            None => compiled(app, digest).await,
        };
        drop(busy);
        made
    });
    made.await.cloned()
}

/// The module as an earlier start compiled it.
async fn load(app: &Arc<App>, digest: &str) -> Option<Module> {
    let (shared, digest) = (Arc::clone(app), digest.to_owned());
    App::blocking(move || shared.functions.compiled.load(&shared.functions.host, &digest)).await
}

/// The module, compiled now and kept for the next start.
async fn compiled(app: &Arc<App>, digest: &str) -> Result<Module, Unloaded> {
    // The semaphore is never closed; without its permit the compilation would only have company.
    let _one = app.functions.compiling.acquire().await.ok();
    let (shared, digest) = (Arc::clone(app), digest.to_owned());
    let made = app.functions.crew.blocking(move || {
        let code = shared.meta.read(|tx| tx.code(&digest)).map_err(Unloaded::Meta)?;
        let code = code.ok_or_else(|| Unloaded::Code("The function's code is not there.".to_owned()))?;
        let Functions { host, compiled, .. } = &shared.functions;
        let module = host.compile(&code).map_err(|error| Unloaded::Code(error.to_string()))?;
        compiled.keep(host, &module);
        Ok(module)
    });
    made.await.unwrap_or_else(|| Err(Unloaded::Code("The process stops.".to_owned())))
}

/// Compiles what was uploaded for a function, and writes down what came of it. Returns at once.
pub(crate) fn compile(app: &Arc<App>, scope: &Scope, record: &FunctionRecord) {
    let (app, scope, record) = (Arc::clone(app), scope.clone(), record.clone());
    let busy = app.clock.busy();
    tokio::spawn(async move {
        let digest = record.staged.as_ref().map_or(&record.digest, |staged| &staged.digest).clone();
        let outcome = match module(&app, &digest).await {
            Ok(module) => describe::describe(&app, &module).await.map(|described| Compiled {
                roles: module.roles().iter().map(|role| role.name().to_owned()).collect(),
                described,
            }),
            Err(Unloaded::Code(reason)) => Err(reason),
            Err(Unloaded::Meta(error)) => Err(error.to_string()),
        };
        let (function, name) = (record.id, record.name.clone());
        let settled = app.meta.change(move |tx| settle(tx, &scope, &record, &digest, outcome)).await;
        if let Err(error) = settled {
            tracing::error!(function, name, %error, "a compiled function could not be written down");
        }
        // Other code may well do what the last did not.
        app.functions.breakers.forget(function);
        prune(&app);
        drop(busy);
    });
}

/// What a compilation tells about a module.
struct Compiled {
    roles: Vec<String>,
    described: Vec<Described>,
}

/// Writes the outcome of a compilation, unless the function is another one by now.
fn settle(
    tx: &mut Tx<'_>,
    scope: &Scope,
    of: &FunctionRecord,
    digest: &str,
    outcome: Result<Compiled, String>,
) -> Result<(), MetaError> {
    let Scope { account, region } = scope;
    settle_versions(tx, of.id, digest, outcome.as_ref().map(|compiled| &compiled.roles))?;
    let Some(mut record) = tx.function(account, region, &of.name)?.filter(|found| found.id == of.id) else {
        return Ok(());
    };
    match record.staged.take() {
        Some(staged) if staged.digest == digest => {
            let unused = match outcome {
                Ok(compiled) => {
                    query_functions::put(tx, digest, &compiled.described)?;
                    let old = std::mem::replace(&mut record.digest, staged.digest);
                    record.manifest = staged.manifest;
                    (record.code_size, record.code_sha256) = (staged.code_size, staged.code_sha256);
                    record.roles = compiled.roles;
                    record.state = State::Active;
                    record.state_reason = describe::shadowed(&compiled.described);
                    record.state_reason_code = String::new();
                    (record.update_failure, record.update_failure_code) = Default::default();
                    old
                }
                Err(reason) => {
                    (record.update_failure, record.update_failure_code) =
                        (reason, "FunctionError".to_owned());
                    staged.digest
                }
            };
            record.revision += 1;
            tx.put_function(account, region, &record)?;
            forget_code(tx, &unused)
        }
        None if record.state == State::Pending && record.digest == digest => {
            match outcome {
                Ok(compiled) => {
                    query_functions::put(tx, digest, &compiled.described)?;
                    (record.state, record.roles) = (State::Active, compiled.roles);
                    record.state_reason = describe::shadowed(&compiled.described);
                    record.state_reason_code = String::new();
                }
                Err(reason) => {
                    record.state = State::Failed;
                    (record.state_reason, record.state_reason_code) = (reason, "FunctionError".to_owned());
                }
            }
            record.revision += 1;
            tx.put_function(account, region, &record)
        }
        _ => Ok(()),
    }
}

/// Versions that were published together with code on its way share what becomes of it.
fn settle_versions(
    tx: &mut Tx<'_>,
    function: u64,
    digest: &str,
    outcome: Result<&Vec<String>, &String>,
) -> Result<(), MetaError> {
    for mut version in tx.versions(function, 0, usize::MAX)? {
        if version.state != State::Pending || version.digest != digest {
            continue;
        }
        match outcome {
            Ok(roles) => (version.state, version.roles) = (State::Active, roles.clone()),
            Err(reason) => {
                version.state = State::Failed;
                (version.state_reason, version.state_reason_code) =
                    (reason.clone(), "FunctionError".to_owned());
            }
        }
        version.revision += 1;
        tx.put_version(&version)?;
    }
    Ok(())
}

/// Removes code that no function and no version has any more.
///
/// # Errors
/// Storage failures.
pub(crate) fn forget_code(tx: &mut Tx<'_>, digest: &str) -> Result<(), MetaError> {
    let uses = |record: &FunctionRecord| {
        record.digest == digest || record.staged.as_ref().is_some_and(|staged| staged.digest == digest)
    };
    if every_function(tx)?.iter().any(|(_, _, record)| uses(record)) || every_version(tx)?.iter().any(uses) {
        return Ok(());
    }
    query_functions::forget(tx, digest)?;
    tx.delete_code(digest)
}

/// Goes on where the last process stopped: what was being compiled is compiled, and what ran is made ready.
pub(crate) fn start(app: &Arc<App>) {
    let every = match app.meta.read(|tx| every_function(tx)) {
        Ok(every) => every,
        Err(error) => {
            tracing::error!(%error, "functions cannot be read; they are compiled at their first call");
            return;
        }
    };
    let mut warm = Vec::new();
    for (account, region, record) in every {
        if record.state == State::Pending || record.staged.is_some() {
            compile(app, &Scope { account, region }, &record);
        } else if record.state == State::Active {
            warm.push(record.digest);
        }
    }
    match app.meta.read(named) {
        Ok(digests) => warm.extend(digests),
        Err(error) => {
            tracing::error!(%error, "aliases and shadows cannot be read; their versions are compiled when called");
        }
    }
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let shared = Arc::clone(&app);
        App::blocking(move || prune(&shared)).await;
        for digest in warm {
            match module(&app, &digest).await {
                Ok(module) => describe_once(&app, &module).await,
                Err(Unloaded::Code(reason)) => {
                    tracing::error!(digest, reason, "a function that was active does not compile any more");
                }
                Err(Unloaded::Meta(error)) => tracing::error!(digest, %error, "a function cannot be read"),
            }
        }
    });
}

/// Asks a module for its query functions that was deployed before they were kept.
async fn describe_once(app: &Arc<App>, module: &Module) {
    let digest = module.digest().to_owned();
    let known = app.meta.read(|tx| query_functions::of(tx, &digest));
    if !module.has(Role::QueryFunctions) || !matches!(known, Ok(None)) {
        return;
    }
    let written = match describe::describe(app, module).await {
        Ok(described) => {
            let key = digest.clone();
            let written = app.meta.change(move |tx| query_functions::put(tx, &key, &described)).await;
            written.map_err(|error: MetaError| error.to_string())
        }
        Err(reason) => Err(reason),
    };
    if let Err(reason) = written {
        tracing::error!(digest, reason, "no query can call the functions of this module");
    }
}

/// Forgets what is kept in memory of a function that is gone.
pub(crate) fn forget(app: &App, record: &FunctionRecord) {
    lock(&app.functions.places).remove(&record.id);
    app.functions.ledger.forget(record.id);
    app.functions.breakers.forget(record.id);
    app.functions.shadows.forget(record.id);
    prune(app);
}

/// Drops the modules that no function has any more, in memory and on disk. Those of versions that nothing names go too, and are made
/// again when they are called: there may be any number of them.
pub(crate) fn prune(app: &App) {
    let Ok((every, named)) = app.meta.read(|tx| Ok::<_, MetaError>((every_function(tx)?, named(tx)?))) else {
        return;
    };
    let used: BTreeSet<String> = every
        .into_iter()
        .flat_map(|(_, _, record)| [Some(record.digest), record.staged.map(|staged| staged.digest)])
        .flatten()
        .chain(named)
        .collect();
    lock(&app.functions.modules).retain(|digest, _| used.contains(digest));
    app.functions.compiled.sweep(app.functions.host.engine_hash(), &used);
}

/// The code of the versions that aliases name, that run as shadows, and that can be gone back to.
fn named(tx: &mut Tx<'_>) -> Result<Vec<String>, MetaError> {
    let mut versions: Vec<(u64, String)> = Vec::new();
    for (function, alias) in ALIASES.every(tx)? {
        let alias = alias.body.iter();
        versions.extend(alias.flat_map(AliasRecord::versions).map(|version| (function, version.to_owned())));
    }
    versions.extend(shadows::every(tx)?.into_iter().map(|(function, shadow)| (function, shadow.version)));
    let before = promotions::every(tx)?.into_iter().map(|(function, of)| (function, of.before.version));
    versions.extend(before);
    let mut digests = Vec::new();
    for (function, version) in versions {
        // `$LATEST` is not among the versions.
        let Ok(number) = version.parse() else { continue };
        digests.extend(tx.version(function, number)?.map(|version| version.digest));
    }
    Ok(digests)
}
