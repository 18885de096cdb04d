//! Outputs as files. Their names come from a stranger's program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use poai_objects::{Link, OutputName};
use poai_store::Store;
use poai_store::unixfs::{self, ExportLimits};

use crate::errors::{Failure, Kind};

/// Writes outputs below a folder, which is made if need be. An earlier file of the same name is
/// replaced, whole; a folder or a symbolic link in the way is refused.
pub(crate) fn write(store: &Store, outputs: &BTreeMap<OutputName, Link>, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::file("make the folder", folder, &error))?;
    let draft = tempfile::tempdir_in(folder).map_err(|error| Failure::file("write in", folder, &error))?;
    for (number, (name, link)) in outputs.iter().enumerate() {
        let path = place(folder, name)?;
        let whole = draft.path().join(number.to_string());
        unixfs::export(store, link.cid(), &whole, &ExportLimits::default())?;
        fs::rename(&whole, &path).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

/// Where an output goes: its folders are made, one by one, and none may be a link to elsewhere.
fn place(folder: &Path, name: &OutputName) -> Result<PathBuf, Failure> {
    let refuse = |path: &Path, what: &str| {
        Failure::new(Kind::BadInput, format!("the output {name} is not written: {} is {what}", path.display()))
            .hint("name an empty folder with --output")
    };
    let mut path = folder.to_owned();
    let mut parts = name.as_str().split('/').peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let is_last = parts.peek().is_none();
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => return Err(refuse(&path, "a symbolic link")),
            Ok(about) if is_last && about.is_dir() => return Err(refuse(&path, "a folder")),
            Ok(about) if !is_last && !about.is_dir() => return Err(refuse(&path, "a file")),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_last => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir(&path).map_err(|error| Failure::file("make the folder", &path, &error))?;
            }
            Err(error) => return Err(Failure::file("look at", &path, &error)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use poai_store::StoreLimits;
    use poai_store::unixfs::FileWriter;

    use super::*;

    fn outputs(store: &Store, files: &[(&str, &[u8])]) -> BTreeMap<OutputName, Link> {
        let in_use = store.in_use();
        let file = |bytes: &[u8]| {
            let mut writer = FileWriter::new(store.clone(), &in_use);
            writer.append(bytes).unwrap();
            Link::try_from(writer.finish().unwrap().cid).unwrap()
        };
        files.iter().map(|(name, bytes)| (name.parse().unwrap(), file(bytes))).collect()
    }

    #[test]
    fn outputs_land_below_the_folder_and_replace_earlier_ones() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store"), StoreLimits::default()).unwrap();
        let folder = home.path().join("out");
        write(&store, &outputs(&store, &[("a/b", b"one"), ("c", b"two")]), &folder).unwrap();
        write(&store, &outputs(&store, &[("c", b"three")]), &folder).unwrap();
        assert_eq!(fs::read(folder.join("a/b")).unwrap(), b"one");
        assert_eq!(fs::read(folder.join("c")).unwrap(), b"three");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn nothing_is_written_through_what_lies_in_the_way() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store"), StoreLimits::default()).unwrap();
        let (folder, elsewhere) = (home.path().join("out"), home.path().join("elsewhere"));
        fs::create_dir_all(folder.join("d")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        fs::write(folder.join("f"), "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join("l")).unwrap();
        for (name, words) in
            [("l/x", "a symbolic link"), ("l", "a symbolic link"), ("d", "a folder"), ("f/x", "a file")]
        {
            let error = write(&store, &outputs(&store, &[(name, b"x")]), &folder).unwrap_err();
            assert!(error.message.contains(words), "{}", error.message);
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }
}
