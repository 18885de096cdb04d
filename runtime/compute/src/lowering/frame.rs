//! What stands around a kernel's own text: variables, what reads and writes buffers, and the entry point.

use std::fmt::Write as _;

use super::writer::Writer;
use crate::Access;
use crate::program::{NOWHERE, Space, builtin};

/// Where a counter of fuel stops: sums of two do not overflow.
const MOST: u32 = u32::MAX / 2;
/// Words of a job before those of its bindings, and of each binding.
const JOB_HEAD: usize = 6;
const JOB_BINDING: usize = 3;

impl Writer<'_> {
    /// The declarations of all variables.
    pub(super) fn variables(&self) -> String {
        let mut text = String::new();
        for (number, variable) in self.kernel.variables.iter().enumerate() {
            let access = if variable.access == Access::Read { "read" } else { "read_write" };
            let kind = self.words_of(storage(number)).kind();
            let _ =
                writeln!(text, "@group(0) @binding({number}) var<storage, {access}> binding{number}: array<{kind}>;");
            for name in ["words", "begin", "end"] {
                let _ = writeln!(text, "var<private> {name}{number}: u32;");
            }
        }
        let count = self.kernel.variables.len();
        let _ = writeln!(text, "@group(0) @binding({count}) var<storage, read> task_job: array<u32>;");
        let account = count + 1;
        let _ = writeln!(
            text,
            "@group(0) @binding({account}) var<storage, read_write> task_account: array<u32>;
var<private> task_limit: u32;
var<private> task_limit_together: u32;
var<private> task_together: u32;
var<private> task_apart: u32;
fn task_capped(fuel: u32) -> u32 {{ return select(fuel, {MOST}u, fuel > {MOST}u); }}"
        );
        if self.program.workgroup_words > 0 {
            let (words, kind) = (self.program.workgroup_words, self.shared.kind());
            let _ = writeln!(text, "var<workgroup> workgroup_words: array<{kind}, {words}>;");
        }
        for (number, range) in self.arrays.iter().enumerate() {
            let _ = writeln!(text, "var<private> a{number}: array<u32, {}>;", range.len());
        }
        for register in &self.named {
            let _ = writeln!(text, "var<private> r{register}: u32;");
        }
        text
    }

    /// Functions that read and write what an invocation has of each buffer.
    pub(super) fn accesses(&self) -> String {
        let mut text = String::new();
        for (number, variable) in self.kernel.variables.iter().enumerate() {
            let outside = format!("address == {NOWHERE}u || at < begin{number} || at >= end{number}");
            if variable.access == Access::Atomic {
                text.push_str(&self.change_function(number, &outside));
                continue;
            }
            let _ = writeln!(
                text,
                "fn load{number}(address: u32, fixed: u32) -> u32 {{
let at = address + fixed;
if ({outside}) {{ return 0u; }}
return binding{number}[at];
}}"
            );
            if variable.access == Access::ReadWrite {
                let _ = writeln!(
                    text,
                    "fn store{number}(address: u32, fixed: u32, word: u32) {{
let at = address + fixed;
if ({outside}) {{ return; }}
binding{number}[at] = word;
}}"
                );
            }
        }
        text
    }

    /// A function that changes a word of a buffer, in the one way that the kernel does.
    fn change_function(&self, number: usize, outside: &str) -> String {
        let (space, place) = (storage(number), format!("binding{number}[at]"));
        let changes = self.program.changes(space);
        let changes = changes.iter().map(|op| self.words_of(space).change(*op, &place, "word"));
        let changes: String = changes.collect();
        format!(
            "fn change{number}(address: u32, fixed: u32, word: u32) {{
let at = address + fixed;
if ({outside}) {{ return; }}
{changes}
}}
"
        )
    }

    /// The entry point: it sets the builtins and slices, runs the kernel, and settles the account.
    pub(super) fn beginning(&mut self) -> String {
        let [x, y, z] = self.kernel.workgroup_size;
        let size = x * y * z;
        let zeros = match self.program.workgroup_words {
            0 => String::new(),
            words => format!(
                "for (var word = index; word < {words}u; word += {size}u) {{ {} }}
workgroupBarrier();
",
                self.shared.store("workgroup_words[word]", "0u")
            ),
        };
        let mut text = format!(
            "@compute @workgroup_size({x}, {y}, {z})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>, @builtin(local_invocation_index) index: u32) {{
task_limit = task_job[0];
task_limit_together = task_job[1];
let number = task_job[2] + group.x;
let across = vec3(task_job[3], task_job[4], task_job[5]);
let workgroup = vec3(number % across.x, number / across.x % across.y, number / across.x / across.y);
let global = workgroup * vec3({x}u, {y}u, {z}u) + local;
let invocation = global.x + across.x * {x}u * (global.y + across.y * {y}u * global.z);
"
        );
        let vectors = [
            (builtin::GLOBAL_INVOCATION, "global"),
            (builtin::LOCAL_INVOCATION, "local"),
            (builtin::WORKGROUP, "workgroup"),
            (builtin::WORKGROUPS, "across"),
        ];
        for (first, name) in vectors {
            for (register, axis) in (first..).zip(["x", "y", "z"]) {
                let _ = writeln!(text, "{} = {name}.{axis};", self.variable(register));
            }
        }
        let _ = writeln!(text, "{} = index;", self.variable(builtin::LOCAL_INDEX));
        for (number, variable) in self.kernel.variables.iter().enumerate() {
            let at = JOB_HEAD + JOB_BINDING * number;
            let _ = writeln!(text, "words{number} = task_job[{at}];");
            let window = if variable.access != Access::ReadWrite {
                format!("begin{number} = 0u;\nend{number} = words{number};")
            } else {
                // Whoever has a slice has one that begins in the buffer.
                let (stride, slices) = (at + 1, at + 2);
                format!(
                    "begin{number} = select(words{number}, invocation * task_job[{stride}], invocation < task_job[{slices}]);
end{number} = begin{number} + task_job[{stride}];
if (end{number} > words{number}) {{ end{number} = words{number}; }}"
                )
            };
            let _ = writeln!(text, "{window}");
        }
        let _ = writeln!(
            text,
            "{zeros}task_run();
task_account[group.x * {size}u + index] = task_together + task_apart;
}}"
        );
        text
    }
}

/// The buffer of a number.
fn storage(number: usize) -> Space {
    Space::Storage(u8::try_from(number).expect("bindings are few"))
}
