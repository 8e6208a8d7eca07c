//! What a notification says to people, in German and in English.

use super::record::Kind;
use super::text::Content;

/// The subject, in ASCII.
pub(super) fn subject(kind: Kind) -> &'static str {
    match kind {
        Kind::Failure => "Nicht zugestellt / Undelivered mail returned to sender",
        Kind::Delay => "Noch nicht zugestellt / Mail delayed, still trying",
    }
}

/// All of it, with lines that end with LF.
pub(super) fn body(content: &Content<'_>) -> String {
    let Content { name, primary, .. } = content;
    let recipients = content.recipients.iter().map(|one| {
        let said = match one.reply {
            "" => String::new(),
            reply if content.kind == Kind::Failure => format!("\n        {reply}"),
            _ => String::new(),
        };
        format!("    <{}>{said}\n", one.recipient.mailbox)
    });
    let recipients: String = recipients.collect();
    let (german, english) = match content.kind {
        Kind::Failure => (
            format!(
                "Ihre Nachricht wurde nicht zugestellt. Der Mailserver des Empfängers ({primary})\n\
                 hat sie abgelehnt; seine Antwort steht unter der Adresse:\n"
            ),
            format!(
                "Your message was not delivered. The recipient's mail server ({primary})\n\
                 refused it; its answer stands below the address:\n"
            ),
        ),
        Kind::Delay => (
            "Ihre Nachricht ist noch nicht zugestellt. Der Mailserver des Empfängers ist zurzeit\n\
             nicht erreichbar. Sie ist sicher aufbewahrt und wird zugestellt, sobald das geht;\n\
             Sie brauchen sie nicht noch einmal zu senden:\n"
                .to_owned(),
            "Your message is not delivered yet. The recipient's mail server cannot be reached\n\
             at present. The message is kept safely and will be delivered as soon as that is\n\
             possible; you need not send it again:\n"
                .to_owned(),
        ),
    };
    format!(
        "(English below.)\n\n\
         Dies ist eine automatische Nachricht des Mailservers {name}.\n\n\
         {german}\n{recipients}\n\
         --\n\n\
         This is an automatic message from the mail server {name}.\n\n\
         {english}\n{recipients}"
    )
}
