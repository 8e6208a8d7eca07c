//! The TCP probe, and the knock at another port that tells whether the address lives.

use std::net::SocketAddr;

use host::net::Stream;
use model::{Failure, Phase, Reply};

use super::{Stopwatch, Tools, fault};

/// Opens a connection and takes its time.
pub(super) async fn ask(
    tools: Tools<'_>,
    to: SocketAddr,
    watch: &mut Stopwatch<'_>,
) -> Result<Stream, Failure> {
    watch.begin(Phase::Connect);
    tools
        .net
        .connect(to)
        .await
        .map_err(|error| fault::connecting(&error, to, Phase::Connect))
}

/// Knocks once; a refusal is an answer too. Not bounded in time: the caller is.
pub(crate) async fn knock(tools: Tools<'_>, to: SocketAddr) -> Reply {
    match tools.net.connect(to).await {
        Ok(_) => Reply::Answered,
        Err(error) => match fault::connecting(&error, to, Phase::Connect) {
            Failure::Refused | Failure::Reset { .. } => Reply::Refused,
            Failure::Unreachable => Reply::Unreachable,
            Failure::Silent { .. } => Reply::Silent,
            _ => Reply::NotAsked,
        },
    }
}
