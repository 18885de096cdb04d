//! ONNX Runtime in a Python process: see `peer.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::models::{InputSpec, done, target};

pub(crate) struct Peer {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let packages = target().join("bench-peer");
        if !packages.join("onnxruntime").exists() {
            let pip = ["-m", "pip", "install", "--quiet", "--target"];
            done(Command::new("python3").args(pip).arg(&packages).args(["onnxruntime", "onnx", "numpy"]));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/graph/peer.py");
        let mut command = Command::new("python3");
        command.arg(script).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asked, answers }
    }

    /// Seconds that loading a model took.
    pub(crate) fn load(&mut self, file: &Path, threads: usize) -> f64 {
        self.ask(&format!("load {threads} {}", file.display())).parse().unwrap()
    }

    /// Makes the inputs of the model that was loaded last.
    pub(crate) fn inputs(&mut self, inputs: &[InputSpec]) {
        let spec = |input: &InputSpec| {
            let sizes: Vec<_> = input.shape.iter().map(usize::to_string).collect();
            let value = input.value.map_or(String::new(), |value| value.to_string());
            format!("{}:{}:{}:{value}", input.name, input.dtype, sizes.join(","))
        };
        let specs: Vec<_> = inputs.iter().map(spec).collect();
        assert_eq!(self.ask(&format!("inputs {}", specs.join(" "))), "ok");
    }

    /// Seconds of one run, on the average of a span.
    pub(crate) fn run(&mut self, span: f64) -> f64 {
        self.ask(&format!("run {span}")).parse().unwrap()
    }

    /// The most bytes that it held since it began, beyond those it began with.
    pub(crate) fn memory(&mut self) -> f64 {
        self.ask("memory").parse().unwrap()
    }

    fn ask(&mut self, request: &str) -> String {
        writeln!(self.asked, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the peer ended at {request:?}");
        answer.trim().into()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
