//! A list is imported in the first moment after the start, while what is about people is being
//! opened: a person waits for it, and is not told that it is locked.

use std::path::Path;
use std::process::Output;

use crate::standby::{beside, command};

const STANDBY: &str = r#"
version = 1

[standby]
name = "oslo"
addresses = ["127.0.0.1"]
data = "data"
passphrase_file = "passphrase"

[listen]
smtp = ["127.0.0.1:0"]
admin = "admin.sock"

[[organisation]]
name = "Verein"
domains = ["verein.test"]

[organisation.mail]
primary = "127.0.0.1:1"
"#;

/// Imports as soon as the standby is there. Each start has a runtime of its own: when that is gone
/// nobody holds the data any more.
fn import(at: &Path, config: &str) -> Output {
    let people = at.join("people");
    let words = ["import", "recipients", people.to_str().unwrap()];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(beside(at, config, || command(at, &words)))
}

#[test]
fn an_import_waits_for_what_is_being_opened_and_is_refused_where_it_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("passphrase"), "correct horse battery staple\n").unwrap();
    std::fs::write(at.join("people"), "anna@verein.test\n").unwrap();
    // Chosen at the first start, opened at the second.
    for _ in 0..2 {
        let said = import(at, STANDBY);
        assert!(said.status.success(), "{said:?}");
    }
    // Nobody opens it: there is nothing to wait for.
    let locked = STANDBY.replace("passphrase_file = \"passphrase\"\n", "");
    let said = import(at, &locked);
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(
        !said.status.success() && words.contains("locked"),
        "{said:?}"
    );
}
