//! Views as HTML. The templates lie in `templates/`; the style is a part of every page, allowed by
//! its hash in the content security policy, so that no page needs a second request.

use std::sync::LazyLock;

use askama::Template;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::config::Organisation;
use crate::language::{Language, Words};
use crate::sentence::Span;
use crate::view::{Ground, SaidView, View, all_said};

/// The style without its line breaks.
static STYLE: LazyLock<String> =
    LazyLock::new(|| include_str!("../templates/style.css").lines().collect());

/// The Content-Security-Policy of every page: nothing but the page itself and its style.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    words: &'a Words,
    style: &'a str,
    organisation: &'a Organisation,
    others: Vec<Language>,
    tag: &'static str,
    description: String,
    title_said: String,
    more: String,
    all_said: String,
    foot_who: String,
    foot_zone: String,
    view: View,
}

#[derive(Template)]
#[template(path = "statements.html", whitespace = "minimize")]
struct Statements<'a> {
    words: &'a Words,
    style: &'a str,
    organisation: &'a Organisation,
    others: Vec<Language>,
    title: String,
    foot_who: String,
    foot_zone: String,
    said: Vec<SaidView>,
}

#[derive(Template)]
#[template(path = "missing.html", whitespace = "minimize")]
struct Missing<'a> {
    words: &'a Words,
    style: &'a str,
    name: &'a str,
}

#[derive(Template)]
#[template(path = "notice.html", whitespace = "minimize")]
struct Notice<'a> {
    words: &'a Words,
    style: &'a str,
    name: &'a str,
    text: String,
    standings: Vec<String>,
    link: Option<String>,
    link_text: String,
    imprint: Option<&'a str>,
}

/// The page of the services.
pub(crate) fn page(ground: &Ground<'_>) -> Result<String, askama::Error> {
    let view = View::of(ground);
    let words = ground.words;
    let tag = words.language().tag();
    let lead: Vec<String> = view.lead.iter().map(|part| part.plain()).collect();
    let mut description = lead.join(" ");
    if description.is_empty() {
        description.clone_from(&view.headline);
    }
    Page {
        words,
        style: &STYLE,
        organisation: ground.organisation,
        others: others(ground),
        tag,
        description,
        title_said: words.with("title-said", &[("name", ground.name().into())]),
        more: format!("/{tag}/statements"),
        all_said: words.with("said-all", &[("count", view.said_in_all.into())]),
        foot_who: foot_who(ground),
        foot_zone: foot_zone(ground),
        view,
    }
    .render()
}

/// The page of all statements.
pub(crate) fn statements(ground: &Ground<'_>) -> Result<String, askama::Error> {
    let words = ground.words;
    Statements {
        words,
        style: &STYLE,
        organisation: ground.organisation,
        others: others(ground),
        title: words.with("statements-title", &[("name", ground.name().into())]),
        foot_who: foot_who(ground),
        foot_zone: foot_zone(ground),
        said: all_said(ground),
    }
    .render()
}

/// The page for paths that lead nowhere.
pub(crate) fn missing(words: &Words, name: &str) -> Result<String, askama::Error> {
    Missing {
        words,
        style: &STYLE,
        name,
    }
    .render()
}

/// The page of the 503.
pub(crate) fn notice(ground: &Ground<'_>, standings: Vec<String>) -> Result<String, askama::Error> {
    let words = ground.words;
    let organisation = ground.organisation;
    let name = [("name", ground.name().into())];
    let link = organisation.url.as_deref();
    Notice {
        words,
        style: &STYLE,
        name: ground.name(),
        text: words.with("notice-text", &name),
        standings,
        link: link.map(|url| format!("{url}{}", words.language().tag())),
        link_text: words.with("notice-link", &name),
        imprint: organisation.imprint.as_deref(),
    }
    .render()
}

fn others(ground: &Ground<'_>) -> Vec<Language> {
    let own = ground.words.language();
    let languages = ground.organisation.languages.iter().copied();
    languages.filter(|language| *language != own).collect()
}

fn foot_who(ground: &Ground<'_>) -> String {
    let name = [("name", ground.name().into())];
    ground.words.with("foot-who", &name)
}

fn foot_zone(ground: &Ground<'_>) -> String {
    let zone = ground.moments().zone();
    ground.words.with("foot-zone", &[("zone", (&zone).into())])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of one scheme by name.
    fn colours(scheme: &str) -> BTreeMap<&str, [f64; 3]> {
        let channel = |text: &str| {
            let value = u8::from_str_radix(text, 16).expect("a colour");
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        scheme
            .split(';')
            .map(|colour| {
                let (name, value) = colour.split_once(":#").expect("a colour");
                let parts = [&value[..2], &value[2..4], &value[4..6]];
                (name, parts.map(channel))
            })
            .collect()
    }

    /// WCAG 2.2 §1.4.3.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let light = |[red, green, blue]: [f64; 3]| {
            0.0722f64.mul_add(blue, 0.2126f64.mul_add(red, 0.7152 * green)) + 0.05
        };
        let (one, other) = (light(one), light(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_word_stands_out_from_its_ground_in_both_schemes() {
        let schemes: Vec<&str> = STYLE
            .split(":root{")
            .skip(1)
            .take(2)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let colours = colours(scheme);
            for ground in ["--paper", "--tint"] {
                for word in [
                    "--ink", "--soft", "--good", "--dark", "--warn", "--kept", "--none",
                ] {
                    let contrast = contrast(colours[ground], colours[word]);
                    assert!(contrast >= 4.5, "{word} on {ground}: {contrast}");
                }
            }
        }
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let hash = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
        assert!(POLICY.contains(&hash));
        assert!(!POLICY.contains("unsafe"));
        // A style that closes its element would end the page's head.
        assert!(!STYLE.contains('<'));
        assert!(!STYLE.contains("url("), "no second request");
    }
}
