use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cid::Cid;
use poai_objects::codec::DAG_CBOR;
use poai_objects::{Package, PackageId, Program, ProgramId, Run};
use poai_store::{Pin, PinMode, Walk};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::resolve::Resolved;
use crate::control::{Answer, ModelWords, ModelsAnswer, PulledModelsAnswer, RunRequest, Target};
use crate::errors::Failure;
use crate::events::Events;
use crate::shelf::Shelf;

/// Why fetched models are kept, for a while, and the objects that name them.
const PULLED: &str = "pulled";
/// Attempts whose programs are looked at, the newest first.
const SEARCHED: usize = 10_000;

impl Node {
    /// The models that are wholly here, by the programs that this home knows.
    pub(super) async fn list_models(self: &Arc<Self>) -> Result<Answer, Failure> {
        self.blocking(|node| {
            let mut models = Vec::new();
            for (id, package) in node.known_programs()? {
                if let Ok(program) = node.store.object::<Program>(id) {
                    models.extend(node.models_here(id, &program, package)?);
                }
            }
            Ok(Answer::Models(ModelsAnswer { models }))
        })
        .await
    }

    /// Brings a program's models before they are needed, and keeps them for a while.
    pub(super) async fn pull_models(
        self: &Arc<Self>,
        target: Target,
        peers: Vec<String>,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let in_use = self.store.in_use();
        let request = RunRequest { peers, ..RunRequest::plain(target) };
        let resolved = self.resolve_target(&request, &in_use, events, cancel).await?;
        let mut fetched_bytes = 0;
        for model in resolved.program.models.values() {
            in_use.hold_dag(model.graph.cid());
            fetched_bytes += self.bring(*model.graph.cid(), &request.peers, events, cancel).await?;
        }
        let until = SystemTime::now() + Duration::from_secs(self.config.store.retention_s);
        self.blocking(move |node| {
            node.keep_models(&resolved, until)?;
            let package = resolved.package.map(|(package, _)| node.package_name(package)).transpose()?;
            let models = node.models_here(resolved.id, &resolved.program, package)?;
            Ok(Answer::PulledModels(PulledModelsAnswer { models, fetched_bytes }))
        })
        .await
    }

    /// Keeps models whole, and of what names them only the objects: a component is fetched when it is run.
    fn keep_models(&self, resolved: &Resolved, until: SystemTime) -> Result<(), Failure> {
        for model in resolved.program.models.values() {
            self.store.keep(*model.graph.cid(), PULLED, Some(until))?;
        }
        let package = resolved.package.map(|(package, _)| package.into());
        for cid in package.into_iter().chain([resolved.id.into()]) {
            self.store.pin(&Pin { cid, mode: PinMode::Direct, name: PULLED.into(), until: Some(until) })?;
        }
        Ok(())
    }

    /// Programs of packages, of what is kept, and of attempts, each with its package's `name@version` if that is known.
    fn known_programs(&self) -> Result<BTreeMap<ProgramId, Option<String>>, Failure> {
        let mut programs = BTreeMap::new();
        for record in self.records.attempts(SEARCHED)? {
            // Of a run that was long ago, the objects may be gone.
            if let Ok(run) = self.store.object::<Run>(record.run) {
                programs.insert(run.program, None);
            }
        }
        for pin in self.store.pins().into_iter().filter(|pin| pin.cid.codec() == DAG_CBOR) {
            // Most of what is kept is no program and no package.
            let Ok(resolved) = self.resolve(&pin.cid.to_string()) else { continue };
            let package = resolved.package.map(|(package, _)| self.package_name(package)).transpose()?;
            let known = programs.entry(resolved.id).or_default();
            *known = package.or(known.take());
        }
        Ok(programs)
    }

    fn package_name(&self, package: PackageId) -> Result<String, Failure> {
        let Package { name, version, .. } = self.store.object(package)?;
        Ok(format!("{name}@{version}"))
    }

    fn models_here(
        &self,
        id: ProgramId,
        program: &Program,
        package: Option<String>,
    ) -> Result<Vec<ModelWords>, Failure> {
        let mut here = Vec::new();
        for (name, model) in &program.models {
            let cid: &Cid = model.graph.cid();
            if Walk::check_whole(&self.store, cid).is_ok() {
                here.push(ModelWords {
                    name: name.to_string(),
                    format: model.format.clone(),
                    bytes: self.content_bytes(cid)?,
                    cid: cid.to_string(),
                    program: id.to_string(),
                    package: package.clone(),
                });
            }
        }
        Ok(here)
    }
}
