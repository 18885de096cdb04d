use std::path::Path;
use std::sync::Arc;

use poai_objects::{Link, Object, Signed};
use poai_store::InUse;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::clock;
use crate::control::{Answer, PublishAnswer};
use crate::errors::Failure;
use crate::events::Events;
use crate::package_file::Draft;
use crate::records::PackageRecord;
use crate::shelf::Shelf;

/// Why packages are kept.
const PACKAGE: &str = "package";

impl Node {
    /// Takes a draft's files in, signs its package by this home's account, and keeps it under its name.
    pub(super) async fn publish(
        self: &Arc<Self>,
        draft: Draft,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let in_use = self.store.in_use();
        let (program_id, _) =
            self.take_in_program(&draft.component, draft.world, &draft.models, &in_use, events).await?;
        let package = draft.into_package(program_id, self.keys.account.public());
        let signed = Signed::sign(package, &self.keys.account)?;
        let record = self.blocking(move |node| node.keep_package(&signed)).await?;
        drop(in_use);
        self.give_to_kubo(record.envelope, events, cancel).await;
        self.provide(record.package).await;
        Ok(Answer::Published(PublishAnswer {
            package: record.package.to_string(),
            program: record.program.to_string(),
            name: record.name.to_string(),
            version: record.version,
            envelope: Some(record.envelope.to_string()),
        }))
    }

    fn keep_package(&self, signed: &Signed<poai_objects::Package>) -> Result<PackageRecord, Failure> {
        let envelope = self.store.put_signed(signed)?;
        self.store.keep(envelope, PACKAGE, None)?;
        let package = signed.object();
        let record = PackageRecord {
            name: package.name.clone(),
            version: package.version.clone(),
            package: package.id().into(),
            envelope,
            program: package.program.into(),
            published_ms: clock::now_ms(),
        };
        self.records.add_package(&record)?;
        Ok(record)
    }

    /// Takes a file or folder into the store.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        path: &Path,
        in_use: &InUse,
        events: &Events,
    ) -> Result<Link, Failure> {
        let written = self.take_in_content(path, in_use, events).await?;
        Ok(Link::try_from(written.cid)?)
    }
}
