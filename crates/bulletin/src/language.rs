//! The languages that the bulletin speaks, and its words in each of them.
//!
//! The words lie in `locales/<language>/*.ftl` (Project Fluent). The view and the templates ask
//! for them here; both languages have the same messages, which a test holds them to.

use std::fmt;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language with a complete set of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// German.
    German,
    /// English.
    English,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// The tag of BCP 47: `de`, `en`. Also the first step of the path.
    pub fn tag(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    /// The name of the language in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::German => "Deutsch",
            Self::English => "English",
        }
    }

    /// From a language range (RFC 4647 §3.3.1): `de-AT` is German.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    fn identifier(self) -> LanguageIdentifier {
        self.tag().parse().unwrap_or_default()
    }

    fn sources(self) -> [&'static str; 4] {
        match self {
            Self::German => [
                include_str!("../locales/de/page.ftl"),
                include_str!("../locales/de/measured.ftl"),
                include_str!("../locales/de/timeline.ftl"),
                include_str!("../locales/de/notice.ftl"),
            ],
            Self::English => [
                include_str!("../locales/en/page.ftl"),
                include_str!("../locales/en/measured.ftl"),
                include_str!("../locales/en/timeline.ftl"),
                include_str!("../locales/en/notice.ftl"),
            ],
        }
    }
}

/// A value that stands in a message: a text or a count.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Count(usize),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

/// The words of one language.
pub(crate) struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.language).finish()
    }
}

impl Words {
    /// Reads what is built in. A mistake in it (which a test finds) leaves out the broken message.
    pub(crate) fn of(language: Language) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![language.identifier()]);
        // Names are isolated by `<bdi>` in the page; marks inside the text would reach feeds too.
        bundle.set_use_isolating(false);
        for source in language.sources() {
            let resource =
                FluentResource::try_new(source.to_owned()).unwrap_or_else(|(rest, _)| {
                    tracing::error!(
                        language = language.tag(),
                        "a built-in text is not well written"
                    );
                    rest
                });
            if bundle.add_resource(resource).is_err() {
                tracing::error!(language = language.tag(), "a built-in message exists twice");
            }
        }
        Self { language, bundle }
    }

    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// A message without values.
    pub(crate) fn get(&self, id: &'static str) -> String {
        self.with(id, &[])
    }

    /// A message with values. An unknown message is its own name: wrong, visible, harmless.
    pub(crate) fn with(&self, id: &'static str, values: &[(&'static str, Value<'_>)]) -> String {
        let mut args = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            match value {
                Value::Text(text) => args.set(*name, *text),
                Value::Count(count) => args.set(*name, FluentValue::from(*count)),
            }
        }
        let Some(pattern) = self.bundle.get_message(id).and_then(|found| found.value()) else {
            tracing::error!(language = self.language.tag(), id, "a message is missing");
            return id.to_owned();
        };
        let mut errors = Vec::new();
        let text = self
            .bundle
            .format_pattern(pattern, Some(&args), &mut errors);
        if !errors.is_empty() {
            tracing::error!(
                language = self.language.tag(),
                id,
                "a message could not be filled in"
            );
        }
        text.into_owned()
    }
}

#[cfg(test)]
mod tests;
