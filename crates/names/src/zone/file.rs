//! Zone files (RFC 1035 §5): read when we ourselves are the primary.

use bytes::Bytes;
use domain::base::iana::Class;
use domain::zonefile::inplace::{Entry, Zonefile};

use super::{Records, Zone, ZoneFault};
use crate::wire::Name;

/// A zone file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// A line that is not understood: `line:column: reason`.
    #[error("{0}")]
    Syntax(String),
    /// `$INCLUDE`.
    #[error("$INCLUDE is not followed; put everything in one file")]
    Include,
    /// The records are no zone.
    #[error(transparent)]
    Zone(#[from] ZoneFault),
}

/// Reads the text of a zone file for `apex`.
///
/// # Errors
/// What is wrong, with the line where one is to blame.
pub fn read_file(apex: &Name, text: &[u8]) -> Result<Zone, FileFault> {
    Ok(Zone::from_records(
        apex.clone(),
        &read_records(apex, text)?,
    )?)
}

fn read_records(apex: &Name, text: &[u8]) -> Result<Records, FileFault> {
    let syntax = |what: &dyn std::fmt::Display| FileFault::Syntax(what.to_string());
    let mut file = Zonefile::from(text);
    // The last line may come without its end.
    file.extend_from_slice(b"\n");
    let origin = domain::base::Name::from_octets(Bytes::copy_from_slice(apex.as_wire()))
        .map_err(|error| syntax(&error))?;
    file.set_origin(origin);
    file.set_default_class(Class::IN);
    let mut records = Records::default();
    while let Some(entry) = file.next_entry().map_err(|error| syntax(&error))? {
        match entry {
            Entry::Record(record) => records.push_typed(&record),
            Entry::Include { .. } => return Err(FileFault::Include),
        }
    }
    Ok(records)
}
