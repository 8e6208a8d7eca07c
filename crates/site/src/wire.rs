//! Bytes ↔ typed things, without state: what a page links to, and how a generation is written.
//!
//! The capture calls the readers on bytes from the primary, which are material to judge: each
//! is bounded, gives what it understood and never panics. The fuzz targets call the same functions.

pub mod address;
pub mod css;
pub mod feed;
pub mod html;
pub mod manifest;
pub mod srcset;
pub mod warc;

/// What a link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What a page needs to be shown: style, image, script, font, frame.
    Requisite,
    /// Another page or file that a reader may follow to.
    Page,
}

/// A link as it was written, before it is resolved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The reference: relative or absolute.
    pub to: String,
    /// What it asks for.
    pub kind: Kind,
}

impl Link {
    fn page(to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            kind: Kind::Page,
        }
    }

    fn requisite(to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            kind: Kind::Requisite,
        }
    }
}

/// More links than this are not read out of one document.
pub const MOST_LINKS: usize = 20_000;
