//! Conversations as transcripts (`tests/transcripts/server-*.txt`).

use std::path::Path;
use std::sync::Arc;

use host::session::transcript::{Ours, Script, Scripted, play_folder};
use store::{Batch, Committer, Key, Options, Store, Table};

use super::{Answer, Inbound, Question, Terms};
use crate::spool::Kept;
use crate::wire::reply::Reply;

/// The surroundings: what each question is answered with stands in the transcript.
struct Surroundings {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Surroundings {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            committer: Committer::Inline,
            ..Options::default()
        };
        let store = Store::open(dir.path(), options).unwrap();
        Self { store, _dir: dir }
    }

    /// A receipt, which only a store can give.
    fn kept(&self, id: &str) -> Answer {
        let batch = Batch::new().put(Key::new(Table::new("test"), &[id]), Vec::new());
        let mut committing = Box::pin(self.store.commit(batch));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let std::task::Poll::Ready(receipt) = committing.as_mut().poll(&mut context) else {
            panic!("an inline commit is done at once")
        };
        Answer::Kept(Kept {
            receipt: receipt.unwrap(),
            id: id.to_owned(),
        })
    }
}

impl Script<Inbound> for Surroundings {
    fn show(&self, question: &Question) -> String {
        match question {
            Question::Begin {
                sender,
                size,
                further,
                ..
            } => {
                let size = size.map_or(String::new(), |size| format!(" size {size}"));
                let utf8 = if sender.utf8 { " utf8" } else { "" };
                let further: String = further.iter().map(|one| format!(" {one}")).collect();
                format!("Begin(<{}>{size}{utf8}{further})", sender.path)
            }
            Question::Recipient(recipient, further) => {
                let further: String = further.iter().map(|one| format!(" {one}")).collect();
                format!("Recipient({}{further})", recipient.mailbox)
            }
            Question::Body => "Body".to_owned(),
            Question::Piece(piece) => format!("Piece({} bytes)", piece.len()),
            Question::End(rest) => format!("End({:?})", String::from_utf8_lossy(rest)),
            Question::Abort => "Abort".to_owned(),
            Question::Stay => "Stay".to_owned(),
        }
    }

    fn answer(&mut self, _: &Question, said: Option<&str>) -> Scripted<Answer> {
        let said = said.unwrap_or("go");
        Scripted::Answer(match said.split_once(' ') {
            Some(("kept", id)) => self.kept(id),
            _ => match said {
                "go" => Answer::Go,
                "stay" => Answer::Stay(true),
                "leave" => Answer::Stay(false),
                "unknown" => Answer::Say(Reply::fixed(550, (5, 1, 1), "No such recipient here")),
                "later" => Answer::Say(Reply::fixed(451, (4, 3, 0), "Try again later")),
                "passed" => Answer::Say(Reply::fixed(250, (2, 0, 0), "queued by the primary")),
                other => panic!("no answer is called {other:?}"),
            },
        })
    }
}

#[test]
fn every_conversation_goes_as_its_transcript_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let address = "192.0.2.1:4711".parse().unwrap();
    let make = |name: &str| {
        let mut terms = Terms::new("mx.test".to_owned(), true, 1000);
        terms.recipients = 3;
        if name.ends_with("plain") {
            terms.starttls = false;
        }
        terms.mistakes = 3;
        terms.strangers = 3;
        terms.idle = 12;
        (Inbound::new(Arc::new(terms), address), Surroundings::new())
    };
    let played = play_folder(&folder, "server-", Ours::Server, make).unwrap();
    assert!(played >= 8, "{played}");
}
