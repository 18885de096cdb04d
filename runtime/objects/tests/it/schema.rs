use poai_objects::{ObjectError, Params};

fn params(text: &str) -> Params {
    Params::parse(text).unwrap()
}

const TRAINING: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "training", "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8, "description": "what to call it"},
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
        "rate": {"type": "number", "minimum": 0, "maximum": 1},
        "shuffle": {"type": "boolean", "default": true},
        "optimiser": {"enum": ["sgd", "adam"], "default": "sgd", "examples": ["sgd"]},
        "nothing": {"type": "null"},
        "layers": {"type": "array", "minItems": 1, "maxItems": 2, "items": {
            "type": "object", "properties": {"size": {"type": "integer"}, "bias": {"type": "boolean", "default": false}}
        }},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "extra": {"type": "object", "additionalProperties": true}
    }
}"#;

#[test]
fn defaults_are_filled_in_at_every_level() {
    let schema = params(TRAINING);
    for (given, expected) in [
        (r#"{"name": "a"}"#, r#"{"epochs":3,"name":"a","optimiser":"sgd","shuffle":true}"#),
        (
            r#"{"name": "é€😀", "epochs": 100, "rate": 0.5, "shuffle": false, "optimiser": "adam", "nothing": null}"#,
            r#"{"epochs":100,"name":"é€😀","nothing":null,"optimiser":"adam","rate":0.5,"shuffle":false}"#,
        ),
        (
            r#"{"name": "a", "layers": [{"size": 3}, {"bias": true}]}"#,
            r#"{"epochs":3,"layers":[{"bias":false,"size":3},{"bias":true}],"name":"a","optimiser":"sgd","shuffle":true}"#,
        ),
        (
            r#"{"name": "a", "tags": {"x": "y"}, "extra": {"z": [1]}}"#,
            r#"{"epochs":3,"extra":{"z":[1]},"name":"a","optimiser":"sgd","shuffle":true,"tags":{"x":"y"}}"#,
        ),
    ] {
        let filled = params(given).with_defaults(&schema).unwrap();
        assert_eq!(filled.as_str(), expected);
        assert_eq!(filled.with_defaults(&schema).unwrap(), filled);
    }
}

#[test]
fn parameters_that_do_not_fit_are_named() {
    let schema = params(TRAINING);
    for (given, expected) in [
        (r#"{}"#, "\"name\" is missing"),
        (r#"{"name": 1}"#, "\"name\" must be a string, not a number"),
        (r#"{"name": ""}"#, "\"name\" must have at least 1 characters, not 0"),
        (r#"{"name": "123456789"}"#, "\"name\" must have at most 8 characters, not 9"),
        (r#"{"name": "a", "epoch": 3}"#, "\"epoch\" is not known; did you mean \"epochs\"?"),
        (r#"{"name": "a", "zebra": 3}"#, "\"zebra\" is not known"),
        (r#"{"name": "a", "epochs": 0}"#, "\"epochs\" must be at least 1"),
        (r#"{"name": "a", "epochs": 101}"#, "\"epochs\" must be at most 100"),
        (r#"{"name": "a", "epochs": 2.5}"#, "\"epochs\" must be an integer"),
        (r#"{"name": "a", "epochs": "3"}"#, "\"epochs\" must be an integer, not a string"),
        (r#"{"name": "a", "rate": -0.5}"#, "\"rate\" must be at least 0"),
        (r#"{"name": "a", "shuffle": "yes"}"#, "\"shuffle\" must be true or false, not a string"),
        (r#"{"name": "a", "optimiser": "lion"}"#, "\"optimiser\" must be one of [\"sgd\",\"adam\"]"),
        (r#"{"name": "a", "nothing": 0}"#, "\"nothing\" must be null, not a number"),
        (r#"{"name": "a", "layers": []}"#, "\"layers\" must have at least 1 items, not 0"),
        (r#"{"name": "a", "layers": [{}, {}, {}]}"#, "\"layers\" must have at most 2 items, not 3"),
        (r#"{"name": "a", "layers": [{}, {"size": true}]}"#, "\"layers[1].size\" must be an integer, not true"),
        (r#"{"name": "a", "layers": [{"sise": 1}]}"#, "\"layers[0].sise\" is not known; did you mean \"size\"?"),
        (r#"{"name": "a", "layers": {}}"#, "\"layers\" must be a list, not an object"),
        (r#"{"name": "a", "tags": {"x": null}}"#, "\"tags.x\" must be a string, not null"),
    ] {
        let error = params(given).with_defaults(&schema).unwrap_err();
        assert!(matches!(error, ObjectError::InvalidParams { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn a_task_without_a_schema_takes_no_parameters() {
    let schema = Params::default();
    schema.check_schema().unwrap();
    assert_eq!(Params::default().with_defaults(&schema).unwrap(), Params::default());
    let error = params(r#"{"a": 1}"#).with_defaults(&schema).unwrap_err().to_string();
    assert!(error.contains("\"a\" is not known: none are taken here"), "{error}");
}

#[test]
fn schemas_that_say_more_than_is_understood_are_refused() {
    for (schema, expected) in [
        (r#"{"type": "array"}"#, "the whole: its type must be object"),
        (r#"{"type": ["object"]}"#, "must be one name"),
        (r#"{"type": "map"}"#, "there is no type \"map\""),
        (r#"{"allOf": []}"#, "\"allOf\" is not supported for the type object"),
        (r#"{"properties": []}"#, "its properties are not an object"),
        (r#"{"properties": {"a": 1}}"#, "\"a\": it is not a JSON object"),
        (r#"{"properties": {"a": {}}}"#, "\"a\": it has no type"),
        (r#"{"properties": {"a": {"type": "any"}}}"#, "\"a\": there is no type \"any\""),
        (
            r#"{"properties": {"a": {"type": "string", "pattern": "x"}}}"#,
            "\"pattern\" is not supported for the type string",
        ),
        (
            r#"{"properties": {"a": {"type": "string", "minimum": 1}}}"#,
            "\"minimum\" is not supported for the type string",
        ),
        (r#"{"properties": {"a": {"type": "number", "minimum": "1"}}}"#, "its minimum is not a number"),
        (
            r#"{"properties": {"a": {"type": "number", "minimum": 2, "maximum": 1}}}"#,
            "its minimum is above its maximum",
        ),
        (r#"{"properties": {"a": {"type": "string", "minLength": -1}}}"#, "its minLength is not a whole number"),
        (
            r#"{"properties": {"a": {"type": "array", "minItems": 3, "maxItems": 2}}}"#,
            "its minItems is above its maxItems",
        ),
        (r#"{"properties": {"a": {"type": "array", "items": []}}}"#, "\"a[]\": it is not a JSON object"),
        (r#"{"properties": {"a": {"enum": []}}}"#, "its enum is not a list of 1 to 1024 values"),
        (
            r#"{"properties": {"a": {"type": "integer", "default": "3"}}}"#,
            "its default does not fit: \"a\" must be an integer",
        ),
        (
            r#"{"properties": {"a": {"enum": [1, 2], "default": 3}}}"#,
            "its default does not fit: \"a\" must be one of [1,2]",
        ),
        (r#"{"required": ["a"]}"#, "it requires \"a\", which is not one of its properties"),
        (r#"{"required": [1]}"#, "one of its required names is not a string"),
        (r#"{"additionalProperties": 1}"#, "\"*\": it is not a JSON object"),
    ] {
        let error = params(schema).check_schema().unwrap_err();
        assert!(matches!(error, ObjectError::InvalidSchema { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn defaults_of_defaults_are_bounded() {
    // 20,000 objects, each of which takes a default of 5,000 bytes.
    let (many, large) = (["{}"; 20_000].join(","), "x".repeat(5_000));
    let bomb = format!(
        r#"{{"properties": {{"a": {{"type": "array", "default": [{many}], "items": {{
            "type": "object", "properties": {{"b": {{"type": "string", "default": "{large}"}}}}}}}}}}}}"#
    );
    let error = params(&bomb).check_schema().unwrap_err().to_string();
    assert!(error.contains("with defaults filled in, there are more than 262144 bytes"), "{error}");
}

#[test]
fn pairs_are_json_unless_they_are_text() {
    let schema = params(TRAINING);
    let built = Params::from_pairs([("name", "007"), ("epochs", "5"), ("optimiser", "adam")], Some(&schema)).unwrap();
    assert_eq!(built.as_str(), r#"{"epochs":5,"name":"007","optimiser":"adam"}"#);
    let free =
        Params::from_pairs([("a", "1"), ("b", "one"), ("c", "[1, {}]"), ("d", "\"1\""), ("e", "")], None).unwrap();
    assert_eq!(free.as_str(), r#"{"a":1,"b":"one","c":[1,{}],"d":"1","e":""}"#);
    let tags = params(r#"{"additionalProperties": {"type": "string"}}"#);
    assert_eq!(Params::from_pairs([("x", "1")], Some(&tags)).unwrap().as_str(), r#"{"x":"1"}"#);
    for (pairs, expected) in [
        (vec![("a", "1"), ("a", "2")], "\"a\" is given twice"),
        (vec![("a", "9007199254740993")], "the parameter \"a\": the number 9007199254740993 is an integer beyond"),
        (vec![("a", "{\"b\":1,\"b\":2}")], "stands twice"),
    ] {
        let error = Params::from_pairs(pairs, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    assert!(Params::from_pairs([("a", deep.as_str())], None).unwrap_err().to_string().contains("more than 32 deep"));
}
