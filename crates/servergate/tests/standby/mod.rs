//! A standby that runs in this process, and the program's commands beside it, as a person gives them.

use std::future::Future;
use std::path::Path;
use std::process::Output;

use host::Tasks;
use servergate::boot::{Surroundings, stand_by};
use tokio::sync::oneshot;

/// A standby with this configuration, and what is done while it runs.
pub(crate) async fn beside<F: Future>(
    folder: &Path,
    text: &str,
    work: impl FnOnce() -> F,
) -> F::Output {
    let path = folder.join("servergate.toml");
    std::fs::write(&path, text).unwrap();
    let reading = servergate::config::read(&path).unwrap();
    let config = reading
        .config
        .unwrap_or_else(|| panic!("{:?}", reading.problems));
    let (began, begun) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    // It is asked whether to end as soon as it is there.
    let until = async {
        let _ = began.send(());
        let _ = stopped.await;
        Ok(())
    };
    let working = async {
        begun.await.ok()?;
        let done = work().await;
        let _ = stop.send(());
        Some(done)
    };
    let (ended, done) = tokio::join!(stand_by(config, Surroundings::machine(), until), working);
    ended.unwrap();
    done.unwrap()
}

/// Runs a command of the program, as a person would.
pub(crate) async fn command(folder: &Path, words: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_servergate"));
    command
        .args(words)
        .arg("--config")
        .arg(folder.join("servergate.toml"));
    let running = Tasks::default().blocking("command", move || command.output());
    running.await.unwrap().unwrap()
}
