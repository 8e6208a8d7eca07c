//! Asking rspamd over HTTP (`POST /checkv2`; rspamd.com, "Rspamd protocol").

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use host::Clock;
use host::net::Net;
use host::web::exchange;
use http::header::{HOST, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;
use model::Mono;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{Action, Spam};

/// A question may take so long: as long as rspamd gives itself.
const LIMIT: Duration = Duration::from_secs(8);
/// Having not answered, it is left alone so long.
const PAUSE: Duration = Duration::from_secs(30);
/// Questions at once.
const AT_ONCE: usize = 16;
/// Its answer names each rule that matched; a longer one is not read.
const ANSWER_MOST: usize = 1 << 20;

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Our name for the message, which the filter's log shows.
    pub id: &'a str,
    /// The client that sent it.
    pub client: IpAddr,
    /// What that client calls itself.
    pub helo: &'a str,
    /// The sender, without brackets; empty if it is the null sender.
    pub sender: String,
    /// The recipients.
    pub recipients: Vec<String>,
    /// The message as it was received, before any field of ours.
    pub message: Bytes,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("it cannot be reached")]
    Unreachable(#[from] std::io::Error),
    #[error("it took longer than {} s", LIMIT.as_secs())]
    Late,
    #[error("its answer")]
    Exchange(#[from] host::web::ExchangeError),
    #[error("it answered {0}; is this rspamd's normal worker (port 11333)?")]
    Status(StatusCode),
    #[error("its answer is not of rspamd")]
    Words(#[from] serde_json::Error),
    #[error("the question cannot be written")]
    Question(#[from] http::Error),
}

/// One rspamd. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rspamd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    net: Net,
    clock: Clock,
    /// When it may be asked again after it did not answer.
    again: Mutex<Option<Mono>>,
    turns: Semaphore,
}

impl Rspamd {
    /// The rspamd at `address`.
    pub fn new(address: SocketAddr, net: Net, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            address,
            net,
            clock,
            again: Mutex::new(None),
            turns: Semaphore::new(AT_ONCE),
        }))
    }

    /// What it says; `None` if it does not answer now, or has too much to do. Takes 8 s at most.
    pub async fn ask(&self, question: Question<'_>) -> Option<Spam> {
        let now = self.0.clock.now().mono;
        if self.again().is_some_and(|again| now < again) {
            return None;
        }
        // Whoever finds no turn goes on without: nothing queues up behind a slow filter.
        let _turn = self.0.turns.try_acquire().ok()?;
        let asked = Box::pin(self.exchange(&question));
        let answered = tokio::time::timeout(LIMIT, asked).await;
        match answered.unwrap_or(Err(Unknown::Late)) {
            Ok(spam) => {
                *self.again() = None;
                spam
            }
            Err(error) => {
                let now = self.0.clock.now().mono;
                if self.again().replace(now.after(PAUSE)).is_none() {
                    tracing::warn!(error = %host::chain(&error), "rspamd does not answer; mail goes on without it");
                }
                None
            }
        }
    }

    fn again(&self) -> std::sync::MutexGuard<'_, Option<Mono>> {
        self.0.again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Option<Spam>, Unknown> {
        let stream = self.0.net.connect(self.0.address).await?;
        let request = written(question, self.0.address)?;
        let answered = exchange(stream, request, ANSWER_MOST).await?;
        if answered.status != StatusCode::OK {
            return Err(Unknown::Status(answered.status));
        }
        Ok(read(&answered.body)?)
    }
}

fn written(question: &Question<'_>, to: SocketAddr) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::post("/checkv2")
        .header(HOST, to.to_string())
        .header("IP", question.client.to_canonical().to_string());
    let recipients = question.recipients.iter().map(|one| ("Rcpt", one.as_str()));
    let rest = [
        ("Helo", question.helo),
        ("From", question.sender.as_str()),
        ("Queue-Id", question.id),
    ];
    for (name, value) in rest.into_iter().chain(recipients) {
        // What is no value of a header is left out; it is a hint only.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            request = request.header(name, value);
        }
    }
    request.body(Full::new(question.message.clone()))
}

/// The part of the answer that is of use.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    is_skipped: bool,
    action: String,
    score: f64,
    required_score: f64,
}

/// `None` if it looked away on purpose.
fn read(body: &[u8]) -> Result<Option<Spam>, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(body)?;
    let action = match answer.action.as_str() {
        "no action" => Action::Nothing,
        "greylist" => Action::Greylist,
        "add header" => Action::AddHeader,
        "rewrite subject" => Action::RewriteSubject,
        "soft reject" => Action::SoftReject,
        "reject" => Action::Reject,
        _ => Action::Other,
    };
    let spam = Spam {
        action,
        score: hundredths(answer.score),
        required: hundredths(answer.required_score),
    };
    // A message that matches a test pattern is skipped as well, and has an action.
    let silent = answer.is_skipped && action == Action::Nothing;
    Ok((!silent).then_some(spam))
}

#[allow(clippy::cast_possible_truncation, reason = "clamped before")]
fn hundredths(score: f64) -> i32 {
    (score * 100.0).round().clamp(-1e9, 1e9) as i32
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SPAM: &str = r#"{"is_skipped":false,"score":23.449,"required_score":15.0,"action":"reject",
        "thresholds":{"reject":15.0},"symbols":{"GTUBE":{"name":"GTUBE","score":0.0}},"message-id":"a@b"}"#;

    fn question(message: &'static str) -> Question<'static> {
        Question {
            id: "1-abc",
            client: "::ffff:203.0.113.9".parse().unwrap(),
            helo: "client.test",
            sender: String::new(),
            recipients: vec!["anna@verein.test".into(), "j\u{fc}rgen@verein.test".into()],
            message: Bytes::from_static(message.as_bytes()),
        }
    }

    /// Answers each question with what is said; gives what was asked.
    async fn filter(said: Vec<&'static str>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = async move {
            let mut asked = Vec::new();
            for words in said {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\r\n\r\nmessage") {
                    assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
                }
                asked.push(String::from_utf8_lossy(&bytes).into_owned());
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", words.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(words.as_bytes()).await.unwrap();
            }
            asked
        };
        #[allow(clippy::disallowed_methods)]
        (address, tokio::spawn(serving))
    }

    #[tokio::test]
    async fn it_is_told_who_sent_what_to_whom() {
        let (address, asked) = filter(vec![SPAM]).await;
        let rspamd = Rspamd::new(address, Net::default(), Clock::system());
        let spam = rspamd.ask(question("message")).await.unwrap();
        assert_eq!(
            (spam.action, spam.score, spam.required),
            (Action::Reject, 2345, 1500)
        );
        let asked = asked.await.unwrap().remove(0).to_ascii_lowercase();
        assert!(asked.starts_with("post /checkv2 http/1.1\r\n"), "{asked}");
        for field in [
            "ip: 203.0.113.9\r\n",
            "helo: client.test\r\n",
            "from: \r\n",
            "rcpt: anna@verein.test\r\n",
            "rcpt: j\u{fc}rgen@verein.test\r\n",
            "queue-id: 1-abc\r\n",
            "content-length: 7\r\n",
        ] {
            assert!(asked.contains(field), "{field}: {asked}");
        }
    }

    #[tokio::test]
    async fn a_filter_that_fails_is_left_alone_for_a_while() {
        let skipped = r#"{"is_skipped":true,"score":0,"required_score":15,"action":"no action"}"#;
        let (address, asked) = filter(vec![skipped, "<html>", SPAM]).await;
        let rspamd = Rspamd::new(address, Net::default(), Clock::system());
        assert_eq!(
            rspamd.ask(question("message")).await,
            None,
            "it looked away"
        );
        assert_eq!(rspamd.ask(question("message")).await, None, "not of rspamd");
        // Nobody is asked: the next answer is for the one after the pause.
        assert_eq!(rspamd.ask(question("message")).await, None);
        tokio::time::pause();
        tokio::time::advance(PAUSE).await;
        tokio::time::resume();
        assert!(rspamd.ask(question("message")).await.is_some());
        assert_eq!(asked.await.unwrap().len(), 3);
        // Now nobody listens any more.
        assert_eq!(rspamd.ask(question("message")).await, None);
    }

    #[test]
    fn answers_of_any_kind_are_read_without_panic() {
        let read = |words: &str| read(words.as_bytes());
        assert!(read("{}").is_err() && read("[]").is_err() && read("").is_err());
        let answer = |score: &str, action: &str| {
            format!(r#"{{"score":{score},"required_score":1e300,"action":"{action}"}}"#)
        };
        let spam = read(&answer("-1e300", "discard")).unwrap().unwrap();
        assert_eq!(spam.action, Action::Other);
        assert_eq!((spam.score, spam.required), (-1_000_000_000, 1_000_000_000));
        for (words, action) in [
            ("no action", Action::Nothing),
            ("greylist", Action::Greylist),
            ("add header", Action::AddHeader),
            ("rewrite subject", Action::RewriteSubject),
            ("soft reject", Action::SoftReject),
        ] {
            assert_eq!(read(&answer("1.5", words)).unwrap().unwrap().action, action);
        }
    }

    #[test]
    fn a_test_pattern_is_skipped_and_refused() {
        // As rspamd 3.4 answers to GTUBE.
        let words = br#"{"is_skipped":true,"score":15.0,"required_score":15.0,"action":"reject",
            "symbols":{"GTUBE":{"name":"GTUBE","score":0.0,"metric_score":0.0}},
            "messages":{"smtp_message":"Gtube pattern"},"message-id":"undef","time_real":0.127460}"#;
        assert_eq!(read(words).unwrap().unwrap().action, Action::Reject);
    }

    #[test]
    fn what_is_no_header_value_is_left_out() {
        let mut question = question("message");
        question.helo = "a\r\nRcpt: b";
        let request = written(&question, "127.0.0.1:1".parse().unwrap()).unwrap();
        assert!(request.headers().get("Helo").is_none());
        assert_eq!(request.headers().get_all("Rcpt").iter().count(), 2);
    }
}
