//! Every mistake at once, each with its place.

use super::*;

#[test]
fn all_mistakes_are_found_in_one_reading() {
    let text = "name = 7\nintervall = \"10s\"\naddress = \"here\"\nwhen = \"soon\"\n[web]\nhosts = \"a\"\n";
    let document = Document::new("test.toml", text);
    document.read(|fields| {
        assert_eq!(fields.string("name"), None);
        assert_eq!(fields.duration("interval"), None);
        assert_eq!(fields.socket("address"), None);
        assert_eq!(fields.duration("when"), None);
        let web = fields.table("web");
        assert!(web.is_some_and(|web| web.strings("hosts").is_empty()));
    });
    let lines: Vec<_> = document
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(
        lines[0].starts_with("test.toml:1:8: error: name: this is a number"),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("did you mean `interval`?"),
        "{}",
        lines[1]
    );
    assert!(
        lines[4].starts_with("test.toml:6:9: error: web.hosts: this is a text"),
        "{}",
        lines[4]
    );
}

#[test]
fn broken_toml_is_named_and_the_rest_is_still_read() {
    let document = Document::new("test.toml", "a = \"x\"\nb = = 3\nc = \"y\"\n");
    let c = document.read(|fields| {
        let _ = (fields.string("a"), fields.has("b"));
        fields.string("c")
    });
    assert_eq!(c.as_deref(), Some("y"));
    let problems = document.problems();
    assert!(
        problems.iter().any(|problem| problem.line == 2),
        "{problems:?}"
    );
}

#[test]
fn a_secret_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tsig.key");
    std::fs::write(&path, "secret").unwrap();
    let text = "key = \"tsig.key\"\n";
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let document = Document::new(home.path().join("test.toml"), text);
        assert_eq!(
            document.read(|fields| fields.secret("key")),
            Some(path.clone())
        );
        let problems = document.problems();
        assert_eq!(problems.len(), usize::from(warned), "{problems:?}");
        let said = problems.iter().all(|problem| {
            problem.warning && problem.message.contains(&format!("mode {mode:04o}"))
        });
        assert!(said, "{problems:?}");
    }
    // Where the service manager lays it.
    let document = Document::new("test.toml", "key = \"$CREDENTIALS_DIRECTORY/passphrase\"\n");
    let path = document.read(|fields| fields.path("key")).unwrap();
    assert!(
        path.ends_with("passphrase") && path.is_absolute(),
        "{path:?}"
    );
}
