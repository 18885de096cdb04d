//! The subset of JSON Schema that describes parameters. [`Params::check_schema`] documents it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::codec::quoted;
use crate::nearest::nearest;
use crate::{ObjectError, Params};

/// Values that one `enum` lists.
const MAX_CHOICES: usize = 1_024;
/// Characters of a path that an error shows, from its end.
const MAX_PATH_CHARS: usize = 128;
/// Keywords for people, which change nothing.
const ANNOTATIONS: [&str; 4] = ["title", "description", "examples", "$schema"];

/// One schema, read completely: no keyword in it is unknown.
pub(crate) struct Schema {
    rule: Rule,
    choices: Option<Vec<Value>>,
    default: Option<DefaultValue>,
}

struct DefaultValue {
    value: Value,
    /// Bytes of its text.
    bytes: usize,
}

/// Bytes of defaults that may still be filled in. A default may hold many objects each of which
/// takes other defaults, so that a small schema could ask for any amount of memory.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(format!("with defaults filled in, there are more than {} bytes", Params::MAX_BYTES)),
        }
    }
}

enum Rule {
    Any,
    Object { properties: BTreeMap<String, Schema>, required: BTreeSet<String>, others: Others },
    Array { items: Option<Box<Schema>>, count: Range },
    String { chars: Range },
    Number { only_integers: bool, minimum: Option<f64>, maximum: Option<f64> },
    Boolean,
    Null,
}

/// What an object may have beside its `properties`.
enum Others {
    Refused,
    Any,
    Each(Box<Schema>),
}

/// How many there may be, both ends included.
struct Range {
    least: usize,
    most: usize,
}

impl Schema {
    /// Reads the schema of a whole set of parameters.
    pub(crate) fn of(params: &Params) -> Result<Self, ObjectError> {
        let Value::Object(mut keywords) = params.to_json() else { unreachable!("parameters are an object") };
        keywords.entry("type").or_insert_with(|| "object".into());
        let schema = Self::read(Value::Object(keywords), "")?;
        match schema.rule {
            Rule::Object { .. } => Ok(schema),
            _ => Err(invalid("", "its type must be object")),
        }
    }

    /// Whether the parameter of this name is a string.
    pub(crate) fn takes_text(&self, name: &str) -> bool {
        let Rule::Object { properties, others, .. } = &self.rule else { return false };
        let schema = match (properties.get(name), others) {
            (Some(schema), _) => schema,
            (None, Others::Each(schema)) => schema,
            (None, _) => return false,
        };
        matches!(schema.rule, Rule::String { .. })
    }

    /// The parameters with defaults filled in, if they are what the schema says.
    pub(crate) fn fill(&self, value: Value) -> Result<Value, ObjectError> {
        self.fill_at(value, "", &mut Room(Params::MAX_BYTES)).map_err(|reason| ObjectError::InvalidParams { reason })
    }

    fn read(value: Value, path: &str) -> Result<Self, ObjectError> {
        let Value::Object(keywords) = value else { return Err(invalid(path, "it is not a JSON object")) };
        let mut keywords = Keywords { left: keywords, path };
        let choices = keywords.choices()?;
        let default = keywords.left.remove("default");
        let default = default.map(|value| DefaultValue { bytes: crate::json::write(&value).len(), value });
        for annotation in ANNOTATIONS {
            keywords.left.remove(annotation);
        }
        let rule = keywords.rule(choices.is_some())?;
        let schema = Self { rule, choices, default };
        if let Some(default) = &schema.default {
            schema
                .fill_at(default.value.clone(), path, &mut Room(Params::MAX_BYTES))
                .map_err(|reason| invalid(path, &format!("its default does not fit: {reason}")))?;
        }
        Ok(schema)
    }

    fn fill_at(&self, value: Value, path: &str, room: &mut Room) -> Result<Value, String> {
        let filled = match (&self.rule, value) {
            (Rule::Object { properties, required, others }, Value::Object(members)) => {
                let members = fill_members(properties, others, members, path, room)?;
                if let Some(missing) = required.iter().find(|name| !members.contains_key(*name)) {
                    return Err(format!("{} is missing", place(&member_path(path, missing))));
                }
                Value::Object(members)
            }
            (Rule::Array { items, count }, Value::Array(values)) => {
                count.check(values.len(), "items", path)?;
                let fill = |(index, value)| match items {
                    Some(items) => items.fill_at(value, &format!("{path}[{index}]"), room),
                    None => Ok(value),
                };
                Value::Array(values.into_iter().enumerate().map(fill).collect::<Result<_, _>>()?)
            }
            (Rule::String { chars }, Value::String(text)) => {
                chars.check(text.chars().count(), "characters", path)?;
                Value::String(text)
            }
            (Rule::Number { minimum, maximum, only_integers }, Value::Number(number)) => {
                if *only_integers && !number.is_i64() {
                    return Err(format!("{} must be an integer", place(path)));
                }
                let found = number.as_f64().expect("every number of parameters is a double");
                match (minimum, maximum) {
                    (Some(least), _) if found < *least => {
                        return Err(format!("{} must be at least {least}", place(path)));
                    }
                    (_, Some(most)) if found > *most => return Err(format!("{} must be at most {most}", place(path))),
                    _ => Value::Number(number),
                }
            }
            (Rule::Boolean, value @ Value::Bool(_)) | (Rule::Null, value @ Value::Null) | (Rule::Any, value) => value,
            (rule, value) => return Err(format!("{} must be {}, not {}", place(path), rule.noun(), noun_of(&value))),
        };
        match &self.choices {
            Some(choices) if !choices.contains(&filled) => Err(format!(
                "{} must be one of {}",
                place(path),
                quoted(&crate::json::write(&Value::Array(choices.clone())))
            )),
            _ => Ok(filled),
        }
    }
}

fn fill_members(
    properties: &BTreeMap<String, Schema>,
    others: &Others,
    members: Map<String, Value>,
    path: &str,
    room: &mut Room,
) -> Result<Map<String, Value>, String> {
    let mut filled = Map::new();
    for (name, value) in members {
        let path = member_path(path, &name);
        let value = match (properties.get(&name), others) {
            (Some(schema), _) => schema.fill_at(value, &path, room)?,
            (None, Others::Each(schema)) => schema.fill_at(value, &path, room)?,
            (None, Others::Any) => value,
            (None, Others::Refused) => return Err(unknown(&name, &path, properties)),
        };
        filled.insert(name, value);
    }
    for (name, schema) in properties {
        if let Some(default) = &schema.default
            && !filled.contains_key(name)
        {
            room.take(name.len() + default.bytes)?;
            let value = schema.fill_at(default.value.clone(), &member_path(path, name), room)?;
            filled.insert(name.clone(), value);
        }
    }
    Ok(filled)
}

fn unknown(name: &str, path: &str, properties: &BTreeMap<String, Schema>) -> String {
    match nearest(name, properties.keys()) {
        Some(known) => format!("{} is not known; did you mean {known:?}?", place(path)),
        None if properties.is_empty() => format!("{} is not known: none are taken here", place(path)),
        None => format!("{} is not known", place(path)),
    }
}

impl Range {
    fn check(&self, found: usize, unit: &str, path: &str) -> Result<(), String> {
        if found < self.least {
            return Err(format!("{} must have at least {} {unit}, not {found}", place(path), self.least));
        }
        if found > self.most {
            return Err(format!("{} must have at most {} {unit}, not {found}", place(path), self.most));
        }
        Ok(())
    }
}

impl Rule {
    fn noun(&self) -> &'static str {
        match self {
            Rule::Any => "anything",
            Rule::Object { .. } => "an object",
            Rule::Array { .. } => "a list",
            Rule::String { .. } => "a string",
            Rule::Number { only_integers: true, .. } => "an integer",
            Rule::Number { .. } => "a number",
            Rule::Boolean => "true or false",
            Rule::Null => "null",
        }
    }
}

fn noun_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// One schema's keywords; each is removed when it is read, so that what is left is not understood.
struct Keywords<'a> {
    left: Map<String, Value>,
    path: &'a str,
}

impl Keywords<'_> {
    fn invalid(&self, reason: &str) -> ObjectError {
        invalid(self.path, reason)
    }

    fn rule(mut self, has_choices: bool) -> Result<Rule, ObjectError> {
        let kind = match self.left.remove("type") {
            Some(Value::String(kind)) => kind,
            None if has_choices => "any".into(),
            None => return Err(self.invalid("it has no type")),
            Some(_) => return Err(self.invalid("its type must be one name, such as \"string\"")),
        };
        let rule = match kind.as_str() {
            "object" => self.object()?,
            "array" => {
                let items = self.left.remove("items");
                let items = items.map(|items| Schema::read(items, &format!("{}[]", self.path))).transpose()?;
                Rule::Array { items: items.map(Box::new), count: self.range("minItems", "maxItems")? }
            }
            "string" => Rule::String { chars: self.range("minLength", "maxLength")? },
            "number" | "integer" => {
                let (minimum, maximum) = (self.number("minimum")?, self.number("maximum")?);
                if minimum.zip(maximum).is_some_and(|(least, most)| least > most) {
                    return Err(self.invalid("its minimum is above its maximum"));
                }
                Rule::Number { only_integers: kind == "integer", minimum, maximum }
            }
            "boolean" => Rule::Boolean,
            "null" => Rule::Null,
            "any" if has_choices => Rule::Any,
            _ => return Err(self.invalid(&format!("there is no type {:?}", quoted(&kind)))),
        };
        match self.left.keys().next() {
            Some(keyword) => {
                Err(self.invalid(&format!("the keyword {:?} is not supported for the type {kind}", quoted(keyword))))
            }
            None => Ok(rule),
        }
    }

    fn object(&mut self) -> Result<Rule, ObjectError> {
        let mut properties = BTreeMap::new();
        match self.left.remove("properties") {
            Some(Value::Object(members)) => {
                for (name, schema) in members {
                    let schema = Schema::read(schema, &member_path(self.path, &name))?;
                    properties.insert(name, schema);
                }
            }
            None => {}
            Some(_) => return Err(self.invalid("its properties are not an object")),
        }
        let others = match self.left.remove("additionalProperties") {
            None | Some(Value::Bool(false)) => Others::Refused,
            Some(Value::Bool(true)) => Others::Any,
            Some(schema) => Others::Each(Box::new(Schema::read(schema, &member_path(self.path, "*"))?)),
        };
        let required = self.required()?;
        let is_impossible = |name: &&String| matches!(others, Others::Refused) && !properties.contains_key(*name);
        if let Some(name) = required.iter().find(is_impossible) {
            return Err(self.invalid(&format!("it requires {:?}, which is not one of its properties", quoted(name))));
        }
        Ok(Rule::Object { properties, required, others })
    }

    fn required(&mut self) -> Result<BTreeSet<String>, ObjectError> {
        let names = match self.left.remove("required") {
            Some(Value::Array(names)) => names,
            None => Vec::new(),
            Some(_) => return Err(self.invalid("its required names are not a list")),
        };
        names
            .into_iter()
            .map(|name| match name {
                Value::String(name) => Ok(name),
                _ => Err(self.invalid("one of its required names is not a string")),
            })
            .collect()
    }

    fn choices(&mut self) -> Result<Option<Vec<Value>>, ObjectError> {
        match self.left.remove("enum") {
            Some(Value::Array(choices)) if (1..=MAX_CHOICES).contains(&choices.len()) => Ok(Some(choices)),
            Some(_) => Err(self.invalid(&format!("its enum is not a list of 1 to {MAX_CHOICES} values"))),
            None => Ok(None),
        }
    }

    fn range(&mut self, least: &str, most: &str) -> Result<Range, ObjectError> {
        let range = Range { least: self.count(least)?.unwrap_or(0), most: self.count(most)?.unwrap_or(usize::MAX) };
        if range.least > range.most {
            return Err(self.invalid(&format!("its {least} is above its {most}")));
        }
        Ok(range)
    }

    fn count(&mut self, keyword: &str) -> Result<Option<usize>, ObjectError> {
        match self.left.remove(keyword) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.invalid(&format!("its {keyword} is not a whole number of 0 or more"))),
            },
        }
    }

    fn number(&mut self, keyword: &str) -> Result<Option<f64>, ObjectError> {
        match self.left.remove(keyword) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(self.invalid(&format!("its {keyword} is not a number"))),
        }
    }
}

fn invalid(path: &str, reason: &str) -> ObjectError {
    ObjectError::InvalidSchema { reason: format!("{}: {reason}", place(path)) }
}

fn member_path(path: &str, name: &str) -> String {
    let name = quoted(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn place(path: &str) -> String {
    let hidden = path.chars().count().saturating_sub(MAX_PATH_CHARS);
    match path.char_indices().nth(hidden) {
        None => "the whole".into(),
        Some((start, _)) if hidden > 0 => format!("\"…{}\"", &path[start..]),
        Some(_) => format!("\"{path}\""),
    }
}
