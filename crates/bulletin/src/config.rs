//! What the configuration says about the page of an organisation, and what is true of it.
//!
//! Read from the `[[organisation]]` table: `name`, `languages`, `imprint`, and
//! `bulletin = { host = "status.verein.test", url = "https://…/", zone = "Europe/Berlin" }`.

use host::config::Fields;
use http::Uri;
use jiff::tz::TimeZone;
use model::{OrganisationId, Record};
use tokio::sync::mpsc;

use crate::language::Language;
use crate::sentence::unmarked;

/// All that the part needs.
#[derive(Debug)]
pub struct Config {
    /// Whose pages there are.
    pub organisations: Vec<Organisation>,
    /// Wakes the page: every record appended to the log, sent after it was appended. Read
    /// is the log, so it may be offered without waiting (`try_send`): what finds no room is seen
    /// with the next record or standing.
    pub records: mpsc::Receiver<Record>,
}

/// One organisation, as its page shows it.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its id, which is its first domain.
    pub id: OrganisationId,
    /// Its name for people.
    pub name: String,
    /// The languages of the page; the first one where a visitor asks for none of them. Never empty.
    pub languages: Vec<Language>,
    /// The legal notice that every page links.
    pub imprint: Option<String>,
    /// The host name on which the page is served, lower case; without one there is only the 503.
    pub host: Option<String>,
    /// Where the public finds the page; ends with a slash. Set where `host` is.
    pub url: Option<String>,
    /// The zone in which times are told.
    pub zone: TimeZone,
}

impl Organisation {
    /// Reads the keys that concern the page from the organisation's table; mistakes are noted
    /// there, and something usable is returned nevertheless.
    pub fn read(id: OrganisationId, fields: &Fields<'_>) -> Self {
        let name = fields.string("name").map(|name| unmarked(name.trim()));
        let name = name.filter(|name| !name.is_empty());
        let mut organisation = Self {
            name: name.unwrap_or_else(|| id.as_str().to_owned()),
            id,
            languages: languages(fields),
            imprint: fields.parse(
                "imprint",
                "an address like \"https://verein.test/impressum\"",
                |text| is_web_address(text).then(|| text.to_owned()),
            ),
            host: None,
            url: None,
            zone: TimeZone::UTC,
        };
        if let Some(page) = fields.table("bulletin") {
            organisation.read_page(&page);
        }
        organisation
    }

    fn read_page(&mut self, page: &Fields<'_>) {
        self.host = page.parse("host", "a host name like \"status.verein.test\"", host_name);
        if !page.has("host") {
            page.missing("host", "\"status.verein.test\"");
        }
        let url = page.parse(
            "url",
            "the page's public address like \"https://status.verein.test/\"",
            |text| is_web_address(text).then(|| format!("{}/", text.trim_end_matches('/'))),
        );
        self.url = url.or_else(|| Some(format!("https://{}/", self.host.as_deref()?)));
        if let Some(zone) = page.string("zone") {
            match TimeZone::get(&zone) {
                Ok(found) => self.zone = found,
                Err(_) => page.problem(
                    "zone",
                    format_args!(
                        "\"{zone}\" is no time zone that this machine knows; write for example \
                         \"Europe/Berlin\" (the system's time zone data must be installed), or leave \
                         the key out for UTC"
                    ),
                ),
            }
        }
    }

    /// The language of a visitor who asks for none that there is.
    pub fn first_language(&self) -> Language {
        self.languages.first().copied().unwrap_or(Language::English)
    }

    /// Whether the page is there in this language.
    pub fn speaks(&self, language: Language) -> bool {
        self.languages.contains(&language)
    }
}

fn languages(fields: &Fields<'_>) -> Vec<Language> {
    let mut languages: Vec<Language> = Vec::new();
    for language in fields.each("languages", "\"de\" or \"en\"", |tag| {
        Language::ALL.into_iter().find(|known| known.tag() == tag)
    }) {
        if !languages.contains(&language) {
            languages.push(language);
        }
    }
    if languages.is_empty() {
        languages.extend([Language::English, Language::German]);
    }
    languages
}

fn is_web_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.query().is_none_or(|query| !query.contains('"'))
}

fn host_name(text: &str) -> Option<String> {
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    (text.len() <= 253 && text.split('.').all(fits)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use host::config::Document;

    use super::*;

    fn read(text: &str) -> (Organisation, Vec<String>) {
        let document = Document::new("test.toml", text);
        let organisation =
            document.read(|fields| Organisation::read(OrganisationId::new("verein.test"), &fields));
        let problems = document.problems();
        let messages = problems.iter().map(ToString::to_string).collect();
        (organisation, messages)
    }

    #[test]
    fn a_whole_table_is_read() {
        let (organisation, problems) = read(
            "name = \"Verein Beispiel\"\nlanguages = [\"de\", \"en\"]\n\
             imprint = \"https://verein.test/impressum\"\n\
             bulletin = { host = \"Status.Verein.test\", zone = \"UTC\" }\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(organisation.host.as_deref(), Some("status.verein.test"));
        assert_eq!(
            organisation.url.as_deref(),
            Some("https://status.verein.test/")
        );
        assert_eq!(organisation.first_language(), Language::German);
    }

    #[test]
    fn nothing_but_the_id_is_enough_for_the_503() {
        let (organisation, problems) = read("");
        assert!(problems.is_empty());
        assert_eq!(organisation.name, "verein.test");
        assert_eq!(organisation.host, None);
        assert_eq!(organisation.languages.len(), 2);
    }

    #[test]
    fn every_mistake_is_named_in_its_place() {
        let (organisation, problems) = read(
            "imprint = \"javascript:alert(1)\"\nlanguages = [\"fr\"]\n\
             bulletin = { host = \"a b\", url = \"ftp://x/\", zone = \"Mars/Olympus\", colour = 1 }\n",
        );
        assert_eq!(problems.len(), 6, "{problems:#?}");
        assert_eq!(organisation.imprint, None);
        assert_eq!(organisation.host, None);
    }
}
