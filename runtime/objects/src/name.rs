use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ObjectError;
use crate::codec::quoted;

/// Bytes of one part of an input's or output's name: what common file systems allow.
const MAX_PART_BYTES: usize = 255;
/// Bytes of a whole output's name.
const MAX_PATH_BYTES: usize = 1_024;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ObjectError;

            fn try_from(name: String) -> Result<Self, ObjectError> {
                $check(&name)?;
                Ok(Self(name))
            }
        }

        impl FromStr for $name {
            type Err = ObjectError;

            fn from_str(name: &str) -> Result<Self, ObjectError> {
                name.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_type!(
    /// An input's name: one path component. 1 to 255 bytes of UTF-8 without `/` or control
    /// characters, and neither `.` nor `..`.
    InputName, check_input);
name_type!(
    /// An output's name: one or more components joined by `/`, at most 1,024 bytes.
    OutputName, check_output);
name_type!(
    /// A package's name: `[a-z0-9][a-z0-9-]{0,62}`.
    PackageName, check_package);

fn check_input(name: &str) -> Result<(), ObjectError> {
    part_rule(name).map_or(Ok(()), |rule| refuse(name, "input name", rule))
}

fn check_output(name: &str) -> Result<(), ObjectError> {
    if name.len() > MAX_PATH_BYTES {
        return refuse(name, "output name", "it is longer than 1024 bytes");
    }
    name.split('/').find_map(part_rule).map_or(Ok(()), |rule| refuse(name, "output name", rule))
}

fn check_package(name: &str) -> Result<(), ObjectError> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.is_empty() || name.len() > 63 || name.starts_with('-') || !letters {
        return refuse(name, "package name", "it must match [a-z0-9][a-z0-9-]{0,62}");
    }
    Ok(())
}

/// The rule that one path component breaks, if any.
fn part_rule(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        Some("it is empty, or has an empty part")
    } else if part.len() > MAX_PART_BYTES {
        Some("a part is longer than 255 bytes")
    } else if part == "." || part == ".." {
        Some("'.' and '..' are not names")
    } else if part.contains('/') {
        Some("it has a '/'")
    } else if part.chars().any(char::is_control) {
        Some("it has a control character")
    } else {
        None
    }
}

fn refuse(name: &str, what: &'static str, rule: &'static str) -> Result<(), ObjectError> {
    Err(ObjectError::InvalidName { name: quoted(name), what, rule })
}
