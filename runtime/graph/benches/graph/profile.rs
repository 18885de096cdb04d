//! Where the time of a computation goes: by operator, and the nodes that take most of it. The least time of each counts,
//! so that other work on the machine does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use poai_graph::{Cpu, Device, Group, Kernel, KernelError, Node, OpError, Tensor};

/// Nodes that are named one by one.
const NODES: usize = 16;

/// A processor that takes the time of each node.
pub(crate) struct Profiler {
    cpu: Cpu,
    nodes: Mutex<Vec<Arc<Clock>>>,
    /// What the nodes of this computation took so far.
    nodes_time: Arc<Mutex<Duration>>,
    /// The least time that a computation took beside its nodes.
    session_time: Mutex<Duration>,
}

/// A node, and the least time that it took, with its operands and results; none before it ran.
struct Clock {
    operator: &'static str,
    node: String,
    least: Mutex<Option<(Duration, String)>>,
}

struct Timed {
    kernel: Box<dyn Kernel>,
    clock: Arc<Clock>,
    nodes_time: Arc<Mutex<Duration>>,
}

impl Device for Profiler {
    fn name(&self) -> String {
        self.cpu.name()
    }

    fn prepare(&self, node: &Node, constants: &[Option<&Tensor>]) -> Result<Box<dyn Kernel>, OpError> {
        let kernel = self.cpu.prepare(node, constants)?;
        Ok(self.timed(node.op.operation().name(), node.name.clone(), kernel))
    }

    fn prepare_group(&self, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        Some(self.timed("(group)", names(&group.nodes), self.cpu.prepare_group(group)?))
    }

    fn prepare_following(&self, product: &Node, group: &Group<'_>) -> Option<Box<dyn Kernel>> {
        let kernel = self.cpu.prepare_following(product, group)?;
        let names = format!("{} {}", product.name, names(&group.nodes));
        Some(self.timed(product.op.operation().name(), names, kernel))
    }

    fn release(&self, value: Tensor) {
        self.cpu.release(value);
    }
}

fn names(nodes: &[&Node]) -> String {
    nodes.iter().map(|node| node.op.operation().name()).collect::<Vec<_>>().join(" ")
}

impl Kernel for Timed {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let start = Instant::now();
        let results = self.kernel.run(inputs)?;
        let took = start.elapsed();
        *self.nodes_time.lock().unwrap() += took;
        let mut least = self.clock.least.lock().unwrap();
        if least.as_ref().is_none_or(|(least, _)| took < *least) {
            let operands: Vec<_> = inputs.iter().flatten().map(|tensor| format!("{tensor:?}")).collect();
            *least = Some((took, format!("{} → {results:?}", operands.join(" "))));
        }
        Ok(results)
    }
}

impl Profiler {
    pub(crate) fn new(cpu: Cpu) -> Self {
        let session_time = Mutex::new(Duration::MAX);
        Self { cpu, nodes: Mutex::default(), nodes_time: Arc::default(), session_time }
    }

    fn timed(&self, operator: &'static str, node: String, kernel: Box<dyn Kernel>) -> Box<dyn Kernel> {
        let clock = Arc::new(Clock { operator, node, least: Mutex::default() });
        self.nodes.lock().unwrap().push(clock.clone());
        Box::new(Timed { kernel, clock, nodes_time: self.nodes_time.clone() })
    }

    /// A computation is done, and took `whole`.
    pub(crate) fn ran(&self, whole: Duration) {
        let nodes = std::mem::take(&mut *self.nodes_time.lock().unwrap());
        let mut least = self.session_time.lock().unwrap();
        *least = whole.saturating_sub(nodes).min(*least);
    }

    /// What each operator takes of a computation, and what is left for the session itself.
    pub(crate) fn table(&self) -> String {
        let nodes = self.nodes.lock().unwrap();
        let mut operators: BTreeMap<&str, (Duration, usize)> = BTreeMap::new();
        let mut lines = Vec::new();
        for Clock { operator, node, least } in nodes.iter().map(|clock| &**clock) {
            let Some((time, shapes)) = least.lock().unwrap().clone() else { continue };
            let (sum, count) = operators.entry(operator).or_default();
            *sum += time;
            *count += 1;
            lines.push((time, format!("{operator} {node} {shapes}")));
        }
        operators.insert("(session)", (*self.session_time.lock().unwrap(), 1));
        let whole: Duration = operators.values().map(|(time, _)| *time).sum();
        let mut operators: Vec<_> =
            operators.into_iter().map(|(name, (time, count))| (time, format!("{name} × {count}"))).collect();
        operators.sort_unstable_by(|a, b| b.cmp(a));
        lines.sort_unstable_by(|a, b| b.cmp(a));
        let row = |(time, what): (Duration, String)| {
            let (milliseconds, share) = (time.as_secs_f64() * 1000.0, 100.0 * time.div_duration_f64(whole));
            format!("{milliseconds:10.3} ms {share:5.1} %  {what}\n")
        };
        let all = (whole, "all".to_owned());
        [all].into_iter().chain(operators).chain(lines.into_iter().take(NODES)).map(row).collect()
    }
}
