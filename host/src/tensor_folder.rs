//! A model's results as `.npy` files. Their names come from a stranger's model.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use poai_graph::Tensor;

use crate::errors::Failure;
use crate::npy;

/// Bytes of a file's name without its ending; a file system takes 255 in all.
const NAME_BYTES: usize = 100;

/// Writes results below a folder, which is made if need be, and gives the file of each. An earlier file of the same name
/// is replaced, whole.
pub(crate) fn write(folder: &Path, results: &[(&str, &Tensor)]) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::file("make the folder", folder, &error))?;
    let mut taken = BTreeSet::new();
    let files = results.iter().map(|(name, tensor)| {
        let path = folder.join(file_name(name, &mut taken));
        write_whole(folder, &path, tensor).map_err(|error| Failure::file("write", &path, &error))?;
        Ok(path)
    });
    files.collect()
}

fn write_whole(folder: &Path, path: &Path, tensor: &Tensor) -> io::Result<()> {
    let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
    file.write_all(&npy::head(tensor))?;
    file.write_all(tensor.bytes())?;
    file.persist(path)?;
    Ok(())
}

/// As any new file: the process's mask takes from it what is not wanted.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

/// The name as a file system takes it: other characters than letters, digits, `-`, `_` and `.` become `_`, and so does a
/// first `.`; of two that become the same, case aside, the second gets a number.
fn file_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let mut base: String = name.chars().map(safe).take(NAME_BYTES).collect();
    if base.is_empty() || base.starts_with('.') {
        base.replace_range(..base.len().min(1), "_");
    }
    let numbered = (1..).map(|number| if number == 1 { base.clone() } else { format!("{base}-{number}") });
    let mut free = numbered.filter(|candidate| taken.insert(candidate.to_lowercase()));
    format!("{}.npy", free.next().expect("numbers do not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_differ() {
        let mut taken = BTreeSet::new();
        let long = "x".repeat(300);
        for (name, expected) in [
            ("y", "y.npy"),
            ("Y", "Y-2.npy"),
            ("y-2", "y-2-2.npy"),
            ("logits:0", "logits_0.npy"),
            ("../../etc/passwd", "_._.._etc_passwd.npy"),
            ("/etc", "_etc.npy"),
            ("..", "_..npy"),
            ("", "_.npy"),
            ("a\nb\u{1b}\0é", "a_b___.npy"),
            (&long, &format!("{}.npy", "x".repeat(100))),
        ] {
            assert_eq!(file_name(name, &mut taken), expected, "{name:?}");
        }
    }

    #[test]
    fn files_land_in_the_folder_and_replace_earlier_ones_or_links() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/out");
        let (one, two) = (Tensor::scalar(1_i32), Tensor::new(&[2], &[1.0_f32, 2.0]));
        write(&folder, &[("y", &one)]).unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join("z.npy")).unwrap();
        let files = write(&folder, &[("y", &two), ("z", &one)]).unwrap();
        assert_eq!(files, [folder.join("y.npy"), folder.join("z.npy")]);
        for (file, tensor) in files.iter().zip([two, one]) {
            assert_eq!(npy::read(fs::read(file).unwrap().into()), Ok(tensor));
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"untouched");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft is left");
    }
}
