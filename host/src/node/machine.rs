//! What the kernel says of this machine.

/// Bytes of memory that are assumed where the kernel does not say.
const UNKNOWN_MEMORY_BYTES: u64 = 4 << 30;

/// The processor's name, for receipts' telemetry: the kernel's words, else the architecture.
pub(super) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = value_of(&info, "model name").unwrap_or(std::env::consts::ARCH);
    let plain = plain(name);
    if plain.is_empty() { std::env::consts::ARCH.to_owned() } else { plain }
}

/// A device's name as telemetry has it.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The machine's memory, bytes.
pub(super) fn memory_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse_memory(&info).unwrap_or(UNKNOWN_MEMORY_BYTES)
}

fn parse_memory(info: &str) -> Option<u64> {
    let kibibytes: u64 = value_of(info, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The value of the first line `KEY : VALUE`.
fn value_of<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(parse_memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(parse_memory("MemTotal: many\n"), None);
        assert_eq!(value_of("vendor_id\t: X\nmodel name\t: A CPU\n", "model name"), Some("A CPU"));
        assert!(memory_bytes() > 0 && !processor().is_empty());
    }
}
