//! What `servergate status --json` says, by the names that scenarios use.

use serde_json::Value;

/// An answer of `servergate status --json`.
#[derive(Clone, Debug)]
pub struct Status(Value);

impl Status {
    pub(super) fn new(answer: Value) -> Self {
        Self(answer)
    }

    /// The role of a service: `standby`, `acting`, `returning`; empty if it is not there.
    #[must_use]
    pub fn role(&self, service: &str) -> &str {
        self.text_of(service, "/role")
    }

    /// The state of a service's machine: `following`, `held`, `serving` and so on.
    #[must_use]
    pub fn state(&self, service: &str) -> &str {
        self.text_of(service, "/state")
    }

    /// The role that mode act would have, where mode observe hides one.
    #[must_use]
    pub fn would(&self, service: &str) -> &str {
        self.text_of(service, "/would")
    }

    /// The condition of a service: `reachable`, `dark`, `blind`; empty before the first verdict.
    #[must_use]
    pub fn condition(&self, service: &str) -> &str {
        self.text_of(service, "/verdict/condition")
    }

    /// The cause that was named; empty if none was.
    #[must_use]
    pub fn cause(&self, service: &str) -> &str {
        self.text_of(service, "/verdict/cause")
    }

    /// The outage that runs; empty if none does.
    #[must_use]
    pub fn outage(&self, service: &str) -> &str {
        self.text_of(service, "/outage")
    }

    /// When a service was observed last, as the program writes times.
    #[must_use]
    pub fn last_observed(&self, service: &str) -> Option<String> {
        let observations = self.0.pointer("/observations")?.as_array()?;
        let of_service = |one: &&Value| {
            let name = one.pointer("/target/service/service");
            name.and_then(Value::as_str) == Some(service)
        };
        let times = observations.iter().filter(of_service);
        times
            .filter_map(|one| one.get("at").map(Value::to_string))
            .max()
    }

    /// What is held, one line a thing.
    #[must_use]
    pub fn held(&self) -> Vec<&str> {
        let held = self.0.pointer("/held").and_then(Value::as_array);
        let what = |one| Value::get(one, "what").and_then(Value::as_str);
        held.into_iter().flatten().filter_map(what).collect()
    }

    /// How many messages wait for the primary; `None` where no mail is configured.
    #[must_use]
    pub fn waiting_mail(&self) -> Option<usize> {
        let held = self.held();
        let line = held.iter().find_map(|line| line.strip_prefix("mail: "))?;
        line.split(' ').next()?.parse().ok()
    }

    /// The number and the topic of the question that is open.
    #[must_use]
    pub fn question(&self) -> Option<(&str, &Value)> {
        let standings = self.0.pointer("/standings")?.as_array()?;
        let open = standings.iter().find_map(|one| {
            one.pointer("/question")
                .filter(|question| !question.is_null())
        })?;
        Some((open.get("id")?.as_str()?, open.get("topic")?))
    }

    /// The whole answer.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// A value of the whole answer (RFC 6901).
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    fn text_of(&self, service: &str, pointer: &str) -> &str {
        let standings = self.0.pointer("/standings").and_then(Value::as_array);
        let of_service =
            |one: &&Value| one.pointer("/service/service").and_then(Value::as_str) == Some(service);
        let standing = standings.into_iter().flatten().find(of_service);
        let value = standing.and_then(|one| one.pointer(pointer));
        value.and_then(Value::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_standing_is_found_by_its_service() {
        let status = Status::new(json!({
            "standings": [
                { "service": { "organisation": "verein.test", "service": "names" }, "role": "standby" },
                { "service": { "organisation": "verein.test", "service": "web" }, "role": "acting",
                  "verdict": { "condition": "dark", "cause": "silent" } },
            ],
        }));
        assert_eq!(
            (status.role("web"), status.role("names")),
            ("acting", "standby")
        );
        assert_eq!(
            (status.condition("web"), status.cause("web")),
            ("dark", "silent")
        );
        assert_eq!((status.condition("names"), status.role("mail")), ("", ""));
        assert_eq!((status.waiting_mail(), status.question()), (None, None));
    }

    #[test]
    fn mail_that_waits_and_an_open_question_are_found() {
        let status = Status::new(json!({
            "held": [{ "what": "mail: 7 messages wait, none in quarantine; 9 bytes" }],
            "standings": [
                { "question": null },
                { "question": { "id": "mail-1", "topic": "hand-back" } },
            ],
        }));
        assert_eq!(status.waiting_mail(), Some(7));
        assert_eq!(status.question(), Some(("mail-1", &json!("hand-back"))));
    }
}
