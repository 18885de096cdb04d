//! A family of operators that each have a type of their own.

/// Declares a family: one enum of operators, each a type of a module that has `import(source)` and is an
/// [`Operation`](super::Operation), with the names that ONNX has for it.
macro_rules! operators {
    ($family:ident { $($(#[doc = $doc:literal])* $name:ident($module:ident): $($onnx:literal)|+;)* }) => {
        /// The operators of this family.
        #[derive(Clone, Debug, PartialEq)]
        pub enum $family {
            $($(#[doc = $doc])* $name($module::$name),)*
        }

        $(impl From<$module::$name> for $crate::Op {
            fn from(op: $module::$name) -> Self {
                $family::$name(op).into()
            }
        })*

        impl $family {
            fn operation(&self) -> &dyn $crate::op::Operation {
                match self {
                    $(Self::$name(op) => op,)*
                }
            }
        }

        /// Reads a node, if its operator belongs here.
        pub(super) fn import(
            source: &mut $crate::onnx::Source<'_>,
        ) -> Result<Option<$crate::Op>, $crate::OpError> {
            Ok(Some(match source.qualified_operator().as_str() {
                $($($onnx)|+ => $module::$name::import(source)?.into(),)*
                _ => return Ok(None),
            }))
        }

        impl $crate::op::Operation for $family {
            fn name(&self) -> &'static str {
                self.operation().name()
            }

            fn infer(&self, inputs: &[Option<&$crate::Fact>]) -> Result<Vec<$crate::Fact>, $crate::OpError> {
                self.operation().infer(inputs)
            }

            fn cost(&self, inputs: &[Option<&$crate::Fact>], outputs: &[$crate::Fact]) -> $crate::Cost {
                self.operation().cost(inputs, outputs)
            }

            fn run(
                &self,
                cpu: &$crate::Cpu,
                inputs: &[Option<&$crate::Tensor>],
            ) -> Result<Vec<$crate::Tensor>, $crate::OpError> {
                self.operation().run(cpu, inputs)
            }
        }
    };
}
pub(super) use operators;
