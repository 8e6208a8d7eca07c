//! A sentence with times in it: words of a message, moments marked so that the page can show them
//! as `<time>` and the feed as plain text.

use std::fmt;

/// A moment in words, and for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339 in UTC, for `<time datetime>`.
    pub(crate) iso: String,
    /// As people read it, in the zone of the page.
    pub(crate) text: String,
}

// Marks from the private use area; they are taken out of everything that comes from outside.
const OPENS: char = '\u{E000}';
const PARTS: char = '\u{E001}';
const CLOSES: char = '\u{E002}';

/// Marked, to be handed to a message as a value.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPENS}{}{PARTS}{}{CLOSES}", self.iso, self.text)
    }
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Words(String),
    Time(Moment),
}

/// A sentence, in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence(Vec<Span>);

impl Sentence {
    /// From a message that was filled in; begins with a capital.
    pub(crate) fn new(message: &str) -> Self {
        Self::verbatim(&capitalised(message))
    }

    /// From a message that was filled in, as it is.
    pub(crate) fn verbatim(message: &str) -> Self {
        let mut spans = Vec::new();
        let mut rest = message;
        while let Some((before, marked)) = rest.split_once(OPENS) {
            let Some((moment, after)) = marked.split_once(CLOSES) else {
                break;
            };
            let (iso, text) = moment.split_once(PARTS).unwrap_or(("", moment));
            if !before.is_empty() {
                spans.push(Span::Words(before.to_owned()));
            }
            spans.push(Span::Time(Moment {
                iso: iso.to_owned(),
                text: text.to_owned(),
            }));
            rest = after;
        }
        if !rest.is_empty() {
            spans.push(Span::Words(rest.to_owned()));
        }
        Self(spans)
    }

    /// The pieces.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The sentence as plain text.
    pub(crate) fn plain(&self) -> String {
        self.0
            .iter()
            .map(|span| match span {
                Span::Words(text) => text.as_str(),
                Span::Time(moment) => moment.text.as_str(),
            })
            .collect()
    }
}

/// The text with a capital at its start.
pub(crate) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// A text from outside without the marks that sentences use.
pub(crate) fn unmarked(text: &str) -> String {
    text.chars()
        .filter(|character| !matches!(*character, OPENS | PARTS | CLOSES))
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_again_in_a_message() {
        let moment = Moment {
            iso: "2026-05-20T07:14:03Z".to_owned(),
            text: "09:14".to_owned(),
        };
        let sentence = Sentence::new(&format!("silent since {moment}, still"));
        assert_eq!(
            sentence.spans(),
            [
                Span::Words("Silent since ".to_owned()),
                Span::Time(moment),
                Span::Words(", still".to_owned())
            ]
        );
        assert_eq!(sentence.plain(), "Silent since 09:14, still");
    }

    #[test]
    fn a_name_cannot_make_a_moment() {
        let name = unmarked("A\u{E000}2026\u{E001}x\u{E002}\u{0}B");
        assert_eq!(name, "A2026xB");
        assert_eq!(Sentence::new(&name).spans().len(), 1);
    }
}
