use cid::Cid;
use poai_store::{Store, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use super::archive::{self, NoArchive};
use super::limits::GatewayLimits;
use super::response::{Body, Refusal, Response, Status};
use super::wanted::{CAR_PARAMETERS, CAR_TYPE, Form, RAW_TYPE, Scope, Wanted};

/// Content never changes under its CID: a year, the longest that caches are told.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Finds what is wanted. Without `body` nothing but its head is made.
pub(super) async fn answer(
    store: &Store,
    limits: &GatewayLimits,
    wanted: &Wanted,
    body: bool,
    place: OwnedSemaphorePermit,
) -> Result<Response, Refusal> {
    let headers = headers(wanted);
    let (length, body, place) = match (wanted.form, body) {
        (Form::Raw, _) => {
            let (length, body) = block(store, wanted.cid, body).await?;
            (Some(length), body, Some(place))
        }
        (Form::Car(scope), true) => {
            let pieces = archive::start(store.clone(), wanted.cid, scope, limits.archive_blocks, place).await;
            (None, Body::Stream(pieces.map_err(|reason| no_archive(wanted.cid, reason, limits))?), None)
        }
        (Form::Car(scope), false) => {
            check(store, wanted.cid, scope, limits, place).await?;
            (None, Body::Empty, None)
        }
    };
    Ok(Response { status: Status::Ok, headers, length, body, place })
}

/// The answer to a client that has the content already.
pub(super) fn not_modified(wanted: &Wanted) -> Response {
    let headers = vec![("Etag", wanted.etag()), ("Cache-Control", FOREVER.to_owned()), ("Vary", "Accept".to_owned())];
    Response { status: Status::NotModified, headers, length: None, body: Body::Empty, place: None }
}

async fn block(store: &Store, cid: Cid, body: bool) -> Result<(u64, Body), Refusal> {
    let store = store.clone();
    let found = tokio::task::spawn_blocking(move || {
        if body {
            let block = store.get(&cid)?;
            return Ok(block.map(|block| (block.bytes().len() as u64, Body::Whole(block.into_bytes()))));
        }
        Ok(store.size(&cid)?.map(|length| (length, Body::Empty)))
    });
    match found.await.map_err(|_| broken())? {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(missing(&cid)),
        Err(error) => Err(unreadable(cid, &error)),
    }
}

async fn check(
    store: &Store,
    cid: Cid,
    scope: Scope,
    limits: &GatewayLimits,
    place: OwnedSemaphorePermit,
) -> Result<(), Refusal> {
    let (store, most_blocks) = (store.clone(), limits.archive_blocks);
    let checked = tokio::task::spawn_blocking(move || {
        let _place = place;
        archive::check(&store, &cid, scope, most_blocks)
    });
    checked.await.map_err(|_| broken())?.map_err(|reason| no_archive(cid, reason, limits))
}

fn headers(wanted: &Wanted) -> Vec<(&'static str, String)> {
    let cid = &wanted.cid;
    let (kind, extension, format) = match wanted.form {
        Form::Raw => (RAW_TYPE.to_owned(), "bin", "raw"),
        Form::Car(_) => (format!("{CAR_TYPE}; {CAR_PARAMETERS}"), "car", "car"),
    };
    let mut headers = vec![
        ("Content-Type", kind),
        ("Content-Disposition", format!("attachment; filename=\"{cid}.{extension}\"")),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("X-Ipfs-Path", format!("/ipfs/{cid}")),
        ("X-Ipfs-Roots", cid.to_string()),
        ("Etag", wanted.etag()),
        ("Cache-Control", FOREVER.to_owned()),
        ("Vary", "Accept".to_owned()),
        ("Accept-Ranges", "none".to_owned()),
    ];
    if wanted.negotiated {
        // A cache that does not look at Accept can keep it under this.
        headers.push(("Content-Location", format!("/ipfs/{cid}?format={format}")));
    }
    headers
}

fn missing(cid: &Cid) -> Refusal {
    Refusal::new(Status::NotFound, format!("{cid} is not here; this gateway serves what it has, and fetches nothing"))
}

fn no_archive(root: Cid, reason: NoArchive, limits: &GatewayLimits) -> Refusal {
    match reason {
        NoArchive::Missing(cid) if cid == root => missing(&root),
        NoArchive::Missing(cid) => {
            Refusal::new(Status::NotFound, format!("{root} is not whole here: {cid} is missing"))
        }
        NoArchive::TooManyBlocks => {
            let most = limits.archive_blocks;
            Refusal::new(
                Status::NotImplemented,
                format!("{root} has more blocks than the limit archive_blocks, {most}; fetch its parts"),
            )
        }
        NoArchive::BrokenOff => broken(),
        NoArchive::Store(error) => unreadable(root, &error),
    }
}

/// A fault of the store. Its words may name files of this machine: they are for the log.
fn unreadable(cid: Cid, error: &StoreError) -> Refusal {
    match error {
        StoreError::UnsupportedHash { .. } => Refusal::new(Status::BadRequest, error.to_string()),
        StoreError::UnsupportedCodec { .. } | StoreError::Malformed { .. } | StoreError::Limit { .. } => Refusal::new(
            Status::NotImplemented,
            format!("the links below {cid} cannot be followed; ask for format=raw"),
        ),
        _ => {
            tracing::warn!(%cid, %error, "the gateway cannot serve a block");
            Refusal::new(Status::ServerError, format!("{cid} cannot be read here"))
        }
    }
}

fn broken() -> Refusal {
    Refusal::new(Status::ServerError, "the work on this request broke off")
}
