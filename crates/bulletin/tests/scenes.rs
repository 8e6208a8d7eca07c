//! The whole day in four scenes: good, dark, acting, returning. Set `BULLETIN_PAGES=DIR` to have
//! the pages written there, to look at them in a browser.

use std::path::PathBuf;
use std::sync::Arc;

use model::{
    Answer, Cause, Condition, Fact, GenerationFact, Mode, Operator, OutageId, Question, QuestionId,
    Record, Role, Service, Standing, Topic,
};

use crate::stage::{
    Stage, at, dark, good, organisation, outage_of, record, service, standing, statement, verdict,
    verein,
};
use crate::xml::parse;

const FIRST_WORDS: &str = "Unsere Website, die E-Mail und der Chat sind seit heute früh nicht \
    erreichbar. Wir wissen noch nicht, woran es liegt, und haben den Betreiber des Rechenzentrums \
    angerufen.\n\nDie Geschäftsstelle erreichen Sie unter 030 5550100.";
const REASON: &str = "Der Betreiber des Rechenzentrums bestätigt einen Stromausfall im Gebäude. \
    Unsere Daten sind nach seiner Auskunft nicht betroffen.\n\nWir melden uns bis 13 Uhr wieder.";

fn generation() -> Record {
    let generation = GenerationFact {
        organisation: verein(),
        number: 41,
        pages: 1240,
        bytes: 81_000_000,
    };
    record(at("09:00:12"), Fact::Generation(generation))
}

fn acting(of: Service) -> Standing {
    let verdict = verdict(of, Condition::Dark, Some(Cause::Silent), "09:14:03");
    standing(Role::Acting, "09:14:21", verdict)
}

fn returning(of: Service) -> Standing {
    let verdict = verdict(of, Condition::Reachable, None, "16:58:40");
    let mut standing = standing(Role::Returning, "17:04:10", verdict);
    standing.outage = Some(OutageId::of(&service(of), at("09:14:03")));
    standing
}

/// Everything from the first sign to the end.
fn day() -> Vec<Record> {
    let mut day = vec![generation()];
    day.extend(outage_of(Service::Web, Cause::Silent, "09:14:03"));
    day.extend(outage_of(Service::Mail, Cause::Silent, "09:14:05"));
    day.push(record(at("09:14:21"), Fact::Standing(acting(Service::Web))));
    day.push(statement("first", "09:40", FIRST_WORDS, false));
    let host = verdict(Service::Web, Condition::Dark, Some(Cause::Host), "09:14:03");
    let mut host = host;
    host.at = at("10:05:30");
    day.push(record(at("10:05:30"), Fact::Verdict(Arc::new(host))));
    day.push(statement("reason", "11:20", REASON, true));
    day
}

fn evening() -> Vec<Record> {
    let back = verdict(Service::Web, Condition::Reachable, None, "16:58:40");
    let mail = verdict(Service::Mail, Condition::Reachable, None, "16:58:44");
    let id = QuestionId::new("q1");
    vec![
        record(back.at, Fact::Verdict(Arc::new(back))),
        record(mail.at, Fact::Verdict(Arc::new(mail))),
        record(
            at("16:59"),
            Fact::OutageEnded {
                outage: OutageId::of(&service(Service::Mail), at("09:14:05")),
                service: service(Service::Mail),
            },
        ),
        record(
            at("16:59:10"),
            Fact::Asked(Question {
                id: id.clone(),
                service: service(Service::Web),
                topic: Topic::Return,
                asked: at("16:59:10"),
            }),
        ),
        record(
            at("17:04:08"),
            Fact::Answered(Answer {
                question: id,
                service: service(Service::Web),
                yes: true,
                by: Operator("a.person".to_owned()),
                at: at("17:04:08"),
            }),
        ),
        record(at("17:04:10"), Fact::Standing(returning(Service::Web))),
    ]
}

fn night() -> Vec<Record> {
    let mut back = good(Service::Web);
    back.since = at("17:20");
    vec![
        record(
            at("17:20"),
            Fact::OutageEnded {
                outage: OutageId::of(&service(Service::Web), at("09:14:03")),
                service: service(Service::Web),
            },
        ),
        record(at("17:20"), Fact::Standing(back)),
    ]
}

async fn write(stage: &Stage, scene: &str) {
    let Some(folder) = std::env::var_os("BULLETIN_PAGES").map(PathBuf::from) else {
        return;
    };
    std::fs::create_dir_all(&folder).expect("a folder");
    for (path, file) in [
        ("/de", "de"),
        ("/en", "en"),
        ("/de/statements", "de-statements"),
    ] {
        let page = stage.page(path).await;
        std::fs::write(folder.join(format!("{scene}-{file}.html")), page).expect("written");
    }
    let feed = stage.page("/de/feed.atom").await;
    std::fs::write(folder.join(format!("{scene}.atom")), feed).expect("written");
}

#[tokio::test]
async fn before_anything_is_known() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    let page = parse(&stage.page("/de").await);
    assert_eq!(
        page.named("h1")[0].text(),
        "Über die Dienste von Verein Beispiel liegt noch keine Messung vor"
    );
    assert!(page.classed("reason").is_empty());
    write(&stage, "nothing").await;
    stage.close().await;
}

#[tokio::test]
async fn a_good_day() {
    let mut log = day();
    log.extend(evening());
    log.extend(night());
    let stage = Stage::open(vec![organisation()], &log).await;
    stage
        .stand([
            good(Service::Web),
            good(Service::Mail),
            good(Service::Names),
        ])
        .await;
    let page = parse(&stage.page("/en").await);
    assert_eq!(
        page.named("h1")[0].text(),
        "All services of Verein Beispiel are reachable"
    );
    assert_eq!(
        page.classed("lead")[0].text(),
        "The last disturbance lasted from 20 May, 09:14 to 20 May, 17:20."
    );
    assert!(page.classed("reason").is_empty());
    write(&stage, "good").await;
    stage.close().await;
}

#[tokio::test]
async fn a_dark_morning() {
    let mut log = vec![generation()];
    log.extend(outage_of(Service::Web, Cause::Silent, "09:14:03"));
    log.extend(outage_of(Service::Mail, Cause::Silent, "09:14:05"));
    let stage = Stage::open(vec![organisation()], &log).await;
    let mut web = dark(Service::Web, Cause::Silent, "09:14:03");
    web.mode = Mode::Observe;
    web.would = Some(Role::Acting);
    stage
        .stand([
            web,
            dark(Service::Mail, Cause::Silent, "09:14:05"),
            good(Service::Names),
        ])
        .await;
    let page = parse(&stage.page("/en").await);
    assert_eq!(
        page.named("h1")[0].text(),
        "The website and the email service of Verein Beispiel are not reachable"
    );
    let measured = page.classed("measured")[0].text();
    assert!(
        measured.contains(
            "The address of the website has not answered since 20 May, 09:14; \
             measured from 3 of 3 places."
        ),
        "{measured}"
    );
    assert_eq!(page.classed("reason")[0].text(), "The reason is not known.");
    assert_eq!(page.classed("observe").len(), 1);
    write(&stage, "dark").await;
    stage.close().await;
}

#[tokio::test]
async fn the_standby_acts() {
    let stage = Stage::open(vec![organisation()], &day()).await;
    let mail = dark(Service::Mail, Cause::Silent, "09:14:05");
    let mut web = acting(Service::Web);
    let host = verdict(Service::Web, Condition::Dark, Some(Cause::Host), "09:14:03");
    web.verdict = Some(Arc::new(host));
    stage.stand([web.clone(), good(Service::Names)]).await;
    let page = parse(&stage.page("/de").await);
    assert_eq!(
        page.named("h1")[0].text(),
        "Die Website von Verein Beispiel ist ausgefallen, eine Kopie ist zu lesen"
    );
    assert!(
        page.classed("lead")[0]
            .text()
            .contains("liest eine Kopie vom 20. Mai, 09:00 Uhr."),
        "{}",
        page.classed("lead")[0].text()
    );
    assert_eq!(page.classed("said").len(), 2);
    write(&stage, "acting").await;
    stage.stand([web, mail, good(Service::Names)]).await;
    write(&stage, "acting-mail-dark").await;
    stage.close().await;
}

#[tokio::test]
async fn on_the_way_back() {
    let mut log = day();
    log.extend(evening());
    let stage = Stage::open(vec![organisation()], &log).await;
    stage
        .stand([
            returning(Service::Web),
            good(Service::Mail),
            good(Service::Names),
        ])
        .await;
    let page = parse(&stage.page("/de").await);
    assert_eq!(
        page.named("h1")[0].text(),
        "Die Website von Verein Beispiel kehrt zurück"
    );
    let timeline = page.classed("timeline")[0].text();
    for part in [
        "Ein Mensch wird gefragt",
        "Die Antwort lautet ja",
        "antworten wieder",
    ] {
        assert!(timeline.contains(part), "{timeline}");
    }
    assert!(!timeline.contains("a.person"), "nobody is named");
    write(&stage, "returning").await;
    stage.close().await;
}

#[tokio::test]
async fn we_are_blind_ourselves() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    let blind = verdict(
        Service::Web,
        Condition::Blind,
        Some(Cause::Observer),
        "12:00",
    );
    stage.stand([standing(Role::Standby, "06:00", blind)]).await;
    let page = parse(&stage.page("/de").await);
    let measured = page.classed("measured")[0].text();
    assert!(
        measured.contains("können derzeit nicht beurteilen"),
        "{measured}"
    );
    assert!(page.classed("reason").is_empty());
    write(&stage, "blind").await;
    stage.close().await;
}

#[tokio::test]
async fn a_standby_without_a_copy_does_not_say_that_there_is_one() {
    let outage = outage_of(Service::Web, Cause::Silent, "09:14:03");
    let stage = Stage::open(vec![organisation()], &outage).await;
    stage.stand([acting(Service::Web)]).await;
    let headline = parse(&stage.page("/de").await).named("h1")[0].text();
    assert!(!headline.contains("Kopie"), "{headline}");
    stage.close().await;
}
