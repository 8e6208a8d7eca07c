//! The configuration file as a whole: what it says, checked at once, and what each part is told.
//!
//! Every part reads its own table; here they are put together. Nothing binds before the file and
//! all it includes are right.

mod claims;
mod include;
mod listeners;
mod organisation;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use host::config::{Document, Fields, Problem};
use host::web::Network;
use model::{Mode, PlaceId};

pub(crate) use organisation::Organisation;

/// What is true after a configuration was read.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) mode: Mode,
    pub(crate) standby: StandbyConfig,
    pub(crate) listen: Listen,
    pub(crate) alert: Option<watch::AlertConfig>,
    pub(crate) mail: mail::config::General,
    /// `[names]`.
    pub(crate) names: names::RateLimit,
    pub(crate) organisations: Vec<Organisation>,
}

/// `[standby]`: this place.
#[derive(Clone, Debug)]
pub(crate) struct StandbyConfig {
    pub(crate) name: PlaceId,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) data: PathBuf,
    pub(crate) references: Vec<SocketAddr>,
    /// Who is asked for other people's names; the system's resolver if nothing is said.
    pub(crate) resolver: Option<SocketAddr>,
    /// The name under which we greet and trace, if it is not an MX name.
    pub(crate) host: Option<String>,
    /// The file with the passphrase that opens what is about people.
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// `[listen]`: every one optional; a part without a listener does not run.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) dns: Vec<SocketAddr>,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    pub(crate) smtp: Vec<SocketAddr>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) proxy_protocol: bool,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) admin: PathBuf,
}

/// What reading gave: a configuration if there are no errors, and everything there is to say.
#[derive(Debug)]
pub struct Reading {
    /// The configuration; `None` if anything is wrong.
    pub config: Option<Config>,
    /// Errors and warnings, file by file, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Reads the file and what it includes. Only a file that cannot be read at all is an error.
pub fn read(path: &Path) -> std::io::Result<Reading> {
    let text = std::fs::read_to_string(path)?;
    let document = Document::new(path, text);
    let mut included = Vec::new();
    let config = document.read(|fields| whole(&fields, &mut included));
    let mut problems = document.problems();
    problems.extend(included);
    in_order(&mut problems);
    let wrong = problems.iter().any(|problem| !problem.warning);
    Ok(Reading {
        config: config.filter(|_| !wrong),
        problems,
    })
}

/// File by file as they were read, and in each in the order of the lines.
fn in_order(problems: &mut [Problem]) {
    let mut files: Vec<PathBuf> = Vec::new();
    for problem in problems.iter() {
        if !files.contains(&problem.file) {
            files.push(problem.file.clone());
        }
    }
    problems.sort_by_key(|problem| {
        let file = files.iter().position(|file| *file == problem.file);
        (file, problem.line, problem.column)
    });
}

fn whole(fields: &Fields<'_>, included: &mut Vec<Problem>) -> Option<Config> {
    match fields.integer("version", 1, 1) {
        Some(_) => {}
        None if fields.has("version") => {}
        None => fields.missing("version", "1"),
    }
    let modes = [("observe", Mode::Observe), ("act", Mode::Act)];
    let mode = fields.choice("mode", &modes).unwrap_or_default();
    let standby = match fields.table("standby") {
        Some(table) => standby(&table),
        None => {
            fields.missing(
                "standby",
                "{ name = \"oslo\", addresses = [\"192.0.2.7\"], data = \"/var/lib/servergate\" }",
            );
            None
        }
    };
    let listen = fields
        .table("listen")
        .map(|table| listen(&table))
        .unwrap_or_default();
    let alert = fields
        .table("alert")
        .and_then(|table| watch::AlertConfig::read(&table));
    let mail = mail::config::General::read(fields.table("mail").as_ref());
    let names = names::RateLimit::read(fields.table("names").as_ref());
    // A standby that is mistaken was named already.
    let addresses = standby
        .as_ref()
        .map_or(&[STAND_IN][..], |standby| &standby.addresses);
    let mut organisations = Vec::new();
    for table in fields.tables("organisation") {
        organisations.extend(Organisation::read(&table, addresses));
    }
    organisations.extend(include::organisations(fields, addresses, included));
    if !fields.has("organisation") && !fields.has("include") {
        fields.missing(
            "organisation",
            "…` under `[[organisation]]`, or `include = \"organisations.d/*.toml\"",
        );
    }
    included.extend(claims::conflicts(&organisations));
    included.extend(listeners::conflicts(fields));
    useless(fields, &listen, &organisations);
    Some(Config {
        mode,
        standby: standby?,
        listen,
        alert,
        mail,
        names,
        organisations,
    })
}

/// Stands in for addresses that are mistaken: without any, everything that leads to them would
/// look mistaken too. Nothing runs with it, since the mistake was noted.
const STAND_IN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn standby(fields: &Fields<'_>) -> Option<StandbyConfig> {
    let name = fields.parse("name", "one word like \"oslo\"", |text| {
        let word = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        word.then(|| PlaceId::new(text))
    });
    if !fields.has("name") {
        fields.missing("name", "\"oslo\"");
    }
    let mut addresses = fields.each("addresses", "an IP address like \"192.0.2.7\"", |text| {
        text.parse().ok()
    });
    if addresses.is_empty() && fields.has_items("addresses") {
        addresses.push(STAND_IN);
    }
    let references = watch::references(fields);
    let data = fields
        .path("data")
        .unwrap_or_else(|| PathBuf::from("/var/lib/servergate"));
    let resolver = fields.socket("resolver");
    let host = fields.parse("host", "a host name like \"standby.verein.test\"", |text| {
        let name = text.contains('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        name.then(|| text.to_ascii_lowercase())
    });
    let passphrase_file = fields.secret("passphrase_file");
    Some(StandbyConfig {
        name: name?,
        addresses,
        data,
        references,
        resolver,
        host,
        passphrase_file,
    })
}

fn listen(fields: &Fields<'_>) -> Listen {
    let network = "an address or network like \"10.0.0.0/8\"";
    let later = "is for a part that this version does not have yet; remove it for now";
    for key in ["imaps", "xmpp_client", "xmpp_server"] {
        if fields.has(key) {
            fields.problem(key, later);
        }
    }
    Listen {
        dns: fields.sockets("dns"),
        http: fields.sockets("http"),
        https: fields.sockets("https"),
        smtp: fields.sockets("smtp"),
        trusted_proxies: fields.each("trusted_proxies", network, |text| text.parse().ok()),
        proxy_protocol: fields.boolean("proxy_protocol").unwrap_or(false),
        metrics: fields.socket("metrics"),
        admin: fields
            .path("admin")
            .unwrap_or_else(|| Listen::default().admin),
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            dns: vec![],
            http: vec![],
            https: vec![],
            smtp: vec![],
            trusted_proxies: vec![],
            proxy_protocol: false,
            metrics: None,
            admin: PathBuf::from("/run/servergate/admin.sock"),
        }
    }
}

/// What is configured and would never be reached.
fn useless(fields: &Fields<'_>, listen: &Listen, organisations: &[Organisation]) {
    let wants_web = organisations
        .iter()
        .any(|organisation| organisation.web.is_some());
    if wants_web && listen.http.is_empty() && listen.https.is_empty() {
        fields.warning(
            "listen",
            "a website is to be served, and neither `http` nor `https` listens",
        );
    }
    let wants_names = organisations
        .iter()
        .any(|organisation| organisation.serves_names());
    if wants_names && listen.dns.is_empty() {
        fields.warning(
            "listen",
            "names are to be served, and `dns` does not listen",
        );
    }
    let wants_mail = organisations
        .iter()
        .any(|organisation| organisation.mail.is_some());
    if wants_mail && listen.smtp.is_empty() {
        fields.warning("listen", "mail is to be taken, and `smtp` does not listen");
    }
}

impl Config {
    /// All services that are decided about.
    pub(crate) fn decided(&self) -> Vec<crate::decide::Decided> {
        let place = &self.standby.name;
        self.organisations
            .iter()
            .flat_map(|organisation| organisation.decided(self.mode, place))
            .collect()
    }
}
