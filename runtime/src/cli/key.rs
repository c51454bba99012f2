//! Owns `logboom key`: changing the master key of a data directory that no server has open. Refuses to know how
//! anything is sealed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Overlay};
use crate::data_dir::DataDir;
use crate::keyring::{Kms, Wrapping, master};
use crate::meta::Unopened;

#[derive(Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Seal the metadata and the data keys under a new master key; the server must be stopped
    Rotate(RotateArgs),
}

#[derive(Args)]
struct RotateArgs {
    /// Data directory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File of the master key as it is (by default logboom.key in the data directory)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// File of the new master key; made if it is missing
    #[arg(long, value_name = "FILE")]
    new_key_file: PathBuf,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &KeyArgs) -> Result<(), Failure> {
    match &args.command {
        KeyCommand::Rotate(args) => rotate(args),
    }
}

fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let mut overlay = Overlay::default();
    for (name, path) in [("data", &args.data), ("key_file", &args.key_file)] {
        if let Some(path) = path {
            overlay.set(name, path.to_string_lossy().as_ref());
        }
    }
    let config = Config::load(args.config.as_deref(), &overlay).map_err(Failure::usage)?;
    let data = config.data.display();
    if !config.data.join("meta.redb").exists() {
        return Err(Failure::failed(format!("there are no data in {data}")));
    }
    let clock = Clock::real();
    let folder = DataDir::lock(&config.data)?;
    let key_file = folder.paths().key(config.key_file.as_deref());
    let old = master::read(&key_file).map_err(Failure::failed)?;
    let old =
        old.ok_or_else(|| Failure::failed(format!("the key file {} is missing", key_file.display())))?;
    let new = match master::read(&args.new_key_file).map_err(Failure::failed)? {
        Some(key) => key,
        None => master::make(&args.new_key_file, &clock).map_err(Failure::failed)?,
    };
    let wrapping = |key| Wrapping::new(key, Kms::default(), &clock);
    let (from, to) = (wrapping(&old), wrapping(&new));
    let unopened = Unopened::at(&folder.paths().meta()).map_err(Failure::failed)?;
    unopened
        .reseal(&old, &new, &clock, &|group, row| {
            from.moved_to(&to, group, row).map_err(|error| error.to_string())
        })
        .map_err(Failure::failed)?;
    println!(
        "the data in {data} are sealed under the key {} in {} now; start with --key-file {} (or put the file in the \
         place of {}), and destroy the old key when no backup needs it any more",
        master::hex(&new.id()),
        args.new_key_file.display(),
        args.new_key_file.display(),
        key_file.display(),
    );
    Ok(())
}
