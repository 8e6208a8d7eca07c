//! Reload, choice by name, and a handshake with our own client.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::super::{ClientTls, PairError};
use super::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn write(&self, folder: &Path, name: &str, hosts: &[&str], year: i32) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = CertificateFiles {
            organisation: OrganisationId::new(name),
            chain: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&files.chain, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn expiry(certificates: &Certificates) -> Vec<Option<String>> {
    let reports = certificates.report();
    let shown = |report: &CertificateReport| report.not_after.map(|at| at.to_string());
    reports.iter().map(shown).collect()
}

#[test]
fn names_are_chosen_exactly_then_by_wildcard_of_one_label() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let verein = authority.write(
        folder.path(),
        "verein.test",
        &["verein.test", "*.verein.test"],
        2040,
    );
    let stadt = authority.write(
        folder.path(),
        "stadt.test",
        &["Stadt.test", "amt.verein.test"],
        2041,
    );
    let certificates = Certificates::open(vec![verein, stadt], &Metrics::default()).unwrap();
    for (host, covered) in [
        ("verein.test", true),
        ("WWW.verein.test", true),
        ("a.b.verein.test", false),
        ("stadt.test", true),
        ("www.stadt.test", false),
        ("test", false),
        ("", false),
    ] {
        assert_eq!(certificates.covers(host), covered, "{host}");
    }
    let table = &certificates.0.table;
    let (exact, other) = (table.find("amt.verein.test"), table.find("www.verein.test"));
    assert!(
        !Arc::ptr_eq(&exact.unwrap(), &other.unwrap()),
        "an exact name goes first"
    );
    let dates = ["2040-01-01T00:00:00Z", "2041-01-01T00:00:00Z"];
    assert_eq!(
        expiry(&certificates),
        dates.map(|date| Some(date.to_owned()))
    );
}

#[test]
fn changed_files_are_taken_and_broken_ones_leave_the_old_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write(folder.path(), "verein.test", &["verein.test"], 2040);
    let metrics = Metrics::default();
    let certificates = Certificates::open(vec![files.clone()], &metrics).unwrap();
    assert_eq!(certificates.reload(), 0, "nothing changed");

    // A key that was written before its chain: the usual moment between two files.
    let old_key = fs::read(&files.key).unwrap();
    fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_eq!(certificates.reload(), 0);
    let report = certificates.report().remove(0);
    assert!(
        matches!(report.problem, Some(PairError::Mismatch { .. })),
        "{report:?}"
    );
    assert!(certificates.covers("verein.test"));
    assert_eq!(certificates.reload(), 0, "said once");

    fs::write(&files.key, old_key).unwrap();
    assert_eq!(certificates.reload(), 1);
    assert_eq!(certificates.report().remove(0).problem, None);

    fs::write(&files.chain, "not a certificate").unwrap();
    certificates.reload();
    fs::remove_file(&files.chain).unwrap();
    certificates.reload();
    let report = certificates.report().remove(0);
    assert!(
        matches!(report.problem, Some(PairError::Unreadable { .. })),
        "{report:?}"
    );
    assert_eq!(
        expiry(&certificates),
        [Some("2040-01-01T00:00:00Z".to_owned())]
    );

    authority.write(
        folder.path(),
        "verein.test",
        &["verein.test", "neu.verein.test"],
        2045,
    );
    assert_eq!(certificates.reload(), 1);
    assert!(certificates.covers("neu.verein.test"));
    assert_eq!(
        expiry(&certificates),
        [Some("2045-01-01T00:00:00Z".to_owned())]
    );
    let text = metrics.text();
    assert!(
        text.contains("servergate_tls_certificate_failures_total 3"),
        "{text}"
    );
    assert!(
        text.contains("servergate_tls_certificate_reloads_total 3"),
        "{text}"
    );
}

#[test]
fn one_broken_certificate_does_not_take_the_others_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let good = Authority::new().write(folder.path(), "verein.test", &["verein.test"], 2040);
    let broken = CertificateFiles {
        organisation: OrganisationId::new("stadt.test"),
        chain: folder.path().join("nowhere.pem"),
        key: folder.path().join("nowhere.key"),
    };
    let certificates = Certificates::open(vec![broken, good], &Metrics::default()).unwrap();
    assert!(certificates.covers("verein.test"));
    assert!(certificates.report().remove(0).problem.is_some());
}

#[tokio::test]
async fn a_guest_shakes_hands_and_an_unknown_name_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write(folder.path(), "verein.test", &["verein.test"], 2040);
    let metrics = Metrics::default();
    let certificates = Certificates::open(vec![files], &metrics).unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, &authority.pem).unwrap();
    let client = ClientTls::new(Some(&roots))
        .unwrap()
        .offering(&[b"http/1.1"]);
    let acceptor = TlsAcceptor::from(certificates.server_config());

    for (name, good) in [("verein.test", true), ("stadt.test", false)] {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let server = async {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        };
        let guest = async {
            let mut stream = client.connect(name, near).await?;
            assert_eq!(
                stream.get_ref().1.alpn_protocol(),
                Some(b"http/1.1".as_slice())
            );
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok::<_, io::Error>(text)
        };
        let (server, guest) = tokio::join!(server, guest);
        assert_eq!(server.is_ok(), good);
        assert_eq!(guest.ok().as_deref(), good.then_some("hello"));
    }
    assert!(
        metrics
            .text()
            .contains("servergate_tls_unknown_names_total 1")
    );
}

#[test]
fn a_file_without_authorities_is_an_error_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    fs::write(&file, "").unwrap();
    let error = ClientTls::new(Some(&file)).unwrap_err().to_string();
    assert!(
        error.ends_with("holds no certificate authority: no certificate in it"),
        "{error}"
    );
}

/// What a guest who names `name` (or nobody) is shown, and the protocol that was chosen.
async fn shown(
    config: &Arc<ServerConfig>,
    name: &str,
    alpn: &[&[u8]],
) -> io::Result<(SpkiHash, Option<Vec<u8>>)> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    let tls = super::super::HopTls::opportunistic()
        .unwrap()
        .offering(alpn);
    let (_, guest) = tokio::join!(acceptor.accept(far), tls.connect(name, near));
    let (stream, key) = guest?;
    Ok((key, stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)))
}

#[tokio::test]
async fn mail_guests_are_shown_a_certificate_whatever_they_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let verein = authority.write(folder.path(), "verein.test", &["verein.test"], 2040);
    let stadt = authority.write(folder.path(), "stadt.test", &["mx.stadt.test"], 2041);
    let certificates = Certificates::open(vec![verein, stadt], &Metrics::default()).unwrap();
    let key = |host| {
        let found = certificates.0.table.find(host).unwrap();
        SpkiHash::of(&found.cert[0]).unwrap()
    };
    let (verein, stadt) = (key("verein.test"), key("mx.stadt.test"));
    let mail = certificates
        .server_config_for(&[], Some("mx.stadt.test"))
        .unwrap();
    // An address is never sent as a name (RFC 6066 §3).
    for (name, expected) in [
        ("verein.test", verein),
        ("mx.stadt.test", stadt),
        ("192.0.2.7", stadt),
        ("nobody.test", stadt),
    ] {
        assert_eq!(shown(&mail, name, &[]).await.unwrap().0, expected, "{name}");
    }
    let first = certificates.server_config_for(&[], None).unwrap();
    assert_eq!(shown(&first, "nobody.test", &[]).await.unwrap().0, verein);
    let other = shown(&mail, "verein.test", &[b"smtp"]).await.unwrap();
    assert_eq!(other.1, None, "no list of ours, no quarrel");
    let web = certificates.server_config();
    assert!(shown(&web, "verein.test", &[b"smtp"]).await.is_err());
}

#[tokio::test]
async fn a_pinned_key_is_believed_and_no_other() {
    use super::super::{HopTls, SpkiHash};

    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write(folder.path(), "verein.test", &["verein.test"], 1999);
    let certificates = Certificates::open(vec![files], &Metrics::default()).unwrap();
    let config = certificates.server_config_for(&[], None).unwrap();
    let (key, _) = shown(&config, "mx.stadt.test", &[]).await.unwrap();
    let verified = ClientTls::new(Some(&{
        let roots = folder.path().join("roots.pem");
        fs::write(&roots, &authority.pem).unwrap();
        roots
    }));
    for (tls, good) in [
        // Its name is another's and it expired long ago; the key is what counts.
        (HopTls::pinned([SpkiHash([7; 32]), key]).unwrap(), true),
        (HopTls::pinned([SpkiHash([7; 32])]).unwrap(), false),
        (HopTls::pinned([]).unwrap(), false),
        (HopTls::verified(&verified.unwrap()), false),
    ] {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        let (near, far) = tokio::io::duplex(16 * 1024);
        let (_, guest) = tokio::join!(acceptor.accept(far), tls.connect("mx.stadt.test", near));
        assert_eq!(
            guest.ok().map(|(_, met)| met),
            good.then_some(key),
            "{tls:?}"
        );
    }
}
