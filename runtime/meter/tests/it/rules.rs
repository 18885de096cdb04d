//! Every static rule, broken by one component each.

use std::collections::HashSet;

use poai_meter::{Refused, StaticRule, StaticRules, check};

type Change = fn(&mut StaticRules);

fn refusal(component: &[u8], change: Change) -> Option<Refused> {
    let mut rules = StaticRules::default();
    change(&mut rules);
    check(component, &rules).err()
}

const SAMPLE: &str = r#"(component
    (component (component))
    (core module $m
        (type (func (param i32 i64) (result f32)))
        (type (func))
        (import "a" "f" (func $f (type 1)))
        (import "a" "g" (func (type 1)))
        (memory 1)
        (table 10 funcref)
        (table 20 funcref)
        (global i32 (i32.const 1))
        (global i32 (i32.const 2))
        (export "f" (func $f))
        (export "g" (func $f))
        (elem func $f)
        (elem func $f)
        (data "a")
        (func (local i32 i32 i32) (block (loop (nop))))
        (func (block (br_table 0 0 (i32.const 0)))))
    (core module $n (memory 1))
    (core instance $n1 (instantiate $n))
    (core instance $n2 (instantiate $n)))"#;

/// As much as [`SAMPLE`] has, and no more.
fn exact(rules: &mut StaticRules) {
    *rules = StaticRules {
        component_bytes: rules.component_bytes,
        component_items: 4,
        component_nesting: 2,
        modules: 2,
        core_instances: 2,
        types: 2,
        signature: 2,
        results: 1,
        imports: 2,
        exports: 2,
        functions: 2,
        body_bytes: 11,
        locals: 3,
        block_nesting: 2,
        loop_nesting: 1,
        loops: 1,
        places: 3,
        joins: 27,
        all_joins: 30,
        jump_targets: 1,
        globals: 2,
        tables: 2,
        table_elements: 20,
        memories: 2,
        segments: 2,
    };
}

/// One less than [`SAMPLE`] has, of one thing at a time.
const LOWER: [(StaticRule, Change); 25] = [
    (StaticRule::ComponentBytes, |rules| rules.component_bytes = 100),
    (StaticRule::ComponentItems, |rules| rules.component_items = 3),
    (StaticRule::ComponentNesting, |rules| rules.component_nesting = 1),
    (StaticRule::Modules, |rules| rules.modules = 1),
    (StaticRule::CoreInstances, |rules| rules.core_instances = 1),
    (StaticRule::Types, |rules| rules.types = 1),
    (StaticRule::Signature, |rules| rules.signature = 1),
    (StaticRule::Results, |rules| rules.results = 0),
    (StaticRule::Imports, |rules| rules.imports = 1),
    (StaticRule::Exports, |rules| rules.exports = 1),
    (StaticRule::Functions, |rules| rules.functions = 1),
    (StaticRule::BodyBytes, |rules| rules.body_bytes = 10),
    (StaticRule::Locals, |rules| rules.locals = 2),
    (StaticRule::BlockNesting, |rules| rules.block_nesting = 1),
    (StaticRule::LoopNesting, |rules| rules.loop_nesting = 0),
    (StaticRule::Loops, |rules| rules.loops = 0),
    (StaticRule::Places, |rules| rules.places = 2),
    (StaticRule::Joins, |rules| rules.joins = 26),
    (StaticRule::AllJoins, |rules| rules.all_joins = 29),
    (StaticRule::JumpTargets, |rules| rules.jump_targets = 0),
    (StaticRule::Globals, |rules| rules.globals = 1),
    (StaticRule::Tables, |rules| rules.tables = 1),
    (StaticRule::TableElements, |rules| rules.table_elements = 19),
    (StaticRule::Memories, |rules| rules.memories = 1),
    (StaticRule::Segments, |rules| rules.segments = 1),
];

#[test]
fn limits_are_kept_to_the_unit() {
    let component = wat::parse_str(SAMPLE).unwrap();
    assert_eq!(refusal(&component, exact), None);
    for (rule, change) in LOWER {
        match refusal(&component, change) {
            Some(Refused::OverLimit { rule: found_rule, found, limit }) => {
                assert_eq!(found_rule, rule);
                assert!(found > limit, "{rule}");
            }
            other => panic!("{rule}: {other:?}"),
        }
    }

    let others = forms().into_iter().map(|(rule, _)| rule);
    let tested: HashSet<_> = LOWER.iter().map(|(rule, _)| *rule).chain(others).collect();
    let missing: Vec<_> = StaticRule::ALL.iter().filter(|rule| !tested.contains(rule)).collect();
    assert!(missing.is_empty(), "no test breaks {missing:?}");
}

fn forms() -> Vec<(StaticRule, &'static str)> {
    vec![
        (StaticRule::Component, "(module)"),
        (StaticRule::Features, "(component (core module (memory i64 1)))"),
        (StaticRule::Features, "(component (core module (memory 1 1 shared)))"),
        (StaticRule::Features, "(component (core module (memory 1) (memory 1)))"),
        (StaticRule::Features, "(component (core module (func (param externref))))"),
        (StaticRule::Features, "(component (core module (type (struct))))"),
        (StaticRule::Features, "(component (core module (tag)))"),
        (StaticRule::Features, "(component (core module (func (param (ref null 0)))  (type (func))))"),
        (StaticRule::Features, "(component (core func (canon waitable.join)))"),
        (StaticRule::Features, "(component (type (stream u8)))"),
        (StaticRule::NestedCode, "(component (component (core module)))"),
        (StaticRule::NestedCode, "(component (component (core instance)))"),
        (StaticRule::ModuleLinking, r#"(component (import "m" (core module)))"#),
        (StaticRule::ModuleLinking, r#"(component (core module $m) (export "m" (core module $m)))"#),
        (StaticRule::ModuleLinking, "(component $c (core module $m) (alias outer $c $m (core module $n)))"),
        (StaticRule::ReservedName, r#"(component (core module (import "poai:meter" "fuel" (global (mut i64)))))"#),
        (StaticRule::ReservedName, r#"(component (import "poai:meter/host@0.1.0" (instance)))"#),
        (StaticRule::ReservedName, r#"(component (instance $i) (export "poai:meter/guest@0.1.0" (instance $i)))"#),
        (StaticRule::Valid, "(component (core module (func (result i32))))"),
    ]
}

#[test]
fn forms_that_metering_does_not_serve_are_refused() {
    for (rule, text) in forms() {
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let refused = refusal(&bytes, |_| {});
        assert_eq!(refused.as_ref().map(Refused::rule), Some(rule), "{text}: {refused:?}");
    }
}

#[test]
fn names_of_rules_are_stable() {
    let names: Vec<_> = StaticRule::ALL.iter().map(|rule| rule.to_string()).collect();
    assert_eq!(
        names.join(" "),
        "component valid features component-bytes component-items component-nesting modules core-instances types \
         signature results imports exports functions body-bytes locals block-nesting loop-nesting loops places joins all-joins jump-targets \
         globals tables table-elements memories segments nested-code module-linking reserved-name"
    );
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
}

#[test]
fn facts_are_those_of_the_original() {
    let component = wat::parse_str(SAMPLE).unwrap();
    let checked = check(&component, &StaticRules::default()).unwrap();
    let facts = checked.facts();
    assert_eq!((facts.modules, facts.core_instances, facts.functions), (2, 2, 2));
    assert_eq!((facts.memories, facts.memory_pages, facts.tables, facts.table_elements), (2, 2, 0, 20));

    let text = r#"(component (import "a:b/c@1.0.0" (instance)) (import "f" (func)) (export "g" (func 0)))"#;
    let component = wat::parse_str(text).unwrap();
    let checked = check(&component, &StaticRules::default()).unwrap();
    assert_eq!(checked.facts().imports, ["a:b/c@1.0.0", "f"]);
    assert_eq!(checked.facts().exports, ["g"]);
}
