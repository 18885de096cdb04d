//! The equation of an Einsum: `ij,jk->ik`.

use crate::OpError;

/// An index of an equation: a letter, or one of the dimensions that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    Letter(char),
    Rest(usize),
}

/// What stands in an equation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    Letter(char),
    Ellipsis,
}

/// An equation, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Equation {
    operands: Vec<Vec<Term>>,
    /// Without, the letters that stand once, in alphabetical order, behind the ellipsis.
    result: Option<Vec<Term>>,
}

/// Operands of an equation.
const OPERANDS: usize = 16;
/// Terms of an operand.
const TERMS: usize = 16;

fn terms(text: &str) -> Result<Vec<Term>, OpError> {
    let wrong = || OpError::new(format!("{text:?} is no part of an equation"));
    let mut terms = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("...") {
            if terms.contains(&Term::Ellipsis) {
                return Err(wrong());
            }
            terms.push(Term::Ellipsis);
            rest = behind;
        } else if first.is_ascii_alphabetic() {
            terms.push(Term::Letter(first));
            rest = &rest[1..];
        } else {
            return Err(wrong());
        }
        rest = rest.trim_start();
    }
    if terms.len() > TERMS { Err(wrong()) } else { Ok(terms) }
}

impl Equation {
    pub(super) fn parse(text: &str) -> Result<Self, OpError> {
        let (operands, result) = match text.split_once("->") {
            Some((operands, result)) => (operands, Some(terms(result)?)),
            None => (text, None),
        };
        let operands: Vec<_> = operands.split(',').map(terms).collect::<Result<_, _>>()?;
        if operands.len() > OPERANDS {
            return Err(OpError::unsupported(format!("{} operands", operands.len())));
        }
        if let Some(result) = &result {
            for (place, term) in result.iter().enumerate() {
                let twice = result[..place].contains(term);
                let unknown = *term != Term::Ellipsis && !operands.iter().any(|operand| operand.contains(term));
                if twice || unknown {
                    return Err(OpError::new(format!("the result of {text:?} has an index twice, or of no operand")));
                }
            }
        }
        Ok(Self { operands, result })
    }

    pub(super) fn operands(&self) -> usize {
        self.operands.len()
    }

    /// The labels of operands of these ranks, and of the result.
    pub(super) fn labels(&self, ranks: &[usize]) -> Result<(Vec<Vec<Label>>, Vec<Label>), OpError> {
        let mut most = 0;
        let mut all = Vec::new();
        for (terms, &rank) in self.operands.iter().zip(ranks) {
            let letters = terms.iter().filter(|term| **term != Term::Ellipsis).count();
            let rest = rank.checked_sub(letters).filter(|&rest| rest == 0 || letters < terms.len());
            let rest = rest.ok_or_else(|| OpError::new(format!("an operand of rank {rank} has {letters} letters")))?;
            most = most.max(rest);
            all.push(expanded(terms, rest));
        }
        let result = match &self.result {
            Some(terms) => expanded(terms, most),
            None => {
                let count = |label: &Label| all.iter().flatten().filter(|other| *other == label).count();
                let letters = ('A'..='Z').chain('a'..='z').map(Label::Letter).filter(|label| count(label) == 1);
                (0..most).rev().map(Label::Rest).chain(letters).collect()
            }
        };
        Ok((all, result))
    }
}

/// Labels of terms, of which an ellipsis stands for `rest`.
fn expanded(terms: &[Term], rest: usize) -> Vec<Label> {
    let labels = |term: &Term| match *term {
        Term::Letter(letter) => vec![Label::Letter(letter)],
        Term::Ellipsis => (0..rest).rev().map(Label::Rest).collect(),
    };
    terms.iter().flat_map(labels).collect()
}
