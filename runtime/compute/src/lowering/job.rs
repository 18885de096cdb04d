use crate::{DispatchError, Kernel, Offer, cost};

/// Places of a job's account between which its workgroups alternate.
pub(super) const SLOTS: u32 = 256;
/// Workgroups of one job: with it no slot's sums of half words overflow.
const WORKGROUPS: u64 = 65_535;
/// The most that an invocation of a job may spend, so that sums of two counters do not overflow.
const LIMIT: u64 = 1 << 30;

/// A part of a dispatch: workgroups in a row, counted along x, then y, then z.
#[derive(Clone, Debug)]
pub struct Job<'k> {
    kernel: &'k Kernel,
    offers: &'k [Offer],
    workgroups: [u32; 3],
    first: u64,
    count: u32,
    limit: u32,
}

impl Kernel {
    /// What a dispatch costs before any of its invocations has done anything.
    ///
    /// # Errors
    /// [`DispatchError::OutOfFuel`] if the budget does not suffice; nothing is taken from it then.
    pub fn charge_beginning(&self, workgroups: [u32; 3], budget: &mut u64) -> Result<(), DispatchError> {
        if workgroups.contains(&0) {
            return Ok(());
        }
        let groups: u64 = workgroups.iter().map(|axis| u64::from(*axis)).product();
        let cost = groups.saturating_mul(self.workgroup_cost()).saturating_add(self.dispatch_cost());
        *budget = budget.checked_sub(cost).ok_or(DispatchError::OutOfFuel)?;
        Ok(())
    }

    /// What a dispatch costs besides its workgroups.
    pub(crate) fn dispatch_cost(&self) -> u64 {
        let rows = if self.has_barriers { self.invocations_of_workgroup() } else { 1 };
        let words = rows * u64::from(self.program.registers) + u64::from(self.program.workgroup_words);
        words * cost::DISPATCH_WORD
    }

    /// What a workgroup costs besides what its invocations do.
    pub(crate) fn workgroup_cost(&self) -> u64 {
        let memory = u64::from(self.program.workgroup_words) * cost::WORKGROUP_WORD;
        self.invocations_of_workgroup() * cost::INVOCATION + memory
    }

    /// Invocations of one workgroup.
    #[must_use]
    pub fn invocations_of_workgroup(&self) -> u64 {
        self.workgroup_size.iter().map(|axis| u64::from(*axis)).product()
    }
}

impl<'k> Job<'k> {
    /// Words of a job's account, which begin as zeros: the most that an invocation spent, and two for each slot.
    pub const ACCOUNT_WORDS: usize = 1 + 2 * SLOTS as usize;

    /// At most so many workgroups of a dispatch that [`Kernel::check`] has let pass, from the one of a number on, whose
    /// invocations may spend `limit` each. None behind the last.
    #[must_use]
    pub fn new(
        kernel: &'k Kernel,
        offers: &'k [Offer],
        workgroups: [u32; 3],
        (first, count): (u64, u64),
        limit: u64,
    ) -> Option<Self> {
        let all: u64 = workgroups.iter().map(|axis| u64::from(*axis)).product();
        let count = all.checked_sub(first)?.min(count).min(WORKGROUPS);
        let limit = u32::try_from(limit.min(LIMIT)).expect("the limit is short");
        let count = u32::try_from(count).expect("there are not so many");
        (count > 0).then_some(Self { kernel, offers, workgroups, first, count, limit })
    }

    /// Workgroups of the job, which are to be started along x.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What an invocation may spend.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The words that the device is given.
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let short =
            |number: u64| u32::try_from(number).expect("a dispatch has fewer invocations, a buffer fewer words");
        let mut words = vec![self.limit, short(self.first)];
        words.extend(self.workgroups);
        for (offer, _) in self.offers.iter().zip(&self.kernel.variables) {
            let stride = offer.stride.unwrap_or(0);
            let slices = offer.words.div_ceil(stride.max(1) as usize);
            words.extend([short(offer.words as u64), stride, short(slices as u64)]);
        }
        words
    }

    /// What all invocations of a job have spent, and the most that one has, by the job's account.
    #[must_use]
    pub fn spent(account: &[u32]) -> (u64, u32) {
        let (most, slots) = account.split_first().map_or((0, account), |(most, slots)| (*most, slots));
        let sums = slots.chunks_exact(2).map(|sums| u64::from(sums[0]) + (u64::from(sums[1]) << 16));
        (sums.sum(), most)
    }
}
