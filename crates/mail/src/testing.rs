//! What several tests of this crate begin with.

use std::path::Path;

use store::{Committer, Options, PassphraseCost, SealState, Store};

/// Settings with which a passphrase costs nothing and everything comes in the same order.
pub(crate) fn options() -> Options {
    Options {
        committer: Committer::Inline,
        reserve_bytes: 0,
        passphrase_cost: PassphraseCost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        },
        ..Options::default()
    }
}

/// A store that is set up for sealing, and open.
pub(crate) fn unlocked_store(dir: &Path, options: Options) -> Store {
    let store = Store::open(dir, options).unwrap();
    let seal = store.seal();
    match seal.state() {
        SealState::NotSetUp => seal.set_up(b"correct horse").unwrap(),
        _ => seal.unlock(b"correct horse").unwrap(),
    }
    store
}
