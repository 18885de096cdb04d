//! Why a component is refused.

use std::fmt;

/// A component that breaks a static rule. It is never run, never charged, and there is no claim of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are a core module, or neither a module nor a component.
    #[error("not a WebAssembly component")]
    NotAComponent,
    /// The bytes do not parse or validate even with every feature on.
    #[error("invalid WebAssembly: {message} (at byte {offset})")]
    Invalid {
        /// What the validator found.
        message: String,
        /// Where it found it, in bytes from the start.
        offset: usize,
    },
    /// The bytes validate only with features that the engine does not accept.
    #[error("the component uses a WebAssembly feature that the engine does not accept: {message} (at byte {offset})")]
    Feature {
        /// What the validator found.
        message: String,
        /// Where it found it, in bytes from the start.
        offset: usize,
    },
    /// A count or a size is above its limit.
    #[error("{rule}: {found} is more than the limit of {limit}")]
    OverLimit {
        /// The limit that was passed.
        rule: StaticRule,
        /// What the component has or asks for.
        found: u64,
        /// What the rules allow.
        limit: u64,
    },
    /// The component has a form that metering does not serve.
    #[error("{rule}: {what}")]
    Form {
        /// The rule that forbids it.
        rule: StaticRule,
        /// What was found.
        what: &'static str,
    },
}

impl Refused {
    /// The rule that was broken: all that a caller may depend on. Messages are for people.
    pub fn rule(&self) -> StaticRule {
        match self {
            Self::NotAComponent => StaticRule::Component,
            Self::Invalid { .. } => StaticRule::Valid,
            Self::Feature { .. } => StaticRule::Features,
            Self::OverLimit { rule, .. } | Self::Form { rule, .. } => *rule,
        }
    }
}

impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid { message: readable(error.message()), offset: error.offset() }
    }
}

impl<E: fmt::Display> From<wasm_encoder::reencode::Error<E>> for Refused {
    fn from(error: wasm_encoder::reencode::Error<E>) -> Self {
        match error {
            wasm_encoder::reencode::Error::ParseError(error) => error.into(),
            other => Self::Invalid { message: readable(&other.to_string()), offset: 0 },
        }
    }
}

/// Characters of a validator's message that are kept.
const MESSAGE_CHARS: usize = 400;

/// A validator's message may repeat names from the component: it is cut, and control characters are replaced.
fn readable(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

macro_rules! static_rules {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Names of the static rules. The texts are stable: they go into reports and scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum StaticRule { $($(#[$doc])* $variant,)* }

        impl StaticRule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The rule's stable name, in kebab case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

static_rules! {
    /// The bytes are a component.
    Component = "component",
    /// The component is valid.
    Valid = "valid",
    /// It uses accepted features only.
    Features = "features",
    /// [`StaticRules::component_bytes`](crate::StaticRules::component_bytes)
    ComponentBytes = "component-bytes",
    /// [`StaticRules::component_items`](crate::StaticRules::component_items)
    ComponentItems = "component-items",
    /// [`StaticRules::component_nesting`](crate::StaticRules::component_nesting)
    ComponentNesting = "component-nesting",
    /// [`StaticRules::modules`](crate::StaticRules::modules)
    Modules = "modules",
    /// [`StaticRules::core_instances`](crate::StaticRules::core_instances)
    CoreInstances = "core-instances",
    /// [`StaticRules::types`](crate::StaticRules::types)
    Types = "types",
    /// [`StaticRules::signature`](crate::StaticRules::signature)
    Signature = "signature",
    /// [`StaticRules::results`](crate::StaticRules::results)
    Results = "results",
    /// [`StaticRules::imports`](crate::StaticRules::imports)
    Imports = "imports",
    /// [`StaticRules::exports`](crate::StaticRules::exports)
    Exports = "exports",
    /// [`StaticRules::functions`](crate::StaticRules::functions)
    Functions = "functions",
    /// [`StaticRules::body_bytes`](crate::StaticRules::body_bytes)
    BodyBytes = "body-bytes",
    /// [`StaticRules::locals`](crate::StaticRules::locals)
    Locals = "locals",
    /// [`StaticRules::block_nesting`](crate::StaticRules::block_nesting)
    BlockNesting = "block-nesting",
    /// [`StaticRules::loop_nesting`](crate::StaticRules::loop_nesting)
    LoopNesting = "loop-nesting",
    /// [`StaticRules::loops`](crate::StaticRules::loops)
    Loops = "loops",
    /// [`StaticRules::places`](crate::StaticRules::places)
    Places = "places",
    /// [`StaticRules::joins`](crate::StaticRules::joins)
    Joins = "joins",
    /// [`StaticRules::all_joins`](crate::StaticRules::all_joins)
    AllJoins = "all-joins",
    /// [`StaticRules::jump_targets`](crate::StaticRules::jump_targets)
    JumpTargets = "jump-targets",
    /// [`StaticRules::globals`](crate::StaticRules::globals)
    Globals = "globals",
    /// [`StaticRules::tables`](crate::StaticRules::tables)
    Tables = "tables",
    /// [`StaticRules::table_elements`](crate::StaticRules::table_elements)
    TableElements = "table-elements",
    /// [`StaticRules::memories`](crate::StaticRules::memories)
    Memories = "memories",
    /// [`StaticRules::segments`](crate::StaticRules::segments)
    Segments = "segments",
    /// No core code, core instance or canonical function inside a nested component.
    NestedCode = "nested-code",
    /// Core modules are neither imported, nor exported, nor aliased.
    ModuleLinking = "module-linking",
    /// Names that the meter needs are not used by the component.
    ReservedName = "reserved-name",
}

impl fmt::Display for StaticRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
