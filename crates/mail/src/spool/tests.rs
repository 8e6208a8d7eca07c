//! What is kept, settled, and remembered when the store takes no more.

use model::OrganisationId;
use store::Store;

use super::*;
use crate::envelope::{Client, Recipient, Sender};
use crate::testing::{options, unlocked_store};
use crate::wire::path::{Mailbox, ReversePath};

fn spool(store: &Store) -> Spool {
    Spool::open(store.clone(), OrganisationId::new("verein.test"), None).unwrap()
}

fn envelope(recipients: &[&str]) -> Envelope {
    let recipient = |text: &&str| Recipient {
        mailbox: Mailbox::parse(text).unwrap(),
        notify: None,
        orcpt: None,
    };
    Envelope {
        client: Client {
            address: "192.0.2.1:4711".parse().unwrap(),
            helo: "client.test".to_owned(),
            esmtp: true,
            tls: None,
        },
        sender: Sender {
            path: ReversePath::Null,
            eight_bit: false,
            utf8: false,
            ret: None,
            envid: None,
        },
        recipients: recipients.iter().map(recipient).collect(),
    }
}

pub(super) async fn keep(spool: &Spool, id: &str, body: &[u8]) -> u64 {
    let mut draft = Draft::new(Vec::new());
    for piece in body.chunks(100_000) {
        spool.add(&mut draft, piece, INLINE).unwrap();
    }
    let to = envelope(&["anna@verein.test", "bert@verein.test"]);
    let kept = spool.keep(Timestamp::from_millis(1), id.to_owned(), to, draft);
    kept.await.unwrap().receipt.positions()[0].number()
}

fn all_of(message: &Message) -> Vec<u8> {
    match &message.body {
        MessageBody::Inline(bytes) => bytes.to_vec(),
        MessageBody::Blob(blob) => blob.read_all().unwrap(),
    }
}

#[tokio::test]
async fn small_and_large_are_there_after_a_restart_and_gone_once_handed_back() {
    let dir = tempfile::tempdir().unwrap();
    let large = vec![b'x'; 3 * INLINE];
    let (one, two) = {
        let store = unlocked_store(dir.path(), options());
        let spool = spool(&store);
        (
            keep(&spool, "a", b"small").await,
            keep(&spool, "b", &large).await,
        )
    };
    let store = unlocked_store(dir.path(), options());
    let spool = spool(&store);
    assert_eq!(spool.waiting(0, 9), [one, two]);
    assert_eq!(all_of(&spool.read(one).unwrap()), b"small");
    let message = spool.read(two).unwrap();
    assert_eq!(all_of(&message), large);

    let mut row = spool.row(two).unwrap();
    let mut account = Account::begin(&message.meta);
    row.fates = vec![Fate::HandedBack, Fate::Waiting];
    account.lines[0].fate = Fate::HandedBack;
    spool.settle(two, &row, &account).await.unwrap();
    assert_eq!(spool.row(two).unwrap(), row);
    row.fates[1] = Fate::HandedBack;
    account.lines[1].fate = Fate::HandedBack;
    spool.settle(two, &row, &account).await.unwrap();
    assert!(matches!(spool.read(two), Err(SpoolError::Gone(_))));
    assert_eq!(spool.waiting(0, 9), [one]);
    assert_eq!(spool.account(two).unwrap().unwrap(), account);
    assert_eq!(spool.count_accounts().unwrap(), 1);
}

#[tokio::test]
async fn what_the_store_does_not_take_is_not_handed_back_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let spool = spool(&store);
    let one = keep(&spool, "a", b"small").await;
    let account = Account::begin(&spool.read(one).unwrap().meta);
    let mut row = spool.row(one).unwrap();
    row.fates.fill(Fate::HandedBack);
    store.clone().close();
    assert!(spool.settle(one, &row, &account).await.is_err());
    assert_eq!(spool.waiting(0, 9), [] as [u64; 0]);
    assert!(
        spool.settle_again().await.is_err(),
        "still not written, still not forgotten"
    );
    assert!(spool.settle_again().await.is_err());
}

#[tokio::test]
async fn a_quota_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let organisation = OrganisationId::new("verein.test");
    let spool = Spool::open(store, organisation, Some(1000)).unwrap();
    spool.room(1000).unwrap();
    keep(&spool, "a", &[b'x'; 600]).await;
    spool.room(400).unwrap();
    assert!(matches!(spool.room(401), Err(KeepError::NoRoom)));
}

#[tokio::test]
async fn messages_that_come_in_count_in_the_quota_until_they_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let organisation = OrganisationId::new("verein.test");
    let spool = Spool::open(store, organisation, Some(1000)).unwrap();
    let mut drafts: Vec<_> = (0..9).map(|_| Draft::new(vec![b'h'; 10])).collect();
    for draft in &mut drafts {
        spool.add(draft, &[b'x'; 90], 50).unwrap();
    }
    assert!(matches!(spool.room(101), Err(KeepError::NoRoom)));
    let mut one_more = Draft::new(Vec::new());
    spool.add(&mut one_more, &[b'x'; 100], 50).unwrap();
    let refused = spool.add(&mut one_more, b"x", 50);
    assert!(matches!(refused, Err(KeepError::NoRoom)), "{refused:?}");
    drop(one_more);
    drop(drafts.pop());
    spool.room(200).unwrap();
    // What is kept is counted once.
    keep(&spool, "a", &[b'x'; 100]).await;
    spool.room(100).unwrap();
    assert!(spool.room(101).is_err());
    drop(drafts);
    spool.room(900).unwrap();
}
