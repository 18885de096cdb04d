use cid::Cid;

pub(crate) struct Exchange {}

impl Exchange {
    pub(crate) async fn stored(&self, _cids: Vec<Cid>) {}
}
