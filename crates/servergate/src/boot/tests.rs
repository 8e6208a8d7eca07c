//! What runs for as long as the program does is begun again if it breaks.

use std::time::Duration;

use super::*;

/// Their end is the program's, which the service manager begins again.
const THE_PROGRAM_S: [&str; 7] = [
    "bulletin", "decision", "mail", "names", "site", "watch", "watchdog",
];
/// Of these each ends by itself, or waits for another one that does.
const SHORT: [&str; 24] = [
    "alert",
    "alert delivery",
    "capture connection",
    "keeper",
    "mail check",
    "mail check reading",
    "mail dsn reading",
    "mail dsn sending",
    "mail lane",
    "mail people reading",
    "mail reading",
    "mail settling",
    "names-notify",
    "probe",
    "record",
    "shared finding",
    "site body",
    "site reading",
    "site shelf",
    "smtp client",
    "store",
    "sweeping",
    "unlock",
    "unlocking",
];
/// Each of the parts has some.
const LONG: [&str; 18] = [
    "admin",
    "certificates",
    "delegations",
    "disk",
    "mail checks",
    "mail dsn",
    "mail hand back",
    "mail people",
    "mail reminder",
    "mail standings",
    "names-accept",
    "names-datagrams",
    "names-keeper",
    "progress",
    "site capture",
    "smtp listener",
    "sweep",
    "web listener",
];

/// Whoever waits longer waits for ever: no test depends on how busy the machine is.
const SOON: Duration = Duration::from_secs(180);

/// Everything that can be configured, on loopback, where no primary is.
const ALL: &str = r#"
version = 1

[standby]
name = "oslo"
addresses = ["127.0.0.1"]
references = ["127.0.0.1:1"]
data = "data"
passphrase_file = "passphrase"

[listen]
dns = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]
https = ["127.0.0.1:0"]
smtp = ["127.0.0.1:0"]
metrics = "127.0.0.1:0"
admin = "admin.sock"

[alert]
webhook = "http://127.0.0.1:1/"

[[organisation]]
name = "Verein Beispiel"
domains = ["verein.test"]

[organisation.names]
zones = ["verein.test"]
primary = "127.0.0.1:1"
steer = { via = "secondary", names = ["www.verein.test"] }

[organisation.web]
hosts = ["www.verein.test"]
primary = "http://127.0.0.1:1"
certificate = { chain = "chain.pem", key = "key.pem" }

[organisation.mail]
primary = "127.0.0.1:1"
mx = "mx.verein.test"

[[organisation]]
name = "Stadt Beispiel"
domains = ["stadt.test"]

[organisation.names]
zones = ["stadt.test"]
file = "stadt.zone"
"#;

fn config(folder: &std::path::Path) -> Config {
    let own = rcgen::generate_simple_self_signed(["www.verein.test".to_owned()]).expect("made");
    let zone = "@ 60 SOA ns h 1 60 60 60 60\n@ 60 NS ns.test.\n";
    for (name, text) in [
        ("servergate.toml", ALL),
        ("passphrase", "correct horse battery staple\n"),
        ("stadt.zone", zone),
        ("chain.pem", &own.cert.pem()),
        ("key.pem", &own.signing_key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let reading = crate::config::read(&folder.join("servergate.toml")).expect("read");
    reading
        .config
        .unwrap_or_else(|| panic!("{:?}", reading.problems))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_runs_as_long_as_the_program_is_begun_again_if_it_breaks() {
    let folder = tempfile::tempdir().expect("a folder");
    let around = Surroundings::machine();
    let tasks = around.tasks.clone();
    let mut found = None;
    // It is asked whether to end when every part has been begun; each then begins what it has.
    let until = async {
        let begun = async {
            while LONG.iter().any(|name| !tasks.kept().contains(name)) {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(SOON, begun).await;
        found = Some((tasks.list(), tasks.kept()));
        Ok(())
    };
    let ended = stand_by(config(folder.path()), around, until).await;
    ended.expect("it ends when it is told to");
    let (running, kept) = found.expect("it was asked");
    let known = |name: &&str| THE_PROGRAM_S.contains(name) || SHORT.contains(name);
    let running = running.iter().map(|one| one.name);
    let missed: Vec<_> = running
        .filter(|name| !kept.contains(name) && !known(name))
        .collect();
    assert!(
        missed.is_empty(),
        "{missed:?} would be missing if they broke"
    );
    let missed: Vec<_> = LONG.iter().filter(|name| !kept.contains(name)).collect();
    assert!(missed.is_empty(), "{missed:?} are not begun again");
}
