//! Folders: what is in a folder lasts only when the folder is synced, and so does the folder itself.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes the names in a folder durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates a folder, with those above it, so that it outlasts a power cut.
///
/// The name of one that is there is synced, too: whoever made it may have died before.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    let Some(above) = path.parent() else { return Ok(()) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    if !path.exists() {
        create(above)?;
        std::fs::create_dir_all(path)?;
    }
    match sync(above) {
        // A folder that this process may not look into is one that somebody else made, and not just now.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}
