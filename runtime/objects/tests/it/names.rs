use poai_objects::{EngineName, InputName, OutputName, PackageName, PublicKey, SecretKey};

#[test]
fn input_names_are_one_path_component() {
    let long = "x".repeat(255);
    for name in ["a", "stdin", "images.idx", "...", "é☃", " ", "a b", "-", &long] {
        assert_eq!(name.parse::<InputName>().unwrap().as_str(), name);
    }
    let longer = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "/", "/etc", "a\0", "a\n", "\u{7f}", "\u{85}", &longer] {
        assert!(name.parse::<InputName>().is_err(), "{name:?}");
    }
}

#[test]
fn output_names_are_paths_that_stay_inside() {
    let long = vec!["x".repeat(255); 4].join("/");
    for name in ["a", "stdout", "a/b/c.txt", "a/...", &long] {
        assert_eq!(name.parse::<OutputName>().unwrap().as_str(), name);
    }
    let longer = format!("{long}/x");
    for name in ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\u{1b}[2J", &longer] {
        assert!(name.parse::<OutputName>().is_err(), "{name:?}");
    }
}

#[test]
fn package_names_are_small_letters() {
    let long = "a".repeat(63);
    for name in ["a", "0", "digits", "a-b-", &long] {
        assert_eq!(name.parse::<PackageName>().unwrap().as_str(), name);
    }
    let longer = "a".repeat(64);
    for name in ["", "-a", "A", "a_b", "a.b", "a@1", "é", &longer] {
        let error = name.parse::<PackageName>().unwrap_err().to_string();
        assert!(error.contains("must match [a-z0-9][a-z0-9-]{0,62}"), "{error}");
    }
}

#[test]
fn an_engine_has_one_spelling() {
    for name in ["poai-engine/0.1", "poai-engine/1.0", "poai-engine/65535.65535"] {
        assert_eq!(name.parse::<EngineName>().unwrap().to_string(), name);
    }
    for name in
        ["", "poai-engine/", "poai-engine/1", "poai-engine/01.0", "poai-engine/+1.0", "poai-engine/1.65536", "x/0.1"]
    {
        assert!(name.parse::<EngineName>().is_err(), "{name:?}");
    }
    assert!(EngineName::CURRENT.to_string().parse::<EngineName>().is_ok());
}

#[test]
fn a_key_has_one_spelling() {
    let key = SecretKey::from_seed(&[1; 32]).public();
    let text = key.to_string();
    assert_eq!(text, "ed25519:8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
    assert_eq!(text.parse::<PublicKey>().unwrap(), key);
    let digits = &text["ed25519:".len()..];
    for wrong in [
        digits.to_owned(),
        format!("ed25519:{}", digits.to_uppercase()),
        text[..text.len() - 1].to_owned(),
        format!("{text}0"),
    ] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
}
