//! Both languages say the same things, nothing is missing, nothing is left over.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Every file that may ask for a message.
const ASKING: [&str; 10] = [
    include_str!("../view.rs"),
    include_str!("../view/headline.rs"),
    include_str!("../view/measured.rs"),
    include_str!("../view/standing.rs"),
    include_str!("../view/timeline.rs"),
    include_str!("../moment.rs"),
    include_str!("../feed.rs"),
    include_str!("../notice.rs"),
    include_str!("../page.rs"),
    concat!(
        include_str!("../../templates/base.html"),
        include_str!("../../templates/page.html"),
        include_str!("../../templates/statements.html"),
        include_str!("../../templates/statement.html"),
        include_str!("../../templates/missing.html"),
        include_str!("../../templates/notice.html"),
        include_str!("../../templates/feed.xml"),
    ),
];

/// Message names with the variables that each uses.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for source in language.sources() {
        assert!(
            FluentResource::try_new(source.to_owned()).is_ok(),
            "{language:?} is well written"
        );
        let mut current = String::new();
        for line in source.lines() {
            let name = line.split('=').next().unwrap_or("").trim();
            let opens = line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains('=');
            if opens {
                current = name.to_owned();
                let before = found.insert(current.clone(), BTreeSet::new());
                assert!(before.is_none(), "{current} is there twice");
            }
            if line.starts_with('#') || current.is_empty() {
                continue;
            }
            for part in line.split('$').skip(1) {
                let end = part
                    .find(|c: char| !c.is_ascii_lowercase())
                    .unwrap_or(part.len());
                found
                    .entry(current.clone())
                    .or_default()
                    .insert(part[..end].to_owned());
            }
        }
    }
    found
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_variables() {
    let german = messages(Language::German);
    let english = messages(Language::English);
    assert!(german.len() > 60, "{}", german.len());
    for (one, other) in [(&german, &english), (&english, &german)] {
        for (id, variables) in one {
            assert_eq!(other.get(id), Some(variables), "{id}");
        }
    }
}

#[test]
fn every_message_is_asked_for() {
    for id in messages(Language::German).keys() {
        let quoted = format!("\"{id}\"");
        assert!(
            ASKING.iter().any(|file| file.contains(&quoted)),
            "nobody asks for {id}"
        );
    }
}

#[test]
fn every_message_asked_for_exists() {
    let known = messages(Language::English);
    for file in ASKING {
        for call in [
            ".get(\"",
            ".with(\"",
            ".with(\n            \"",
            "words.say(\"",
        ] {
            for rest in file.split(call).skip(1) {
                let id = rest.split('"').next().unwrap_or("");
                assert!(known.contains_key(id), "{id} is asked for and missing");
            }
        }
    }
}

#[test]
fn no_word_claims_what_a_measurement_cannot_know() {
    let forbidden = [
        "seiz",
        "hack",
        "attack",
        "police",
        "raid",
        "beschlagnahm",
        "angriff",
        "gehackt",
        "polizei",
        "razzia",
        "sabotage",
        "!",
    ];
    for language in Language::ALL {
        for source in language.sources() {
            let text = source
                .lines()
                .filter(|line| !line.starts_with('#'))
                .collect::<String>()
                .to_lowercase();
            for word in forbidden {
                assert!(!text.contains(word), "{language:?} says `{word}`");
            }
        }
    }
}

#[test]
fn a_region_is_its_language_and_other_languages_are_none() {
    assert_eq!(Language::from_tag("de-AT"), Some(Language::German));
    assert_eq!(Language::from_tag("EN_gb"), Some(Language::English));
    assert_eq!(Language::from_tag("dent"), None);
    assert_eq!(Language::from_tag(""), None);
}
