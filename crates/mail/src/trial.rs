//! A trial of the primary before it matters: would it take what the standby hands back?
//!
//! It is told senders and recipients, and no message: after the answers comes RSET.

use std::time::Duration;

use crate::client::Verb;
use crate::client::caller::{CallError, Caller};
use crate::config::Protocol;
use crate::desk;
use crate::envelope::{Recipient, Sender};
use crate::office::Office;
use crate::post::Post;
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::Reply;

/// How long it may take; a person waits.
const LIMIT: Duration = Duration::from_secs(20);
/// RFC 6761 section 6.4: nobody's.
const ELSEWHERE: &str = "servergate-trial.invalid";

/// What the primary said.
#[derive(Clone, Debug)]
pub struct Trial {
    /// It lets the standby tell who the true client is.
    pub xclient: bool,
    /// It takes addresses in UTF-8.
    pub smtputf8: bool,
    /// The largest message it takes, if it says so.
    pub size: Option<u64>,
    /// To mail from nobody.
    pub sender: Reply,
    /// To mail for the postmaster, who exists everywhere (RFC 5321 section 4.5.1).
    pub postmaster: Option<Reply>,
    /// To mail for somebody whom it cannot have.
    pub unknown: Option<Reply>,
    /// To mail for somebody elsewhere.
    pub relay: Option<Reply>,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The primary could not be asked.
    #[error("{0}")]
    Call(CallError),
    /// It took too long.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Late,
}

/// Asks the primary.
pub(crate) async fn run(post: &Post, office: &Office) -> Result<Trial, TrialError> {
    match tokio::time::timeout(LIMIT, Box::pin(ask(post, office))).await {
        Ok(trial) => trial.map_err(TrialError::Call),
        Err(_) => Err(TrialError::Late),
    }
}

async fn ask(post: &Post, office: &Office) -> Result<Trial, CallError> {
    let mut caller = desk::call(post, office, None).await?;
    let can = caller.capabilities().clone();
    let nobody = Sender {
        path: ReversePath::Null,
        eight_bit: false,
        utf8: false,
        ret: None,
        envid: None,
    };
    caller.send_mail(&nobody, None).await?;
    let sender = caller.reply(Verb::Mail).await?;
    let domain = office.config.domains.first().map_or("", String::as_str);
    let stranger = post.new_id();
    let mut trial = Trial {
        xclient: !can.xclient.is_empty(),
        smtputf8: can.smtputf8,
        size: can.size,
        sender,
        postmaster: None,
        unknown: None,
        relay: None,
    };
    if trial.sender.code() / 100 == 2 {
        trial.postmaster = recipient(&mut caller, "postmaster", domain).await?;
        trial.unknown = recipient(&mut caller, &stranger, domain).await?;
        // With LMTP there is no other domain (RFC 2033).
        if office.config.primary.protocol == Protocol::Smtp {
            trial.relay = recipient(&mut caller, "postmaster", ELSEWHERE).await?;
        }
        caller.send_verb(Verb::Reset).await?;
        caller.reply(Verb::Reset).await?;
    }
    caller.quit().await;
    Ok(trial)
}

async fn recipient(
    caller: &mut Caller,
    local: &str,
    domain: &str,
) -> Result<Option<Reply>, CallError> {
    let Some(mailbox) = Mailbox::parse(&format!("{local}@{domain}")) else {
        return Ok(None);
    };
    let recipient = Recipient {
        mailbox,
        notify: None,
        orcpt: None,
    };
    caller.send_rcpt(&recipient).await?;
    caller.reply(Verb::Rcpt).await.map(Some)
}
