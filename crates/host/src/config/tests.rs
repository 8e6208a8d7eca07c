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
