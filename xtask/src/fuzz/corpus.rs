//! The corpus in the repository: a small part of what was found, chosen for coverage; what people put there (`seed-…`,
//! `found-…`) stays.

use std::fs;
use std::path::{Path, PathBuf};

use super::engine::{Engine, Target};
use super::folder;
use crate::failure::{Failure, While};
use crate::steps;

/// What the repository holds of each target; the replay puts up with somewhat more.
const MOST_FILES: usize = 80;
const MOST_BYTES: u64 = 48 * 1024;

/// Lets the engine choose the inputs that cover most, and puts those into the repository in the place of the last choice.
pub(super) fn minimise(engine: &Engine, target: &Target) -> Result<(), Failure> {
    println!("\n==> {}", target.name);
    let chosen = folder().join("chosen").join(&target.name);
    let _ = fs::remove_dir_all(&chosen);
    for folder in [&chosen, &target.working_corpus(), &target.corpus()] {
        fs::create_dir_all(folder).while_doing(folder.display())?;
    }
    let kept: Vec<PathBuf> = files(&target.corpus())?.into_iter().filter(|file| is_kept(file)).collect();
    let mut merge = engine.command(target)?;
    merge.arg("-set_cover_merge=1").arg(&chosen).arg(target.corpus()).arg(target.working_corpus());
    steps::output(merge)?;
    for file in files(&target.corpus())?.iter().filter(|file| !is_kept(file)) {
        fs::remove_file(file).while_doing(file.display())?;
    }
    let mut choice = Vec::new();
    let known = kept.iter().map(fs::read).collect::<Result<Vec<_>, _>>().while_doing("reading the corpus")?;
    for file in files(&chosen)? {
        let bytes = fs::read(&file).while_doing(file.display())?;
        if !known.contains(&bytes) {
            choice.push((file, bytes));
        }
    }
    // Of all lengths some, where there is no room for all: the shortest alone would be refused at the first step.
    choice.sort_by_key(|(_, bytes)| bytes.len());
    let stride = choice.len().div_ceil(MOST_FILES.saturating_sub(kept.len()).max(1)).max(1);
    let choice = choice.into_iter().step_by(stride);
    let (mut count, mut room) = (kept.len(), MOST_BYTES.saturating_sub(known.iter().map(|bytes| length(bytes)).sum()));
    for (file, bytes) in choice {
        if count == MOST_FILES || room < length(&bytes) {
            break;
        }
        count += 1;
        room -= length(&bytes);
        let place = target.corpus().join(file.file_name().unwrap_or_default());
        fs::write(&place, bytes).while_doing(place.display())?;
    }
    println!("    {count} inputs, {} bytes", MOST_BYTES - room);
    Ok(())
}

/// What people named stays, whatever it covers.
fn is_kept(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("seed-") || name.starts_with("found-")
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).while_doing(folder.display())?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().while_doing(folder.display())?;
    files.sort();
    Ok(files)
}
