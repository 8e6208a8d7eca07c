//! Alerts through the part's rim: a webhook, a command, and a restart in between.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host::net::Stream;
use model::{
    Cause, Condition, Epoch, Fact, Mode, OutageId, Role, Standing, Standings, StateName, Timestamp,
    Verdict,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use watch::{AlertConfig, AlertWay, Config};

use crate::{Standby, listen, web};

fn standings(condition: Condition, outage: bool) -> Standings {
    let service = web();
    let since = Timestamp::from_millis(1_779_268_443_000);
    let verdict = Verdict {
        service: service.clone(),
        condition,
        cause: (condition == Condition::Dark).then_some(Cause::Service),
        at: since,
        since,
        last_good: None,
        identity: None,
        places: Vec::new(),
        evidence: Vec::new(),
    };
    let standing = Standing {
        service: service.clone(),
        role: Role::Standby,
        epoch: Epoch(0),
        since,
        state: StateName::Following,
        mode: Mode::Observe,
        would: Some(Role::Acting),
        effect: None,
        relay: true,
        handback: false,
        doubt: None,
        verdict: Some(Arc::new(verdict)),
        outage: outage.then(|| OutageId::of(&service, since)),
        held_by: None,
        question: None,
    };
    Arc::new(BTreeMap::from([(service, standing)]))
}

/// A webhook that answers the nth call (from 1) with `status` and hands on what it was told.
async fn webhook(status: fn(u32) -> u16) -> (url::Url, mpsc::Receiver<Value>) {
    let (listener, address) = listen().await;
    let (told, calls) = mpsc::channel(16);
    host::Tasks::default().spawn("webhook", async move {
        let mut nth = 0;
        while let Ok((stream, _)) = listener.accept().await {
            nth += 1;
            let body = call(stream, status(nth)).await;
            let _ = told.send(serde_json::from_slice(&body).unwrap()).await;
        }
    });
    let url = format!("http://{address}/alerts?key=1").parse().unwrap();
    (url, calls)
}

async fn call(mut stream: Stream, status: u16) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("POST /alerts?key=1 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    body
}

/// At once, and tried again at once.
fn quick(way: AlertWay) -> impl FnOnce(&mut Config) {
    let mut alert = AlertConfig::new(way);
    alert.together = Duration::from_millis(20);
    alert.retry = Duration::from_millis(20);
    move |config| config.alert = Some(alert)
}

fn alerted(fact: &Fact) -> Option<bool> {
    match fact {
        Fact::Alerted { recovered, .. } => Some(*recovered),
        _ => None,
    }
}

#[tokio::test]
async fn a_restart_between_beginning_and_end_repeats_nothing() {
    let mut standby = Standby::new();
    let (url, mut calls) = webhook(|_| 204).await;
    let running = standby.run(quick(AlertWay::Webhook(url.clone()))).await;
    running
        .standings
        .send_replace(standings(Condition::Dark, true));
    let told = calls.recv().await.unwrap();
    assert_eq!(told["kind"], "dark");
    assert_eq!(told["organisation"], "verein.test");
    assert_eq!(told["subject"], "verein.test: web dark (service)");
    let fact = standby.records.recv().await.unwrap();
    assert_eq!(alerted(&fact), Some(false));
    running.end().await;

    let running = standby.run(quick(AlertWay::Webhook(url))).await;
    running
        .standings
        .send_replace(standings(Condition::Dark, true));
    running
        .standings
        .send_replace(standings(Condition::Reachable, false));
    // The next thing that is told is the end.
    let told = calls.recv().await.unwrap();
    assert_eq!(told["kind"], "recovered");
    let fact = standby.records.recv().await.unwrap();
    assert_eq!(alerted(&fact), Some(true));
    running.end().await;
    assert!(calls.try_recv().is_err());
    let text = standby.host.metrics.text();
    assert!(
        text.contains("servergate_watch_alerts_total{result=\"sent\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_webhook_that_fails_is_tried_again() {
    let mut standby = Standby::new();
    let status = |nth| if nth < 3 { 500 } else { 200 };
    let (url, mut calls) = webhook(status).await;
    let running = standby.run(quick(AlertWay::Webhook(url))).await;
    running
        .standings
        .send_replace(standings(Condition::Dark, true));
    let first = calls.recv().await.unwrap();
    for _ in 0..2 {
        // The receiver can tell a repetition by its name.
        assert_eq!(calls.recv().await.unwrap()["id"], first["id"]);
    }
    let fact = standby.records.recv().await.unwrap();
    assert_eq!(alerted(&fact), Some(false));
    running.end().await;
    let text = standby.host.metrics.text();
    assert!(
        text.contains("servergate_watch_alerts_total{result=\"failed\"} 2"),
        "{text}"
    );
}

/// Writes an operator's script.
fn script(path: &Path, lines: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    write!(file, "#!/bin/sh\n{lines}").unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).unwrap();
}

#[tokio::test]
async fn a_command_reads_the_text_and_finds_the_rest_in_its_environment() {
    let mut standby = Standby::new();
    let folder = standby.folder.path();
    let (path, told): (PathBuf, PathBuf) = (folder.join("tell-us"), folder.join("told"));
    script(
        &path,
        "{ echo \"$SERVERGATE_ALERT $SERVERGATE_CAUSE $SERVERGATE_SERVICES\"; cat; } > \"${0%/*}/told\"\n",
    );
    let running = standby.run(quick(AlertWay::Command(path))).await;
    running
        .standings
        .send_replace(standings(Condition::Dark, true));
    let fact = standby.records.recv().await.unwrap();
    assert_eq!(alerted(&fact), Some(false));
    let text = std::fs::read_to_string(told).unwrap();
    assert!(
        text.starts_with("dark service web\nverein.test: web dark (service)\n"),
        "{text}"
    );
    assert!(
        text.contains("it would be acting now, and moves nothing"),
        "{text}"
    );
    running.end().await;
}

#[tokio::test]
async fn a_command_that_reads_nothing_and_fails_once_is_tried_again() {
    let mut standby = Standby::new();
    let path = standby.folder.path().join("tell-us");
    script(
        &path,
        "[ -e \"$0.tried\" ] && exit 0\n: > \"$0.tried\"\nexit 3\n",
    );
    let running = standby.run(quick(AlertWay::Command(path))).await;
    running
        .standings
        .send_replace(standings(Condition::Dark, true));
    let fact = standby.records.recv().await.unwrap();
    assert_eq!(alerted(&fact), Some(false));
    running.end().await;
    let text = standby.host.metrics.text();
    assert!(
        text.contains("servergate_watch_alerts_total{result=\"failed\"} 1"),
        "{text}"
    );
}
