//! The toy's transcripts, and transcripts that are wrong.

use super::super::tests::toy::{Question, Toy};
use super::*;

struct Answers;

impl Script<Toy> for Answers {
    fn show(&self, question: &Question) -> String {
        match question {
            Question::Piece(piece) => format!("Piece({})", piece.len()),
            other => format!("{other:?}"),
        }
    }

    fn answer(&mut self, _: &Question, said: Option<&str>) -> Scripted<String> {
        match said.and_then(|said| said.strip_prefix("later ")) {
            Some(name) => Scripted::Later(name.to_owned()),
            None => Scripted::Answer(said.unwrap_or("known").to_owned()),
        }
    }

    fn late(&mut self, _name: &str, words: &str) -> Option<String> {
        Some(words.to_owned())
    }

    fn event(&mut self, words: &str) -> Option<String> {
        Some(words.to_owned())
    }
}

fn make() -> (Toy, Answers) {
    (Toy::default(), Answers)
}

#[test]
fn the_toy_keeps_to_its_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let played = play_folder(&folder, "toy-", Ours::Server, |_| make()).unwrap();
    assert_eq!(played, 2);
}

#[test]
fn where_it_says_otherwise_the_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy-wrong.txt");
    for (text, why) in [
        (
            "S: HELLO\nC: ECHO a\nS: b\n",
            ":3: \n  expected S: b\n       got S: a",
        ),
        (
            "S: HELLO\nC: ECHO a\n",
            ":3: \n  expected (nothing)\n       got S: a",
        ),
        (
            "S: HELLO\nC: ASK a\n? Name(\"a\") -> x\nS: a is y\n",
            "got S: a is x",
        ),
        (
            "S: HELLO\n\nS: HELLO\n",
            ":3: \n  expected S: HELLO\n       got (nothing)",
        ),
        ("S: HELLO\n@ +5 minutes\n", ":2: what is this: @ +5 minutes"),
        (
            "S: HELLO\nA: a\n",
            ":2: nothing of that name was put off: A: a",
        ),
        (
            "S: HELLO\n@ secured\n",
            ":2: no handshake was asked for: @ secured",
        ),
        ("S: HELLO\nC| \\q\n", ":2: unknown escape: C| \\q"),
    ] {
        std::fs::write(&path, text).unwrap();
        let failure = play(&path, Ours::Server, make).unwrap_err().to_string();
        assert!(failure.contains(why), "{text} gave {failure}");
        assert!(
            failure.starts_with(&path.display().to_string()),
            "{failure}"
        );
    }
}
