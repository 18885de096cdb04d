use naga::{Expression, Function, Handle, Literal, SwizzleComponent};

use super::Compiler;
use super::frame::{Frame, Value};
use super::memory::Place;
use crate::program::{Op, Reg, Space};
use crate::shape::Shape;
use crate::{KernelError, Limits};

impl Compiler<'_> {
    /// What needs no computation has its value from a function's beginning on.
    pub(super) fn prepare(&mut self, frame: &mut Frame<'_>) -> Result<(), KernelError> {
        let function: &Function = frame.function;
        for (handle, expression) in function.expressions.iter() {
            let value = match expression {
                Expression::Literal(literal) => Value::Words(self.literal(*literal)?),
                Expression::Constant(constant) => {
                    Value::Words(self.global_expression(self.module.constants[*constant].init)?)
                }
                Expression::ZeroValue(ty) => {
                    let shape = self.shapes.get(*ty)?;
                    // A variable's beginning may be larger, and is made in its place.
                    if shape.words().packed > Limits::VALUE_WORDS {
                        continue;
                    }
                    Value::Words(self.zeros(&shape)?)
                }
                Expression::FunctionArgument(index) => Value::Words(frame.arguments[*index as usize]),
                Expression::GlobalVariable(variable) => self.global(*variable),
                Expression::LocalVariable(variable) => {
                    let shape = self.shapes.get(function.local_variables[*variable].ty)?;
                    let fixed = u32::from(frame.local(*variable));
                    Value::Place(Place { space: Space::Registers, shape, address: None, fixed })
                }
                _ => continue,
            };
            frame.set(handle, value);
        }
        Ok(())
    }

    /// A constant's words.
    pub(super) fn global_expression(&mut self, expression: Handle<Expression>) -> Result<Reg, KernelError> {
        self.count(1)?;
        match &self.module.global_expressions[expression] {
            Expression::Literal(literal) => self.literal(*literal),
            Expression::Constant(constant) => self.global_expression(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => {
                let shape = self.shapes.get(*ty)?;
                self.zeros(&shape)
            }
            Expression::Compose { ty, components } => {
                let to = self.shapes.get(*ty).and_then(|shape| self.allocate_value(&shape))?;
                let mut next = to;
                for component in components {
                    let (from, words) = (self.global_expression(*component)?, self.global_words(*component)?);
                    self.push(Op::Copy { to: next, from, words })?;
                    next += words;
                }
                Ok(to)
            }
            Expression::Splat { size, value } => {
                let from = self.global_expression(*value)?;
                let to = self.allocate(*size as u32)?;
                self.push(Op::Splat { to, from, words: *size as u16 })?;
                Ok(to)
            }
            _ => Err(KernelError::unsupported("a constant that is computed in this way")),
        }
    }

    fn global_words(&self, expression: Handle<Expression>) -> Result<u16, KernelError> {
        let shape = match &self.info[expression] {
            naga::proc::TypeResolution::Handle(ty) => self.shapes.get(*ty)?,
            naga::proc::TypeResolution::Value(inner) => crate::shape::flat(inner)?,
        };
        Ok(shape.words().packed as u16)
    }

    fn literal(&mut self, literal: Literal) -> Result<Reg, KernelError> {
        self.constant(match literal {
            Literal::F32(value) => value.to_bits(),
            Literal::I32(value) => value as u32,
            Literal::U32(value) => value,
            Literal::Bool(value) => u32::from(value),
            _ => return Err(KernelError::unsupported("a number that has not 32 bits")),
        })
    }

    fn zeros(&mut self, shape: &Shape) -> Result<Reg, KernelError> {
        if let Shape::Scalar(_) = shape {
            return self.constant(0);
        }
        let to = self.allocate_value(shape)?;
        self.initialise(to, shape, None)?;
        Ok(to)
    }

    /// Fills a variable: with zeros, or with words.
    pub(super) fn initialise(&mut self, to: Reg, shape: &Shape, init: Option<Reg>) -> Result<(), KernelError> {
        let words = u16::try_from(shape.words().packed).expect("it has registers");
        let op = match init {
            Some(from) => Op::Copy { to, from, words },
            None => Op::Splat { to, from: self.constant(0)?, words },
        };
        self.push(op).map(drop)
    }

    /// Evaluates an expression where naga says that it is evaluated.
    pub(super) fn emit(&mut self, frame: &mut Frame<'_>, handle: Handle<Expression>) -> Result<(), KernelError> {
        let expressions = &frame.function.expressions;
        let value = match &expressions[handle] {
            Expression::AccessIndex { base, index } => self.access_index(frame, *base, *index)?,
            Expression::Access { base, index } => self.access(frame, *base, *index)?,
            Expression::Load { pointer } => {
                let place = frame.place(*pointer)?.clone();
                Value::Words(self.load(&place)?)
            }
            Expression::ArrayLength(array) => self.length(frame, *array)?,
            Expression::Compose { components, .. } => {
                let parts = components.iter().map(|part| Ok((frame.words(*part)?, self.shape(frame, *part)?)));
                let parts = parts.collect::<Result<Vec<_>, KernelError>>()?;
                let shape = self.shape(frame, handle)?;
                self.compose(&shape, &parts)?
            }
            Expression::Splat { size, value } => Value::Words(self.splat(frame.words(*value)?, *size as u16)?),
            Expression::Swizzle { size, vector, pattern } => {
                self.swizzle(frame.words(*vector)?, &pattern[..*size as usize])?
            }
            Expression::Select { condition, accept, reject } => self.select(frame, *condition, *accept, *reject)?,
            Expression::Unary { op, expr } => self.unary(frame, *op, *expr)?,
            Expression::Binary { op, left, right } => self.binary(frame, *op, *left, *right)?,
            Expression::Relational { fun, argument } => self.relational(frame, *fun, *argument)?,
            Expression::Math { fun, arg, arg1, arg2, .. } => self.math(frame, *fun, [Some(*arg), *arg1, *arg2])?,
            Expression::As { expr, kind, convert } => self.convert(frame, *expr, *kind, convert.is_some())?,
            Expression::Derivative { .. } => return Err(KernelError::unsupported("a derivative")),
            Expression::SubgroupBallotResult | Expression::SubgroupOperationResult { .. } => {
                return Err(KernelError::instead("a subgroup operation", "use workgroup memory and barriers"));
            }
            _ => return Err(KernelError::unsupported("a texture, a ray, or a constant to be set")),
        };
        frame.set(handle, value);
        Ok(())
    }

    fn compose(&mut self, shape: &Shape, parts: &[(Reg, Shape)]) -> Result<Value, KernelError> {
        let to = self.allocate_value(shape)?;
        let mut next = to;
        for (from, shape) in parts {
            let words = shape.words().packed as u16;
            self.push(Op::Copy { to: next, from: *from, words })?;
            next += words;
        }
        Ok(Value::Words(to))
    }

    pub(super) fn splat(&mut self, from: Reg, words: u16) -> Result<Reg, KernelError> {
        let to = self.allocate(u32::from(words))?;
        self.push(Op::Splat { to, from, words })?;
        Ok(to)
    }

    fn swizzle(&mut self, from: Reg, pattern: &[SwizzleComponent]) -> Result<Value, KernelError> {
        let first = pattern[0] as Reg;
        // Components in a row are where they are.
        if pattern.iter().zip(first..).all(|(component, expected)| *component as Reg == expected) {
            return Ok(Value::Words(from + first));
        }
        let to = self.allocate(pattern.len() as u32)?;
        for (to, component) in (to..).zip(pattern) {
            self.push(Op::Copy { to, from: from + *component as Reg, words: 1 })?;
        }
        Ok(Value::Words(to))
    }
}
