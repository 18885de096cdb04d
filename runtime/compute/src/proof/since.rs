use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What some may have touched since the last barrier: for each barrier that may be the last, the numbers of the sites.
/// Invocations of a workgroup pass a barrier together, so that they all have the same behind them.
#[derive(Clone, PartialEq)]
pub(super) struct Since(Rc<BTreeMap<usize, Rc<BTreeSet<usize>>>>);

impl Since {
    /// Behind a barrier.
    pub(super) fn barrier(number: usize) -> Self {
        Self(Rc::new(BTreeMap::from([(number, Rc::default())])))
    }

    /// Adds a site, whichever barrier was the last.
    pub(super) fn add(&mut self, site: usize) {
        if self.0.values().all(|sites| sites.contains(&site)) {
            return;
        }
        for sites in Rc::make_mut(&mut self.0).values_mut() {
            Rc::make_mut(sites).insert(site);
        }
    }

    /// What may have been touched on either of two ways.
    pub(super) fn join(&mut self, other: &Self) {
        if Rc::ptr_eq(&self.0, &other.0) {
            return;
        }
        let all = Rc::make_mut(&mut self.0);
        for (barrier, sites) in other.0.iter() {
            let known = all.entry(*barrier).or_default();
            if !sites.is_subset(known) {
                Rc::make_mut(known).extend(sites.iter());
            }
        }
    }

    /// How many barriers may be the last.
    pub(super) fn barriers(&self) -> usize {
        self.0.len()
    }

    /// What some may have touched between each of them and here.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Rc<BTreeSet<usize>>> {
        self.0.values().cloned()
    }
}
