//! What TOML may say, and what is true then.

use host::config::{Document, Problem};

use super::*;

fn read(text: &str) -> (OrganisationWatch, Vec<Problem>) {
    let document = Document::new("test.toml", text);
    let watch = document.read(|fields| OrganisationWatch::read(Some(&fields)));
    (watch, document.problems())
}

#[test]
fn an_empty_table_is_a_careful_operators() {
    let (watch, problems) = read("");
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(watch, OrganisationWatch::default());
    assert_eq!(watch.interval, Duration::from_secs(10));
    assert_eq!(watch.timeout, Duration::from_secs(3));
    assert_eq!(watch.burst_spacing, Duration::from_secs(3));
    assert_eq!(watch.companions.ports, [22, 80, 443]);
}

#[test]
fn targets_become_probes_and_never_steer() {
    let (watch, problems) = read(
        r#"
        interval = "20s"
        ports = [22, 8443]
        neighbours = ["198.51.100.81"]
        routers = ["198.51.100.1", "2001:db8::1"]
        [[target]]
        kind = "http"
        address = "https://198.51.100.80"
        host = "verein.test"
        path = "/shop"
        expect = "Shop"
        [[target]]
        kind = "tls"
        address = "198.51.100.80:993"
        host = "mail.verein.test"
        service = "mail"
        [[target]]
        kind = "dns"
        address = "[2001:db8::53]:53"
        zone = "verein.test"
        [[target]]
        kind = "smtp"
        address = "198.51.100.25:25"
        host = "mail.verein.test"
        [[target]]
        kind = "smtp"
        address = "198.51.100.26:25"
        host = "mx.verein.test"
        verify = true
        [[target]]
        kind = "lmtp"
        address = "198.51.100.26:24"
        host = "mx.verein.test"
        [[target]]
        kind = "icmp"
        address = "192.0.2.99"
        name = "the authority's gateway"
        third_party = true
        "#,
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(watch.companions.routers.len(), 2);
    let organisation = OrganisationId::new("verein.test");
    let further = watch.further(&organisation);
    let names: Vec<_> = further
        .iter()
        .map(|config| format!("{} {}", config.target.service, config.target.name))
        .collect();
    let want = [
        "verein.test/web https://verein.test/shop at 198.51.100.80:443",
        "verein.test/mail tls mail.verein.test at 198.51.100.80:993",
        "verein.test/names SOA verein.test at [2001:db8::53]:53",
        "verein.test/mail smtp mail.verein.test at 198.51.100.25:25",
        "verein.test/mail smtp mx.verein.test at 198.51.100.26:25",
        "verein.test/mail lmtp mx.verein.test at 198.51.100.26:24",
        "verein.test/web the authority's gateway",
    ];
    assert_eq!(names, want);
    assert!(further.iter().all(|config| !config.steering));
    assert_eq!(further[0].interval, Duration::from_secs(20));
    assert_eq!(further[6].interval, Duration::from_secs(60));
    let verify = |config: &TargetConfig| match &config.probe {
        Probe::Smtp(smtp) => Some(smtp.verify),
        _ => None,
    };
    let verify: Vec<_> = further.iter().filter_map(verify).collect();
    assert_eq!(verify, [false, true, false]);
}

#[test]
fn all_mistakes_are_found_at_once_with_their_lines() {
    let (_, problems) = read(
        "interval = \"2s\"\ntimeout = \"5s\"\nburst_spacing = \"1s\"\nports = [0, \"ssh\"]\n\
         [[target]]\nkind = \"http\"\naddress = \"https://verein.test\"\nhost = \"verein.test\"\n\
         [[target]]\nkind = \"imap\"\naddress = \"x\"\n\
         [[target]]\nkind = \"dns\"\naddress = \"192.0.2.1:53\"\n\
         [[target]]\nkind = \"smtp\"\naddress = \"mail.verein.test:25\"\n\
         host = \"mail.verein.test\"\nverify = \"yes\"\n",
    );
    let lines: Vec<(usize, bool)> = problems
        .iter()
        .map(|problem| (problem.line, problem.warning))
        .collect();
    let want = [
        (2, false),
        (3, true),
        (4, false),
        (4, false),
        (7, false),
        (10, false),
        (12, false),
        (17, false),
        (19, false),
    ];
    assert_eq!(lines, want, "{problems:#?}");
}

#[test]
fn a_web_primary_is_one_target_asked_under_its_first_host() {
    let (watch, _) = read("");
    let primary = WebPrimary::parse("https://198.51.100.80").unwrap();
    let hosts = ["verein.test".to_owned(), "www.verein.test".to_owned()];
    let organisation = OrganisationId::new("verein.test");
    let config = watch
        .web(&organisation, primary, &hosts, Some("Verein"))
        .unwrap();
    assert!(config.steering);
    assert_eq!(
        &*config.target.name,
        "https://verein.test/ at 198.51.100.80:443"
    );
    assert_eq!(config.probe.tcp_port(), Some(443));
    assert!(watch.web(&organisation, primary, &[], None).is_none());
}

#[test]
fn a_mail_server_is_one_target_known_by_its_certificates_name() {
    let (watch, _) = read("");
    let organisation = OrganisationId::new("verein.test");
    let address = "198.51.100.25:25".parse().unwrap();
    let target = |protocol| watch.mail(&organisation, protocol, address, "mail.verein.test", false);
    let config = target(MailProtocol::Smtp);
    assert!(config.steering);
    assert_eq!(config.target.service.service, Service::Mail);
    assert_eq!(
        &*config.target.name,
        "smtp mail.verein.test at 198.51.100.25:25"
    );
    assert_eq!(config.probe.tcp_port(), Some(25));
    assert_eq!(config.probe.ip(), address.ip());
    // What it speaks is asked for as it is set.
    let config = target(MailProtocol::Lmtp);
    let speaks = |probe: &Probe| match probe {
        Probe::Smtp(server) => Some(server.protocol),
        _ => None,
    };
    assert_eq!(speaks(&config.probe), Some(MailProtocol::Lmtp));
    assert!(config.target.name.starts_with("lmtp mail.verein.test"));
}

#[test]
fn an_alert_has_one_way_out() {
    let read = |text: &str| {
        let document = Document::new("/", text);
        let alert = document.read(|fields| AlertConfig::read(&fields));
        (alert, document.problems().len())
    };
    let (alert, problems) = read("webhook = \"https://hooks.test/a?b=c\"");
    let way = alert.map(|alert| alert.way);
    let want = Url::parse("https://hooks.test/a?b=c").unwrap();
    assert_eq!((way, problems), (Some(AlertWay::Webhook(want)), 0));
    assert_eq!(read("webhook = \"mailto:a@b.test\""), (None, 1));
    assert_eq!(read(""), (None, 1));
    assert_eq!(read("command = \"/nowhere/at/all\"").1, 1);
    assert_eq!(
        read("command = \"/dev/null\"\nwebhook = \"http://hooks.test\""),
        (None, 1)
    );
}
