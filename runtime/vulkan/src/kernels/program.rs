//! Sequences of element-wise operations as programs: lines that one kernel reads and does.
//!
//! A kernel cannot be made for each model, since workers are confined by then and nothing new becomes executable. So the
//! lines that the definition writes ([`poai_numerics::formula`]) are data, and [`super::program`] is compiled once.

use std::collections::BTreeMap;

use poai_numerics::formula::{Formula, Line, Primitive};
use poai_numerics::{Binary, Source, Step, Unary};

/// Words before the lines.
const HEADER: usize = 5;
/// Numbers that a program keeps at once.
const REGISTERS: usize = 64;
/// What makes an axis's length that of a table.
const TABLE: u32 = 1 << 31;
/// What names a constant, beside its place.
const CONSTANT: u32 = 1 << 31;
/// Parameters of operations that devices take: with others, what an operation computes on its way may be subnormal.
const PARAMETERS: std::ops::RangeInclusive<f32> = 9.536_743e-7..=1_048_576.0;

/// Which buffer an operand lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first binding.
    Left,
    /// The second.
    Right,
    /// The program itself: numbers that are written behind it.
    Program,
}

/// How an operand is read along the elements of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Where it lies.
    pub place: Place,
    /// Its numbers, if it lies in the program.
    pub numbers: Vec<u32>,
    /// Its first element, if it lies in a buffer.
    pub start: u32,
    /// Sizes and steps of the result's axes, from the innermost outwards; steps are modulo 2³².
    pub axes: Vec<[u32; 2]>,
    /// An axis that has no step, and what each of its places adds instead.
    pub table: Option<(usize, Vec<u32>)>,
}

/// Where results go: rows of so many, the way from one row to the next, and where the first begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Results of a row.
    pub row: u32,
    /// From row to row.
    pub pitch: u32,
    /// The first row's place.
    pub begin: u32,
}

impl Read {
    /// All of a buffer's elements in order.
    #[must_use]
    pub fn whole(place: Place, elements: u32) -> Self {
        Self { place, numbers: Vec::new(), start: 0, axes: vec![[elements, 1]], table: None }
    }
}

/// What a line does: a primitive of formulas, or one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Read,
    Primitive(Primitive),
    Stored,
    Greater,
    Lesser,
    Remainder,
    Sine,
    Cosine,
    Tangent,
    /// Reads without flushing.
    Copied,
    /// Reads an integer, as a float.
    Converted,
}

/// What a line is given.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Given {
    Line(usize),
    Constant(u32),
    Operand(usize),
}

/// Lines that a device does for each element of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    lines: Vec<(Doing, Vec<Given>)>,
    /// The register that each line's result goes to.
    registers: Vec<usize>,
}

impl Program {
    /// A program of these steps, the last of which gives the result. None of parameters that devices do not take, or of
    /// steps that keep more numbers than a device does.
    #[must_use]
    pub fn new(steps: &[Step]) -> Option<Self> {
        let mut writer = Writer::default();
        for step in steps {
            let result = match *step {
                Step::Unary(operation, source) => {
                    let operand = writer.read(source);
                    writer.unary(operation, operand)?
                }
                Step::Binary(operation, sources) => {
                    let operands = sources.map(|source| writer.read(source));
                    writer.binary(operation, operands)
                }
            };
            let stored = writer.line(Doing::Stored, vec![result]);
            writer.steps.push(stored);
        }
        let registers = registers(&writer.lines)?;
        Some(Self { lines: writer.lines, registers })
    }

    /// A program that moves the bits of its one operand.
    #[must_use]
    pub fn copy() -> Self {
        Self { lines: vec![(Doing::Copied, vec![Given::Operand(0)])], registers: vec![0] }
    }

    /// A program that makes its one operand's integers floats.
    #[must_use]
    pub fn converted() -> Self {
        Self { lines: vec![(Doing::Converted, vec![Given::Operand(0)])], registers: vec![0] }
    }

    /// Lines of all results.
    #[must_use]
    pub fn work(&self, elements: u32) -> u64 {
        u64::from(elements).saturating_mul(self.lines.len() as u64)
    }

    /// The third binding's words, for so many results, one behind the other.
    ///
    /// # Panics
    /// If there are fewer operands than the steps read.
    #[must_use]
    pub fn words(&self, elements: u32, operands: &[Read]) -> Vec<u32> {
        self.words_to(elements, operands, Target { row: elements.max(1), pitch: 0, begin: 0 })
    }

    /// The same, for results that go elsewhere. A row has at least one.
    ///
    /// # Panics
    /// If there are fewer operands than the steps read.
    #[must_use]
    pub fn words_to(&self, elements: u32, operands: &[Read], target: Target) -> Vec<u32> {
        let mut words = vec![word(self.lines.len()), elements, target.row, target.pitch, target.begin];
        words.resize(HEADER + 4 * self.lines.len(), 0);
        let places: Vec<u32> = operands.iter().map(|operand| described(&mut words, operand)).collect();
        let mut constants = BTreeMap::new();
        for (line, (doing, given)) in self.lines.iter().enumerate() {
            let at = HEADER + 4 * line;
            words[at] = code(*doing) | word(self.registers[line]) << 8;
            for (place, given) in given.iter().enumerate() {
                words[at + 1 + place] = match *given {
                    Given::Line(line) => word(self.registers[line]),
                    Given::Operand(operand) => places[operand],
                    Given::Constant(bits) => {
                        let at = *constants.entry(bits).or_insert_with(|| {
                            words.push(bits);
                            words.len() - 1
                        });
                        CONSTANT | word(at)
                    }
                };
            }
        }
        words
    }
}

/// Writes how an operand is read, and its numbers if they are given: the place of that.
fn described(words: &mut Vec<u32>, operand: &Read) -> u32 {
    let place = words.len();
    let start = match operand.place {
        Place::Program => word(place + 3 + 2 * operand.axes.len()),
        Place::Left | Place::Right => operand.start,
    };
    words.extend([operand.place as u32, start, word(operand.axes.len())]);
    words.extend(operand.axes.as_flattened());
    words.extend(&operand.numbers);
    if let Some((axis, table)) = &operand.table {
        let at = word(words.len());
        let axis = place + 3 + 2 * axis;
        words[axis] |= TABLE;
        words[axis + 1] = at;
        words.extend(table);
    }
    word(place)
}

fn word(length: usize) -> u32 {
    u32::try_from(length).expect("programs are short, and lie within a buffer")
}

/// Lines as they are written.
#[derive(Default)]
struct Writer {
    lines: Vec<(Doing, Vec<Given>)>,
    /// The lines that read the operands, and those that are the steps' results.
    operands: BTreeMap<usize, Given>,
    steps: Vec<Given>,
}

impl Writer {
    fn line(&mut self, doing: Doing, given: Vec<Given>) -> Given {
        self.lines.push((doing, given));
        Given::Line(self.lines.len() - 1)
    }

    /// What a step reads: operands once, flushed. What another step has stored needs no flushing.
    fn read(&mut self, source: Source) -> Given {
        match source {
            Source::Step(step) => self.steps[step],
            Source::Operand(operand) => match self.operands.get(&operand) {
                Some(line) => *line,
                None => {
                    let line = self.line(Doing::Read, vec![Given::Operand(operand)]);
                    self.operands.insert(operand, line);
                    line
                }
            },
        }
    }

    fn unary(&mut self, operation: Unary, operand: Given) -> Option<Given> {
        if !takes(operation) {
            return None;
        }
        let of_bits = match operation {
            Unary::Sin => Doing::Sine,
            Unary::Cos => Doing::Cosine,
            Unary::Tan => Doing::Tangent,
            _ => return Formula::of_unary(operation).map(|formula| self.formula(&formula, &[operand])),
        };
        Some(self.line(of_bits, vec![operand]))
    }

    fn binary(&mut self, operation: Binary, operands: [Given; 2]) -> Given {
        if let Some(formula) = Formula::of_binary(operation) {
            return self.formula(&formula, &operands);
        }
        let of_bits = match operation {
            Binary::Max => Doing::Greater,
            Binary::Min => Doing::Lesser,
            _ => Doing::Remainder,
        };
        self.line(of_bits, operands.to_vec())
    }

    fn formula(&mut self, formula: &Formula, operands: &[Given]) -> Given {
        let mut values: Vec<Given> = Vec::new();
        for line in &formula.lines {
            let value = match line {
                Line::Operand(operand) => operands[*operand],
                Line::Constant(number) => Given::Constant(number.to_bits()),
                Line::Does(primitive, given) => {
                    let given = given.iter().map(|line| values[*line]).collect();
                    self.line(Doing::Primitive(*primitive), given)
                }
            };
            values.push(value);
        }
        values[formula.result]
    }
}

/// Whether devices take the parameters of an operation.
fn takes(operation: Unary) -> bool {
    let parameters = match operation {
        Unary::LeakyRelu(alpha) | Unary::Elu(alpha) | Unary::Celu(alpha) | Unary::ThresholdedRelu(alpha) => {
            [alpha, 0.0]
        }
        Unary::Selu { alpha, gamma } => [alpha, gamma],
        Unary::Shrink { lambda, bias } => [lambda, bias],
        Unary::HardSigmoid { alpha, beta } => [alpha, beta],
        _ => [0.0; 2],
    };
    parameters.iter().all(|parameter| *parameter == 0.0 || PARAMETERS.contains(&parameter.abs()))
}

/// A register for each line's result, which is free again after the last line that reads it. None beyond what there are.
fn registers(lines: &[(Doing, Vec<Given>)]) -> Option<Vec<usize>> {
    let mut last_reads = vec![0; lines.len()];
    for (place, (_, given)) in lines.iter().enumerate() {
        for given in given {
            if let Given::Line(line) = *given {
                last_reads[line] = place;
            }
        }
    }
    let mut free: Vec<usize> = (0..REGISTERS).rev().collect();
    let mut taken: Vec<usize> = Vec::with_capacity(lines.len());
    for (place, (_, given)) in lines.iter().enumerate() {
        let mut done: Vec<usize> = given
            .iter()
            .filter_map(|given| if let Given::Line(line) = *given { Some(line) } else { None })
            .filter(|line| last_reads[*line] == place)
            .map(|line| taken[line])
            .collect();
        done.sort_unstable();
        done.dedup();
        free.extend(done);
        taken.push(free.pop()?);
    }
    Some(taken)
}

/// The number by which the kernel knows what a line does.
fn code(doing: Doing) -> u32 {
    match doing {
        Doing::Read => 0,
        Doing::Primitive(primitive) => match primitive {
            Primitive::Add => 1,
            Primitive::Sub => 2,
            Primitive::Mul => 3,
            Primitive::Div => 4,
            Primitive::Fused => 5,
            Primitive::Root => 6,
            Primitive::Floor => 7,
            Primitive::Ceil => 8,
            Primitive::Round => 9,
            Primitive::Abs => 10,
            Primitive::Negated => 11,
            Primitive::WithSignOf => 12,
            Primitive::AtLeast => 13,
            Primitive::AtMost => 14,
            Primitive::Less => 15,
            Primitive::Pick => 16,
            Primitive::TimesPower => 17,
            Primitive::Mantissa => 18,
            Primitive::Exponent => 19,
            Primitive::Element => 20,
            Primitive::Operand => 21,
            Primitive::Canonical => 22,
        },
        Doing::Stored => 23,
        Doing::Greater => 24,
        Doing::Lesser => 25,
        Doing::Remainder => 26,
        Doing::Sine => 27,
        Doing::Cosine => 28,
        Doing::Tangent => 29,
        Doing::Copied => 30,
        Doing::Converted => 31,
    }
}
