//! The story of the demo with models: computed by one machine's fastest code, and verified by other code.

use std::path::PathBuf;
use std::time::Instant;

use poai_sandbox::Kernels;
use tokio_util::sync::CancellationToken;

use super::peers::{Conduct, Part};
use super::plan::{AUTHOR, AUTO, VERIFIER};
use super::questions::{Matter, QUESTIONS, Question};
use super::report::{ModelsReport, TaskRow};
use super::scene::{Scene, Setting, play};
use crate::control::PublishAnswer;
use crate::errors::{Failure, Kind};

/// The host that takes runs.
const HOST: &str = "host";

/// Tells the story of the models.
pub(crate) async fn tell(setting: Setting<'_>, cancel: &CancellationToken) -> Result<ModelsReport, Failure> {
    play(setting, cancel, async |scene| story(scene).await).await
}

async fn story(scene: &mut Scene<'_>) -> Result<ModelsReport, Failure> {
    for question in &QUESTIONS {
        let folder = scene.task(question.task);
        scene.build(&folder).await.map_err(needs_pip)?;
    }
    let begun = Instant::now();
    let author = Part { name: AUTHOR, conduct: Conduct::Honest, kernels: AUTO, device: None, accept: &[], peers: &[] };
    scene.enter(author).await?;
    let mut published = Vec::new();
    for question in &QUESTIONS {
        published.push(scene.publish(&scene.task(question.task)).await?);
    }
    gather(scene, &published).await?;
    let mut tasks = Vec::new();
    for (question, task) in QUESTIONS.iter().zip(published) {
        tasks.push(ask(scene, question, task).await?);
    }
    Ok(ModelsReport {
        peers: scene.rows().await?,
        tasks,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        kept: scene.kept(),
        program: scene.program.shown(),
    })
}

/// A build that fails may lack what the plain demo does without.
fn needs_pip(failure: Failure) -> Failure {
    let hint = failure.hint.clone().unwrap_or_default();
    let separator = if hint.is_empty() { "" } else { "; " };
    failure.hint(format!("{hint}{separator}without pip and an index of packages, there is the plain `poai demo`"))
}

/// Starts a host that takes these programs' runs, and the verifier, who takes nobody's.
async fn gather(scene: &mut Scene<'_>, published: &[PublishAnswer]) -> Result<(), Failure> {
    let available = Kernels::available();
    let [fastest, plainest] = [available.first(), available.last()].map(|kernels| kernels.map(ToString::to_string));
    let known = scene.peer(AUTHOR).addresses.clone();
    let accept: Vec<_> = published.iter().map(|task| format!("program:{}", task.program)).collect();
    for (name, kernels, accept) in [(HOST, fastest, &*accept), (VERIFIER, plainest, &[])] {
        let kernels = kernels.as_deref().unwrap_or(AUTO);
        scene.enter(Part { name, conduct: Conduct::Honest, kernels, device: None, accept, peers: &known }).await?;
        scene.say(format!("{name} computes models with its {kernels} kernels"));
    }
    if available.len() < 2 {
        scene.say("this processor has no other kernels: host and verifier compute with the same");
    }
    Ok(())
}

/// Has a question answered by the host, and its answer verified.
async fn ask(scene: &mut Scene<'_>, question: &Question, task: PublishAnswer) -> Result<TaskRow, Failure> {
    let place = scene.peer(HOST).address()?.to_owned();
    let mut arguments = Vec::new();
    if let Some((name, matter)) = question.input {
        let file = input(scene, question.task, name, matter)?;
        arguments.extend(["--input".to_owned(), format!("{name}={}", file.display())]);
    }
    arguments
        .extend(question.params.iter().flat_map(|(name, value)| ["--param".to_owned(), format!("{name}={value}")]));
    arguments.extend(["--on".to_owned(), place]);
    scene.say(format!("{}: {}", question.task, question.words));
    let (host, run) = scene.run(question.task, &task.package, arguments).await?;
    let answer = (question.read)(&scene.output(&run, question.output).await?).map_err(|error| {
        Failure::new(Kind::Bug, format!("the output {} of {}: {error}", question.output, question.task))
    })?;
    for line in &answer {
        scene.say(format!("  {line}"));
    }
    let row = scene.replay(question.task, host, run).await?;
    if row.differs() {
        let message = format!("{}: the verifier's kernels come to another claim than the host's", question.task);
        return Err(Failure::new(Kind::Bug, message));
    }
    let kernels = scene.row(scene.peer(host)).await?.kernels;
    let verifier_kernels = scene.row(scene.peer(VERIFIER)).await?.kernels;
    Ok(TaskRow { task, row, kernels, verifier_kernels, question: question.words.into(), answer })
}

/// The file of an input.
fn input(scene: &Scene<'_>, task: &str, name: &str, matter: Matter) -> Result<PathBuf, Failure> {
    match matter {
        Matter::File(file) => Ok(scene.task(task).join(file)),
        Matter::Text(text) => {
            let file = scene.setting.stage.file(&format!("{task}-{name}.txt"));
            std::fs::write(&file, text).map_err(|error| Failure::file("write", &file, &error))?;
            Ok(file)
        }
    }
}
