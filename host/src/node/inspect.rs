use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use ipld_core::ipld::Ipld;
use poai_objects::codec::{self, DAG_CBOR, DecodeLimits};
use poai_objects::{Claim, ClaimId, Object, Package, Receipt, Run};
use poai_store::RAW;
use poai_store::unixfs::{self, EntryKind, FolderEntry, FolderLink, LayoutLimits, Node as Content};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::control::{Answer, EntryWords, ListAnswer, ShowAnswer};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::records::StatementKind;

/// Entries of one listing; a folder with more is cut.
const MAX_LISTED: usize = 10_000;

impl Node {
    /// One object, or what a file or folder is.
    pub(super) async fn show(
        self: &Arc<Self>,
        name: &str,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let cid = self.cid_of_name(name)?;
        self.bring_object(&cid, peers, events, cancel).await?;
        self.blocking(move |node| node.shown(cid).map(Answer::Shown)).await
    }

    fn shown(&self, cid: Cid) -> Result<ShowAnswer, Failure> {
        if cid.codec() != DAG_CBOR {
            return self.shown_content(cid);
        }
        let block = self.store.need(&cid)?;
        let (kind, _) = codec::kind_of(block.bytes(), &DecodeLimits::default())?;
        let object: Ipld = serde_ipld_dagcbor::from_slice(block.bytes())
            .map_err(|error| Failure::new(Kind::BadInput, format!("{cid} is not DAG-CBOR: {error}")))?;
        let body = match object {
            Ipld::Map(mut fields) => fields.remove("body").unwrap_or(Ipld::Null),
            other => other,
        };
        Ok(ShowAnswer { cid: cid.to_string(), object: json_of(&body), related: self.related(cid, &kind)?, kind })
    }

    fn shown_content(&self, cid: Cid) -> Result<ShowAnswer, Failure> {
        let limits = LayoutLimits::default();
        let (kind, object) = if let Some(links) = unixfs::list(&self.store, &cid, &limits)? {
            let names: Vec<&str> = links.iter().take(MAX_LISTED).map(|link| link.name.as_str()).collect();
            ("folder", json!({ "entries": links.len(), "names": names }))
        } else if let Content::File(layout) = unixfs::open(&self.store, &cid, &limits)? {
            ("file", json!({ "bytes": layout.size_bytes, "chunks": layout.chunks.len() }))
        } else {
            ("symbolic link", Value::Null)
        };
        Ok(ShowAnswer { cid: cid.to_string(), kind: kind.into(), object, related: BTreeMap::new() })
    }

    /// What this home knows around an object.
    fn related(&self, cid: Cid, kind: &str) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut related: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |what: &str, cid: String| related.entry(what.to_owned()).or_default().push(cid);
        match kind {
            Run::KIND => {
                for record in self.records.claims(cid.try_into()?)? {
                    add("claim", record.claim.to_string());
                }
            }
            Claim::KIND => {
                for statement in self.records.statements(ClaimId::try_from(cid)?)? {
                    let what = match statement.kind {
                        StatementKind::Receipt => "receipt",
                        StatementKind::Same => "verdict (same)",
                        StatementKind::Differs => "verdict (differs)",
                        StatementKind::Sampled => "verdict (no difference in a sample)",
                    };
                    add(what, statement.envelope.to_string());
                }
            }
            Receipt::KIND => {
                for envelope in self.envelopes_of_receipt(cid)? {
                    add("signature", envelope.to_string());
                }
            }
            Package::KIND => {
                for record in self.records.packages()?.into_iter().filter(|record| record.package == cid) {
                    add("signature", record.envelope.to_string());
                }
            }
            _ => {}
        }
        Ok(related)
    }

    /// A folder's entries.
    pub(super) async fn list_folder(
        self: &Arc<Self>,
        name: &str,
        peers: &[String],
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let cid = self.cid_of_name(name)?;
        if cid.codec() == DAG_CBOR {
            return Err(Failure::new(Kind::BadInput, format!("{cid} is an object, not a folder"))
                .hint("look at it with `poai show`"));
        }
        self.bring_folder(cid, peers, events, cancel).await?;
        self.blocking(move |node| {
            let links = unixfs::list(&node.store, &cid, &LayoutLimits::default())?
                .ok_or_else(|| Failure::new(Kind::BadInput, format!("{cid} is a file, not a folder")))?;
            let words = |link: &FolderLink| Ok(entry_words(link, link.look(&node.store)?.as_ref()));
            let entries = links.iter().take(MAX_LISTED).map(words).collect::<Result<_, Failure>>()?;
            Ok(Answer::Listed(ListAnswer { entries }))
        })
        .await
    }

    /// This home's packages, and with `pins` all that is kept.
    pub(super) fn list_home(&self, pins: bool) -> Result<Answer, Failure> {
        let mut entries = Vec::new();
        for record in self.records.packages()? {
            entries.push(EntryWords {
                name: format!("{}@{}", record.name, record.version),
                cid: record.package.to_string(),
                kind: "package".into(),
                bytes: None,
                about: None,
            });
        }
        let pins = if pins { self.store.pins() } else { Vec::new() };
        for pin in pins.into_iter().take(MAX_LISTED) {
            entries.push(EntryWords {
                name: pin.name,
                cid: pin.cid.to_string(),
                kind: "pin".into(),
                bytes: None,
                about: pin.until.map(|_| "for a while".to_owned()),
            });
        }
        Ok(Answer::Listed(ListAnswer { entries }))
    }
}

/// An entry, as far as it is here: of what is not, a raw leaf alone shows that it is a file.
fn entry_words(link: &FolderLink, entry: Option<&FolderEntry>) -> EntryWords {
    let (kind, bytes) = match entry {
        Some(FolderEntry { kind: EntryKind::File, size_bytes, .. }) => ("file", Some(*size_bytes)),
        Some(FolderEntry { kind: EntryKind::Folder, .. }) => ("folder", None),
        Some(FolderEntry { kind: EntryKind::Symlink, .. }) => ("symbolic link", None),
        None if link.cid.codec() == RAW => ("file", Some(link.tree_bytes)),
        None => ("not fetched", None),
    };
    EntryWords { name: link.name.clone(), cid: link.cid.to_string(), kind: kind.into(), bytes, about: None }
}

/// An object as JSON for people: links and bytes are text.
fn json_of(value: &Ipld) -> Value {
    match value {
        Ipld::Null => Value::Null,
        Ipld::Bool(truth) => Value::from(*truth),
        Ipld::Integer(number) => u64::try_from(*number)
            .map(Value::from)
            .or_else(|_| i64::try_from(*number).map(Value::from))
            .unwrap_or(Value::Null),
        Ipld::Float(number) => Value::from(*number),
        Ipld::String(text) => Value::from(text.as_str()),
        Ipld::Bytes(bytes) => Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Ipld::List(items) => items.iter().map(json_of).collect(),
        Ipld::Map(fields) => fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect(),
        Ipld::Link(cid) => Value::from(cid.to_string()),
    }
}
