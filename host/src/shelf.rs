//! Objects in the store: typed, checked on the way in and out.

use cid::Cid;
use poai_objects::codec::DAG_CBOR;
use poai_objects::{Envelope, Object, Signed};
use poai_store::{Pin, PinMode, Store, Verified};

use crate::errors::{Failure, Kind};

/// What may be done with objects. Implemented for the store.
pub(crate) trait Shelf {
    /// Keeps a valid object; durable after the store's next sync.
    fn put_object<T: Object>(&self, object: &T) -> Result<T::Id, Failure>;

    /// The object of an id, which must be here.
    fn object<T: Object>(&self, id: impl Into<Cid>) -> Result<T, Failure>;

    /// Keeps a signed object, payload and envelope; gives the envelope's CID.
    fn put_signed<T: Object>(&self, signed: &Signed<T>) -> Result<Cid, Failure>;

    /// The signed object of an envelope's CID, checked.
    fn signed<T: Object>(&self, envelope: &Cid) -> Result<Signed<T>, Failure>;

    /// Keeps content from garbage collection, with all that it links to.
    fn keep(&self, cid: Cid, name: &str, until: Option<std::time::SystemTime>) -> Result<(), Failure>;
}

impl Shelf for Store {
    fn put_object<T: Object>(&self, object: &T) -> Result<T::Id, Failure> {
        let (id, bytes) = object.seal()?;
        self.put_lazily(&Verified::of(DAG_CBOR, bytes)?)?;
        Ok(id)
    }

    fn object<T: Object>(&self, id: impl Into<Cid>) -> Result<T, Failure> {
        let cid = id.into();
        let block = self.get(&cid)?.ok_or_else(|| missing(T::KIND, &cid))?;
        Ok(T::from_bytes(block.bytes())?)
    }

    fn put_signed<T: Object>(&self, signed: &Signed<T>) -> Result<Cid, Failure> {
        self.put_object(signed.object())?;
        Ok(self.put_object(signed.envelope())?.into())
    }

    fn signed<T: Object>(&self, envelope: &Cid) -> Result<Signed<T>, Failure> {
        let envelope: Envelope = self.object(*envelope)?;
        let payload = self.get(&envelope.payload)?.ok_or_else(|| missing(T::KIND, &envelope.payload))?;
        Ok(Signed::open(envelope, payload.bytes())?)
    }

    fn keep(&self, cid: Cid, name: &str, until: Option<std::time::SystemTime>) -> Result<(), Failure> {
        self.pin(&Pin { cid, mode: PinMode::Recursive, name: name.to_owned(), until })?;
        Ok(())
    }
}

fn missing(kind: &str, cid: &Cid) -> Failure {
    Failure::new(Kind::NotFound, format!("{kind} {cid} is not in this home"))
        .hint("`poai pull CID` fetches it, if a peer has it")
}
