//! The HTTP probe: one page over HTTP/1.1 (RFC 9112), its status and its mark.
//!
//! What comes back is bounded: head, body and redirects. A redirect is followed only to a host
//! of the same organisation at the same address, and only while a mark is looked for.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use model::{Failure, Identity, Phase};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Stopwatch, Tools, Trust, fault, tcp};
use crate::target::HttpProbe;

/// How the prober introduces itself.
pub(crate) const USER_AGENT: &str = concat!(
    "Servergate/",
    env!("CARGO_PKG_VERSION"),
    " (+standby probe)"
);

/// How much of a page is looked at.
const BODY_MOST: usize = 256 * 1024;
/// How much head a server may send.
const HEAD_MOST: usize = 64 * 1024;
/// How many redirects are followed.
const REDIRECTS_MOST: usize = 3;

/// What is asked, with all that was prepared once.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) page: &'a HttpProbe,
    pub(super) mark: Option<&'a Mark>,
    pub(super) tolerant: bool,
    pub(super) trust: Option<&'a Trust>,
    pub(super) known: Option<&'a Identity>,
}

/// The mark that a right page bears, ready to be looked for.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    finders: Vec<Finder<'static>>,
    longest: usize,
}

impl Mark {
    /// Looked for in UTF-8, and in Latin-1 where the mark has letters that differ there.
    pub(super) fn new(text: &str) -> Self {
        let mut forms = vec![text.as_bytes().to_vec()];
        let latin: Option<Vec<u8>> = text
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).ok())
            .collect();
        if let Some(latin) = latin
            && !text.is_ascii()
        {
            forms.push(latin);
        }
        Self {
            longest: forms.iter().map(Vec::len).max().unwrap_or(0),
            finders: forms
                .iter()
                .map(|form| Finder::new(form).into_owned())
                .collect(),
        }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.finders
            .iter()
            .any(|finder| finder.find(bytes).is_some())
    }
}

/// One request: where, over what, for which host and path.
struct Hop {
    address: SocketAddr,
    tls: bool,
    host: String,
    /// As it stands in `Host`.
    authority: String,
    path: String,
}

impl Hop {
    fn first(page: &HttpProbe) -> Self {
        Self {
            address: page.address,
            tls: page.tls,
            host: page.host.clone(),
            authority: page.host.clone(),
            path: page.path.clone(),
        }
    }

    /// Where `location` leads, if it is a host of ours; the address stays the same.
    fn follow(&self, location: &str, hosts: &[String]) -> Option<Self> {
        let scheme = if self.tls { "https" } else { "http" };
        let base = format!("{scheme}://{}{}", self.authority, self.path);
        let url = url::Url::parse(&base).ok()?.join(location).ok()?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = url.host_str()?;
        if !hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)) {
            return None;
        }
        // The primary may listen at an unusual port that no redirect names: stay there as long
        // as scheme and port are those we came with.
        let port = match url.port() {
            Some(port) => port,
            None if tls == self.tls => self.address.port(),
            None => url.port_or_known_default()?,
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Some(Self {
            address: SocketAddr::new(self.address.ip(), port),
            tls,
            host: host.to_owned(),
            authority,
            path,
        })
    }
}

/// Asks for the page, following redirects; gives who answered, where TLS proves it.
pub(super) async fn ask(
    tools: Tools<'_>,
    asked: Asked<'_>,
    watch: &mut Stopwatch<'_>,
) -> Result<Option<Identity>, Failure> {
    let mut hop = Hop::first(asked.page);
    let mut redirects = 0;
    loop {
        let (identity, answer) = visit(tools, asked, &hop, watch).await?;
        let Answer::Elsewhere {
            status,
            location,
            bytes,
        } = answer
        else {
            return Ok(identity);
        };
        redirects += 1;
        if redirects > REDIRECTS_MOST {
            return Err(Failure::Status(status));
        }
        // A redirect to somebody else's host is a page that does not bear our mark.
        hop = hop
            .follow(&location, &asked.page.hosts)
            .ok_or(Failure::MarkMissing { bytes })?;
    }
}

/// What one request led to, if to nothing wrong.
enum Answer {
    Good,
    /// A redirect; its head, in bytes, is the whole of such a page.
    Elsewhere {
        status: u16,
        location: String,
        bytes: u64,
    },
}

async fn visit(
    tools: Tools<'_>,
    asked: Asked<'_>,
    hop: &Hop,
    watch: &mut Stopwatch<'_>,
) -> Result<(Option<Identity>, Answer), Failure> {
    let stream = tcp::ask(tools, hop.address, watch).await?;
    if !hop.tls {
        let answer = Box::pin(exchange(stream, asked, hop, watch)).await?;
        return Ok((None, answer));
    }
    watch.begin(Phase::Tls);
    let trust = asked.trust.ok_or(Failure::Local)?;
    let (stream, identity) = trust
        .handshake(stream, &hop.host, &[b"http/1.1"], asked.known)
        .await?;
    let answer = Box::pin(exchange(stream, asked, hop, watch)).await?;
    Ok((Some(identity), answer))
}

/// One request and its answer on a connection that stands. The connection is driven by the same
/// task, so that nothing outlives the probe.
async fn exchange<S>(
    stream: S,
    asked: Asked<'_>,
    hop: &Hop,
    watch: &mut Stopwatch<'_>,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    watch.begin(Phase::Request);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MOST)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error, Phase::Request))?;
    let request = request(hop)?;
    let talk = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error, Phase::Request))?;
        watch.begin(Phase::Body);
        judge(response, asked).await
    };
    let (mut talk, mut connection) = (std::pin::pin!(talk), std::pin::pin!(connection));
    // Both arms may be dropped at any point: the connection ends with the probe.
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        _ = &mut connection => talk.await,
    }
}

fn request(hop: &Hop) -> Result<Request<Empty<Bytes>>, Failure> {
    Request::get(hop.path.as_str())
        .header(header::HOST, hop.authority.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| Failure::Local)
}

async fn judge(response: Response<Incoming>, asked: Asked<'_>) -> Result<Answer, Failure> {
    let status = response.status();
    let refused = matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    if refused && asked.tolerant {
        return Ok(Answer::Good);
    }
    if status.as_u16() < 200 || status.as_u16() >= 400 {
        return Err(refusal(status, response.headers()));
    }
    if asked.mark.is_some()
        && let Some(location) = location(status, response.headers())
    {
        return Ok(Answer::Elsewhere {
            status: status.as_u16(),
            location,
            bytes: head_bytes(response.headers()),
        });
    }
    read(response, asked.mark).await
}

/// A status that the right page does not have; "later" with its time, where one is named.
fn refusal(status: StatusCode, headers: &HeaderMap<HeaderValue>) -> Failure {
    let later = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let status = status.as_u16();
    let named = headers.get(header::RETRY_AFTER).filter(|_| later);
    // RFC 9110 §10.2.3: seconds, or a date; a date is read as none, for whose clock is it by?
    let seconds = named.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match seconds {
        Some(seconds) => Failure::Later { status, seconds },
        None => Failure::Status(status),
    }
}

/// The size of a head as it came: a status line, fields, an empty line.
fn head_bytes(headers: &HeaderMap<HeaderValue>) -> u64 {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + ": ".len() + value.len() + "\r\n".len()
    };
    let fields: usize = headers.iter().map(field).sum();
    ("HTTP/1.1 302 Found\r\n\r\n".len() + fields) as u64
}

fn location(status: StatusCode, headers: &HeaderMap<HeaderValue>) -> Option<String> {
    // RFC 9110 §15.4: these carry the place to go on in `Location`.
    let moved = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = headers.get(header::LOCATION).filter(|_| moved)?;
    location.to_str().ok().map(str::to_owned)
}

/// Reads the body up to its end, its bound or its mark, keeping only what the mark may span.
async fn read(response: Response<Incoming>, mark: Option<&Mark>) -> Result<Answer, Failure> {
    let mut body = response.into_body();
    // RFC 9112 §6.3: without a length the end of the connection is the end of the body, and many
    // servers end TLS there without saying so.
    let ends_with_connection = body.size_hint().exact().is_none();
    let mut window = BytesMut::new();
    let mut total = 0_usize;
    loop {
        let data = match body.frame().await {
            None => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => continue,
            },
            Some(Err(error)) if ends_with_connection && is_end(&error) => break,
            Some(Err(error)) => return Err(broken(&error, Phase::Body)),
        };
        total = total.saturating_add(data.len());
        if let Some(mark) = mark {
            window.extend_from_slice(&data);
            if mark.is_in(&window) {
                return Ok(Answer::Good);
            }
            let keep = window.len().min(mark.longest.saturating_sub(1));
            let _ = window.split_to(window.len() - keep);
        }
        if total >= BODY_MOST {
            break;
        }
    }
    match mark {
        None => Ok(Answer::Good),
        Some(_) => Err(Failure::MarkMissing {
            bytes: total as u64,
        }),
    }
}

fn is_end(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        && !error.is_incomplete_message()
}

/// The machine's error below hyper's, if there is one.
fn cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut below = error.source();
    while let Some(error) = below {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        below = error.source();
    }
    None
}

fn broken(error: &hyper::Error, phase: Phase) -> Failure {
    if let Some(cause) = cause(error) {
        return fault::talking(cause, phase);
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::Reset { phase };
    }
    Failure::Malformed { phase }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(tls: bool, address: &str) -> Hop {
        Hop {
            address: address.parse().unwrap(),
            tls,
            host: "verein.test".to_owned(),
            authority: "verein.test".to_owned(),
            path: "/".to_owned(),
        }
    }

    fn follow(hop: &Hop, location: &str) -> Option<(bool, String, String, String)> {
        let hosts = ["verein.test".to_owned(), "www.verein.test".to_owned()];
        let next = hop.follow(location, &hosts)?;
        Some((
            next.tls,
            next.address.to_string(),
            next.authority,
            next.path,
        ))
    }

    #[test]
    fn redirects_stay_with_the_organisation_and_its_address() {
        let from = hop(false, "198.51.100.80:80");
        let next = follow(&from, "https://www.verein.test/start?a=1");
        let want = (
            true,
            "198.51.100.80:443".to_owned(),
            "www.verein.test".to_owned(),
            "/start?a=1".to_owned(),
        );
        assert_eq!(next, Some(want));
        assert_eq!(follow(&from, "https://elsewhere.test/"), None);
        assert_eq!(follow(&from, "ftp://verein.test/"), None);
        assert_eq!(follow(&from, "//verein.test.elsewhere.test/"), None);
    }

    #[test]
    fn a_relative_redirect_keeps_an_unusual_port() {
        let from = hop(true, "127.0.0.1:8443");
        let next = follow(&from, "/de/").map(|next| (next.1, next.3));
        assert_eq!(next, Some(("127.0.0.1:8443".to_owned(), "/de/".to_owned())));
        let next = follow(&from, "https://verein.test:9443/").map(|next| (next.1, next.2));
        let want = ("127.0.0.1:9443".to_owned(), "verein.test:9443".to_owned());
        assert_eq!(next, Some(want));
    }

    #[test]
    fn a_mark_is_found_in_both_old_and_new_letters() {
        let mark = Mark::new("Schützen");
        assert!(mark.is_in("<h1>Schützen</h1>".as_bytes()));
        assert!(mark.is_in(b"<h1>Sch\xfctzen</h1>"));
        assert!(!mark.is_in(b"<h1>Schuetzen</h1>"));
    }
}
