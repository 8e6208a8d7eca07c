//! What a refusal to RCPT says: that this recipient does not exist, or something else.
//!
//! Only the first is learned. Everything else that a primary answers to RCPT (an unknown *sender*,
//! which Postfix says there too; a blocklist, a policy, a limit) says nothing about whom the mail is
//! for, and a stranger can bring it about for anybody. In doubt nothing is learned: whoever is not
//! known is asked to come again, as whoever is learned not to exist.

use super::address::{domain_form, local_form};
use crate::recipients::Case;
use crate::wire::reply::Reply;

/// Words that speak of something else than the recipient.
const ELSEWHERE: [&str; 38] = [
    "sender",
    "mail from",
    "from address",
    "return path",
    "return-path",
    "helo",
    "ehlo",
    "client",
    "your ip",
    "block",
    "blacklist",
    "dnsbl",
    "rbl",
    "spam",
    "policy",
    "policies",
    "spf",
    "dkim",
    "dmarc",
    "relaying",
    "relay access",
    "to relay",
    "relay not",
    "too many",
    "rate limit",
    "greylist",
    "graylist",
    "reputation",
    "denied",
    "not permitted",
    "not allowed",
    "authenti",
    "reverse",
    "banned",
    "quota",
    "full",
    "temporar",
    "later",
];

/// Words by which servers without enhanced codes say that somebody does not exist.
const NOBODY: [&str; 18] = [
    "no such user",
    "no such recipient",
    "no such mailbox",
    "no such address",
    "no such person",
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "unknown mailbox",
    "mailbox unknown",
    "user not found",
    "recipient not found",
    "mailbox not found",
    "user does not exist",
    "mailbox does not exist",
    "recipient does not exist",
    "unrouteable address",
];

/// Whether the reply to RCPT says that `local@domain` does not exist.
pub(crate) fn denies(reply: &Reply, local: &str, domain: &str) -> bool {
    // RFC 5321 §4.2.2: what refuses a mailbox for good.
    if !matches!(reply.code(), 550 | 551 | 553 | 554) {
        return false;
    }
    let said = reply.to_string().to_lowercase();
    let (addresses, words): (Vec<&str>, Vec<&str>) =
        said.split_whitespace().partition(|word| word.contains('@'));
    let is_meant = |word: &&str| is_address(word, local, domain);
    if !addresses.is_empty() && !addresses.iter().any(is_meant) {
        return false;
    }
    let words = words.join(" ");
    let has = |list: &[&str]| list.iter().any(|one| words.contains(one));
    let nobody = match reply.enhanced() {
        // RFC 3463 X.1.1, X.1.6, and X.1.10 as Exchange says it.
        Some((5, 1, 1 | 6 | 10)) => true,
        Some(_) => false,
        None => has(&NOBODY),
    };
    nobody && !has(&ELSEWHERE)
}

/// Whether a word of a reply, with what surrounds it, is this address.
fn is_address(word: &str, local: &str, domain: &str) -> bool {
    let around = |c: char| "<>()[]\"',;:.…".contains(c);
    let form = |local: &str, domain: &str| (local_form(local, Case::Fold), domain_form(domain));
    let word = word.trim_matches(around);
    let Some((said, at)) = word.rsplit_once('@') else {
        return false;
    };
    let at = at.split(['>', ':', ';', ',']).next().unwrap_or_default();
    let said = said.rsplit(['<', ':']).next().unwrap_or_default();
    form(said, at) == form(local.trim_matches(around), domain)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::reply::ReplyReader;

    fn learned(text: &str) -> bool {
        let mut bytes = BytesMut::from(format!("{text}\r\n").as_bytes());
        let reply = ReplyReader::default().read(&mut bytes).unwrap().unwrap();
        denies(&reply, "Chair", "verein.test")
    }

    #[test]
    fn only_what_names_the_recipient_is_learned() {
        for text in [
            "550 5.1.1 <chair@verein.test>: Recipient address rejected: User unknown in relay recipient table",
            "550 5.1.1 <chair@verein.test> User doesn't exist: chair@verein.test",
            "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 Look again",
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient chair@verein.test not found",
            "551 5.1.6 She has moved",
            "553 5.1.1 nobody",
            "550 Unrouteable address",
            "550 <Chair@Verein.test>... User unknown",
            "550 no such user here",
        ] {
            assert!(learned(text), "{text}");
        }
    }

    #[test]
    fn what_speaks_of_something_else_is_not() {
        for text in [
            "250 2.1.5 Ok",
            "450 4.1.1 <chair@verein.test>: Recipient address rejected: unverified address",
            "451 4.7.1 Greylisted",
            "550 5.1.0 <x@client.test>: Sender address rejected: User unknown in virtual mailbox table",
            "550 5.1.0 <chair@verein.test>: Sender address rejected: User unknown",
            "550 5.1.1 <x@client.test>: Sender address rejected: undeliverable address",
            "550 5.1.1 <x@client.test>: User unknown",
            "550 5.1.2 Bad destination system",
            "550 5.1.7 Bad sender",
            "550 5.1.8 <x@client.test>: Sender address rejected: Domain not found",
            "550 5.2.1 Mailbox disabled",
            "552 5.2.2 Mailbox full",
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen",
            "550 5.7.1 Recipient rejected by policy",
            "501 5.5.4 Bad ORCPT",
            "503 5.5.1 MAIL first",
            "550 5.1.1 blocked by our policy",
            "550 5.1.1 too many unknown users from you",
            "550 Requested action not taken: mailbox unavailable",
            "550 Sender verify failed: no such user",
            "550 SPF check failed",
            "550 relaying to unknown user prohibited",
            "550 too many recipients",
            "550 rejected",
            "550 Access denied, no such user",
            "554 Unknown user, listed as a spammer",
        ] {
            assert!(!learned(text), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_a_word_of_its_own_stands_in_no_ones_way() {
        let reply = Reply::owned(
            550,
            Some((5, 1, 1)),
            "<spam@verein.test>: unknown".to_owned(),
        );
        assert!(denies(&reply, "spam", "verein.test"));
        assert!(!denies(&reply, "chair", "verein.test"));
    }
}
