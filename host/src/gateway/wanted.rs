use cid::Cid;

use super::response::{Refusal, Status};

/// Media type of a block.
pub(super) const RAW_TYPE: &str = "application/vnd.ipld.raw";
/// Media type of an archive.
pub(super) const CAR_TYPE: &str = "application/vnd.ipld.car";
/// What every archive is, as parameters of its media type: version 1, depth first, each block once.
pub(super) const CAR_PARAMETERS: &str = "version=1; order=dfs; dups=n";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) cid: Cid,
    pub(super) form: Form,
    /// Whether the Accept header chose the form, not the URL.
    pub(super) negotiated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The block.
    Raw,
    /// An archive of it.
    Car(Scope),
}

/// How much of a DAG an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The root alone.
    Block,
    /// All that can be reached.
    All,
}

impl Wanted {
    /// Understands a path with its query, and an Accept header.
    pub(super) fn parse(target: &str, accept: &str) -> Result<Self, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(rest) = path.strip_prefix("/ipfs/") else {
            return Err(Refusal::new(
                Status::NotFound,
                "this gateway serves /ipfs/CID?format=raw and /ipfs/CID?format=car",
            ));
        };
        let (text, inner) = rest.split_once('/').unwrap_or((rest, ""));
        let cid = cid_of(text)?;
        if !inner.is_empty() {
            let text = "paths below a CID are not resolved here: fetch the folder, and then its entry by CID";
            return Err(Refusal::new(Status::NotImplemented, text));
        }
        let query = Query::parse(query)?;
        let (form, negotiated) = match query.get("format") {
            Some("raw") => (Form::Raw, false),
            Some("car") => (Form::Car(Scope::All), false),
            Some(_) => return Err(bad("the format is neither raw nor car")),
            None => (accepted(accept)?, true),
        };
        let form = if form == Form::Raw { form } else { Form::Car(query.archive()?) };
        Ok(Self { cid, form, negotiated })
    }

    /// Names these very bytes: they never change.
    pub(super) fn etag(&self) -> String {
        match self.form {
            Form::Raw => format!("\"{}.raw\"", self.cid),
            Form::Car(Scope::All) => format!("\"{}.car.1.dfs.n\"", self.cid),
            Form::Car(Scope::Block) => format!("\"{}.car.1.dfs.n.block\"", self.cid),
        }
    }
}

fn cid_of(text: &str) -> Result<Cid, Refusal> {
    let parsed = if text.is_ascii() { text.parse::<Cid>().ok() } else { None };
    parsed.ok_or_else(|| bad("what follows /ipfs/ is no CID"))
}

/// A query's parameters; each may come once.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(bad("a parameter of the query is given twice"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// What kind of archive the parameters ask for.
    fn archive(&self) -> Result<Scope, Refusal> {
        for (name, parameter) in [("car-version", "version"), ("car-order", "order"), ("car-dups", "dups")] {
            if let Some(value) = self.get(name)
                && !is_what_archives_are(parameter, value)
            {
                let text = format!("{name}: archives here are {CAR_PARAMETERS}");
                return Err(Refusal::new(Status::NotAcceptable, text));
            }
        }
        if self.get("entity-bytes").is_some() {
            return Err(Refusal::new(
                Status::NotImplemented,
                "entity-bytes is not served here: fetch the blocks, or all",
            ));
        }
        match self.get("dag-scope") {
            None | Some("all") => Ok(Scope::All),
            Some("block") => Ok(Scope::Block),
            Some("entity") => Err(Refusal::new(Status::NotImplemented, "dag-scope here is block or all, not entity")),
            Some(_) => Err(bad("dag-scope is neither block nor all")),
        }
    }
}

/// The form that an Accept header likes best, of those that are served.
fn accepted(accept: &str) -> Result<Form, Refusal> {
    let mut best: Option<(f32, Form)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let form = match parts.next() {
            Some(name) if name.eq_ignore_ascii_case(RAW_TYPE) => Form::Raw,
            Some(name) if name.eq_ignore_ascii_case(CAR_TYPE) => Form::Car(Scope::All),
            _ => continue,
        };
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        if form != Form::Raw && !parameters.iter().all(|(name, value)| is_what_archives_are(name, value)) {
            continue;
        }
        let weight =
            parameters.iter().find(|(name, _)| *name == "q").map_or(Some(1.0), |(_, value)| value.parse().ok());
        let weight = weight.unwrap_or(0.0);
        if weight > 0.0 && best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, form));
        }
    }
    best.map(|(_, form)| form).ok_or_else(|| {
        let text = format!("ask for ?format=raw or ?format=car, or accept {RAW_TYPE} or {CAR_TYPE}; {CAR_PARAMETERS}");
        Refusal::new(Status::NotAcceptable, text)
    })
}

/// Whether an archive as we write it is what a parameter of its media type asks for.
fn is_what_archives_are(name: &str, value: &str) -> bool {
    let value = value.trim_matches('"');
    match name {
        "version" => value == "1",
        // Depth first is an order too, for whoever wants any.
        "order" => value == "dfs" || value == "unk",
        "dups" => value == "n",
        _ => true,
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Status::BadRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const CAR: Form = Form::Car(Scope::All);

    fn form(rest: &str, accept: &str) -> Result<(Form, bool), Status> {
        Wanted::parse(&format!("/ipfs/{CID}{rest}"), accept)
            .map(|wanted| (wanted.form, wanted.negotiated))
            .map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_query_or_else_the_accept_header_chooses() {
        for (rest, accept, expected) in [
            ("?format=raw", "", Ok((Form::Raw, false))),
            ("/?format=raw&download=true", "", Ok((Form::Raw, false))),
            ("?format=car", "application/vnd.ipld.raw", Ok((CAR, false))),
            ("?format=car&dag-scope=block", "", Ok((Form::Car(Scope::Block), false))),
            ("?format=car&car-order=unk&car-version=1&car-dups=n", "", Ok((CAR, false))),
            ("", "application/vnd.ipld.raw", Ok((Form::Raw, true))),
            ("", "text/html, Application/Vnd.Ipld.Car; Version=1;order=dfs ; dups=n", Ok((CAR, true))),
            ("", "application/vnd.ipld.raw;q=0.5, application/vnd.ipld.car;q=0.9", Ok((CAR, true))),
            ("", "application/vnd.ipld.car;version=2, application/vnd.ipld.raw;q=0.1", Ok((Form::Raw, true))),
            ("", "application/vnd.ipld.car;dups=y", Err(Status::NotAcceptable)),
            ("", "application/vnd.ipld.raw;q=0", Err(Status::NotAcceptable)),
            ("", "*/*", Err(Status::NotAcceptable)),
            ("", "", Err(Status::NotAcceptable)),
            ("?format=car&car-dups=y", "", Err(Status::NotAcceptable)),
            ("?format=tar", "", Err(Status::BadRequest)),
            ("?format", "application/vnd.ipld.raw", Err(Status::BadRequest)),
            ("?format=raw&format=car", "", Err(Status::BadRequest)),
            ("?format=car&dag-scope=some", "", Err(Status::BadRequest)),
            ("?format=car&dag-scope=entity", "", Err(Status::NotImplemented)),
            ("?format=car&entity-bytes=0:9", "", Err(Status::NotImplemented)),
            ("/a/b?format=car", "", Err(Status::NotImplemented)),
        ] {
            assert_eq!(form(rest, accept), expected, "{rest} {accept}");
        }
    }

    #[test]
    fn what_is_no_cid_is_refused() {
        for (target, expected) in [
            ("/", Status::NotFound),
            ("/ipfs", Status::NotFound),
            ("/ipns/example.org", Status::NotFound),
            ("/IPFS/x", Status::NotFound),
            ("/../etc/passwd", Status::NotFound),
            ("/ipfs/", Status::BadRequest),
            ("/ipfs/../../etc/passwd", Status::BadRequest),
            ("/ipfs/%2e%2e%2fetc", Status::BadRequest),
            ("/ipfs/Qm", Status::BadRequest),
            ("/ipfs/é", Status::BadRequest),
            ("/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk", Status::BadRequest),
        ] {
            let refusal = Wanted::parse(&format!("{target}?format=raw"), "").unwrap_err();
            assert_eq!(refusal.status, expected, "{target}");
        }
    }
}
