//! One name has one owner, and one address one listener: what `check` says, with both places.

use super::*;

const HEAD: &str = r#"
version = 1
[standby]
name = "oslo"
addresses = ["192.0.2.7"]
references = ["9.9.9.9:53"]
[listen]
dns = ["192.0.2.7:53"]
http = ["192.0.2.7:80"]
smtp = ["192.0.2.7:25"]
"#;

/// An organisation with these lines after its name.
fn organisation(name: &str, domain: &str, more: &str) -> String {
    format!(
        "[[organisation]]\nname = \"{name}\"\ndomains = [\"{domain}\"]\nimprint = \"https://{domain}/\"\n{more}\n"
    )
}

fn names(zone: &str, steered: &str) -> String {
    format!(
        "[organisation.names]\nzones = [\"{zone}\"]\nprimary = \"198.51.100.53:53\"\nsteer = {{ via = \"secondary\", names = [{steered}] }}"
    )
}

fn web(hosts: &str) -> String {
    format!(
        "[organisation.web]\nhosts = [{hosts}]\nexpect = \"Welcome\"\nprimary = \"https://198.51.100.80\""
    )
}

fn mail(domains: &str) -> String {
    let domains = match domains {
        "" => String::new(),
        domains => format!("domains = [{domains}]\n"),
    };
    format!("[organisation.mail]\n{domains}primary = \"198.51.100.25\"")
}

/// What is said of a file, without the folder's name.
fn said(text: &str, errors: bool) -> Vec<String> {
    let folder = folder();
    let reading = read(&write(&folder, "servergate.toml", text)).expect("read");
    let prefix = format!("{}/", folder.path().display());
    let all = reading.problems.iter();
    let all = all.filter(|problem| problem.warning != errors);
    all.map(|problem| problem.to_string().replace(&prefix, ""))
        .collect()
}

#[test]
fn two_organisations_cannot_have_the_same_name_of_any_kind() {
    let one = "Verein";
    for (kind, first, second) in [
        ("a domain", String::new(), String::new()),
        ("a domain of its mail", mail(""), mail("\"Verein.TEST\"")),
        (
            "a domain of its mail",
            mail("\"post.test\""),
            mail("\"post.test\""),
        ),
        (
            "a zone",
            names("shared.test", "\"a.shared.test\""),
            names("Shared.test.", "\"b.shared.test\""),
        ),
        (
            "a steered name",
            names("verein.test", "\"www.verein.test\""),
            names("www.verein.test", "\"www.verein.test\""),
        ),
        (
            "a host name",
            web("\"www.bücher.test\""),
            web("\"www.xn--bcher-kva.test\""),
        ),
        (
            "a host name",
            web("\"www.verein.test\""),
            "[organisation.bulletin]\nhost = \"WWW.verein.test\"".to_owned(),
        ),
    ] {
        let domain = if first.is_empty() {
            "Verein.test"
        } else {
            "stadt.test"
        };
        let text = format!(
            "{HEAD}{}{}",
            organisation(one, "verein.test", &first),
            organisation("Stadt", domain, &second)
        );
        let errors = said(&text, true);
        // A steered name may lie in a zone of the other one, which is said too.
        let said = errors.iter().filter(|error| error.contains("belongs to"));
        let said: Vec<_> = said.collect();
        assert_eq!(said.len(), 1, "{kind}: {errors:#?}");
        assert!(said[0].starts_with("servergate.toml:"), "{errors:?}");
        let words = format!("belongs to \"Verein\" already, as {kind} (");
        assert!(said[0].contains(&words), "{kind}: {errors:?}");
        assert!(
            said[0].contains("take it out of one of the two"),
            "{errors:?}"
        );
    }
}

#[test]
fn both_places_are_named_across_included_files() {
    let folder = folder();
    let main = write(
        &folder,
        "servergate.toml",
        &format!("include = \"organisations.d/*.toml\"\n{HEAD}"),
    );
    let first = organisation("Verein", "verein.test", &mail(""));
    let second = organisation(
        "Stadt",
        "stadt.test",
        &mail("\"stadt.test\", \"verein.test\""),
    );
    let one = write(&folder, "organisations.d/a.toml", &first);
    let two = write(&folder, "organisations.d/b.toml", &second);
    let reading = read(&main).expect("read");
    let [problem] = reading.problems.as_slice() else {
        panic!("{:#?}", reading.problems)
    };
    assert_eq!((&problem.file, problem.line, problem.column), (&two, 6, 26));
    let there = format!("({}:3:12)", one.display());
    assert!(problem.message.contains(&there), "{problem}");
    assert!(reading.config.is_none());
}

#[test]
fn what_stands_twice_for_one_organisation_is_a_warning() {
    let text = format!(
        "{HEAD}{}",
        organisation(
            "Verein",
            "verein.test",
            &web("\"www.verein.test\", \"WWW.verein.test\"")
        )
    );
    let warnings = said(&text, false);
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:#?}")
    };
    assert!(
        warning.contains("www.verein.test stands here twice as a host name"),
        "{warning}"
    );
    assert_eq!(said(&text, true), Vec::<String>::new());
}

#[test]
fn a_zone_below_another_s_conflicts_only_where_it_takes_a_steered_name() {
    let first = organisation(
        "Verein",
        "verein.test",
        &names("verein.test", "\"www.verein.test\""),
    );
    let with = |zone: &str| {
        let steered = format!("\"x.{zone}\"");
        let second = organisation("Jugend", "jugend.test", &names(zone, &steered));
        said(&format!("{HEAD}{first}{second}"), true)
    };
    // A delegation to another organisation: usual.
    assert_eq!(with("jugend.verein.test"), Vec::<String>::new());
    let errors = with("www.verein.test");
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(
        errors[0].contains("www.verein.test lies in the zone www.verein.test of \"Jugend\""),
        "{errors:?}"
    );
}

#[test]
fn a_host_of_one_that_another_steers_is_a_warning() {
    let text = format!(
        "{HEAD}{}{}",
        organisation(
            "Verein",
            "verein.test",
            &names("verein.test", "\"shop.verein.test\"")
        ),
        organisation("Laden", "laden.test", &web("\"shop.verein.test\""))
    );
    let warnings = said(&text, false);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0].contains("is a host name of \"Laden\""),
        "{warnings:?}"
    );
}

#[test]
fn listeners_that_cannot_be_there_together_are_named() {
    let with = |listen: &str| {
        let (before, _) = HEAD.split_once("[listen]").expect("a table");
        let text = format!(
            "{before}[listen]\n{listen}\n{}",
            organisation("Verein", "verein.test", "")
        );
        said(&text, true)
    };
    for listen in [
        "smtp = [\"0.0.0.0:25\", \"192.0.2.1:25\"]",
        "smtp = [\"192.0.2.1:25\", \"0.0.0.0:25\"]",
        "smtp = [\"192.0.2.1:25\", \"192.0.2.1:25\"]",
        "smtp = [\"[::]:25\", \"[2001:db8::1]:25\"]",
        "http = [\"0.0.0.0:80\"]\nhttps = [\"192.0.2.1:80\"]",
        "http = [\"127.0.0.1:80\"]\nmetrics = \"127.0.0.1:80\"",
        "dns = [\"192.0.2.1:53\"]\nhttp = [\"0.0.0.0:53\"]",
    ] {
        let errors = with(listen);
        assert_eq!(errors.len(), 1, "{listen}: {errors:#?}");
        assert!(
            errors[0].contains("cannot be bound beside") && errors[0].contains("servergate.toml:"),
            "{errors:?}"
        );
    }
    for listen in [
        "smtp = [\"0.0.0.0:25\", \"[::]:25\"]",
        "smtp = [\"192.0.2.1:25\", \"192.0.2.2:25\"]",
        "http = [\"0.0.0.0:80\"]\nhttps = [\"0.0.0.0:443\"]",
        "http = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]",
    ] {
        assert_eq!(with(listen), Vec::<String>::new(), "{listen}");
    }
}
