//! Whose runs this host takes. By default, nobody's: the operator names who and what.

use std::fmt;
use std::str::FromStr;

use poai_net::PeerId;
use poai_objects::{PackageId, ProgramId, PublicKey};

use crate::errors::{Failure, Kind};

/// One thing that the operator accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everything from everybody.
    Any,
    /// A program, whoever asks.
    Program(ProgramId),
    /// A package, whoever asks.
    Package(PackageId),
    /// Whatever a peer asks for.
    Peer(PeerId),
    /// Packages that a key signed, whoever asks.
    Key(PublicKey),
}

/// The operator's rules: a run that meets one is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
}

/// What a policy looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) peer: PeerId,
    pub(crate) program: ProgramId,
    /// The package that was named, checked to be signed by this key and to be around the program.
    pub(crate) package: Option<(PackageId, PublicKey)>,
}

impl Policy {
    /// Reads the rules of the configuration.
    pub(crate) fn parse(rules: &[String]) -> Result<Self, Failure> {
        Ok(Self { rules: rules.iter().map(|rule| rule.parse()).collect::<Result<_, _>>()? })
    }

    pub(crate) fn accepts(&self, asked: &Asked) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Any => true,
            Rule::Program(program) => *program == asked.program,
            Rule::Package(package) => asked.package.is_some_and(|(named, _)| named == *package),
            Rule::Peer(peer) => *peer == asked.peer,
            Rule::Key(key) => asked.package.is_some_and(|(_, publisher)| publisher == *key),
        })
    }

    /// Whether anybody's runs are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.rules.contains(&Rule::Any)
    }

    /// Whether nobody's runs are taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.rules.is_empty()
    }
}

impl FromStr for Rule {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let refuse = |reason: &dyn fmt::Display| {
            Failure::new(Kind::Config, format!("host.accept: {text:?} is no rule: {reason}"))
                .hint("a rule is program:CID, package:CID, peer:ID, key:ed25519:… or any")
        };
        if text == "any" {
            return Ok(Rule::Any);
        }
        let (kind, value) = text.split_once(':').ok_or_else(|| refuse(&"it names nothing"))?;
        match kind {
            "program" => value.parse().map(Rule::Program).map_err(|error| refuse(&error)),
            "package" => value.parse().map(Rule::Package).map_err(|error| refuse(&error)),
            "peer" => value.parse().map(Rule::Peer).map_err(|_| refuse(&"it is not a peer id")),
            "key" => value.parse().map(Rule::Key).map_err(|error| refuse(&error)),
            _ => Err(refuse(&"there is no such kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &str = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn asked() -> Asked {
        let key = poai_objects::SecretKey::from_seed(&[7; 32]).public();
        Asked { peer: PEER.parse().unwrap(), program: CID.parse().unwrap(), package: Some((CID.parse().unwrap(), key)) }
    }

    #[test]
    fn only_what_is_named_is_taken() {
        let key = poai_objects::SecretKey::from_seed(&[7; 32]).public();
        let other = poai_objects::SecretKey::from_seed(&[8; 32]).public();
        for (rules, taken) in [
            (vec![], false),
            (vec!["any".into()], true),
            (vec![format!("program:{CID}")], true),
            (vec![format!("package:{CID}")], true),
            (vec![format!("peer:{PEER}")], true),
            (vec![format!("key:{key}")], true),
            (vec![format!("key:{other}")], false),
        ] {
            assert_eq!(Policy::parse(&rules).unwrap().accepts(&asked()), taken, "{rules:?}");
        }
    }

    #[test]
    fn a_run_without_a_package_meets_no_rule_about_packages() {
        let asked = Asked { package: None, ..asked() };
        assert!(!Policy::parse(&[format!("package:{CID}")]).unwrap().accepts(&asked));
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for (rule, words) in [
            ("all", "it names nothing"),
            ("program:abc", "not a CID"),
            ("peer:abc", "not a peer id"),
            ("host:abc", "no such kind"),
        ] {
            let error = Policy::parse(&[rule.into()]).unwrap_err();
            assert!(error.message.contains(words), "{}", error.message);
        }
    }
}
