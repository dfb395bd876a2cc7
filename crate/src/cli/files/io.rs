//! Reads and writes whole files. A file is written under a temporary name and then renamed, so that a
//! killed process or a full disk never leaves half a file.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// The largest file to read into memory.
pub(super) const MAX_FILE_BYTES: u64 = 8 << 30;

/// A path as text, for messages.
pub fn display_path(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a whole file; `what` names the action in errors.
///
/// # Errors
/// If it is missing, unreadable or larger than 8 GiB.
pub fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    let fail = |why: &dyn std::fmt::Display| Error::file(what, display_path(path), why.to_string());
    let size = fs::metadata(path).map_err(|why| fail(&why))?;
    if size.is_dir() {
        return Err(fail(&"is a folder"));
    }
    if size.len() > MAX_FILE_BYTES {
        return Err(fail(&format!("has {} bytes; the limit is {MAX_FILE_BYTES}", size.len())));
    }
    // Devices and pipes have no size and may never end.
    let mut bytes = Vec::with_capacity(usize::try_from(size.len()).unwrap_or(0));
    let file = fs::File::open(path).map_err(|why| fail(&why))?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|why| fail(&why))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(fail(&format!("has more than {MAX_FILE_BYTES} bytes, the limit")));
    }
    Ok(bytes)
}

/// Opens a file for reading in parts.
///
/// # Errors
/// If it is missing or unreadable.
pub fn open(path: &Path) -> Result<fs::File> {
    fs::File::open(path).map_err(|why| Error::file("opening", display_path(path), &why).with_source(why))
}

/// Checks that no two outputs are the same file: one would overwrite the other.
///
/// # Errors
/// Names the second of the two options.
pub fn check_distinct_outputs(outputs: &[(&str, Option<&Path>)]) -> Result<()> {
    let mut seen: Vec<(&str, std::path::PathBuf)> = Vec::new();
    for (option, path) in outputs.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        // The file may be a link, or may not exist yet; its folder does.
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let in_folder =
            |_| fs::canonicalize(folder).map(|folder| folder.join(path.file_name().unwrap_or_default()));
        let whole = fs::canonicalize(path).or_else(in_folder);
        let whole = whole.unwrap_or_else(|_| path.to_owned());
        if let Some((other, _)) = seen.iter().find(|(_, held)| *held == whole) {
            return Err(Error::field(option, display_path(path), format!("is the same file as {other}")));
        }
        seen.push((option, whole));
    }
    Ok(())
}

/// Writes a whole file, or nothing.
///
/// # Errors
/// If the disk is full or the folder can't be written.
pub fn write(what: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(what, path, |file| file.write_all(bytes))
}

/// Writes a whole file in pieces, or nothing. Follows links, and writes to devices and pipes directly
/// instead of replacing them.
///
/// # Errors
/// If the disk is full or the folder can't be written.
pub fn write_with(
    what: &str,
    path: &Path,
    content: impl FnOnce(&mut fs::File) -> std::io::Result<()>,
) -> Result<()> {
    let fail = |why: std::io::Error| Error::file(what, display_path(path), strip_temp_path(&why));
    let there = fs::canonicalize(path);
    let target = there.as_deref().unwrap_or(path);
    if target.is_dir() {
        return Err(Error::file(what, display_path(path), "is a folder"));
    }
    if fs::metadata(target).is_ok_and(|held| !held.is_file()) {
        let mut file = fs::OpenOptions::new().write(true).open(path).map_err(fail)?;
        return content(&mut file).map_err(fail);
    }
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    content(file.as_file_mut()).map_err(fail)?;
    // Without this, a power cut after the rename could leave an empty file.
    file.as_file().sync_all().map_err(fail)?;
    widen_permissions(file.as_file()).map_err(fail)?;
    file.persist(target).map_err(|why| fail(why.error))?;
    Ok(())
}

/// The operating system's message without the temporary file's name.
fn strip_temp_path(why: &std::io::Error) -> String {
    let said = why.to_string();
    said.split_once(" at path ").map_or(said.as_str(), |(said, _)| said).to_owned()
}

/// Temporary files are private; results are not.
#[cfg(unix)]
fn widen_permissions(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// On other systems temporary files inherit the folder's permissions.
#[cfg(not(unix))]
fn widen_permissions(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights");
        write("testing", &path, b"old").expect("writes");
        let blocked = folder.path().join("missing").join("weights");
        let said = write("testing", &blocked, b"new").expect_err("blocked").to_string();
        assert!(!said.contains(" at path "), "{said}");
        assert!(write("testing", folder.path(), b"new").is_err(), "a folder is not a file");
        assert_eq!(fs::read(&path).expect("reads"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1, "no temporary file stays");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_pipes_are_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let [held, link, pipe] = ["held", "link", "pipe"].map(|name| folder.path().join(name));
        write("testing", &held, b"old").expect("writes");
        symlink(&held, &link).expect("links");
        write("testing", &link, b"new").expect("writes");
        assert_eq!(fs::read(&held).expect("reads"), b"new");
        assert!(fs::symlink_metadata(&link).expect("is there").is_symlink());
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut read = Vec::new();
                fs::File::open(pipe).expect("opens").read_to_end(&mut read).expect("reads");
                read
            }
        });
        write("testing", &pipe, b"through").expect("writes");
        assert_eq!(reader.join().expect("reads"), b"through");
        assert!(fs::metadata(&pipe).expect("is there").file_type().is_fifo());
    }
}
