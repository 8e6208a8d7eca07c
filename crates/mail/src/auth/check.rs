//! Checks one message: SPF (RFC 7208), DKIM (RFC 6376, RFC 8463), DMARC (RFC 9989).
//!
//! All within a given time: what is not known by then is `temperror`, and the rest stands.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mail_auth::common::crypto::CryptoError;
use mail_auth::common::to_a_label;
use mail_auth::dkim::DkimError;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcOutput, DmarcResult, DnsError, Error,
    SpfOutput, SpfResult, dmarc,
};
use tokio::time::timeout;

use super::message::Examined;
use super::resolver::Resolver;
use super::verdict::{Dkim, Dmarc, Heard, Identity, Outcome, Policy, Spf, Verdicts};

/// How long the checks of one message may take, unless told otherwise.
pub const LIMIT: Duration = Duration::from_secs(2);

/// What is checked: a message and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The client that sent it.
    pub client: IpAddr,
    /// What that client calls itself.
    pub helo: &'a str,
    /// The sender, without brackets; `None` if it is the null sender.
    pub mail_from: Option<&'a str>,
    /// The message as it was received, before any field of ours.
    pub message: &'a [u8],
}

/// Checks messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Checker {
    resolver: Resolver,
    authserv_id: Arc<str>,
}

/// Which name SPF looks at, and with which sender.
struct Sender<'a> {
    identity: Identity,
    domain: Cow<'a, str>,
    /// The whole address for macros (RFC 7208 §7.2), the domain in A-labels.
    address: Cow<'a, str>,
}

impl Checker {
    /// Checks with what `resolver` answers, in the name of `authserv_id` (RFC 8601 §2.2), which
    /// SPF macros call the receiving host.
    pub fn new(resolver: Resolver, authserv_id: &str) -> Self {
        Self {
            resolver,
            authserv_id: authserv_id.into(),
        }
    }

    /// Checks `subject` and takes no longer than `limit` (see [`LIMIT`]), beside the time to hash
    /// the message. Cancel-safe.
    pub async fn check(&self, subject: Subject<'_>, limit: Duration) -> Verdicts {
        // The rest is kept for DMARC, which needs what the others found.
        let first = limit.mul_f32(0.75);
        let rest = limit.saturating_sub(first);
        let examined = Examined::whole(subject.message);
        let sender = Sender::of(&subject);
        let (spf, signed) = tokio::join!(
            Box::pin(self.spf(&subject, &sender, first)),
            Box::pin(self.dkim(&examined.signed, first)),
        );
        let unheard = spf == Some(SpfResult::TempError)
            || signed
                .iter()
                .any(|dkim| outcome(dkim).0 == Outcome::TempError);
        let (dmarc, silent) = tokio::join!(
            Box::pin(self.dmarc(&examined, &sender, spf, &signed, rest)),
            async { unheard && !self.resolver.answers(rest).await },
        );
        let asked = spf.is_some() || !signed.is_empty() || !dmarc.domain.is_empty();
        let heard = match (asked, silent) {
            (false, _) => Heard::NotAsked,
            (true, true) => Heard::Silent,
            // Only DMARC found no answer: another check will tell.
            (true, false) if !unheard && dmarc.result == Outcome::TempError => Heard::NotAsked,
            (true, false) => Heard::Answered,
        };
        let verified = signed.iter().map(recorded);
        Verdicts {
            spf: sender.spf(spf.map_or(Outcome::None, spf_outcome)),
            dkim: examined.refused.iter().cloned().chain(verified).collect(),
            dmarc,
            spam: None,
            heard,
        }
    }

    /// `None` if there is no name to look at.
    async fn spf(
        &self,
        subject: &Subject<'_>,
        sender: &Sender<'_>,
        limit: Duration,
    ) -> Option<SpfResult> {
        if !is_host_name(&sender.domain) {
            return None;
        }
        let (client, host) = (subject.client.to_canonical(), &*self.authserv_id);
        let parameters = match sender.identity {
            Identity::Helo => SpfParameters::verify_ehlo(client, &sender.domain, host),
            Identity::MailFrom => {
                SpfParameters::verify_mail_from(client, subject.helo, host, &sender.address)
            }
        };
        let asking = async {
            let output = self.resolver.asker().verify_spf(parameters).await;
            // RFC 7208 §4.5: two records are an error, and the library takes the first.
            match output.result() {
                SpfResult::None | SpfResult::TempError | SpfResult::PermError => output.result(),
                _ if self.has_two_records(&sender.domain).await => SpfResult::PermError,
                result => result,
            }
        };
        let result = timeout(limit, Box::pin(asking)).await;
        Some(result.unwrap_or(SpfResult::TempError))
    }

    /// Answered from the resolver's memory, since SPF has just been asked for.
    async fn has_two_records(&self, domain: &str) -> bool {
        let is_spf = |text: &&String| {
            let version = text.split(' ').next().unwrap_or_default();
            version.eq_ignore_ascii_case("v=spf1")
        };
        let records = self.resolver.txt(domain).await.unwrap_or_default();
        records.iter().filter(is_spf).count() > 1
    }

    async fn dkim<'x>(
        &self,
        signed: &'x [AuthenticatedMessage<'x>],
        limit: Duration,
    ) -> Vec<DkimOutput<'x>> {
        let asker = self.resolver.asker();
        let verifying = signed.iter().map(|one| Box::pin(asker.verify_dkim(one)));
        let outputs = until(limit, verifying.collect()).await;
        let all = signed.iter().zip(outputs);
        all.filter_map(|(one, output)| match output {
            Some(outputs) => outputs.into_iter().next(),
            None => Some(unanswered(one)),
        })
        .collect()
    }

    async fn dmarc(
        &self,
        examined: &Examined<'_>,
        sender: &Sender<'_>,
        spf: Option<SpfResult>,
        signed: &[DkimOutput<'_>],
        limit: Duration,
    ) -> Dmarc {
        let Some(message) = &examined.message else {
            return without_author(examined);
        };
        let spf =
            SpfOutput::new(sender.domain.to_string()).with_result(spf.unwrap_or(SpfResult::None));
        let parameters = DmarcParameters::new(message, signed, &sender.domain, &spf);
        let asking = Box::pin(self.resolver.asker().verify_dmarc(parameters));
        let domain = examined.author_domain();
        match timeout(limit, asking).await {
            Ok(output) => Dmarc {
                result: dmarc_outcome(&output),
                policy: output.dmarc_record().map(|_| policy(output.policy())),
                domain,
            },
            Err(_) => Dmarc {
                result: Outcome::TempError,
                domain,
                policy: None,
            },
        }
    }
}

/// What is known of `subject` without asking anybody: `temperror`, for all that DNS would tell.
pub fn unknown(subject: &Subject<'_>) -> Verdicts {
    let examined = Examined::header(subject.message);
    let sender = Sender::of(subject);
    let open = |asked: bool| {
        if asked {
            Outcome::TempError
        } else {
            Outcome::None
        }
    };
    let signed: Vec<_> = examined.signed.iter().map(unanswered).collect();
    let domain = examined.author_domain();
    let dmarc = match &examined.message {
        None => without_author(&examined),
        Some(_) => Dmarc {
            result: open(!domain.is_empty()),
            domain,
            policy: None,
        },
    };
    let verified = signed.iter().map(recorded);
    Verdicts {
        spf: sender.spf(open(is_host_name(&sender.domain))),
        dkim: examined.refused.iter().cloned().chain(verified).collect(),
        dmarc,
        spam: None,
        heard: Heard::NotAsked,
    }
}

impl<'a> Sender<'a> {
    fn of(subject: &Subject<'a>) -> Self {
        let helo = || Self {
            // RFC 7208 §2.4: the null sender is postmaster at what HELO says.
            identity: Identity::Helo,
            domain: to_a_label(subject.helo),
            address: Cow::Borrowed(""),
        };
        let Some(address) = subject.mail_from.filter(|address| !address.is_empty()) else {
            return helo();
        };
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let domain = to_a_label(domain);
        Self {
            identity: Identity::MailFrom,
            address: Cow::Owned(format!("{local}@{domain}")),
            domain,
        }
    }

    fn spf(&self, result: Outcome) -> Spf {
        Spf {
            result,
            identity: self.identity,
            domain: self.domain.to_string(),
        }
    }
}

/// RFC 7208 §4.3: an address literal or a single label is no name to look at.
fn is_host_name(domain: &str) -> bool {
    let label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(good)
    };
    domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label)
}

/// DMARC of a message that does not say who wrote it, or too long-windedly.
fn without_author(examined: &Examined<'_>) -> Dmarc {
    let result = if examined.oversized {
        Outcome::PermError
    } else {
        Outcome::None
    };
    Dmarc {
        result,
        domain: String::new(),
        policy: None,
    }
}

fn unanswered<'x>(signed: &'x AuthenticatedMessage<'x>) -> DkimOutput<'x> {
    let output = DkimOutput::temp_err(Error::Dns(DnsError::Resolver(String::new())));
    match signed.dkim_headers.first() {
        Some(signature) => output.with_signature(&signature.header),
        None => output,
    }
}

fn recorded(output: &DkimOutput<'_>) -> Dkim {
    let (result, reason) = outcome(output);
    let (domain, selector) = output.signature().map_or_else(Default::default, |signed| {
        (signed.d.to_ascii_lowercase(), signed.s.clone())
    });
    Dkim {
        result,
        domain,
        selector,
        reason: reason.map(Cow::Borrowed),
    }
}

/// The result of a signature in the words of RFC 8601 §2.7.1, which are not the library's.
fn outcome(output: &DkimOutput<'_>) -> (Outcome, Option<&'static str>) {
    let (result, error) = match output.result() {
        DkimResult::Pass => return (Outcome::Pass, None),
        DkimResult::None => return (Outcome::None, None),
        DkimResult::TempError(_) => return (Outcome::TempError, Some("no answer about the key")),
        DkimResult::Neutral(error) => (Outcome::Neutral, error),
        DkimResult::Fail(error) => (Outcome::Fail, error),
        DkimResult::PermError(error) => (Outcome::PermError, error),
    };
    match error {
        // RFC 6376 §6.1.3: these failed, they are not unreadable.
        Error::Dkim(DkimError::FailedBodyHashMatch) => {
            (Outcome::Fail, Some("the body was changed"))
        }
        Error::Dkim(DkimError::SignatureExpired) => {
            (Outcome::Fail, Some("the signature has expired"))
        }
        Error::Crypto(CryptoError::IncompatibleAlgorithms) => {
            (Outcome::PermError, Some("the key is of another kind"))
        }
        Error::Crypto(_) => (result, Some("the signature does not match")),
        Error::Dkim(DkimError::FailedAuidMatch) => (result, Some("i= is not below d=")),
        Error::Dkim(DkimError::RevokedPublicKey) => (result, Some("the key was revoked")),
        Error::Dns(_) => (result, Some("there is no key")),
        _ => (result, Some("the signature or its key cannot be used")),
    }
}

fn spf_outcome(result: SpfResult) -> Outcome {
    match result {
        SpfResult::Pass => Outcome::Pass,
        SpfResult::Fail => Outcome::Fail,
        SpfResult::SoftFail => Outcome::SoftFail,
        SpfResult::Neutral => Outcome::Neutral,
        SpfResult::TempError => Outcome::TempError,
        SpfResult::PermError => Outcome::PermError,
        SpfResult::None => Outcome::None,
    }
}

fn dmarc_outcome(output: &DmarcOutput) -> Outcome {
    match output.result() {
        DmarcResult::Pass => Outcome::Pass,
        DmarcResult::Fail(_) => Outcome::Fail,
        DmarcResult::TempError(_) => Outcome::TempError,
        DmarcResult::PermError(_) => Outcome::PermError,
        DmarcResult::None => Outcome::None,
    }
}

fn policy(policy: dmarc::Policy) -> Policy {
    match policy {
        dmarc::Policy::Reject => Policy::Reject,
        dmarc::Policy::Quarantine => Policy::Quarantine,
        dmarc::Policy::None | dmarc::Policy::Unspecified => Policy::None,
    }
}

/// Runs all of `futures` at once and gives the outputs of those that are ready within `limit`.
async fn until<F: Future>(limit: Duration, futures: Vec<Pin<Box<F>>>) -> Vec<Option<F::Output>> {
    let mut futures = futures;
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    let all = std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(done) => *output = Some(done),
                Poll::Pending => ready = false,
            }
        }
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    // Too late is no error: what is there is there.
    let _ = timeout(limit, all).await;
    outputs
}
