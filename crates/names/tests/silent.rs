//! A large transfer says nothing: the library's own zone tree prints a line for every record,
//! which is why it is not used. The transfer runs in a process of its own, whose standard error
//! must stay empty.

use std::process::Command;

use names::config::Source;

use crate::ask::question;
use crate::house::{House, organisation};

const INSIDE: &str = "SERVERGATE_NAMES_SILENT";

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_records_are_transferred_in_silence() {
    if std::env::var_os(INSIDE).is_none() {
        let own = std::env::current_exe().unwrap();
        let test = "silent::a_hundred_thousand_records_are_transferred_in_silence";
        let mut command = Command::new(own);
        let output = command
            .args([test, "--exact"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        return;
    }
    use std::fmt::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    let mut text = "@ 3600 SOA ns1 h 7 3600 600 86400 300\n@ 3600 NS ns1\n".to_owned();
    for host in 0..100_000u32 {
        writeln!(
            text,
            "h{host} 300 A 10.{}.{}.{}",
            host >> 16,
            (host >> 8) & 255,
            host & 255
        )
        .unwrap();
    }
    std::fs::write(&file, text).unwrap();
    let source = organisation("verein.test", Source::File(file));
    let primary = House::open(&folder.path().join("primary"), source).await;
    let copy = organisation("verein.test", Source::Primary(primary.at));
    let mut secondary = House::open(&folder.path().join("secondary"), copy).await;
    assert_eq!(secondary.transferred().await, 7);
    let last = question("h99999.verein.test", "A", false);
    let reply = crate::house::udp(secondary.at, &last).await;
    assert_eq!(reply.answer, ["h99999.verein.test. 300 IN A 10.1.134.159"]);
    secondary.close().await;
    primary.close().await;
}
