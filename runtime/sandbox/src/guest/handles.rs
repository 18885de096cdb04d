//! What the guest's handles stand for.

use std::any::Any;

use wasmtime::component::Resource;

use super::stop::Stop;

/// Handles that a run may have open at once: each takes memory of this host.
const MAX_HANDLES: usize = 65_536;

/// Resources by number; a number that became free is used again, the latest first. The guest sees wasmtime's own
/// numbers, never these.
#[derive(Default)]
pub(crate) struct Handles {
    slots: Vec<Option<Box<dyn Any>>>,
    free: Vec<u32>,
}

impl Handles {
    /// Puts a resource behind a new handle.
    pub(crate) fn push<T: 'static>(&mut self, resource: T) -> Result<Resource<T>, Stop> {
        let resource: Box<dyn Any> = Box::new(resource);
        if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(resource);
            return Ok(Resource::new_own(number));
        }
        if self.slots.len() == MAX_HANDLES {
            return Err(Stop::Abi { rule: "a run has at most 65,536 handles open" });
        }
        let number = u32::try_from(self.slots.len()).expect("the limit fits 32 bits");
        self.slots.push(Some(resource));
        Ok(Resource::new_own(number))
    }

    /// What a handle stands for.
    pub(crate) fn get<T: 'static>(&self, handle: &Resource<T>) -> Result<&T, Stop> {
        let resource = self.slots.get(handle.rep() as usize).and_then(Option::as_ref);
        resource.and_then(|resource| resource.downcast_ref()).ok_or(NO_RESOURCE)
    }

    /// What a handle stands for, to be changed.
    pub(crate) fn get_mut<T: 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T, Stop> {
        let resource = self.slots.get_mut(handle.rep() as usize).and_then(Option::as_mut);
        resource.and_then(|resource| resource.downcast_mut()).ok_or(NO_RESOURCE)
    }

    /// What a handle stands for, which is forgotten.
    pub(crate) fn take<T: 'static>(&mut self, handle: Resource<T>) -> Result<T, Stop> {
        self.get(&handle)?;
        let resource = self.slots[handle.rep() as usize].take().and_then(|resource| resource.downcast().ok());
        self.free.push(handle.rep());
        Ok(*resource.expect("it was there, and of this type"))
    }

    /// Forgets a handle.
    pub(crate) fn drop<T: 'static>(&mut self, handle: Resource<T>) -> Result<(), Stop> {
        self.take(handle).map(drop)
    }
}

const NO_RESOURCE: Stop = Stop::Abi { rule: "a handle stands for nothing" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_bounded() {
        let mut handles = Handles::default();
        let first = handles.push("first").unwrap();
        let second = handles.push("second").unwrap();
        assert_eq!(*handles.get(&first).unwrap(), "first");
        assert!(handles.get(&Resource::<u8>::new_borrow(second.rep())).is_err(), "of another type");
        let number = first.rep();
        assert_eq!(handles.take(first).unwrap(), "first");
        assert!(handles.get(&Resource::<&str>::new_borrow(number)).is_err(), "taken");
        assert_eq!(handles.push("third").unwrap().rep(), number);
        for _ in 2..MAX_HANDLES {
            handles.push(0_u8).unwrap();
        }
        assert!(matches!(handles.push(0_u8), Err(Stop::Abi { .. })));
    }
}
