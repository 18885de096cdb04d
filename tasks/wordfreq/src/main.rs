//! Counts words: a plain program that knows nothing of poai but its folders `/in` and `/out`.
//!
//! `wordfreq [--top N] [PATH…]` counts the words of files and folders; without a path, of all that
//! `/in` holds; if that is nothing, of standard input. All counts go to standard output, the `N` most
//! frequent words (100) also to `/out/top.csv`.

mod count;

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use count::Counts;

const INPUTS: &str = "/in";
const CSV: &str = "/out/top.csv";
const TOP: usize = 100;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Arguments {
    top: usize,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("wordfreq: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments { top: TOP, paths: Vec::new() };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--top" {
            let number = arguments.next().ok_or("--top needs a number")?;
            parsed.top = number.parse().map_err(|_| format!("--top needs a number, not `{number}`"))?;
        } else if argument.starts_with('-') {
            return Err(format!("there is no option `{argument}`; usage: wordfreq [--top N] [PATH…]"));
        } else {
            parsed.paths.push(argument.into());
        }
    }
    Ok(parsed)
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let mut counts = Counts::default();
    let inputs = Path::new(INPUTS);
    if !arguments.paths.is_empty() {
        for path in &arguments.paths {
            add_path(&mut counts, path)?;
        }
    } else if fs::read_dir(inputs).is_ok_and(|mut entries| entries.next().is_some()) {
        add_path(&mut counts, inputs)?;
    } else {
        counts.add_text(io::stdin().lock()).map_err(|error| format!("standard input: {error}"))?;
    }
    let ranked = counts.ranked();
    let stdout = BufWriter::new(io::stdout().lock());
    count::write_table(stdout, &ranked).map_err(|error| format!("standard output: {error}"))?;
    let top = &ranked[..ranked.len().min(arguments.top)];
    File::create(CSV)
        .and_then(|file| count::write_csv(BufWriter::new(file), top))
        .map_err(|error| format!("{CSV}: {error}"))
}

/// Adds a file, or all files of a folder in the order of their names.
fn add_path(counts: &mut Counts, path: &Path) -> Result<(), String> {
    let at = |error: io::Error| format!("{}: {error}", path.display());
    if !fs::metadata(path).map_err(at)?.is_dir() {
        return File::open(path).and_then(|file| counts.add_text(BufReader::new(file))).map_err(at);
    }
    let entries = fs::read_dir(path).map_err(at)?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(at)?;
    paths.sort_unstable();
    paths.iter().try_for_each(|path| add_path(counts, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Arguments, String> {
        parse(arguments.iter().map(|argument| String::from(*argument)))
    }

    #[test]
    fn the_command_line_is_understood_or_refused() {
        assert_eq!(parsed(&[]), Ok(Arguments { top: 100, paths: vec![] }));
        assert_eq!(parsed(&["a", "--top", "3", "b"]), Ok(Arguments { top: 3, paths: vec!["a".into(), "b".into()] }));
        assert!(parsed(&["--top"]).is_err());
        assert!(parsed(&["--top", "many"]).is_err());
        assert!(parsed(&["--bottom"]).unwrap_err().contains("usage"));
    }

    #[test]
    fn a_folder_is_read_whole() {
        let mut counts = Counts::default();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        add_path(&mut counts, &sources).unwrap();
        let both = counts.ranked().iter().filter(|(word, _)| ["add_path", "add_text"].contains(word)).count();
        assert_eq!(both, 0, "an underscore parts words");
        assert!(counts.ranked().iter().any(|(word, count)| *word == "counts" && *count > 2));
        assert!(add_path(&mut counts, Path::new("/in/none/such")).unwrap_err().starts_with("/in/none/such: "));
    }
}
