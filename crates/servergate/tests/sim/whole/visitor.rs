//! Somebody who asks for a page every second, and writes down what came.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::A;
use host::Tasks;
use host::net::{Net, within};
use host::tls::ClientTls;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::land::{PRIMARY, STANDBY, STEERED};
use super::primary::{HOST, Pages};

/// From page to page.
const EVERY: Duration = Duration::from_secs(1);
/// A page that takes longer is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// One visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// When it began.
    pub(super) at: Duration,
    /// How long it took.
    pub(super) took: Duration,
    /// Which page.
    pub(super) path: &'static str,
    /// What came of it.
    pub(super) outcome: Outcome,
}

/// What came of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A page.
    Page {
        /// Where it came from.
        from: IpAddr,
        /// Its status.
        status: u16,
        /// Whether it is byte for byte as the primary's.
        same: bool,
        /// What the standby says of itself: that it is from the copy.
        copy: Option<String>,
    },
    /// None.
    Failed(std::io::ErrorKind),
}

impl Visit {
    /// Whether the visitor got what they came for.
    pub(super) fn is_good(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Page {
                status: 200,
                same: true,
                ..
            }
        )
    }

    /// Whether the standby answered.
    pub(super) fn is_from(&self, address: Ipv4Addr) -> bool {
        matches!(self.outcome, Outcome::Page { from, .. } if from == IpAddr::V4(address))
    }

    /// Whether the page came from the copy.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self.outcome, Outcome::Page { copy: Some(_), .. })
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            took,
            path,
            outcome,
        } = self;
        write!(f, "{at:?} {path} {took:?} {outcome:?}")
    }
}

/// What a visitor wrote down. Cheap to clone.
pub(super) type Diary = Arc<Mutex<Vec<Visit>>>;

/// How a visitor finds the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finds {
    /// Asks for the name, and keeps the answer for as long as its TTL says.
    ByName,
    /// Has an old answer that leads to the standby, for good.
    AtTheStandby,
}

/// Visits page after page until it is `late`.
pub(super) async fn browse(
    finds: Finds,
    late: watch::Receiver<bool>,
    folder: impl AsRef<Path>,
    pages: Pages,
    diary: Diary,
) -> turmoil::Result {
    let tasks = Tasks::simulated();
    let authority = folder.as_ref().join("ca.pem");
    let visitor = Arc::new(Visitor {
        finds,
        tls: ClientTls::new(Some(&authority))?.offering(&[b"http/1.1"]),
        tasks: tasks.clone(),
        known: tokio::sync::Mutex::default(),
    });
    // The simulation moves this clock.
    let mut beat = tokio::time::interval(EVERY);
    for path in pages.paths().into_iter().cycle() {
        if *late.borrow() {
            break;
        }
        let (visitor, pages, diary) = (Arc::clone(&visitor), pages.clone(), Arc::clone(&diary));
        tasks.spawn("visit", async move {
            let at = turmoil::elapsed();
            let outcome = match within(PATIENCE, visitor.visit(path, &pages)).await {
                Ok(page) => page,
                Err(error) => Outcome::Failed(error.kind()),
            };
            let took = turmoil::elapsed() - at;
            let visit = Visit {
                at,
                took,
                path,
                outcome,
            };
            diary.lock().expect("nobody panicked").push(visit);
        });
        beat.tick().await;
    }
    Ok(())
}

struct Visitor {
    finds: Finds,
    tls: ClientTls,
    tasks: Tasks,
    /// Where the name leads, and until when that may be believed.
    known: tokio::sync::Mutex<Option<(Ipv4Addr, Duration)>>,
}

impl Visitor {
    async fn visit(&self, path: &str, pages: &Pages) -> std::io::Result<Outcome> {
        let address = match self.finds {
            Finds::ByName => self.resolve().await?,
            Finds::AtTheStandby => STANDBY,
        };
        let stream = Net::Simulated.connect((address, 443).into()).await?;
        let stream = self.tls.connect(HOST, stream).await?;
        let shaken = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(std::io::Error::other)?;
        self.tasks.spawn("visitor's connection", connection);
        let request = Request::get(path).header(header::HOST, HOST);
        let request = request.body(Empty::new()).map_err(std::io::Error::other)?;
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(std::io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?;
        let copy = head.headers.get("x-servergate");
        Ok(Outcome::Page {
            from: address.into(),
            status: head.status.as_u16(),
            same: Some(&body.to_bytes()) == pages.body(path),
            copy: copy.map(|copy| String::from_utf8_lossy(copy.as_bytes()).into_owned()),
        })
    }

    async fn resolve(&self) -> std::io::Result<Ipv4Addr> {
        let mut known = self.known.lock().await;
        if let Some((address, until)) = *known
            && turmoil::elapsed() < until
        {
            return Ok(address);
        }
        let (address, ttl) = ask().await?;
        *known = Some((address, turmoil::elapsed() + ttl));
        Ok(address)
    }
}

/// Asks the standby for the steered name, over TCP (RFC 7766).
async fn ask() -> std::io::Result<(Ipv4Addr, Duration)> {
    let wrong = |what: &'static str| std::io::Error::other(what);
    let name: Name<Vec<u8>> = STEERED.parse().map_err(|_| wrong("not a name"))?;
    let mut question = MessageBuilder::new_vec().question();
    let pushed = question.push((&name, Rtype::A));
    pushed.map_err(|_| wrong("not a question"))?;
    let question = question.finish();
    let mut framed = u16::try_from(question.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    framed.extend_from_slice(&question);
    let at = SocketAddr::from((STANDBY, 53));
    let mut stream = Net::Simulated.connect(at).await?;
    stream.write_all(&framed).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_octets(answer).map_err(|_| wrong("not an answer"))?;
    let records = answer.answer().map_err(|_| wrong("a broken answer"))?;
    let mut addresses = records.limit_to::<A>().flatten();
    let record = addresses.next().ok_or_else(|| wrong("no address"))?;
    let ttl = Duration::from_secs(record.ttl().as_secs().into());
    let address = record.data().addr();
    if address != STANDBY && address != PRIMARY {
        return Err(wrong("an address of nobody we know"));
    }
    Ok((address, ttl))
}
