//! What stands on a page, whatever is said and measured: structure, escaping, sizes, no mixing.

use std::sync::Arc;

use http::StatusCode;
use model::{
    Cause, Condition, Fact, Mode, Operator, Question, QuestionId, Record, Role, Service, Topic,
};

use crate::stage::{
    Stage, at, dark, good, organisation, outage_of, record, service, standing, statement, verdict,
};
use crate::xml::{Element, parse};

const CAUSES: [Cause; 19] = [
    Cause::Application,
    Cause::BelowQuorum,
    Cause::Block,
    Cause::Denied,
    Cause::DnsData,
    Cause::DnsDelegation,
    Cause::DnsServer,
    Cause::ForeignCertificate,
    Cause::HoldingPage,
    Cause::Host,
    Cause::Network,
    Cause::NotMeasured,
    Cause::Observer,
    Cause::Overload,
    Cause::Path,
    Cause::Service,
    Cause::Silent,
    Cause::Tls,
    Cause::Unknown,
];
const SERVICES: [Service; 4] = [Service::Web, Service::Mail, Service::Chat, Service::Names];

async fn dark_stage(log: &[Record]) -> Stage {
    let mut records = outage_of(Service::Web, Cause::Silent, "09:14:03");
    records.extend_from_slice(log);
    let stage = Stage::open(vec![organisation()], &records).await;
    stage
        .stand([
            dark(Service::Web, Cause::Silent, "09:14:03"),
            good(Service::Names),
        ])
        .await;
    stage
}

/// What is true of every page in every state.
fn check(text: &str, language: &str) -> Element {
    assert!(text.len() < 15 * 1024, "{} bytes", text.len());
    let page = parse(text);
    let html = &page.named("html")[0];
    assert_eq!(html.attribute("lang"), Some(language));
    assert_eq!(page.named("h1").len(), 1);
    assert_eq!(page.named("main").len(), 1);
    assert!(page.named("script").is_empty() && page.named("img").is_empty());
    assert!(text.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""));
    for link in page.named("a") {
        let target = link.attribute("href").expect("leads somewhere");
        let own = target.starts_with('/') || target.starts_with('#');
        assert!(own || target == "https://verein.test/impressum", "{target}");
        assert!(!link.text().is_empty(), "a link says where it leads");
    }
    let mut loads = Vec::new();
    page.all(&|element| element.attribute("src").is_some(), &mut loads);
    assert!(loads.is_empty(), "nothing is loaded");
    let styled = |element: &Element| element.attribute("style").is_some();
    let mut inline = Vec::new();
    page.all(&styled, &mut inline);
    assert!(inline.is_empty(), "the policy forbids style attributes");
    for time in page.named("time") {
        let machine = time.attribute("datetime").expect("for machines");
        assert!(
            machine.starts_with("20") && machine.len() >= 10,
            "{machine}"
        );
    }
    let mut ids = Vec::new();
    page.all(&|element| element.attribute("id").is_some(), &mut ids);
    let mut names: Vec<_> = ids
        .iter()
        .filter_map(|element| element.attribute("id"))
        .collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "every id is there once");
    for sign in page.named("use") {
        let target = sign
            .attribute("href")
            .expect("a sign")
            .trim_start_matches('#');
        assert!(names.contains(&target), "{target}");
    }
    page
}

#[tokio::test]
async fn every_cause_of_every_service_is_told_in_both_languages() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    for cause in CAUSES {
        stage
            .stand(SERVICES.map(|of| dark(of, cause, "09:14:03")))
            .await;
        for language in ["de", "en"] {
            let page = check(&stage.page(&format!("/{language}")).await, language);
            let sentences = page.classed("measured")[0].named("p");
            let told = sentences.iter().map(|sentence| sentence.text());
            let told: Vec<_> = told.filter(|text| text.contains("09:14")).collect();
            assert_eq!(told.len(), SERVICES.len(), "{cause}: {told:?}");
            for text in told {
                let broken = ["measured-", "$", "{", "message"];
                assert!(!broken.iter().any(|sign| text.contains(sign)), "{text}");
            }
            for row in page.classed("services")[0].named("li") {
                assert!(!row.named("svg").is_empty() && !row.named("b")[0].text().is_empty());
            }
        }
    }
    stage.close().await;
}

#[tokio::test]
async fn every_condition_is_told_without_a_verdicts_cause_too() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    let conditions = [
        (Condition::Reachable, "erreichbar"),
        (Condition::Suspect, "wird geprüft"),
        (Condition::BelowQuorum, "nicht von überall erreichbar"),
        (Condition::Dark, "nicht erreichbar"),
        (Condition::Blind, "derzeit nicht zu beurteilen"),
    ];
    for (condition, word) in conditions {
        let verdict = verdict(Service::Web, condition, None, "09:14");
        stage
            .stand([standing(Role::Standby, "06:00", verdict)])
            .await;
        let page = check(&stage.page("/de").await, "de");
        assert_eq!(page.classed("services")[0].named("b")[0].text(), word);
    }
    stage.close().await;
}

#[tokio::test]
async fn hostile_words_stay_words() {
    let text = "<script>alert(1)</script>\n\n</style><img src=x onerror=alert(1)> & \"quotes\" '\n\n\
                \u{202e}desrever\u{202c} \u{5e9}\u{5dc}\u{5d5}\u{5dd}\n\n{{ view.headline }} { $name }\n\n]]>\u{0}";
    let mut said = statement("<b id=x>'\"", "09:40", text, true);
    if let Fact::Statement(statement) = &mut said.fact {
        statement.by = Some("<i>Press\u{202e}</i>\nOffice".to_owned());
        statement.language = Some("\"><script>".to_owned());
    }
    let mut organisation = organisation();
    organisation.name = "A & B <Verein>".to_owned();
    let stage = Stage::open(vec![organisation], &[said]).await;
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14")])
        .await;
    for (path, language) in [("/de", "de"), ("/en", "en"), ("/de/statements", "de")] {
        let page = check(&stage.page(path).await, language);
        let said = page.classed("said");
        assert_eq!(said.len(), 1);
        let words = said[0].text();
        assert!(words.contains("<script>alert(1)</script>"), "{words}");
        assert!(words.contains("{{ view.headline }} { $name }"), "{words}");
        assert!(said[0].named("i").is_empty() && said[0].named("script").is_empty());
        assert_eq!(said[0].named("blockquote")[0].attribute("lang"), None);
        for paragraph in said[0].named("blockquote")[0].named("p") {
            assert_eq!(paragraph.attribute("dir"), Some("auto"));
        }
        assert_eq!(said[0].named("bdi").len(), 1);
    }
    stage.close().await;
}

#[tokio::test]
async fn a_flood_of_words_and_entries_keeps_the_page_small() {
    let mut log = Vec::new();
    for n in 0..220 {
        let text = "&<>".repeat(2000);
        log.push(statement(&format!("s{n}"), "09:40", &text, false));
    }
    for n in 0..400 {
        let condition = if n % 2 == 0 {
            Condition::Reachable
        } else {
            Condition::Dark
        };
        let mut verdict = verdict(Service::Web, condition, Some(Cause::Network), "09:20");
        verdict.since = at(&format!("10:{:02}:{:02}", n / 60, n % 60));
        verdict.at = verdict.since;
        log.push(record(verdict.at, Fact::Verdict(Arc::new(verdict))));
    }
    let stage = dark_stage(&log).await;
    let standings = SERVICES.map(|of| {
        let mut standing = dark(of, Cause::Network, "09:14:03");
        standing.mode = Mode::Observe;
        standing.would = Some(Role::Acting);
        standing.held_by = Some((Operator("someone".to_owned()), at("09:30")));
        standing.question = Some(Question {
            id: QuestionId::new("q"),
            service: service(of),
            topic: Topic::Return,
            asked: at("09:30"),
        });
        standing
    });
    stage.stand(standings).await;
    for language in ["de", "en"] {
        let text = stage.page(&format!("/{language}")).await;
        let page = check(&text, language);
        assert!(!text.contains("someone"), "nobody is named");
        assert_eq!(page.classed("omitted").len(), 1);
        let more = page.classed("voice")[0].classed("more");
        assert!(!more.is_empty(), "there is a way to the whole text");
    }
    let whole = stage.get("/de/statements").await;
    assert_eq!(whole.status, StatusCode::OK);
    assert!(parse(whole.text()).classed("said").len() >= 10);
    stage.close().await;
}

#[tokio::test]
async fn nothing_measured_is_made_of_what_is_said() {
    let words = "Our server was taken away by xylophone players.";
    let stage = dark_stage(&[statement("a", "09:40", words, true)]).await;
    let without = dark_stage(&[]).await;
    for language in ["de", "en"] {
        let path = format!("/{language}");
        let page = parse(&stage.page(&path).await);
        let same = parse(&without.page(&path).await);
        assert!(page.classed("voice")[0].text().contains(words));
        for section in ["measured", "timeline", "services", "top"] {
            let text = page.classed(section)[0].text();
            assert!(!text.contains("xylophone"), "{section}");
            if section != "measured" {
                assert_eq!(
                    text,
                    same.classed(section)[0].text(),
                    "{section} is measured or done"
                );
            }
        }
        assert!(page.classed("measured")[0].classed("said").is_empty());
        assert!(page.classed("voice")[0].classed("measured").is_empty());
        let title = page.named("title")[0].text();
        assert!(!title.contains("xylophone"), "{title}");
    }
    stage.close().await;
    without.close().await;
}

#[tokio::test]
async fn the_reason_is_not_known_until_it_is_said_in_this_disturbance() {
    let early = statement("early", "08:00", "Maintenance is over.", true);
    let stage = dark_stage(&[early]).await;
    let reason = async || parse(&stage.page("/de").await).classed("reason")[0].text();
    assert_eq!(reason().await, "Der Grund ist nicht bekannt.");
    stage
        .feed([statement("a", "09:40", "Wir prüfen das.", false)])
        .await;
    assert_eq!(reason().await, "Der Grund ist nicht bekannt.");
    stage
        .feed([statement("b", "10:00", "Ein Kabel ist gerissen.", true)])
        .await;
    assert_eq!(
        reason().await,
        "Die Messung zeigt den Grund nicht. Verein Beispiel nennt ihn in den eigenen Angaben."
    );
    stage.close().await;
}
