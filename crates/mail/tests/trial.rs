//! The primary is tried out before it matters, and gets no message by it.

use mail::client::Lost;
use mail::client::caller::CallError;
use mail::trial::TrialError;

use crate::primary::{Primary, Script, nobody};
use crate::stage::{Phase, Set, Stage};

#[tokio::test]
async fn its_answers_are_told_apart() {
    let primary = Primary::start(Script {
        offers: vec!["XCLIENT NAME ADDR PORT PROTO HELO", "SIZE 1000"],
        recipients: vec![
            (
                "postmaster@servergate-trial.invalid",
                "554 5.7.1 No relaying",
            ),
            ("postmaster@", "250 2.1.5 Fine"),
            ("@verein.test", "550 5.1.1 Nobody"),
        ],
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let trial = stage.handle.trial().await.unwrap();
    assert!(!trial.smtputf8);
    assert!(trial.xclient, "{trial:?}");
    assert_eq!((trial.size, trial.sender.code()), (Some(1000), 250));
    let code = |reply: &Option<mail::wire::reply::Reply>| reply.as_ref().map(|one| one.code());
    assert_eq!(code(&trial.postmaster), Some(250));
    assert_eq!(code(&trial.unknown), Some(550));
    assert_eq!(code(&trial.relay), Some(554));
    assert_eq!(primary.messages().len(), 0);
    // Nothing is learned from it.
    assert_eq!(stage.handle.people().unwrap().learned, 0);
}

#[tokio::test]
async fn one_that_is_not_there_is_an_error() {
    let stage = Stage::open(Set::new(nobody()), Phase::Standby).await;
    let error = stage.handle.trial().await.unwrap_err();
    assert!(
        matches!(error, TrialError::Call(CallError::Unreachable(_))),
        "{error}"
    );

    let primary = Primary::start(Script {
        gone_at: Some("RCPT"),
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let error = stage.handle.trial().await.unwrap_err();
    let lost = matches!(error, TrialError::Call(CallError::Lost(Lost::Closed)));
    assert!(lost, "{error}");
}
