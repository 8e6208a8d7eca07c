//! What is written for the stage: zones, and the standby's configuration.

use anyhow::Result;

use super::{
    DNS, ELSEWHERE, MAIL, METRICS, PROXY, Primary, RESOLVER, SENDER_ADDRESS, STANDBY, Wish,
};
use crate::day::stage_set::admin_socket;
use crate::lab::Host;
use crate::peer::knot::{self, Knot};
use crate::peer::unbound::{Delegation, Unbound};

/// The organisation's name server, somebody else's, and the resolver.
pub(super) fn name_servers(
    dns: &Host,
    elsewhere: &Host,
    resolver: &Host,
) -> Result<(Knot, Knot, Unbound)> {
    let zone = format!(
        "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster 1 60 30 604800 5\n@ NS ns\nns A {DNS}\n\
         @ MX 10 mail\n@ MX 20 mx2\nmail A {MAIL}\nmx2 A {STANDBY}\n"
    );
    let knot = Knot::start(dns, &knot::Setting::new().zone("verein.test", &zone))?;
    let theirs = format!(
        "$ORIGIN sender.test.\n$TTL 60\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A {ELSEWHERE}\n\
         @ A {SENDER_ADDRESS}\n@ MX 10 @\n@ TXT \"v=spf1 ip4:{SENDER_ADDRESS} -all\"\n"
    );
    let theirs = knot::Setting::new().zone("sender.test", &theirs);
    let reference = Knot::start(elsewhere, &theirs)?;
    let delegations = [
        Delegation::new("verein.test", &[DNS.parse()?]),
        Delegation::new("sender.test", &[ELSEWHERE.parse()?]),
    ];
    Ok((knot, reference, Unbound::start(resolver, &delegations)?))
}

/// The standby's configuration; with the passphrase's file only if it is to be open.
pub(super) fn configuration(wish: &Wish, open: bool) -> String {
    let admin = admin_socket();
    let passphrase = match open {
        true => "passphrase_file = \"passphrase\"",
        false => "",
    };
    let port = match wish.primary {
        Primary::BehindProxy(_) => PROXY,
        _ => 25,
    };
    let limits = wish.limits;
    format!(
        r#"version = 1
mode = "act"

[standby]
name = "oslo"
addresses = ["{STANDBY}"]
data = "data"
references = ["{ELSEWHERE}:53"]
resolver = "{RESOLVER}:53"
{passphrase}

[listen]
smtp = ["{STANDBY}:25"]
metrics = "{STANDBY}:{METRICS}"
admin = "{admin}"

[mail]
{limits}

[[organisation]]
name = "Verein Beispiel"
domains = ["verein.test"]
imprint = "https://www.verein.test/kontakt.html"

[organisation.mail]
primary = "{MAIL}:{port}"
name = "mail.verein.test"
mx = "mx2.verein.test"
clean = "5s"

[organisation.watch]
interval = "2s"
timeout = "1s"
burst_spacing = "1s"
"#
    )
}
