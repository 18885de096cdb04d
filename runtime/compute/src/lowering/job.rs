use crate::{DispatchError, Kernel, Offer, cost};

/// Workgroups of one job: every device has as many along x.
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
    /// What an invocation may spend together with all others of its workgroup.
    limit_together: u32,
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
    /// At most so many workgroups of a dispatch that [`Kernel::check`] has let pass, from the one of a number on, whose
    /// invocations may spend `limit` each, and `budget` in all. None behind the last.
    #[must_use]
    pub fn new(
        kernel: &'k Kernel,
        offers: &'k [Offer],
        workgroups: [u32; 3],
        (first, count): (u64, u64),
        [limit, budget]: [u64; 2],
    ) -> Option<Self> {
        let all: u64 = workgroups.iter().map(|axis| u64::from(*axis)).product();
        let count = all.checked_sub(first)?.min(count).min(WORKGROUPS);
        let short = |limit: u64| u32::try_from(limit.min(LIMIT)).expect("the limit is short");
        let limit = short(limit.min(budget));
        // If each of them spends more, all spend more than the budget.
        let limit_together = limit.min(short(budget / kernel.invocations_of_workgroup()));
        let count = u32::try_from(count).expect("there are not so many");
        (count > 0).then_some(Self { kernel, offers, workgroups, first, count, limit, limit_together })
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
        let mut words = vec![self.limit, self.limit_together, short(self.first)];
        words.extend(self.workgroups);
        for (offer, _) in self.offers.iter().zip(&self.kernel.variables) {
            let stride = offer.stride.unwrap_or(0);
            let slices = offer.words.div_ceil(stride.max(1) as usize);
            words.extend([short(offer.words as u64), stride, short(slices as u64)]);
        }
        words
    }

    /// Words of the job's account: what each invocation has spent.
    #[must_use]
    pub fn account_words(&self) -> usize {
        let invocations = u64::from(self.count) * self.kernel.invocations_of_workgroup();
        usize::try_from(invocations).expect("a dispatch has fewer")
    }

    /// What all invocations of a job have spent, and the most that one has, by the job's account.
    #[must_use]
    pub fn spent(account: &[u32]) -> (u64, u32) {
        let sum = account.iter().map(|spent| u64::from(*spent)).sum();
        (sum, account.iter().copied().max().unwrap_or(0))
    }
}
