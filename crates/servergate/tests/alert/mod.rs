//! `servergate alert test` against a standby that runs: one message, by the configured way, and what
//! became of it.

use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use host::Tasks;
use host::net::{Listener, Net};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::standby::{self, command};

/// A standby with nothing in it but `alert`, and what is done while it runs.
async fn beside<F: Future>(folder: &Path, alert: &str, work: impl FnOnce() -> F) -> F::Output {
    let text = format!(
        "version = 1\n{alert}\n[standby]\nname = \"oslo\"\naddresses = [\"127.0.0.1\"]\ndata = \"data\"\n\
         [listen]\nadmin = \"admin.sock\"\n[[organisation]]\nname = \"Verein\"\ndomains = [\"verein.test\"]\n"
    );
    standby::beside(folder, &text, work).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What an operator has for being told: it writes down what it hears, and ends with `code`.
fn script(folder: &Path, code: u8) {
    let path = folder.join("tell-us");
    let lines = format!(
        "#!/bin/sh\n{{ echo \"<$SERVERGATE_ALERT>\"; cat; }} >> \"${{0%/*}}/told\"\nexit {code}\n"
    );
    std::fs::write(&path, lines).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What was told, if it was told once.
fn told_once(folder: &Path) -> String {
    let told = std::fs::read_to_string(folder.join("told")).unwrap();
    assert_eq!(told.matches("<test>").count(), 1, "{told}");
    assert_eq!(told.matches('<').count(), 1, "{told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_hears_of_a_test_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    script(at, 0);
    let said = beside(at, "[alert]\ncommand = \"tell-us\"", || {
        command(at, &["alert", "test"])
    })
    .await;
    assert!(said.status.success(), "{said:?}");
    let way = format!(
        "delivered by the command {} in ",
        at.join("tell-us").display()
    );
    assert!(text(&said.stdout).starts_with(&way), "{said:?}");
    let told = told_once(at);
    assert!(
        told.contains("a test of the alerts of the standby oslo"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_named_and_so_is_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    script(at, 3);
    let (said, ready) = beside(at, "[alert]\ncommand = \"tell-us\"", || async {
        let said = command(at, &["alert", "test"]).await;
        (said, command(at, &["ready"]).await)
    })
    .await;
    assert!(!said.status.success(), "{said:?}");
    let words = text(&said.stderr);
    let way = format!(
        "not delivered by the command {} after ",
        at.join("tell-us").display()
    );
    assert!(words.starts_with(&way), "{words}");
    assert!(
        words.contains("the command ended with exit status: 3"),
        "{words}"
    );
    // Once all the same: a test is not tried again.
    told_once(at);
    let ready = text(&ready.stdout);
    assert!(ready.contains("alerts are not delivered since "), "{ready}");
    assert!(
        ready.contains("the command ended with exit status: 3"),
        "{ready}"
    );
}

/// Answers with `status`, and hands on what it was told.
async fn webhook(listener: Listener, status: u16, told: mpsc::Sender<Value>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        told.send(serde_json::from_slice(&body).unwrap())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_hears_of_a_test_once_and_its_answer_is_reported() {
    for (status, delivered) in [(204, true), (500, false)] {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let listener = Net::Real
            .listen("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (told, mut calls) = mpsc::channel(16);
        let answering = Tasks::default().spawn("webhook", webhook(listener, status, told));
        let alert = format!("[alert]\nwebhook = \"http://{address}/secret\"");
        let said = beside(at, &alert, || command(at, &["alert", "test", "--json"])).await;
        assert_eq!(said.status.success(), delivered, "{said:?}");
        let reply: Value = serde_json::from_slice(&said.stdout).unwrap();
        // What is secret in its address is not said.
        assert_eq!(reply["way"], "the webhook at 127.0.0.1");
        let why = reply["undelivered"].as_str().map(str::to_owned);
        let want =
            (!delivered).then(|| "the webhook answered 500 Internal Server Error".to_owned());
        assert_eq!(why, want);
        answering.abort();
        let call = calls.recv().await.unwrap();
        assert_eq!(call["kind"], "test");
        assert!(
            call["text"]
                .as_str()
                .unwrap()
                .contains("a test of the alerts of the standby oslo"),
            "{call}"
        );
        assert_eq!(calls.recv().await, None, "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_would_be_told_a_test_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = beside(at, "", || command(at, &["alert", "test"])).await;
    assert!(!said.status.success());
    assert!(
        text(&said.stderr).contains("nobody is told of an outage"),
        "{said:?}"
    );
}
