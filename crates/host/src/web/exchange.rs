//! One request and its answer over a connection that is there: for other people's services.

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// How much head a service may send, in bytes.
const HEAD_MOST: usize = 64 << 10;

/// What a service answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// It did not speak HTTP, or broke off.
    #[error("it did not speak HTTP")]
    Http(#[from] hyper::Error),
    /// The body is longer than was asked for.
    #[error("it answered more than {0} bytes")]
    TooLong(usize),
}

/// Sends `request` (its target in origin form, with `Host`) and reads up to `most` bytes of the
/// answer's body; none at all, however long it is, if that is 0. The connection ends with it. Takes as long as the other end does: the caller
/// bounds the time. Cancel-safe in that dropping it closes the connection.
///
/// # Errors
/// [`ExchangeError`].
pub async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answered, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MOST);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let talk = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = match most {
            0 => Bytes::new(),
            most => read(response.into_body(), most).await?,
        };
        Ok(Answered { status, body })
    };
    let (mut talk, mut connection) = (std::pin::pin!(talk), std::pin::pin!(connection));
    // Both arms may be dropped at any point: the connection ends with the answer.
    tokio::select! {
        biased;
        answered = &mut talk => answered,
        _ = &mut connection => talk.await,
    }
}

async fn read(mut body: Incoming, most: usize) -> Result<Bytes, ExchangeError> {
    let mut bytes = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(piece) = frame?.into_data() {
            if bytes.len() + piece.len() > most {
                return Err(ExchangeError::TooLong(most));
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn answered(said: &'static [u8], most: usize) -> Result<Answered, ExchangeError> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let request = Request::post("/checkv2")
            .header("Host", "service.test")
            .body(Full::new(Bytes::from_static(b"hello")));
        let serving = async move {
            let mut asked = vec![0; 4096];
            let mut have = 0;
            while !asked[..have].ends_with(b"hello") {
                have += theirs.read(&mut asked[have..]).await.unwrap();
            }
            // Whoever has read enough may have left.
            let _ = theirs.write_all(said).await;
        };
        tokio::join!(exchange(ours, request.unwrap(), most), serving).0
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_and_no_longer_than_asked() {
        let said = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer";
        let whole = answered(said, 6).await.unwrap();
        assert_eq!(
            (whole.status, &whole.body[..]),
            (StatusCode::OK, &b"answer"[..])
        );
        assert!(matches!(
            answered(said, 5).await,
            Err(ExchangeError::TooLong(5))
        ));
        let unread = answered(said, 0).await.unwrap();
        assert_eq!((unread.status, unread.body.len()), (StatusCode::OK, 0));
        let chunked = b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let whole = answered(chunked, 6).await.unwrap();
        assert_eq!((whole.status.as_u16(), &whole.body[..]), (503, &b"abc"[..]));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let cases: [&[u8]; 3] = [
            b"",
            b"220 mail.test ESMTP\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        ];
        for said in cases {
            let error = answered(said, 100).await.unwrap_err();
            assert!(matches!(error, ExchangeError::Http(_)), "{said:?}");
        }
    }
}
