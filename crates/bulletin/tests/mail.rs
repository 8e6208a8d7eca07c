//! Mail through a day: dark, kept, on its way back, handed back; in both languages.

use model::{Cause, Condition, Effect, Mode, Role, Service, Standing, StateName};

use crate::stage::{Stage, dark, good, organisation, outage_of, standing, verdict};
use crate::xml::parse;

fn acting() -> Standing {
    let verdict = verdict(
        Service::Mail,
        Condition::Dark,
        Some(Cause::Silent),
        "09:14:05",
    );
    standing(Role::Acting, "09:14:21", verdict)
}

fn returning() -> Standing {
    let verdict = verdict(Service::Mail, Condition::Reachable, None, "16:58:40");
    standing(Role::Returning, "17:04:10", verdict)
}

fn handing_back(handback: bool) -> Standing {
    let mut standing = good(Service::Mail);
    standing.state = StateName::HandingBack;
    standing.handback = handback;
    standing
}

/// What stands on both pages beside this standing of mail: German, English.
async fn says(mail: Standing) -> [String; 2] {
    let outage = outage_of(Service::Mail, Cause::Silent, "09:14:05");
    let stage = Stage::open(vec![organisation()], &outage).await;
    stage.stand([good(Service::Web), mail]).await;
    let mut texts = Vec::new();
    for path in ["/de", "/en"] {
        let page = parse(&stage.page(path).await);
        let headline = page.named("h1")[0].text();
        let lead: String = page
            .classed("lead")
            .iter()
            .map(|lead| lead.text())
            .collect();
        let services = page.classed("services")[0].text();
        texts.push(format!("{headline} | {lead} | {services}"));
    }
    stage.close().await;
    texts.try_into().expect("two pages")
}

async fn all_say(mail: Standing, german: &[&str], english: &[&str]) {
    let texts = says(mail).await;
    for (text, parts) in texts.iter().zip([german, english]) {
        for part in parts {
            assert!(text.contains(part), "`{part}` is missing: {text}");
        }
    }
}

#[tokio::test]
async fn dark_mail_is_sent_again_by_others() {
    let dark = dark(Service::Mail, Cause::Silent, "09:14:05");
    let german = ["nicht erreichbar", "einige Tage lang immer wieder"];
    let english = ["not reachable", "for some days"];
    all_say(dark, &german, &english).await;
}

#[tokio::test]
async fn kept_mail_is_not_called_reachable_and_is_not_lost() {
    let german = [
        "Der E-Mail-Dienst von Verein Beispiel ist ausgefallen, neue E-Mails werden aufbewahrt",
        "was angenommen ist, geht nicht verloren",
        "wird angenommen und später zugestellt",
    ];
    let english = [
        "The email service of Verein Beispiel is down, new email is kept",
        "nothing that was accepted is lost",
        "accepted and delivered later",
    ];
    all_say(acting(), &german, &english).await;
}

#[tokio::test]
async fn a_mail_server_that_cannot_cope_is_helped_and_mail_is_not_said_to_wait() {
    let mut helped = acting();
    helped.effect = Some(Effect::Support);
    for text in says(helped).await {
        assert!(!text.contains("ausgefallen"), "{text}");
        assert!(!text.contains("später zugestellt"), "{text}");
        assert!(!text.contains("delivered later"), "{text}");
    }
}

#[tokio::test]
async fn new_mail_goes_home_first() {
    let german = ["kehrt zurück", "was aufbewahrt ist, folgt"];
    let english = ["coming back", "what was kept follows"];
    all_say(returning(), &german, &english).await;
}

#[tokio::test]
async fn what_was_kept_is_delivered_or_waits() {
    let german = ["werden jetzt zugestellt"];
    all_say(handing_back(true), &german, &["is being delivered now"]).await;
    let german = ["warten noch auf die Zustellung"];
    all_say(handing_back(false), &german, &["waits for its delivery"]).await;
    let mut observing = handing_back(true);
    observing.mode = Mode::Observe;
    for text in says(observing).await {
        assert!(!text.contains("zugestellt"), "{text}");
        assert!(!text.contains("delivered"), "{text}");
    }
}
