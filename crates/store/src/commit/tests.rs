//! A disk that does not answer, stood for by a lock that the committer waits for.

use crate::{Batch, CommitError, Key, LogName, Options, Position, Store, Table};

const TABLE: Table = Table::new("silence");

fn log() -> LogName {
    LogName::new("silence")
}

fn say(words: &str) -> Batch {
    Batch::new().append(&log(), words)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_silent_disk_is_refused_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        reserve_bytes: 0,
        ballast_bytes: 0,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).unwrap();
    let blob = store.blobs().put(b"body").unwrap();
    let blobs = store.blobs().clone();
    // A batch with a link waits for the gate, as for a disk.
    let gate = blobs.gate();
    let key = Key::new(TABLE, &["one"]);
    let under_way = say("under way").put(key.clone(), "").link(blob, key);
    let commits = async {
        tokio::join!(
            store.commit(under_way),
            async {
                while store.stats().waiting == 0 {
                    tokio::task::yield_now().await;
                }
                store.commit(say("mail")).await
            },
            async {
                while store.stats().waiting < 2 {
                    tokio::task::yield_now().await;
                }
                store.commit(say("decision").from_the_reserve()).await
            },
        )
    };
    let looks = async {
        while store.stats().waiting < 3 {
            tokio::task::yield_now().await;
        }
        while !store.stats().silent {
            store.look_at_the_disk();
        }
        let refused = store.commit(say("later")).await;
        assert!(matches!(refused, Err(CommitError::Silent)), "{refused:?}");
        assert!(matches!(store.has_room(), Err(CommitError::Silent)));
        // What waited is told before the disk answers.
        while store.stats().refused < 2 {
            tokio::task::yield_now().await;
        }
        drop(gate);
    };
    let ((first, mail, decision), ()) = tokio::join!(commits, looks);
    first.unwrap();
    decision.unwrap();
    assert!(matches!(mail, Err(CommitError::Silent)), "{mail:?}");
    assert!(!store.stats().silent);
    store.commit(say("again")).await.unwrap();
    let kept = store.read(&log(), Position::START, 9).unwrap();
    let kept: Vec<_> = kept.into_iter().map(|entry| entry.bytes).collect();
    assert_eq!(kept, [&b"under way"[..], b"decision", b"again"]);
}
