//! What the two instances of the drill are told: both TOML files, and the zone.

use std::path::Path;
use std::time::Duration;

use super::super::authority::{AUTHORITY, CHAIN, KEY, SECRET};
use super::super::site::MARK;
use super::{
    HOST, LOCAL_HOST, MACHINE, MAIL_HOST, MX_HOST, ORGANISATION, PACE, PASSPHRASE, PRIMARY, Plan,
    REFERENCE, STANDBY, STANDBY_NAME, STATUS_HOST, TTL,
};

/// The primary: this program, serving a folder and a zone file.
pub(super) fn primary(plan: &Plan, socket: &Path) -> String {
    let Plan {
        https,
        dns,
        smtp,
        reference,
        ..
    } = plan;
    let standby_dns = plan.standby_dns();
    let socket = socket.display();
    format!(
        r#"# The primary of a drill: the organisation's own servers.
version = 1
mode = "act"

[standby]
name = "primary"
addresses = ["{PRIMARY}"]
data = "primary"
references = ["{REFERENCE}:{reference}"]
resolver = "{MACHINE}:{dns}"
passphrase_file = "{PASSPHRASE}"

[listen]
dns = ["{MACHINE}:{dns}"]
https = ["{MACHINE}:{https}"]
smtp = ["{MACHINE}:{smtp}"]
admin = "{socket}"

[[organisation]]
name = "{MARK}"
domains = ["{ORGANISATION}"]
languages = ["de", "en"]
imprint = "https://{HOST}/impressum.html"

[organisation.names]
zones = ["{ORGANISATION}"]
file = "zone"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "{SECRET}" }}
notify = ["{standby_dns}"]

[organisation.web]
hosts = ["{HOST}", "{ORGANISATION}", "{LOCAL_HOST}"]
folder = "site"
expect = "{MARK}"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}

[organisation.mail]             # takes mail as a mail server does, and has it
primary = "{MACHINE}:{reference}"  # nobody is there
mx = "{MAIL_HOST}"
unknown = "keep"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}
"#
    )
}

/// The standby, as anybody would write it but for the shortened intervals.
pub(super) fn standby(plan: &Plan, socket: &Path) -> String {
    let (web, names) = (plan.observed_web(), plan.observed_dns());
    let (listen_dns, listen_web) = (plan.standby_dns(), plan.standby_web());
    let (mail, listen_mail) = (plan.observed_mail(), plan.standby_mail());
    let (listen_http, reference) = (plan.standby_http(), plan.observed_reference());
    let status_url = plan.status_url();
    let socket = socket.display();
    let millis = |span: Duration| format!("{}ms", span.as_millis());
    let (interval, timeout) = (millis(PACE.interval), millis(PACE.timeout));
    let (spacing, clean) = (millis(PACE.spacing), millis(PACE.clean));
    let stage = millis(PACE.stage);
    format!(
        r#"# The standby of a drill: somewhere else.
version = 1
mode = "act"

[standby]
name = "{STANDBY_NAME}"
addresses = ["{STANDBY}"]
data = "standby"
references = ["{reference}"]
resolver = "{listen_dns}"       # nothing of a drill leaves the machine
passphrase_file = "{PASSPHRASE}"

[listen]
dns = ["{listen_dns}"]
http = ["{listen_http}"]
https = ["{listen_web}"]
smtp = ["{listen_mail}"]
admin = "{socket}"

[[organisation]]
name = "{MARK}"
domains = ["{ORGANISATION}"]
languages = ["de", "en"]
imprint = "https://{HOST}/impressum.html"

[organisation.bulletin]
host = "{STATUS_HOST}"
url = "{status_url}"

[organisation.names]
zones = ["{ORGANISATION}"]
primary = "{names}"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "{SECRET}" }}
steer = {{ via = "secondary", names = ["{ORGANISATION}", "{HOST}"] }}

[organisation.web]
hosts = ["{HOST}", "{ORGANISATION}", "{LOCAL_HOST}"]
primary = "https://{web}"
expect = "{MARK}"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}
ca = "{AUTHORITY}"
refresh = "10s"                 # 15m outside of a drill
capture = {{ rate = 100 }}        # the primary is ours alone
clean = "{clean}"                # 3m
stage = "{stage}"                # 30s

[organisation.mail]
primary = "{mail}"
name = "{MAIL_HOST}"
tls = "verify"
ca = "{AUTHORITY}"
mx = "{MX_HOST}"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}
clean = "{clean}"                # 3m

[organisation.watch]
interval = "{interval}"             # 10s
timeout = "{timeout}"              # 3s
burst_spacing = "{spacing}"        # 3s
ports = []                      # other ports of loopback are other people's
"#
    )
}

/// The organisation's zone; both name servers are in it.
pub(super) fn zone() -> String {
    let ttl = TTL.as_secs();
    format!(
        "$ORIGIN {ORGANISATION}.
$TTL {ttl}
@       IN SOA  ns1 post 1 10 2 604800 5
@       IN NS   ns1
@       IN NS   ns2
@       IN A    {PRIMARY}
@       IN MX   10 mail
@       IN MX   20 mx2
www     IN A    {PRIMARY}
mail    IN A    {PRIMARY}
mx2     IN A    {STANDBY}
ns1     IN A    {PRIMARY}
ns2     IN A    {STANDBY}
"
    )
}
