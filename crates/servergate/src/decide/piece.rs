//! What is written at once of what was decided: a batch has a limit in bytes, and after a day on a
//! dead disk much waits.

use model::RecordSpec;
use store::Batch;

use super::record::record_log;
use super::task::{encode, machine_key};
use super::unwritten::Unwritten;

/// A piece is full with so many bytes: half of what the store takes in one batch, so that one more
/// entry always fits.
const FULL: usize = 4 << 20;

/// The first of what waits: machines as they are, then records in order.
pub(super) struct Piece {
    pub(super) batch: Batch,
    /// How many of each.
    pub(super) machines: usize,
    pub(super) records: usize,
    bytes: usize,
}

impl Piece {
    /// Nearly always it is all of it.
    pub(super) fn of(unwritten: &Unwritten) -> Self {
        let mut piece = Self {
            // A full disk must not keep anybody from standing by: decisions are few and small.
            batch: Batch::new().from_the_reserve(),
            machines: 0,
            records: 0,
            bytes: 0,
        };
        for (service, saved) in unwritten.machines() {
            if piece.bytes >= FULL {
                return piece;
            }
            let value = encode(saved);
            piece.bytes += value.len();
            piece.machines += 1;
            piece.batch = piece.batch.put(machine_key(service), value);
        }
        for record in unwritten.records() {
            if piece.bytes >= FULL {
                return piece;
            }
            let value = encode(&RecordSpec::V1(record.clone()));
            piece.bytes += value.len();
            piece.records += 1;
            piece.batch = piece.batch.append(&record_log(), value);
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use model::{Fact, PlaceId, Record, Timestamp};
    use store::{Committer, Options, Position, Store};

    use super::*;

    #[tokio::test]
    async fn however_much_waits_each_piece_is_taken_and_nothing_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            committer: Committer::Inline,
            ballast_bytes: 0,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        let record = |number: usize| Record {
            at: Timestamp::from_millis(i64::try_from(number).unwrap()),
            place: PlaceId::new("oslo"),
            fact: Fact::Started {
                version: "v".repeat(100_000),
            },
        };
        let mut unwritten = Unwritten::default();
        unwritten.add(Vec::new(), (0..150).map(record).collect());
        let mut pieces = 0;
        while !unwritten.is_empty() {
            let piece = Piece::of(&unwritten);
            store.commit(piece.batch).await.unwrap();
            unwritten.hand_over(piece.machines, piece.records);
            unwritten.written();
            pieces += 1;
        }
        assert!(pieces > 1);
        let kept = store.read(&record_log(), Position::START, 1000).unwrap();
        let at = |bytes: &[u8]| {
            let RecordSpec::V1(record) = serde_json::from_slice(bytes).unwrap();
            record.at.millis()
        };
        let order: Vec<i64> = kept.iter().map(|entry| at(&entry.bytes)).collect();
        assert_eq!(order, (0..150).collect::<Vec<i64>>());
    }
}
