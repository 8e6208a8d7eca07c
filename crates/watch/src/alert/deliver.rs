//! Delivering an alert: a command with the text on its standard input, or a webhook with JSON.
//!
//! Both are bounded in time; neither goes through a shell.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use host::net::{Net, Stream};
use http::Request;
use http::header;
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use url::{Position, Url};

use super::words::Written;
use crate::probe::{Trust, USER_AGENT};

/// A command may take so long.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// A webhook may take so long.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(10);

/// The way out, made ready.
#[derive(Clone, Debug)]
pub(super) enum Door {
    Command(PathBuf),
    Webhook { url: Url, trust: Option<Trust> },
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    #[error("it took longer than {} s", .0.as_secs())]
    Late(Duration),
    #[error("the command ended with {0}")]
    Command(std::process::ExitStatus),
    #[error("the webhook answered {0}")]
    Status(http::StatusCode),
    #[error("the webhook's address does not lead anywhere")]
    Nowhere,
    #[error("the webhook does not prove who it is")]
    NotTrusted,
    #[error("the webhook did not speak HTTP")]
    Http(#[from] host::web::ExchangeError),
    #[error("the message could not be sent")]
    Local(#[from] io::Error),
}

impl Door {
    /// In words, without what may be secret in an address.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Command(path) => format!("the command {}", path.display()),
            Self::Webhook { url, .. } => {
                format!("the webhook at {}", url.host_str().unwrap_or("no host"))
            }
        }
    }

    /// Delivers once.
    pub(super) async fn deliver(&self, net: Net, written: &Written) -> Result<(), Undelivered> {
        match self {
            Self::Command(path) => {
                let work = Box::pin(command(path, written));
                bounded(COMMAND_LIMIT, work).await
            }
            Self::Webhook { url, trust } => {
                let work = Box::pin(post(net, url, trust.as_ref(), written));
                bounded(WEBHOOK_LIMIT, work).await
            }
        }
    }
}

async fn bounded(
    limit: Duration,
    work: impl Future<Output = Result<(), Undelivered>>,
) -> Result<(), Undelivered> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Undelivered::Late(limit)),
    }
}

async fn command(path: &PathBuf, written: &Written) -> Result<(), Undelivered> {
    let mut child = Command::new(path)
        .envs(
            written
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input has not failed for that.
        let _ = input.write_all(written.text.as_bytes()).await;
    }
    let status = child.wait().await?;
    if status.success() {
        Ok(())
    } else {
        Err(Undelivered::Command(status))
    }
}

async fn post(
    net: Net,
    url: &Url,
    trust: Option<&Trust>,
    written: &Written,
) -> Result<(), Undelivered> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Undelivered::Nowhere);
    };
    let stream = connect(net, url, port).await?;
    match trust {
        None => exchange(stream, url, written).await,
        Some(trust) => {
            let name = host.trim_start_matches('[').trim_end_matches(']');
            let (stream, _) = trust
                .handshake(stream, name, &[b"http/1.1"], None)
                .await
                .map_err(|_| Undelivered::NotTrusted)?;
            exchange(stream, url, written).await
        }
    }
}

/// Connects to the first of its addresses that can be reached.
async fn connect(net: Net, url: &Url, port: u16) -> Result<Stream, Undelivered> {
    let addresses: Vec<std::net::SocketAddr> = match url.host() {
        Some(url::Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(url::Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(url::Host::Domain(name)) => tokio::net::lookup_host((name, port)).await?.collect(),
        None => Vec::new(),
    };
    let mut last = None;
    for address in addresses {
        match net.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(Undelivered::Nowhere, Undelivered::Local))
}

async fn exchange<S>(stream: S, url: &Url, written: &Written) -> Result<(), Undelivered>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("Idempotency-Key", written.id.as_str())
        .body(Full::new(Bytes::from(written.json.clone())))
        .map_err(|_| Undelivered::Nowhere)?;
    let answered = host::web::exchange(stream, request, 0).await?;
    if answered.status.is_success() {
        Ok(())
    } else {
        Err(Undelivered::Status(answered.status))
    }
}
