//! Who can receive mail here: imported and learned recipients.
//!
//! While the primary is dark nobody can be asked, so what is known beforehand decides between
//! `250`, `550` and `451`. It comes from two sources: lists that an operator imports ([`import`])
//! and answers of the living primary, learned on the way ([`Book::learn`]). [`Book`] decides and has
//! no hands; [`Kept`] carries it over restarts. Addresses are held as keyed hashes only, in memory
//! and on disk: who takes the machine away learns no names from it.

pub mod import;

mod address;
mod book;
mod kept;
mod refusal;

pub(crate) use address::domain_form;
pub use address::{Address, Case};
pub use book::{
    AddressHash, Book, BookKey, Change, Counts, DomainRules, Known, List, Settings, Source,
};
pub use kept::{Changed, Kept, KeptError};
pub(crate) use refusal::denies;
