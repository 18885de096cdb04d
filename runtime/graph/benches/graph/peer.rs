//! What computes the same models: a process that is asked by lines, see `peer.py`, `llama.py` and `../tract`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::models::{InputSpec, PEER, Subject, done, installed, target};

pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// ONNX Runtime, in a Python process.
    pub(crate) fn onnxruntime() -> Self {
        let packages = installed("bench-peer", &PEER);
        Self::python("onnxruntime", "peer.py", &packages)
    }

    /// llama.cpp, in a Python process.
    pub(crate) fn llama_cpp() -> Self {
        Self::python("llama.cpp", "llama.py", &installed("bench-llama", &["xllamacpp"]))
    }

    /// tract, built here if need be.
    pub(crate) fn tract() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/tract/Cargo.toml");
        let folder = target().join("bench-tract");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--release", "--quiet", "--manifest-path"]).arg(manifest);
        done(cargo.arg("--target-dir").arg(&folder));
        Self::start("tract", &mut Command::new(folder.join("release/poai-bench-tract")))
    }

    fn python(name: &'static str, script: &str, packages: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/graph").join(script);
        Self::start(name, Command::new("python3").arg(script).env("PYTHONPATH", packages))
    }

    fn start(name: &'static str, command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { name, child, asked, answers }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Loads a model and makes its inputs; why not, if this peer cannot compute it.
    pub(crate) fn ready(&mut self, subject: &Subject, threads: usize) -> Result<(), String> {
        self.ask(&format!("load {threads} {}", subject.file.display()))?;
        self.inputs(&subject.inputs)
    }

    /// Seconds that loading a model took.
    pub(crate) fn load(&mut self, file: &Path, threads: usize) -> f64 {
        self.ask(&format!("load {threads} {}", file.display())).unwrap().parse().unwrap()
    }

    /// Makes the inputs of the model that was loaded last.
    fn inputs(&mut self, inputs: &[InputSpec]) -> Result<(), String> {
        let spec = |input: &InputSpec| {
            let sizes: Vec<_> = input.shape.iter().map(usize::to_string).collect();
            let value = input.value.map_or(String::new(), |value| value.to_string());
            format!("{}:{}:{}:{value}", input.name, input.dtype, sizes.join(","))
        };
        let specs: Vec<_> = inputs.iter().map(spec).collect();
        self.ask(&format!("inputs {}", specs.join(" "))).map(|_| ())
    }

    /// Seconds of one run, on the average of a span.
    pub(crate) fn run(&mut self, span: f64) -> f64 {
        self.ask(&format!("run {span}")).unwrap().parse().unwrap()
    }

    /// Tokens that it read and made in a second, when it had so many of both to do.
    pub(crate) fn generate(&mut self, read: usize, made: usize) -> [f64; 2] {
        let answer = self.ask(&format!("generate {read} {made}")).unwrap();
        let (reads, makes) = answer.split_once(' ').unwrap();
        [reads.parse().unwrap(), makes.parse().unwrap()]
    }

    /// The most bytes that it held since it began, beyond those it began with.
    pub(crate) fn memory(&mut self) -> f64 {
        self.ask("memory").unwrap().parse().unwrap()
    }

    /// An answer; the words after `no`, if it cannot do that.
    fn ask(&mut self, request: &str) -> Result<String, String> {
        writeln!(self.asked, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the peer ended at {request:?}");
        match answer.trim().strip_prefix("no ") {
            Some(reason) => Err(reason.into()),
            None => Ok(answer.trim().into()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
