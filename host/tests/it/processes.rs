//! Processes, as the system lists them.

/// A process, told from later ones with its number by when it began.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    parent: u32,
    begun: u64,
    pub(crate) words: String,
}

impl Process {
    /// None for a number that no process has; one that only waits to be reaped is none.
    fn find(id: u32) -> Option<Self> {
        let about = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in parentheses, may have spaces; the fields after it are counted from the third.
        let fields: Vec<&str> = about.rsplit_once(')')?.1.split_whitespace().collect();
        let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let words = String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned();
        (fields[0] != "Z").then_some(Self {
            id,
            parent: fields[1].parse().ok()?,
            begun: fields[19].parse().ok()?,
            words,
        })
    }

    pub(crate) fn is_gone(&self) -> bool {
        Self::find(self.id).is_none_or(|found| found.begun != self.begun)
    }
}

/// Every process that one started, and those started these.
pub(crate) fn descendants(ancestor: u32) -> Vec<Process> {
    let ids = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: Vec<Process> = ids.filter_map(Process::find).collect();
    let (mut found, mut parents) = (Vec::new(), vec![ancestor]);
    while let Some(parent) = parents.pop() {
        let children = others.extract_if(.., |process| process.parent == parent);
        let children: Vec<Process> = children.collect();
        parents.extend(children.iter().map(|child| child.id));
        found.extend(children);
    }
    found
}
