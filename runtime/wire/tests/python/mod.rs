//! Runs this room's Python scripts where there is a Python with the right botocore, and says loudly where
//! there is none.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The script's standard output, or `None` where it cannot run: `LOGBOOM_PYTHON` names an interpreter that
/// must do, `.venv` of the repository is taken if it is there.
pub(crate) fn run(script: &str, arguments: &[&str], input: &str, what: &str) -> Option<String> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demanded = std::env::var_os("LOGBOOM_PYTHON").map(std::path::PathBuf::from);
    let python = demanded.clone().unwrap_or_else(|| room.join("../../.venv/bin/python"));
    if demanded.is_none() && !python.exists() {
        return skipped(what, "no .venv and no LOGBOOM_PYTHON");
    }
    let mut child = Command::new(&python)
        .arg(room.join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    // The scripts read all of their input before they write.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    match done.status.code() {
        Some(0) => Some(String::from_utf8(done.stdout).unwrap()),
        Some(2) if demanded.is_none() => skipped(what, &said),
        _ => panic!("{script} {arguments:?}: {said}"),
    }
}

fn skipped(what: &str, why: &str) -> Option<String> {
    // Past the test harness, which swallows what tests print.
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {what} ({}) ***\n", why.trim());
    None
}
