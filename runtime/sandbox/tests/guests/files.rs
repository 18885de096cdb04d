//! A plain Rust program that tries the whole virtual machine, and prints what it finds: one fact a line.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

fn main() -> io::Result<()> {
    surroundings();
    time();
    inputs()?;
    outputs()?;
    denied();
    println!("socket {:?}", TcpStream::connect("127.0.0.1:80").map(drop));
    eprint!("all done");
    std::process::exit(i32::from(std::env::args().count() > 3));
}

fn surroundings() {
    println!("args {:?}", std::env::args().collect::<Vec<_>>());
    println!("vars {:?}", std::env::vars().collect::<Vec<_>>());
    println!("cwd {:?}", std::env::current_dir());
    let lines: Vec<_> = io::stdin().lock().lines().map(Result::unwrap).collect();
    println!("stdin {lines:?}");
    // The order of a hash map follows from its random keys.
    let map: HashMap<u32, ()> = (0..4).map(|key| (key, ())).collect();
    println!("order {:?}", map.keys().collect::<Vec<_>>());
}

fn time() {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(3_600));
    println!("slept {}", begin.elapsed().as_secs());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("wall {}", now.as_secs());
}

fn names(path: &str) -> io::Result<Vec<String>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().unwrap())).collect()
}

fn inputs() -> io::Result<()> {
    println!("in {:?}", names("/in")?);
    println!("corpus {:?}", names("/in/corpus")?);
    println!("read {:?}", fs::read_to_string("/in/corpus/../corpus/b.txt")?);
    let mut file = File::open("/in/corpus/a.txt")?;
    file.seek(SeekFrom::End(-3))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    println!("end {end:?} of {}", file.metadata()?.len());
    println!("folder {}", fs::metadata("/in/corpus")?.is_dir());
    Ok(())
}

fn outputs() -> io::Result<()> {
    fs::create_dir_all("/out/a/b")?;
    fs::write("/out/a/b/temporary", "old and long")?;
    fs::write("/out/a/b/temporary", "new")?;
    fs::rename("/out/a/b/temporary", "/out/a/final")?;
    fs::rename("/out/a", "/out/moved")?;
    OpenOptions::new().append(true).open("/out/moved/final")?.write_all(b" and appended")?;
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open("/out/sought")?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(2))?;
    file.write_all(b"__")?;
    file.set_len(7)?;
    file.rewind()?;
    let mut content = String::new();
    file.read_to_string(&mut content)?;
    println!("sought {content:?}");
    fs::write("/out/gone", "x")?;
    fs::remove_file("/out/gone")?;
    fs::create_dir("/out/empty")?;
    println!("out {:?}", names("/out")?);
    fs::remove_dir("/out/moved/b")?;
    println!("moved {:?}", names("/out/moved")?);
    println!("copied {}", fs::copy("/in/corpus/a.txt", "/out/copy")?);
    Ok(())
}

/// What must not work, and the error that it gives.
fn denied() {
    let write = |path: &str| fs::write(path, "x");
    for (what, result) in [
        ("write /in", write("/in/new")),
        ("overwrite /in", write("/in/corpus/a.txt")),
        ("remove /in", fs::remove_file("/in/corpus/a.txt")),
        ("write stdout", write("/out/stdout")),
        ("write /etc", write("/etc/passwd")),
        ("read /etc", fs::read("/etc/passwd").map(drop)),
        ("escape", fs::read("/in/../../etc/passwd").map(drop)),
        ("read a folder", fs::read("/in/corpus").map(drop)),
        ("below a file", fs::read("/in/corpus/a.txt/x").map(drop)),
        ("exists", File::create_new("/out/sought").map(drop)),
        ("not empty", fs::remove_dir("/out/moved")),
        ("control character", write("/out/a\nb")),
        ("too long", write(&format!("/out/{}", "n".repeat(256)))),
        ("link", fs::hard_link("/out/sought", "/out/link")),
        ("full", File::create("/out/large").and_then(|file| file.set_len(1 << 40))),
    ] {
        println!("{what}: {}", result.map_or_else(|error| error.to_string(), |()| "worked".into()));
    }
    println!("exists {}", Path::new("/out/large").exists());
}
