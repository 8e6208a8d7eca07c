//! The admin socket: one JSON request a line, one JSON reply a line, on a Unix socket.
//!
//! The socket is only for its owner's account (mode 0600); who may open it may give orders.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::{Drain, Tasks};

/// A request longer than this is refused.
const LONGEST: u64 = 1024 * 1024;
/// A guest that says nothing for so long is sent away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many guests at once.
const GUESTS: usize = 32;

/// A bound admin socket; the file is removed when it is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds at `path`. A file left by a dead program is replaced; a living one is an error.
    pub async fn bind(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            let message = format!("{} is in use by a running standby", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Answers requests with `answer` until the drain begins. May be begun again.
    pub async fn serve<F, A>(&self, answer: F, tasks: Tasks, drain: Drain)
    where
        F: Fn(Value) -> A + Send + Sync + 'static,
        A: Future<Output = Value> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let seats = Arc::new(Semaphore::new(GUESTS));
        loop {
            let accepted = tokio::select! {
                // Cancel-safe: `accept` loses nothing.
                accepted = self.listener.accept() => accepted,
                () = drain.begun() => return,
            };
            let Ok((stream, _)) = accepted else { continue };
            // A flood of guests is simply not answered: the owner's own programs are few.
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                continue;
            };
            let answer = Arc::clone(&answer);
            tasks.spawn("admin guest", async move {
                let _seat = seat;
                // A guest that breaks off only ends its own conversation.
                let _ = converse(stream, answer.as_ref()).await;
            });
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse<F, A>(stream: UnixStream, answer: &F) -> io::Result<()>
where
    F: Fn(Value) -> A,
    A: Future<Output = Value>,
{
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut bounded = (&mut read).take(LONGEST);
        let reading = bounded.read_line(&mut line);
        let Ok(length) = tokio::time::timeout(PATIENCE, reading).await else {
            return Ok(());
        };
        if length? == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_str(&line) {
            Ok(request) => answer(request).await,
            Err(error) => serde_json::json!({ "error": format!("not JSON: {error}") }),
        };
        let mut bytes = reply.to_string().into_bytes();
        bytes.push(b'\n');
        write.write_all(&bytes).await?;
    }
}

/// Asks the standby whose socket is at `path` one question.
pub async fn ask(path: &Path, request: &Value) -> io::Result<Value> {
    let stream = UnixStream::connect(path).await?;
    let (read, mut write) = stream.into_split();
    let mut bytes = request.to_string().into_bytes();
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
