/// When a write counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives a loss of power: writers that come together share one sync.
    #[default]
    Synced,
    /// It survives a crash of this process at once, and a loss of power after [`crate::Store::sync`].
    /// A block that power loss tore is found by its hash and counts as missing.
    OnRequest,
}

/// What the store takes and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of all blocks together.
    pub quota_bytes: u64,
    /// Bytes of one block: what other IPFS nodes exchange at most.
    pub block_bytes: u64,
    /// Pins of every sort; they are held in memory.
    pub pins: u64,
    /// Writes that wait for a sync; the next one makes it happen.
    pub unsynced_blocks: u64,
    /// Corrupt blocks that are kept aside for a look at them; further ones are dropped.
    pub set_aside_blocks: u64,
    /// When a put returns.
    pub durability: Durability,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            quota_bytes: 256 << 30,
            block_bytes: BLOCK_BYTES,
            pins: 1 << 20,
            unsynced_blocks: 1_024,
            set_aside_blocks: 64,
            durability: Durability::Synced,
        }
    }
}

/// Bytes of one block, by the convention of all IPFS nodes.
pub(crate) const BLOCK_BYTES: u64 = 2 << 20;
/// Bytes of a pin's name.
pub(crate) const PIN_NAME_BYTES: usize = 255;
/// Links of one block: those of 2 MiB of the shortest ones, so that only repetition is refused.
pub(crate) const LINKS_PER_BLOCK: usize = 65_536;
/// Different blocks of one walk, each remembered: about 100 bytes of memory a block.
pub(crate) const WALK_BLOCKS: u64 = 16 << 20;
/// Blocks seen and not yet visited by a walk.
pub(crate) const WALK_PENDING: usize = 4 << 20;
